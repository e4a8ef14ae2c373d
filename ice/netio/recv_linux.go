//go:build linux && !netio_portable

package netio

import (
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// smallBatch is fewer than a busy loop receives.
const smallBatch = 16

// maxTries bounds the errors that one look at the socket swallows.
const maxTries = 64

// receiver is the state of RecvBatch, owned by the goroutine that calls it.
type receiver struct {
	hdrs     []mmsghdr // of one length, like their targets
	iovs     []unix.Iovec
	names    []sockaddr
	controls []control

	now  func(fd uintptr)      // tries once
	wait func(fd uintptr) bool // tries once, reports whether to stop waiting

	ms    []Message // of the call under way
	n     int
	errno unix.Errno

	used    int       // headers that the kernel wrote to last
	drops   uint32    // the kernel's count as of the last datagram
	armed   time.Time // deadline that the poller has, if isArmed
	isArmed bool
}

func (r *receiver) init(c *Conn, batch int) {
	r.hdrs, r.iovs = make([]mmsghdr, batch), make([]unix.Iovec, batch)
	r.names, r.controls = make([]sockaddr, batch), make([]control, batch)
	for i := range r.hdrs {
		h := &r.hdrs[i].hdr
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(ptr(&r.names[i]))
		h.Control = (*byte)(ptr(&r.controls[i]))
	}
	r.used = len(r.hdrs)
	r.now = func(fd uintptr) { c.receive(fd) }
	r.wait = func(uintptr) bool {
		if c.raw.Control(r.now) != nil {
			r.n, r.errno = 0, unix.EBADF
		}
		return r.n > 0 || r.errno != unix.EAGAIN
	}
	r.isArmed = true // a new file has no deadline
}

// RecvBatch fills ms, the first N bytes of each Buf, with the datagrams that
// are there, waiting for the first one until deadline (zero: without end) or
// until Wake is called; it then returns 0 without an error. It returns
// net.ErrClosed after Close. Errors that ICMP reports about earlier sending
// are swallowed.
func (c *Conn) RecvBatch(ms []Message, deadline time.Time) (int, error) {
	if len(ms) == 0 {
		return 0, nil
	}
	woken := c.state.CompareAndSwap(stateWoken, stateIdle)
	c.rx.ms = ms
	defer c.forget()
	late := isPast(deadline)
	// After a small batch there is probably nothing yet, and waiting begins
	// with a try of its own.
	few := smallBatch
	if c.pace.interval > 0 {
		few = len(ms) - 1
	}
	if woken || late || c.rx.n > few {
		err := c.raw.Control(c.rx.now)
		if n, done, err := c.received(err); done {
			return n, err
		}
		if woken || late {
			return 0, nil
		}
	}
	switch {
	case c.pace.interval > 0:
		return c.rest()
	case c.pace.timer != nil:
		return c.waitLoop(deadline)
	}
	return c.waitReceive(deadline)
}

// forget gives the caller's slice back.
func (c *Conn) forget() { c.rx.ms = nil }

// waitReceive parks the goroutine until the poller has something.
//
// No wake-up is lost: the deadline is set before the state says "waiting", so
// a Wake that sees "waiting" overwrites it, and one that came earlier makes
// the change of state fail.
func (c *Conn) waitReceive(deadline time.Time) (int, error) {
	r := &c.rx
	for {
		if isPast(deadline) {
			return 0, nil
		}
		if !r.isArmed || !r.armed.Equal(deadline) {
			if err := c.ready.SetReadDeadline(deadline); err != nil {
				return 0, net.ErrClosed
			}
			r.armed, r.isArmed = deadline, true
		}
		if !c.state.CompareAndSwap(stateIdle, stateWaiting) {
			c.state.Store(stateIdle)
			return 0, nil
		}
		err := c.await.Read(r.wait)
		woken := !c.state.CompareAndSwap(stateWaiting, stateIdle)
		if woken {
			c.state.Store(stateIdle)
		}
		expired := errors.Is(err, os.ErrDeadlineExceeded)
		if woken || expired {
			r.isArmed = false
		}
		if expired {
			// A wake-up that belongs to an earlier call may strike late; then
			// neither of these holds and the waiting goes on.
			if woken {
				return 0, nil
			}
			continue
		}
		if n, done, err := c.received(err); done || woken {
			return n, err
		}
	}
}

// received is the outcome of one look at the socket: err is the poller's.
// done is false if there was nothing.
func (c *Conn) received(err error) (n int, done bool, _ error) {
	if err != nil {
		return 0, true, net.ErrClosed
	}
	switch {
	case c.rx.n > 0:
		return c.rx.n, true, nil
	case c.rx.errno == unix.EAGAIN:
		return 0, false, nil
	case c.rx.errno == unix.EBADF:
		return 0, true, net.ErrClosed
	}
	return 0, true, c.rx.errno
}

// receive reads the waiting datagrams.
func (c *Conn) receive(fd uintptr) {
	r := &c.rx
	r.n, r.errno = 0, unix.EAGAIN
	for r.n < len(r.ms) {
		chunk := r.ms[r.n:min(r.n+len(r.hdrs), len(r.ms))]
		n, errno := c.receiveChunk(fd, chunk)
		if errno != 0 {
			r.errno = errno
			break
		}
		r.n += n
		if n < len(chunk) {
			break
		}
	}
}

func (c *Conn) receiveChunk(fd uintptr, ms []Message) (int, unix.Errno) {
	r := &c.rx
	for i := range ms {
		setIovec(&r.iovs[i], ms[i].Buf)
	}
	for i := range min(r.used, len(r.hdrs)) {
		h := &r.hdrs[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(len(r.controls[i].bytes()))
		h.Flags = 0
	}
	r.used = 0
	for try := 1; ; try++ {
		n, errno := recvmmsg(fd, r.hdrs[:len(ms)], 0)
		c.count.syscallsIn.Add(1)
		if errno == 0 {
			r.used = n
			c.takeChunk(ms[:n])
			return n, 0
		}
		if c.refusals && (errno != unix.EAGAIN || c.refused.Load()) {
			if n = c.receiveRefusals(fd, ms); n > 0 {
				return n, 0
			}
		}
		// A call clears the error that was pending, but more may come in.
		if !isTransient(errno) || try == maxTries {
			return 0, errno
		}
	}
}

// receiveRefusals reads the ICMP errors since the last time; those it cannot take wait
// for the next. The socket's own error reports each, either to the receiver or to the
// sender.
func (c *Conn) receiveRefusals(fd uintptr, ms []Message) int {
	r := &c.rx
	c.refused.Store(false)
	n, errno := recvmmsg(fd, r.hdrs[:len(ms)], unix.MSG_ERRQUEUE)
	c.count.syscallsIn.Add(1)
	if errno != 0 {
		return 0
	}
	r.used = n
	if n == len(ms) {
		c.refused.Store(true)
	}
	for i := range ms[:n] {
		h := &r.hdrs[i].hdr
		a := c.parseControl(&r.controls[i], int(h.Controllen))
		ms[i] = Message{Buf: ms[i].Buf, Remote: c.decodeAddr(&r.names[i]), Refused: a.refused}
	}
	return n
}

// takeChunk turns the kernel's headers into the caller's messages.
func (c *Conn) takeChunk(ms []Message) {
	r := &c.rx
	var datagrams, octets, truncated uint64
	now := c.stampClock()
	for i := range ms {
		m, h := &ms[i], &r.hdrs[i]
		m.N = int(h.len)
		m.Remote = c.decodeAddr(&r.names[i])
		m.Truncated, m.Refused = h.hdr.Flags&unix.MSG_TRUNC != 0, false
		a := c.parseControl(&r.controls[i], int(h.hdr.Controllen))
		m.Local, m.Segment, m.Age = a.local, a.segment, c.age(now, a.stamp)
		if a.hasDrops {
			c.count.kernelDrops.Add(uint64(a.drops - r.drops))
			r.drops = a.drops
		}
		if m.Truncated {
			truncated++
		}
		octets += uint64(h.len)
		datagrams += uint64(m.pieces(m.N))
	}
	c.count.datagramsIn.Add(datagrams)
	c.count.bytesIn.Add(octets)
	if truncated > 0 {
		c.count.truncated.Add(truncated)
	}
}

// isTransient recognises errors that say nothing about the socket: an interrupted
// call, or an ICMP error about an earlier datagram.
func isTransient(errno unix.Errno) bool {
	switch errno {
	case unix.EINTR, unix.ECONNREFUSED, unix.ECONNRESET, unix.EHOSTUNREACH, unix.ENETUNREACH,
		unix.EHOSTDOWN, unix.ENETDOWN, unix.ENONET, unix.EPROTO, unix.ENOPROTOOPT,
		unix.EMSGSIZE, unix.EACCES, unix.EPERM, unix.EOPNOTSUPP:
		return true
	}
	return false
}
