package peer

import (
	"time"

	"bifrons/rtp/bwe"
	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// Vitals are the figures that show how a connection fares. They are few, so that those
// of thousands of connections can be taken often. 0 is nothing, or unknown.
type Vitals struct {
	Stage  Stage
	Closed bool
	Age    time.Duration // of the connection, which whoever has the clock fills in

	BytesIn, BytesOut int // of all streams, in the last full second

	// The worst of the streams that flow: shares of packets that were lost lately on the
	// way to us and to the remote, 0 to 1, and interarrival jitter of received media.
	LossIn, LossOut float64
	Jitter          time.Duration

	// RTT is the longest that the remote's reports have shown last, or else that of
	// connectivity checks.
	RTT time.Duration

	Came, Receiving int // sections in which the remote has sent ever, and sends now
	Videos          int // sections in which we send video, or would
	Paused, Limited int // of these: the line carries none of it, less than is wanted

	Estimate uint64     // bit/s that the line to the remote carries, 0 = not estimated
	Limit    bwe.Reason // why that is not more
}

// Vitals returns the connection's vital figures.
func (p *Peer) Vitals(now mono.Time) Vitals {
	v := Vitals{Stage: p.Stage(), Closed: p.closed}
	for _, s := range p.sections {
		s.vitals(now, &v)
	}
	if v.RTT == 0 {
		v.RTT = p.agent.RTT()
	}
	if l := p.line; l != nil {
		e := l.control.Target()
		v.Estimate, v.Limit = e.Target, e.Reason
	}
	return v
}

func (s *section) vitals(now mono.Time, v *Vitals) {
	came, receiving := false, false
	for _, rx := range s.receivers {
		if rx == nil {
			continue
		}
		came = true
		v.BytesIn += rx.stats.BytesLastSecond(now)
		if rx.receiving {
			receiving = true
			v.LossIn = max(v.LossIn, rx.stats.Link.Loss())
			v.Jitter = max(v.Jitter, rx.stats.JitterTime())
		}
	}
	if came {
		v.Came++
	}
	if receiving {
		v.Receiving++
	}
	out := s.out.stats.BytesLastSecond(now)
	v.BytesOut += out
	v.RTT = max(v.RTT, s.out.stats.RTT)
	if out > 0 {
		v.LossOut = max(v.LossOut, s.out.stats.Link.Loss())
	}
	if s.Kind != media.Video || !s.Send || s.out.sub.Track() == nil {
		return
	}
	v.Videos++
	switch share := s.shareNow(); {
	case share == nil:
	case share.Paused:
		v.Paused++
	case share.Limited:
		v.Limited++
	}
}
