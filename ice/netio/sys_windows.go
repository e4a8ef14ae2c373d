package netio

import (
	"errors"
	"syscall"
)

// Windows Sockets' own numbers, which package syscall does not name.
const (
	wsaeMsgSize   = syscall.Errno(10040)
	wsaeAddrInUse = syscall.Errno(10048)
)

func isTruncated(_ int, err error) bool { return errors.Is(err, wsaeMsgSize) }

func isAddrInUseSys(err error) bool { return errors.Is(err, wsaeAddrInUse) }
