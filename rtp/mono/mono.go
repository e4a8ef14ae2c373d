// Package mono is the media clock: monotonic time in eight bytes.
package mono

import "time"

// Time is a point on the process's monotonic clock, in nanoseconds. The zero
// Time means "not set"; Now never returns it.
type Time int64

// Never is later than every other Time.
const Never = Time(1<<63 - 1)

// epoch lies an hour before start, so that subtracting a timer's length from
// an early Time stays positive.
var epoch = time.Now().Add(-time.Hour)

// Now reads the clock. Only the loop that owns a shard and tests call it;
// everything below takes now as an argument.
func Now() Time { return Time(time.Since(epoch)) }

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Floor returns the last multiple of d up to t. Who rounds by the same d acts at the same
// moments, so that one wake-up serves all.
func (t Time) Floor(d time.Duration) Time { return t - t%Time(d) }

// Wall returns the wall-clock time of t.
func (t Time) Wall() time.Time { return epoch.Add(time.Duration(t)) }

// Earliest returns the earlier of two deadlines; an unset one counts as Never.
func Earliest(a, b Time) Time {
	switch {
	case a == 0:
		return b
	case b == 0 || a < b:
		return a
	}
	return b
}

// Ticks is how many units of a clock, with a rate in Hz, a time of any length takes.
func Ticks(d time.Duration, rate uint32) int64 {
	whole, rest := int64(d/time.Second), int64(d%time.Second)
	return whole*int64(rate) + rest*int64(rate)/int64(time.Second)
}
