package rtcp

import (
	"math/rand/v2"
	"testing"

	pion "github.com/pion/rtcp"
)

// randomDeltas makes a run of statuses of a mixed character.
func randomDeltas(r *rand.Rand) []int32 {
	deltas := make([]int32, 1+r.IntN(1<<r.IntN(11)))
	lossy, large := r.IntN(100), r.IntN(100)
	if r.IntN(3) == 0 {
		large = 0
	}
	for i := 0; i < len(deltas); {
		d := int32(r.IntN(256))
		switch {
		case r.IntN(100) < lossy:
			d = NotReceived
		case r.IntN(100) < large:
			d = int32(r.IntN(1<<16)) - 1<<15
		}
		for n := 1 + r.IntN(1<<r.IntN(6)); n > 0 && i < len(deltas); n-- {
			deltas[i] = d
			i++
		}
	}
	return deltas
}

// pionDeltas decodes feedback with pion into the form of AppendTWCC.
func pionDeltas(t *testing.T, cc *pion.TransportLayerCC) []int32 {
	t.Helper()
	var out []int32
	next := 0
	add := func(symbol uint16) {
		if len(out) == int(cc.PacketStatusCount) {
			return
		}
		d := int32(NotReceived)
		if symbol == pion.TypeTCCPacketReceivedSmallDelta || symbol == pion.TypeTCCPacketReceivedLargeDelta {
			d = int32(cc.RecvDeltas[next].Delta / pion.TypeTCCDeltaScaleFactor)
			next++
		}
		out = append(out, d)
	}
	for _, c := range cc.PacketChunks {
		switch c := c.(type) {
		case *pion.RunLengthChunk:
			for range c.RunLength {
				add(c.PacketStatusSymbol)
			}
		case *pion.StatusVectorChunk:
			for _, s := range c.SymbolList {
				add(s)
			}
		}
	}
	if next != len(cc.RecvDeltas) {
		t.Fatalf("%d deltas for %d packets received", len(cc.RecvDeltas), next)
	}
	return out
}

func TestTWCCBothWays(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for range 2000 {
		want := randomDeltas(r)
		head := TWCC{Base: uint16(r.Uint32()), Reference: r.Uint32() & 0xffffff, Feedback: uint8(r.Uint32())}
		b := AppendTWCC(nil, Ends{Sender: 1, Media: 2}, &head, want)

		cc := unmarshal(t, b)[0].(*pion.TransportLayerCC)
		if cc.SenderSSRC != 1 || cc.MediaSSRC != 2 || cc.BaseSequenceNumber != head.Base || cc.ReferenceTime != head.Reference ||
			cc.FbPktCount != head.Feedback || int(cc.PacketStatusCount) != len(want) {
			t.Fatalf("head %v, want %+v", cc, head)
		}
		for i, d := range pionDeltas(t, cc) {
			if d != want[i] {
				t.Fatalf("pion reads status %d as %d, want %d", i, d, want[i])
			}
		}
		checkStatuses(t, b, head, want)

		// What pion writes reads the same. Its marshaller wants the length set.
		cc.Header = pion.Header{Count: pion.FormatTCC, Type: pion.TypeTransportSpecificFeedback, Length: uint16(len(b)/4 - 1), Padding: len(b)%4 != 0}
		theirs, err := cc.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		theirs[0] &^= 0x20
		checkStatuses(t, theirs, head, want)
	}
}

func checkStatuses(t *testing.T, b []byte, head TWCC, want []int32) {
	t.Helper()
	p := only(t, b)
	f, _ := p.Feedback()
	cc, ok := f.TWCC()
	if !ok || cc.Base != head.Base || cc.Reference != head.Reference || cc.Feedback != head.Feedback || int(cc.Count) != len(want) {
		t.Fatalf("%x: %+v, %v", b, cc, ok)
	}
	i, ticks := 0, int64(head.Reference)*256
	for it := cc.Statuses(); it.Next(); i++ {
		if it.Seq != head.Base+uint16(i) || it.Received != (want[i] != NotReceived) {
			t.Fatalf("status %d: %+v, want %d", i, it, want[i])
		}
		if it.Received {
			ticks += int64(want[i])
			if int32(it.Delta) != want[i] || it.Ticks != ticks {
				t.Fatalf("status %d: delta %d at %d, want %d at %d", i, it.Delta, it.Ticks, want[i], ticks)
			}
		}
	}
	if i != len(want) {
		t.Fatalf("%d statuses, want %d", i, len(want))
	}
}

func TestTWCCSize(t *testing.T) {
	fill := func(n int, d ...int32) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = d[i%len(d)]
		}
		return out
	}
	tests := []struct {
		name   string
		deltas []int32
		bytes  int
	}{
		{"a run is one chunk", fill(400, 4), 20 + 2 + 400 + 2},
		{"a run of lost ones too", fill(8000, NotReceived), 20 + 2 + 2},
		{"two runs", append(fill(100, NotReceived), 1), 20 + 2 + 2 + 1 + 3},
		{"14 a chunk when small", fill(14, 4, NotReceived), 20 + 2 + 7 + 3},
		{"7 a chunk otherwise", fill(7, 4, -1, NotReceived), 20 + 2 + 3 + 4 + 3},
	}
	for _, tt := range tests {
		b := AppendTWCC(nil, Ends{Sender: 1, Media: 2}, &TWCC{}, tt.deltas)
		if len(b) != tt.bytes {
			t.Errorf("%s: %d bytes, want %d", tt.name, len(b), tt.bytes)
		}
		checkStatuses(t, b, TWCC{}, tt.deltas)
	}
	saturated := AppendTWCC(nil, Ends{Sender: 1, Media: 2}, &TWCC{}, []int32{1 << 20, -1 << 20})
	checkStatuses(t, saturated, TWCC{}, []int32{1<<15 - 1, -1 << 15})
}

func TestTWCCMalformed(t *testing.T) {
	head := func(count byte, rest ...byte) []byte {
		b := append([]byte{0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, count, 0, 0, 1, 0}, rest...)
		b[3] = byte(len(b)/4 - 1)
		return b
	}
	for name, b := range map[string][]byte{
		"no chunk":            head(1),
		"run of length zero":  head(1, 0x20, 0, 0, 0),
		"too few chunks":      head(9, 0x20, 4, 0x20, 4),
		"delta missing":       head(3, 0x20, 3, 1, 2),
		"large delta missing": head(2, 0x40, 2, 1, 2),
		"vector's deltas":     head(14, 0xbf, 0xff, 1, 2),
		"too short":           {0x8f, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 1},
	} {
		p := only(t, b)
		f, _ := p.Feedback()
		if cc, ok := f.TWCC(); ok {
			t.Errorf("%s accepted: %+v", name, cc)
		}
	}
	p := only(t, head(0))
	f, _ := p.Feedback()
	if cc, ok := f.TWCC(); !ok {
		t.Error("feedback about no packet refused")
	} else if it := cc.Statuses(); it.Next() {
		t.Error("a status in feedback about no packet")
	}
	// Symbols beyond the count have no deltas.
	p = only(t, head(2, 0xbf, 0xff, 1, 2))
	f, _ = p.Feedback()
	if _, ok := f.TWCC(); !ok {
		t.Error("vector longer than the count refused")
	}
	// A run that says more than the count is cut; the reserved symbol is no arrival.
	p = only(t, head(2, 0x60, 9, 0, 0))
	f, _ = p.Feedback()
	cc, ok := f.TWCC()
	n := 0
	for it := cc.Statuses(); it.Next(); n++ {
		if it.Received {
			t.Error("reserved symbol taken as received")
		}
	}
	if !ok || n != 2 {
		t.Errorf("%d statuses, %v; want 2", n, ok)
	}
}
