package peer

import (
	"time"

	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
)

// Line is the state of the way to a remote at one moment: a copy.
type Line struct {
	At       mono.Time
	Feedback LineFeedback

	Target   uint64     // bit/s that may be sent, with all headers
	Reason   bwe.Reason // why that is not more
	Want     uint64     // bit/s in all that could be used next, 0 = no more than is sent
	Probing  uint64     // bit/s of the probe under way, 0 = none
	Acked    uint64     // bit/s that arrive, 0 = unknown
	Capacity uint64     // bit/s by its congestions, 0 = unknown
	RTT      time.Duration
	Queue    time.Duration // that packets waited on the way, beyond the least
	Lost     float64       // share of the bytes of the last seconds

	// Since estimation began: the bytes sent, by purpose, and those that
	// arrived for certain.
	Audio, Video, Resent, Probed Traffic
	Paced, Gone                  uint64 // packets that waited; that were gone at their turn
	Arrived                      [bwe.NumClasses]uint64
	Counts                       bwe.Counters
}

// LineFeedback is how a remote reports what arrives.
type LineFeedback uint8

// Kinds of feedback.
const (
	FeedbackNone LineFeedback = iota
	FeedbackTransport
	FeedbackREMB
)

func (f LineFeedback) String() string {
	return [...]string{"none", "transport-cc", "remb"}[f]
}

// describe returns the state of the line.
func (l *line) describe(now mono.Time) Line {
	e, c := l.control.Target(), l.control.Counters()
	s := Line{
		At: now, Target: e.Target, Reason: e.Reason, Want: l.want, Probing: e.Probing, Acked: e.Acked, Capacity: e.Capacity,
		RTT: e.RTT, Queue: e.Queue, Lost: e.Lost,
		Audio: l.traffic[bwe.Audio], Video: l.traffic[bwe.Video], Resent: l.traffic[bwe.Retransmission],
		Probed: l.traffic[bwe.Padding], Paced: l.paced, Gone: l.gone,
		Arrived: c.Arrived, Counts: c,
	}
	switch {
	case l.transport:
		s.Feedback = FeedbackTransport
	case l.remb != 0:
		s.Feedback = FeedbackREMB
	}
	return s
}
