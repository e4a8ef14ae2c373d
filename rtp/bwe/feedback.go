package bwe

import (
	"cmp"
	"slices"
	"time"

	"bifrons/rtp/rtcp"
)

// Result is the feedback on one packet.
type Result struct {
	Number   uint64 // transport-wide, unwrapped
	Received bool
	CE       bool          // it arrived with the mark of a congestion (RFC 3168)
	Arrival  time.Duration // on the peer's clock, from an arbitrary start
}

// Adapter makes Results of the feedback messages of one transport. The zero Adapter
// is ready for use.
type Adapter struct {
	reference int64 // last reference time, unwrapped, in its units
	started   bool

	stamp   uint32        // of the last report of RFC 8888
	elapsed time.Duration // until that
	stamped bool
}

// MaxResults is the most packets that a believable message reports.
const MaxResults = historyMost

// TWCC appends the results of t to dst, in order of numbers, and no more than dst has
// capacity for. last is the highest number sent. Messages that report
// more than the last 2048 packets are ignored.
func (a *Adapter) TWCC(dst []Result, t *rtcp.TWCC, last uint64) []Result {
	if t.Count > MaxResults {
		return dst
	}
	epoch := a.unwrap(t.Reference) - int64(t.Reference)
	for it := t.Statuses(); it.Next() && len(dst) < cap(dst); {
		r := Result{Number: unwrap(it.Seq, last), Received: it.Received}
		if it.Received {
			r.Arrival = time.Duration(epoch)*rtcp.TWCCReference + time.Duration(it.Ticks)*rtcp.TWCCTick
		}
		dst = append(dst, r)
	}
	return dst
}

// Numbers returns the transport-wide number, unwrapped, of a packet that was sent.
type Numbers interface {
	Number(ssrc uint32, seq uint16) (n uint64, ok bool)
}

// CCFB appends the results of c (RFC 8888) to dst, in order of transport-wide numbers, and no more
// than dst has capacity for. Packets that sent does not know are passed over, and so are those
// without a time of arrival.
func (a *Adapter) CCFB(dst []Result, c *rtcp.CCFB, sent Numbers) []Result {
	if a.stamped {
		a.elapsed += c.Since(a.stamp)
	} else {
		a.elapsed, a.stamped = 24*time.Hour, true // so that times stay positive
	}
	a.stamp = c.Timestamp
	from := len(dst)
	for it := c.Reports(); it.Next() && len(dst) < cap(dst); {
		n, ok := sent.Number(it.SSRC, it.Seq)
		if !ok || it.Received && !it.Timed {
			continue
		}
		r := Result{Number: n, Received: it.Received, CE: it.CE}
		if it.Received {
			r.Arrival = a.elapsed - it.Arrival
		}
		dst = append(dst, r)
	}
	slices.SortFunc(dst[from:], func(x, y Result) int { return cmp.Compare(x.Number, y.Number) })
	return dst
}

// unwrap extends a number to the nearest one to last; 0 is one from before the
// first.
func unwrap(s uint16, last uint64) uint64 {
	n := int64(last) + int64(int16(s-uint16(last)))
	return uint64(max(n, 0))
}

// unwrap extends a reference time of 24 bits by its distance from the one before.
func (a *Adapter) unwrap(ref uint32) int64 {
	if !a.started {
		a.started, a.reference = true, 1<<24+int64(ref) // one lap up, so that times stay positive
	}
	a.reference += int64(int32((ref-uint32(a.reference))<<8) >> 8)
	return a.reference
}
