package media

import (
	"maps"
	"testing"
)

func TestHistogram(t *testing.T) {
	a, b := NewHistogram(0.001, 0.1, 1), NewHistogram(0.001, 0.1, 1)
	for _, v := range []float64{0, 0.1, 0.2, 1, 5} {
		a.Observe(v)
	}
	b.Observe(0.5)
	var d Distribution
	d.Add(a)
	d.Add(b)
	if d.Count != 6 || d.Sum < 6.799 || d.Sum > 6.801 || !maps.Equal(d.Buckets, map[float64]uint64{0.1: 2, 1: 5}) {
		t.Errorf("%+v", d)
	}
	if n := testing.AllocsPerRun(100, func() { a.Observe(0.3) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	(*Histogram)(nil).Observe(1)
}
