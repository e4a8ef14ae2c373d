package pfunix

import (
	"net"

	"golang.org/x/sys/unix"
)

// unread is how much of a socket's send buffer is taken by what its clients
// have not read.
func unread(sock *net.UnixConn) (n int) {
	control(sock, func(fd int) { n, _ = unix.IoctlGetInt(fd, unix.SIOCOUTQ) })
	return n
}

// sendLimit is the size of a socket's send buffer in the same measure.
func sendLimit(sock *net.UnixConn) (n int) {
	control(sock, func(fd int) { n, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF) })
	return n
}

func control(sock *net.UnixConn, f func(fd int)) {
	if raw, err := sock.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
