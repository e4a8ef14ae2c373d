package mix

import "math"

const (
	blocks  = 4    // of a frame, for each of which there is a gain
	ceiling = 0.95 // that the gain keeps peaks below
	knee    = 0.9  // above which the rest is bent
	release = 0.01 // that the gain rises by in a block: from half to all in a quarter of a second
)

// limiter turns sums down that are too loud. All mixes of a frame get the gain of the
// whole sum, so that they are equally loud.
type limiter struct {
	gains [blocks + 1]float32 // at the ends of the blocks of the present frame
	on    bool                // any is not 1
}

func newLimiter() limiter {
	return limiter{gains: [blocks + 1]float32{1, 1, 1, 1, 1}}
}

// look makes the gains for a frame.
func (l *limiter) look(sum []float32) {
	l.gains[0] = l.gains[blocks]
	n := len(sum) / blocks
	var peaks [blocks]float32
	l.on = l.gains[0] < 1
	for b := range peaks {
		for _, x := range sum[b*n : (b+1)*n] {
			peaks[b] = max(peaks[b], x, -x)
		}
		l.on = l.on || peaks[b] > ceiling
	}
	if !l.on {
		return
	}
	for b := range peaks {
		// The gain at the end of a block is low enough for the next one, too, which
		// begins with it.
		peak := peaks[b]
		if b+1 < blocks {
			peak = max(peak, peaks[b+1])
		}
		g := min(1, l.gains[b]+release)
		if peak*g > ceiling {
			g = ceiling / peak
		}
		l.gains[b+1] = g
	}
}

// apply turns a mix of the frame down.
func (l *limiter) apply(mix []float32) {
	if l.on {
		n := len(mix) / blocks
		for b := range blocks {
			g := l.gains[b]
			step := (l.gains[b+1] - g) / float32(n)
			for i := b * n; i < (b+1)*n; i++ {
				g += step
				mix[i] *= g
			}
		}
	}
	for i, x := range mix {
		if x > knee || x < -knee {
			mix[i] = bend(x)
		}
	}
}

// bend keeps a sample below full scale.
func bend(x float32) float32 {
	over := float64(max(x, -x) - knee)
	y := knee + (1-knee)*math.Tanh(over/(1-knee))
	return float32(math.Copysign(y, float64(x)))
}
