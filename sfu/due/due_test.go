package due

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"bifrons/rtp/mono"
)

// TestHeap puts entries in, moves and removes them, and compares with a plain search.
func TestHeap(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { testHeap(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func testHeap(t *testing.T, rng *rand.Rand) {
	var h Heap[int]
	entries := make([]Entry[int], 20)
	want := make(map[int]mono.Time)
	for i := range entries {
		entries[i].Of = i
	}
	for range 1000 {
		i := rng.IntN(len(entries))
		if rng.IntN(3) == 0 {
			h.Remove(&entries[i])
			delete(want, i)
		} else {
			at := mono.Time(rng.IntN(30))
			h.Set(&entries[i], at)
			want[i] = at
		}
		first := mono.Never
		for _, at := range want {
			first = min(first, at)
		}
		if h.Len() != len(want) || h.Next() != first {
			t.Fatalf("%d entries, the next at %d; want %d, %d", h.Len(), h.Next(), len(want), first)
		}
		if _, in := want[i]; entries[i].In() != in {
			t.Fatalf("entry %d is in: %v", i, entries[i].In())
		}
		if h.Len() > 0 && (want[h.First()] != first || !entries[h.First()].First() || entries[h.First()].At() != first) {
			t.Fatalf("first is %d, due at %d, want %d", h.First(), want[h.First()], first)
		}
	}
	for last := mono.Time(0); h.Len() > 0; {
		e := &entries[h.First()]
		if e.At() < last {
			t.Fatalf("%d comes after %d", e.At(), last)
		}
		last = e.At()
		if h.Remove(e); e.In() || e.First() {
			t.Fatal("it was taken out and is in")
		}
	}
}
