package record

import "testing"

// Files have the memory of large chunks in common, within a bound for each piece.
func TestSpares(t *testing.T) {
	var r Recorder
	r.keep(make([]byte, 0, 4*chunk+1))
	if _, ok := r.spares.Take(); ok {
		t.Error("too much was kept")
	}
	r.keep(make([]byte, 0, 4*chunk))
	if b, _ := r.spares.Take(); cap(b) != 4*chunk {
		t.Errorf("kept are %d bytes", cap(b))
	}
}
