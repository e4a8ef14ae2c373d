package admin

import (
	"fmt"
	"time"

	"bifrons/sfu"
	"bifrons/sfu/media"
)

// level is how a connection fares, at a glance.
type level uint8

const (
	levelOK level = iota
	levelWarn
	levelBad
	numLevels
)

func (l level) String() string { return [numLevels]string{"ok", "warn", "bad"}[l] }

// verdict lists the faults of a connection, the worst first.
type verdict struct {
	level level
	score int // the worse the higher, 0 = all is well
	why   []string
}

// Limits from which a figure is worth a look, and bad.
const (
	lossWarn, lossBad     = 0.02, 0.10
	rttWarn, rttBad       = 300 * time.Millisecond, 800 * time.Millisecond
	jitterWarn, jitterBad = 60 * time.Millisecond, 200 * time.Millisecond
	connectingLong        = 5 * time.Second
	silentAfter           = 5 * time.Second
)

// judge describes the faults of a connection in words.
func judge(v *sfu.Vitals) (r verdict) {
	if v.Closed {
		return r
	}
	switch v.Stage {
	case sfu.StageLost:
		r.add(levelBad, 1000, "The connection is interrupted: nothing comes from the client")
	case sfu.StageICE, sfu.StageDTLS:
		if v.Age > connectingLong {
			text := "no path for its media has been found"
			if v.Stage == sfu.StageDTLS {
				text = "the handshake (DTLS) does not finish"
			}
			r.add(levelBad, 900, fmt.Sprintf("Has been connecting for %v: %s", v.Age.Truncate(time.Second), text))
		}
	}
	if v.Stage != sfu.StageUp {
		return r
	}
	r.measure(v.LossIn, lossWarn, lossBad, 400, "%s of the packets from the client are lost", percent)
	r.measure(v.LossOut, lossWarn, lossBad, 400, "%s of the packets to the client are lost", percent)
	r.measure(v.RTT.Seconds(), rttWarn.Seconds(), rttBad.Seconds(), 100, "The round trip takes %s", millis)
	r.measure(v.Jitter.Seconds(), jitterWarn.Seconds(), jitterBad.Seconds(), 80, "Packets from the client arrive irregularly (jitter %s)", millis)
	switch {
	case v.Paused > 0:
		r.add(levelBad, 300+v.Paused, fmt.Sprintf("%d of %s paused: the line to the client carries only %s%s",
			v.Paused, count(v.Videos, "video is", "videos are"), bitrate(v.Estimate), because(v.Limit)))
	case v.Limited > 0:
		r.add(levelWarn, 50+v.Limited, fmt.Sprintf("%d of %s in lower layers: the line to the client carries %s%s",
			v.Limited, count(v.Videos, "video is", "videos are"), bitrate(v.Estimate), because(v.Limit)))
	}
	if v.Came > 0 && v.Receiving == 0 && v.Age > silentAfter {
		r.add(levelWarn, 60, "The client has stopped sending: muted, or its camera or network is gone")
	}
	return r
}

func (r *verdict) add(l level, score int, text string) {
	r.level = max(r.level, l)
	r.score += score
	r.why = append(r.why, text)
}

// measure adds the fault of a figure, if it has one. It counts up to points when it
// is as bad as that, and more beyond.
func (r *verdict) measure(x, warn, bad float64, points int, text string, show func(float64) string) {
	if x < warn {
		return
	}
	l := levelWarn
	if x >= bad {
		l = levelBad
	}
	r.add(l, min(int(float64(points)*x/bad), 5*points), fmt.Sprintf(text, show(x)))
}

func percent(x float64) string {
	if x < 0.0995 {
		return fmt.Sprintf("%.1f %%", 100*x)
	}
	return fmt.Sprintf("%.0f %%", 100*x)
}

func millis(seconds float64) string { return fmt.Sprintf("%.0f ms", 1000*seconds) }

func bitrate(bits uint64) string {
	if bits < 1e6 {
		return fmt.Sprintf("%d kbit/s", bits/1000)
	}
	return fmt.Sprintf("%.1f Mbit/s", float64(bits)/1e6)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// because is why a line is not believed to carry more, as the end of a sentence.
func because(r sfu.LineReason) string {
	switch r {
	case sfu.LineDelay:
		return ", as packets pile up on it"
	case sfu.LineLoss:
		return ", as packets get lost"
	case sfu.LineNoFeedback:
		return ", as the client no longer reports what arrives"
	case sfu.LineLimit:
		return ", by a limit that the client or the room has set"
	case sfu.LineStarting, sfu.LineGrowing, sfu.LineProbing:
		return " so far, and more is being tried"
	}
	return ""
}

// whyLayer says in words why a video is sent in the layers that it is sent in.
func whyLayer(s *sfu.SectionSnapshot, l *sfu.Line) string {
	line := "The line to the client carries "
	if l != nil {
		line += bitrate(l.Target) + because(l.Reason)
	}
	below := func(sent, wanted int8) bool { return wanted >= 0 && sent < wanted }
	switch {
	case l != nil && s.Share != nil && s.Share.Paused:
		return line + ": too little for this video"
	case s.Layer == media.NoLayer && s.Sent.BytesLastSecond > 0:
		return "All the publisher sends: it has no layers"
	case s.Layer == media.NoLayer:
		return "Nothing is sent: the publisher sends nothing, or its next key frame is awaited"
	case l != nil && s.Share != nil && s.Share.Limited:
		return line + ": too little for the next layer"
	case below(s.Layer.Encoding, s.Target.Encoding), below(s.Layer.Spatial, s.Target.Spatial), below(s.Layer.Temporal, s.Target.Temporal):
		return "The client wants more than the publisher sends now"
	case s.Target == media.NoLayer:
		return "All the publisher sends"
	}
	return "As the client asked"
}
