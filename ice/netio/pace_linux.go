//go:build linux && !netio_portable

package netio

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pace is how RecvBatch looks at a moderated socket: at intervals, for which the
// poller knows a timer instead of the socket. It is owned by the goroutine that
// receives.
type pace struct {
	interval time.Duration // 0 = whenever something comes
	timer    *os.File      // nil = the socket is not moderated
	raw      syscall.RawConn
	spec     unix.ItimerSpec
	clock    unix.Timespec
	set      func(fd uintptr)
	pass     func(fd uintptr) bool // false once, then true
	passed   bool
}

// moderated makes the timer; without one the socket is like others.
func (c *Conn) moderated() {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err != nil {
		return
	}
	err = errors.Join(c.await.Control(func(ep uintptr) {
		err = unix.EpollCtl(int(ep), unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN})
	}), err)
	if err != nil {
		unix.Close(fd)
		return
	}
	p := &c.pace
	p.timer = os.NewFile(uintptr(fd), "udp timer")
	p.raw, _ = p.timer.SyscallConn()
	// Raw, like that of the clock below, as it does not block: other calls wake the runtime's
	// monitor, which costs more than the call.
	p.set = func(fd uintptr) {
		_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&p.spec)), 0, 0, 0)
	}
	p.pass = func(uintptr) bool {
		before := p.passed
		p.passed = true
		return before
	}
}

// Moderate has RecvBatch return d after the time before, with the datagrams received by
// then, if anything; 0 = as soon as something comes. A deadline may be up to d late,
// Wake is not. Meanwhile messages have their Age. It belongs to the goroutine that
// receives, and has no effect on a socket that is not moderated.
func (c *Conn) Moderate(d time.Duration) {
	p := &c.pace
	if p.timer == nil || p.interval == d {
		return
	}
	if (p.interval > 0) != (d > 0) && !c.watchSocket(d == 0) {
		return
	}
	p.interval = d
	p.spec.Value = unix.NsecToTimespec(0)
	_ = p.raw.Control(p.set)
	p.spec.Value = unix.NsecToTimespec(int64(d))
}

// watchSocket has the poller report arrivals, or asks for their times.
func (c *Conn) watchSocket(on bool) (ok bool) {
	events, stamps := uint32(0), 1
	if on {
		events, stamps = unix.EPOLLIN, 0
	}
	_ = c.await.Control(func(ep uintptr) {
		_ = c.raw.Control(func(fd uintptr) {
			ok = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, stamps) == nil &&
				unix.EpollCtl(int(ep), unix.EPOLL_CTL_MOD, int(fd), &unix.EpollEvent{Events: events}) == nil
		})
	})
	return ok
}

// rest waits for the end of the interval, or for Wake, and looks.
func (c *Conn) rest() (int, error) {
	r, p := &c.rx, &c.pace
	if !r.isArmed || !r.armed.IsZero() {
		if err := c.ready.SetReadDeadline(time.Time{}); err != nil {
			return 0, net.ErrClosed
		}
		r.armed, r.isArmed = time.Time{}, true
	}
	if c.state.CompareAndSwap(stateIdle, stateWaiting) {
		p.passed = false
		if p.raw.Control(p.set) != nil {
			return 0, net.ErrClosed
		}
		err := c.await.Read(p.pass)
		woken := !c.state.CompareAndSwap(stateWaiting, stateIdle)
		if woken {
			c.state.Store(stateIdle)
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, net.ErrClosed
		}
		r.isArmed = !woken && err == nil
	} else {
		c.state.Store(stateIdle)
	}
	n, _, err := c.received(c.raw.Control(r.now))
	return n, err
}

// stampClock is the time by the kernel's clock for received packets, in ns since 1970; 0 if
// that is not asked for.
func (c *Conn) stampClock() int64 {
	p := &c.pace
	if p.interval == 0 {
		return 0
	}
	_, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_REALTIME, uintptr(unsafe.Pointer(&p.clock)), 0)
	if errno != 0 {
		return 0
	}
	return p.clock.Nano()
}

// age is the time since a stamp, 0 if that is unknown, or is not true as the clock
// was set.
func (c *Conn) age(now, stamp int64) time.Duration {
	if now == 0 || stamp == 0 {
		return 0
	}
	if age := time.Duration(now - stamp); age > 0 && age < maxAge {
		return age
	}
	return 0
}

// maxAge is how long a datagram waits for the loop in the worst case.
const maxAge = time.Second
