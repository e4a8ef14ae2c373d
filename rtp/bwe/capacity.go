package bwe

import "math"

// capacity is the link's rate as congestions have shown it: mean and variance of
// the arriving rates then (draft-ietf-rmcat-gcc-02, 5.5).
type capacity struct {
	mean     float64 // kbit/s, 0 if it is not known
	variance float64 // relative to the mean
}

const (
	capacityAlpha  = 0.05
	capacityProbed = 0.5 // weight of a probe
	varianceMin    = 0.4
	varianceMax    = 2.5
)

func (c *capacity) observe(bps uint64, alpha float64) {
	x := float64(bps) / 1000
	if c.mean == 0 {
		c.mean, c.variance = x, varianceMin
		return
	}
	c.mean += alpha * (x - c.mean)
	norm := max(c.mean, 1)
	off := c.mean - x
	c.variance = min(max((1-alpha)*c.variance+alpha*off*off/norm, varianceMin), varianceMax)
}

func (c *capacity) known() bool { return c.mean != 0 }
func (c *capacity) reset()      { c.mean = 0 }
func (c *capacity) deviation() float64 {
	return math.Sqrt(c.variance * c.mean)
}

// bps returns the mean.
func (c *capacity) bps() uint64 { return uint64(c.mean * 1000) }

// upper and lower are three standard deviations from the mean.
func (c *capacity) upper() uint64 { return uint64((c.mean + 3*c.deviation()) * 1000) }
func (c *capacity) lower() uint64 { return uint64(max(0, c.mean-3*c.deviation()) * 1000) }
