package peer

import (
	"slices"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// section is one negotiated media section with its received track and its
// sender.
type section struct {
	media.Section
	peer  *Peer
	codec media.Codec // of the last packet, either way

	// payloads maps payload types to their meaning here: the codec's index plus one,
	// with rtxPayload for repeats of that codec. 0 = unknown.
	payloads [128]uint8

	track     *route.Track
	receivers [media.MaxEncodings]*receiver
	out       *sender
	share     Share
	place     int // among the peer's sections

	keyframeWanted  mono.Time // when somebody last wanted one
	keyframeAt      mono.Time // when one was last asked for
	keyframeDue     mono.Time // when to ask next, 0 = no need
	keyframeRepeats int       // that are left if none comes
	keyframeSince   mono.Time // when one last arrived
	firSeq          uint8

	levels route.LevelMeter
	onLoss func(now mono.Time, lost float64) // may be nil
}

const rtxPayload = 1 << 7

// payload is the meaning of a payload type, nil if unknown; for rtx it is the
// codec that is repeated.
func (s *section) payload(pt uint8) (c *media.Codec, rtx bool) {
	v := s.payloads[pt&0x7f]
	if v == 0 {
		return nil, false
	}
	return &s.Codecs[v&^rtxPayload-1], v&rtxPayload != 0
}

// extKind is the meaning of a header extension.
type extKind uint8

const (
	extUnknown extKind = iota
	extMID
	extRID
	extRepairedRID
	extAudioLevel
	extOrientation
	extTransportSequence
	extPlayoutDelay
	extDescriptor
	extCaptureTime
	extVideoLayers
)

// SetSections applies the negotiated media sections. Sections are known by
// their index; one that is missing or inactive stops.
func (p *Peer) SetSections(now mono.Time, list []media.Section) {
	if p.closed {
		return
	}
	for i := range list {
		s := p.section(list[i].Index)
		if s == nil {
			s = &section{peer: p, place: len(p.sections), share: Share{Ceiling: media.NoLayer}}
			s.out = newSender(s)
			p.sections = append(p.sections, s)
		}
		s.apply(now, list[i])
	}
	p.extKinds = [256]extKind{}
	p.twccOut = nil
	for _, s := range p.sections {
		p.learnExtensions(&s.Ext)
		if p.twccOut == nil && s.Kind == media.Video && s.Receive && s.TransportCC {
			p.twccOut = s
		}
	}
	p.extKinds[0] = extUnknown
	if p.twccOut != nil && p.nextTWCC == 0 {
		p.nextTWCC = now.Add(p.opt.TWCCPeriod).Floor(p.opt.TWCCPeriod)
	}
	if p.twccOut == nil {
		p.nextTWCC = 0
	}
	p.wake(p.nextTWCC)
	p.estimate(now)
}

func (p *Peer) learnExtensions(e *media.ExtensionIDs) {
	p.extKinds[e.MID] = extMID
	p.extKinds[e.RID] = extRID
	p.extKinds[e.RepairedRID] = extRepairedRID
	p.extKinds[e.AudioLevel] = extAudioLevel
	p.extKinds[e.VideoOrientation] = extOrientation
	p.extKinds[e.TransportSequence] = extTransportSequence
	p.extKinds[e.PlayoutDelay] = extPlayoutDelay
	p.extKinds[e.DependencyDescriptor] = extDescriptor
	p.extKinds[e.AbsCaptureTime] = extCaptureTime
	p.extKinds[e.VideoLayers] = extVideoLayers
}

// section returns the section with this index, nil if there is none.
func (p *Peer) section(index int) *section {
	for _, s := range p.sections {
		if s.Index == index {
			return s
		}
	}
	return nil
}

// apply takes a (new) negotiation of the section.
func (s *section) apply(now mono.Time, n media.Section) {
	stopped := s.Receive && !n.Receive
	if s.Ext != n.Ext || s.MID != n.MID || !slices.Equal(s.Codecs, n.Codecs) {
		s.out.abandon() // it could not be repeated to the bit
	}
	s.Section = n
	s.payloads = [128]uint8{}
	for i, c := range n.Codecs[:min(len(n.Codecs), rtxPayload-1)] {
		s.payloads[c.PayloadType&0x7f] = uint8(i + 1)
		if c.RTX != 0 {
			s.payloads[c.RTX&0x7f] = uint8(i+1) | rtxPayload
		}
	}
	if stopped {
		s.stop(now)
	}
	if n.Receive {
		s.listen()
	}
	s.out.apply()
}

// listen prepares the track and binds the SSRCs that were signalled.
func (s *section) listen() {
	if s.track == nil {
		s.track = &route.Track{Keyframe: s.requestKeyframe}
	}
	t := s.track
	t.Kind = s.Kind // a slot may be used again for the other one
	t.Simulcast, t.SVC, t.Encrypted = s.Simulcast, s.SVC, s.Encrypted
	if t.Ask = nil; s.REMB {
		t.Ask = s.ask
	}
	if len(s.Codecs) > 0 {
		t.ClockRate = s.Codecs[0].ClockRate
	}
	t.Changed()
	for i := range s.Encodings {
		if e := s.Encodings[i]; i < media.MaxEncodings && e.SSRC != 0 {
			s.peer.bind(s, i, e)
		}
	}
}

// stop ends reception: the remote does not send any more.
func (s *section) stop(now mono.Time) {
	for i, rx := range s.receivers {
		if rx == nil {
			continue
		}
		if rx.receiving {
			rx.receiving = false
			rx.emitMedia(0)
		}
		s.peer.unbind(rx)
		s.receivers[i] = nil
	}
	if s.track != nil {
		s.peer.loop.Forward(s.track)
		s.track.Forget()
	}
}

// ready starts everything that waited for the keys.
func (s *section) ready(now mono.Time) {
	if sub := s.out.sub; sub.Track() != nil {
		sub.Track().RequestKeyframe(now)
	}
}

func (s *section) close() {
	s.out.sub.Detach()
	s.out.large.close()
	if s.track != nil {
		s.peer.loop.Forward(s.track)
		s.track.Close()
	}
}

// Unsubscribe stops sending on a section.
func (p *Peer) Unsubscribe(index int) {
	if s := p.section(index); s != nil {
		s.out.sub.Detach()
	}
}

// Subscription returns the subscription that feeds a section, nil if there is
// no such section.
func (p *Peer) Subscription(index int) *route.Subscription {
	if s := p.section(index); s != nil {
		return s.out.sub
	}
	return nil
}

// Takes reports whether a section was negotiated to be sent a codec, with a payload type, 0 =
// any.
func (p *Peer) Takes(index int, codec media.CodecName, pt uint8) bool {
	s := p.section(index)
	return s != nil && slices.ContainsFunc(s.Codecs, func(c media.Codec) bool { return c.Name == codec && (pt == 0 || c.PayloadType == pt) })
}

// WatchLoss calls f with every report of the remote, with the share of a section's packets
// lost on the way to it of late, 0 to 1; nil ends it.
func (p *Peer) WatchLoss(index int, f func(now mono.Time, lost float64)) {
	if s := p.section(index); s != nil {
		s.onLoss = f
	}
}

// SetPlayoutDelay makes the section's packets carry a playout delay in steps
// of 10 ms, instead of that which came; negative values restore that.
func (p *Peer) SetPlayoutDelay(index, least, most int) {
	if s := p.section(index); s != nil {
		s.out.setPlayoutDelay(least, most)
	}
}

// RequestKeyframe asks the remote for a key frame of a section; -1 means all.
func (p *Peer) RequestKeyframe(now mono.Time, index int) {
	for _, s := range p.sections {
		if s.Index == index || index < 0 {
			s.requestKeyframe(now)
		}
	}
}

// Track returns the remote's track on a section, nil if it sends nothing.
func (p *Peer) Track(index int) *route.Track {
	if s := p.section(index); s != nil {
		return s.track
	}
	return nil
}

// SetAudioLevelWindow makes a section report its mean audio level every so many
// packets; 0 turns that off.
func (p *Peer) SetAudioLevelWindow(index, packets int) {
	if s := p.section(index); s != nil {
		s.levels = route.LevelMeter{Window: packets}
	}
}
