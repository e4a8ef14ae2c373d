package peer

import (
	"math"
	"time"

	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
	"bifrons/rtp/pacer"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

const (
	// nearShare is the part of the target from which on the line is near its limit.
	nearShare = 0.7
	// shortTime is how long after a congestion the line is taken to have a limit.
	shortTime = 30 * time.Second
	// rateTime is how far back the rate looks at which packets leave.
	rateTime = 250 * time.Millisecond
	// pacerTick is how exactly packets leave that are spread. Those of all peers do at the
	// same moments.
	pacerTick = mono.Time(5 * time.Millisecond)
	// oldest is how far back packets are repeated for a probe, and oldLeast from what size
	// on, in bytes.
	oldest   = 32
	oldLeast = 400
	// probeLong is how long the rest of a probe waits for the end of a picture.
	probeLong = 200 * time.Millisecond
	// While the line is short, so much of the target may be sent again, of some time at once, and
	// so many bytes in any case.
	repairShare = 0.25
	repairTime  = 500 * time.Millisecond
	repairLeast = 3000
	// largeTime is what a line takes for the part of a key frame that leaves like other pictures, if
	// it has shown its limit of late: its queue may hold no more.
	largeTime = 150 * time.Millisecond
	// maxPadding is the most that one byte of length can express (RFC 3550, 5.1).
	maxPadding = 255
)

// probe is a cluster that is under way.
type probe struct {
	packets, bytes int // that are left of it
	bwe.Cluster
	begun   mono.Time
	padding int // packets that were added
}

func (c *probe) on() bool { return c.packets > 0 || c.bytes > 0 }

// look takes the pace from the estimate.
func (l *line) look(now mono.Time, e *bwe.Estimate) {
	l.pacing, l.target, l.acked, l.queue = e.Pacing, e.Target, e.Acked, e.Queue
	if l.heard() && (e.Reason == bwe.Delay || e.Reason == bwe.Loss || e.Reason == bwe.NoFeedback) {
		l.short = now
	}
	l.near = l.isShort(now) && l.rate > nearShare*float64(e.Target)
}

// isShort reports whether the line has shown its limit of late.
func (l *line) isShort(now mono.Time) bool { return l.short != 0 && now.Sub(l.short) < shortTime }

// large is the size in bytes from which on a key frame leaves slowly.
func (l *line) large(now mono.Time) int {
	if !l.isShort(now) {
		return math.MaxInt
	}
	return int(float64(l.target) / 8 * largeTime.Seconds())
}

// repairs reports whether n bytes may be sent again. Packets lost because a line carries less than
// was sent would otherwise fill it once more.
func (l *line) repairs(now mono.Time, n int) bool {
	if !l.isShort(now) {
		return true
	}
	rate := repairShare * float64(l.target) / 8
	if l.full {
		rate /= 4
	}
	l.credit = min(l.credit+rate*now.Sub(l.credited).Seconds(), max(rate*repairTime.Seconds(), repairLeast))
	l.credited = now
	return l.credit >= float64(n)
}

// measureRate measures the rate at which packets leave.
func (l *line) measureRate(now mono.Time) {
	d := now.Sub(l.measured)
	l.measured = now
	if d > 0 {
		share := min(float64(d)/float64(rateTime), 1)
		l.rate += (float64(l.since)*8/d.Seconds() - l.rate) * share
	}
	l.since = 0
}

// pace is how fast packets leave that are spread, in bit/s.
func (l *line) pace() uint64 {
	if l.probe.on() {
		return l.probe.Rate
	}
	return l.pacing
}

// delays reports whether a packet of video has to wait. If nothing is short it never does.
func (l *line) delays(now mono.Time, bytes int) bool {
	if l.pacer.Waiting() == 0 && !l.near && !l.probe.on() {
		return false
	}
	return !l.pacer.Pass(now, bytes, l.pace())
}

// delay has a packet wait that is in the history of o. It returns false if there is no
// room for that.
func (l *line) delay(now mono.Time, o *sender, seq uint32, p *route.Packet, large bool) bool {
	it := pacer.Item{Seq: seq, Stream: uint16(o.section.place), Bytes: p.Len}
	switch {
	case !large && !l.pacer.Put(it), large && !l.pacer.PutLarge(now, it, l.target-min(l.audio, l.target/2)):
		return false
	case large:
		o.large.put(seq, p)
	}
	l.paced++
	l.setPump(now)
	return true
}

// setPump sees to it that pump is called when it can do something.
func (l *line) setPump(now mono.Time) {
	if l.pacer.Waiting() == 0 && !l.probe.on() {
		l.nextPump = 0
		return
	}
	at := max(l.pacer.Next(), now+1)
	if !l.probe.on() {
		at += pacerTick - 1
		at -= at % pacerTick
	}
	l.wakePump(at)
}

// wakePump has pump called at a time.
func (l *line) wakePump(at mono.Time) {
	if at != l.nextPump {
		l.nextPump = at
		l.peer.wake(at)
		l.peer.loop.Wake(at)
	}
}

// pump sends the packets that are due: waiting ones, then padding for a probe.
func (l *line) pump(now mono.Time) {
	idle := false
	for {
		if it, ok := l.pacer.Take(now, l.pace()); ok {
			if !l.peer.sections[it.Stream].out.release(now, it.Seq) {
				l.gone++
				l.peer.loop.Drop(media.DropPaced)
			}
			continue
		}
		if l.pacer.Waiting() > 0 || !l.probe.on() || now < l.pacer.Next() {
			break
		}
		rate := l.pace()
		n := l.pad(now)
		if n == 0 {
			if now.Sub(l.probe.begun) > probeLong { // there is nothing to probe with
				l.probe = probe{}
			}
			idle = true
			break
		}
		l.pacer.Pass(now, n, rate)
	}
	if l.setPump(now); idle && l.probe.on() {
		l.wakePump(now + pacerTick)
	}
}

// startProbe begins the cluster that is due, if any.
func (l *line) startProbe(now mono.Time) {
	c, ok := l.control.Probe(now)
	if !ok {
		return
	}
	l.probe = probe{Cluster: c, begun: now, packets: c.Packets, bytes: c.Bytes}
	l.pump(now)
}

// pad sends one packet for the probe alone and returns its size, 0 if that cannot be done.
func (l *line) pad(now mono.Time) int {
	k := l.probe.padding
	l.probe.padding++
	for _, s := range l.peer.sections {
		if !s.Send || s.Kind != media.Video {
			continue
		}
		if n := s.out.pad(now, k); n > 0 {
			return n + l.overhead
		}
	}
	return 0
}

// pad sends an old packet again by RTX, the k-th of a probe; if there is none padding by RTX, and
// without that in the stream itself, between two pictures. It returns the size, 0 if none of
// that can be done.
func (o *sender) pad(now mono.Time, k int) int {
	s := o.section
	if o.history.ring == nil || len(s.Codecs) == 0 {
		return 0
	}
	rtx := s.Codecs[0].RTX
	if s.RTXSSRC == 0 || rtx == 0 {
		return o.padStream(now)
	}
	for i := range oldest {
		r := o.history.get(now, uint16(o.history.highest)-uint16((k+i)%oldest))
		if r == nil || r.is(recordPadding|recordWaiting) {
			continue
		}
		p, c := o.find(r)
		if p == nil || c.RTX == 0 || p.Len < oldLeast {
			continue
		}
		again := *r
		return o.repeat(now, &again, wire{packet: p, payloadType: c.RTX, original: uint16(r.seq)}, bwe.Padding)
	}
	r := record{ts: o.lastTS}
	return o.repeat(now, &r, wire{payloadType: rtx, padding: maxPadding}, bwe.Padding)
}

// padStream sends padding under the next number of the stream.
func (o *sender) padStream(now mono.Time) int {
	out, ok := o.sub.Add()
	if !ok {
		return 0
	}
	r := record{seq: uint32(out.Seq), ts: out.Timestamp, pad: maxPadding, flags: recordPadding}
	o.stamp(now, &r)
	if !o.history.put(now, r) {
		return 0
	}
	n := o.write(now, &r, wire{payloadType: o.section.Codecs[0].PayloadType, index: out.Seq, padding: maxPadding})
	if n > 0 {
		o.sent(now, n, bwe.Padding)
	}
	return n
}

// release sends a packet that had to wait. It returns false if that is gone.
func (o *sender) release(now mono.Time, seq uint32) bool {
	kept := o.large.first(seq)
	if kept != nil {
		defer o.large.drop()
	}
	r := o.history.get(now, uint16(seq))
	if r == nil || r.seq != seq || !r.is(recordWaiting) {
		return false
	}
	r.clear(recordWaiting)
	p, c := o.find(r)
	if p == nil && kept != nil && o.track != nil && o.sub.Track() == o.track {
		p, c = kept, o.codecFor(kept)
	}
	if c == nil {
		return false
	}
	peer := o.section.peer
	if p == nil || !peer.up || peer.closed || !peer.havePath || !o.section.Send {
		return false
	}
	o.stamp(now, r)
	o.send(now, r, p, c)
	return true
}

// find returns the packet that a record is of, and its codec; nil if it is gone.
func (o *sender) find(r *record) (*route.Packet, *media.Codec) {
	t := o.sub.Track()
	if t == nil || t != o.track {
		return nil, nil
	}
	p := t.Find(r.encoding(), r.incoming)
	if p == nil || !r.of(p) { // gone, or another packet by now
		return nil, nil
	}
	c := o.codecFor(p)
	if c == nil {
		return nil, nil
	}
	return p, c
}
