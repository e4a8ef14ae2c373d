package spare

import "testing"

// TestList: things are given back in the reverse order, within a bound for all of them.
func TestList(t *testing.T) {
	var l List[*int]
	if _, ok := l.Take(); ok {
		t.Error("a thing out of nothing")
	}
	a, b, c := new(int), new(int), new(int)
	l.Give(a, 4, 10)
	l.Give(b, 7, 10) // too much
	l.Give(b, 6, 10)
	l.Give(c, 1, 10) // too much
	for i, want := range []*int{b, a} {
		if got, ok := l.Take(); !ok || got != want {
			t.Errorf("%d: another thing, or none", i)
		}
	}
	if _, ok := l.Take(); ok {
		t.Error("more than was kept")
	}
	l.Give(c, 10, 10)
	if got, ok := l.Take(); !ok || got != c {
		t.Error("what was taken out still counts")
	}
}
