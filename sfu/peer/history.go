package peer

import (
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/sfu/route"
)

// record has everything needed to send a packet again exactly as it was. There is one
// for every packet of the last second and each subscriber: 32 bytes.
type record struct {
	arrived      uint32 // of the incoming packet, which it and ssrc identify
	ssrc         uint32
	seq          uint32 // low bits of the extended sequence number
	ts           uint32
	at           uint32 // ms of the media clock
	incoming     uint16 // sequence number in the track's cache
	transportSeq uint16
	pictureID    uint16
	tl0          uint8
	pad          uint8
	sendTime     [3]byte // abs-send-time
	flags        recordFlags
}

// recordFlags also holds the encoding, above recordWaiting.
type recordFlags uint8

const (
	recordMarker  recordFlags = 1 << iota
	recordRewrite             // the payload is not as it came
	recordPadding             // there is nothing but padding
	recordUsed                // the record stands for a packet
	recordWaiting             // it is not sent yet

	encodingShift = 6
)

// recordOf makes the record of the packet sent for p.
func recordOf(p *route.Packet, out *route.Outgoing) record {
	r := record{
		arrived: arrivalOf(p), ssrc: p.SSRC, incoming: uint16(p.Seq), pad: p.Pad,
		seq: uint32(out.Seq), ts: out.Timestamp, pictureID: out.PictureID, tl0: out.TL0,
		flags: recordFlags(p.Encoding) << encodingShift,
	}
	r.set(recordMarker, out.Marker)
	r.set(recordRewrite, out.Rewrite)
	return r
}

// arrivalOf is when p arrived, in us of the media clock.
func arrivalOf(p *route.Packet) uint32 { return uint32(p.Arrival / mono.Time(time.Microsecond)) }

// of reports whether the record is of p.
func (r *record) of(p *route.Packet) bool {
	return r.arrived == arrivalOf(p) && r.ssrc == p.SSRC && r.pad == p.Pad
}

func (r *record) encoding() uint8 { return uint8(r.flags >> encodingShift) }

func (r *record) sendAt(now mono.Time) {
	t := rtp.AbsSendTimeOf(now)
	r.sendTime = [3]byte{byte(t >> 16), byte(t >> 8), byte(t)}
}

func (r *record) is(f recordFlags) bool { return r.flags&f != 0 }

func (r *record) set(f recordFlags, on bool) {
	if on {
		r.flags |= f
	}
}

func (r *record) clear(f recordFlags) { r.flags &^= f }

// history is the ring of a sender's recent packets, by sequence number.
type history struct {
	ring    []record
	highest uint32
	floor   uint32 // older ones are forgotten
}

// Sizes of a history, and the time for which it grows rather than forgets.
const (
	minHistory  = 64
	maxHistory  = 2048
	historyTime = time.Second
	maxAge      = 10_000 // ms; far from the hour after which arrival times repeat
)

func millis(t mono.Time) uint32 { return uint32(t / mono.Time(time.Millisecond)) }

// put notes a packet. It returns false if that number was used before or is
// too old to be used at all: it must not be sent.
func (h *history) put(now mono.Time, r record) bool {
	if h.ring == nil {
		h.ring = make([]record, minHistory)
		h.highest, h.floor = r.seq-1, r.seq
	}
	r.at = millis(now)
	r.set(recordUsed, true)
	newer := int32(r.seq-h.highest) > 0
	if !newer && h.highest-r.seq >= uint32(len(h.ring)) {
		return false
	}
	s := h.slot(r.seq)
	for newer && s.is(recordUsed) && r.at-s.at < uint32(historyTime/time.Millisecond) && len(h.ring) < maxHistory {
		h.grow()
		s = h.slot(r.seq)
	}
	if s.is(recordUsed) && int32(r.seq-s.seq) <= 0 {
		return false
	}
	*s = r
	if newer {
		h.highest = r.seq
	}
	return true
}

func (h *history) slot(seq uint32) *record { return &h.ring[seq&uint32(len(h.ring)-1)] }

func (h *history) grow() {
	old := h.ring
	h.ring = make([]record, 2*len(old))
	for i := range old {
		if old[i].is(recordUsed) {
			*h.slot(old[i].seq) = old[i]
		}
	}
}

// get returns the record of a packet by the low bits of its number, nil if it
// is forgotten, or so old that nobody waits for the packet.
func (h *history) get(now mono.Time, seq uint16) *record {
	if h.ring == nil {
		return nil
	}
	full := h.full(seq)
	r := h.slot(full)
	if !r.is(recordUsed) || r.seq != full || int32(full-h.floor) < 0 || millis(now)-r.at > maxAge {
		return nil
	}
	return r
}

// full is the number nearest to the highest one with these low bits.
func (h *history) full(seq uint16) uint32 {
	return h.highest + uint32(int32(int16(seq-uint16(h.highest))))
}

// outlived reports whether the record of a number made way for a newer one, or is too old, and
// was not given up. A number that no packet had yet has no such record.
func (h *history) outlived(full uint32) bool {
	if h.ring == nil || int32(full-h.floor) < 0 || int32(h.highest-full) < 0 {
		return false
	}
	s := h.slot(full)
	return s.is(recordUsed) && int32(s.seq-full) >= 0
}

// missing returns how many of the n numbers up to last were not sent. ok is false if
// that is not known any more.
func (h *history) missing(last uint16, n int) (count int, ok bool) {
	if h.ring == nil {
		return 0, false
	}
	full := h.full(last)
	if int32(h.highest-full) < 0 || int(h.highest-full)+n > len(h.ring) {
		return 0, false
	}
	for ; n > 0; n-- {
		if r := h.slot(full); !r.is(recordUsed) || r.seq != full {
			count++
		}
		full--
	}
	return count, true
}

// forget gives up everything.
func (h *history) forget() { h.floor = h.highest + 1 }

// forgetBefore gives up everything older than seq.
func (h *history) forgetBefore(seq uint32) { h.floor = seq }
