package plain

import (
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/stats"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// Expect notes that another track is to be sent, and returns the argument for Attach then.
func (s *Session) Expect() uint64 { return s.sub.Expect() }

// Attach sends a track, the lowest encoding of it, unless something else was wanted
// meanwhile. SSRC and numbers go on.
func (s *Session) Attach(now mono.Time, wish uint64, t *route.Track) {
	if !s.closed && s.sub.Expects(wish) {
		s.sub.Attach(now, t)
	}
}

// Detach sends nothing any more.
func (s *Session) Detach() { s.sub.Detach() }

// renew begins another stream: who gets another key may begin its rollover counter
// with 0 or go on (RFC 3711, 3.3.1), which are the same for a new SSRC.
func (s *Session) renew() {
	for old := s.SSRC; s.SSRC == old || s.SSRC == 0; {
		s.SSRC = uint32(s.reports.random() >> 32)
	}
	s.in.reporter = s.SSRC
	s.sub.Renumber()
	s.next, s.tx = 0, stats.Sender{}
}

// Send implements route.Sink.
func (s *Session) Send(now mono.Time, p *route.Packet, o route.Outgoing) {
	defer s.guard()
	if !s.dead && s.rtp.to.IsValid() {
		s.write(now, p, &o)
	}
}

// guard keeps a panic of this Session from ending the track for everybody.
func (s *Session) guard() {
	if r := recover(); r != nil {
		s.dead = true
		s.Panicked(r)
	}
}

// Fill implements route.Sink: nothing comes under a number.
func (s *Session) Fill(mono.Time, *route.Packet, route.Outgoing) {}

// LayerChanged implements route.Sink.
func (s *Session) LayerChanged(_, _ media.Layer) {}

// codecFor finds the payload type for the packets of a track.
func (s *Session) codecFor(p *route.Packet) (c media.Codec, ok bool) {
	list := s.remote.Codecs
	for i := range list {
		if list[i].PayloadType == p.PayloadType && list[i].Name == p.Codec {
			return list[i], true
		}
	}
	for i := range list {
		if list[i].Name == p.Codec && p.Codec != media.Other {
			return list[i], true
		}
	}
	return media.Codec{}, false
}

// write writes, seals and sends one packet.
func (s *Session) write(now mono.Time, p *route.Packet, o *route.Outgoing) {
	c, ok := s.codecFor(p)
	if !ok {
		s.untaken++
		s.loop.Drop(media.DropPayloadType)
		return
	}
	b := s.loop.Reserve()
	rtp.FixedHeader{Marker: o.Marker, PayloadType: c.PayloadType, SequenceNumber: uint16(o.Seq), Timestamp: o.Timestamp, SSRC: s.SSRC}.Put(b)
	head := s.writeExtensions(b, &p.Ext)
	body := p.Payload()
	size := head + len(body)
	if size > len(b) {
		s.drop(media.DropOversize)
		return
	}
	if o.Rewrite || s.remote.Sealer == nil {
		copy(b[head:], body)
		body = b[head:size]
	}
	if o.Rewrite {
		p.VP8.Rewrite(body, o.PictureID, o.TL0)
	}
	if s.remote.Sealer != nil {
		var err error
		if size, err = s.remote.Sealer.SealRTP(b, head, body, uint32(o.Seq>>16)); err != nil {
			s.drop(media.DropOversize)
			return
		}
	}
	s.loop.Commit(s.rtp.to, size)
	s.out.Packets++
	s.out.Bytes += uint64(size)
	s.next = max(s.next, o.Seq+1)
	s.reports.sent = now
	if c.Name == media.TelephoneEvent {
		s.tx.SentAside(now, int(p.Len), size)
		return
	}
	s.tx.Rate = c.ClockRate
	s.tx.Sent(now, o.Timestamp, int(p.Len), size)
}

// writeExtensions writes header extensions behind the fixed header of b and returns
// where the payload starts.
func (s *Session) writeExtensions(b []byte, x *route.Extensions) int {
	e := &s.remote.Ext
	var w rtp.ExtensionWriter
	w.Reset(b[:rtp.FixedHeaderLen])
	if x.HasAudioLevel {
		w.AddUint8(e.AudioLevel, x.AudioLevel)
	}
	if x.HasOrientation {
		w.AddUint8(e.VideoOrientation, x.Orientation)
	}
	n := len(w.Finish())
	if n > rtp.FixedHeaderLen {
		rtp.SetExtensionBit(b)
	}
	return n
}
