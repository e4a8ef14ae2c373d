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

// pace is how the receiving goroutine of a loop waits. Beside the socket the poller knows a timer
// and a bell: a deadline of the runtime's, set while another thread waits in the poller, would wake
// that one as well, and one that passes wakes a thread to run the goroutine instead of the
// one that waits.
type pace struct {
	interval time.Duration // 0 = whenever something comes
	timer    *os.File      // nil = the socket is not that of a loop
	bell     *os.File
	rawTimer syscall.RawConn
	rawBell  syscall.RawConn
	spec     unix.ItimerSpec
	clock    unix.Timespec
	deadline time.Time // of the call under way

	set   func(fd uintptr)
	ring  func(fd uintptr)
	wait  func(fd uintptr) bool // tries once, reports whether to stop waiting
	pass  func(fd uintptr) bool // waits for an event of the timer, or the bell
	asked bool                  // pass was, for this wait
}

// one is what a bell is rung with (eventfd(2)).
var one uint64 = 1

// loop makes the timer and the bell; without them the socket is like others.
func (c *Conn) loop() {
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err != nil {
		return
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(timer)
		return
	}
	err = errors.Join(c.await.Control(func(ep uintptr) {
		// Nobody reads them: each new event is reported, however many were before.
		err = errors.Join(
			unix.EpollCtl(int(ep), unix.EPOLL_CTL_ADD, timer, &unix.EpollEvent{Events: unix.EPOLLIN}),
			unix.EpollCtl(int(ep), unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN}))
	}), err)
	if err != nil {
		unix.Close(timer)
		unix.Close(bell)
		return
	}
	p := &c.pace
	// They block, or os.NewFile would give each to the poller once more.
	p.timer, p.bell = os.NewFile(uintptr(timer), "udp timer"), os.NewFile(uintptr(bell), "udp bell")
	p.rawTimer, _ = p.timer.SyscallConn()
	p.rawBell, _ = p.bell.SyscallConn()
	// Raw, like that of the clock below, as they do not block: other calls wake the runtime's
	// monitor, which costs more than the call.
	p.set = func(fd uintptr) {
		_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&p.spec)), 0, 0, 0)
	}
	p.ring = func(fd uintptr) {
		_, _, _ = unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
	}
	p.wait = func(fd uintptr) bool {
		return c.rx.wait(fd) || c.state.Load() == stateWoken || isPast(p.deadline)
	}
	p.pass = func(uintptr) bool {
		if p.asked {
			return true
		}
		p.asked = true // by now the poller keeps events: none is lost, however soon the timer is
		return p.arm(p.interval) != nil || c.state.Load() == stateWoken
	}
}

// close closes what loop has made.
func (p *pace) close() {
	if p.timer != nil {
		_ = p.timer.Close()
		_ = p.bell.Close()
	}
}

// arm sets the timer; 0 stops it.
func (p *pace) arm(d time.Duration) error {
	p.spec.Value = unix.NsecToTimespec(int64(d))
	return p.rawTimer.Control(p.set)
}

// isPast reports whether a deadline has passed; the zero one never does.
func isPast(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }

// waitLoop waits until there is something, until the deadline, or for Wake.
//
// No wake-up is lost: a Wake that sees "waiting" rings, and one that came earlier makes the
// change of state fail.
func (c *Conn) waitLoop(deadline time.Time) (int, error) {
	r, p := &c.rx, &c.pace
	if !r.isArmed || !r.armed.Equal(deadline) {
		d := time.Duration(0)
		if !deadline.IsZero() {
			if d = time.Until(deadline); d <= 0 {
				return 0, nil
			}
		}
		if p.arm(d) != nil {
			return 0, net.ErrClosed
		}
		r.armed, r.isArmed = deadline, true
	}
	p.deadline = deadline
	if !c.state.CompareAndSwap(stateIdle, stateWaiting) {
		c.state.Store(stateIdle)
		return 0, nil
	}
	err := c.await.Read(p.wait)
	c.state.Store(stateIdle)
	n, _, err := c.received(err)
	return n, err
}

// Moderate has RecvBatch return d after the time before, with the datagrams received by
// then, if anything; 0 = as soon as something comes. A deadline may be up to d late,
// Wake is not. Meanwhile messages have their Age. It belongs to the goroutine that
// receives, and has no effect on a socket that is not a loop's.
func (c *Conn) Moderate(d time.Duration) {
	p := &c.pace
	if p.timer == nil || p.interval == d {
		return
	}
	if (p.interval > 0) != (d > 0) && !c.watchSocket(d == 0) {
		return
	}
	p.interval = d
	c.rx.isArmed = false
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
	if c.state.CompareAndSwap(stateIdle, stateWaiting) {
		p.asked = false
		if c.await.Read(p.pass) != nil {
			return 0, net.ErrClosed
		}
	}
	c.state.Store(stateIdle)
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
