package peer

import "bifrons/sfu/media"

// reorder finds out that pictures are sent in another order than they are shown in: with
// B-frames, which are sent after a picture that is shown later. Receivers of WebRTC show
// pictures as they come, so theirs jumps.
type reorder struct {
	seq     uint64 // highest sequence number
	last    uint32 // timestamp of that packet
	highest uint32 // of all
	begun   bool
	back    int // pictures that are shown before an earlier one
}

const (
	// reorderedFrom is how many pictures have to be back for that not to be a mistake.
	reorderedFrom = 3
	// reorderedTime is how far back one can be, in timestamp units: a second. Beyond that
	// it is another clock.
	reorderedTime = 90000
)

// note takes note of a packet. It returns true once, when it is certain.
func (r *reorder) note(seq uint64, timestamp uint32) bool {
	if r.begun && seq <= r.seq {
		return false // late
	}
	next := r.begun && timestamp != r.last
	r.seq, r.last = seq, timestamp
	switch d := int32(timestamp - r.highest); {
	case !r.begun || d > 0 || d < -reorderedTime:
		r.highest, r.begun = timestamp, true
	case next && d < 0:
		r.back++
		return r.back == reorderedFrom
	}
	return false
}

// reorders reports whether a codec can have B-frames.
func reorders(c media.CodecName) bool { return c == media.H264 || c == media.H265 }
