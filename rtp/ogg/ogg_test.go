package ogg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

// makePage is a page with these segments.
func makePage(flags byte, serial uint32, lacing []byte, body []byte) []byte {
	b := make([]byte, headerLen)
	copy(b, "OggS")
	b[5], b[26] = flags, byte(len(lacing))
	binary.LittleEndian.PutUint32(b[14:], serial)
	b = append(append(b, lacing...), body...)
	binary.LittleEndian.PutUint32(b[22:], crc(0, b))
	return b
}

func isA(first []byte) bool { return bytes.HasPrefix(first, []byte("A")) }

// sample is two interleaved streams. The second one has a packet of 300 bytes
// on two pages, one of exactly 255, and an empty one.
func sample() []byte {
	long := bytes.Repeat([]byte("x"), 300)
	full := bytes.Repeat([]byte("y"), 255)
	return bytes.Join([][]byte{
		makePage(flagFirst, 1, []byte{1}, []byte("B")),
		makePage(flagFirst, 2, []byte{5}, []byte("Ahead")),
		makePage(0, 1, []byte{3}, []byte("bad")),
		makePage(0, 2, []byte{3, 255}, append([]byte("one"), long[:255]...)),
		makePage(flagContinued, 2, []byte{45, 255, 0, 0}, append(append([]byte(nil), long[255:]...), full...)),
		makePage(4, 2, []byte{4}, []byte("last")),
	}, nil)
}

func packets(t *testing.T, b []byte) (list []string, err error) {
	t.Helper()
	r := NewReader(bytes.NewReader(b), isA)
	for {
		p, err := r.Next()
		if err != nil {
			return list, err
		}
		list = append(list, string(p))
	}
}

func TestNext(t *testing.T) {
	list, err := packets(t, sample())
	if !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	want := []string{"Ahead", "one", strings.Repeat("x", 300), strings.Repeat("y", 255), "", "last"}
	if strings.Join(list, "|") != strings.Join(want, "|") {
		t.Errorf("got %q", list)
	}
}

// TestHoles leaves out pages: what is incomplete does not come out.
func TestHoles(t *testing.T) {
	first := makePage(flagFirst, 2, []byte{1}, []byte("A"))
	begin := makePage(0, 2, []byte{255}, make([]byte, 255))
	rest := makePage(flagContinued, 2, []byte{2, 3}, []byte("xxone"))
	next := makePage(0, 2, []byte{3}, []byte("two"))
	for name, tt := range map[string]struct{ in, want string }{
		"beginning is missing": {string(first) + string(rest), "A|one"},
		"rest is missing":      {string(first) + string(begin) + string(next), "A|two"},
		"chained":              {string(first) + string(next) + string(first), "A|two"},
	} {
		list, err := packets(t, []byte(tt.in))
		if got := strings.Join(list, "|"); got != tt.want || !errors.Is(err, io.EOF) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestDamage(t *testing.T) {
	b := sample()
	for i := range b {
		damaged := bytes.Clone(b)
		damaged[i] ^= 0x40
		if _, err := packets(t, damaged); !errors.Is(err, ErrSync) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	if _, err := packets(t, b[:len(b)-1]); !errors.Is(err, ErrSync) {
		t.Errorf("cut: %v", err)
	}
	huge := makePage(flagFirst, 1, []byte{1}, []byte("A"))
	page := makePage(flagContinued, 1, bytes.Repeat([]byte{255}, 255), make([]byte, 255*255))
	start := makePage(0, 1, bytes.Repeat([]byte{255}, 255), make([]byte, 255*255))
	if _, err := packets(t, bytes.Join([][]byte{huge, start, page, page}, nil)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("huge packet: %v", err)
	}
}

func FuzzNext(f *testing.F) {
	f.Add(sample())
	f.Add(sample()[:100])
	f.Add([]byte("OggS"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), func([]byte) bool { return true })
		total := 0
		for {
			p, err := r.Next()
			if err != nil {
				return
			}
			// A packet ends with a byte of the input.
			if total++; total > len(b) || len(p) > len(b) {
				t.Fatalf("%d packets, the last one of %d bytes, out of %d bytes", total, len(p), len(b))
			}
		}
	})
}
