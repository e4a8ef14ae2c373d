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
	// maxSources bounds the SSRCs that one remote may use at the same time.
	maxSources = 256
	// maxCounters bounds those whose counters are kept.
	maxCounters = 2 * maxSources
)

// source is one SSRC of the remote: a stream, or the RTX of one.
type source struct {
	*counters
	stream *stream
	rtx    bool
}

// counters are what is kept of an SSRC for as long as the keys live. A remote
// that stops sending by renegotiation goes on later with the numbers, and the
// rollover counter, that it had.
type counters struct {
	srtp   srtp.StreamState
	unwrap seq.Unwrapper
}

// stream is one received encoded stream.
type stream struct {
	section  *section
	encoding int
	ssrc     uint32
	rtxSSRC  uint32

	unwrap *seq.Unwrapper
	begun  bool // a packet went to the track
	stats  stats.Receiver
	nack   nack.Generator

	inspector route.Inspector

	packets   uint64
	keyframe  mono.Time // when one last began
	gaveUp    uint64    // lost packets given up that are taken note of
	receiving bool
	lastRTP   mono.Time
	window    uint64 // packets in the current report second
}

// bind gives an SSRC, and that of its RTX if it is not 0, to an encoding of a
// section. A stream that had the place ends.
func (p *Peer) bind(s *section, encoding int, ssrc, rtxSSRC uint32) *stream {
	st := s.streams[encoding]
	if st == nil || st.ssrc != ssrc {
		if st != nil {
			p.unbind(st)
		}
		st = &stream{section: s, encoding: encoding, ssrc: ssrc}
		if old := s.streams[encoding]; old != nil {
			st.receiving = old.receiving
		}
		s.streams[encoding] = st
		st.stats.Rate, st.stats.RTX = s.clockRate(), s.hasRTX()
		src := &source{counters: p.countersOf(ssrc), stream: st}
		st.unwrap, p.ssrcs[ssrc] = &src.unwrap, src
	}
	if rtxSSRC != 0 && st.rtxSSRC != rtxSSRC {
		p.bindRTX(st, rtxSSRC)
	}
	return st
}

func (p *Peer) bindRTX(st *stream, ssrc uint32) {
	delete(p.ssrcs, st.rtxSSRC)
	st.rtxSSRC = ssrc
	p.ssrcs[ssrc] = &source{counters: p.countersOf(ssrc), stream: st, rtx: true}
}

// countersOf returns the counters of an SSRC.
func (p *Peer) countersOf(ssrc uint32) *counters {
	if c := p.counters[ssrc]; c != nil {
		return c
	}
	if len(p.counters) >= maxCounters {
		for old := range p.counters {
			if p.ssrcs[old] == nil {
				delete(p.counters, old)
				break
			}
		}
	}
	c := new(counters)
	p.counters[ssrc] = c
	return c
}

func (p *Peer) unbind(st *stream) {
	delete(p.ssrcs, st.ssrc)
	if st.rtxSSRC != 0 {
		delete(p.ssrcs, st.rtxSSRC)
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

// identify finds the stream of an SSRC that was not signalled, by the MID and
// RID extensions of an authentic packet (RFC 9143, 9.2; RFC 8852), or by a
// payload type that only one section has.
func (p *Peer) identify(h *rtp.Header, b []byte, state srtp.StreamState) *source {
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
	if encoding < 0 || len(p.ssrcs) >= maxSources {
		return nil
	}
	if rtx {
		st := s.streams[encoding]
		if st == nil {
			return nil
		}
		p.bindRTX(st, h.SSRC)
	} else {
		p.bind(s, encoding, h.SSRC, 0)
	}
	src := p.ssrcs[h.SSRC]
	src.srtp = state
	return src
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
func (st *stream) arrived(now mono.Time) {
	st.lastRTP = now
	st.window++
	if !st.receiving {
		st.receiving = true
		st.emitMedia(0)
	}
}

// emitMedia tells whether something is received, which has changed; silence is how
// long nothing came, if that is why.
func (st *stream) emitMedia(silence time.Duration) {
	s, sub := st.section, -1
	if s.Simulcast {
		sub = st.encoding
	}
	s.peer.shard.Emit(Event{
		Kind: EventMedia, Section: s.Index, Substream: sub, Receiving: st.receiving, Silence: silence,
	})
}
