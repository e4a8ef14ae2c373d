//go:build (unix && !linux) || netio_portable

package netio

import "syscall"

func isTruncated(flags int, _ error) bool { return flags&syscall.MSG_TRUNC != 0 }

func isAddrInUseSys(error) bool { return false }
