package bwe

import (
	"time"

	"bifrons/rtp/mono"
)

// historyLen is how many of the last packets sent are remembered; it must be a
// power of two. 2048 packets are 4 s of 5 Mbit/s.
const historyLen = 2048

// forgetAfter is how long nothing may be sent before everything is forgotten, well
// before the 32 bits of a record's time come round.
const forgetAfter = time.Minute

// Class is what a packet is for.
type Class uint8

// Classes of packets.
const (
	Audio Class = iota
	Video
	Retransmission
	Padding // sent for a probe alone, old payload included
)

// Sent is one packet that left.
type Sent struct {
	Number  uint64 // transport-wide, unwrapped, from 1 on, each greater than the one before
	Size    int    // bytes on the wire; 65535 at most count
	Class   Class
	Cluster uint8 // probe cluster that it belongs to, 0 for none
}

// What is known about a packet.
const (
	unknown = iota // never sent, or forgotten
	inFlight
	reportedLost
	reportedReceived
)

// record is one packet of the history, in 8 bytes.
type record struct {
	at      uint32 // microseconds modulo 2^32
	size    uint16
	cluster uint8
	state   uint8
}

// history is what was sent. Feedback finds each packet once.
type history struct {
	last     uint64 // highest number sent, 0 before the first
	lastAt   mono.Time
	reported uint64 // highest number that feedback has told of
	flying   int    // bytes sent after that
	ring     [historyLen]record
}

// sent notes a packet. ok is false if its number does not follow.
func (h *history) sent(now mono.Time, s Sent) (ok bool) {
	if s.Number <= h.last {
		return false
	}
	if h.last != 0 && now.Sub(h.lastAt) > forgetAfter || s.Number-h.last > historyLen {
		clear(h.ring[:])
		h.reported, h.flying = s.Number-1, 0
	} else {
		for n := h.last + 1; n < s.Number; n++ {
			h.ring[n%historyLen] = record{}
		}
	}
	if s.Number-h.reported > historyLen { // what is overwritten flies no more
		for n := h.reported + 1; n+historyLen <= s.Number; n++ {
			h.pass(n)
		}
	}
	size := uint16(min(max(s.Size, 0), 1<<16-1))
	h.ring[s.Number%historyLen] = record{at: micros(now), size: size, cluster: s.Cluster, state: inFlight}
	h.last, h.lastAt = s.Number, now
	h.flying += int(size)
	return true
}

// pass takes a number out of what flies: everything up to it was reported, or will
// not be.
func (h *history) pass(n uint64) {
	if r := &h.ring[n%historyLen]; r.state != unknown {
		h.flying = max(0, h.flying-int(r.size))
	}
	h.reported = n
}

// verdict is what feedback on a packet means.
type verdict uint8

const (
	newlyReceived verdict = iota
	newlyLost
	foundAgain // received after it was reported lost
	repeated
	tooOld
	neverSent
)

// packet is one packet that feedback tells of.
type packet struct {
	sent    mono.Time
	size    int
	cluster uint8
}

// report notes what feedback says about a packet.
func (h *history) report(now mono.Time, n uint64, received bool) (packet, verdict) {
	if n == 0 || n > h.last {
		return packet{}, neverSent
	}
	if n+historyLen <= h.last {
		return packet{}, tooOld
	}
	r := &h.ring[n%historyLen]
	if r.state == unknown {
		return packet{}, neverSent
	}
	v := newlyReceived
	switch {
	case r.state == reportedReceived, r.state == reportedLost && !received:
		return packet{}, repeated
	case r.state == reportedLost:
		v = foundAgain
	case !received:
		v = newlyLost
	}
	r.state = reportedLost
	if received {
		r.state = reportedReceived
	}
	for h.reported < n {
		h.pass(h.reported + 1)
	}
	return packet{sent: r.time(now), size: int(r.size), cluster: r.cluster}, v
}

func micros(t mono.Time) uint32 { return uint32(int64(t) / int64(time.Microsecond)) }

// time returns when the packet was sent, to the microsecond.
func (r *record) time(now mono.Time) mono.Time {
	age := time.Duration(micros(now)-r.at) * time.Microsecond
	return now - now%mono.Time(time.Microsecond) - mono.Time(age)
}
