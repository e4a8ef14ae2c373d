package tcp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"testing/iotest"

	"bifrons/ice/netio"
)

func frame(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

func slots(n, size int) []netio.Message {
	ms := make([]netio.Message, n)
	for i := range ms {
		ms[i].Buf = make([]byte, size)
	}
	return ms
}

// all takes everything out of a stream, in batches of n.
func all(r io.Reader, n, size int) (out [][]byte, truncated int, err error) {
	f := framer{bufio.NewReaderSize(r, 4096)}
	for ms := slots(n, size); ; {
		k, err := f.batch(ms)
		for _, m := range ms[:k] {
			out = append(out, bytes.Clone(m.Buf[:m.N]))
			if m.Truncated {
				truncated++
			}
		}
		if err != nil {
			return out, truncated, err
		}
	}
}

func TestFrames(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 0xFFFF)
	stream := bytes.Join([][]byte{frame([]byte("one")), frame(nil), frame(big), frame([]byte("two")), frame(big[:1600])}, nil)
	for _, r := range []io.Reader{
		bytes.NewReader(stream), iotest.OneByteReader(bytes.NewReader(stream)), iotest.HalfReader(bytes.NewReader(stream)),
	} {
		got, truncated, err := all(r, 3, 1600)
		if err != io.EOF || len(got) != 4 || truncated != 1 {
			t.Fatalf("%d datagrams, %d cut off, %v", len(got), truncated, err)
		}
		for i, want := range [][]byte{[]byte("one"), big[:1600], []byte("two"), big[:1600]} {
			if !bytes.Equal(got[i], want) {
				t.Errorf("datagram %d has %d bytes", i, len(got[i]))
			}
		}
	}
	if _, _, err := all(bytes.NewReader(stream[:len(stream)-1]), 8, 1600); err != io.ErrUnexpectedEOF {
		t.Errorf("half a frame ends with %v", err)
	}
}

// TestFramesWithoutMemory: when there is no buffer the datagram is lost, not
// the framing.
func TestFramesWithoutMemory(t *testing.T) {
	f := framer{bufio.NewReader(bytes.NewReader(append(frame([]byte("lost")), frame([]byte("kept"))...)))}
	ms := slots(2, 100)
	ms[0].Buf = nil
	if n, err := f.batch(ms); n != 2 || err != nil || ms[0].N != 0 || string(ms[1].Buf[:ms[1].N]) != "kept" {
		t.Errorf("%d, %v, %v", n, err, ms)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x03one\x00\x00\x00\x03two"), byte(2))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), byte(1))
	f.Add(frame(make([]byte, 3000)), byte(9))
	f.Fuzz(func(t *testing.T, stream []byte, n byte) {
		var want [][]byte
		for rest := stream; len(rest) >= 2; {
			size := int(binary.BigEndian.Uint16(rest))
			if rest = rest[2:]; len(rest) < size {
				break
			}
			if size > 0 {
				want = append(want, rest[:min(size, 100)])
			}
			rest = rest[size:]
		}
		got, _, err := all(bytes.NewReader(stream), int(n%8)+1, 100)
		if err == nil || len(got) != len(want) {
			t.Fatalf("%d datagrams, not %d, %v", len(got), len(want), err)
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("datagram %d is %q, not %q", i, got[i], want[i])
			}
		}
		first := readFirst(bytes.NewReader(stream))
		if first != nil && !bytes.HasPrefix(stream[2:], first) {
			t.Fatal("the first frame is another one")
		}
	})
}
