//go:build !linux

package pfunix

import "net"

// unread is not known on this system.
func unread(*net.UnixConn) int { return 0 }

func sendLimit(*net.UnixConn) int { return 0 }
