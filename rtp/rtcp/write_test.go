package rtcp

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/rtcp"
)

// unmarshal decodes with pion, which must take every byte.
func unmarshal(t testing.TB, b []byte) []pion.Packet {
	t.Helper()
	if err := Validate(b); err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	packets, err := pion.Unmarshal(b)
	if err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	return packets
}

func TestWriteReports(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, n := range []int{0, 1, 2, 31, 32, 70} {
		blocks, theirs := randomBlocks(r, n)
		info := SenderInfo{r.Uint32(), r.Uint64(), r.Uint32(), r.Uint32(), r.Uint32()}
		var got []pion.ReceptionReport
		for i, p := range unmarshal(t, AppendSR(nil, &info, blocks)) {
			switch p := p.(type) {
			case *pion.SenderReport:
				if i != 0 || p.SSRC != info.SSRC || p.NTPTime != info.NTP || p.RTPTime != info.RTPTime || p.PacketCount != info.Packets || p.OctetCount != info.Octets {
					t.Fatalf("packet %d is %+v, want %+v", i, p, info)
				}
				got = append(got, p.Reports...)
			case *pion.ReceiverReport:
				got = append(got, p.Reports...)
			}
		}
		if len(got)+len(theirs) > 0 && !reflect.DeepEqual(got, theirs) {
			t.Fatalf("SR blocks\n got %v\nwant %v", got, theirs)
		}
		got = nil
		for _, p := range unmarshal(t, AppendRR(nil, 9, blocks)) {
			rr := p.(*pion.ReceiverReport)
			if rr.SSRC != 9 {
				t.Fatalf("RR of %d", rr.SSRC)
			}
			got = append(got, rr.Reports...)
		}
		if len(got)+len(theirs) > 0 && !reflect.DeepEqual(got, theirs) {
			t.Fatalf("RR blocks\n got %v\nwant %v", got, theirs)
		}
	}
	if b := AppendRR(nil, 0, nil); len(b) != 8 {
		t.Errorf("empty RR has %d bytes", len(b))
	}
	// Loss saturates to 24 bits instead of changing its sign.
	for _, tt := range []struct{ in, want int32 }{{1 << 30, 1<<23 - 1}, {-1 << 30, -1 << 23}, {-1, -1}} {
		p := only(t, AppendRR(nil, 1, []ReportBlock{{Lost: tt.in}}))
		if rr, _ := p.ReceiverReport(); rr.Blocks.At(0).Lost != tt.want {
			t.Errorf("lost %d became %d", tt.in, rr.Blocks.At(0).Lost)
		}
	}
}

func TestWriteSources(t *testing.T) {
	for n := range 9 {
		text := "cname678"[:n]
		sdes := unmarshal(t, AppendCNAME(nil, 5, text))[0].(*pion.SourceDescription)
		if len(sdes.Chunks) != 1 || sdes.Chunks[0].Source != 5 || len(sdes.Chunks[0].Items) != 1 ||
			sdes.Chunks[0].Items[0] != (pion.SourceDescriptionItem{Type: pion.SDESCNAME, Text: text}) {
			t.Errorf("CNAME %q: %v", text, sdes)
		}
		bye := unmarshal(t, AppendBye(nil, 5, text))[0].(*pion.Goodbye)
		if !slices.Equal(bye.Sources, []uint32{5}) || bye.Reason != text {
			t.Errorf("BYE %q: %v", text, bye)
		}
	}
	long := strings.Repeat("x", 300)
	if sdes := unmarshal(t, AppendCNAME(nil, 5, long))[0].(*pion.SourceDescription); len(sdes.Chunks[0].Items[0].Text) != 255 {
		t.Error("long CNAME not cut")
	}
	app := unmarshal(t, AppendApp(nil, &App{Subtype: 3, SSRC: 4, Name: [4]byte([]byte("abcd")), Data: []byte("12345")}))[0].(*pion.ApplicationDefined)
	if app.SubType != 3 || app.SSRC != 4 || app.Name != "abcd" || string(app.Data) != "12345\x00\x00\x00" {
		t.Errorf("APP %+v", app)
	}
}

func TestWriteNACK(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		s := uint16(r.Uint32())
		var want []uint16
		for range r.IntN(200) {
			s += uint16(1 + r.IntN(1<<r.IntN(8)))
			want = append(want, s)
		}
		b := AppendNACK(nil, Ends{Sender: 1, Media: 2}, want)
		if len(want) == 0 {
			if len(b) != 0 {
				t.Fatal("a NACK for nothing")
			}
			continue
		}
		var got []uint16
		for _, p := range unmarshal(t, b) {
			n := p.(*pion.TransportLayerNack)
			if n.SenderSSRC != 1 || n.MediaSSRC != 2 || n.MarshalSize() > 120 {
				t.Fatalf("%d bytes: %v", n.MarshalSize(), n)
			}
			for _, pair := range n.Nacks {
				got = append(got, pair.PacketList()...)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("asked for %v, want %v", got, want)
		}
	}
	// 17 in a row are one entry, also around the wrap.
	var row []uint16
	for i := range uint16(17) {
		row = append(row, 65530+i)
	}
	if b := AppendNACK(nil, Ends{Sender: 1, Media: 2}, row); len(b) != 16 || !bytes.Equal(b[12:], []byte{0xff, 0xfa, 0xff, 0xff}) {
		t.Errorf("run of 17: %x", b)
	}
	if b := AppendNACK(nil, Ends{Sender: 1, Media: 2}, []uint16{5, 5}); len(b) != 16 || !bytes.Equal(b[12:], []byte{0, 5, 0, 0}) {
		t.Errorf("repeated number: %x", b)
	}
}

func TestWritePayloadFeedback(t *testing.T) {
	pli := unmarshal(t, AppendPLI(nil, Ends{Sender: 1, Media: 2}))[0].(*pion.PictureLossIndication)
	if *pli != (pion.PictureLossIndication{SenderSSRC: 1, MediaSSRC: 2}) {
		t.Errorf("PLI %v", pli)
	}
	fir := unmarshal(t, AppendFIR(nil, Ends{Sender: 1, Media: 2}, 77))[0].(*pion.FullIntraRequest)
	if fir.SenderSSRC != 1 || fir.MediaSSRC != 0 || !slices.Equal(fir.FIR, []pion.FIREntry{{SSRC: 2, SequenceNumber: 77}}) {
		t.Errorf("FIR %v", fir)
	}
}

func TestWriteREMB(t *testing.T) {
	for _, tt := range []struct{ in, want uint64 }{
		{1, 1}, {1<<18 - 1, 1<<18 - 1}, {1 << 18, 1 << 18}, {1<<18 + 1, 1 << 18}, {5_000_000, 5_000_000 &^ 31}, {1<<64 - 1, (1<<18 - 1) << 46},
	} {
		remb := unmarshal(t, AppendREMB(nil, 1, tt.in, 2, 3))[0].(*pion.ReceiverEstimatedMaximumBitrate)
		if remb.SenderSSRC != 1 || remb.Bitrate != float32(tt.want) || !slices.Equal(remb.SSRCs, []uint32{2, 3}) {
			t.Errorf("REMB of %d: %v, want %d", tt.in, remb, tt.want)
		}
	}
}

// Pion decodes a mantissa of 0 wrongly, so this one is checked by its bytes.
func TestWriteREMBZero(t *testing.T) {
	want := []byte{0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 1, 0, 0, 0, 0, 0, 0, 2}
	if got := AppendREMB(nil, 1, 0, 2); !bytes.Equal(got, want) {
		t.Errorf("REMB of 0: %x, want %x", got, want)
	}
}

func TestNTP(t *testing.T) {
	tests := []struct {
		unix, nsec int64
		want       uint64
	}{
		{0, 0, 2208988800 << 32},
		{0, 500000000, 2208988800<<32 | 1<<31},
		{1704067200, 0, 0xe93c7f00 << 32}, // 2024-01-01
		{2085978496, 0, 0},                // era 1 begins: 2036-02-07 06:28:16
		{2085978495, 750000000, 0xffffffff<<32 | 3<<30},
	}
	for _, tt := range tests {
		at := time.Unix(tt.unix, tt.nsec)
		if got := NTP(at); got != tt.want {
			t.Errorf("NTP(%v) = %#x, want %#x", at.UTC(), got, tt.want)
		}
		if got := FromNTP(tt.want); !got.Equal(at) {
			t.Errorf("FromNTP(%#x) = %v, want %v", tt.want, got.UTC(), at.UTC())
		}
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 1000 {
		at := time.Unix(r.Int64N(4e9), r.Int64N(1e9))
		if got := FromNTP(NTP(at)); !got.Equal(at) {
			t.Fatalf("%v came back as %v", at, got)
		}
	}
	if got := MiddleNTP(0x0123456789abcdef); got != 0x456789ab {
		t.Errorf("MiddleNTP = %#x", got)
	}
	for _, tt := range []struct {
		d     time.Duration
		short uint32
	}{{time.Second, 1 << 16}, {250 * time.Millisecond, 1 << 14}, {-time.Second, 0}, {24 * time.Hour, 1<<32 - 1}} {
		if got := Short(tt.d); got != tt.short {
			t.Errorf("Short(%v) = %#x, want %#x", tt.d, got, tt.short)
		}
	}
	if got := ShortDuration(3 << 15); got != 1500*time.Millisecond {
		t.Errorf("ShortDuration = %v", got)
	}
}

func TestRelay(t *testing.T) {
	in := marshal(t,
		&pion.ReceiverReport{SSRC: 1},
		&pion.SenderReport{SSRC: 1},
		&pion.SourceDescription{Chunks: []pion.SourceDescriptionChunk{{Source: 1, Items: []pion.SourceDescriptionItem{{Type: 1, Text: "c"}}}}},
		&pion.TransportLayerNack{SenderSSRC: 1, MediaSSRC: 2, Nacks: []pion.NackPair{{PacketID: 1}}},
		&pion.TransportLayerCC{Header: pion.Header{Count: 15, Type: 205, Length: 5}, PacketStatusCount: 1, PacketChunks: []pion.PacketStatusChunk{&pion.RunLengthChunk{RunLength: 1}}},
		&pion.RapidResynchronizationRequest{SenderSSRC: 1, MediaSSRC: 2},
		&pion.ExtendedReport{SenderSSRC: 1},
		&pion.PictureLossIndication{SenderSSRC: 1, MediaSSRC: 2},
		&pion.FullIntraRequest{SenderSSRC: 1, MediaSSRC: 2, FIR: []pion.FIREntry{{SSRC: 2, SequenceNumber: 6}}},
		&pion.ReceiverEstimatedMaximumBitrate{SenderSSRC: 1, Bitrate: 1000, SSRCs: []uint32{2}},
		&pion.ApplicationDefined{SSRC: 1, Name: "abcd"},
		&pion.Goodbye{Sources: []uint32{1}, Reason: "bye"})
	before := bytes.Clone(in)
	got := unmarshal(t, AppendRelayed(nil, in, Ends{Sender: 10, Media: 20}))
	want := []pion.Packet{
		&pion.RapidResynchronizationRequest{SenderSSRC: 10, MediaSSRC: 20},
		&pion.PictureLossIndication{SenderSSRC: 10, MediaSSRC: 20},
		&pion.FullIntraRequest{SenderSSRC: 10, FIR: []pion.FIREntry{{SSRC: 20, SequenceNumber: 6}}},
		&pion.ReceiverEstimatedMaximumBitrate{SenderSSRC: 10, Bitrate: 1000, SSRCs: []uint32{20}},
		&pion.ApplicationDefined{SSRC: 10, Name: "abcd", Data: []byte{}},
		&pion.Goodbye{Sources: []uint32{10}, Reason: "bye"},
	}
	if !bytes.Equal(marshal(t, got...), marshal(t, want...)) {
		t.Errorf("relayed %v\nwant %v", got, want)
	}
	if !bytes.Equal(in, before) {
		t.Error("the input was changed")
	}
	// Malformed packets of the kinds that are passed on are not.
	for _, b := range [][]byte{{0x82, 203, 0, 1, 0, 0, 0, 1}, {0x80, 204, 0, 0}, {0x81, 206, 0, 0}, {0x81, 206, 0, 9}} {
		if out := AppendRelayed(nil, b, Ends{Sender: 10, Media: 20}); len(out) != 0 {
			t.Errorf("%x passed on as %x", b, out)
		}
	}
	// Padding does not move from the end into the middle.
	padded := []byte{0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4}
	if out := AppendRelayed(nil, padded, Ends{Sender: 10, Media: 20}); !bytes.Equal(out, AppendPLI(nil, Ends{Sender: 10, Media: 20})) {
		t.Errorf("padded PLI passed on as %x", out)
	}
}
