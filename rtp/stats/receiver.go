package stats

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
)

// Limits of a plausible sequence number step (RFC 3550, A.1).
const (
	maxDropout  = 3000
	maxMisorder = 100
)

// lateLimit is how much later than its successors a packet may be without
// being taken for a retransmission, on streams without RTX.
const lateLimit = 120 * time.Millisecond

// maxJitterStep bounds, in seconds, the difference of transit times that is
// still jitter and not a jump of the timestamps.
const maxJitterStep = 5

// Receiver counts one received SSRC. Rate and RTX are set before the first
// packet; otherwise the zero Receiver is ready for use.
//
// Retransmissions do not count as received when loss is computed, neither for
// reports nor for Link: those describe the network. Media is the quality
// after repair.
type Receiver struct {
	Rate uint32 // timestamp units per second; 0 turns jitter off
	RTX  bool   // repeats come over RTX only, so late packets are none

	Packets       uint64    // received, retransmissions included
	Bytes         uint64    // as passed to Receive and ReceiveRTX
	Retransmitted uint64    // packets received by retransmission
	NACKs         uint64    // sequence numbers asked for; counted by the owner
	LastAt        mono.Time // arrival of the last packet, 0 before the first
	Link, Media   Quality   // updated by each Report

	started  bool
	max      uint32 // extended highest sequence number
	base     uint32 // extended number that expecting began with
	received uint32 // packets received as first transmissions
	bad      uint32 // successor of the last implausible number; noBad if none

	highTS uint32 // timestamp and arrival of the highest packet
	highAt mono.Time
	jitter float64 // in timestamp units

	expectedPrior, receivedPrior uint32 // as of the previous report
	repairedPrior                uint64
	lostAtTick                   int32

	srNTP uint32 // middle of the last SR's NTP time
	srAt  mono.Time
	rate  window
}

// noBad equals no sequence number.
const noBad = 1 << 16

// ReceiveRTX counts a packet of size bytes that came over RTX (RFC 4588).
func (r *Receiver) ReceiveRTX(now mono.Time, size int) {
	r.count(now, size)
	r.Retransmitted++
}

func (r *Receiver) count(now mono.Time, size int) {
	r.rate.add(now, size)
	r.Packets++
	r.Bytes += uint64(size)
	r.LastAt = now
}

// Receive counts any other packet of size bytes.
func (r *Receiver) Receive(now mono.Time, seq uint16, ts uint32, size int) {
	r.count(now, size)
	newest, ok := r.sequence(seq)
	switch {
	case !ok:
	case newest:
		r.received++
		r.updateJitter(now, ts)
		r.highTS, r.highAt = ts, now
	case !r.RTX && r.late(now, ts):
		r.Retransmitted++
	default:
		r.received++
	}
}

// sequence takes note of a sequence number as RFC 3550, A.1 does, but without
// probation: packets here are authenticated. newest says that it is the highest
// yet; ok that it is plausible. After a jump the count of expected packets goes
// on as if the new number followed the old.
func (r *Receiver) sequence(seq uint16) (newest, ok bool) {
	if !r.started {
		r.started = true
		r.max, r.base, r.bad = uint32(seq), uint32(seq), noBad
		return true, true
	}
	step := seq - uint16(r.max)
	switch {
	case step == 0:
		return false, true
	case step < maxDropout:
		r.max += uint32(step)
		return true, true
	case step > 1<<16-maxMisorder:
		return false, true
	case uint32(seq) != r.bad:
		r.bad = uint32(seq + 1)
		return false, false
	}
	r.base += uint32(step) - 1
	r.max += uint32(step)
	r.bad = noBad
	return true, true
}

// late reports whether a packet out of order is so late that it must be a
// repeat.
func (r *Receiver) late(now mono.Time, ts uint32) bool {
	lag := now.Sub(r.highAt)
	if r.Rate > 0 {
		lag += time.Duration(int64(int32(r.highTS-ts)) * int64(time.Second) / int64(r.Rate))
	}
	return lag > lateLimit
}

// updateJitter is RFC 3550, A.8.
func (r *Receiver) updateJitter(now mono.Time, ts uint32) {
	if r.highAt == 0 || r.Rate == 0 {
		return
	}
	rate := float64(r.Rate)
	d := now.Sub(r.highAt).Seconds()*rate - float64(int32(ts-r.highTS))
	if d < 0 {
		d = -d
	}
	if d <= maxJitterStep*rate {
		r.jitter += (d - r.jitter) / 16
	}
}

// SenderReport takes note of an SR about the stream, for the LSR and DLSR of
// later reports.
func (r *Receiver) SenderReport(now mono.Time, ntp uint64) {
	r.srNTP, r.srAt = rtcp.MiddleNTP(ntp), now
}

// Report makes the report block about the stream, called ssrc, that covers the
// time since the previous Report, and updates the qualities. ok is false before
// the first packet.
func (r *Receiver) Report(now mono.Time, ssrc uint32) (b rtcp.ReportBlock, ok bool) {
	if !r.started {
		return b, false
	}
	b = rtcp.ReportBlock{SSRC: ssrc, Lost: r.Lost(), HighestSeq: r.max, Jitter: r.Jitter()}
	expected := r.expected() - r.expectedPrior
	received := r.received - r.receivedPrior
	repaired := r.Retransmitted - r.repairedPrior
	r.expectedPrior, r.receivedPrior, r.repairedPrior = r.expected(), r.received, r.Retransmitted
	if lost := int32(expected - received); expected > 0 {
		if lost > 0 {
			b.FractionLost = uint8(min(uint64(lost)<<8/uint64(expected), 255))
		}
		r.Link.Update(int64(lost), int64(expected))
		r.Media.Update(int64(lost)-int64(repaired), int64(expected))
	}
	if r.srAt != 0 {
		b.LSR = r.srNTP
		b.DLSR = rtcp.Short(now.Sub(r.srAt))
	}
	return b, true
}

func (r *Receiver) expected() uint32 {
	if !r.started {
		return 0
	}
	return r.max - r.base + 1
}

// Lost returns the cumulative number of packets lost on the way, negative if
// more came than were expected, limited to 24 bits.
func (r *Receiver) Lost() int32 {
	return min(max(int32(r.expected()-r.received), -1<<23), 1<<23-1)
}

// LossGrowth returns by how much Lost grew since the previous call, at least 0.
func (r *Receiver) LossGrowth() int {
	lost := r.Lost()
	growth := lost - r.lostAtTick
	r.lostAtTick = lost
	return int(max(growth, 0))
}

// Jitter returns the interarrival jitter in timestamp units.
func (r *Receiver) Jitter() uint32 { return uint32(r.jitter) }

// JitterTime returns the interarrival jitter as a duration.
func (r *Receiver) JitterTime() time.Duration { return unitsToTime(r.jitter, r.Rate) }

// BytesLastSecond returns how many bytes came in the last full second.
func (r *Receiver) BytesLastSecond(now mono.Time) int { return r.rate.value(now) }
