//go:build unix

package pfunix

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// Activated returns the sockets that systemd has opened for this process
// (sd_listen_fds(3)): the first is for the Janus API, the second for the Admin
// API; nil where there is none. Processes that this one starts do not get them.
func Activated() (api, admin *os.File) {
	pid, n := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	count, _ := strconv.Atoi(n)
	const first = 3
	var files [2]*os.File
	for i := range min(count, len(files)) {
		syscall.CloseOnExec(first + i)
		files[i] = os.NewFile(uintptr(first+i), "systemd socket "+strconv.Itoa(i))
	}
	return files[0], files[1]
}

// socketType finds out of which type a socket is.
func socketType(f *os.File) (Type, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var typ int
	var failed error
	err = raw.Control(func(fd uintptr) {
		typ, failed = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TYPE)
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, err
	}
	switch typ {
	case syscall.SOCK_SEQPACKET:
		return SeqPacket, nil
	case syscall.SOCK_DGRAM:
		return Datagram, nil
	}
	return 0, fmt.Errorf("%s is neither SOCK_SEQPACKET nor SOCK_DGRAM", f.Name())
}

// sendTo sends a packet, and fails if it would have to wait. Unlike a write of
// package net, it does not hold up those to other clients.
func sendTo(sock *net.UnixConn, path string, msg []byte) error {
	raw, err := sock.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		sent = syscall.Sendto(int(fd), msg, syscall.MSG_DONTWAIT, &syscall.SockaddrUnix{Name: path})
	})
	return errors.Join(err, sent)
}

func wouldBlock(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR)
}
