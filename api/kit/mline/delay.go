package mline

import (
	"bifrons/api/json"
	"bifrons/api/kit"
	"bifrons/api/schema"
)

// maxDelay is the highest playout delay that packets can carry: the header
// extension has 12 bits for it, in steps of 10 ms.
const maxDelay = 1<<12 - 1

// DelayFields are those of requests that set a playout delay.
var DelayFields = []schema.Field{{Name: "min_delay", Type: schema.Int}, {Name: "max_delay", Type: schema.Int}}

// DelayChange has the fields of a request about the playout delay. The zero value says
// nothing.
type DelayChange struct {
	least, most       int
	hasLeast, hasMost bool
}

// ReadDelay reads the playout delay of a request.
func ReadDelay(request kit.Args) (c DelayChange) {
	read := func(name string) (int, bool) {
		n, ok := request.Number(name)
		return int(max(-1, min(n, maxDelay))), ok
	}
	c.least, c.hasLeast = read("min_delay")
	c.most, c.hasMost = read("max_delay")
	return c
}

// Given reports whether a request says anything on the playout delay.
func (c DelayChange) Given() bool { return c.hasLeast || c.hasMost }

// Delay is how long a receiver is to hold media before it plays it, in steps of 10 ms.
// Both ends are there, or both are -1: none.
type Delay struct{ Least, Most int }

// NoDelay leaves the receiver to itself.
var NoDelay = Delay{-1, -1}

// IsSet reports whether there is a delay.
func (d Delay) IsSet() bool { return d.Least >= 0 && d.Most >= 0 }

// Set applies the settings of a request. A negative end takes back both; one that is set
// beyond the other takes that along, and so does one where there was none.
func (d *Delay) Set(c DelayChange) {
	if c.hasLeast && c.least < 0 || c.hasMost && c.most < 0 {
		*d = NoDelay
		return
	}
	if c.hasLeast {
		d.Least = c.least
		d.Most = max(d.Most, d.Least)
	}
	if c.hasMost {
		d.Most = c.most
		if d.Least < 0 || d.Least > d.Most {
			d.Least = d.Most
		}
	}
}

// Write writes the delay, nothing if there is none.
func (d Delay) Write(w *json.Writer) {
	if !d.IsSet() {
		return
	}
	w.Object("playout-delay")
	w.Int("min-delay", int64(d.Least))
	w.Int("max-delay", int64(d.Most))
	w.End()
}
