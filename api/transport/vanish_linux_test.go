package transport

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// A connection whose peer has vanished is found out within a minute, whether
// or not something was sent to it. TestVanishedClient in cmd/bifrons has a link
// go down; here is what that stands on.
func TestVanishedPeerIsGivenUp(t *testing.T) {
	ls, err := Address{IP: netip.MustParseAddr("127.0.0.1")}.Listen(Door{Max: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer ls[0].Close()
	c, err := net.Dial("tcp", ls[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := ls[0].Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	raw, err := got.(*Visitor).Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	option := func(level, name int) (n int) {
		if err := control(raw, func(fd int) (err error) {
			n, err = unix.GetsockoptInt(fd, level, name)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	idle, every, count := option(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE), option(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL), option(unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
	if option(unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 1 || idle+every*count > 60 {
		t.Errorf("probes after %d s, %d of them every %d s", idle, count, every)
	}
	if ms := option(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); ms < 10_000 || ms > 60_000 {
		t.Errorf("data may wait for %d ms to be acknowledged", ms)
	}
}
