package simnet

import (
	"math"
	"time"

	"bifrons/rtp/mono"
)

const (
	segment    = 1500
	tcpInitial = 10 // segments (RFC 6928)
	tcpAckSize = 60
	tcpMinRTO  = time.Second
)

// TCP is a model of one connection that sends: slow start, congestion avoidance as Reno (RFC 5681) or
// Cubic (RFC 9438), losses found by selective acknowledgements, one decrease for each
// window.
type TCP struct {
	Cubic     bool
	Delivered int64 // bytes that arrived

	clock         *Clock
	forward, back *Link
	left          int64 // segments to send; below 0 for no end
	done          func()

	cwnd, ssthresh float64
	next           uint64 // number of the next segment
	acked          uint64 // highest acknowledged one + 1
	flying         int
	recovery       uint64 // losses of segments before it are one event
	heard          mono.Time
	srtt           time.Duration
	outstanding    map[uint64]bool

	wmax, k float64
	epoch   mono.Time
}

// StartTCP begins a connection that sends size bytes, or without end if that is 0. done, if set, is
// called at the end.
func StartTCP(c *Clock, forward, back *Link, size int64, cubic bool, done func()) *TCP {
	t := &TCP{
		Cubic: cubic, clock: c, forward: forward, back: back, done: done, left: -1, cwnd: tcpInitial, ssthresh: math.Inf(1),
		heard: c.Now, outstanding: map[uint64]bool{},
	}
	if size > 0 {
		t.left = (size + segment - 1) / segment
	}
	t.send()
	t.watch()
	return t
}

// send sends as much as the window allows.
func (t *TCP) send() {
	for t.left != 0 && float64(t.flying) < t.cwnd {
		if t.left > 0 {
			t.left--
		}
		n := t.next
		t.next++
		t.flying++
		t.outstanding[n] = true
		t.forward.Send(&Packet{Size: segment, Number: n, Stamp: t.clock.Now, Deliver: t.arrived})
	}
}

func (t *TCP) arrived(p *Packet) {
	t.Delivered += int64(p.Size)
	t.back.Send(&Packet{Size: tcpAckSize, Number: p.Number, Stamp: p.Stamp, Deliver: t.ack})
}

func (t *TCP) ack(p *Packet) {
	now := t.clock.Now
	if !t.outstanding[p.Number] {
		return // found lost before
	}
	delete(t.outstanding, p.Number)
	t.flying--
	t.heard = now
	rtt := now.Sub(p.Stamp)
	if t.srtt == 0 {
		t.srtt = rtt
	}
	t.srtt += (rtt - t.srtt) / 8
	if p.Number >= t.acked {
		for n := t.acked; n+3 <= p.Number; n++ {
			t.lose(n)
		}
		t.acked = max(t.acked, p.Number+1)
	}
	for n := range 3 { // three later ones have arrived
		if p.Number >= uint64(3+n) {
			t.lose(p.Number - uint64(3+n))
		}
	}
	t.grow(rtt)
	t.send()
	if t.left == 0 && t.flying == 0 && t.done != nil {
		t.done()
		t.done = nil
	}
}

// lose has a segment sent again if it is still out.
func (t *TCP) lose(n uint64) {
	if !t.outstanding[n] {
		return
	}
	delete(t.outstanding, n)
	t.flying--
	if t.left >= 0 {
		t.left++
	}
	if n < t.recovery {
		return
	}
	t.recovery = t.next
	factor := 0.5
	if t.Cubic {
		factor = 0.7
		t.wmax = t.cwnd
		t.epoch = 0
	}
	t.cwnd = max(2, t.cwnd*factor)
	t.ssthresh = t.cwnd
}

func (t *TCP) grow(rtt time.Duration) {
	switch {
	case t.cwnd < t.ssthresh:
		t.cwnd++
	case !t.Cubic:
		t.cwnd += 1 / t.cwnd
	default:
		if t.epoch == 0 {
			t.epoch = t.clock.Now
			t.wmax = max(t.wmax, t.cwnd)
			t.k = math.Cbrt((t.wmax - t.cwnd) / 0.4)
		}
		x := (t.clock.Now.Sub(t.epoch) + rtt).Seconds() - t.k
		if goal := 0.4*x*x*x + t.wmax; goal > t.cwnd {
			t.cwnd += min((goal-t.cwnd)/t.cwnd, 0.5)
		} else {
			t.cwnd += 0.01 / t.cwnd
		}
	}
}

// watch starts again when nothing has come for long.
func (t *TCP) watch() {
	if t.left == 0 && t.flying == 0 {
		return
	}
	if t.flying > 0 && t.clock.Now.Sub(t.heard) > max(tcpMinRTO, 2*t.srtt) {
		if t.left >= 0 {
			t.left += int64(t.flying)
		}
		clear(t.outstanding)
		t.flying = 0
		t.ssthresh = max(2, t.cwnd/2)
		t.cwnd, t.recovery, t.heard, t.epoch = 1, t.next, t.clock.Now, 0
		t.send()
	}
	t.clock.After(100*time.Millisecond, t.watch)
}
