//go:build linux && !netio_portable

package netio

import (
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendPatience is how long one SendBatch waits for room in the send buffer.
// Media that waits longer is late anyway.
const sendPatience = 2 * time.Millisecond

// safeSegment is a datagram's payload that fits every IPv6 link with its
// headers (RFC 8200, 5).
const safeSegment = 1280 - 40 - 8

// sender is the state of SendBatch, owned by the goroutine that calls it.
type sender struct {
	hdrs     []mmsghdr // of one length, like their targets
	iovs     []unix.Iovec
	names    []sockaddr
	controls []control
	entries  []entry

	now  func(fd uintptr) // tries once
	wait func(fd uintptr) // waits for room until giveUp

	first, end int // headers to send: [first:end)
	n          int // of the last try: headers sent
	errno      unix.Errno

	sent     int        // whole messages sent in this call
	failed   bool       // part of the message under way was not sent
	split    int        // message that was refused as a whole, -1 = none
	splitErr unix.Errno // that refused it
	giveUp   time.Time  // end of patience, zero = not waited yet

	safe  int   // payload in bytes that every link carries whole, 0 = none
	large bool  // a header is of a datagram that is larger
	whole bool  // the socket's datagrams may not be cut on the way
	mtu   int32 // value of IP_MTU_DISCOVER
	cut   func(fd uintptr)

	patience time.Duration
	poll     [1]unix.PollFd
}

// entry is the meaning of a header.
type entry struct {
	msg      int  // index in the caller's messages
	segments int  // datagrams in it
	gso      bool // the kernel is to cut it
	last     bool // it ends its message
}

// cursor is a place in the caller's messages.
type cursor struct{ msg, off int }

func (t *sender) init(c *Conn, batch int) {
	t.hdrs, t.iovs = make([]mmsghdr, batch), make([]unix.Iovec, batch)
	t.names, t.controls, t.entries = make([]sockaddr, batch), make([]control, batch), make([]entry, batch)
	for i := range t.hdrs {
		h := &t.hdrs[i].hdr
		h.Iov = &t.iovs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(ptr(&t.names[i]))
	}
	t.patience = sendPatience
	t.now = func(fd uintptr) { c.trySend(fd) }
	t.wait = func(fd uintptr) { c.awaitRoom(fd) }
	t.safe = safeSegment
	t.cut = func(fd uintptr) { // raw, as it does not block
		_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, fd, unix.SOL_IP, unix.IP_MTU_DISCOVER,
			uintptr(unsafe.Pointer(&t.mtu)), unsafe.Sizeof(t.mtu), 0)
	}
}

// SendBatch sends ms and returns how many of them went out whole. Datagrams
// that the kernel refuses are counted and skipped. While the send buffer is
// full it waits, at most about 2 ms in all, and then drops the rest. The only
// error is net.ErrClosed.
func (c *Conn) SendBatch(ms []Message) (int, error) {
	t := &c.tx
	t.sent, t.split, t.failed, t.giveUp = 0, -1, false, time.Time{}
	for at := (cursor{}); at.msg < len(ms); {
		at = c.fill(ms, at)
		if err := c.allowCutting(t.large); err != nil {
			return t.sent, err
		}
		for t.first < t.end {
			if err := c.sendSome(); err != nil {
				return t.sent, err
			}
			if t.n > 0 {
				c.advance(ms)
				continue
			}
			e := &t.entries[t.first]
			switch {
			case t.errno == unix.EAGAIN:
				c.dropRest(ms, at)
				return t.sent, nil
			case t.whole && t.errno == unix.EMSGSIZE: // an interface of ours is no such link
				t.safe = 0
				if err := c.allowCutting(true); err != nil {
					return t.sent, err
				}
			case e.gso && mayBeGSO(t.errno):
				c.count.gsoFallbacks.Add(1)
				t.split, t.splitErr = e.msg, t.errno
				at = cursor{msg: e.msg}
				t.first = t.end
			default:
				c.refuse(ms)
			}
		}
	}
	return t.sent, nil
}

// fill writes headers for the messages from a cursor on and returns the cursor behind them.
func (c *Conn) fill(ms []Message, at cursor) cursor {
	t := &c.tx
	t.first, t.end, t.large = 0, 0, false
	for t.end < len(t.hdrs) && at.msg < len(ms) {
		m := &ms[at.msg]
		e := entry{msg: at.msg, segments: 1, last: true}
		buf := m.Buf[at.off:]
		next := cursor{msg: at.msg + 1}
		if m.Segment > 0 && len(buf) > m.Segment {
			if c.useGSO(m, at.msg) {
				e.gso, e.segments = true, m.segments()
			} else {
				buf, e.last = buf[:m.Segment], false
				next = cursor{msg: at.msg, off: at.off + m.Segment}
			}
		}
		if !c.fillHeader(t.end, m, buf, e.gso) {
			// The socket has no such family. Nothing before this message may
			// overtake it in the count, so it waits for them to be sent.
			if t.end > 0 {
				return at
			}
			c.count.sendErrors.Add(uint64(m.segments()))
			at = cursor{msg: at.msg + 1}
			continue
		}
		size := len(buf)
		if e.gso {
			size = m.Segment
		}
		t.large = t.large || size > t.safe
		t.entries[t.end] = e
		t.end++
		at = next
		if e.last && e.msg == t.split {
			break // how it fares decides about GSO for the rest
		}
	}
	return at
}

// allowCutting says whether datagrams of IPv4 may be cut on the way. Those that every link carries
// may not: then the kernel makes up no identification for each, which is part of what sending costs.
// Larger ones may, into pieces of the interface's MTU, whatever ICMP says: a forged message could
// otherwise break up or stop the runs of datagrams to a destination.
func (c *Conn) allowCutting(yes bool) error {
	t := &c.tx
	if t.whole == !yes {
		return nil
	}
	t.whole, t.mtu = !yes, unix.IP_PMTUDISC_PROBE
	if yes {
		t.mtu = unix.IP_PMTUDISC_OMIT
	}
	if c.raw.Control(t.cut) != nil {
		return net.ErrClosed
	}
	return nil
}

// useGSO reports whether the kernel is to cut message i.
func (c *Conn) useGSO(m *Message, i int) bool {
	return c.gso.Load() && i != c.tx.split &&
		len(m.Buf) <= MaxSegmentedBytes && m.segments() <= MaxSegments
}

func (c *Conn) fillHeader(i int, m *Message, buf []byte, gso bool) bool {
	t := &c.tx
	h := &t.hdrs[i].hdr
	h.Namelen = c.encodeAddr(&t.names[i], m.Remote)
	if h.Namelen == 0 {
		return false
	}
	setIovec(&t.iovs[i], buf)
	n := 0
	if m.Local.IsValid() && m.Local.Unmap().Is4() == m.Remote.Addr().Unmap().Is4() {
		n = c.putSource(&t.controls[i], n, m.Local)
	}
	if gso {
		n = putSegment(&t.controls[i], n, m.Segment)
	}
	h.Control = nil
	if n > 0 {
		h.Control = (*byte)(ptr(&t.controls[i]))
	}
	h.SetControllen(n)
	return true
}

// sendSome sends headers from first on, as many as the kernel takes, and
// waits for room once if there is none.
func (c *Conn) sendSome() error {
	t := &c.tx
	if c.raw.Control(t.now) != nil {
		return net.ErrClosed
	}
	if t.errno == unix.EAGAIN && t.giveUp.IsZero() {
		t.giveUp = time.Now().Add(t.patience)
	}
	for t.errno == unix.EAGAIN && time.Now().Before(t.giveUp) {
		if c.raw.Control(t.wait) != nil || c.raw.Control(t.now) != nil {
			return net.ErrClosed
		}
	}
	return nil
}

// awaitRoom waits until the socket can be written to, or patience is over.
func (c *Conn) awaitRoom(fd uintptr) {
	t := &c.tx
	t.poll[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
	ms := (time.Until(t.giveUp) + time.Millisecond - 1) / time.Millisecond
	_, _ = unix.Poll(t.poll[:], int(max(0, ms)))
}

// trySend calls the kernel.
func (c *Conn) trySend(fd uintptr) {
	t := &c.tx
	for again := c.refusals; ; {
		t.n, t.errno = c.sendmmsg(fd, t.hdrs[t.first:t.end])
		c.count.syscallsOut.Add(1)
		if t.errno != 0 {
			t.n = 0
		}
		if c.refusals && t.n < t.end-t.first {
			c.refused.Store(true) // an error that was pending may have ended the call
		}
		switch {
		case t.errno == unix.EINTR:
		case again && t.errno != 0 && isTransient(t.errno):
			again = false // it is probably about a datagram of before, and this one was not sent
		default:
			return
		}
	}
}

// advance counts the n headers that were sent.
func (c *Conn) advance(ms []Message) {
	t := &c.tx
	var datagrams, octets, batches, segments uint64
	for i := t.first; i < t.first+t.n; i++ {
		e := &t.entries[i]
		datagrams += uint64(e.segments)
		octets += uint64(t.iovs[i].Len)
		if e.gso {
			batches++
			segments += uint64(e.segments)
		}
		if e.last {
			c.endMessage(ms, e)
		}
	}
	t.first += t.n
	c.count.datagramsOut.Add(datagrams)
	c.count.bytesOut.Add(octets)
	if batches > 0 {
		c.count.gsoBatches.Add(batches)
		c.count.gsoSegments.Add(segments)
	}
}

// refuse counts the header that the kernel did not want, and goes on.
func (c *Conn) refuse(ms []Message) {
	t := &c.tx
	e := &t.entries[t.first]
	c.count.sendErrors.Add(uint64(e.segments))
	t.failed = true
	if e.last {
		c.endMessage(ms, e)
	}
	t.first++
}

// endMessage closes the account of a message. If it was refused as a whole
// and has now gone out in pieces, segmentation was at fault and is given up.
func (c *Conn) endMessage(ms []Message, e *entry) {
	t := &c.tx
	if !t.failed {
		t.sent++
		if e.msg == t.split && gsoAtFault(t.splitErr, ms[e.msg].Segment) {
			c.gso.Store(false)
		}
	}
	t.failed = false
}

// dropRest counts the datagrams that were not sent: those in headers, and
// those behind the cursor.
func (c *Conn) dropRest(ms []Message, at cursor) {
	t := &c.tx
	dropped := 0
	for i := t.first; i < t.end; i++ {
		dropped += t.entries[i].segments
	}
	for ; at.msg < len(ms); at = (cursor{msg: at.msg + 1}) {
		m := &ms[at.msg]
		dropped += m.segments()
		if at.off > 0 {
			dropped -= at.off / m.Segment
		}
	}
	c.count.sendDrops.Add(uint64(dropped))
}

// mayBeGSO recognises errors that a run of datagrams can get where its datagrams
// one by one would not.
func mayBeGSO(errno unix.Errno) bool {
	switch errno {
	case unix.EIO, unix.EINVAL, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EMSGSIZE:
		return true
	}
	return false
}

// gsoAtFault reports whether the error is that of a card or kernel that cannot
// segment, rather than of one datagram larger than the interface's MTU, which
// comes as EINVAL or EMSGSIZE and can happen for one destination only.
func gsoAtFault(errno unix.Errno, segment int) bool {
	switch errno {
	case unix.EMSGSIZE:
		return false
	case unix.EINVAL:
		return segment <= safeSegment
	}
	return true
}

func setIovec(v *unix.Iovec, buf []byte) {
	v.Base = unsafe.SliceData(buf)
	v.SetLen(len(buf))
}

func ptr[T any](p *T) unsafe.Pointer { return unsafe.Pointer(p) }
