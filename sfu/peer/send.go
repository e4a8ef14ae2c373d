package peer

import (
	"encoding/binary"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
	"bifrons/rtp/nack"
	"bifrons/rtp/stats"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// sender is the sending half of a section: it writes the packets of its
// subscription and repeats them on request.
type sender struct {
	// Each packet needs the first ones, so they lie close together.
	section  *section
	ssrc     uint32       // that the numbering is of
	lastTS   uint32       // of the last packet that was sent
	track    *route.Track // that the history is of
	sub      *route.Subscription
	delay    [3]byte // playout delay instead of that which came
	setDelay bool
	rolled   rollover // of ssrc
	history  history
	budget   nack.Budget // of retransmissions
	stats    stats.Sender

	large      large // picture that leaves slowly
	owed       owed
	limiter    nack.Limiter
	layer      media.Layer // that is forwarded
	reported   uint32      // highest number that the remote has reported
	reportedAt mono.Time
	rtxSeq     uint64
	rtxRolled  rollover // of its RTX
}

func newSender(s *section) *sender {
	o := &sender{section: s, rtxSeq: 1, layer: media.NoLayer}
	o.sub = route.NewSubscription(o)
	return o
}

// apply follows a change of the negotiation.
func (o *sender) apply() {
	if s := o.section; s.SSRC != o.ssrc {
		// A receiver takes a new SSRC to start with rollover counter 0.
		o.ssrc, o.rtxSeq = s.SSRC, 1
		o.sub.Renumber()
		o.abandon()
		o.history, o.stats, o.budget = history{}, stats.Sender{}, nack.Budget{}
		o.large.close()
		o.rolled, o.rtxRolled = rollover{}, rollover{}
		o.limiter.Reset()
	}
	if !o.section.Send {
		o.sub.Detach()
	}
}

func (o *sender) setPlayoutDelay(least, most int) {
	o.abandon() // repeats must not carry another delay
	if least < 0 || most < 0 {
		o.setDelay = false
		return
	}
	const unit = 10 * time.Millisecond
	v := rtp.PlayoutDelayValue(time.Duration(least)*unit, time.Duration(most)*unit)
	o.delay, o.setDelay = [3]byte{byte(v >> 16), byte(v >> 8), byte(v)}, true
}

// LayerChanged implements route.Sink.
func (o *sender) LayerChanged(current, available media.Layer) {
	if current != o.layer {
		o.layer = current
		o.section.share.Switches++
		o.section.peer.count.LayerSwitches++
	}
	o.section.peer.loop.Emit(Event{
		Kind: EventLayer, Section: o.section.Index, Layer: current, Layers: available,
	})
}

// codecFor finds the negotiated payload type for the media of a track.
func (o *sender) codecFor(p *route.Packet) *media.Codec {
	list := o.section.Codecs
	for i := range list {
		if list[i].PayloadType == p.PayloadType && list[i].Name == p.Codec {
			return &list[i]
		}
	}
	for i := range list {
		if list[i].Name == p.Codec && p.Codec != media.Other {
			return &list[i]
		}
	}
	return nil
}

// Send implements route.Sink.
func (o *sender) Send(now mono.Time, p *route.Packet, out route.Outgoing) {
	s := o.section
	peer := s.peer
	if !peer.up || peer.closed || !peer.havePath || !s.Send {
		return
	}
	c := o.codecFor(p)
	if c == nil {
		peer.loop.Drop(media.DropPayloadType)
		return
	}
	if t := o.sub.Track(); t != o.track {
		o.track = t
		o.abandon()
	}
	r := recordOf(p, &out)
	if l := peer.line; l != nil && s.Kind == media.Video {
		if p.Info.Keyframe && p.Info.FrameStart {
			l.renew(o, r.seq, !p.Info.HasTemporal)
		}
		if large := l.short != 0 && o.large.takes(l.large(now), &r, p); large || l.delays(now, int(p.Len)) {
			r.set(recordWaiting, true)
			if o.history.put(now, r) && !l.delay(now, o, r.seq, p, large) {
				o.release(now, r.seq)
			}
			return
		}
	}
	o.stamp(now, &r)
	if !o.history.put(now, r) {
		return
	}
	if peer.opt.NackOptimizations && p.Info.Keyframe && p.Info.FrameStart && !o.waits() {
		o.history.forgetBefore(r.seq)
	}
	o.send(now, &r, p, c)
}

// waits reports whether packets of the peer wait for their turn.
func (o *sender) waits() bool {
	l := o.section.peer.line
	return l != nil && l.pacer.Waiting() > 0
}

// send sends a packet for the first time, which is in the history.
func (o *sender) send(now mono.Time, r *record, p *route.Packet, c *media.Codec) {
	s := o.section
	n := o.write(now, r, wire{packet: p, payloadType: c.PayloadType, index: uint64(r.seq)})
	if n == 0 {
		return
	}
	s.codec = *c
	o.lastTS = r.ts
	if c.Name == media.TelephoneEvent { // has the time of its beginning
		o.stats.SentAside(now, int(p.Len), n-s.peer.trailer)
	} else {
		o.stats.Rate = c.ClockRate
		o.stats.Sent(now, r.ts, int(p.Len), n-s.peer.trailer)
	}
	o.budget.Sent(now, n)
	o.sent(now, n, o.class())
}

// Fill implements route.Sink.
func (o *sender) Fill(now mono.Time, p *route.Packet, out route.Outgoing) {
	s := o.section
	peer := s.peer
	c := o.codecFor(p)
	if !peer.up || peer.closed || !peer.havePath || !s.Send || c == nil || s.Kind != media.Video {
		return
	}
	r := record{seq: uint32(out.Seq), ts: out.Timestamp, flags: recordPadding}
	o.stamp(now, &r)
	if !o.history.put(now, r) {
		return
	}
	if n := o.write(now, &r, wire{payloadType: c.PayloadType, index: out.Seq}); n > 0 {
		o.budget.Sent(now, n)
		o.sent(now, n, o.class())
	}
}

// retransmit answers a NACK for one sequence number.
func (o *sender) retransmit(now mono.Time, seq uint16) {
	if l := o.section.peer.line; l != nil && l.isShort(now) {
		l.owe(now, o, seq)
		return
	}
	o.resend(now, seq)
}

// resend sends a packet again if it is known and that is not too much for who asks. It returns
// false if it is too much for the line just now.
func (o *sender) resend(now mono.Time, seq uint16) bool {
	s := o.section
	r := o.history.get(now, seq)
	if r == nil {
		if full := o.history.full(seq); o.history.outlived(full) {
			o.owed.lose(full)
		}
		return true
	}
	if r.is(recordWaiting) { // to be sent anyway
		return true
	}
	var p *route.Packet
	pt := s.Codecs[0].PayloadType
	rtx := s.Codecs[0].RTX
	if !r.is(recordPadding) {
		var c *media.Codec
		if p, c = o.find(r); p == nil {
			o.owed.lose(r.seq)
			return true
		}
		pt, rtx = c.PayloadType, c.RTX
	}
	n := rtp.FixedHeaderLen
	if p != nil {
		n += int(p.Len)
	}
	if o.limiter.Held(now, seq) {
		return true
	}
	line := s.peer.line
	if line != nil && !line.repairs(now, n) {
		return false
	}
	if !o.budget.Allows(n) {
		s.peer.loop.Drop(media.DropResend)
		return true
	}
	if !o.limiter.Allow(now, seq) {
		return true
	}
	if rtx != 0 && s.RTXSSRC != 0 {
		again := *r
		n = o.repeat(now, &again, wire{packet: p, payloadType: rtx, original: seq}, bwe.Retransmission)
	} else {
		// The same packet again, to the bit: SRTP must not see two plaintexts
		// with one index. Its transport-wide number is the old one, too.
		w := wire{packet: p, payloadType: pt, index: uint64(r.seq)}
		if p == nil {
			w.padding = r.pad
		}
		n = o.write(now, r, w)
		if n > 0 {
			s.peer.sent(now, n)
		}
	}
	if n > 0 {
		o.budget.Resent(n)
		if line != nil {
			line.credit = max(line.credit-float64(n), 0)
		}
		s.peer.count.Retransmitted++
		o.stats.Resent(now, n-s.peer.trailer)
	}
	return true
}

// repeat sends a packet by RTX and returns its size, 0 if it was not sent. r is a copy of
// that packet's record.
func (o *sender) repeat(now mono.Time, r *record, w wire, c bwe.Class) int {
	o.stamp(now, r)
	w.index, w.repeats = o.rtxSeq, true
	n := o.write(now, r, w)
	o.rtxSeq++
	if n > 0 {
		o.sent(now, n, c)
	}
	return n
}

// numbered reports whether packets carry transport-wide numbers: those of audio only
// where the line is estimated.
func (o *sender) numbered() bool {
	s := o.section
	return s.Ext.TransportSequence != 0 && (s.Kind == media.Video || s.peer.line != nil)
}

// class is the class of the section's packets.
func (o *sender) class() bwe.Class {
	if o.section.Kind == media.Video {
		return bwe.Video
	}
	return bwe.Audio
}

// stamp gives a packet of video its time, and any its transport-wide number. That stays
// the next one until sent: a packet that is not sent leaves no gap.
func (o *sender) stamp(now mono.Time, r *record) {
	if o.section.Kind == media.Video {
		r.sendAt(now)
	}
	if o.numbered() {
		r.transportSeq = uint16(o.section.peer.number + 1)
	}
}

// sent counts a stamped packet of n bytes that went out.
func (o *sender) sent(now mono.Time, n int, c bwe.Class) {
	p := o.section.peer
	if o.numbered() {
		p.number++
	}
	if p.line != nil {
		p.line.sent(now, o, n, c)
	}
	p.sent(now, n)
}

// wire is how a packet goes out.
type wire struct {
	packet      *route.Packet // whose payload it has, nil = padding
	padding     uint8         // of a packet that has nothing else, in bytes; 0 is 1, as of one that could be asked for
	payloadType uint8
	index       uint64 // extended sequence number
	repeats     bool   // over RTX (RFC 4588, 4), which has numbers of its own
	original    uint16 // number of the packet that it repeats
}

// write writes, seals and sends one packet. It returns the packet's size, 0 if it
// was not sent.
func (o *sender) write(now mono.Time, r *record, w wire) int {
	s := o.section
	peer := s.peer
	p := w.packet
	b := peer.loop.Reserve()
	h := rtp.FixedHeader{
		Marker: r.is(recordMarker), PayloadType: w.payloadType, SequenceNumber: uint16(w.index), Timestamp: r.ts, SSRC: s.SSRC,
	}
	rolled := &o.rolled
	if w.repeats {
		h.SSRC, rolled = s.RTXSSRC, &o.rtxRolled
	}
	h.Put(b)
	head := o.writeExtensions(b, p, r)
	var body []byte
	n := 0
	if w.repeats && w.padding == 0 {
		binary.BigEndian.PutUint16(b[head:], w.original)
		n = rtp.OSNLen
	}
	switch {
	case p == nil:
		rtp.SetPaddingBit(b)
		pad := int(max(w.padding, 1))
		body = b[head : head+n+pad]
		clear(body[n:])
		body[len(body)-1] = byte(pad)
	case w.repeats || r.is(recordRewrite) || peer.sealer == nil:
		payload := p.Payload()
		if r.pad > 0 && !w.repeats {
			rtp.SetPaddingBit(b)
			payload = p.Padded()
		}
		if head+n+len(payload)+peer.trailer > len(b) {
			return 0
		}
		copy(b[head+n:], payload)
		if r.is(recordRewrite) {
			p.VP8.Rewrite(b[head+n:head+n+len(payload)], r.pictureID, r.tl0)
		}
		body = b[head : head+n+len(payload)]
	default:
		body = p.Payload()
		if r.pad > 0 {
			rtp.SetPaddingBit(b)
			body = p.Padded()
		}
	}
	size := head + len(body)
	if peer.capture != nil {
		peer.capture.Take(media.Captured{At: now, Outgoing: true, Head: b[:head], Body: body})
	}
	if peer.sealer != nil {
		roc, ok := rolled.counter(w.index)
		if !ok {
			return 0
		}
		var err error
		if size, err = peer.sealer.SealRTP(b, head, body, roc); err != nil {
			return 0
		}
	}
	peer.loop.Commit(peer.path, size)
	return size
}

// writeExtensions writes the header extensions behind the fixed header of b
// and returns where the payload starts.
func (o *sender) writeExtensions(b []byte, p *route.Packet, r *record) int {
	s := o.section
	e := &s.Ext
	var w rtp.ExtensionWriter
	w.Reset(b[:rtp.FixedHeaderLen])
	if s.Kind == media.Video {
		w.Add(e.AbsSendTime, r.sendTime[:])
	}
	if o.numbered() {
		w.AddUint16(e.TransportSequence, r.transportSeq)
	}
	if p != nil {
		x := &p.Ext
		if x.HasAudioLevel {
			w.AddUint8(e.AudioLevel, x.AudioLevel)
		}
		if x.HasOrientation {
			w.AddUint8(e.VideoOrientation, x.Orientation)
		}
		if o.setDelay {
			w.Add(e.PlayoutDelay, o.delay[:])
		} else if x.HasPlayoutDelay {
			w.Add(e.PlayoutDelay, x.PlayoutDelay[:])
		}
	}
	if s.MID != "" {
		w.AddString(e.MID, s.MID)
	}
	if p != nil {
		if len(p.Ext.Descriptor) > 0 {
			w.Add(e.DependencyDescriptor, p.Ext.Descriptor)
		}
		if len(p.Ext.Capture) > 0 {
			w.Add(e.AbsCaptureTime, p.Ext.Capture)
		}
	}
	n := len(w.Finish())
	if n > rtp.FixedHeaderLen {
		rtp.SetExtensionBit(b)
	}
	return n
}

// sent counts a packet that went out.
func (p *Peer) sent(now mono.Time, n int) {
	p.count.PacketsOut++
	p.count.BytesOut += uint64(n)
	p.agent.Sent(now)
}
