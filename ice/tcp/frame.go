package tcp

import (
	"bufio"
	"encoding/binary"
	"io"

	"bifrons/ice/netio"
)

// Frames are 2 bytes of length and a datagram (RFC 4571).
const (
	headerSize = 2
	// firstMax bounds the frame that says whose a connection is. A
	// connectivity check is some 100 bytes.
	firstMax = 1024
	firstMin = 20 // a STUN header
)

// framer takes frames out of a stream.
type framer struct{ r *bufio.Reader }

// batch waits for a datagram, and takes others that are there already, as far as
// there are slots. Empty frames are passed over. The number of datagrams is
// good with an error, too.
func (f *framer) batch(ms []netio.Message) (n int, err error) {
	for n < len(ms) && (n == 0 || f.buffered()) {
		size, err := f.size()
		if err != nil {
			return n, err
		}
		if size == 0 {
			continue
		}
		if err := f.datagram(&ms[n], size); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// buffered reports whether a whole frame was received.
func (f *framer) buffered() bool {
	have := f.r.Buffered()
	if have < headerSize {
		return false
	}
	h, _ := f.r.Peek(headerSize)
	return have >= headerSize+int(binary.BigEndian.Uint16(h))
}

func (f *framer) size() (int, error) {
	h, err := f.r.Peek(headerSize)
	if err != nil {
		return 0, err
	}
	n := int(binary.BigEndian.Uint16(h))
	_, err = f.r.Discard(headerSize)
	return n, err
}

func (f *framer) datagram(m *netio.Message, size int) error {
	m.N = min(size, len(m.Buf))
	m.Truncated = size > len(m.Buf)
	if _, err := io.ReadFull(f.r, m.Buf[:m.N]); err != nil {
		return err
	}
	_, err := f.r.Discard(size - m.N)
	return err
}

// readFirst reads one frame and not a byte more; nil if it cannot be a
// connectivity check.
func readFirst(r io.Reader) []byte {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil
	}
	n := binary.BigEndian.Uint16(h[:])
	if n < firstMin || n > firstMax {
		return nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil
	}
	return b
}
