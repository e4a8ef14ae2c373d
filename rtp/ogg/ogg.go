// Package ogg reads the packets of a logical bitstream out of an Ogg stream
// (RFC 3533).
package ogg

import (
	"bufio"
	"errors"
	"io"
)

// Errors of a Reader besides those of its input.
var (
	// ErrSync means that the input is not Ogg, or is cut or damaged.
	ErrSync = errors.New("ogg: no page where one should be")
	// ErrTooLarge means that a packet is larger than MaxPacket.
	ErrTooLarge = errors.New("ogg: packet too large")
)

// MaxPacket is the size of the largest packet that is read, in bytes.
const MaxPacket = 1 << 16

const (
	headerLen     = 27
	flagContinued = 1 << 0
	flagFirst     = 1 << 1
)

// Reader reads one logical bitstream of a physical one; the pages of others are
// passed over.
type Reader struct {
	in     *bufio.Reader
	begins func(first []byte) bool

	serial uint32
	found  bool // serial is that of the stream

	page    page
	at      int // next segment of the page
	offset  int // of that segment in the body
	packet  []byte
	partial bool // packet goes on in the next page
}

// page is one page. Its memory is used again.
type page struct {
	flags    byte
	serial   uint32
	segments []byte
	body     []byte
	lacing   [255]byte
	header   [headerLen]byte
}

// NewReader reads the first logical bitstream of in for whose first packet begins
// says that it is the right one. That packet is the first that Next returns.
func NewReader(in io.Reader, begins func(first []byte) bool) *Reader {
	return &Reader{in: bufio.NewReader(in), begins: begins}
}

// Next returns the next packet, which is lent until the next call. At the end of
// the input, or of the stream where another one is chained to it, the error is
// io.EOF. Of a packet whose beginning is missing the rest is left out.
func (r *Reader) Next() ([]byte, error) {
	if !r.partial {
		r.packet = r.packet[:0]
	}
	for {
		if r.at == len(r.page.segments) {
			if err := r.turn(); err != nil {
				return nil, err
			}
		}
		whole, err := r.segment()
		if err != nil {
			return nil, err
		}
		if whole {
			return r.packet, nil
		}
	}
}

// segment takes segments of the page up to the end of a packet, or of the page.
func (r *Reader) segment() (whole bool, err error) {
	for r.at < len(r.page.segments) {
		n := int(r.page.segments[r.at])
		if len(r.packet)+n > MaxPacket {
			return false, ErrTooLarge
		}
		r.packet = append(r.packet, r.page.body[r.offset:r.offset+n]...)
		r.at++
		r.offset += n
		if n < 255 {
			r.partial = false
			return true, nil
		}
	}
	r.partial = true
	return false, nil
}

// turn reads the next page of the stream.
func (r *Reader) turn() error {
	for {
		if err := r.page.read(r.in); err != nil {
			return err
		}
		p := &r.page
		r.at, r.offset = 0, 0
		first := p.flags&flagFirst != 0
		switch {
		case !r.found && (!first || !r.begins(p.firstPacket())):
			continue
		case !r.found:
			r.found, r.serial = true, p.serial
			return nil
		case p.serial != r.serial:
			continue
		case first:
			return io.EOF
		}
		if p.flags&flagContinued != 0 && !r.partial {
			r.passOver()
		} else if p.flags&flagContinued == 0 && r.partial {
			r.packet, r.partial = r.packet[:0], false
		}
		if r.at < len(p.segments) {
			return nil
		}
	}
}

// passOver leaves out the rest of a packet whose beginning is missing.
func (r *Reader) passOver() {
	for r.at < len(r.page.segments) {
		n := int(r.page.segments[r.at])
		r.at++
		r.offset += n
		if n < 255 {
			return
		}
	}
}

// firstPacket is the part of the first packet that is on a page.
func (p *page) firstPacket() []byte {
	n := 0
	for _, s := range p.segments {
		n += int(s)
		if s < 255 {
			break
		}
	}
	return p.body[:n]
}

// read reads one page and checks it.
func (p *page) read(in io.Reader) error {
	p.segments, p.body = p.segments[:0], p.body[:0]
	if _, err := io.ReadFull(in, p.header[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return ErrSync
		}
		return err
	}
	h := &p.header
	if string(h[:4]) != "OggS" || h[4] != 0 {
		return ErrSync
	}
	p.flags, p.serial = h[5], le32(h[14:])
	p.segments = p.lacing[:h[26]]
	if _, err := io.ReadFull(in, p.segments); err != nil {
		return ErrSync
	}
	size := 0
	for _, s := range p.segments {
		size += int(s)
	}
	if cap(p.body) < size {
		p.body = make([]byte, size)
	}
	p.body = p.body[:size]
	if _, err := io.ReadFull(in, p.body); err != nil {
		return ErrSync
	}
	sum := le32(h[22:])
	clear(h[22:26])
	if crc(crc(crc(0, h[:]), p.segments), p.body) != sum {
		return ErrSync
	}
	return nil
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// crc continues a checksum: polynomial 0x04c11db7, neither reflected nor
// inverted (RFC 3533, section 6).
func crc(sum uint32, b []byte) uint32 {
	for _, c := range b {
		sum = sum<<8 ^ crcTable[byte(sum>>24)^c]
	}
	return sum
}

var crcTable = func() (t [256]uint32) {
	for i := range t {
		sum := uint32(i) << 24
		for range 8 {
			if sum&(1<<31) != 0 {
				sum = sum<<1 ^ 0x04c11db7
			} else {
				sum <<= 1
			}
		}
		t[i] = sum
	}
	return t
}()
