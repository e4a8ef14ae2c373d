package bwe

import (
	"time"

	"bifrons/rtp/mono"
)

// Constants of probing; those of the reference but for the intervals.
const (
	probeLen     = 15 * time.Millisecond
	probePackets = 5
	// Behind a token bucket the first bytes pass as if the line were free. After a probe that
	// promised too much the next ones have this many at least, and twice as many each time.
	probeDoubt     = 6000
	probeMostDoubt = 24_000
	// probeRepeat is the size of a cluster that repeats one, if that lasts no longer than probeSlow.
	probeRepeat    = 20_000
	probeSlow      = 150 * time.Millisecond // that such a probe lasts at most
	probeFalse     = 0.85                   // of what it promised, which is all that arrives when a queue grows
	probeForgive   = 2 * time.Minute        // after which that is forgotten
	probeFirst     = 3.0                    // times the start rate
	probeSecond    = 6.0
	probeFurther   = 2.0 // times the rate that the last one has shown
	probeLeast     = 1.5 // times the target: a step that is less is no more than jitter
	probeSuccess   = 0.7 // of its rate; then there may be more
	probeReceived  = 0.8 // of packets and bytes, or it has shown nothing
	probeRatio     = 2.0 // of arrival and sending rate, above which times are wrong
	probeSaturated = 0.9 // of the sending rate, below which the line was full
	probeUse       = 0.95
	probeWait      = time.Second // for the results of one
	probeInterval  = 2 * time.Second
	probeLongest   = 5 * time.Second // interval after probes that showed nothing new
	probeBackoff   = 1.5
	probeQuiet     = time.Second // after a congestion, at least
	probeQueue     = 25 * time.Millisecond
)

// maxCluster is the highest id of a cluster.
const maxCluster = 15

// Cluster is a probe: packets to send at a rate. Media is to be sent first; the rest is
// old payload or padding.
type Cluster struct {
	ID      uint8  // 1 to 15, to be given to Sent with each of its packets
	Rate    uint64 // bit/s
	Bytes   int    // at least
	Packets int    // at least
}

// probe is one cluster on its way.
type probe struct {
	Cluster
	begun                     mono.Time // when it was handed out
	done                      bool      // everything was sent
	repeats                   bool      // it is longer than the one before, of the same rate
	sentBytes                 int
	sentPackets               int
	firstSent, lastSent       mono.Time
	firstArrival, lastArrival time.Duration
	firstSize, lastSize       int
	bytes, packets            int // arrived
	halfSent, halfBytes       int // when half of it was sent, and had arrived
	halfAt                    mono.Time
	halfArrival               time.Duration
}

// probes decides when to probe and measures what the probes show.
type probes struct {
	started  bool
	queue    [2]float64 // rates to probe now
	queued   int
	active   probe // ID 0 if there is none
	lastID   uint8
	begun    mono.Time // when the last one was handed out
	next     mono.Time // earliest time of the next periodic one
	interval time.Duration
	promised float64 // bit/s that a probe has shown and that was not used since, 0 = none
	doubt    float64 // bytes of a cluster at least
	doubted  mono.Time
	long     bool // the next one repeats the last, and is to be as long as it may
}

// begin plans the two clusters with which an estimate starts.
func (p *probes) begin(start float64) {
	p.started = true
	p.queue = [2]float64{probeFirst * start, probeSecond * start}
	p.queued = 2
	p.interval = probeInterval
}

// plan puts a rate in the queue if nothing is under way.
func (p *probes) plan(rate float64) {
	if p.queued == 0 && p.active.ID == 0 {
		p.queue[0], p.queued, p.long = rate, 1, false
	}
}

// take hands out the next cluster, at most that fast.
func (p *probes) take(now mono.Time, most float64) (Cluster, bool) {
	if p.active.ID != 0 || p.queued == 0 {
		return Cluster{}, false
	}
	rate := min(p.queue[0], most)
	p.queue[0] = p.queue[1]
	p.queued--
	p.lastID = p.lastID%maxCluster + 1
	c := Cluster{ID: p.lastID, Rate: uint64(rate), Packets: probePackets, Bytes: p.size(rate)}
	if p.long {
		c.Bytes = max(c.Bytes, int(min(probeRepeat, rate/8*probeSlow.Seconds())))
	}
	p.active = probe{Cluster: c, begun: now, repeats: p.long}
	p.long, p.begun = false, now
	return c, true
}

// recent reports whether a probe may be part of what has arrived lately, on a line with a round trip.
func (p *probes) recent(now mono.Time, rtt time.Duration) bool {
	return p.begun != 0 && now.Sub(p.begun) < probeWait+rtt
}

// again repeats the last cluster, of a rate, for longer.
func (p *probes) again(rate float64) {
	p.queue[0], p.queued, p.long = rate, 1, true
}

// size is how many bytes a cluster has.
func (p *probes) size(rate float64) int {
	rate /= 8
	return int(max(rate*probeLen.Seconds(), min(p.doubt, rate*probeSlow.Seconds())))
}

// check compares what the last probe promised with what arrives; over tells that this is too
// much for the line.
func (p *probes) check(now mono.Time, acked float64, over bool) {
	switch {
	case p.promised == 0:
	case over && acked < probeFalse*p.promised:
		p.promised, p.doubt, p.doubted = 0, min(max(2*p.doubt, probeDoubt), probeMostDoubt), now
	case over || acked >= p.promised:
		p.promised = 0
	}
	if p.doubt != 0 && now.Sub(p.doubted) > probeForgive {
		p.doubt = 0
	}
}

// sent notes a packet of the cluster.
func (p *probes) sent(now mono.Time, id uint8, size int) {
	a := &p.active
	if id == 0 || id != a.ID || a.done {
		return
	}
	if a.sentPackets++; a.sentPackets == 1 {
		a.firstSent = now
	}
	a.sentBytes += size
	if a.lastSent = now; a.halfAt == 0 && 2*a.sentBytes >= a.Bytes {
		a.halfAt, a.halfSent = now, a.sentBytes
	}
	a.done = a.sentPackets >= a.Packets && a.sentBytes >= a.Bytes
}

// arrived notes a packet of the cluster that arrived.
func (p *probes) arrived(sent mono.Time, arrival time.Duration, id uint8, size int) {
	a := &p.active
	if id == 0 || id != a.ID {
		return
	}
	if a.packets == 0 || arrival < a.firstArrival {
		a.firstArrival, a.firstSize = arrival, size
	}
	if a.packets == 0 || arrival > a.lastArrival {
		a.lastArrival = arrival
	}
	if sent >= a.lastSent {
		a.lastSize = size
	}
	a.packets++
	a.bytes += size
	if a.halfBytes == 0 && 2*a.bytes >= a.Bytes {
		a.halfBytes, a.halfArrival = a.bytes, a.lastArrival
	}
}

// result returns the rate in bit/s that the active cluster has shown, and ends it. ok is false
// as long as too little of it has arrived.
func (p *probes) result() (bps float64, ok bool) {
	a := &p.active
	if a.ID == 0 || !a.done || float64(a.packets) < probeReceived*float64(a.sentPackets) ||
		float64(a.bytes) < probeReceived*float64(a.sentBytes) {
		return 0, false
	}
	bps = shown(perSecond(uint64(max(a.sentBytes-a.lastSize, 0)), a.lastSent.Sub(a.firstSent)),
		perSecond(uint64(max(a.bytes-a.firstSize, 0)), a.lastArrival-a.firstArrival))
	// Behind a token bucket only the second half shows what the line carries.
	if d := a.lastArrival - a.halfArrival; a.bytes > a.halfBytes && d > 0 && a.lastSent > a.halfAt {
		bps = min(bps, shown(perSecond(uint64(a.sentBytes-a.halfSent), a.lastSent.Sub(a.halfAt)), perSecond(uint64(a.bytes-a.halfBytes), d)))
	}
	// Sending faster than planned has not measured for longer.
	bps = min(bps, 1.1*float64(a.Rate))
	p.active = probe{}
	return bps, true
}

// shown is what is known of a line in bit/s by what was sent and arrived.
func shown(sending, arriving uint64) float64 {
	switch {
	case sending == 0 || arriving == 0 || float64(arriving) > probeRatio*float64(sending):
		return 0
	case float64(arriving) < probeSaturated*float64(sending):
		return probeUse * float64(arriving)
	}
	return float64(min(sending, arriving))
}

// expire gives up a cluster of which no more will come.
func (p *probes) expire(now mono.Time) bool {
	if p.active.ID == 0 || now.Sub(p.active.begun) < probeWait {
		return false
	}
	p.active = probe{}
	return true
}

// conclude sets when the next periodic probe is due.
func (p *probes) conclude(now mono.Time, success bool) {
	if success { // the next wanted rate may be there as well
		p.interval, p.next = probeInterval, now
		return
	}
	p.next = now.Add(p.interval)
	p.interval = min(time.Duration(float64(p.interval)*probeBackoff), probeLongest)
}

// cancel drops planned probes, as on a congestion.
func (p *probes) cancel(now mono.Time) {
	p.queued, p.long = 0, false
	p.next = max(p.next, now.Add(probeQuiet))
}
