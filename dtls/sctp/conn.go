package sctp

import (
	"encoding/binary"
	"hash/crc32"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Offsets in a packet that begins with an INIT or INIT ACK chunk (RFC 9260, 3
// and 3.3.2).
const (
	checksumAt   = 8
	chunkAt      = 12
	outStreamsAt = chunkAt + 12
	inStreamsAt  = chunkAt + 14
	initEnd      = chunkAt + 20

	chunkInit    = 1
	chunkInitAck = 2

	recordSize = 8192 // the largest DTLS record we read
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// conn stands between pion/sctp and the DTLS connection. Closing it ends the
// association only: DTLS lives on. And it negotiates the number of streams,
// which pion/sctp always offers as 65535.
type conn struct {
	net.Conn
	peerStreams atomic.Uint32 // the peer's number of inbound streams; 0: not known yet

	mu      sync.Mutex
	closed  bool
	reading sync.Mutex
}

func isInit(b []byte) bool {
	return len(b) >= initEnd && (b[chunkAt] == chunkInit || b[chunkAt] == chunkInitAck)
}

func (c *conn) Read(b []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.isClosed() {
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(b)
	if isInit(b[:n]) {
		c.peerStreams.Store(uint32(binary.BigEndian.Uint16(b[inStreamsAt:])))
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	if !isInit(b) {
		return c.Conn.Write(b)
	}
	p := append([]byte(nil), b...)
	for _, at := range []int{outStreamsAt, inStreamsAt} {
		n := min(binary.BigEndian.Uint16(p[at:]), maxStreams)
		binary.BigEndian.PutUint16(p[at:], n)
	}
	clear(p[checksumAt:chunkAt])
	binary.LittleEndian.PutUint32(p[checksumAt:], crc32.Checksum(p, castagnoli))
	return c.Conn.Write(p)
}

func (c *conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// SetReadDeadline has no effect on a closed conn: somebody else reads then.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// Close interrupts reads for good. A second time it does nothing: drain may be
// reading by then.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	return c.Conn.SetReadDeadline(time.Unix(1, 0))
}

// drain closes c and reads on until the connection below ends, so that data that the
// peer still sends does not hold up DTLS.
func (c *conn) drain() {
	_ = c.Close()
	c.reading.Lock() // until the last reader has gone
	defer c.reading.Unlock()
	_ = c.Conn.SetReadDeadline(time.Time{})
	b := make([]byte, recordSize)
	for {
		if _, err := c.Conn.Read(b); err != nil {
			return
		}
	}
}
