package jitter

import "math"

// hush is the energy of a sample (-66 dBFS) below which nothing is to be heard of a
// splice.
const hush = 2.5e-7

// coarse is room for the part of the signal in which find searches, at a low rate.
type coarse [2 * 8 * 36]float32

// find returns at which distance the signal is most like its w samples from at: of
// the lags from least to most, ahead if sign is 1, back if it is -1. alike is their
// correlation, 1 where they are the same or both too quiet to be heard.
func (s *signal) find(at, w, least, most, sign int) (lag int, alike float32) {
	step := max(s.rate/4000, 1)
	var room coarse
	from, n := at, w+most
	if sign < 0 {
		from = at - most
	}
	low := s.thin(&room, from, n, step)
	origin := (at - from) / step
	mould := low[origin*s.ch : (origin+w/step)*s.ch]
	own := energy(mould)
	best := float32(-2)
	lag = least
	for l := (least + step - 1) / step; l <= most/step; l++ {
		o := (origin + sign*l) * s.ch
		if o < 0 || o+len(mould) > len(low) {
			break
		}
		// Of lags that are as good as each other the longer one gets more done.
		r := correlation(mould, low[o:o+len(mould)], own) + 0.01*float32(l*step)/float32(most)
		if r > best {
			best, lag = r, l*step
		}
	}
	mould = s.part(at, at+w)
	own = energy(mould)
	for ; step > 0; step = (step - 1) / 4 {
		fine := max((step+3)/4, 1)
		middle := lag
		alike = -2
		for l := middle - step; l <= middle+step; l += fine {
			if l < least || l > most {
				continue
			}
			if r := correlation(mould, s.part(at+sign*l, at+sign*l+w), own); r > alike {
				alike, lag = r, l
			}
		}
	}
	return lag, alike
}

// thin writes n samples from a place on to room, the mean of each step of them.
func (s *signal) thin(room *coarse, from, n, step int) []float32 {
	n = min(n/step, len(room)/s.ch)
	src := s.part(from, from+n*step)
	for i := range n {
		for c := range s.ch {
			var sum float32
			for k := range step {
				sum += src[(i*step+k)*s.ch+c]
			}
			room[i*s.ch+c] = sum / float32(step)
		}
	}
	return room[:n*s.ch]
}

func energy(a []float32) (sum float32) {
	for _, v := range a {
		sum += v * v
	}
	return sum
}

// correlation of two parts of the same length, -1 to 1; aa is the energy of a.
func correlation(a, b []float32, aa float32) float32 {
	var ab, bb float32
	b = b[:len(a)]
	for i, v := range a {
		w := b[i]
		ab += v * w
		bb += w * w
	}
	if quiet := hush * float32(len(a)); aa < quiet && bb < quiet {
		return 1
	}
	return ab / float32(math.Sqrt(float64(aa)*float64(bb))+1e-12)
}

func (s *signal) alike(a, b []float32) float32 { return min(max(correlation(a, b, energy(a)), 0), 1) }

// quiet reports whether n samples from a place on are so much quieter than those
// heard before (30 dB) that a splice is not heard.
func (s *signal) quiet(from, n int) bool {
	return energy(s.part(from, from+n)) <= max(hush, s.level/1000)*float32(n*s.ch)
}

// shorten takes up to most samples out of the ready ones, if they are alike enough. It
// returns how many.
func (s *signal) shorten(most int, enough float32) int {
	most = min(most, s.of(maxLag))
	w := min(s.of(overlap), s.ready()-most)
	if most < s.of(minLag) || w < s.of(minLag) {
		return 0
	}
	lag, alike := most, float32(0)
	if s.quiet(s.start, w+most) {
		alike = s.alike(s.part(s.start, s.start+w), s.part(s.start+lag, s.start+lag+w))
	} else if lag, alike = s.find(s.start, w, s.of(minLag), most, 1); alike < enough {
		return 0
	}
	s.splice(w, lag, alike)
	return lag
}

// lengthen adds some samples to the ready ones, from played ones, if they are alike
// enough. It returns how many: those wanted, as far as it can be chosen.
func (s *signal) lengthen(want int, enough float32) int {
	w := min(s.of(overlap), s.ready())
	if w < s.of(minLag) {
		return 0
	}
	lag, alike := min(max(want, s.of(minLag)), s.of(maxLag)), float32(0)
	if s.cold {
		return 0
	}
	if s.quiet(s.start-lag, w+lag) {
		alike = s.alike(s.part(s.start, s.start+w), s.part(s.start-lag, s.start-lag+w))
	} else if lag, alike = s.find(s.start, w, s.of(minLag), s.of(maxLag), -1); alike < enough {
		return 0
	}
	s.splice(w, -lag, alike)
	return lag
}

// splice has the signal jump by lag, over w samples that fade from the ready ones to
// those lag samples further on, or back.
func (s *signal) splice(w, lag int, alike float32) {
	alike = min(max(alike, 0), 1)
	to := s.start + lag
	if lag < 0 {
		s.played(to)
	}
	for k := range w {
		i := k
		if lag > 0 { // in that order nothing is written over that is still needed
			i = w - 1 - k
		}
		a, b := weights(float32(i+1)/float32(w+1), alike)
		x, y := (s.start+i)*s.ch, (to+i)*s.ch
		for c := range s.ch {
			s.buf[y+c] = a*s.buf[x+c] + b*s.buf[y+c]
		}
	}
	if lag > 0 {
		s.played(to)
	}
	s.start = to
}

// played moves the played samples to their place before a new start.
func (s *signal) played(to int) {
	keep := min(s.of(past), s.start, to)
	copy(s.part(to-keep, to), s.part(s.start-keep, s.start))
}
