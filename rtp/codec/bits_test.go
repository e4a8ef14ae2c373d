package codec

import (
	"bytes"
	"testing"
)

// bitWriter writes what bitReader reads.
type bitWriter struct {
	b []byte
	n int
}

func (w *bitWriter) put(v uint64, n int) {
	for n--; n >= 0; n-- {
		if w.n&7 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n>>3] |= byte(v>>n&1) << (7 - w.n&7)
		w.n++
	}
}

func (w *bitWriter) bytes() []byte { return w.b }

func (w *bitWriter) ue(v uint32) {
	n := 0
	for x := uint64(v) + 1; x > 1; x >>= 1 {
		n++
	}
	w.put(0, n)
	w.put(uint64(v)+1, n+1)
}

// ns writes by the table of the specification's text: values below m take one
// bit less.
func (w *bitWriter) ns(n, v uint32) {
	bits := 0
	for x := n; x != 0; x >>= 1 {
		bits++
	}
	m := uint32(1)<<bits - n
	if v < m {
		w.put(uint64(v), bits-1)
	} else {
		w.put(uint64(v+m), bits)
	}
}

func TestBitReader(t *testing.T) {
	r := bitReader{data: []byte{0xa5, 0xff, 0x00, 0x12, 0x34, 0x56}}
	if v := r.bits(3); v != 5 {
		t.Fatal(v)
	}
	if v := r.bits(32); v != 0x2ff80091 {
		t.Fatalf("%x", v)
	}
	r.skip(8)
	if v := r.bits(5); v != 0x16 || r.over {
		t.Fatalf("%x %v", v, r.over)
	}
	if v := r.bits(1); v != 0 || !r.over {
		t.Fatal("read over the end")
	}
}

func TestNonSymmetric(t *testing.T) {
	// The table of the AV1 RTP specification, A.8.2.
	want := []string{"00", "01", "10", "110", "111"}
	for v, s := range want {
		var w bitWriter
		for _, c := range s {
			w.put(uint64(c-'0'), 1)
		}
		r := bitReader{data: w.bytes()}
		if got := r.ns(5); got != uint32(v) || r.pos != len(s) {
			t.Fatalf("%s: got %d after %d bits", s, got, r.pos)
		}
	}
	r := bitReader{}
	if r.ns(1) != 0 || r.over {
		t.Fatal("ns(1) takes no bits")
	}
}

func TestExpGolomb(t *testing.T) {
	var w bitWriter
	values := []uint32{0, 1, 2, 3, 7, 8, 255, 65535, 1<<31 - 1}
	for _, v := range values {
		w.ue(v)
	}
	r := bitReader{data: w.bytes()}
	for _, v := range values {
		if got := r.ue(); got != v || r.over {
			t.Fatalf("got %d, want %d", got, v)
		}
	}
	r = bitReader{data: []byte{0xa6, 0x42, 0x98, 0xe2, 0x04, 0x8a}} // ue of 0 to 8
	for _, v := range []int32{0, 1, -1, 2, -2, 3, -3, 4, -4} {
		if got := r.se(); got != v {
			t.Fatalf("got %d, want %d", got, v)
		}
	}
	r = bitReader{data: make([]byte, 20)}
	if r.ue(); !r.over {
		t.Fatal("a code without end was read")
	}
}

func TestUnescape(t *testing.T) {
	var buf [maxParameterSet]byte
	got := unescape(&buf, []byte{1, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3, 3})
	if want := []byte{1, 0, 0, 1, 0, 0, 0, 0, 3, 3}; !bytes.Equal(got, want) {
		t.Fatalf("got %x, want %x", got, want)
	}
	if n := len(unescape(&buf, bytes.Repeat([]byte{1}, 1000))); n != maxParameterSet {
		t.Fatal(n)
	}
}
