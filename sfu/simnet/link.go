package simnet

import (
	"time"

	"bifrons/rtp/mono"
)

// Burst is loss in bursts (Gilbert and Elliott's model): a packet finds the link good or
// bad.
type Burst struct {
	ToBad, ToGood float64 // probability of a change with each packet
	Good, Bad     float64 // probability of a loss in each state
}

// LinkConfig says how a link treats packets.
type LinkConfig struct {
	Trace      Trace         // of its rate; nil for no limit
	Queue      time.Duration // longest wait, 0 for no limit; packets that would wait longer are dropped
	QueueBytes int           // most bytes that wait, 0 for no limit
	Delay      time.Duration // one way, beyond the wait
	Jitter     time.Duration // standard deviation of the addition to it, at most three of them; order is kept
	Loss       float64       // probability that a packet vanishes, after it has waited
	Burst      Burst
	Mark       time.Duration // wait above which a packet is marked (RFC 3168), 0 for never
}

// Packet is a packet on a link.
type Packet struct {
	Size    int
	CE      bool
	Wait    time.Duration // in the queue so far
	Deliver func(p *Packet)
	Lost    func(p *Packet) // if set, called when it is dropped or vanishes
	Number  uint64          // for who sends it
	Stamp   mono.Time
	Kind    int
	Data    []byte
}

// LinkStats count the packets of a link.
type LinkStats struct {
	Packets, Dropped, Vanished, Marked int
	Bytes                              int64 // that went out
}

// Link is one direction of a bottleneck, with a queue in order.
type Link struct {
	LinkConfig
	Stats LinkStats

	clock   *Clock
	free    time.Duration // when everything in the queue has gone out
	waiting []departure
	last    mono.Time // of the deliveries
	bad     bool
}

type departure struct {
	at   time.Duration
	size int
}

// NewLink makes a link.
func NewLink(c *Clock, cfg LinkConfig) *Link { return &Link{LinkConfig: cfg, clock: c} }

// Send puts a packet on the link.
func (l *Link) Send(p *Packet) {
	now := l.clock.Elapsed()
	l.Stats.Packets++
	out := now
	if l.Trace != nil {
		wait := max(0, l.free-now)
		if l.full(now, wait, p.Size) {
			l.Stats.Dropped++
			lose(p)
			return
		}
		out = l.Trace.Serve(now+wait, p.Size)
		l.free = out
		l.waiting = append(l.waiting, departure{out, p.Size})
		p.Wait += wait
		if l.Mark > 0 && wait > l.Mark {
			p.CE = true
			l.Stats.Marked++
		}
	}
	l.Stats.Bytes += int64(p.Size)
	if l.vanishes() {
		l.Stats.Vanished++
		l.clock.At(l.clock.When(out), func() { lose(p) })
		return
	}
	at := l.clock.When(out + l.Delay)
	if l.Jitter > 0 {
		off := min(max(l.clock.Rand.NormFloat64(), -3), 3)
		at = at.Add(time.Duration(max(off, -off) * float64(l.Jitter)))
	}
	at = max(at, l.last)
	l.last = at
	l.clock.At(at, func() { p.Deliver(p) })
}

// Waiting returns how long a packet would wait now.
func (l *Link) Waiting() time.Duration { return max(0, l.free-l.clock.Elapsed()) }

func (l *Link) full(now, wait time.Duration, size int) bool {
	if l.Queue > 0 && wait > l.Queue {
		return true
	}
	if l.QueueBytes == 0 {
		l.waiting = l.waiting[:0]
		return false
	}
	bytes, gone := size, 0
	for _, d := range l.waiting {
		if d.at <= now {
			gone++
			continue
		}
		bytes += d.size
	}
	l.waiting = l.waiting[:copy(l.waiting, l.waiting[gone:])]
	return bytes > l.QueueBytes
}

// vanishes draws whether the next packet is lost on the way.
func (l *Link) vanishes() bool {
	r := l.clock.Rand
	lost := l.Loss > 0 && r.Float64() < l.Loss
	if l.Burst == (Burst{}) {
		return lost
	}
	change, loss := l.Burst.ToBad, l.Burst.Good
	if l.bad {
		change, loss = l.Burst.ToGood, l.Burst.Bad
	}
	if r.Float64() < loss {
		lost = true
	}
	if r.Float64() < change {
		l.bad = !l.bad
	}
	return lost
}

func lose(p *Packet) {
	if p.Lost != nil {
		p.Lost(p)
	}
}
