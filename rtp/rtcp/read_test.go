package rtcp

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	pion "github.com/pion/rtcp"
)

// marshal encodes with pion, the independent peer of these tests.
func marshal(t testing.TB, packets ...pion.Packet) []byte {
	t.Helper()
	b, err := pion.Marshal(packets)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// only returns the single packet of a compound.
func only(t testing.TB, b []byte) Packet {
	t.Helper()
	if err := Validate(b); err != nil {
		t.Fatalf("%x: %v", b, err)
	}
	it := Parse(b)
	if !it.Next() {
		t.Fatalf("%x: no packet: %v", b, it.Err())
	}
	p := it.Packet
	if it.Next() || it.Err() != nil {
		t.Fatalf("%x: more than a packet, %v", b, it.Err())
	}
	return p
}

func randomBlocks(r *rand.Rand, n int) (ours []ReportBlock, theirs []pion.ReceptionReport) {
	for range n {
		lost := int32(r.IntN(1<<24)) - 1<<23
		b := ReportBlock{r.Uint32(), uint8(r.Uint32()), lost, r.Uint32(), r.Uint32(), r.Uint32(), r.Uint32()}
		ours = append(ours, b)
		theirs = append(theirs, pion.ReceptionReport{
			SSRC: b.SSRC, FractionLost: b.FractionLost, TotalLost: uint32(lost) & 0xffffff,
			LastSequenceNumber: b.HighestSeq, Jitter: b.Jitter, LastSenderReport: b.LSR, Delay: b.DLSR,
		})
	}
	return ours, theirs
}

func checkBlocks(t *testing.T, got Blocks, want []ReportBlock) {
	t.Helper()
	if got.Len() != len(want) {
		t.Fatalf("%d blocks, want %d", got.Len(), len(want))
	}
	for i := range want {
		if got.At(i) != want[i] {
			t.Fatalf("block %d is %+v, want %+v", i, got.At(i), want[i])
		}
	}
}

func TestReadReports(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 32 {
		blocks, theirs := randomBlocks(r, n)
		info := SenderInfo{r.Uint32(), r.Uint64(), r.Uint32(), r.Uint32(), r.Uint32()}
		p := only(t, marshal(t, &pion.SenderReport{
			SSRC: info.SSRC, NTPTime: info.NTP, RTPTime: info.RTPTime, PacketCount: info.Packets, OctetCount: info.Octets,
			Reports: theirs, ProfileExtensions: make([]byte, 4*(n%3)),
		}))
		sr, ok := p.SenderReport()
		if !ok || sr.SenderInfo != info {
			t.Fatalf("SR %+v, %v; want %+v", sr.SenderInfo, ok, info)
		}
		checkBlocks(t, sr.Blocks, blocks)
		if _, ok := p.ReceiverReport(); ok {
			t.Fatal("an SR read as an RR")
		}

		p = only(t, marshal(t, &pion.ReceiverReport{SSRC: info.SSRC, Reports: theirs}))
		rr, ok := p.ReceiverReport()
		if !ok || rr.SSRC != info.SSRC {
			t.Fatalf("RR of %#x, %v", rr.SSRC, ok)
		}
		checkBlocks(t, rr.Blocks, blocks)
		if _, ok := p.SenderReport(); ok {
			t.Fatal("an RR read as an SR")
		}
	}
}

func TestReadSDES(t *testing.T) {
	type item struct {
		ssrc uint32
		typ  uint8
		text string
	}
	var want []item
	var sdes pion.SourceDescription
	for c := range uint32(6) {
		chunk := pion.SourceDescriptionChunk{Source: 100 + c}
		for i := range c { // the first chunk has no items at all
			it := item{100 + c, uint8(1 + i), "abcdefgh"[:(c+i)%8]}
			want = append(want, it)
			chunk.Items = append(chunk.Items, pion.SourceDescriptionItem{Type: pion.SDESType(it.typ), Text: it.text})
		}
		sdes.Chunks = append(sdes.Chunks, chunk)
	}
	p := only(t, marshal(t, &sdes))
	var got []item
	for it := p.SDES(); it.Next(); {
		got = append(got, item{it.SSRC, it.Type, string(it.Text)})
	}
	if !slices.Equal(got, want) {
		t.Errorf("items %v, want %v", got, want)
	}
}

func TestReadByeAndApp(t *testing.T) {
	for _, reason := range []string{"", "x", "gone away"} {
		p := only(t, marshal(t, &pion.Goodbye{Sources: []uint32{7, 8, 9}, Reason: reason}))
		y, ok := p.Bye()
		if !ok || y.Len() != 3 || y.SSRC(0) != 7 || y.SSRC(2) != 9 || string(y.Reason) != reason {
			t.Errorf("BYE %+v, %v", y, ok)
		}
	}
	p := only(t, marshal(t, &pion.ApplicationDefined{SubType: 5, SSRC: 77, Name: "test", Data: []byte("12345678")}))
	a, ok := p.App()
	if !ok || a.Subtype != 5 || a.SSRC != 77 || string(a.Name[:]) != "test" || string(a.Data) != "12345678" {
		t.Errorf("APP %+v, %v", a, ok)
	}
}

func TestReadNACK(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 300 {
		n := &pion.TransportLayerNack{SenderSSRC: r.Uint32(), MediaSSRC: r.Uint32()}
		var want []uint16
		for range 1 + r.IntN(20) {
			pair := pion.NackPair{PacketID: uint16(r.Uint32()), LostPackets: pion.PacketBitmap(r.Uint32())}
			n.Nacks = append(n.Nacks, pair)
			want = append(want, pair.PacketList()...)
		}
		p := only(t, marshal(t, n))
		f, ok := p.Feedback()
		if !ok || !f.IsNACK() || f.Sender != n.SenderSSRC || f.Media != n.MediaSSRC {
			t.Fatalf("%+v, %v", f, ok)
		}
		var got []uint16
		for it := f.Lost(); it.Next(); {
			got = append(got, it.Seq)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("lost %v, want %v", got, want)
		}
	}
}

func TestReadPayloadFeedback(t *testing.T) {
	p := only(t, marshal(t, &pion.PictureLossIndication{SenderSSRC: 1, MediaSSRC: 2}))
	f, ok := p.Feedback()
	if !ok || !f.IsPLI() || f.IsFIR() || f.IsNACK() || f.IsTWCC() || f.Sender != 1 || f.Media != 2 {
		t.Errorf("PLI %+v, %v", f, ok)
	}
	p = only(t, marshal(t, &pion.FullIntraRequest{SenderSSRC: 1, FIR: []pion.FIREntry{{SSRC: 3, SequenceNumber: 200}, {SSRC: 4, SequenceNumber: 9}}}))
	f, ok = p.Feedback()
	if !ok || !f.IsFIR() || f.FIRLen() != 2 || f.FIR(0) != (FIREntry{3, 200}) || f.FIR(1) != (FIREntry{4, 9}) {
		t.Errorf("FIR %+v, %v", f, ok)
	}
	p = only(t, marshal(t, &pion.SliceLossIndication{SenderSSRC: 1, MediaSSRC: 2, SLI: []pion.SLIEntry{{First: 1, Number: 2, Picture: 3}}}))
	f, ok = p.Feedback()
	if !ok || f.Format != FormatSLI || len(f.FCI) != 4 || f.IsPLI() {
		t.Errorf("SLI %+v, %v", f, ok)
	}
	if it := f.Lost(); it.Next() {
		t.Error("an SLI has lost sequence numbers")
	}
}

func TestReadREMB(t *testing.T) {
	for _, tt := range []struct {
		bitrate float32
		want    uint64
	}{{0, 0}, {1, 1}, {262143, 262143}, {262144, 262144}, {1 << 40, 1 << 40}, {8927168, 8927168}} {
		p := only(t, marshal(t, &pion.ReceiverEstimatedMaximumBitrate{SenderSSRC: 1, Bitrate: tt.bitrate, SSRCs: []uint32{5, 6}}))
		f, _ := p.Feedback()
		r, ok := f.REMB()
		if !ok || r.Bitrate != tt.want || r.Len() != 2 || r.SSRC(0) != 5 || r.SSRC(1) != 6 {
			t.Errorf("REMB %+v, %v; want %d", r, ok, tt.want)
		}
	}
	// Exponent 63 with a full mantissa needs 81 bits.
	p := only(t, []byte{0x8f, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 0, 0xff, 0xff, 0xff})
	f, _ := p.Feedback()
	if r, ok := f.REMB(); !ok || r.Bitrate != 1<<64-1 {
		t.Errorf("overflowing REMB %+v, %v", r, ok)
	}
	for name, b := range map[string][]byte{
		"other application": {0x8f, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'C', 0, 0, 0, 0},
		"SSRC missing":      {0x8f, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 1, 0, 0, 0},
		"too short":         {0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B'},
	} {
		p := only(t, b)
		f, _ := p.Feedback()
		if _, ok := f.REMB(); ok {
			t.Errorf("%s accepted", name)
		}
	}
}

func TestCompound(t *testing.T) {
	b := marshal(t,
		&pion.ReceiverReport{SSRC: 1},
		&pion.SourceDescription{Chunks: []pion.SourceDescriptionChunk{{Source: 1, Items: []pion.SourceDescriptionItem{{Type: 1, Text: "c"}}}}},
		&pion.ExtendedReport{SenderSSRC: 1},
		&pion.PictureLossIndication{SenderSSRC: 1, MediaSSRC: 2})
	if err := Validate(b); err != nil {
		t.Fatal(err)
	}
	var types []uint8
	total := 0
	it := Parse(b)
	for it.Next() {
		types = append(types, it.Type)
		total += len(it.Raw)
	}
	if it.Err() != nil || !slices.Equal(types, []uint8{TypeRR, TypeSDES, TypeXR, TypePSFB}) || total != len(b) {
		t.Errorf("types %v, %d of %d bytes, %v", types, total, len(b), it.Err())
	}
}

func TestFraming(t *testing.T) {
	rr := []byte{0x80, 201, 0, 1, 0, 0, 0, 1}
	padded := []byte{0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4}
	wide := []byte{ // as Chromium sends it
		0xaf, 205, 0, 5, 0x4a, 0xf1, 0x59, 0x0f, 0x04, 0xf7, 0xc7, 0x22,
		0, 5, 0, 1, 0, 0xe1, 0x4e, 1, 0x20, 1, 0xc6, 1,
	}
	tests := []struct {
		name     string
		b        []byte
		validate error
		packets  int
		iterate  error
	}{
		{"empty", nil, ErrShort, 0, nil},
		{"one", rr, nil, 1, nil},
		{"padding at the end", slices.Concat(rr, padded), nil, 2, nil},
		{"padding in the middle", slices.Concat(padded, rr), ErrPadding, 2, nil},
		{"transport-wide feedback, padding 1", wide, nil, 1, nil},
		{"transport-wide feedback in the middle", slices.Concat(wide, rr), nil, 2, nil},
		{"transport-wide feedback, padding over the header", []byte{0xaf, 205, 0, 1, 0, 0, 0, 5}, ErrPadding, 0, ErrPadding},
		{"three bytes more", slices.Concat(rr, rr[:3]), ErrShort, 1, ErrShort},
		{"length too long", []byte{0x80, 201, 0, 2, 0, 0, 0, 1}, ErrShort, 0, ErrShort},
		{"version", []byte{0x40, 201, 0, 1, 0, 0, 0, 1}, ErrVersion, 0, ErrVersion},
		{"type", []byte{0x80, 100, 0, 1, 0, 0, 0, 1}, ErrType, 0, ErrType},
		{"padding 0", []byte{0xa0, 201, 0, 1, 0, 0, 0, 0}, ErrPadding, 0, ErrPadding},
		{"padding 3", []byte{0xa0, 201, 0, 1, 0, 0, 0, 3}, ErrPadding, 0, ErrPadding},
		{"padding over the header", []byte{0xa0, 201, 0, 1, 0, 0, 0, 8}, ErrPadding, 0, ErrPadding},
		{"header only", []byte{0x80, 203, 0, 0}, nil, 1, nil},
	}
	for _, tt := range tests {
		if err := Validate(tt.b); !errors.Is(err, tt.validate) {
			t.Errorf("%s: Validate says %v, want %v", tt.name, err, tt.validate)
		}
		n, it := 0, Parse(tt.b)
		for it.Next() {
			n++
		}
		if n != tt.packets || !errors.Is(it.Err(), tt.iterate) {
			t.Errorf("%s: %d packets, %v; want %d, %v", tt.name, n, it.Err(), tt.packets, tt.iterate)
		}
	}
}

func TestTruncatedBodies(t *testing.T) {
	// Valid framing, but a count that the body does not keep.
	for name, b := range map[string][]byte{
		"SR":       {0x80, 200, 0, 1, 0, 0, 0, 1},
		"SR block": append([]byte{0x81, 200, 0, 6}, make([]byte, 24)...),
		"RR":       {0x80, 201, 0, 0},
		"RR block": {0x81, 201, 0, 1, 0, 0, 0, 1},
		"BYE":      {0x82, 203, 0, 1, 0, 0, 0, 1},
		"APP":      {0x80, 204, 0, 1, 0, 0, 0, 1},
		"RTPFB":    {0x81, 205, 0, 1, 0, 0, 0, 1},
		"PSFB":     {0x81, 206, 0, 1, 0, 0, 0, 1},
	} {
		p := only(t, b)
		_, sr := p.SenderReport()
		_, rr := p.ReceiverReport()
		_, bye := p.Bye()
		_, app := p.App()
		_, fb := p.Feedback()
		if sr || rr || bye || app || fb {
			t.Errorf("%s accepted", name)
		}
	}
	for name, b := range map[string][]byte{
		"no items":       {0x81, 202, 0, 1, 0, 0, 0, 1},
		"item too long":  {0x81, 202, 0, 2, 0, 0, 0, 1, 1, 3, 'a', 'b'},
		"item header":    {0x81, 202, 0, 1, 0, 0, 0, 1},
		"chunk missing":  {0x9f, 202, 0, 0},
		"not a SDES":     {0x81, 203, 0, 2, 0, 0, 0, 1, 1, 0, 0, 0},
		"count is zero":  {0x80, 202, 0, 2, 0, 0, 0, 1, 1, 0, 0, 0},
		"nothing at all": {0x80, 202, 0, 0},
	} {
		p := only(t, b)
		if it := p.SDES(); it.Next() {
			t.Errorf("%s: item %d %q", name, it.Type, it.Text)
		}
	}
}
