package plain

import (
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp"
	"bifrons/rtp/mono"
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

// maxClockStep is how far timestamps may stray from the time that has passed
// before they count as those of another source.
const maxClockStep = 5 * time.Second

// lane is one encoding of a stream: whatever sends it now. Senders come and go,
// change their SSRC or start anew with the same; everything that is not the
// continuation of what was before gets another key, by which subscriptions see
// that numbers and timestamps have to be based anew.
type lane struct {
	started   bool
	fresh     bool // the next packet is the first one, at all or after a pause
	receiving bool // told as such
	ssrc      uint32
	key       uint32
	runs      uint32 // changes of key
	last      mono.Time

	srtp   srtp.StreamState
	unwrap seq.Unwrapper

	inspector route.Inspector

	highest   uint16
	bad       int // successor of the last implausible number, -1 = none
	timestamp uint32
	at        mono.Time // arrival of timestamp

	shifts   shifts
	skew     skew.Compensator
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

// follow takes an authentic packet as the next one of the lane, or the first of
// a new sender. False means that its number is implausible: stray, or the first
// of a jump that the next packet has to confirm.
func (ln *lane) follow(now mono.Time, h *rtp.Header, rate uint32) bool {
	step := int(int16(h.SequenceNumber - ln.highest))
	switch {
	case !ln.started || h.SSRC != ln.ssrc:
		ln.begin(h)
	case step < -maxMisorder || step > maxDropout:
		if int(h.SequenceNumber) != ln.bad {
			ln.bad = int(h.SequenceNumber + 1)
			return false
		}
		ln.begin(h)
	case step > 0 && ln.strayed(now, h.Timestamp, rate):
		ln.begin(h)
	}
	ln.last = now
	if int16(h.SequenceNumber-ln.highest) >= 0 {
		ln.highest, ln.timestamp, ln.at = h.SequenceNumber, h.Timestamp, now
	}
	ln.bad = -1
	return true
}

// begin starts a new run of numbers.
func (ln *lane) begin(h *rtp.Header) {
	ln.runs++
	*ln = lane{
		started: true, fresh: true, receiving: ln.receiving, runs: ln.runs, srtp: ln.srtp, last: ln.last,
		ssrc: h.SSRC, key: h.SSRC ^ ln.runs*0x9e3779b9, // any odd number tells runs apart
		highest: h.SequenceNumber, bad: -1,
	}
}

// strayed tells whether a timestamp has nothing to do with the one before.
func (ln *lane) strayed(now mono.Time, ts uint32, rate uint32) bool {
	if rate == 0 || ln.at == 0 {
		return false
	}
	passed := now.Sub(ln.at)
	moved := time.Duration(int64(int32(ts-ln.timestamp)) * int64(time.Second) / int64(rate))
	d := moved - passed
	return d > maxClockStep || d < -maxClockStep
}
