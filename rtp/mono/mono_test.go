package mono

import (
	"testing"
	"time"
)

// TestTicks: units of a clock in a time, however long.
func TestTicks(t *testing.T) {
	for _, x := range []struct {
		d    time.Duration
		rate uint32
		want int64
	}{
		{20 * time.Millisecond, 48000, 960}, {-time.Second, 90000, -90000}, {time.Second/3 + 1, 90000, 30000}, {0, 90000, 0},
		{30 * time.Hour, 90000, 30 * 3600 * 90000}, {-30*time.Hour - time.Second/2, 90000, -30*3600*90000 - 45000},
		{10000 * time.Hour, 192000, 10000 * 3600 * 192000}, {time.Second, 1<<32 - 1, 1<<32 - 1},
	} {
		if got := Ticks(x.d, x.rate); got != x.want {
			t.Errorf("%v at %d Hz: %d, want %d", x.d, x.rate, got, x.want)
		}
	}
}
