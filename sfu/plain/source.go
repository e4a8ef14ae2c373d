package plain

import (
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/codec"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/rtp/skew"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// TrackConfig describes one track of a Source.
type TrackConfig struct {
	Kind media.Kind
	// Codec is the codec of the packets, whatever their payload type, and the
	// payload type that they are relayed with.
	Codec media.Codec
	// Codecs, if there are any, are the codecs by payload type instead;
	// Codec is the main one then. Packets of other payload types are dropped.
	Codecs []media.Codec

	Simulcast bool // several encodings, of up to media.MaxEncodings
	SVC       bool
	Encrypted bool // end to end

	// Ext are the ids of the header extensions that are relayed.
	Ext media.ExtensionIDs
	// SSRC, if it is not 0, is that of the lowest encoding, which the others
	// follow without a gap: packets that come by a port of several tracks are
	// identified by it.
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
	tracks  []*track
	opener  *srtp.Receiver   // nil: plain RTP
	fresh   srtp.StreamState // to try with
	pkt     route.Packet
	scratch [64]byte
	closed  bool
	held    bool // nothing gets through

	bitrate   uint64 // the lowest limit that waits to be sent, bit/s, 0 = none
	bitrateAt mono.Time

	// OnLevel gets the mean level of a track, in -dBov. May be nil.
	OnLevel func(track int, level float64)
	// OnData gets a message of a track of data; payload is lent.
	OnData func(track int, binary bool, payload []byte)
	// OnMedia is called when an encoding's first packet comes, and when it went
	// silent. May be nil.
	OnMedia func(track, encoding int, receiving bool)

	accepted func(a arrival) // every packet that belongs to its lane; may be nil
	reporter uint32          // SSRC of ours in feedback
}

// silence is how long an encoding may pause before it counts as gone.
const silence = mono.Time(time.Second)

// NewSource makes a Source. opener undoes SRTP, nil = plain RTP.
func NewSource(loop Loop, tracks []TrackConfig, opener *srtp.Receiver) *Source {
	s := &Source{loop: loop, opener: opener, reporter: senderSSRC}
	s.SetTracks(tracks)
	return s
}

// track is a TrackConfig with its incoming media.
type track struct {
	TrackConfig
	out      *route.Track
	levels   route.LevelMeter
	payloads [128]uint8 // of Codecs: index plus one, 0 = unknown
	lanes    [media.MaxEncodings]lane
	feedback func(b []byte) bool // sends RTCP to the source; nil = no way
	asked    mono.Time           // when a key frame was last asked for
	waiting  bool                // a request waits for its turn
	last     mono.Time           // arrival of the last packet of the first encoding
	early    route.Report        // came before the first packet; At is 0 if none did
}

// SetTracks replaces the description of the tracks. Those with an index that
// exists stay the same; tracks are never taken away.
func (s *Source) SetTracks(list []TrackConfig) {
	for i := range list {
		if i == len(s.tracks) {
			t := &track{out: new(route.Track)}
			t.out.Keyframe = func(now mono.Time) { s.requestKeyframe(now, t) }
			s.tracks = append(s.tracks, t)
		}
		s.describe(s.tracks[i], list[i])
	}
}

func (s *Source) describe(t *track, d TrackConfig) {
	if t.Codec.Name != d.Codec.Name && len(d.Codecs) == 0 {
		s.restart(t)
	}
	t.TrackConfig = d
	t.payloads = [128]uint8{}
	for i, c := range d.Codecs[:min(len(d.Codecs), 255)] {
		t.payloads[c.PayloadType&0x7f] = uint8(i + 1)
	}
	if t.levels.Window != d.LevelWindow {
		t.levels = route.LevelMeter{Window: d.LevelWindow}
	}
	out := t.out
	out.Kind, out.ClockRate = d.Kind, d.Codec.ClockRate
	out.Simulcast, out.SVC, out.Encrypted, out.Keep = d.Simulcast, d.SVC, d.Encrypted, d.Keep
	out.Changed()
}

// Track returns a track, nil if there is none.
func (s *Source) Track(i int) *route.Track {
	if i < 0 || i >= len(s.tracks) || s.closed {
		return nil
	}
	return s.tracks[i].out
}

// LastPacket is when the last packet of a track's first encoding came; false if
// none did.
func (s *Source) LastPacket(i int) (at mono.Time, ok bool) {
	if i < 0 || i >= len(s.tracks) {
		return 0, false
	}
	at = s.tracks[i].last
	return at, at != 0
}

// Find says which track and encoding an SSRC belongs to.
func (s *Source) Find(ssrc uint32) (track, encoding int, ok bool) {
	for i, t := range s.tracks {
		if t.SSRC == 0 || ssrc < t.SSRC {
			continue
		}
		n := ssrc - t.SSRC
		if n == 0 || t.Simulcast && n < media.MaxEncodings {
			return i, int(n), true
		}
	}
	return 0, 0, false
}

// HandleRTP takes one packet of an encoding; a negative track says that its SSRC
// identifies it. It reports whether it kept the buffer.
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
	a.track, a.encoding = i, encoding
	t := s.tracks[i]
	ln := &t.lanes[encoding]
	if d := ln.admit(now, h, t.Collision); d != media.DropNone {
		s.loop.Drop(d)
		return false
	}
	if s.opener != nil && !s.open(ln, h, b) {
		return false
	}
	if s.held { // but SRTP has to know of it: its rollover counter goes on
		s.Touch(now, i)
		s.loop.Drop(media.DropDisabled)
		return false
	}
	if !a.identify(t) {
		s.pass(&a)
		return false
	}
	var err error
	if a.payload, err = h.Payload(b.Bytes()); err != nil {
		s.loop.Drop(media.DropRTPMalformed)
		return false
	}
	switch v := ln.judge(now, h, a.rate); v {
	case repeated:
		s.loop.Drop(media.DropDuplicate)
		return false
	case suspect, begins:
		switch {
		case ln.confirms(now, h, a.rate):
			return s.begin(&a)
		case v == suspect && t.Kind != media.Data: // messages do not depend on each other
			return s.hold(ln, &a)
		}
		ln.begin(h)
	}
	s.letGo(ln)
	return s.take(&a)
}

// take gives a packet that belongs to its lane on.
func (s *Source) take(a *arrival) (kept bool) {
	t := s.tracks[a.track]
	ln := &t.lanes[a.encoding]
	ln.take(a.at, &a.header, a.rate)
	if s.accepted != nil {
		s.accepted(*a) // a stays off the heap
	}
	if a.encoding == 0 {
		s.Touch(a.at, a.track)
	}
	if !ln.receiving {
		ln.receiving = true
		s.tellMedia(a.track, a.encoding)
	}
	if t.Kind == media.Data {
		if s.OnData != nil {
			s.OnData(a.track, a.header.PayloadType == dataBinary, a.payload)
		}
		return false
	}
	return s.deliver(a)
}

// deliver gives a packet to its track.
func (s *Source) deliver(a *arrival) (kept bool) {
	t, h, payload := s.tracks[a.track], &a.header, a.payload
	ln := &t.lanes[a.encoding]
	p := &s.pkt
	*p = route.Packet{
		Buf: a.buf, Arrival: a.at, Encoding: uint8(a.encoding), SSRC: ln.key,
		Seq: ln.unwrap.Unwrap(h.SequenceNumber), Timestamp: h.Timestamp, Marker: h.Marker,
		Codec: a.codec.Name, Resumed: ln.fresh, PayloadType: a.codec.PayloadType,
		Off: uint16(h.HeaderLen), Len: uint16(len(payload)),
	}
	var v skew.Verdict
	if t.Skew {
		v = ln.skew.Packet(a.at, h.Timestamp, t.Codec.ClockRate)
		ln.shift = v.Shift
		p.Timestamp += uint32(v.Shift)
		if v.Jump > 0 {
			ln.shifts.insert(p.Seq, uint64(v.Jump))
		}
	}
	if len(t.Codecs) > 0 && a.rate != 0 && t.out.ClockRate != a.rate {
		t.out.ClockRate = a.rate
		t.out.Changed()
	}
	incoming := p.Seq
	p.Seq = ln.shifts.number(incoming)
	if len(payload) == 0 || v.Drop {
		reason := media.DropPadding
		if v.Drop {
			reason = media.DropSkew
		}
		s.loop.Drop(reason)
		t.out.Skip(a.at, p)
		return false
	}
	t.readExtensions(h, a.buf.Bytes(), &p.Ext)
	if !t.Encrypted && !ln.inspector.Inspect(p, payload) {
		s.loop.Drop(media.DropPayloadMalformed)
	}
	if a.codec.Name == media.H264 && !t.Encrypted {
		s.parameterSets(t, ln, p, payload, incoming)
	}
	if p.Info.Keyframe {
		t.waiting = false
	}
	if mean, ok := t.levels.Hear(&p.Ext); ok && s.OnLevel != nil {
		s.OnLevel(a.track, mean)
	}
	if t.early.At != 0 {
		early := t.early
		t.early = route.Report{}
		s.Report(a.track, early)
	}
	s.push(t, p)
	ln.fresh = false
	return true
}

func (s *Source) push(t *track, p *route.Packet) {
	if t.out.Push(*p) {
		s.loop.Flush(t.out)
	}
}

// parameterSets sees to it that an IDR picture is one that a receiver can start
// with: with the parameter sets that the track was described with before it, or
// because they are in the track's description and never sent.
func (s *Source) parameterSets(t *track, ln *lane, p *route.Packet, payload []byte, incoming uint64) {
	ln.sets = ln.sets || p.Info.Keyframe
	if !codec.StartsIDR(payload) || ln.shifts.late(incoming) {
		return
	}
	if len(t.ParameterSets) == 0 {
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
	q.Len = uint16(copy(b.B[q.Off:], t.ParameterSets))
	b.N = int(q.Off + q.Len)
	ln.inspector.Inspect(&q, t.ParameterSets)
	s.push(t, &q)
	ln.shifts.insert(incoming, 1)
	p.Seq++
	p.Resumed = false
}

func (t *track) readExtensions(h *rtp.Header, b []byte, x *route.Extensions) {
	ids := &t.Ext
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

// SetHeld keeps everything back, or lets it through again.
func (s *Source) SetHeld(held bool) {
	s.held = held
	for _, t := range s.tracks {
		for e := range t.lanes {
			s.letGo(&t.lanes[e])
			t.lanes[e].fresh = true
		}
	}
}

// Held reports whether everything is kept back.
func (s *Source) Held() bool { return s.held }

// Touch notes that something came for a track.
func (s *Source) Touch(now mono.Time, i int) {
	if i >= 0 && i < len(s.tracks) {
		s.tracks[i].last = now
	}
}

// Tick has to be called a few times a second.
func (s *Source) Tick(now mono.Time) {
	s.sendBitrate(now)
	for i, t := range s.tracks {
		if t.waiting {
			s.requestKeyframe(now, t)
		}
		for e := range t.lanes {
			if ln := &t.lanes[e]; ln.receiving && now-ln.last >= silence {
				ln.receiving = false
				s.tellMedia(i, e)
			}
		}
		t.out.Expire(now)
	}
}

// tellMedia reports whether an encoding is received, which has changed.
func (s *Source) tellMedia(i, encoding int) {
	if s.OnMedia != nil {
		s.OnMedia(i, encoding, s.tracks[i].lanes[encoding].receiving)
	}
}

// Close ends all tracks.
func (s *Source) Close() {
	s.closed = true
	for _, t := range s.tracks {
		for e := range t.lanes {
			s.letGo(&t.lanes[e])
		}
		s.loop.Forward(t.out)
		t.out.Close()
	}
}
