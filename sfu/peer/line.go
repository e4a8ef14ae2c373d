package peer

import (
	"time"

	"bifrons/ice"
	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
	"bifrons/rtp/pacer"
	"bifrons/rtp/rtcp"
	"bifrons/sfu/allot"
	"bifrons/sfu/media"
)

// Estimation says whether and how the line to the remote is estimated; the zero value
// is that it is not.
type Estimation struct {
	On    bool
	Max   uint64 // bit/s, the most that it is believed to carry, 0 = no bound
	Start uint64 // bit/s before anything is known, 0 = bwe.DefaultStart
}

// line is the state of the way to the remote. There is one while estimation is on,
// video is sent, and the remote reports what arrives.
type line struct {
	// Each packet needs the first ones, so they lie close together.
	control   *bwe.Controller
	overhead  int       // bytes of IP and UDP around a packet
	since     int       // bytes that left since measured
	nextTick  mono.Time // 0 = there is nothing to watch
	begun     mono.Time // first video
	lastVideo mono.Time
	near      bool // the line is near its limit
	traffic   [bwe.NumClasses]Traffic
	pacer     pacer.Pacer
	probe     probe

	peer      *Peer
	adapter   bwe.Adapter
	transport bool // transport-wide feedback has come
	remb      uint64

	allotter allot.Allotter
	streams  []allot.Stream // of the sections
	shares   []allot.Share
	want     uint64
	divided  mono.Time // when the line last was

	pacing   uint64    // bit/s at which video leaves that is spread
	short    mono.Time // when a congestion was seen last
	target   uint64    // bit/s
	acked    uint64    // bit/s that arrive
	queue    time.Duration
	audio    uint64    // bit/s of that which audio takes
	credit   float64   // bytes that may be sent again
	credited mono.Time // when that was last looked at
	owing    int       // packets that are to be sent again
	turn     int       // section whose turn that was last
	full     bool      // a long queue stands on the line
	nextPump mono.Time
	paced    uint64 // packets that had to wait
	gone     uint64 // that were gone at their turn

	rate     float64   // bit/s at which packets leave
	measured mono.Time // when that was last looked at
	ticked   mono.Time // when the line was looked at last
}

const (
	// lineTick is how often the line is looked at while video flows. All peers do so at
	// the same moments, so that one pass of the loop serves them.
	lineTick = 25 * time.Millisecond
	// calmTick is the same while nothing is wrong with the line, unless feedback comes before.
	calmTick = 8 * lineTick
	// lineRest is how long after the last video it is left alone.
	lineRest = 2 * time.Second
)

// SetEstimation changes whether and how the line to the remote is estimated.
func (p *Peer) SetEstimation(now mono.Time, e Estimation) {
	if p.closed {
		return
	}
	p.estimation = e
	if l := p.line; l != nil {
		l.control.Limit(e.limit())
	}
	p.estimate(now)
}

func (e *Estimation) limit() uint64 {
	if e.Max == 0 {
		return bwe.DefaultMax
	}
	return e.Max
}

// SetLineTrace calls f with the state of the line after each feedback; nil ends that.
// It runs on the loop.
func (p *Peer) SetLineTrace(f func(Line)) {
	p.trace = f
}

// estimate begins or ends the estimation of the line, as is due.
func (p *Peer) estimate(now mono.Time) {
	on := false
	if p.estimation.On {
		for _, s := range p.sections {
			on = on || s.Send && s.Kind == media.Video && (s.REMB || s.TransportCC && s.Ext.TransportSequence != 0)
		}
	}
	if on == (p.line != nil) {
		if on {
			p.line.divide(now)
		}
		return
	}
	if on {
		start := p.estimation.Start
		if p.remembered != 0 {
			start = p.remembered
		}
		p.line = &line{peer: p, control: bwe.New(bwe.Config{Start: start, Max: p.estimation.limit()})}
		p.line.measure()
		p.line.grantAll(now)
	} else {
		p.remembered = p.line.control.Target().Target
		p.line.end(now)
		p.line = nil
	}
	for _, s := range p.sections {
		if s.Kind != media.Video && s.Ext.TransportSequence != 0 {
			s.out.history.forget() // audio has other header extensions from now on
		}
	}
}

// setPath makes a path that of the media. One to another host is another line, of which
// half of the estimate for the last one is a guess; a port alone changes nothing.
func (p *Peer) setPath(now mono.Time, path ice.Path) {
	moved := p.havePath && path.Remote.Addr() != p.path.Remote.Addr()
	p.path, p.havePath = path, true
	if p.line == nil {
		return
	}
	p.line.measure()
	if moved {
		p.line.control.Restart(now, max(p.line.control.Target().Target/2, bwe.DefaultStart))
	}
}

// Bytes of headers around a packet: UDP with IPv4 (RFC 791), with IPv6 (RFC 8200).
const (
	overIPv4 = 28
	overIPv6 = 48
)

// measure sets the overhead of a packet on the path.
func (l *line) measure() {
	l.overhead = overIPv4
	if a := l.peer.path.Remote.Addr(); a.Is6() && !a.Is4In6() {
		l.overhead = overIPv6
	}
}

// sent notes a packet of n bytes that left.
func (l *line) sent(now mono.Time, o *sender, n int, c bwe.Class) {
	n += l.overhead
	l.traffic[c].add(n)
	if c == bwe.Padding {
		l.peer.count.ProbesOut.add(n)
	}
	if o.numbered() {
		x := bwe.Sent{Number: l.peer.number, Size: n, Class: c}
		if l.probe.on() && (c == bwe.Video || c == bwe.Padding) {
			x.Cluster = l.probe.ID
			l.probe.packets--
			l.probe.bytes -= n
		}
		l.control.Sent(now, x)
	}
	l.since += n
	if c == bwe.Video {
		if l.lastVideo = now; l.begun == 0 {
			l.begun = now
		}
		if l.nextTick == 0 {
			l.setTick(now)
			l.peer.loop.Wake(l.nextTick)
		}
	}
}

// setTick has the line looked at again.
func (l *line) setTick(now mono.Time) {
	apart := lineTick
	if l.calm() {
		apart = calmTick
	}
	l.nextTick = now.Add(apart).Floor(apart)
	l.peer.wake(l.nextTick)
}

// feedback takes transport-wide feedback.
func (l *line) feedback(now mono.Time, t *rtcp.TWCC) {
	x := l.peer.scratch
	if x.results == nil {
		x.results = make([]bwe.Result, 0, bwe.MaxResults)
	}
	l.transport = true
	l.control.Feedback(now, l.adapter.TWCC(x.results, t, l.peer.number))
	l.told(now)
}

// estimated takes the remote's own estimate.
func (l *line) estimated(now mono.Time, bps uint64) {
	l.remb = bps
	l.control.REMB(now, bps)
	if !l.transport {
		l.told(now)
	}
}

// report takes the remote's report on the media of o.
func (l *line) report(now mono.Time, o *sender, b *rtcp.ReportBlock) {
	if o.stats.SmoothedRTT > 0 {
		l.control.RTT(now, o.stats.SmoothedRTT)
	}
	if l.transport || o.section.Kind != media.Video {
		return
	}
	if lost, ok := o.lostOnTheWay(now, b); ok {
		l.control.ReceiverReport(now, lost)
		l.told(now)
	}
}

// told follows feedback.
func (l *line) told(now mono.Time) {
	switch {
	case !l.transport || !l.calm():
		l.divide(now)
		if l.nextTick > now.Add(lineTick) && !l.calm() {
			l.setTick(now)
			l.peer.loop.Wake(l.nextTick)
		}
	case now.Sub(l.ticked) >= divideLeast:
		l.tick(now)
	}
	if t := l.peer.trace; t != nil {
		t(l.describe(now))
	}
}

// calm reports whether it is enough to look at the line now and then.
func (l *line) calm() bool {
	return !l.near && !l.probe.on() && l.owing == 0 && l.control.Calm()
}

// tick looks at the line.
func (l *line) tick(now mono.Time) {
	l.ticked = now
	l.control.Tick(now)
	l.measureRate(now)
	l.repay(now)
	l.replace(now)
	if now.Sub(l.divided) >= divideLeast {
		l.divide(now)
	}
	if l.transport && l.pacer.Large() == 0 { // they would make it slower
		l.startProbe(now)
	}
}

// reportLeast is the least time between two reports on a stream that are looked at.
const reportLeast = 100 * time.Millisecond

// advance does everything that is due.
func (l *line) advance(now mono.Time) {
	if l.nextTick != 0 && l.nextTick <= now {
		if !l.calm() || now.Sub(l.ticked) >= calmTick { // else feedback has seen to it
			l.tick(now)
		}
		l.nextTick = 0
		if now.Sub(l.lastVideo) < lineRest || l.holds() {
			l.setTick(now)
		}
	}
	if l.nextPump != 0 && l.nextPump <= now {
		l.pump(now)
	}
	l.peer.wake(l.nextTick)
	l.peer.wake(l.nextPump)
}

// holds reports whether video waits for the line to carry it.
func (l *line) holds() bool {
	for _, s := range l.peer.sections {
		if s.Send && (s.share.Paused && s.out.sub.Track() != nil || s.out.owed.held != 0) {
			return true
		}
	}
	return false
}

// end gives everything free.
func (l *line) end(now mono.Time) {
	for l.pacer.Waiting() > 0 {
		it, _ := l.pacer.Take(max(now, l.pacer.Next()), l.pacing)
		l.peer.sections[it.Stream].out.release(now, it.Seq)
	}
	for _, s := range l.peer.sections {
		l.forgive(s.out)
		s.out.free(now)
	}
}

// lostOnTheWay is the share of the packets that a report is about, which did not arrive
// though we sent them: packets lost before they came to us are included. ok is false
// if that is unknown.
func (o *sender) lostOnTheWay(now mono.Time, b *rtcp.ReportBlock) (share float64, ok bool) {
	if o.reportedAt != 0 && now.Sub(o.reportedAt) < reportLeast {
		return 0, false
	}
	from, first := o.reported, o.reportedAt == 0
	o.reported, o.reportedAt = b.HighestSeq, now
	n := int32(b.HighestSeq - from)
	if first || n <= 0 || n > maxHistory {
		return 0, false
	}
	missing, ok := o.history.missing(uint16(b.HighestSeq), int(n))
	sent := int(n) - missing
	if !ok || sent <= 0 {
		return 0, false
	}
	lost := float64(b.FractionLost)/256*float64(n) - float64(missing)
	return max(lost, 0) / float64(sent), true
}
