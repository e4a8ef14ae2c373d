package peer

import (
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/nack"
	"bifrons/rtp/seq"
	"bifrons/rtp/stats"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

const (
	// maxStreams bounds the SSRCs that one remote may use at the same time.
	maxStreams = 256
	// maxCounters bounds those whose counters are kept.
	maxCounters = 2 * maxStreams
)

// stream is an RTP stream of the remote, all packets of one SSRC (RFC 7656, 2.1.10): an
// encoding, or the retransmissions of one.
type stream struct {
	*counters
	receiver *receiver
	rtx      bool
}

// counters are the state of an SSRC that lasts as long as the keys. A remote
// that stops sending by renegotiation later continues the numbers, and the
// rollover counter, that it had.
type counters struct {
	srtp   srtp.StreamState
	unwrap seq.Unwrapper
}

// receiver receives one encoding of a section.
type receiver struct {
	section  *section
	encoding int
	ssrc     uint32
	rtxSSRC  uint32

	unwrap *seq.Unwrapper
	begun  bool // a packet went to the track
	stats  stats.Receiver
	nack   nack.Generator

	inspector route.Inspector
	reorder   reorder

	packets   uint64
	keyframe  mono.Time // when one last began
	gaveUp    uint64    // lost packets given up that are taken note of
	receiving bool
	lastRTP   mono.Time
	window    uint64 // packets in the current report second
}

// bind gives the SSRC of an encoding, and that of its RTX if it is not 0, to its
// place in a section. A receiver that had the place ends.
func (p *Peer) bind(s *section, encoding int, e media.Encoding) *receiver {
	rx := s.receivers[encoding]
	if ssrc := e.SSRC; rx == nil || rx.ssrc != ssrc {
		if rx != nil {
			p.unbind(rx)
		}
		rx = &receiver{section: s, encoding: encoding, ssrc: ssrc}
		if old := s.receivers[encoding]; old != nil {
			rx.receiving = old.receiving
		}
		s.receivers[encoding] = rx
		rx.stats.Rate, rx.stats.RTX = s.clockRate(), s.hasRTX()
		st := &stream{counters: p.countersOf(ssrc), receiver: rx}
		rx.unwrap, p.streams[ssrc] = &st.unwrap, st
	}
	if e.RTXSSRC != 0 && rx.rtxSSRC != e.RTXSSRC {
		p.bindRTX(rx, e.RTXSSRC)
	}
	return rx
}

func (p *Peer) bindRTX(rx *receiver, ssrc uint32) {
	delete(p.streams, rx.rtxSSRC)
	rx.rtxSSRC = ssrc
	p.streams[ssrc] = &stream{counters: p.countersOf(ssrc), receiver: rx, rtx: true}
}

// countersOf returns the counters of an SSRC.
func (p *Peer) countersOf(ssrc uint32) *counters {
	if c := p.counters[ssrc]; c != nil {
		return c
	}
	if len(p.counters) >= maxCounters {
		for old := range p.counters {
			if p.streams[old] == nil {
				delete(p.counters, old)
				break
			}
		}
	}
	c := new(counters)
	p.counters[ssrc] = c
	return c
}

func (p *Peer) unbind(rx *receiver) {
	delete(p.streams, rx.ssrc)
	if rx.rtxSSRC != 0 {
		delete(p.streams, rx.rtxSSRC)
	}
}

func (s *section) hasRTX() bool {
	for i := range s.Codecs {
		if s.Codecs[i].RTX != 0 {
			return true
		}
	}
	return false
}

func (s *section) clockRate() uint32 {
	if len(s.Codecs) > 0 && s.Codecs[0].ClockRate != 0 {
		return s.Codecs[0].ClockRate
	}
	if s.Kind == media.Video {
		return 90000
	}
	return 48000
}

// identify finds the stream with an SSRC that was not signalled, by the MID and
// RID extensions of an authentic packet (RFC 9143, 9.2; RFC 8852), or by a
// payload type that only one section has.
func (p *Peer) identify(h *rtp.Header, b []byte, state srtp.StreamState) *stream {
	var mid, rid, repaired []byte
	for it := h.Extensions(b); it.Next(); {
		switch p.extKinds[it.ID] {
		case extMID:
			mid = it.Data
		case extRID:
			rid = it.Data
		case extRepairedRID:
			repaired = it.Data
		}
	}
	s := p.sectionOf(mid, h.PayloadType)
	if s == nil || !s.Receive {
		return nil
	}
	_, rtx := s.payload(h.PayloadType)
	if len(repaired) > 0 {
		rid, rtx = repaired, true
	}
	encoding := s.encodingOf(rid)
	if encoding < 0 || len(p.streams) >= maxStreams {
		return nil
	}
	if rtx {
		rx := s.receivers[encoding]
		if rx == nil {
			return nil
		}
		p.bindRTX(rx, h.SSRC)
	} else {
		p.bind(s, encoding, media.Encoding{SSRC: h.SSRC})
	}
	st := p.streams[h.SSRC]
	st.srtp = state
	return st
}

func (p *Peer) sectionOf(mid []byte, pt uint8) *section {
	var found *section
	for _, s := range p.sections {
		switch {
		case len(mid) > 0:
			if s.MID == string(mid) {
				return s
			}
		case s.Receive && s.payloads[pt] != 0:
			if found != nil {
				return nil // ambiguous
			}
			found = s
		}
	}
	return found
}

// encodingOf returns the place of a RID, -1 if it has none.
func (s *section) encodingOf(rid []byte) int {
	if !s.Simulcast {
		return 0
	}
	for i := range s.Encodings {
		if s.Encodings[i].RID == string(rid) && i < media.MaxEncodings {
			return i
		}
	}
	return -1
}

// arrived notes that media came in; the first packet after silence is an event.
func (rx *receiver) arrived(now mono.Time) {
	rx.lastRTP = now
	rx.window++
	if !rx.receiving {
		rx.receiving = true
		rx.emitMedia(0)
	}
}

// emitMedia reports whether something is received, which has changed; silence is how
// long nothing came, if that is why.
func (rx *receiver) emitMedia(silence time.Duration) {
	s, sub := rx.section, -1
	if s.Simulcast {
		sub = rx.encoding
	}
	s.peer.loop.Emit(Event{
		Kind: EventMedia, Section: s.Index, Encoding: sub, Receiving: rx.receiving, Silence: silence,
	})
}
