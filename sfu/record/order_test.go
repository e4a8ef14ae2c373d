package record

import "testing"

// TestOrderBound: of packets that wait for one there is a bound.
func TestOrderBound(t *testing.T) {
	o := order{next: 1}
	given := uint64(1)
	for seq := uint64(2); seq < 2000; seq++ {
		o.take(opusPacket(seq, int(seq), "x", 0), func(p *Packet) {
			if p.Seq != given+1 {
				t.Fatalf("packet %d behind %d", p.Seq, given)
			}
			given = p.Seq
		})
		if len(o.waiting) > orderMost || len(o.free) > orderMost+1 {
			t.Fatalf("%d wait, %d spare", len(o.waiting), len(o.free))
		}
	}
	if given != 1999 {
		t.Errorf("%d was the last", given)
	}
}
