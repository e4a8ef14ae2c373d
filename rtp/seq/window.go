package seq

// WindowSize is how many sequence numbers a Window remembers, up to the highest.
const WindowSize = 1024

// Window remembers which of the latest sequence numbers were seen. The zero
// Window has seen none.
type Window struct {
	bits    [WindowSize / 64]uint64
	highest uint16
	any     bool
}

// Add notes s; it reports false if s was noted before. Numbers that are older
// than the window are not remembered.
func (w *Window) Add(s uint16) bool {
	switch step := Diff16(s, w.highest); {
	case !w.any || step >= WindowSize:
		w.bits = [len(w.bits)]uint64{}
		w.highest, w.any = s, true
	case step > 0:
		for step > 0 {
			step--
			w.highest++
			*w.word(w.highest) &^= bit(w.highest)
		}
	case w.Seen(s):
		return false
	case step <= -WindowSize:
		return true
	}
	*w.word(s) |= bit(s)
	return true
}

// Seen reports whether s was noted and is still remembered.
func (w *Window) Seen(s uint16) bool {
	step := Diff16(s, w.highest)
	return w.any && step <= 0 && step > -WindowSize && *w.word(s)&bit(s) != 0
}

func (w *Window) word(s uint16) *uint64 { return &w.bits[s%WindowSize/64] }

func bit(s uint16) uint64 { return 1 << (s % 64) }
