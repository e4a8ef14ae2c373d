package allot

import (
	"time"

	"bifrons/rtp/mono"
	"bifrons/sfu/media"
)

// state is the memory about a stream.
type state struct {
	steps  []step // lowest first
	given  media.Layer
	paused bool
	known  bool      // given is of the stream as it is
	fell   mono.Time // last way down
	taken  float64   // what that was thought to take

	ended, resumed mono.Time     // last pause: its beginning, and end
	rest           time.Duration // before others make room for it

	weight float64
	max    uint64
	wish   media.Layer
	ready  bool // it has steps

	at    int     // step of given, -1 = none
	plan  int     // step that it will get
	ends  bool    // it gets none any more, unless keep finds room
	most  int     // highest step to plan
	peak  float64 // of the audio
	asked bool    // Stream.Adapting
}

type step struct {
	layer        media.Layer
	peak, recent float64
}

func (s *state) observe(x *Stream) (changed bool) {
	s.steps, s.peak, s.at = s.steps[:0], 0, -1
	if x.Paused || len(x.Rates) == 0 {
		changed = s.ready
		s.ready, s.known, s.paused = false, false, false
		return changed
	}
	if !x.Video {
		s.peak = float64(x.Rates[0].Peak)
		return false
	}
	s.climb(x)
	weight := float64(max(x.Weight, 1))
	changed = !s.ready || weight != s.weight || x.Max != s.max || x.Wish != s.wish
	s.ready, s.weight, s.max, s.wish, s.asked = true, weight, x.Max, x.Wish, x.Adapting
	s.at = s.find()
	return changed
}

// climb makes the steps that the stream may take: resolution before pictures a second, from
// smooth on. The current step stays one of them, however little it differs from others.
func (s *state) climb(x *Stream) {
	top := x.Rates[len(x.Rates)-1]
	detail := top.Frames < smooth
	for i := range x.Rates {
		r := &x.Rates[i]
		if len(s.steps) > 0 && (above(r.Layer, x.Wish) || x.Max > 0 && r.Peak > x.Max) {
			continue
		}
		lowest, first, last := sameLevel(r.Layer, x.Rates[0].Layer), true, true
		if i > 0 {
			first = !sameLevel(r.Layer, x.Rates[i-1].Layer)
		}
		if i+1 < len(x.Rates) {
			last = !sameLevel(r.Layer, x.Rates[i+1].Layer)
		}
		if detail && !first && !sameLevel(r.Layer, top.Layer) || !detail && !lowest && !last && r.Frames < smooth {
			if !s.gives(r.Layer) {
				continue
			}
		}
		for n := len(s.steps); n > 0 && s.steps[n-1].peak >= float64(r.Peak) && !s.gives(s.steps[n-1].layer); n = len(s.steps) {
			s.steps = s.steps[:n-1] // a better one is not dearer
		}
		s.steps = append(s.steps, step{r.Layer, float64(r.Peak), float64(r.Recent)})
	}
}

// gives reports whether the stream gets a layer now.
func (s *state) gives(l media.Layer) bool { return s.known && !s.paused && l == s.given }

// rests reports whether the stream pauses, and others make no room for it yet.
func (s *state) rests(now mono.Time) bool { return s.known && s.paused && now.Sub(s.ended) < s.rest }

// turn notes whether the stream pauses. One that did not last long after a pause rests longer.
func (s *state) turn(now mono.Time, pause bool) {
	switch {
	case pause == s.paused:
	case pause:
		if s.rest = max(s.rest, holdFirst); s.resumed != 0 && now.Sub(s.resumed) < upFailed {
			s.rest = min(2*s.rest, holdLongest)
		} else {
			s.rest = holdFirst
		}
		s.ended = now
	default:
		s.resumed = now
	}
	s.paused = pause
}

func sameLevel(a, b media.Layer) bool { return a.Encoding == b.Encoding && a.Spatial == b.Spatial }

// above reports whether a layer is more than a wish in something.
func above(l, wish media.Layer) bool {
	return wish.Encoding >= 0 && l.Encoding > wish.Encoding || wish.Spatial >= 0 && l.Spatial > wish.Spatial ||
		wish.Temporal >= 0 && l.Temporal > wish.Temporal
}

// find returns the current step: the highest one that is no more than the current layer.
func (s *state) find() int {
	if !s.known || s.paused {
		return -1
	}
	at := 0
	for i := range s.steps {
		if !above(s.steps[i].layer, s.given) {
			at = i
		}
	}
	return at
}

// cost is the rate of a stream with a step. The current step is measured now, others by
// its peak.
func (s *state) cost(i int) float64 {
	switch {
	case i < 0:
		return 0
	case i == s.at:
		return s.steps[i].recent
	}
	return s.steps[i].peak
}

func (s *state) before(t *state) bool {
	switch {
	case s.plan < 0 && t.plan < 0:
		return s.weight > t.weight
	case s.plan < 0 || t.plan < 0:
		return s.plan < 0
	}
	return s.steps[s.plan+1].peak/s.weight < t.steps[t.plan+1].peak/t.weight
}
