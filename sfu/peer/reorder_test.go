package peer

import "testing"

func TestReorder(t *testing.T) {
	const frame = 3000
	for name, c := range map[string]struct {
		pictures []int // as they come, in frames
		jump     uint32
		want     int // after which picture it is told, -1 = never
	}{
		"in order":                 {pictures: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, want: -1},
		"a B-frame between two":    {pictures: []int{0, 2, 1, 4, 3, 6, 5, 8, 7}, want: 6},
		"a pyramid":                {pictures: []int{0, 4, 2, 1, 3, 8, 6, 5, 7}, want: 4},
		"two mistakes":             {pictures: []int{0, 2, 1, 4, 3, 5, 6, 7}, want: -1},
		"a clock that begins anew": {pictures: []int{1000, 1001, 0, 1, 2, 500, 1, 2}, want: -1},
		"timestamps that wrap":     {pictures: []int{0, 2, 1, 4, 3, 6, 5}, jump: 0xffffffff - 2*frame, want: 6},
	} {
		t.Run(name, func(t *testing.T) {
			var r reorder
			seq, got := uint64(100), -1
			for i, p := range c.pictures {
				for range 3 { // packets of one picture
					if r.note(seq, c.jump+uint32(p*frame)) {
						if got >= 0 {
							t.Error("told twice")
						}
						got = i
					}
					seq++
				}
				if r.note(seq-2, 0) {
					t.Error("a late packet tells something")
				}
			}
			if got != c.want {
				t.Errorf("told after picture %d, want %d", got, c.want)
			}
		})
	}
}
