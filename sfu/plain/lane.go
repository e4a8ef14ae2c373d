package plain

import (
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mono"
	"bifrons/rtp/pktbuf"
	"bifrons/rtp/seq"
	"bifrons/rtp/skew"
	"bifrons/sfu/media"
	"bifrons/sfu/route"
)

// Limits of a plausible sequence number step (RFC 3550, A.1).
const (
	maxDropout  = 3000
	maxMisorder = 1000
)

// Limits between the packets of one run.
const (
	// maxClockStep is how far timestamps may stray from the time that has passed.
	maxClockStep = 5 * time.Second
	// maxLate is how much later than the newest packet one with a lower number may
	// be, by its timestamp.
	maxLate = time.Second
	// maxAhead is how far the timestamp of a lower number may be ahead: pictures
	// are sent in the order of decoding.
	maxAhead = 500 * time.Millisecond
	// restartTime is the least silence after which a number that came before is not
	// taken for the same packet again.
	restartTime = 400 * time.Millisecond
	// maxApart is how far the two packets are from each other at most that begin a
	// new run, in sequence numbers.
	maxApart = 16
)

// lane is one encoding of a track: whatever sends it now. Senders come and go,
// change their SSRC or start again with the same; everything that is not the
// continuation of the stream before gets another key, by which subscriptions see
// that numbers and timestamps have to be based again.
type lane struct {
	started   bool
	fresh     bool // the next packet is the first one, at all or after a pause
	receiving bool // reported as such
	ssrc      uint32
	key       uint32
	runs      uint32 // changes of key
	last      mono.Time

	srtp   contexts
	unwrap seq.Unwrapper

	inspector route.Inspector

	highest   uint16
	stamp     uint32    // timestamp of the highest number
	timestamp uint32    // of the highest number whose timestamp says when it was sent
	at        mono.Time // and its arrival, 0 if there was none
	rate      uint32    // Hz, of that timestamp
	seen      seq.Window
	held      arrival // may be the first packet of a new run, as the next one will show; without buf none
	renew     bool    // the next packet begins a new run in any case

	shifts   shifts
	skew     skew.Compensator
	shift    int32    // timestamp units that it adds at present
	sets     bool     // the source sends parameter sets for H.264
	injected struct { // the last picture that got them from us
		any bool
		ts  uint32
	}
}

// admit decides by the SSRC whether a packet is looked at.
func (ln *lane) admit(now mono.Time, h *rtp.Header, collision time.Duration) media.Drop {
	if ln.started && h.SSRC != ln.ssrc && collision > 0 && now.Sub(ln.last) < collision {
		return media.DropCollision
	}
	return media.DropNone
}

// arrival is an authentic packet that came for an encoding of a track.
type arrival struct {
	at              mono.Time
	track, encoding int
	header          rtp.Header
	codec           media.Codec
	rate            uint32 // Hz, of a timestamp that says when the packet was sent, else 0
	buf             *pktbuf.Buf
	payload         []byte // within buf
}

// verdict is a lane's judgement of a packet.
type verdict uint8

const (
	follows  verdict = iota // the next one, or a late one
	begins                  // the first of a new run
	suspect                 // stray, or the first of a new run
	repeated                // came before
)

// judge classifies an authentic packet. Between late packets and those of a
// sender that starts again with lower numbers, silence and clock decide.
func (ln *lane) judge(now mono.Time, h *rtp.Header, rate uint32) verdict {
	if !ln.started || h.SSRC != ln.ssrc || ln.renew || rate != 0 && ln.rate != 0 && rate != ln.rate {
		return begins
	}
	step := seq.Diff16(h.SequenceNumber, ln.highest)
	passed := now.Sub(ln.at)
	moved := passed // by the source's clock
	if rate != 0 && ln.at != 0 {
		moved = units(int32(h.Timestamp-ln.timestamp), rate)
	}
	stray := moved - passed
	switch {
	case step < -maxMisorder || step > maxDropout:
		return suspect
	case step > 0:
		if stray > maxClockStep || stray < -maxClockStep || moved < -maxLate {
			return begins
		}
		if ln.held.buf != nil && ln.held.header.SequenceNumber == ln.highest && ln.held.header.Timestamp != ln.stamp {
			return begins // the number before was in use twice
		}
		return follows
	}
	before := ln.seen.Seen(h.SequenceNumber)
	switch {
	case stray < -maxLate, rate != 0 && moved > maxAhead, before && now.Sub(ln.last) >= restartTime:
		return suspect
	case before:
		return repeated
	}
	return follows
}

// confirms reports whether a packet belongs together with the one that is held back.
func (ln *lane) confirms(now mono.Time, h *rtp.Header, rate uint32) bool {
	if ln.held.buf == nil || h.SSRC != ln.ssrc || ln.renew {
		return false
	}
	if rate != 0 {
		d := units(int32(h.Timestamp-ln.held.header.Timestamp), rate) - now.Sub(ln.held.at)
		if d > maxClockStep || d < -maxClockStep {
			return false
		}
	}
	apart := seq.Diff16(h.SequenceNumber, ln.held.header.SequenceNumber)
	return apart != 0 && apart >= -maxApart && apart <= maxApart
}

// take notes a packet of the current run.
func (ln *lane) take(now mono.Time, h *rtp.Header, rate uint32) {
	ln.last = now
	ln.seen.Add(h.SequenceNumber)
	if seq.Diff16(h.SequenceNumber, ln.highest) < 0 {
		return
	}
	ln.highest, ln.stamp = h.SequenceNumber, h.Timestamp
	if rate != 0 {
		ln.timestamp, ln.at, ln.rate = h.Timestamp, now, rate
	}
}

// begin starts a new run of numbers.
func (ln *lane) begin(h *rtp.Header) {
	ln.runs++
	*ln = lane{
		started: true, fresh: true, receiving: ln.receiving, runs: ln.runs, srtp: ln.srtp, last: ln.last,
		ssrc: h.SSRC, key: h.SSRC ^ ln.runs*0x9e3779b9, // any odd number distinguishes runs
		highest: h.SequenceNumber, held: ln.held,
	}
}

// units is a difference of timestamps as a time; rate is in Hz.
func units(d int32, rate uint32) time.Duration {
	return time.Duration(int64(d) * int64(time.Second) / int64(rate))
}
