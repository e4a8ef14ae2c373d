package skew

import (
	"testing"
	"time"

	"bifrons/rtp/mono"
)

const rate = 48000

// run sends packets of 20 ms for some time; drift is by how much the source's
// clock is faster than ours. It returns what came of them.
func run(t *testing.T, d time.Duration, drift float64) (numbers, dropped int, behind time.Duration) {
	t.Helper()
	var c Compensator
	var last uint32
	start := mono.Time(time.Hour)
	gap := time.Duration(float64(20*time.Millisecond) / (1 + drift))
	for i := 0; time.Duration(i)*gap < d; i++ {
		now := start.Add(time.Duration(i) * gap)
		ts := uint32(1<<32-1000) + uint32(i)*960 // wraps around early
		v := c.Packet(now, ts, rate)
		if v.Drop {
			dropped++
			continue
		}
		out := ts + uint32(v.Shift)
		if i > 0 && int32(out-last) <= 0 {
			t.Fatalf("timestamp %d after %d", out, last)
		}
		if v.Jump != 0 && v.Jump != int((out-last)/960)-1 {
			t.Errorf("%d numbers left out for %d timestamp units", v.Jump, out-last)
		}
		last, numbers = out, numbers+v.Jump
		passed := time.Duration(int64(int32(out-(1<<32-1000)))) * time.Second / rate
		behind = now.Sub(start) - passed
	}
	return numbers, dropped, behind
}

func TestSteady(t *testing.T) {
	if numbers, dropped, _ := run(t, 10*time.Minute, 0); numbers != 0 || dropped != 0 {
		t.Errorf("%d numbers left out, %d packets dropped", numbers, dropped)
	}
}

func TestDrift(t *testing.T) {
	for _, tt := range []struct {
		name  string
		drift float64
	}{{"slow", -0.001}, {"fast", 0.001}} {
		// Ten minutes of one in a thousand make 600 ms.
		numbers, dropped, behind := run(t, 10*time.Minute, tt.drift)
		slow := tt.drift < 0
		if slow && (numbers < 18 || dropped != 0) || !slow && (dropped < 18 || numbers != 0) {
			t.Errorf("%s: %d numbers left out, %d packets dropped", tt.name, numbers, dropped)
		}
		if behind.Abs() > 200*time.Millisecond {
			t.Errorf("%s: %v behind at the end", tt.name, behind)
		}
	}
}

// TestNewSource shows that a source that has not found its pace is left alone.
func TestNewSource(t *testing.T) {
	var c Compensator
	now := mono.Time(time.Hour)
	ts := uint32(0)
	for range 400 { // twice as fast as it should be
		if v := c.Packet(now, ts, rate); v != (Verdict{}) {
			t.Fatalf("%+v after %d", v, ts)
		}
		now, ts = now.Add(10*time.Millisecond), ts+960
	}
}
