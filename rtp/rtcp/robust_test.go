package rtcp

import (
	"bytes"
	"testing"
	"time"

	pion "github.com/pion/rtcp"
)

// visit reads everything there is in a compound and returns a number so that
// nothing is optimized away.
func visit(b []byte) (n int) {
	for it := Parse(b); it.Next(); {
		p := &it.Packet
		if r, ok := p.SenderReport(); ok {
			for i := range r.Blocks.Len() {
				n += int(r.Blocks.At(i).Lost)
			}
		}
		if r, ok := p.ReceiverReport(); ok {
			for i := range r.Blocks.Len() {
				n += int(r.Blocks.At(i).Jitter)
			}
		}
		for items := p.SDES(); items.Next(); {
			n += len(items.Text)
		}
		if y, ok := p.Bye(); ok {
			for i := range y.Len() {
				n += int(y.SSRC(i))
			}
			n += len(y.Reason)
		}
		if a, ok := p.App(); ok {
			n += len(a.Data)
		}
		if f, ok := p.Feedback(); ok {
			n += visitFeedback(&f)
		}
	}
	return n
}

func visitFeedback(f *Feedback) (n int) {
	for lost := f.Lost(); lost.Next(); {
		n += int(lost.Seq)
	}
	for i := range f.FIRLen() {
		n += int(f.FIR(i).Seq)
	}
	if r, ok := f.REMB(); ok {
		for i := range r.Len() {
			n += int(r.SSRC(i))
		}
	}
	if cc, ok := f.TWCC(); ok {
		for it := cc.Statuses(); it.Next(); {
			n += int(it.Delta)
		}
	}
	return n
}

// specimens are one packet of each kind.
func specimens(t testing.TB) [][]byte {
	lost := []uint16{1, 2, 3, 100, 200}
	return [][]byte{
		AppendSR(nil, &SenderInfo{SSRC: 1}, make([]ReportBlock, 3)),
		AppendRR(nil, 1, make([]ReportBlock, 2)),
		AppendCNAME(nil, 1, "name"),
		AppendBye(nil, 1, "reason"),
		AppendApp(nil, &App{Data: []byte{1, 2, 3, 4}}),
		AppendNACK(nil, Ends{Sender: 1, Media: 2}, lost),
		AppendPLI(nil, Ends{Sender: 1, Media: 2}),
		AppendFIR(nil, Ends{Sender: 1, Media: 2}, 3),
		AppendREMB(nil, 1, 1e6, 2, 3),
		AppendTWCC(nil, Ends{Sender: 1, Media: 2}, &TWCC{Base: 65530, Reference: 7}, []int32{1, NotReceived, 300, -4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}),
		marshal(t, &pion.ExtendedReport{SenderSSRC: 1}),
	}
}

func TestNoAllocations(t *testing.T) {
	var compound []byte
	all := specimens(t)
	for _, b := range all {
		compound = append(compound, b...)
	}
	broken := append(bytes.Clone(compound), 0x80, 201, 0)
	out := make([]byte, 0, 4096)
	seqs := []uint16{1, 2, 3, 400, 500}
	blocks := make([]ReportBlock, 40)
	deltas := make([]int32, 400)
	n := testing.AllocsPerRun(100, func() {
		visit(compound)
		visit(broken)
		_ = Validate(compound)
		_ = Validate(broken)
		for _, b := range all {
			visit(b[:len(b)-1])
		}
		AppendSR(out, &SenderInfo{SSRC: 1}, blocks)
		AppendRR(out, 1, blocks)
		AppendCNAME(out, 1, "name")
		AppendBye(out, 1, "reason")
		AppendNACK(out, Ends{Sender: 1, Media: 2}, seqs)
		AppendPLI(out, Ends{Sender: 1, Media: 2})
		AppendFIR(out, Ends{Sender: 1, Media: 2}, 3)
		AppendREMB(out, 1, 1e6, 2, 3)
		AppendTWCC(out, Ends{Sender: 1, Media: 2}, &TWCC{}, deltas)
		AppendRelayed(out, compound, Ends{Sender: 1, Media: 2})
		AppendRelayed(out, broken, Ends{Sender: 1, Media: 2})
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCompound(f *testing.F) {
	var compound []byte
	for _, b := range specimens(f) {
		f.Add(b)
		compound = append(compound, b...)
	}
	f.Add(compound)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		visit(b)
		out := AppendRelayed(nil, b, Ends{Sender: 1, Media: 2})
		if !bytes.Equal(b, before) {
			t.Fatal("reading changed the packet")
		}
		if len(out) > len(b) {
			t.Fatalf("relaying %d bytes made %d", len(b), len(out))
		}
		if len(out) > 0 {
			if err := Validate(out); err != nil {
				t.Fatalf("relayed %x: %v", out, err)
			}
		}
		if Validate(b) == nil {
			it, n := Parse(b), 0
			for it.Next() {
				n += len(it.Raw)
			}
			if it.Err() != nil || n != len(b) {
				t.Fatalf("valid, but iteration took %d of %d bytes: %v", n, len(b), it.Err())
			}
		}
	})
}

func FuzzTWCC(f *testing.F) {
	f.Add([]byte{0, 1, 0, 3, 0, 0, 1, 0, 0x20, 3, 1, 2, 3, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0, 9, 0xff, 0xff, 0xff, 0, 0xd5, 0x55, 0x80, 0, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, fci []byte) {
		fb := Feedback{Type: TypeRTPFB, Format: FormatTWCC, FCI: fci}
		cc, ok := fb.TWCC()
		if !ok {
			return
		}
		var deltas []int32
		for it := cc.Statuses(); it.Next(); {
			d := int32(NotReceived)
			if it.Received {
				d = int32(it.Delta)
			}
			deltas = append(deltas, d)
		}
		if len(deltas) != int(cc.Count) {
			t.Fatalf("%d statuses, want %d", len(deltas), cc.Count)
		}
		// Written again it says the same.
		it := Parse(AppendTWCC(nil, Ends{Sender: 1, Media: 2}, &cc, deltas))
		if !it.Next() {
			if len(deltas) > 60000 {
				return // the length field has limits
			}
			t.Fatal(it.Err())
		}
		fb, _ = it.Feedback()
		again, ok := fb.TWCC()
		if !ok {
			t.Fatal("own feedback refused")
		}
		i := 0
		for st := again.Statuses(); st.Next(); i++ {
			if st.Received != (deltas[i] != NotReceived) || st.Received && int32(st.Delta) != deltas[i] {
				t.Fatalf("status %d changed: %+v, want %d", i, st, deltas[i])
			}
		}
	})
}

func FuzzCCFB(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 100, 0, 3, 0x80, 1, 0, 0, 0xe0, 3, 0, 0, 1, 2, 3, 4})
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0, 0, 0, 0, 0, 3, 0, 1, 0, 1, 0xff, 0xff, 0, 0, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, body []byte) {
		p := Packet{Type: TypeRTPFB, Count: FormatCCFB, Body: body}
		c, ok := p.CCFB()
		if !ok {
			return
		}
		n := 0
		for it := c.Reports(); it.Next(); n++ {
			if it.Arrival < 0 || it.Arrival >= 8*time.Second || it.Timed && !it.Received || it.CE && !it.Received {
				t.Fatalf("%+v", it)
			}
		}
		if 2*n > len(body) {
			t.Fatalf("%d reports in %d bytes", n, len(body))
		}
	})
}

func BenchmarkTWCCRead(b *testing.B) {
	deltas := make([]int32, 100)
	for i := range deltas {
		deltas[i] = int32(i % 9)
	}
	deltas[50] = NotReceived
	packet := AppendTWCC(nil, Ends{Sender: 1, Media: 2}, &TWCC{}, deltas)
	for b.Loop() {
		visit(packet)
	}
}

func BenchmarkTWCCWrite(b *testing.B) {
	deltas := make([]int32, 100)
	deltas[50] = NotReceived
	out := make([]byte, 0, 1200)
	for b.Loop() {
		AppendTWCC(out, Ends{Sender: 1, Media: 2}, &TWCC{}, deltas)
	}
}

// BenchmarkParse reads a compound packet as a subscriber sends it: a receiver
// report of two streams, a CNAME and a NACK.
func BenchmarkParse(b *testing.B) {
	packet := AppendRR(nil, 1, make([]ReportBlock, 2))
	packet = AppendCNAME(packet, 1, "subscriber")
	packet = AppendNACK(packet, Ends{Sender: 1, Media: 2}, []uint16{100, 101, 117})
	b.ReportAllocs()
	for b.Loop() {
		if Validate(packet) != nil {
			b.Fatal("it is not valid")
		}
		visit(packet)
	}
}
