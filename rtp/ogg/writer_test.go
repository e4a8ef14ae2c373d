package ogg

import (
	"bytes"
	"testing"
)

// TestWriter: packets of all lengths around the lacing come back.
func TestWriter(t *testing.T) {
	w := NewWriter(7)
	var b []byte
	var want [][]byte
	for i, n := range []int{8, 0, 254, 255, 256, 509, 510, 511, 4096, 255 * 254, 255 * 255, 255*255 + 1, 1, 65535} {
		p := bytes.Repeat([]byte{byte(i + 1)}, n)
		want = append(want, p)
		b = w.Packet(b, p, uint64(i)*960)
		if i == 0 {
			b = w.Flush(b, false)
		}
	}
	b = w.Flush(b, true)
	r := NewReader(bytes.NewReader(b), func(first []byte) bool { return len(first) == 8 })
	for i, p := range want {
		if got, err := r.Next(); err != nil || !bytes.Equal(got, p) {
			t.Fatalf("packet %d of %d octets: %d octets, %v", i, len(p), len(got), err)
		}
	}
	if _, err := r.Next(); err == nil {
		t.Error("a packet too many")
	}
}
