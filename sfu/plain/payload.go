package plain

import (
	"bifrons/rtp/seq"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// identify finds the codec of a packet of a track; false if its payload type is
// none of the track's.
func (a *arrival) identify(t *track) bool {
	a.codec = t.Codec
	if len(t.Codecs) > 0 {
		i := t.payloads[a.header.PayloadType&0x7f]
		if i == 0 {
			return false
		}
		a.codec = t.Codecs[i-1]
	}
	a.rate = a.codec.ClockRate
	ln := &t.lanes[a.encoding]
	// The packets of a tone all have the time of its beginning, and may count in
	// other units than the voice (RFC 4733, 2.2.1); so may comfort noise.
	if a.codec.Name == media.TelephoneEvent || a.codec.Name == media.ComfortNoise && ln.rate != 0 && ln.rate != a.rate {
		a.rate = 0
	}
	return true
}

// pass leaves out a packet whose payload type is unknown. It leaves no gap, as far as
// it is where the next packet was expected.
func (s *Source) pass(a *arrival) {
	s.loop.Drop(media.DropPayloadType)
	t, h := s.tracks[a.track], &a.header
	ln := &t.lanes[a.encoding]
	if step := seq.Diff16(h.SequenceNumber, ln.highest); !ln.started || h.SSRC != ln.ssrc || ln.renew || step <= 0 || step > maxApart {
		return
	}
	ln.highest, ln.stamp = h.SequenceNumber, h.Timestamp
	ln.seen.Add(h.SequenceNumber)
	s.pkt = route.Packet{
		Arrival: a.at, Encoding: uint8(a.encoding), SSRC: ln.key, Timestamp: h.Timestamp,
		Seq: ln.shifts.number(ln.unwrap.Unwrap(h.SequenceNumber)),
	}
	t.out.Skip(a.at, &s.pkt)
}
