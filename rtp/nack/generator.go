// Package nack decides which lost packets of a stream to ask for and when
// (RFC 4585, 6.2.1), and how often to repeat a packet for one who asks.
package nack

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/seq"
)

const (
	// Window is how many sequence numbers, up to the highest received, are
	// remembered. A larger jump forward starts over.
	Window = 1024

	// MaxTries is how often one packet is asked for.
	MaxTries = 10

	// ReorderDelay is how long a packet may be missing before it is asked for
	// first, since most early gaps are packets out of order.
	ReorderDelay = 12 * time.Millisecond

	// MaxAge is how long after its gap was found a packet is still asked for,
	// plus one round trip.
	MaxAge = 600 * time.Millisecond

	// minInterval is the shortest time between two requests for one packet.
	// Otherwise it is the round-trip time and a margin, since an answer that is
	// only a little late would make the next request a waste.
	minInterval = 20 * time.Millisecond
	margin      = 10 * time.Millisecond // and a 16th of the round-trip time

	// evenTries is after how many requests the intervals begin to grow.
	evenTries = 3

	// defaultRTT stands in while the round-trip time is not known; maxRTT keeps a
	// bogus measurement from stopping the requests.
	defaultRTT = 100 * time.Millisecond
	maxRTT     = time.Second
)

// Verdict is a Generator's judgement of a packet.
type Verdict uint8

const (
	New       Verdict = iota // in order, or out of order but not asked for
	Recovered                // was asked for and is here now
	Duplicate                // was received before
	TooOld                   // fell out of the window; unknown whether it is a duplicate
)

func (v Verdict) String() string {
	switch v {
	case New:
		return "new"
	case Recovered:
		return "recovered"
	case Duplicate:
		return "duplicate"
	}
	return "too old"
}

// Counters count events since a Generator began.
type Counters struct {
	Lost      uint64 // gaps found, including packets that were only late
	Requested uint64 // sequence numbers asked for, each time counted
	Recovered uint64 // packets asked for that came
	GaveUp    uint64 // packets given up after MaxTries or MaxAge, or overtaken by the window
}

// Generator tracks one received stream, RTX packets unwrapped into it. The
// zero Generator is ready for use. It holds at most Window gaps; memory for
// them grows with the longest burst seen and is kept.
type Generator struct {
	Counters

	got      [Window / 64]uint64 // received, by sequence number modulo Window
	missing  []gap               // in order of sequence numbers
	unwrap   seq.Unwrapper
	stray    uint16 // successor of the last packet far behind
	hasStray bool
	deadline mono.Time // no gap is due before; 0 if there is none
}

type gap struct {
	seq   uint64
	found mono.Time
	due   mono.Time
	tries uint8
}

// Receive takes note of a packet, in the clear and authenticated. Gaps that it
// reveals will be asked for unless filled within ReorderDelay.
func (g *Generator) Receive(now mono.Time, s uint16) Verdict {
	top := g.unwrap.Highest()
	if top == 0 {
		g.set(g.unwrap.Unwrap(s))
		return New
	}
	n := g.unwrap.Peek(s)
	switch {
	case n > top+Window:
		g.restart(s)
		return New
	case n > top:
		g.advance(now, top, n)
		return New
	case n+Window <= top:
		return g.behind(s)
	case g.has(n):
		return Duplicate
	}
	g.set(n)
	return g.fill(n)
}

// Keyframe forgets the gaps older than a keyframe whose first packet is s;
// nobody needs them any more.
func (g *Generator) Keyframe(s uint16) {
	if n := g.unwrap.Peek(s); n <= g.unwrap.Highest() {
		g.forget(n)
	}
}

// Reset forgets the stream but keeps the counters.
func (g *Generator) Reset() {
	*g = Generator{Counters: g.Counters, missing: g.missing[:0]}
}

// Missing returns how many packets are being waited for.
func (g *Generator) Missing() int { return len(g.missing) }

// Deadline returns when to call Due next, mono.Never if nothing is missing. It
// may be early when gaps were filled meanwhile, never late.
func (g *Generator) Deadline() mono.Time {
	if len(g.missing) == 0 {
		return mono.Never
	}
	return g.deadline
}

// Due appends to dst the sequence numbers to ask for now, in ascending order
// as rtcp.AppendNACK wants them, and schedules their next requests: after a
// little more than the round-trip time, at least 20 ms, and from the fourth
// time on a fifth longer with each. rtt is 0 while unknown. Not more is appended
// than dst has capacity for; the rest stays due.
func (g *Generator) Due(now mono.Time, rtt time.Duration, dst []uint16) []uint16 {
	if len(g.missing) == 0 || now < g.deadline {
		return dst
	}
	if rtt <= 0 {
		rtt = defaultRTT
	}
	rtt = min(rtt, maxRTT)
	kept := g.missing[:0]
	g.deadline = mono.Never
	for _, m := range g.missing {
		if m.due <= now {
			if m.tries >= MaxTries || now.Sub(m.found) > MaxAge+rtt {
				g.GaveUp++
				continue
			}
			if len(dst) < cap(dst) {
				dst = append(dst, uint16(m.seq))
				m.due = now.Add(interval(rtt, m.tries))
				m.tries++
				g.Requested++
			}
		}
		g.deadline = min(g.deadline, m.due)
		kept = append(kept, m)
	}
	g.missing = kept
	return dst
}

// interval returns how long to wait after a request before which there were so
// many others.
func interval(rtt time.Duration, tries uint8) time.Duration {
	d := max(rtt+rtt/16+margin, minInterval)
	for range int(tries) + 1 - evenTries {
		d += d / 5
	}
	return d
}

// advance makes n, which is at most Window above top, the highest, and opens a
// gap for each number between.
func (g *Generator) advance(now mono.Time, top, n uint64) {
	g.unwrap.Unwrap(uint16(n))
	g.overtake(n - Window + 1)
	due := now.Add(ReorderDelay)
	if len(g.missing) == 0 {
		g.deadline = mono.Never
	}
	for s := top + 1; s < n; s++ {
		g.clear(s)
		g.deadline = min(g.deadline, due)
		g.missing = append(g.missing, gap{seq: s, found: now, due: due})
		g.Lost++
	}
	g.set(n)
}

// overtake gives up the gaps below low, which leave the window.
func (g *Generator) overtake(low uint64) {
	if len(g.missing) > 0 && g.missing[0].seq < low {
		g.GaveUp += uint64(g.forget(low))
	}
}

// forget drops the gaps below low and returns how many those were.
func (g *Generator) forget(low uint64) int {
	n := g.find(low)
	g.missing = append(g.missing[:0], g.missing[n:]...)
	return n
}

// fill closes the gap of n, if it is still waited for.
func (g *Generator) fill(n uint64) Verdict {
	i := g.find(n)
	if i == len(g.missing) || g.missing[i].seq != n {
		return New
	}
	asked := g.missing[i].tries > 0
	g.missing = append(g.missing[:i], g.missing[i+1:]...)
	if !asked {
		return New
	}
	g.Recovered++
	return Recovered
}

// find returns the index of the first gap not below n.
func (g *Generator) find(n uint64) int {
	lo, hi := 0, len(g.missing)
	for lo < hi {
		if mid := (lo + hi) / 2; g.missing[mid].seq < n {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// behind handles a packet older than the window. Two of them in sequence mean
// that the sender started again (RFC 3550, A.1).
func (g *Generator) behind(s uint16) Verdict {
	if g.hasStray && s == g.stray {
		g.restart(s)
		return New
	}
	g.stray, g.hasStray = s+1, true
	return TooOld
}

func (g *Generator) restart(s uint16) {
	g.GaveUp += uint64(len(g.missing))
	g.Reset()
	g.set(g.unwrap.Unwrap(s))
}

func (g *Generator) has(n uint64) bool { return g.got[n%Window/64]>>(n%64)&1 != 0 }
func (g *Generator) set(n uint64)      { g.got[n%Window/64] |= 1 << (n % 64) }
func (g *Generator) clear(n uint64)    { g.got[n%Window/64] &^= 1 << (n % 64) }
