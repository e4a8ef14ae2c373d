package bwe

import (
	"time"

	"bifrons/rtp/mono"
)

// Groups of packets (draft-ietf-rmcat-gcc-02, 5.2).
const (
	groupLen    = 5 * time.Millisecond   // packets sent within it are a group
	burstGap    = 5 * time.Millisecond   // a packet this close behind, having waited less, is too
	maxBurst    = 100 * time.Millisecond // of one group
	clockJump   = 3 * time.Second        // a delay that changes by more is another clock
	baseHalf    = 30 * time.Second       // the base delay is the least of the last one to two of these
	maxReversed = 3                      // groups in a row that arrive before earlier ones
)

// arrivals makes groups of the packets that arrived, and says how long each
// waited. The delay of a group is the least of its packets. Unlike the arrival of a group's last
// packet it does not depend on how many there are, so that a stream that begins
// with large frames beside audio is no growing queue.
type arrivals struct {
	open                      bool
	firstSent, lastSent       mono.Time
	firstArrival, lastArrival time.Duration
	delay                     time.Duration // least of the group; the clocks' offset is in it
	at                        time.Duration // when that packet arrived
	own                       time.Duration // wait of its own making
	last                      time.Duration // delay of the group before
	lastAt                    time.Duration
	started                   bool
	reversed                  int

	base, next time.Duration // least delays since the window before, and of this one
	turned     time.Duration // when this window began
}

// sample is how long a group waited on its way.
type sample struct {
	delay time.Duration // beyond the least one that is known
	extra time.Duration // the same without the delay from our own bursts
	at    time.Duration // when it arrived, on the peer's clock
	fresh bool          // earlier samples count no more
}

// add takes the next packet that arrived. ok tells that it completed a group.
func (a *arrivals) add(sent mono.Time, arrival, own time.Duration) (s sample, ok bool) {
	delay := arrival - time.Duration(sent)
	switch {
	case !a.open:
		a.begin(sent, arrival, own)
		return s, false
	case a.belongs(sent, arrival):
		a.lastSent = max(a.lastSent, sent)
		a.lastArrival = max(a.lastArrival, arrival)
		if delay < a.delay {
			a.delay, a.at, a.own = delay, arrival, own
		}
		return s, false
	case sent < a.firstSent: // belongs to a group that is closed
		return s, false
	}
	s, ok = a.close()
	a.begin(sent, arrival, own)
	return s, ok
}

func (a *arrivals) begin(sent mono.Time, arrival, own time.Duration) {
	a.open = true
	a.firstSent, a.lastSent = sent, sent
	a.firstArrival, a.lastArrival = arrival, arrival
	a.delay, a.at, a.own = arrival-time.Duration(sent), arrival, own
}

func (a *arrivals) belongs(sent mono.Time, arrival time.Duration) bool {
	if sent < a.firstSent {
		return false
	}
	if sent.Sub(a.firstSent) <= groupLen {
		return true
	}
	waited := arrival - a.lastArrival
	return waited >= 0 && waited <= burstGap && waited < sent.Sub(a.lastSent) && arrival-a.firstArrival < maxBurst
}

// close ends the open group.
func (a *arrivals) close() (s sample, ok bool) {
	fresh := !a.started
	if a.started {
		if a.at < a.lastAt { // reordered
			if a.reversed++; a.reversed < maxReversed {
				return s, false
			}
			fresh = true
		}
		if change := a.delay - a.last; change > clockJump || change < -clockJump {
			fresh = true
		}
	}
	if fresh {
		a.base, a.next, a.turned = a.delay, a.delay, a.at
	}
	a.started, a.reversed = true, 0
	a.last, a.lastAt = a.delay, a.at
	if a.at-a.turned > baseHalf {
		a.base, a.next, a.turned = a.next, a.delay, a.at
	}
	a.next = min(a.next, a.delay)
	a.base = min(a.base, a.delay)
	delay := a.delay - a.base
	return sample{delay: delay, extra: max(0, delay-a.own), at: a.at, fresh: fresh}, true
}
