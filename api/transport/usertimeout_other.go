//go:build !linux

package transport

import (
	"net"
	"time"
)

// setUserTimeout does nothing here: keepalive has to do.
func setUserTimeout(net.Conn, time.Duration) {}
