package seq

import (
	"math/rand/v2"
	"testing"
)

// TestWindow compares a Window with a map, over several turns of the numbers.
func TestWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var w Window
	seen := map[int]bool{}
	highest := 65000
	for i := range 200_000 {
		n := highest + r.IntN(60) - 40
		switch r.IntN(500) {
		case 0:
			n = highest + r.IntN(3*WindowSize)
		case 1:
			n = highest - r.IntN(3*WindowSize)
		}
		if i == 0 {
			n = highest
		}
		known := seen[n] && n > highest-WindowSize
		if w.Seen(uint16(n)) != known {
			t.Fatalf("step %d: %d seen %v, highest %d", i, n, !known, highest)
		}
		if w.Add(uint16(n)) == known {
			t.Fatalf("step %d: %d noted %v, highest %d", i, n, known, highest)
		}
		highest, seen[n] = max(highest, n), true
	}
}
