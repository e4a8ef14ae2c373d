package codec

import (
	"bytes"
	"testing"

	"github.com/pion/rtp/codecs"
)

// vp8Key is the front of a VP8 key frame of 640x480 with a scale of 1 in the
// width (RFC 6386, section 9.1).
var vp8Key = []byte{0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0xe0, 0x01, 0, 0, 0, 0, 0, 0}

func TestVP8Parse(t *testing.T) {
	tests := []struct {
		name    string
		payload []byte
		want    VP8
		err     error
	}{
		{name: "empty", err: ErrShort},
		{name: "one octet", payload: []byte{0x10}, want: VP8{S: true, HeaderLen: 1}},
		{name: "non-reference, partition 5", payload: []byte{0x25, 9}, want: VP8{N: true, PID: 5, HeaderLen: 1}},
		{name: "X cut", payload: []byte{0x90}, err: ErrShort},
		{name: "X without fields", payload: []byte{0x90, 0}, want: VP8{X: true, S: true, HeaderLen: 2}},
		{
			name: "7-bit picture ID", payload: []byte{0x90, 0x80, 0x11},
			want: VP8{X: true, S: true, HasPictureID: true, PictureIDBits: 7, PictureID: 0x11, HeaderLen: 3, pidAt: 2},
		},
		{name: "7-bit picture ID cut", payload: []byte{0x90, 0x80}, err: ErrShort},
		{
			name: "15-bit picture ID", payload: []byte{0x90, 0x80, 0x92, 0x34},
			want: VP8{X: true, S: true, HasPictureID: true, PictureIDBits: 15, PictureID: 0x1234, HeaderLen: 4, pidAt: 2},
		},
		{name: "15-bit picture ID cut", payload: []byte{0x90, 0x80, 0x92}, err: ErrShort},
		{
			name: "all fields", payload: []byte{0x90, 0xf0, 0x80, 0x01, 0x07, 0xa3},
			want: VP8{
				X: true, S: true, HasPictureID: true, PictureIDBits: 15, PictureID: 1, pidAt: 2,
				HasTL0: true, TL0PICIDX: 7, tl0At: 4, HasTID: true, TID: 2, Y: true, HasKEYIDX: true, KEYIDX: 3,
				HeaderLen: 6,
			},
		},
		{name: "TL0PICIDX cut", payload: []byte{0x90, 0xc0, 0x01}, err: ErrShort},
		{name: "TID cut", payload: []byte{0x90, 0x20}, err: ErrShort},
		{
			name: "KEYIDX alone leaves TID unset", payload: []byte{0x80, 0x10, 0xff},
			want: VP8{X: true, HasKEYIDX: true, KEYIDX: 31, HeaderLen: 3},
		},
		{
			name: "TID alone leaves KEYIDX unset", payload: []byte{0x80, 0x20, 0x5f},
			want: VP8{X: true, HasTID: true, TID: 1, HeaderLen: 3},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d VP8
			if err := d.Parse(tt.payload); err != tt.err {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if tt.err == nil && d != tt.want {
				t.Fatalf("got  %+v\nwant %+v", d, tt.want)
			}
		})
	}
}

func TestVP8Info(t *testing.T) {
	layered := func(tid byte, more ...byte) []byte {
		return append([]byte{0x90, 0xe0, 0x80, 0x01, 0x07, tid}, more...)
	}
	delta := bytes.Clone(vp8Key)
	delta[0] |= 1
	noCode := bytes.Clone(vp8Key)
	noCode[3] = 0
	key := Info{
		Keyframe: true, FrameStart: true, SwitchUp: true, UpFrom: -1, UpTo: MaxTemporal, Width: 640, Height: 480,
	}
	layeredKey := key
	layeredKey.HasTemporal = true
	tests := []struct {
		name    string
		payload []byte
		want    Info
	}{
		{"key frame", append([]byte{0x10}, vp8Key...), key},
		{"key frame with layers", layered(0x20, vp8Key...), layeredKey},
		{"delta frame", append([]byte{0x10}, delta...), Info{FrameStart: true}},
		{"no start code", append([]byte{0x10}, noCode...), Info{FrameStart: true}},
		{"not the start of a partition", append([]byte{0x00}, vp8Key...), Info{}},
		{"start of the second partition", append([]byte{0x11}, vp8Key...), Info{}},
		{"shorter than 16", append([]byte{0x10}, vp8Key[:14]...), Info{FrameStart: true}},
		{"non-reference", append([]byte{0x30}, delta...), Info{FrameStart: true, Discardable: true}},
		{
			"layer sync", layered(0xa0, delta...),
			Info{FrameStart: true, HasTemporal: true, Temporal: 2, SwitchUp: true, UpFrom: 1, UpTo: 2},
		},
		{"no layer sync", layered(0x80, delta...), Info{FrameStart: true, HasTemporal: true, Temporal: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d VP8
			if err := d.Parse(tt.payload); err != nil {
				t.Fatal(err)
			}
			if got := d.Info(tt.payload); got != tt.want {
				t.Fatalf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestVP8Rewrite(t *testing.T) {
	tests := []struct {
		name     string
		in, want []byte
	}{
		{"no fields", []byte{0x10, 1, 2}, []byte{0x10, 1, 2}},
		{"7 bits", []byte{0x90, 0x80, 0x11, 9}, []byte{0x90, 0x80, 0x55, 9}},
		{"15 bits", []byte{0x90, 0x80, 0x80, 0x11, 9}, []byte{0x90, 0x80, 0xb2, 0xd5, 9}},
		{"TL0PICIDX alone", []byte{0x90, 0x40, 0x11, 9}, []byte{0x90, 0x40, 0xab, 9}},
		{"all", []byte{0x90, 0xf0, 0x80, 1, 7, 0xa3, 9}, []byte{0x90, 0xf0, 0xb2, 0xd5, 0xab, 0xa3, 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d VP8
			if err := d.Parse(tt.in); err != nil {
				t.Fatal(err)
			}
			d.Rewrite(tt.in, 0x32d5, 0xab)
			if !bytes.Equal(tt.in, tt.want) {
				t.Fatalf("got %x, want %x", tt.in, tt.want)
			}
			d.Rewrite(tt.in[:d.HeaderLen-1], 0, 0) // too short a copy: left alone
			if !bytes.Equal(tt.in, tt.want) {
				t.Fatalf("short copy changed: %x", tt.in)
			}
		})
	}
}

// checkVP8Pion compares the descriptor with what pion makes of it.
func checkVP8Pion(t *testing.T, payload []byte) {
	t.Helper()
	var d VP8
	err := d.Parse(payload)
	var p codecs.VP8Packet
	rest, perr := p.Unmarshal(payload)
	if (err == nil) != (perr == nil) {
		t.Fatalf("%x: error %v, pion %v", payload, err, perr)
	}
	if err != nil {
		return
	}
	got := [...]int{
		b2i(d.X), b2i(d.N), b2i(d.S), int(d.PID), b2i(d.HasPictureID), int(d.PictureID),
		b2i(d.HasTL0), int(d.TL0PICIDX), b2i(d.HasTID), int(d.TID), b2i(d.Y), b2i(d.HasKEYIDX), int(d.KEYIDX), d.HeaderLen,
	}
	want := [...]int{
		int(p.X), int(p.N), int(p.S), int(p.PID), int(p.I), int(p.PictureID),
		int(p.L), int(p.TL0PICIDX), int(p.T), int(p.TID), int(p.Y), int(p.K), int(p.KEYIDX), len(payload) - len(rest),
	}
	if got != want {
		t.Fatalf("%x:\ngot  %v\npion %v", payload, got, want)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
