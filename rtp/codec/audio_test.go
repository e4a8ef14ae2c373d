package codec

import (
	"bytes"
	"testing"
)

func TestOpusConfigs(t *testing.T) {
	// RFC 6716, table 2: mode, bandwidth in kHz, frame durations in samples.
	table := []struct {
		mode      OpusMode
		bandwidth uint16
		samples   []uint16
	}{
		{OpusSILK, 4000, []uint16{480, 960, 1920, 2880}},
		{OpusSILK, 6000, []uint16{480, 960, 1920, 2880}},
		{OpusSILK, 8000, []uint16{480, 960, 1920, 2880}},
		{OpusHybrid, 12000, []uint16{480, 960}},
		{OpusHybrid, 20000, []uint16{480, 960}},
		{OpusCELT, 4000, []uint16{120, 240, 480, 960}},
		{OpusCELT, 8000, []uint16{120, 240, 480, 960}},
		{OpusCELT, 12000, []uint16{120, 240, 480, 960}},
		{OpusCELT, 20000, []uint16{120, 240, 480, 960}},
	}
	config := byte(0)
	for _, row := range table {
		for _, samples := range row.samples {
			var d Opus
			err := d.Parse([]byte{config << 3, 1, 2, 3})
			want := Opus{row.mode, row.bandwidth, 1, 1, samples, samples, false}
			if err != nil || d != want {
				t.Errorf("config %d: got %+v, %v; want %+v", config, d, err, want)
			}
			config++
		}
	}
	if config != 32 {
		t.Fatal(config)
	}
}

func TestOpusParse(t *testing.T) {
	tests := []struct {
		name    string
		payload []byte
		want    Opus
		err     error
	}{
		{"empty", nil, Opus{}, ErrShort},
		{"two equal frames, stereo", []byte{1<<3 | 4 | 1, 1, 2}, Opus{OpusSILK, 4000, 2, 2, 960, 1920, false}, nil},
		{"two frames", []byte{31<<3 | 2, 1, 2}, Opus{OpusCELT, 20000, 1, 2, 960, 1920, false}, nil},
		{"six frames of 20 ms", []byte{31<<3 | 3, 6, 2}, Opus{OpusCELT, 20000, 1, 6, 960, 5760, false}, nil},
		{"48 frames of 2.5 ms", []byte{28<<3 | 3, 0xc0 | 48, 2}, Opus{OpusCELT, 20000, 1, 48, 120, 5760, false}, nil},
		{"over 120 ms", []byte{31<<3 | 3, 7, 2}, Opus{}, ErrSyntax},
		{"no frames", []byte{31<<3 | 3, 0, 2}, Opus{}, ErrSyntax},
		{"count cut", []byte{31<<3 | 3}, Opus{}, ErrShort},
		{"DTX of one octet", []byte{1 << 3}, Opus{OpusSILK, 4000, 1, 1, 960, 960, true}, nil},
		{"DTX of two octets", []byte{1 << 3, 0}, Opus{OpusSILK, 4000, 1, 1, 960, 960, true}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d Opus
			if err := d.Parse(tt.payload); err != tt.err || err == nil && d != tt.want {
				t.Fatalf("got %+v, %v; want %+v, %v", d, err, tt.want, tt.err)
			}
		})
	}
}

func TestOpusCapture(t *testing.T) {
	for n, p := range loadCapture(t, "opus-ffmpeg") {
		var d Opus
		if err := d.Parse(p.payload); err != nil || d.Channels != 2 || d.Samples != 960 || d.DTX {
			t.Fatalf("packet %d: %+v, %v", n, d, err)
		}
	}
}

func TestRED(t *testing.T) {
	// RFC 2198, section 7, in small: a redundant block and a primary one.
	header := func(pt byte, offset, size uint16) []byte {
		v := uint32(offset)<<10 | uint32(size)
		return []byte{pt | 0x80, byte(v >> 16), byte(v >> 8), byte(v)}
	}
	cat := func(p ...[]byte) []byte { return bytes.Join(p, nil) }
	two := cat(header(111, 1920, 2), header(111, 960, 3), []byte{111}, []byte("aabbbcccc"))
	tests := []struct {
		name    string
		payload []byte
		want    []REDBlock
		err     error
	}{
		{"primary alone", []byte{111, 1, 2}, []REDBlock{{111, true, 0, []byte{1, 2}}}, nil},
		{"empty primary", []byte{111}, []REDBlock{{111, true, 0, nil}}, nil},
		{"two redundant blocks", two, []REDBlock{
			{111, false, 1920, []byte("aa")}, {111, false, 960, []byte("bbb")}, {111, true, 0, []byte("cccc")},
		}, nil},
		{"largest fields", cat(header(5, 16383, 1023), []byte{0}, make([]byte, 1024)), []REDBlock{
			{5, false, 16383, make([]byte, 1023)}, {0, true, 0, []byte{0}},
		}, nil},
		{"empty", nil, nil, ErrShort},
		{"header cut", two[:3], nil, ErrShort},
		{"no primary header", two[:8], nil, ErrShort},
		{"data cut", two[:13], nil, ErrShort},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d RED
			if err := d.Parse(tt.payload); err != tt.err {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			for n, want := range tt.want {
				got, ok := d.Next()
				if !ok || got.PT != want.PT || got.Primary != want.Primary || got.Offset != want.Offset || !bytes.Equal(got.Data, want.Data) {
					t.Fatalf("block %d: %+v %v, want %+v", n, got, ok, want)
				}
			}
			if b, ok := d.Next(); ok {
				t.Fatalf("a block too many: %+v", b)
			}
			b, err := REDPrimary(tt.payload)
			if err != tt.err || err == nil && (!b.Primary || !bytes.Equal(b.Data, tt.want[len(tt.want)-1].Data)) {
				t.Fatalf("primary %+v, %v", b, err)
			}
		})
	}
}
