package route

import (
	"math/rand/v2"
	"testing"
)

// TestNumbersAdded maps numbers that come in any order while some are left out and others are
// added: no outgoing number is used twice, and an incoming one always has the same place.
func TestNumbersAdded(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 4))
		var m numberer
		m.rebase(1000)
		used := map[uint64]uint64{} // by outgoing number: the incoming one, 0 for what was added
		put := func(out, in uint64) {
			t.Helper()
			if old, ok := used[out]; ok && old != in {
				t.Fatalf("seed %d: number %d for %d and %d", seed, out, old, in)
			}
			used[out] = in
		}
		var late []uint64
		last := uint64(999)
		lastOut := uint64(0)
		for range 300 {
			switch k := rng.IntN(10); {
			case k == 0: // comes late
				last++
				late = append(late, last)
			case k == 1 && last >= 1000:
				last++
				m.skip(last)
			case k == 2 && m.highest >= 1000:
				for range 1 + rng.IntN(3) {
					put(m.add(), 0)
				}
			case k == 3 && len(late) > 0:
				i := rng.IntN(len(late))
				in := late[i]
				late = append(late[:i], late[i+1:]...)
				if out, ok := m.use(in); ok {
					put(out, in)
				}
			default:
				last++
				out, ok := m.use(last)
				if !ok || out <= lastOut && lastOut != 0 {
					t.Fatalf("seed %d: %d became %d (%v) after %d", seed, last, out, ok, lastOut)
				}
				lastOut = out
				put(out, last)
			}
		}
		most := uint64(0)
		for out := range used {
			most = max(most, out)
		}
		missing := 0
		for n := uint64(1); n <= most; n++ {
			if _, ok := used[n]; !ok {
				missing++
			}
		}
		if lost := len(late); missing > lost+40 { // of late ones, some are too late to tell
			t.Errorf("seed %d: %d numbers are missing of %d", seed, missing, most)
		}
	}
}
