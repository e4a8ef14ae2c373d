package turn

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bifrons/ice/netio"
	"bifrons/ice/turn/turntest"
	"bifrons/rtp/waittest"
)

const patience = waittest.Patience

func on(s *turntest.Server, by Transport) Config {
	p := map[Transport]uint16{UDP: s.UDP, TCP: s.TCP, TLS: s.TLS}[by]
	return Config{
		Server:  Server{Transport: by, Host: "127.0.0.1", Port: p, Username: turntest.User, Password: turntest.Password},
		RootCAs: s.Roots,
	}
}

func allocated(t *testing.T, cfg Config) *Relay {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := Allocate(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); r.Wait() })
	return r
}

func peer(t *testing.T) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c, unmap(c.LocalAddr().(*net.UDPAddr).AddrPort())
}

func TestRelay(t *testing.T) {
	for _, by := range []Transport{UDP, TCP, TLS} {
		t.Run(string(by), func(t *testing.T) {
			waittest.NoLeaks(t)
			s := turntest.Start(t, turntest.Options{})
			r := allocated(t, on(s, by))
			if b := r.Base(); b.Addr() != r.Relayed().Addr() || b == r.Relayed() || b.Port() == 0 {
				t.Errorf("relayed %v, base %v", r.Relayed(), b)
			}
			remote, addr := peer(t)
			buf := make([]byte, 2000)
			for i := range 200 { // by indication first, then by channel
				want := bytes.Repeat([]byte{byte(i)}, 1+i*6)
				if !r.Send(addr, want) {
					t.Fatal("no room")
				}
				n, from, err := remote.ReadFromUDPAddrPort(buf)
				if err != nil || from != r.Relayed() || !bytes.Equal(buf[:n], want) {
					t.Fatalf("%d bytes from %v, %v", n, from, err)
				}
				if _, err := remote.WriteToUDPAddrPort(want, r.Relayed()); err != nil {
					t.Fatal(err)
				}
				ms := []netio.Message{{Buf: make([]byte, 1600)}}
				k, err := r.Receive(ms)
				if m := ms[0]; k != 1 || err != nil || m.Remote != addr || m.Local != r.Relayed().Addr() || !bytes.Equal(m.Buf[:m.N], want) {
					t.Fatalf("received %d, %v: %d bytes from %v", k, err, m.N, m.Remote)
				}
			}
			// Too large for its slot.
			if _, err := remote.WriteToUDPAddrPort(buf[:1200], r.Relayed()); err != nil {
				t.Fatal(err)
			}
			ms := []netio.Message{{Buf: make([]byte, 100)}}
			if k, err := r.Receive(ms); k != 1 || err != nil || !ms[0].Truncated {
				t.Errorf("received %d, %v: %+v", k, err, ms[0])
			}
			if n := s.Allocations(); n != 1 {
				t.Errorf("%d allocations", n)
			}
			r.Close()
			r.Wait()
			waittest.Until(t, "the allocation is released", func() bool { return s.Allocations() == 0 })
			if _, err := r.Receive(ms); err == nil {
				t.Error("something came after the end")
			}
			if r.Send(addr, buf) {
				t.Error("a closed relay takes datagrams")
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	waittest.NoLeaks(t)
	s := turntest.Start(t, turntest.Options{})
	const nobody = 1 // a port that nobody listens on
	silent, silentAddr := peer(t)
	_ = silent
	short := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, 300*time.Millisecond)
	}
	for _, tc := range []struct {
		name    string
		change  func(*Config)
		limit   func(context.Context) (context.Context, context.CancelFunc)
		text    string
		refused bool
	}{
		{"password", func(c *Config) { c.Server.Password = "wrong" }, nil, "wrong user name or password", true},
		{"user", func(c *Config) { c.Server.Username = "nobody" }, nil, "wrong user name or password", true},
		{"certificate", func(c *Config) { c.Server.Transport, c.Server.Port, c.RootCAs = TLS, s.TLS, nil }, nil, "certificate", false},
		{"nobody listens, UDP", func(c *Config) { c.Server.Port = nobody }, nil, "connection refused", false},
		{"nobody listens, TCP", func(c *Config) { c.Server.Transport, c.Server.Port = TCP, nobody }, nil, "connection refused", false},
		{"nobody answers", func(c *Config) { c.Server.Port = silentAddr.Port() }, short, "no answer", false},
		{"no such name", func(c *Config) { c.Server.Host = "turn.invalid" }, nil, "turn.invalid", false},
		{"no such transport", func(c *Config) { c.Server.Transport = "dtls" }, nil, "unknown transport", false},
		{"not TLS", func(c *Config) { c.Server.Transport, c.Server.Port = TLS, s.TCP }, short, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := on(s, UDP)
			tc.change(&cfg)
			if tc.limit == nil {
				tc.limit = func(ctx context.Context) (context.Context, context.CancelFunc) {
					return context.WithTimeout(ctx, patience)
				}
			}
			ctx, cancel := tc.limit(t.Context())
			defer cancel()
			r, err := Allocate(ctx, cfg)
			if err == nil {
				r.Close()
				t.Fatal("got an allocation")
			}
			if !strings.Contains(err.Error(), tc.text) || !strings.Contains(err.Error(), cfg.Server.String()) ||
				errors.Is(err, ErrRefused) != tc.refused || strings.Contains(err.Error(), turntest.Password) {
				t.Errorf("error %q", err)
			}
		})
	}
	if n := s.Allocations(); n != 0 {
		t.Errorf("%d allocations", n)
	}
}

func TestForbiddenPeer(t *testing.T) {
	waittest.NoLeaks(t)
	s := turntest.Start(t, turntest.Options{Permit: func(ip net.IP) bool { return ip.IsLoopback() }})
	cfg := on(s, UDP)
	var lost atomic.Int32
	cfg.Lost = func() { lost.Add(1) }
	r := allocated(t, cfg)
	r.Send(netip.MustParseAddrPort("192.0.2.1:9"), []byte("x"))
	waittest.Until(t, "the loss is told", func() bool { return lost.Load() == 1 })
	remote, addr := peer(t)
	r.Send(addr, []byte("y"))
	if n, _, err := remote.ReadFromUDPAddrPort(make([]byte, 10)); n != 1 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestManyRemotes: a relay is not made to keep more and more.
func TestManyRemotes(t *testing.T) {
	waittest.NoLeaks(t)
	s := turntest.Start(t, turntest.Options{})
	cfg := on(s, UDP)
	var lost atomic.Int32
	cfg.Lost = func() { lost.Add(1) }
	r := allocated(t, cfg)
	for i := range maxRemotes + 10 {
		to := netip.AddrPortFrom(netip.MustParseAddr("127.9.9.9"), uint16(1000+i))
		waittest.Until(t, "there is room", func() bool { return r.Send(to, []byte("x")) })
	}
	waittest.Until(t, "the loss is told", func() bool { return lost.Load() == 10 })
}

// TestDyingServer: the end of the server is the end of what is received.
func TestDyingServer(t *testing.T) {
	for _, by := range []Transport{UDP, TCP, TLS} {
		t.Run(string(by), func(t *testing.T) {
			waittest.NoLeaks(t)
			s := turntest.Start(t, turntest.Options{})
			r := allocated(t, on(s, by))
			remote, addr := peer(t)
			r.Send(addr, []byte("x"))
			if _, _, err := remote.ReadFromUDPAddrPort(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			s.Close()
			r.Send(addr, []byte("y")) // over UDP only that shows it
			// The cause is told, not what it led to.
			if _, err := r.Receive([]netio.Message{{Buf: make([]byte, 100)}}); err == nil || errors.Is(err, net.ErrClosed) ||
				strings.Contains(err.Error(), "closed") {
				t.Errorf("received something, or: %v", err)
			}
			r.Wait()
		})
	}
}

// TestRefresh: an allocation lives longer than it was made for.
func TestRefresh(t *testing.T) {
	waittest.NoLeaks(t)
	s := turntest.Start(t, turntest.Options{Lifetime: 3 * time.Second})
	r := allocated(t, on(s, UDP))
	time.Sleep(3500 * time.Millisecond)
	remote, addr := peer(t)
	r.Send(addr, []byte("x"))
	if n, _, err := remote.ReadFromUDPAddrPort(make([]byte, 10)); n != 1 || err != nil || s.Allocations() != 1 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestCancel(t *testing.T) {
	waittest.NoLeaks(t)
	_, addr := peer(t) // never answers
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := Allocate(ctx, Config{Server: Server{Transport: UDP, Host: "127.0.0.1", Port: addr.Port()}})
		done <- err
	}()
	cancel()
	if err := <-done; err == nil {
		t.Error("no error")
	}
}

func message(first byte, n int) []byte {
	b := make([]byte, 4, 4+n)
	b[0] = first
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	return append(b, make([]byte, n)...)
}

func TestMessages(t *testing.T) {
	stream := append(message(0, 8), make([]byte, 16)...) // STUN with 8 bytes of attributes
	stream = append(stream, message(0x40, 5)...)
	stream = append(stream, 0, 0, 0) // padding
	stream = append(stream, message(0x41, 400)...)
	stream = append(stream, message(0x4F, 4)...)
	stream = append(stream, 0x50)
	stream = append(stream, make([]byte, 10)...)
	r := bufio.NewReaderSize(bytes.NewReader(stream), 16)
	b := make([]byte, 100)
	for i, want := range []int{28, 12, 0, 8} {
		if n, err := readMessage(r, b); n != want || err != nil {
			t.Errorf("message %d: %d bytes, %v", i, n, err)
		}
	}
	if _, err := readMessage(r, b); !errors.Is(err, errFraming) {
		t.Errorf("%v for what is no message", err)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(message(0x40, 5))
	f.Add(append(message(0, 8), make([]byte, 16)...))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bufio.NewReader(bytes.NewReader(stream))
		b := make([]byte, 200)
		for left := len(stream); ; {
			n, err := readMessage(r, b)
			if n > len(b) || n > left {
				t.Fatalf("%d bytes of %d", n, left)
			}
			if err != nil {
				return
			}
			left -= n
		}
	})
}
