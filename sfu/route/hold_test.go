package route

import (
	"testing"
	"time"

	"bifrons/sfu/media"
)

func (e *encoder) ceiling(sub int8) {
	e.sub.SetCeiling(e.now, media.Layer{Encoding: sub, Spatial: -1, Temporal: -1})
}

// TestUrgentCeiling lowers the ceiling of a line that is congested: the encoding above ends
// at once, and the next one begins with its key frame, in continuous numbering.
func TestUrgentCeiling(t *testing.T) {
	for _, urgent := range []bool{false, true} {
		e := newEncoder(t, 200*time.Millisecond)
		e.wait(20)
		e.current(2)
		before := len(e.out.sent)
		e.sub.SetUrgent(urgent)
		e.ceiling(0)
		still := 0
		for e.out.current.Encoding == 2 && still < 50 {
			if e.frame(); e.out.current.Encoding == 2 {
				still++
			}
		}
		e.current(0)
		sent := e.out.sent[before:]
		if got := len(sent) - 1; urgent && got != 0 || !urgent && got != still {
			t.Errorf("urgent %v: %d frames of the old encoding in %d", urgent, got, still)
		}
		e.wait(10)
		for i := 1; i < len(e.out.sent); i++ {
			if e.out.sent[i].Seq != e.out.sent[i-1].Seq+1 {
				t.Fatalf("urgent %v: number %d after %d", urgent, e.out.sent[i].Seq, e.out.sent[i-1].Seq)
			}
		}
	}
}

// TestUrgentCeilingTakenBack raises the ceiling again before the lower encoding has begun:
// the old one goes on from a key frame only, as pictures of it are missing.
func TestUrgentCeilingTakenBack(t *testing.T) {
	e := newEncoder(t, 200*time.Millisecond)
	e.wait(20)
	e.sub.SetUrgent(true)
	e.ceiling(0)
	e.wait(2)
	e.ceiling(2)
	before := len(e.out.sent)
	for e.frame() == 0 {
	}
	if i := before; !e.out.keys[i] {
		t.Errorf("encoding %d went on without a key frame", e.out.subs[i])
	}
	e.wait(30)
	e.current(2)
}

// TestUrgentCeilingWithoutLower keeps the only encoding that is sent.
func TestUrgentCeilingWithoutLower(t *testing.T) {
	e := newEncoder(t, 0)
	e.wait(20)
	e.active = [3]bool{false, false, true}
	e.wait(20)
	e.sub.SetUrgent(true)
	e.ceiling(0)
	if e.wait(2); e.frame() == 0 {
		t.Error("nothing is forwarded though there is nothing lower")
	}
}

// TestHeld holds a subscription and lets it go with a lower ceiling: nothing comes
// meanwhile, and then the encoding that is allowed.
func TestHeld(t *testing.T) {
	e := newEncoder(t, 100*time.Millisecond)
	e.wait(20)
	e.current(2)
	e.sub.SetHeld(e.now, true)
	for range 20 {
		if e.frame() != 0 {
			t.Fatal("forwarded while held")
		}
	}
	e.sub.SetPaused(e.now, true)
	e.ceiling(0)
	e.sub.SetHeld(e.now, false)
	if e.frame() != 0 {
		t.Fatal("forwarded while paused")
	}
	e.sub.SetPaused(e.now, false)
	before := len(e.out.sent)
	e.wait(20)
	for i, sub := range e.out.subs[before:] {
		if sub != 0 || i == 0 && !e.out.keys[before] {
			t.Fatalf("packet %d is of encoding %d", i, sub)
		}
	}
	if len(e.out.sent) == before {
		t.Error("nothing came after that")
	}
}
