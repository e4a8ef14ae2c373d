package plain

// shifts moves incoming sequence numbers to make room for packets that
// are put in between, or to leave numbers out. The latest places are remembered,
// so that packets that are late get the numbers that were meant for them.
type shifts struct {
	total uint64
	n     int
	list  [8]shift // oldest first
}

// shift says that total was less by that much before an incoming number.
type shift struct{ at, by uint64 }

// insert moves all numbers from at on.
func (x *shifts) insert(at, by uint64) {
	if x.n == len(x.list) {
		copy(x.list[:], x.list[1:])
		x.n--
	}
	x.list[x.n] = shift{at, by}
	x.n++
	x.total += by
}

// number is the outgoing number.
func (x *shifts) number(in uint64) uint64 {
	out := in + x.total
	for i := x.n - 1; i >= 0 && in < x.list[i].at; i-- {
		out -= x.list[i].by
	}
	return out
}

// late reports whether a number is from before the last insertion.
func (x *shifts) late(in uint64) bool { return x.n > 0 && in < x.list[x.n-1].at }
