package record

import "testing"

// Files have the memory of large chunks in common, within a bound.
func TestSpares(t *testing.T) {
	var s spares
	if s.take() != nil {
		t.Error("memory out of nothing")
	}
	s.give(make([]byte, 0, 4*chunk+1))
	if s.take() != nil {
		t.Error("too much was kept")
	}
	const size = 100 << 10
	for range 2 * maxSpares / size {
		s.give(make([]byte, 0, size))
	}
	last := make([]byte, 0, size/2) // there is room for this one
	s.give(last)
	if b := s.take(); cap(b) != cap(last) || &b[:1][0] != &last[:1][0] {
		t.Error("not the memory that was used last")
	}
	n := 0
	for s.take() != nil {
		n++
	}
	if n == 0 || n > maxSpares/size || s.bytes != 0 {
		t.Errorf("%d of %d bytes were kept, %d bytes are counted", n, size, s.bytes)
	}
}
