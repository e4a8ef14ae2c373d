package shard

import (
	"bifrons/ice"
	"bifrons/ice/netio"
	"bifrons/sfu/media"
)

const (
	// maxDatagram is the room that every outgoing datagram may use, in bytes.
	maxDatagram = 1600
	slabSize    = 1 << 20
	maxMessages = 1024
	// Limits of one UDP GSO message (linux/udp.h UDP_MAX_SEGMENTS and the
	// size of an IPv4 datagram).
	maxSegments = 64
	maxGSOBytes = 65000
)

// egress collects the datagrams of one pass in one slab. Datagrams of one size
// that follow each other to one destination become one GSO message.
type egress struct {
	slab     []byte
	used     int
	messages []netio.Message
	dests    []dest
	open     bool // the last message may be extended
	segments int  // datagrams in the last message
	send     func([]netio.Message) (int, error)
	drop     func(media.Drop)
	divert   func(path ice.Path, b []byte) // takes datagrams for a link; b is lent
}

// dest is where a message goes, and by which socket.
type dest struct {
	path ice.Path
	by   *Way // nil: the egress's own
}

func newEgress(send func([]netio.Message) (int, error), drop func(media.Drop)) *egress {
	return &egress{
		slab:     make([]byte, slabSize),
		messages: make([]netio.Message, 0, maxMessages),
		dests:    make([]dest, 0, maxMessages),
		send:     send,
		drop:     drop,
	}
}

// reserve lends room for one datagram until the next call.
func (e *egress) reserve() []byte {
	if len(e.slab)-e.used < maxDatagram || len(e.messages) == maxMessages {
		e.flush()
	}
	return e.slab[e.used : e.used+maxDatagram : e.used+maxDatagram]
}

// commit queues the first n bytes of the memory that reserve lent.
func (e *egress) commit(path ice.Path, n int) { e.commitBy(nil, path, n) }

// commitBy is commit for a datagram that leaves by another socket.
func (e *egress) commitBy(by *Way, path ice.Path, n int) {
	b := e.slab[e.used : e.used+n]
	if path.Link != 0 {
		e.divert(path, b)
		return
	}
	e.used += n
	to := dest{path, by}
	if e.open && e.extend(&to, n) {
		return
	}
	e.messages = append(e.messages, netio.Message{Buf: b, Remote: path.Remote, Local: path.Local})
	e.dests = append(e.dests, to)
	e.open, e.segments = true, 1
}

// extend adds n bytes, which lie behind the last message, to it.
func (e *egress) extend(to *dest, n int) bool {
	last := len(e.messages) - 1
	m := &e.messages[last]
	size := m.Segment
	if e.segments == 1 {
		size = len(m.Buf)
	}
	if e.dests[last] != *to || n > size || e.segments == maxSegments || len(m.Buf)+n > maxGSOBytes {
		return false
	}
	m.Segment = size
	m.Buf = m.Buf[:len(m.Buf)+n]
	e.segments++
	e.open = n == size // a shorter datagram has to be the last
	return true
}

// flush sends everything that was committed.
func (e *egress) flush() {
	for ms, to := e.messages, e.dests; len(ms) > 0; {
		n := 1
		for n < len(ms) && to[n].by == to[0].by {
			n++
		}
		var err error
		if by := to[0].by; by != nil {
			_, err = by.sock.SendBatch(ms[:n])
		} else {
			_, err = e.send(ms[:n])
		}
		if err != nil {
			e.drop(media.DropSendQueue)
		}
		ms, to = ms[n:], to[n:]
	}
	e.messages, e.dests = e.messages[:0], e.dests[:0]
	e.used, e.open, e.segments = 0, false, 0
}
