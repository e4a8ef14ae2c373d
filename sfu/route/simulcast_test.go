package route

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"bifrons/sfu/media"
)

// encoder is a sender of simulcast: it answers requests for a key frame with
// one in every encoding that it sends, some time later.
type encoder struct {
	*fixture
	delay  time.Duration // from a request to the key frames
	active [3]bool
	seq    [3]uint64
	asked  time.Duration // when the request came that is not answered yet, 0 = none
	begun  [3]bool       // its first key frame was sent
	frames int
}

const frameTime = 33 * time.Millisecond

func newEncoder(t *testing.T, delay time.Duration) *encoder {
	e := &encoder{fixture: newFixture(t), delay: delay, active: [3]bool{true, true, true}}
	e.track.Simulcast = true
	return e
}

// frame sends the next frame of each encoding that is active and returns how
// many packets were forwarded.
func (e *encoder) frame() int {
	before := len(e.out.sent)
	e.now = e.now.Add(frameTime)
	at := time.Duration(e.now)
	isKey := e.asked != 0 && at >= e.asked+e.delay
	if isKey {
		e.asked = 0
	}
	asked := e.plis
	e.frames++
	for i := range e.active {
		if !e.active[i] {
			e.begun[i] = false
			continue
		}
		e.seq[i]++
		e.push(e.seq[i], uint32(e.frames)*3000, sim(uint8(i), isKey || !e.begun[i]))
		e.begun[i] = true
	}
	if e.plis > asked && e.asked == 0 {
		e.asked = at
	}
	return len(e.out.sent) - before
}

func (e *encoder) wait(frames int) {
	for range frames {
		e.frame()
	}
}

func (e *encoder) current(want int8) {
	e.t.Helper()
	if got := e.out.current.Encoding; got != want {
		e.t.Fatalf("encoding %d is forwarded, want %d", got, want)
	}
}

func (e *encoder) target(sub int8) {
	e.sub.SetTarget(e.now, media.Layer{Encoding: sub, Spatial: -1, Temporal: -1}, 0)
}

func TestSimulcastWhenOnlyHigherArrive(t *testing.T) {
	e := newEncoder(t, 50*time.Millisecond)
	e.target(0)
	e.wait(10)
	e.current(0)
	e.active[0] = false
	e.wait(20)
	e.current(1)
	e.active[1] = false
	e.wait(20)
	e.current(2)
	e.active[0] = true
	e.wait(20)
	e.current(0)
}

// TestSimulcastTakesLateKeyframe has the key frame come at any time after the
// current encoding has gone silent.
func TestSimulcastTakesLateKeyframe(t *testing.T) {
	for delay := 50 * time.Millisecond; delay < 2*time.Second; delay += frameTime {
		e := newEncoder(t, delay)
		e.wait(10)
		e.current(2)
		e.asked = 0
		e.active[2] = false
		frozen := 0
		for e.frame() == 0 && frozen < 300 {
			frozen++
		}
		e.current(1)
		if d := time.Duration(frozen) * frameTime; d > DefaultFallback+delay+3*frameTime {
			t.Errorf("key frame after %v: frozen for %v", delay, d)
		}
	}
}

func TestSimulcastStallIsNoSilence(t *testing.T) {
	e := newEncoder(t, 0)
	e.wait(10)
	e.current(2)
	// The encoder stalls between the pictures of one frame.
	e.push(e.seq[0]+1, 60000, sim(0, false))
	e.push(e.seq[1]+1, 60000, sim(1, false))
	plis := e.plis
	e.now += 300 * ms
	e.push(e.seq[2]+1, 60000, sim(2, false))
	e.push(e.seq[1]+2, 63000, sim(1, true))
	e.current(2)
	if e.plis != plis {
		t.Error("a key frame was asked for")
	}
}

func TestSimulcastEncrypted(t *testing.T) {
	e := newEncoder(t, 0)
	e.track.Encrypted = true
	e.wait(10)
	e.active[0] = false
	plis := e.plis
	e.wait(20)
	if e.frame() == 0 {
		t.Error("frozen when the encoding that was forwarded ended")
	}
	if e.plis == plis {
		t.Error("no key frame was asked for")
	}
	first, last := e.out.subs[0], e.out.subs[len(e.out.subs)-1]
	if first != 0 || last == 0 {
		t.Errorf("encoding %d was forwarded first, %d at last", first, last)
	}
}

// TestSimulcastNeverFreezes has encodings come and go, and targets change, at
// random: as long as any encoding is sent, the picture moves on.
func TestSimulcastNeverFreezes(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 2))
		e := newEncoder(t, time.Duration(rng.IntN(400))*time.Millisecond)
		limit := int((DefaultFallback+e.delay)/frameTime) + 8
		frozen, history := 0, ""
		for i := range 2000 {
			if rng.IntN(25) == 0 {
				n := rng.IntN(3)
				e.active[n] = !e.active[n]
				if e.active == [3]bool{} {
					e.active[n] = true
				}
				history += fmt.Sprintf(" %d:%v", i, e.active)
				frozen = 0 // the one to wait for may be another
			}
			if rng.IntN(60) == 0 {
				e.target(int8(rng.IntN(4) - 1))
			}
			if frozen++; e.frame() > 0 {
				frozen = 0
			}
			if frozen > limit {
				t.Fatalf("seed %d: frozen for %d frames, key frames after %v, active%s", seed, frozen, e.delay, history)
			}
		}
		for n, want := range []int8{2, 0, 1} {
			e.active = [3]bool{true, true, true}
			e.target(want)
			e.wait(100)
			if e.out.current.Encoding != want {
				t.Fatalf("seed %d, %d: encoding %d is forwarded, want %d", seed, n, e.out.current.Encoding, want)
			}
		}
	}
}
