package nack

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bifrons/rtp/mono"
)

const t0 = mono.Time(time.Hour)

func ms(n int) mono.Time { return t0.Add(time.Duration(n) * time.Millisecond) }

func TestVerdicts(t *testing.T) {
	const rtt = 50 * time.Millisecond
	var g Generator
	dst := make([]uint16, 0, 10)
	steps := []struct {
		ms   int
		seq  uint16
		want Verdict
	}{
		{0, 65533, New},
		{0, 65533, Duplicate},
		{1, 65532, New}, // started out of order
		{2, 2, New},     // reveals 65534, 65535, 0, 1
		{3, 0, New},     // merely late
		{3, 0, Duplicate},
		{20, 65535, Recovered}, // asked for at 14
		{21, 65535, Duplicate},
		{22, 2 + Window - 1, New},
		{23, 2, Duplicate}, // the oldest in the window
		{24, 1, TooOld},
		{25, 1, TooOld},
		{26, 2, Duplicate},
	}
	for i, st := range steps {
		g.Due(ms(st.ms), rtt, dst)
		if got := g.Receive(ms(st.ms), st.seq); got != st.want {
			t.Fatalf("step %d: %d is %v, want %v", i, st.seq, got, st.want)
		}
	}
	want := Counters{Lost: 4 + Window - 2, Requested: 3, Recovered: 1, GaveUp: 2}
	if g.Counters != want {
		t.Errorf("counters %+v, want %+v", g.Counters, want)
	}
}

func TestSchedule(t *testing.T) {
	for _, tt := range []struct {
		rtt  time.Duration
		want []int // milliseconds after the gap is found, rounded down
	}{
		{10 * time.Millisecond, []int{12, 32, 53, 73, 98, 128, 163, 206, 258, 319}},
		{100 * time.Millisecond, []int{12, 128, 244, 360, 500, 667}},
		{0, []int{12, 128, 244, 360, 500, 667}},
		{300 * time.Millisecond, []int{12, 340, 669}},
	} {
		var g Generator
		if g.Deadline() != mono.Never {
			t.Fatal("a deadline with nothing missing")
		}
		g.Receive(t0, 10)
		g.Receive(t0, 12)
		dst := make([]uint16, 0, 10)
		var got []int
		for g.Missing() > 0 {
			at := g.Deadline()
			if early := g.Due(at-1, tt.rtt, dst); len(early) > 0 {
				t.Fatalf("asked for %v before the deadline", early)
			}
			if ask := g.Due(at, tt.rtt, dst); len(ask) > 0 {
				if !slices.Equal(ask, []uint16{11}) {
					t.Fatalf("asked for %v", ask)
				}
				got = append(got, int(at.Sub(t0)/time.Millisecond))
			}
			if g.Deadline() <= at {
				t.Fatal("the deadline does not move")
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("RTT %v: asked at %v, want %v", tt.rtt, got, tt.want)
		}
		if g.GaveUp != 1 || g.Deadline() != mono.Never {
			t.Errorf("given up %d, deadline %v", g.GaveUp, g.Deadline())
		}
		if g.Receive(ms(2000), 11) != New {
			t.Error("a packet given up is not welcome")
		}
	}
}

// A gap found while another waits for its long retry is not kept waiting.
func TestNewGapMovesDeadline(t *testing.T) {
	var g Generator
	dst := make([]uint16, 0, 10)
	g.Receive(t0, 1)
	g.Receive(t0, 3)
	g.Due(ms(12), 500*time.Millisecond, dst)
	g.Receive(ms(100), 5)
	if got := g.Deadline(); got != ms(112) {
		t.Errorf("deadline after %v", got.Sub(t0))
	}
	if got := g.Due(ms(112), 500*time.Millisecond, dst); !slices.Equal(got, []uint16{4}) {
		t.Errorf("asked for %v", got)
	}
}

func TestDueRespectsCapacity(t *testing.T) {
	var g Generator
	g.Receive(t0, 65530)
	g.Receive(t0, 4)
	dst := append(make([]uint16, 0, 5), 77)
	got := g.Due(ms(12), 0, dst)
	if want := []uint16{77, 65531, 65532, 65533, 65534}; !slices.Equal(got, want) {
		t.Fatalf("asked for %v, want %v", got, want)
	}
	if g.Deadline() > ms(12) {
		t.Error("the rest is not due")
	}
	if got, want := g.Due(ms(12), 0, make([]uint16, 0, 9)), []uint16{65535, 0, 1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("asked for %v, want %v", got, want)
	}
}

func TestKeyframe(t *testing.T) {
	var g Generator
	dst := make([]uint16, 0, 10)
	for _, s := range []uint16{65534, 1, 3, 5} { // 65535, 0, 2, 4 missing
		g.Receive(t0, s)
	}
	g.Keyframe(3)
	if got := g.Due(ms(12), 0, dst); !slices.Equal(got, []uint16{4}) {
		t.Errorf("after the keyframe asked for %v", got)
	}
	if v := g.Receive(ms(13), 2); v != New {
		t.Errorf("a forgotten packet is %v", v)
	}
	g.Keyframe(1000) // not received: says nothing
	if g.Missing() != 1 {
		t.Errorf("%d missing", g.Missing())
	}
	if g.GaveUp != 0 {
		t.Error("forgotten packets counted as given up")
	}
}

func TestJumps(t *testing.T) {
	var g Generator
	g.Receive(t0, 100)
	g.Receive(t0, 102)
	if v := g.Receive(t0, 102+Window); v != New || g.Missing() != Window-1 {
		t.Errorf("largest gap: %v, %d missing", v, g.Missing())
	}
	if v := g.Receive(t0, 102+2*Window+1); v != New || g.Missing() != 0 {
		t.Errorf("jump forward: %v, %d missing", v, g.Missing())
	}
	// Backwards: one stray packet is ignored, a second in sequence begins anew.
	for i, want := range []Verdict{TooOld, New, New} {
		if v := g.Receive(t0, 40000+uint16(i)); v != want {
			t.Errorf("packet %d after the jump is %v, want %v", i, v, want)
		}
	}
	if v := g.Receive(t0, 40004); v != New || g.Missing() != 1 {
		t.Errorf("%v, %d missing in the new run", v, g.Missing())
	}
}

// The generator agrees with a model made of maps, whatever comes.
func TestAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var g Generator
	dst := make([]uint16, 0, Window)
	have := map[int]bool{}
	asked := map[int]bool{}
	high, now := 65000, t0
	g.Receive(now, uint16(high))
	have[high] = true
	for range 50000 {
		now = now.Add(time.Duration(r.IntN(3)) * time.Millisecond)
		s := high + r.IntN(5) - 2
		if r.IntN(50) == 0 {
			s = high - r.IntN(Window)
		}
		if r.IntN(200) == 0 {
			s = high + r.IntN(Window+1)
		}
		want := New
		switch {
		case have[s]:
			want = Duplicate
		case s < high && asked[s]:
			want = Recovered
		}
		missing := g.Missing()
		got := g.Receive(now, uint16(s))
		if want == Recovered && got == New && g.Missing() == missing {
			want = New // it was given up meanwhile
		}
		if got != want {
			t.Fatalf("%d (highest %d) is %v, want %v", s, high, got, want)
		}
		have[s] = true
		high = max(high, s)
		for _, a := range g.Due(now, 30*time.Millisecond, dst) {
			n := high + int(int16(a-uint16(high)))
			if have[n] || n > high || n <= high-Window {
				t.Fatalf("asked for %d, have it: %v, highest %d", n, have[n], high)
			}
			asked[n] = true
		}
	}
}

func TestReset(t *testing.T) {
	var g Generator
	g.Receive(t0, 1)
	g.Receive(t0, 5)
	g.Reset()
	if g.Missing() != 0 || g.Lost != 3 || g.Deadline() != mono.Never {
		t.Errorf("after Reset: %d missing, %+v", g.Missing(), g.Counters)
	}
	if v := g.Receive(t0, 1); v != New {
		t.Errorf("known sequence number is %v", v)
	}
}

func TestNoAllocations(t *testing.T) {
	var g Generator
	var l Limiter
	dst := make([]uint16, 0, Window)
	now, s := t0, uint16(0)
	step := func() {
		now = now.Add(5 * time.Millisecond)
		s += 3
		g.Receive(now, s)
		g.Receive(now, s)
		g.Receive(now, s-1)
		g.Receive(now, s-2000)
		for _, a := range g.Due(now, 0, dst) {
			l.Allow(now, a)
		}
		g.Keyframe(s - 500)
	}
	for range 2000 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzGenerator(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 0, 9, 255, 255, 0, 3, 128, 0, 4, 9, 4, 200})
	f.Fuzz(func(t *testing.T, b []byte) {
		var g Generator
		var l Limiter
		dst := make([]uint16, 0, 16)
		now := t0
		for ; len(b) >= 2; b = b[2:] {
			s := uint16(b[0])<<8 | uint16(b[1])
			now = now.Add(time.Duration(b[1]) * time.Millisecond)
			g.Receive(now, s)
			if v := g.Receive(now, s); v != Duplicate && v != TooOld && v != New {
				t.Fatalf("repeated packet is %v", v)
			}
			for _, a := range g.Due(now, time.Duration(b[0])*time.Millisecond, dst) {
				l.Allow(now, a)
			}
			if b[0]&7 == 0 {
				g.Keyframe(s)
			}
			if g.Missing() >= Window {
				t.Fatalf("%d missing", g.Missing())
			}
		}
	})
}

func BenchmarkReceive(b *testing.B) {
	var g Generator
	s := uint16(0)
	for b.Loop() {
		g.Receive(t0, s)
		s++
	}
}

func BenchmarkReceiveLossy(b *testing.B) {
	var g Generator
	dst := make([]uint16, 0, 64)
	now, s := t0, uint16(0)
	for b.Loop() {
		now = now.Add(time.Millisecond)
		if s++; s%20 == 0 {
			s++
		}
		g.Receive(now, s)
		g.Due(now, 50*time.Millisecond, dst)
	}
}
