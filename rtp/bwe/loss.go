package bwe

import (
	"math"
	"time"

	"bifrons/rtp/mono"
)

// Constants of the loss-based estimator, those of the reference.
const (
	lossWindow        = 20 // observations
	observationLen    = 250 * time.Millisecond
	observationWeight = 0.9 // for each that came later
	lossHighBias      = 0.0002
	lossHighLogBias   = 0.02
	lossPreference    = 0.15 // loss above which a high rate is not preferred
	lossSmoothing     = 0.002
	inherentInit      = 0.01
	inherentMin       = 1e-3
	inherentOffset    = 0.05
	inherentBalance   = 100_000 // bit/s
	newtonStep        = 0.75
)

// lossFactors make the candidates from the estimate before.
var lossFactors = [...]float64{1.02, 1.0, 0.95}

// observation has the fate of the packets of some period.
type observation struct {
	rate     float64 // bit/s at which they were sent
	lost     float64 // kB
	received float64
}

// loss is an upper bound of the rate from losses (loss-based estimation,
// version 2): of some candidates it takes the rate that together with an inherent loss of
// the line explains best what was lost.
type loss struct {
	ring     [lossWindow]observation
	n, next  int
	partial  observation // bytes so far; rate is not set
	from, to mono.Time   // when its packets were sent

	bound    float64 // bit/s, 0 while there is none
	inherent float64
	upper    float64 // instant bound from the average loss
	average  float64
	limiting bool
}

// add takes the feedback on a packet.
func (l *loss) add(sent mono.Time, size int, v verdict) {
	kb := float64(size) / 1000
	switch v {
	case newlyReceived:
		l.partial.received += kb
	case newlyLost:
		l.partial.lost += kb
	case foundAgain:
		l.partial.received += kb
		l.partial.lost = max(0, l.partial.lost-kb)
	}
	if l.from == 0 {
		l.from = sent
	}
	l.to = max(l.to, sent)
}

// update closes the observation if it is long enough and makes a new bound from
// the rate that the delay allows and the arriving one, in bit/s.
func (l *loss) update(delayRate, acked float64, limited bool) {
	span := l.to.Sub(l.from)
	if l.from == 0 || span < observationLen {
		return
	}
	o := l.partial
	if o.received+o.lost == 0 {
		return
	}
	o.rate = (o.received + o.lost) * 8000 / span.Seconds()
	l.ring[l.next] = o
	l.next = (l.next + 1) % lossWindow
	l.n = min(l.n+1, lossWindow)
	l.partial, l.from = observation{}, l.to
	l.measure()
	l.estimate(delayRate, acked, limited)
}

// measure sets the average loss and the bound that it is by itself.
func (l *loss) measure() {
	var lost, all float64
	w := 1.0
	for i := 1; i <= l.n; i++ {
		o := l.at(i)
		lost += w * o.lost
		all += w * (o.lost + o.received)
		w *= observationWeight
	}
	l.average = lost / max(all, 1e-9)
	l.upper = math.Inf(1)
	if l.average > inherentOffset {
		l.upper = inherentBalance / (l.average - inherentOffset)
	}
}

// at returns the i-th observation from the newest on, which is 1.
func (l *loss) at(i int) *observation { return &l.ring[(l.next-i+lossWindow)%lossWindow] }

// estimate takes the best candidate.
func (l *loss) estimate(delayRate, acked float64, limited bool) {
	if l.average == 0 && !l.limiting { // nothing explains that better than the highest candidate
		l.inherent, l.bound = inherentMin, delayRate
		return
	}
	if l.inherent == 0 {
		l.inherent = inherentInit
	}
	current := l.bound
	if current == 0 || current > delayRate {
		current = delayRate
	}
	best, bestInherent, most := current, l.inherent, math.Inf(-1)
	try := func(rate float64) {
		inherent := l.newton(rate)
		if v := l.likelihood(rate, inherent); v > most {
			best, bestInherent, most = rate, inherent, v
		}
	}
	for _, f := range lossFactors {
		if f <= 1 || !limited {
			try(min(current*f, delayRate))
		}
	}
	if acked > 0 {
		try(min(acked, delayRate))
	}
	if delayRate > current {
		try(delayRate)
	}
	l.inherent = bestInherent
	if best > current && l.average > l.inherent && l.limiting {
		best = current // the loss is not explained yet
	}
	// One observation of many random losses looks like a line that carries less.
	best = min(max(best, backoff*current), max(l.upper, acked))
	if l.limiting { // rates far above have not been tried for the length of the window
		best = min(best, current*lossFactors[0])
	}
	l.limiting = best < delayRate
	l.bound = best
}

// probability is that of a loss when rate is sent on a line that carries bw.
func probability(inherent, bw, rate float64) float64 {
	p := inherent
	if rate > bw {
		p += (1 - inherent) * (rate - bw) / rate
	}
	return min(max(p, 1e-6), 1-1e-6)
}

// newton improves the inherent loss for a rate of the line.
func (l *loss) newton(bw float64) float64 {
	var d1, d2 float64
	w := 1.0
	for i := 1; i <= l.n; i++ {
		o := l.at(i)
		p := probability(l.inherent, bw, o.rate)
		d1 += w * (o.lost/p - o.received/(1-p))
		d2 -= w * (o.lost/(p*p) + o.received/((1-p)*(1-p)))
		w *= observationWeight
	}
	inherent := l.inherent
	if d2 != 0 {
		inherent -= newtonStep * d1 / d2
	}
	return min(max(inherent, inherentMin), inherentOffset+inherentBalance/max(bw, inherentBalance))
}

// likelihood is how well a rate of the line and an inherent loss explain the
// observations, as a logarithm, with a preference for high rates.
func (l *loss) likelihood(bw, inherent float64) float64 {
	kbps := bw / 1000
	left := max(lossSmoothing, lossPreference-l.average) // below 0 it would draw the rate to nothing
	bias := (kbps*lossHighBias + math.Log1p(kbps)*lossHighLogBias) * left / (lossSmoothing + left)
	var sum float64
	w := 1.0
	for i := 1; i <= l.n; i++ {
		o := l.at(i)
		p := probability(inherent, bw, o.rate)
		sum += w * (o.lost*math.Log(p) + o.received*math.Log(1-p) + bias*(o.lost+o.received))
		w *= observationWeight
	}
	return sum
}

// lift raises the bound to a rate that the line has shown to carry, as far as the losses allow.
func (l *loss) lift(rate float64) {
	if l.bound != 0 && l.bound < rate {
		l.bound = min(rate, max(l.upper, l.bound))
	}
}
