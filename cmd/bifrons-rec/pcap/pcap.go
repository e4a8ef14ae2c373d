// Package pcap reads capture files, those of libpcap
// (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng), and finds the UDP
// datagrams in their packets.
package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// The link types that Payload understands.
const (
	Ethernet = 1
	Cooked   = 113 // Linux cooked capture, version 1
	Cooked2  = 276 // version 2
)

// Errors besides those of the input. Those of Next come inside an Error.
var (
	// ErrFormat means that the file is no capture.
	ErrFormat = errors.New("this is no capture (pcap or pcapng)")
	// ErrTruncated means that the file ends within a record.
	ErrTruncated = errors.New("the file is cut off")
	// ErrDamaged means that a record makes no sense.
	ErrDamaged = errors.New("damaged record")
)

// Error says where something is wrong with a file.
type Error struct {
	Offset int64 // bytes from the start of the file
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("byte %d: %v", e.Offset, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// maxPacket is the length of the longest packet that is read, which is that of libpcap.
const maxPacket = 256 << 10

// Packet is one packet of a capture.
type Packet struct {
	Micros int64  // when it was captured, microseconds since 1970
	Link   uint32 // link type
	Data   []byte // lent until the next call of Next
	Cut    bool   // there was more of it than Data
	Offset int64  // of its record in the file
}

// Reader reads a capture in constant memory.
type Reader struct {
	in    *bufio.Reader
	at    int64
	order binary.ByteOrder
	next  bool // is pcapng
	nanos bool
	link  uint32 // of pcap
	skip  int    // bytes of a record's head that have no meaning here
	ports []port // interfaces of pcapng's section
	head  [32]byte
	data  []byte
}

// port is an interface of pcapng.
type port struct {
	link   uint32
	second uint64 // units of timestamps in a second
	offset int64  // seconds to add
	snap   uint32
}

// NewReader reads the beginning of a capture.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, 64<<10)}
	magic, err := r.in.Peek(4)
	if err != nil {
		if err == io.EOF {
			return nil, ErrFormat
		}
		return nil, err
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(magic) {
		case blockSection:
			r.next = true
			return r, nil
		case 0xa1b2c3d4:
		case 0xa1b23c4d:
			r.nanos = true
		case 0xa1b2cd34: // Kuznetzov's, with 8 more bytes in each record's head
			r.skip = 8
		default:
			continue
		}
		r.order = order
		head := r.head[:24]
		if err := r.read(head, 0); err != nil {
			return nil, err
		}
		r.link = order.Uint32(head[20:]) & 0x0fffffff
		return r, nil
	}
	return nil, ErrFormat
}

// Next returns the next packet. At the end the error is io.EOF.
func (r *Reader) Next() (Packet, error) {
	if r.next {
		return r.nextBlock()
	}
	start := r.at
	head := r.head[:16+r.skip]
	if _, err := r.in.Peek(1); err != nil {
		return Packet{}, err
	}
	if err := r.read(head, start); err != nil {
		return Packet{}, err
	}
	micros := int64(r.order.Uint32(head[4:]))
	if r.nanos {
		micros /= 1000
	}
	micros += int64(r.order.Uint32(head)) * 1e6
	kept, size := r.order.Uint32(head[8:]), r.order.Uint32(head[12:])
	if kept > maxPacket {
		return Packet{}, &Error{start, ErrDamaged}
	}
	if err := r.readData(int(kept), start); err != nil {
		return Packet{}, err
	}
	return Packet{Micros: micros, Link: r.link, Data: r.data, Cut: kept < size, Offset: start}, nil
}

// read fills b; start is where its block begins.
func (r *Reader) read(b []byte, start int64) error {
	n, err := io.ReadFull(r.in, b)
	r.at += int64(n)
	switch err {
	case nil:
		return nil
	case io.EOF, io.ErrUnexpectedEOF:
		return &Error{start, ErrTruncated}
	}
	return &Error{start, err}
}

func (r *Reader) readData(n int, start int64) error {
	if cap(r.data) < n {
		r.data = make([]byte, n, max(n, 2048))
	}
	r.data = r.data[:n]
	return r.read(r.data, start)
}

// The blocks of pcapng.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockOldPacket = 2
	blockSimple    = 3
	blockPacket    = 6
)

const (
	maxPorts  = 4096
	maxOption = 64 << 10 // length of a block that describes an interface
)

// nextBlock is Next for pcapng.
func (r *Reader) nextBlock() (Packet, error) {
	for {
		start := r.at
		if _, err := r.in.Peek(1); err != nil {
			return Packet{}, err
		}
		head := r.head[:12]
		if err := r.read(head[:8], start); err != nil {
			return Packet{}, err
		}
		if binary.BigEndian.Uint32(head) == blockSection {
			if err := r.section(start); err != nil {
				return Packet{}, err
			}
			continue
		}
		if r.order == nil {
			return Packet{}, &Error{start, ErrDamaged}
		}
		kind, length := r.order.Uint32(head), int64(r.order.Uint32(head[4:]))
		if length < 12 || length%4 != 0 {
			return Packet{}, &Error{start, ErrDamaged}
		}
		p, ok, err := r.block(kind, length-12, start)
		if err != nil {
			return Packet{}, err
		}
		if err := r.discard(start+length-r.at, start); err != nil {
			return Packet{}, err
		}
		if ok {
			p.Offset = start
			return p, nil
		}
	}
}

// section reads the rest of a section's header, of which the length is in r.head.
func (r *Reader) section(start int64) error {
	length := [4]byte(r.head[4:8])
	if err := r.read(r.head[8:12], start); err != nil {
		return err
	}
	switch binary.BigEndian.Uint32(r.head[8:]) {
	case 0x1a2b3c4d:
		r.order = binary.BigEndian
	case 0x4d3c2b1a:
		r.order = binary.LittleEndian
	default:
		return &Error{start, ErrDamaged}
	}
	n := int64(r.order.Uint32(length[:]))
	if n < 28 || n%4 != 0 {
		return &Error{start, ErrDamaged}
	}
	r.ports = r.ports[:0]
	return r.discard(n-12, start)
}

func (r *Reader) discard(n, start int64) error {
	if n < 0 {
		return &Error{start, ErrDamaged}
	}
	done, err := io.CopyN(io.Discard, r.in, n)
	r.at += done
	if err == io.EOF {
		err = ErrTruncated
	}
	if err != nil {
		return &Error{start, err}
	}
	return nil
}

// block reads what it needs of a block whose body has n bytes; ok reports a packet.
func (r *Reader) block(kind uint32, n, start int64) (p Packet, ok bool, err error) {
	damaged := &Error{start, ErrDamaged}
	switch kind {
	case blockInterface:
		if n < 8 || n > maxOption || len(r.ports) == maxPorts {
			return p, false, damaged
		}
		if err := r.readData(int(n), start); err != nil {
			return p, false, err
		}
		r.ports = append(r.ports, r.port(r.data))
	case blockSimple:
		if n < 4 || len(r.ports) == 0 {
			return p, false, damaged
		}
		if err := r.read(r.head[:4], start); err != nil {
			return p, false, err
		}
		size := int64(r.order.Uint32(r.head[:]))
		kept := min(size, n-4)
		if snap := int64(r.ports[0].snap); snap > 0 {
			kept = min(kept, snap)
		}
		return r.blockData(&r.ports[0], 0, kept, size, start)
	case blockPacket, blockOldPacket:
		if n < 20 {
			return p, false, damaged
		}
		head := r.head[:20]
		if err := r.read(head, start); err != nil {
			return p, false, err
		}
		id := r.order.Uint32(head)
		if kind == blockOldPacket {
			id = uint32(r.order.Uint16(head))
		}
		kept, size := int64(r.order.Uint32(head[12:])), int64(r.order.Uint32(head[16:]))
		if int64(id) >= int64(len(r.ports)) || kept > n-20 {
			return p, false, damaged
		}
		ticks := uint64(r.order.Uint32(head[4:]))<<32 | uint64(r.order.Uint32(head[8:]))
		return r.blockData(&r.ports[id], ticks, kept, size, start)
	}
	return p, false, nil
}

func (r *Reader) blockData(from *port, ticks uint64, kept, size, start int64) (Packet, bool, error) {
	if kept > maxPacket {
		return Packet{}, false, &Error{start, ErrDamaged}
	}
	if err := r.readData(int(kept), start); err != nil {
		return Packet{}, false, err
	}
	return Packet{Micros: from.micros(ticks), Link: from.link, Data: r.data, Cut: kept < size}, true, nil
}

// port reads the description of an interface.
func (r *Reader) port(b []byte) port {
	p := port{link: uint32(r.order.Uint16(b)), second: 1e6, snap: r.order.Uint32(b[4:])}
	for b = b[8:]; len(b) >= 4; {
		code, n := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		if b = b[4:]; code == 0 || n > len(b) {
			break
		}
		switch {
		case code == 9 && n == 1:
			p.second = resolution(b[0])
		case code == 14 && n == 8:
			p.offset = int64(r.order.Uint64(b))
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return p
}

// resolution is how many units a second has: a power of 10, or with the highest bit of
// 2; 1e6 if they are too many to count.
func resolution(b byte) uint64 {
	power := int(b & 0x7f)
	switch {
	case b&0x80 != 0 && power < 64:
		return 1 << power
	case b&0x80 != 0 || power > 19:
		return 1e6
	}
	n := uint64(1)
	for range power {
		n *= 10
	}
	return n
}

// micros turns a timestamp into microseconds since 1970, 0 if it is beyond all time.
func (p *port) micros(ticks uint64) int64 {
	high, low := bits.Mul64(ticks, 1e6)
	if high >= p.second {
		return 0
	}
	n, _ := bits.Div64(high, low, p.second)
	return int64(n) + p.offset*1e6
}
