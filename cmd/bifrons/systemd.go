package main

import (
	"net"
	"os"
	"time"
)

// tellSystemd passes a state on to systemd, which asks for it by Type=notify
// (sd_notify(3)); elsewhere it does nothing.
func tellSystemd(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second)) // systemd may be busy
	_, _ = conn.Write([]byte(state))
}
