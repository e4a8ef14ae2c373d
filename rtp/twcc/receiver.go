// Package twcc is the receiving end of transport-wide congestion control
// (draft-holmer-rmcat-transport-wide-cc-extensions-01): it reports when numbered
// packets arrived. The sending end is package bwe.
package twcc

import (
	"bifrons/rtp/mono"
	"bifrons/rtp/rtcp"
	"bifrons/rtp/seq"
)

const (
	// MaxStatuses is the most packets that one feedback message reports.
	MaxStatuses = 400

	// MaxFeedbackLen bounds the bytes of one feedback message: header, one
	// two-bit chunk for each 7 packets, two bytes of delta each, padding.
	MaxFeedbackLen = 20 + 2*((MaxStatuses+6)/7) + 2*MaxStatuses + 3

	// recvWindow is how many numbers, up to the highest, arrival times are kept
	// for; it must be a power of two.
	recvWindow = 2048

	// lateWindow is how far behind the last feedback a late packet may be and
	// still have feedback start again from it.
	lateWindow = 256
)

// tickLen is the resolution of arrival times in nanoseconds.
const (
	tickLen      = int64(rtcp.TWCCTick)
	ticksPerUnit = int64(rtcp.TWCCReference / rtcp.TWCCTick)
)

// Receiver collects the arrivals of one transport. The zero Receiver is ready
// for use.
type Receiver struct {
	unwrap   seq.Unwrapper
	next     uint64 // first number not yet reported
	pending  int    // packets that arrived and are not yet reported
	feedback uint8  // number of the next feedback message
	stray    uint16 // successor of the last packet that was older than the window
	hasStray bool
	arrived  [recvWindow]mono.Time
	deltas   [MaxStatuses]int32
}

// Arrive takes note of the packet with transport-wide sequence number s.
// Duplicates and packets far out of order are ignored.
func (r *Receiver) Arrive(now mono.Time, s uint16) {
	top := r.unwrap.Highest()
	n := r.unwrap.Unwrap(s)
	switch {
	case top == 0:
		r.next = n
	case n > top:
		r.forget(top+1, n)
	case n+recvWindow <= top:
		if !r.restart(s) {
			return
		}
	case n+lateWindow < r.next:
		return
	case r.arrived[n%recvWindow] != 0:
		return
	}
	n = r.unwrap.Peek(s)
	r.arrived[n%recvWindow] = max(now, 1)
	r.next = min(r.next, n) // a late packet has feedback start there again
	r.pending++
}

// restart starts again at s if it follows another packet older than the window,
// which means that the sender's counter did (compare RFC 3550, A.1).
func (r *Receiver) restart(s uint16) bool {
	if !r.hasStray || s != r.stray {
		r.stray, r.hasStray = s+1, true
		return false
	}
	*r = Receiver{feedback: r.feedback}
	r.next = r.unwrap.Unwrap(s)
	return true
}

// Pending returns how many packets wait to be reported. A caller that polls
// rarely may append feedback early when there are MaxStatuses.
func (r *Receiver) Pending() int { return r.pending }

// Append appends feedback on all packets since the last one, in as many RTCP
// packets as it takes, each at most MaxFeedbackLen bytes long, and nothing if
// none arrived. Numbers never seen in between are reported as not received.
func (r *Receiver) Append(dst []byte, e rtcp.Ends) []byte {
	if r.pending == 0 {
		return dst
	}
	for top := r.unwrap.Highest(); r.next <= top; {
		dst = r.appendOne(dst, e, top)
	}
	r.pending = 0
	return dst
}

// appendOne appends one feedback message from r.next on. It ends early before a
// delta that 16 bits cannot hold.
func (r *Receiver) appendOne(dst []byte, e rtcp.Ends, top uint64) []byte {
	last := min(top, r.next+MaxStatuses-1)
	t := rtcp.TWCC{Base: uint16(r.next), Feedback: r.feedback}
	ref := r.firstTick(r.next, top) / ticksPerUnit
	t.Reference = uint32(ref) & 0xffffff
	prev := ref * ticksPerUnit
	n := 0
	for s := r.next; s <= last; s++ {
		delta := int64(rtcp.NotReceived)
		if at := r.arrived[s%recvWindow]; at != 0 {
			tick := int64(at) / tickLen
			delta = tick - prev
			if delta != int64(int16(delta)) {
				break
			}
			prev = tick
		}
		r.deltas[n] = int32(delta)
		n++
	}
	r.next += uint64(n)
	r.feedback++
	return rtcp.AppendTWCC(dst, e, &t, r.deltas[:n])
}

// firstTick returns when the first packet from s on arrived. There is one: the
// highest always did.
func (r *Receiver) firstTick(s, top uint64) int64 {
	for ; s < top; s++ {
		if at := r.arrived[s%recvWindow]; at != 0 {
			return int64(at) / tickLen
		}
	}
	return int64(r.arrived[top%recvWindow]) / tickLen
}

// forget clears the slots of the numbers from..to, which enter the window, and
// drops those that leave it unreported.
func (r *Receiver) forget(from, to uint64) {
	low := to - recvWindow + 1
	for s := max(from, low); s <= to; s++ {
		r.arrived[s%recvWindow] = 0
	}
	if r.next < low {
		r.next = low
		r.recount(from - 1)
	}
}

// recount sets r.pending to the arrivals from r.next to top.
func (r *Receiver) recount(top uint64) {
	r.pending = 0
	for s := r.next; s <= top; s++ {
		if r.arrived[s%recvWindow] != 0 {
			r.pending++
		}
	}
}
