package tcp

import (
	"bufio"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"bifrons/ice/link"
	"bifrons/ice/netio"
)

const (
	// queueSize is how much may wait for a connection, in bytes: half a second of
	// video at 4 Mbit/s. More would only come late.
	queueSize = 256 << 10
	// writeTimeout is how long a connection may take nothing.
	writeTimeout = 20 * time.Second
	// lastWords is how long a closed connection may still send its queue.
	lastWords  = time.Second
	bufferSize = 16 << 10
)

// Conn is a connection whose first frame was a STUN message.
type Conn struct {
	conn   *net.TCPConn
	frames framer
	out    *link.Outbox
	local  netip.Addr
	remote netip.AddrPort
	writer sync.WaitGroup

	closing atomic.Bool
}

func newConn(c *net.TCPConn) *Conn {
	return &Conn{
		conn: c, out: link.NewOutbox(queueSize),
		local: addrPort(c.LocalAddr()).Addr(), remote: addrPort(c.RemoteAddr()),
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// Local is the address of this machine that the connection came to.
func (c *Conn) Local() netip.Addr { return c.local }

// Remote is where it came from.
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// Start begins to send and to receive. The Handler calls it once, before
// Receive, if it takes the connection.
func (c *Conn) Start() {
	c.frames.r = bufio.NewReaderSize(c.conn, bufferSize)
	c.writer.Go(c.write)
}

// Send queues a copy of a datagram; the connection has one destination only. It
// reports false if there is no room, and never waits.
func (c *Conn) Send(_ netip.AddrPort, b []byte) bool { return c.out.Put(c.remote, b) }

// Receive waits for datagrams and fills ms, as netio.Conn.RecvBatch does. A datagram that
// is larger than its slot is cut off and marked. The number is good with an
// error, too.
func (c *Conn) Receive(ms []netio.Message) (int, error) {
	n, err := c.frames.batch(ms)
	for i := range ms[:n] {
		ms[i].Remote, ms[i].Local = c.remote, c.local
	}
	return n, err
}

// Close ends the connection, after the queued datagrams were sent. It does not wait.
func (c *Conn) Close() {
	c.closing.Store(true)
	c.limitWrite()
	c.out.Close()
}

// limitWrite sets how long the next write may take, or the one that runs.
func (c *Conn) limitWrite() {
	if !c.closing.Load() {
		_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	if c.closing.Load() { // perhaps only since then
		_ = c.conn.SetWriteDeadline(time.Now().Add(lastWords))
	}
}

// write sends queued datagrams until the end.
func (c *Conn) write() {
	defer c.conn.Close()
	for {
		b, ok := c.out.Take()
		if !ok {
			return
		}
		c.limitWrite()
		if _, err := c.conn.Write(b.Framed); err != nil {
			return
		}
	}
}
