// Package seq compares and unwraps the wrapping counters of RTP: 16-bit
// sequence numbers and 32-bit timestamps.
package seq

// Diff16 returns a-b as the shortest signed distance around the circle, in
// -32768..32767. It is positive when a follows b.
func Diff16(a, b uint16) int { return int(int16(a - b)) }

// Less16 reports whether a precedes b. Numbers exactly half the circle apart
// precede each other in neither order.
func Less16(a, b uint16) bool { d := int16(a - b); return d < 0 && d != -1<<15 }

// Diff32 returns a-b as the shortest signed distance around the circle.
func Diff32(a, b uint32) int64 { return int64(int32(a - b)) }

// Less32 reports whether a precedes b. Numbers exactly half the circle apart
// precede each other in neither order.
func Less32(a, b uint32) bool { d := int32(a - b); return d < 0 && d != -1<<31 }

// Unwrapper extends 16-bit sequence numbers to 64 bits, each by its distance
// from the highest seen so far. The zero Unwrapper is ready for use.
//
// The first number n becomes 1<<16 + n, so results are positive even for
// packets older than the first one, 0 never occurs, and the low 16 bits are
// always the number given.
type Unwrapper struct{ highest uint64 }

// Unwrap extends s and remembers it if it is the highest yet.
func (u *Unwrapper) Unwrap(s uint16) uint64 {
	e := u.Peek(s)
	if e > u.highest {
		u.highest = e
	}
	return e
}

// Peek extends s without remembering it.
func (u *Unwrapper) Peek(s uint16) uint64 {
	if u.highest == 0 {
		return 1<<16 + uint64(s)
	}
	return u.highest + uint64(int64(int16(s-uint16(u.highest))))
}

// Highest returns the highest extended number so far, 0 before the first.
func (u *Unwrapper) Highest() uint64 { return u.highest }

// Reset forgets everything.
func (u *Unwrapper) Reset() { u.highest = 0 }

// Unwrapper32 extends 32-bit RTP timestamps to 64 bits as Unwrapper does for
// sequence numbers; the first timestamp t becomes 1<<32 + t. The zero value is
// ready for use.
type Unwrapper32 struct{ highest uint64 }

// Unwrap extends t and remembers it if it is the highest yet.
func (u *Unwrapper32) Unwrap(t uint32) uint64 {
	e := u.Peek(t)
	if e > u.highest {
		u.highest = e
	}
	return e
}

// Peek extends t without remembering it.
func (u *Unwrapper32) Peek(t uint32) uint64 {
	if u.highest == 0 {
		return 1<<32 + uint64(t)
	}
	return u.highest + uint64(int64(int32(t-uint32(u.highest))))
}

// Highest returns the highest extended timestamp so far, 0 before the first.
func (u *Unwrapper32) Highest() uint64 { return u.highest }

// Reset forgets everything.
func (u *Unwrapper32) Reset() { u.highest = 0 }
