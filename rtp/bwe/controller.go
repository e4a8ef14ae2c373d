// Package bwe estimates the capacity of the line to one peer, on the side that sends: Google's
// congestion control (draft-ietf-rmcat-gcc-02) as libwebrtc has it in goog_cc, by its
// public descriptions as of January 2026 (revision 2bc24d44). It consists of the send history, groups
// of arrivals, the trendline with its adaptive threshold, AIMD with the link's
// capacity, the rate that arrives, loss-based estimation version 2, probes, and the
// detector of senders that the application limits.
//
// It departs from the reference where that serves senders that forward layers:
//   - The delay of a group is the least of its packets, not that of its last one, so
//     that more packets at once are no growing queue.
//   - The rate that arrives is never more than what was sent for it, so that no lie
//     about times raises an estimate.
//   - A queue that a congestion has left is emptied by sending less for a moment
//     (drain.go); the reference leaves that to the factor of its decrease.
//   - What we send at once, such as a key frame, waits by itself; that wait is
//     taken off the delay before its slope is looked at (backlog in history.go).
//   - A queue that stays whatever we do is somebody else's. Beside it the estimate
//     grows and falls more like that flow's (aimd.go), until the queue can be emptied.
//   - The estimate grows by itself only while it is used; what lies above is probed for.
//   - Probes go where the application says that it could use more (Want), also when
//     it is not limited, every 2 to 5 s; a result only ever raises the estimate. One
//     that says more than the last congestion did is repeated, and longer, before it counts: a token bucket
//     lets short ones through. One that promised too much makes the next ones longer.
//   - The estimate is no less than the rate that arrives while no queue stands: who
//     forwards layers may send more than the target.
//   - No decrease follows another while the queue shrinks, or where there is none.
//   - A loss bound grows by 2 % for each observation and never prefers low rates,
//     which would draw the estimate to nothing where much is lost at random.
//   - Missing feedback lowers the target itself (outage.go), in place of the
//     congestion window.
//
// A Controller is for one transport. Nothing in here reads a clock or locks. After New
// the send history alone allocates, while it grows with the rate of packets.
package bwe

import (
	"time"

	"bifrons/rtp/mono"
)

// Config bounds an estimate. All are bit/s; zero values are replaced by the defaults.
type Config struct {
	Start uint64 // before anything is known; 300 kbit/s
	Min   uint64 // 30 kbit/s
	Max   uint64 // 100 Mbit/s
}

// Defaults of Config.
const (
	DefaultStart = 300_000
	DefaultMin   = 30_000
	DefaultMax   = 100_000_000
)

// Reason is why the target is not higher.
type Reason uint8

// Reasons.
const (
	Starting   Reason = iota // nothing is known yet
	Growing                  // it is about to be
	Delay                    // a queue grew
	Loss                     // packets are lost
	AppLimited               // more was not tried
	Probing                  // a probe is under way
	NoFeedback               // the peer does not report what arrives
	Limit                    // Config.Max, or the limit of the peer by REMB
)

var reasonNames = [...]string{"start", "growing", "delay", "loss", "application-limited", "probing", "no feedback", "limit"}

// String returns the reason in words.
func (r Reason) String() string { return reasonNames[r] }

// Estimate is the state of the line.
type Estimate struct {
	Target   uint64        // bit/s to send, everything included
	Layers   uint64        // the same for who sends layers: no step down for a queue that is gone in a second anyway
	Pacing   uint64        // bit/s at which packets may leave
	Reason   Reason        // why the target is not higher
	Sure     bool          // more than the target is known to be too much: a queue or losses are seen, or it is a limit
	Acked    uint64        // bit/s that arrive, 0 if that is not known
	Delay    uint64        // bit/s that the delay allows
	Loss     uint64        // bit/s that the losses allow, 0 if they do not matter
	Capacity uint64        // bit/s of the line by its congestions, 0 if it is not known
	Probing  uint64        // bit/s of the probe under way, 0 if there is none
	RTT      time.Duration // 0 if it is not known
	Queue    time.Duration // that packets waited beyond the least of the last 30 to 60 s
	Lost     float64       // share of the bytes of the last seconds
}

// Counters count the contents of feedback.
type Counters struct {
	Received, Lost uint64 // packets
	FoundAgain     uint64 // received after they were reported lost
	Repeated       uint64 // reports on packets that said nothing new
	TooOld         uint64 // packets no longer remembered
	NeverSent      uint64
	Misnumbered    uint64 // calls of Sent whose number did not follow
	Probes, Useful uint64 // clusters; ones that raised the estimate
	Outages        uint64
	Arrived        [NumClasses]uint64 // bytes received, by class
}

// Constants of the backlog.
const (
	backlogRoom    = 1.3
	usualFeedbacks = 20 // over which the usual number of arrivals is averaged
)

// pacingFactor is how much faster than the target packets may leave.
const pacingFactor = 2.5

// Controller estimates for one transport. It is used by one goroutine.
type Controller struct {
	// Sent needs the first ones for each packet, so they lie close together.
	history  history
	alr      alr
	outage   outage
	probes   probes
	cfg      Config
	arrivals arrivals
	trend    trendline
	rates    rates
	aimd     aimd
	loss     loss
	drain    drain
	fallback fallback

	usage    usage
	rtt      time.Duration
	queue    time.Duration
	acked    uint64
	usual    float64 // bit/s that arrive, averaged
	want     float64
	lastOver mono.Time
	heard    mono.Time // when feedback last had news
	queued   mono.Time // when a queue was last seen
	counters Counters
}

// New makes a Controller.
func New(cfg Config) *Controller {
	if cfg.Start == 0 {
		cfg.Start = DefaultStart
	}
	if cfg.Min == 0 {
		cfg.Min = DefaultMin
	}
	if cfg.Max == 0 {
		cfg.Max = DefaultMax
	}
	cfg.Max = max(cfg.Max, cfg.Min)
	c := &Controller{cfg: cfg, history: newHistory()}
	c.begin(cfg.Start)
	return c
}

// begin forgets the line, and starts with a rate. Sent packets stay known.
func (c *Controller) begin(start uint64) {
	start = min(max(start, c.cfg.Min), c.cfg.Max)
	c.arrivals = arrivals{}
	c.trend.reset()
	c.rates = rates{}
	c.aimd = aimd{rate: float64(start), min: float64(c.cfg.Min), max: float64(c.cfg.Max)}
	c.loss = loss{}
	c.alr = alr{}
	c.probes = probes{lastID: c.probes.lastID, interval: probeInterval}
	c.drain = drain{}
	c.outage = outage{}
	c.usage, c.rtt, c.queue, c.acked, c.usual, c.lastOver = normal, 0, 0, 0, 0, 0
	c.history.backlog = backlog{}
	c.heard, c.queued = 0, 0
}

// RouteChanged starts again: another path is another line.
func (c *Controller) RouteChanged(now mono.Time) { c.Restart(now, c.cfg.Start) }

// Restart starts again with an estimate in bit/s that is remembered from before.
func (c *Controller) Restart(now mono.Time, bps uint64) {
	c.begin(bps)
	c.queued = now // first to arrive is what was sent before
}

// Limit sets the most that an estimate may be, in bit/s.
func (c *Controller) Limit(bps uint64) {
	c.cfg.Max = max(bps, c.cfg.Min)
	c.aimd.max = float64(c.cfg.Max)
	c.aimd.clamp()
}

// Want sets the rate in bit/s that the application could use next in all, 0 if it needs
// no more than it sends. Probes go there, and only then.
func (c *Controller) Want(bps uint64) { c.want = float64(min(bps, c.cfg.Max)) }

// Sent notes a packet that leaves now.
func (c *Controller) Sent(now mono.Time, s Sent) {
	if !c.history.sent(now, s) {
		c.counters.Misnumbered++
		return
	}
	c.outage.sent(now)
	if s.Cluster != 0 {
		c.probes.sent(now, s.Cluster, s.Size)
	} else {
		c.alr.sent(s.Size)
	}
	if !c.probes.started && s.Class == Video {
		c.probes.begin(c.aimd.rate)
	}
}

// Preload reads ahead, in two steps, the memory that Sent needs. The result means nothing: it keeps
// the compiler from leaving that out.
func (c *Controller) Preload(step int) uint64 {
	switch step {
	case 0:
		return c.history.last + uint64(c.alr.last) + uint64(c.outage.factor)
	case 1:
		return uint64(c.history.slot(c.history.last + 1).size)
	}
	return 0
}

// Feedback takes the peer's reports of packets, in order of their numbers. A report
// of packets that were never sent, or a repeated one, is counted and has no effect.
func (c *Controller) Feedback(now mono.Time, results []Result) {
	var told, arrived, marked bool
	var latest mono.Time
	for i := range results {
		r := &results[i]
		p, v := c.history.report(now, r.Number, r.Received)
		switch v {
		case newlyReceived:
			c.counters.Received++
		case newlyLost:
			c.counters.Lost++
		case foundAgain:
			c.counters.FoundAgain++
			c.counters.Lost--
		case repeated:
			c.counters.Repeated++
			continue
		case tooOld:
			c.counters.TooOld++
			continue
		default:
			c.counters.NeverSent++
			continue
		}
		told = true
		c.loss.add(p.sent, p.size, v)
		if v == newlyLost {
			continue
		}
		c.counters.Arrived[p.class] += uint64(p.size)
		arrived, marked = true, marked || r.CE
		latest = max(latest, p.sent)
		c.rates.add(p.sent, r.Arrival, p.size)
		c.probes.arrived(p.sent, r.Arrival, p.cluster, p.size)
		if s, ok := c.arrivals.add(p.sent, r.Arrival, p.own); ok {
			c.usage = c.trend.add(s)
			c.queue = s.delay
		}
	}
	if told {
		c.told(now, latest, arrived, marked)
	}
}

// told makes a new estimate after feedback with news. latest is when
// the latest packet was sent that arrived. A mark is a congestion like a queue that grows (RFC 3168).
func (c *Controller) told(now, latest mono.Time, arrived, marked bool) {
	c.heard = now
	if arrived {
		if c.outage.is() { // losses while nothing came through have nothing to do with the rate
			c.loss = loss{}
		}
		c.outage.over()
		c.measureRTT(now.Sub(latest))
	}
	c.acked = c.rates.usual()
	c.alr.advance(now, c.target())
	cond := conditions{acked: c.acked, fresh: c.rates.fresh(), rtt: c.rtt, limited: c.alr.limited(), contended: c.drain.theirs,
		probed: c.probes.recent(now, c.rtt)}
	usage := c.usage
	switch {
	case !arrived:
		usage = underuse // nothing is known of the delay; hold
	case marked:
		usage = overuse
	case usage == overuse && c.queue < drainBelow: // it only looks so, by jitter
		usage, c.usage = normal, normal
	}
	if usage == overuse {
		c.lastOver = now
		c.probes.cancel(now)
		if c.drain.works(c.queue) {
			usage = underuse
		}
	}
	decreased := c.aimd.update(now, usage, cond)
	if decreased {
		c.drain.begin(now, c.aimd.rate/backoff, c.queue)
	}
	c.probes.check(now, float64(c.acked), decreased)
	if floor := c.drain.update(now, c.queue, c.rtt); floor > c.aimd.rate {
		c.aimd.rate = floor
	}
	if usage != normal || c.queue >= drainBelow {
		c.queued = now
	} else if !cond.probed && now.Sub(c.queued) > rateWindow+c.rtt {
		c.aimd.raise(now, c.acked) // that is surely carried
		c.loss.lift(float64(c.acked))
	}
	repeats := c.probes.active.repeats
	if bps, ok := c.probes.result(); ok {
		c.probed(now, bps, repeats)
	}
	c.loss.update(c.aimd.rate, float64(cond.acked), cond.limited)
	c.setBacklog()
}

// setBacklog sets the rate of the line on which our bursts have to wait: the
// estimate. Who uses all of it would fill that line's queue by chance alone, so it is a
// bit faster then.
func (c *Controller) setBacklog() {
	c.usual += (float64(c.acked) - c.usual) / usualFeedbacks
	c.history.backlog.carry(max(c.aimd.rate, backlogRoom*min(float64(c.acked), c.usual)))
}

// probed takes the result of a cluster. One that says more than the last congestion did is repeated.
func (c *Controller) probed(now mono.Time, bps float64, repeats bool) {
	c.counters.Probes++
	if c.usage == overuse || bps <= c.target() {
		c.probes.conclude(now, false)
		return
	}
	if !repeats && c.aimd.link.known() && uint64(bps) > c.aimd.link.upper() {
		c.probes.again(bps)
		return
	}
	c.counters.Useful++
	c.probes.promised = bps
	c.aimd.raise(now, uint64(bps))
	c.loss.lift(bps)
	c.probes.conclude(now, true)
	if c.want > bps {
		c.probes.plan(probeFurther * bps)
	}
}

// measureRTT takes a round trip that the peer's waiting with feedback is part of.
func (c *Controller) measureRTT(d time.Duration) {
	if d < 0 {
		return
	}
	if c.rtt == 0 {
		c.rtt = d
		return
	}
	c.rtt += (d - c.rtt) / 8
}

// RTT takes a round-trip time from reports (RFC 3550, 6.4.1), for peers without
// transport-wide feedback.
func (c *Controller) RTT(_ mono.Time, d time.Duration) {
	if c.heard == 0 {
		c.measureRTT(d)
	}
}

// quietAfter is how long nothing may be sent before queued packets are gone.
const quietAfter = time.Second

// Calm reports whether nothing is wrong with the line and more is not wanted of it: then it is
// enough to call Tick some times a second. Else it wants to be called every 25 ms.
func (c *Controller) Calm() bool {
	return c.usage != overuse && !c.drain.active() && !c.outage.is() && !c.loss.limiting &&
		c.probes.queued == 0 && c.probes.active.ID == 0 && c.want <= c.target()
}

// Tick does everything that is due without feedback.
func (c *Controller) Tick(now mono.Time) {
	c.alr.advance(now, c.target())
	if c.heard != 0 && now.Sub(c.history.lastAt) > quietAfter {
		c.queue, c.usage, c.drain = 0, normal, drain{}
	}
	if c.outage.tick(now, c.rtt) {
		c.counters.Outages++
		c.probes.cancel(now)
	}
	if c.probes.expire(now) {
		c.counters.Probes++
		c.probes.conclude(now, false)
	}
	c.planProbe(now)
}

// planProbe plans a periodic probe if one is due and the line looks free.
func (c *Controller) planProbe(now mono.Time) {
	target := c.target()
	if !c.probes.started || c.want <= target || now < c.probes.next || c.outage.is() ||
		c.heard == 0 || c.usage == overuse || c.drain.active() || c.queue > probeQueue ||
		c.lastOver != 0 && now.Sub(c.lastOver) < probeQuiet || c.history.waiting(now) > probeQueue {
		return
	}
	most := probeFurther
	if c.loss.limiting {
		most = ackedFactor
	}
	c.probes.plan(min(max(c.want, probeLeast*target), most*target, float64(c.cfg.Max)))
}

// Probe returns a cluster that is to be sent now, once.
func (c *Controller) Probe(now mono.Time) (Cluster, bool) {
	if c.want <= c.target() {
		c.probes.queued, c.probes.long = 0, false
	}
	if c.probes.long && c.queue > probeQueue {
		return Cluster{}, false
	}
	if c.history.waiting(now) > probeQueue { // a key frame, with which it would be too much at once
		return Cluster{}, false
	}
	return c.probes.take(now, min(float64(c.cfg.Max), max(c.want, probeSecond*c.aimd.rate)))
}

// target is the estimate in bit/s.
func (c *Controller) target() float64 { return c.targetWithin(drainTime) }

// targetWithin is the estimate that empties a queue in so much time.
func (c *Controller) targetWithin(d time.Duration) float64 {
	rate := c.aimd.rate
	if c.loss.limiting {
		rate = min(rate, c.loss.bound)
	}
	rate = c.drain.apply(rate, c.queue, d)
	rate = c.outage.apply(rate)
	if c.heard == 0 {
		rate = c.fallback.apply(rate)
	}
	return min(max(rate, float64(c.cfg.Min)), float64(c.cfg.Max))
}

// Target returns the estimate.
func (c *Controller) Target() Estimate {
	t := c.target()
	e := Estimate{
		Target: uint64(t), Layers: uint64(t), Pacing: uint64(pacingFactor * t), Reason: c.reason(t), Acked: c.acked, Delay: uint64(c.aimd.rate),
		Capacity: c.aimd.link.bps(), Probing: c.probes.active.Rate, RTT: c.rtt, Queue: c.queue, Lost: c.loss.average,
	}
	if c.loss.limiting {
		e.Loss = uint64(c.loss.bound)
	}
	if c.drain.works(c.queue) {
		e.Layers = uint64(c.targetWithin(drainLayers))
	}
	e.Sure = e.Reason == Loss || e.Reason == Limit || e.Reason == Delay && (c.usage == overuse || c.drain.active())
	return e
}

func (c *Controller) reason(target float64) Reason {
	switch {
	case c.heard == 0 && c.fallback.heard:
		return c.fallback.reason
	case c.outage.is():
		return NoFeedback
	case c.heard == 0:
		return Starting
	case target >= float64(c.cfg.Max):
		return Limit
	case c.loss.limiting && c.loss.bound < c.aimd.rate:
		return Loss
	case c.usage != normal || c.drain.active() || c.aimd.hold:
		return Delay
	case c.probes.active.ID != 0:
		return Probing
	case c.alr.limited():
		return AppLimited
	}
	return Growing
}

// InFlight returns how many sent bytes feedback has not reported.
func (c *Controller) InFlight() int { return c.history.flying }

// Counters returns the counts.
func (c *Controller) Counters() Counters { return c.counters }
