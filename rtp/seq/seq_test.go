package seq

import (
	"math/rand/v2"
	"testing"
)

func TestCompare16(t *testing.T) {
	tests := []struct {
		a, b uint16
		diff int
		less bool
	}{
		{0, 0, 0, false},
		{1, 0, 1, false},
		{0, 1, -1, true},
		{0, 65535, 1, false},
		{65535, 0, -1, true},
		{32767, 0, 32767, false},
		{0, 32767, -32767, true},
		{32768, 0, -32768, false},
		{0, 32768, -32768, false},
		{40000, 100, -25636, true},
	}
	for _, tt := range tests {
		if got := Diff16(tt.a, tt.b); got != tt.diff {
			t.Errorf("Diff16(%d, %d) = %d, want %d", tt.a, tt.b, got, tt.diff)
		}
		if got := Less16(tt.a, tt.b); got != tt.less {
			t.Errorf("Less16(%d, %d) = %v", tt.a, tt.b, got)
		}
		a, b := uint32(tt.a)<<16, uint32(tt.b)<<16
		if got := Diff32(a, b); got != int64(tt.diff)<<16 {
			t.Errorf("Diff32(%d, %d) = %d", a, b, got)
		}
		if got := Less32(a, b); got != tt.less {
			t.Errorf("Less32(%d, %d) = %v", a, b, got)
		}
	}
}

func TestUnwrap(t *testing.T) {
	const k = 1 << 16
	tests := []struct {
		name string
		in   []uint16
		want []uint64
	}{
		{"in order over the wrap", []uint16{65534, 65535, 0, 1}, []uint64{k + 65534, k + 65535, 2 * k, 2*k + 1}},
		{"out of order over the wrap", []uint16{65535, 1, 0, 65534, 2}, []uint64{k + 65535, 2*k + 1, 2 * k, k + 65534, 2*k + 2}},
		{"before the first", []uint16{0, 65535, 1}, []uint64{k, k - 1, k + 1}},
		{"far ahead", []uint16{0, 32767, 65534}, []uint64{k, k + 32767, k + 65534}},
		{"half the circle is behind", []uint16{0, 32768}, []uint64{k, k - 32768}},
	}
	for _, tt := range tests {
		var u Unwrapper
		for i, s := range tt.in {
			peek := u.Peek(s)
			if got := u.Unwrap(s); got != tt.want[i] || peek != got {
				t.Errorf("%s: %d became %d (peek %d), want %d", tt.name, s, got, peek, tt.want[i])
			}
		}
		u.Reset()
		if u.Highest() != 0 {
			t.Errorf("%s: not reset", tt.name)
		}
	}
}

// A random walk is known in full, so every unwrapped number can be checked.
func TestUnwrapWalk(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var u16 Unwrapper
	var u32 Unwrapper32
	start16, start32 := uint64(60000), uint64(4e9)
	pos16, pos32 := start16, start32
	high16, high32 := uint64(0), uint64(0)
	for i := range 100000 {
		if i > 0 {
			pos16 = high16 - 1<<16 + uint64(r.IntN(20000)) - uint64(r.IntN(10000))
			pos32 = high32 - 1<<32 + uint64(r.IntN(1<<30)) - uint64(r.IntN(1<<29))
		}
		if pos16 < start16 || pos32 < start32 {
			pos16, pos32 = start16, start32
		}
		if got := u16.Unwrap(uint16(pos16)); got != pos16+1<<16 {
			t.Fatalf("step %d: %d, want %d", i, got, pos16+1<<16)
		}
		if got := u32.Unwrap(uint32(pos32)); got != pos32+1<<32 || u32.Peek(uint32(pos32)) != got {
			t.Fatalf("step %d: %d, want %d", i, got, pos32+1<<32)
		}
		high16, high32 = max(high16, pos16+1<<16), max(high32, pos32+1<<32)
		if u16.Highest() != high16 || u32.Highest() != high32 {
			t.Fatalf("step %d: highest %d, %d; want %d, %d", i, u16.Highest(), u32.Highest(), high16, high32)
		}
	}
	u32.Reset()
	if u32.Highest() != 0 || u32.Unwrap(5) != 1<<32+5 {
		t.Error("not reset")
	}
}

func TestNoAllocations(t *testing.T) {
	var u Unwrapper
	var v Unwrapper32
	i := uint32(0)
	if n := testing.AllocsPerRun(100, func() { i += 777; u.Unwrap(uint16(i)); v.Unwrap(i) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
