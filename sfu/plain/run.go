package plain

import (
	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/rtp/seq"
	"bifrons/sfu/media"
)

// Restart makes the next packet of every encoding begin a new run, as from
// another session, whatever its number.
func (s *Source) Restart() {
	for _, st := range s.streams {
		s.restart(st)
	}
}

func (s *Source) restart(st *stream) {
	for e := range st.lanes {
		s.letGo(&st.lanes[e])
		st.lanes[e].renew = true
	}
}

// hold keeps a packet back until the next one tells what to make of it.
func (s *Source) hold(ln *lane, now mono.Time, h *rtp.Header, b *pktbuf.Buf, payload []byte) (kept bool) {
	if ln.held.buf != nil && ln.held.header.SequenceNumber == h.SequenceNumber {
		s.loop.Drop(media.DropDuplicate)
		return false
	}
	s.letGo(ln)
	ln.held = held{b, payload, *h, now}
	return true
}

// letGo drops the packet that is held back, if there is one.
func (s *Source) letGo(ln *lane) {
	if ln.held.buf == nil {
		return
	}
	s.loop.Drop(media.DropSequence)
	ln.held.buf.Release()
	ln.held = held{}
}

// begin starts a new run with the packet that is held back and the one that
// confirms it, in the order of their numbers.
func (s *Source) begin(now mono.Time, i, encoding int, h *rtp.Header, b *pktbuf.Buf, payload []byte) (kept bool) {
	ln := &s.streams[i].lanes[encoding]
	old := ln.held
	ln.held = held{}
	swapped := seq.Less16(h.SequenceNumber, old.header.SequenceNumber)
	if swapped {
		ln.begin(h)
		kept = s.take(now, i, encoding, h, b, payload)
	} else {
		ln.begin(&old.header)
	}
	if !s.take(old.at, i, encoding, &old.header, old.buf, old.payload) {
		old.buf.Release()
	}
	if !swapped {
		kept = s.take(now, i, encoding, h, b, payload)
	}
	return kept
}
