package plain

import (
	"bifrons/rtp/seq"
	"bifrons/sfu/media"
)

// Restart makes the next packet of every encoding begin a new run, as from
// another session, whatever its number.
func (s *Source) Restart() {
	for _, t := range s.tracks {
		s.restart(t)
	}
}

func (s *Source) restart(t *track) {
	for e := range t.lanes {
		s.letGo(&t.lanes[e])
		t.lanes[e].renew = true
	}
}

// hold keeps a packet back until the next one decides about it.
func (s *Source) hold(ln *lane, a *arrival) (kept bool) {
	if ln.held.buf != nil && ln.held.header.SequenceNumber == a.header.SequenceNumber {
		s.loop.Drop(media.DropDuplicate)
		return false
	}
	s.letGo(ln)
	ln.held = *a
	return true
}

// letGo drops the packet that is held back, if there is one.
func (s *Source) letGo(ln *lane) {
	if ln.held.buf == nil {
		return
	}
	s.loop.Drop(media.DropSequence)
	ln.held.buf.Release()
	ln.held = arrival{}
}

// begin starts a new run with the packet that is held back and the one that
// confirms it, in the order of their numbers.
func (s *Source) begin(a *arrival) (kept bool) {
	ln := &s.tracks[a.track].lanes[a.encoding]
	old := ln.held
	ln.held = arrival{}
	swapped := seq.Less16(a.header.SequenceNumber, old.header.SequenceNumber)
	if swapped {
		ln.begin(&a.header)
		kept = s.take(a)
	} else {
		ln.begin(&old.header)
	}
	if !s.take(&old) {
		old.buf.Release()
	}
	if !swapped {
		kept = s.take(a)
	}
	return kept
}
