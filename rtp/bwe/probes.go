package bwe

import (
	"time"

	"bifrons/rtp/mono"
)

// Constants of probing; those of the reference but for the intervals.
const (
	probeLen       = 15 * time.Millisecond
	probePackets   = 5
	probeFirst     = 3.0 // times the start rate
	probeSecond    = 6.0
	probeFurther   = 2.0 // times the rate that the last one has shown
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
	sentBytes                 int
	sentPackets               int
	firstSent, lastSent       mono.Time
	firstArrival, lastArrival time.Duration
	firstSize, lastSize       int
	bytes, packets            int // arrived
}

// probes decides when to probe and measures what the probes show.
type probes struct {
	started  bool
	queue    [2]float64 // rates to probe now
	queued   int
	active   probe // ID 0 if there is none
	lastID   uint8
	next     mono.Time // earliest time of the next periodic one
	interval time.Duration
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
		p.queue[0], p.queued = rate, 1
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
	c := Cluster{ID: p.lastID, Rate: uint64(rate), Packets: probePackets, Bytes: int(rate / 8 * probeLen.Seconds())}
	p.active = probe{Cluster: c, begun: now}
	return c, true
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
	a.lastSent = now
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
}

// result returns the rate in bit/s that the active cluster has shown, and ends it. ok is false
// as long as too little of it has arrived.
func (p *probes) result() (bps float64, ok bool) {
	a := &p.active
	if a.ID == 0 || !a.done || float64(a.packets) < probeReceived*float64(a.sentPackets) ||
		float64(a.bytes) < probeReceived*float64(a.sentBytes) {
		return 0, false
	}
	sending := perSecond(uint64(max(a.sentBytes-a.lastSize, 0)), a.lastSent.Sub(a.firstSent))
	arriving := perSecond(uint64(max(a.bytes-a.firstSize, 0)), a.lastArrival-a.firstArrival)
	rate := a.Rate
	p.active = probe{}
	if sending == 0 || arriving == 0 || float64(arriving) > probeRatio*float64(sending) {
		return 0, true
	}
	// Sending faster than planned has not measured for longer.
	bps = float64(min(sending, arriving, rate+rate/10))
	if float64(arriving) < probeSaturated*float64(sending) {
		bps = probeUse * float64(arriving)
	}
	return bps, true
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
	p.queued = 0
	p.next = max(p.next, now.Add(probeQuiet))
}
