package media

import "sync/atomic"

// Histogram counts values by bounds that are fixed. One goroutine observes, any
// may read. It allocates nothing after NewHistogram.
type Histogram struct {
	bounds []float64
	counts []atomic.Uint64 // one more than bounds
	sum    atomic.Uint64   // in units
	unit   float64
}

// NewHistogram makes a histogram with ascending upper bounds. The sum of its
// values is kept in whole units.
func NewHistogram(unit float64, bounds ...float64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1), unit: unit}
}

// Observe counts a value that is not negative; a nil Histogram does not.
func (h *Histogram) Observe(v float64) {
	if h == nil {
		return
	}
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(uint64(v/h.unit + 0.5))
}

// Distribution has the counts of a histogram so far.
type Distribution struct {
	Count   uint64
	Sum     float64
	Buckets map[float64]uint64 // by upper bound, those below included
}

// Add adds the counts of a histogram.
func (d *Distribution) Add(h *Histogram) {
	if d.Buckets == nil {
		d.Buckets = make(map[float64]uint64, len(h.bounds))
	}
	var n uint64
	for i, bound := range h.bounds {
		n += h.counts[i].Load()
		d.Buckets[bound] += n
	}
	d.Count += n + h.counts[len(h.bounds)].Load()
	d.Sum += float64(h.sum.Load()) * h.unit
}
