package plain

import (
	"errors"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/rtp/rtcp"
	"bifrons/rtp/skew"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// Stream is one stream of a Source.
type Stream struct {
	Kind media.Kind
	// Codec is what the packets carry, whatever payload type they say, and the
	// payload type that they are relayed with.
	Codec media.Codec

	Simulcast bool // several encodings, of up to media.MaxEncodings
	SVC       bool
	Encrypted bool // end to end

	// Ext are the ids of the header extensions that are relayed.
	Ext media.ExtensionIDs
	// SSRC, if it is not 0, is that of the lowest encoding, which the others
	// follow without a gap: packets that come by a port of several streams are
	// told apart by it.
	SSRC uint32
	// Collision is the silence after which another SSRC is taken, 0 = at once.
	Collision time.Duration
	// Skew keeps the timestamps in step with our clock.
	Skew bool
	// ParameterSets is an H.264 payload with parameter sets, to be sent before
	// every IDR picture; empty = none.
	ParameterSets []byte
	// Keep says how much from the latest key frame on new subscriptions get.
	// Not with Simulcast.
	Keep route.Keep
	// LevelWindow is how many packets a mean audio level is made of, 0 = none.
	LevelWindow int
}

// Source is a set of tracks that are fed by plain RTP. Its methods belong to the
// loop.
type Source struct {
	loop    Loop
	streams []*stream
	opener  *srtp.Receiver   // nil: plain RTP
	fresh   srtp.StreamState // of an SSRC that is not known yet
	pkt     route.Packet
	scratch [64]byte
	closed  bool
	held    bool // nothing gets through

	bitrate   uint64 // the lowest limit that waits to be sent, bit/s, 0 = none
	bitrateAt mono.Time

	// OnLevel is told the mean level of a stream, in -dBov. May be nil.
	OnLevel func(stream int, level float64)
	// OnData is told a message of a stream of data; payload is lent.
	OnData func(stream int, binary bool, payload []byte)
	// OnMedia is told when an encoding's first packet comes, and when it went
	// silent. May be nil.
	OnMedia func(stream, encoding int, receiving bool)
}

// silence is how long an encoding may pause before it counts as gone.
const silence = mono.Time(time.Second)

// NewSource makes a Source. opener undoes SRTP, nil = plain RTP.
func NewSource(loop Loop, streams []Stream, opener *srtp.Receiver) *Source {
	s := &Source{loop: loop, opener: opener}
	s.SetStreams(streams)
	return s
}

// stream is a Stream with its track.
type stream struct {
	Stream
	track    *route.Track
	levels   route.LevelMeter
	lanes    [media.MaxEncodings]lane
	feedback func(b []byte) bool // sends RTCP to the source; nil = no way
	asked    mono.Time           // when a key frame was last asked for
	waiting  bool                // a request waits for its turn
	last     mono.Time           // arrival of the last packet of the first encoding
}

// SetStreams replaces the description of the streams. Those with an index that
// exists keep their tracks; streams are never taken away.
func (s *Source) SetStreams(list []Stream) {
	for i := range list {
		if i == len(s.streams) {
			st := &stream{track: new(route.Track)}
			st.track.Keyframe = func(now mono.Time) { s.requestKeyframe(now, st) }
			s.streams = append(s.streams, st)
		}
		s.describe(s.streams[i], list[i])
	}
}

func (s *Source) describe(st *stream, d Stream) {
	if st.Codec.Name != d.Codec.Name {
		s.restart(st)
	}
	st.Stream = d
	if st.levels.Window != d.LevelWindow {
		st.levels = route.LevelMeter{Window: d.LevelWindow}
	}
	t := st.track
	t.Kind, t.ClockRate = d.Kind, d.Codec.ClockRate
	t.Simulcast, t.SVC, t.Encrypted, t.Keep = d.Simulcast, d.SVC, d.Encrypted, d.Keep
	t.Changed()
}

// Track returns the track of a stream, nil if there is none.
func (s *Source) Track(i int) *route.Track {
	if i < 0 || i >= len(s.streams) || s.closed {
		return nil
	}
	return s.streams[i].track
}

// LastPacket is when the last packet of a stream's first encoding came; false if
// none did.
func (s *Source) LastPacket(i int) (at mono.Time, ok bool) {
	if i < 0 || i >= len(s.streams) {
		return 0, false
	}
	at = s.streams[i].last
	return at, at != 0
}

// Find tells which stream and encoding an SSRC belongs to.
func (s *Source) Find(ssrc uint32) (stream, encoding int, ok bool) {
	for i, st := range s.streams {
		if st.SSRC == 0 || ssrc < st.SSRC {
			continue
		}
		n := ssrc - st.SSRC
		if n == 0 || st.Simulcast && n < media.MaxEncodings {
			return i, int(n), true
		}
	}
	return 0, 0, false
}

// HandleRTP takes one packet of an encoding; a negative stream says that its SSRC
// has to tell. It reports whether it kept the buffer.
func (s *Source) HandleRTP(now mono.Time, i, encoding int, b *pktbuf.Buf) (kept bool) {
	a := arrival{at: now, buf: b}
	h := &a.header
	if s.closed || rtp.Classify(b.Bytes()) != rtp.ClassRTP || h.Parse(b.Bytes()) != nil {
		s.loop.Drop(media.DropRTPMalformed)
		return false
	}
	if i < 0 {
		var ok bool
		if i, encoding, ok = s.Find(h.SSRC); !ok {
			s.loop.Drop(media.DropSSRCUnknown)
			return false
		}
	}
	a.stream, a.encoding = i, encoding
	st := s.streams[i]
	ln := &st.lanes[encoding]
	if s.held {
		s.Touch(now, i)
		s.loop.Drop(media.DropDisabled)
		return false
	}
	if d := ln.admit(now, h, st.Collision); d != media.DropNone {
		s.loop.Drop(d)
		return false
	}
	if s.opener != nil && !s.open(ln, h, b) {
		return false
	}
	var err error
	if a.payload, err = h.Payload(b.Bytes()); err != nil {
		s.loop.Drop(media.DropRTPMalformed)
		return false
	}
	switch v := ln.judge(now, h, st.Codec.ClockRate); v {
	case repeated:
		s.loop.Drop(media.DropDuplicate)
		return false
	case suspect, begins:
		switch {
		case ln.confirms(now, h, st.Codec.ClockRate):
			return s.begin(&a)
		case v == suspect && st.Kind != media.Data: // messages do not depend on each other
			return s.hold(ln, &a)
		}
		ln.begin(h)
	}
	s.letGo(ln)
	return s.take(&a)
}

// take gives a packet that belongs to its lane on.
func (s *Source) take(a *arrival) (kept bool) {
	st := s.streams[a.stream]
	ln := &st.lanes[a.encoding]
	ln.take(a.at, &a.header)
	if a.encoding == 0 {
		s.Touch(a.at, a.stream)
	}
	if !ln.receiving {
		ln.receiving = true
		s.tellMedia(a.stream, a.encoding)
	}
	if st.Kind == media.Data {
		if s.OnData != nil {
			s.OnData(a.stream, a.header.PayloadType == dataBinary, a.payload)
		}
		return false
	}
	return s.deliver(a)
}

// open decrypts b in place. The lane learns of another SSRC only when the packet
// proved authentic.
func (s *Source) open(ln *lane, h *rtp.Header, b *pktbuf.Buf) bool {
	state := &ln.srtp
	fresh := !ln.started || h.SSRC != ln.ssrc
	if fresh {
		s.fresh = srtp.StreamState{}
		state = &s.fresh
	}
	n, err := s.opener.OpenRTP(state, b.Bytes(), h.HeaderLen)
	if err != nil {
		if errors.Is(err, srtp.ErrReplay) {
			s.loop.Drop(media.DropSRTPReplay)
		} else {
			s.loop.Drop(media.DropSRTPAuth)
		}
		return false
	}
	if fresh {
		ln.srtp = s.fresh
	}
	b.N = n
	return true
}

// deliver gives a packet to its track.
func (s *Source) deliver(a *arrival) (kept bool) {
	st, h, payload := s.streams[a.stream], &a.header, a.payload
	ln := &st.lanes[a.encoding]
	p := &s.pkt
	*p = route.Packet{
		Buf: a.buf, Arrival: a.at, Encoding: uint8(a.encoding), SSRC: ln.key,
		Seq: ln.unwrap.Unwrap(h.SequenceNumber), Timestamp: h.Timestamp, Marker: h.Marker,
		Codec: st.Codec.Name, Resumed: ln.fresh, PayloadType: st.Codec.PayloadType,
		Off: uint16(h.HeaderLen), Len: uint16(len(payload)),
	}
	var v skew.Verdict
	if st.Skew {
		v = ln.skew.Packet(a.at, h.Timestamp, st.Codec.ClockRate)
		p.Timestamp += uint32(v.Shift)
		if v.Jump > 0 {
			ln.shifts.insert(p.Seq, uint64(v.Jump))
		}
	}
	source := p.Seq
	p.Seq = ln.shifts.number(source)
	if len(payload) == 0 || v.Drop {
		reason := media.DropPadding
		if v.Drop {
			reason = media.DropSkew
		}
		s.loop.Drop(reason)
		st.track.Skip(a.at, p)
		return false
	}
	st.readExtensions(h, a.buf.Bytes(), &p.Ext)
	if !st.Encrypted && !ln.inspector.Inspect(p, payload) {
		s.loop.Drop(media.DropPayloadMalformed)
	}
	if st.Codec.Name == media.H264 && !st.Encrypted {
		s.parameterSets(st, ln, p, payload, source)
	}
	if p.Info.Keyframe {
		st.waiting = false
	}
	if mean, ok := st.levels.Hear(&p.Ext); ok && s.OnLevel != nil {
		s.OnLevel(a.stream, mean)
	}
	s.push(st, p)
	ln.fresh = false
	return true
}

func (s *Source) push(st *stream, p *route.Packet) {
	if st.track.Push(*p) {
		s.loop.Flush(st.track)
	}
}

// parameterSets sees to it that an IDR picture is one that a receiver can start
// with: with the parameter sets that the stream was described with before it, or
// because they are in the stream's description and never sent.
func (s *Source) parameterSets(st *stream, ln *lane, p *route.Packet, payload []byte, source uint64) {
	ln.sets = ln.sets || p.Info.Keyframe
	if !codec.StartsIDR(payload) || ln.shifts.late(source) {
		return
	}
	if len(st.ParameterSets) == 0 {
		p.Info.Keyframe = p.Info.Keyframe || !ln.sets
		return
	}
	if n := &ln.injected; n.any && n.ts == p.Timestamp {
		return
	}
	ln.injected.any, ln.injected.ts = true, p.Timestamp
	b := s.loop.Buffer()
	if b == nil {
		return
	}
	q := *p
	q.Buf, q.Marker, q.Ext = b, false, route.Extensions{}
	rtp.FixedHeader{PayloadType: p.PayloadType, SequenceNumber: uint16(p.Seq), Timestamp: p.Timestamp, SSRC: ln.ssrc}.Put(b.B)
	q.Off = rtp.FixedHeaderLen
	q.Len = uint16(copy(b.B[q.Off:], st.ParameterSets))
	b.N = int(q.Off + q.Len)
	ln.inspector.Inspect(&q, st.ParameterSets)
	s.push(st, &q)
	ln.shifts.insert(source, 1)
	p.Seq++
	p.Resumed = false
}

func (st *stream) readExtensions(h *rtp.Header, b []byte, x *route.Extensions) {
	ids := &st.Ext
	for it := h.Extensions(b); it.Next(); {
		switch it.ID {
		case 0:
		case ids.AudioLevel:
			x.SetAudioLevel(it.Data)
		case ids.VideoOrientation:
			x.SetOrientation(it.Data)
		case ids.PlayoutDelay:
			x.SetPlayoutDelay(it.Data)
		case ids.DependencyDescriptor:
			x.Descriptor = it.Data
		case ids.AbsCaptureTime:
			x.Capture = it.Data
		}
	}
}

// SetFeedback says how RTCP gets to the source of a stream, negative = of all.
// send borrows b and reports false as long as it does not know where to.
func (s *Source) SetFeedback(i int, send func(b []byte) bool) {
	for j, st := range s.streams {
		if i < 0 || i == j {
			st.feedback = send
		}
	}
}

// RequestKeyframe asks the source for a key frame of a stream, -1 = all, each at
// most once a second. What comes too early waits, and so does what cannot be sent
// yet.
func (s *Source) RequestKeyframe(now mono.Time, i int) {
	for j, st := range s.streams {
		if i < 0 || i == j {
			s.requestKeyframe(now, st)
		}
	}
}

func (s *Source) requestKeyframe(now mono.Time, st *stream) {
	if st.Kind != media.Video || st.feedback == nil || s.closed {
		return
	}
	st.waiting = true
	if st.asked != 0 && now-st.asked < keyframeInterval {
		return
	}
	b := s.scratch[:0]
	for e := range st.lanes {
		if ln := &st.lanes[e]; ln.started {
			b = rtcp.AppendPLI(b, rtcp.Ends{Sender: senderSSRC, Media: ln.ssrc})
		}
	}
	if len(b) > 0 && st.feedback(b) {
		st.asked, st.waiting = now, false
	}
}

// SetHeld keeps everything back, or lets it through again.
func (s *Source) SetHeld(held bool) {
	s.held = held
	for _, st := range s.streams {
		for e := range st.lanes {
			s.letGo(&st.lanes[e])
			st.lanes[e].fresh = true
		}
	}
}

// Held tells whether everything is kept back.
func (s *Source) Held() bool { return s.held }

// Touch notes that something came for a stream.
func (s *Source) Touch(now mono.Time, i int) {
	if i >= 0 && i < len(s.streams) {
		s.streams[i].last = now
	}
}

// LimitBitrate asks the source not to send more, in bit/s: the lowest limit of
// each second.
func (s *Source) LimitBitrate(now mono.Time, bps uint64) {
	if s.bitrate == 0 || bps < s.bitrate {
		s.bitrate = max(bps, 1)
	}
	s.sendBitrate(now)
}

func (s *Source) sendBitrate(now mono.Time) {
	if s.bitrate == 0 || s.bitrateAt != 0 && now-s.bitrateAt < bitrateInterval || s.closed {
		return
	}
	for _, st := range s.streams {
		ln := &st.lanes[0]
		if st.Kind != media.Video || st.feedback == nil || !ln.started {
			continue
		}
		if st.feedback(rtcp.AppendREMB(s.scratch[:0], senderSSRC, s.bitrate, ln.ssrc)) {
			s.bitrateAt = now
		}
	}
	if s.bitrateAt == now {
		s.bitrate = 0
	}
}

// Tick has to be called a few times a second.
func (s *Source) Tick(now mono.Time) {
	s.sendBitrate(now)
	for i, st := range s.streams {
		if st.waiting {
			s.requestKeyframe(now, st)
		}
		for e := range st.lanes {
			if ln := &st.lanes[e]; ln.receiving && now-ln.last >= silence {
				ln.receiving = false
				s.tellMedia(i, e)
			}
		}
		st.track.Expire(now)
	}
}

// tellMedia tells whether an encoding is received, which has changed.
func (s *Source) tellMedia(i, encoding int) {
	if s.OnMedia != nil {
		s.OnMedia(i, encoding, s.streams[i].lanes[encoding].receiving)
	}
}

// Close ends all tracks.
func (s *Source) Close() {
	s.closed = true
	for _, st := range s.streams {
		for e := range st.lanes {
			s.letGo(&st.lanes[e])
		}
		s.loop.Forward(st.track)
		st.track.Close()
	}
}
