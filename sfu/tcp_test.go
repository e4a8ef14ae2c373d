package sfu

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"bifrons/dtls"
	"bifrons/ice"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
)

// tcpClient is the active side of ICE-TCP, with just enough of ICE.
type tcpClient struct {
	t    *testing.T
	conn net.Conn
}

func dialTCP(t *testing.T, p *Peer) *tcpClient {
	t.Helper()
	for _, c := range p.Candidates() {
		if c.Transport == "tcp" {
			conn, err := net.Dial("tcp", c.Addr.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			_ = conn.SetDeadline(time.Now().Add(patience))
			return &tcpClient{t, conn}
		}
	}
	t.Fatalf("no TCP candidate in %v", p.Candidates())
	return nil
}

// check sends a connectivity check with USE-CANDIDATE.
func (c *tcpClient) check(to ice.Credentials, from string) {
	c.t.Helper()
	m := stun.MustBuild(stun.TransactionID, stun.BindingRequest,
		stun.NewUsername(to.Ufrag+":"+from),
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)},
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{1, 2, 3, 4}},
		stun.RawAttribute{Type: stun.AttrUseCandidate},
		stun.NewShortTermIntegrity(to.Pwd), stun.Fingerprint)
	c.write(m.Raw)
}

func (c *tcpClient) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)); err != nil {
		c.t.Fatal(err)
	}
}

// read returns the next frame, nil at the end.
func (c *tcpClient) read() []byte {
	c.t.Helper()
	var h [2]byte
	if _, err := io.ReadFull(c.conn, h[:]); err != nil {
		if e, ok := err.(net.Error); ok && e.Timeout() {
			c.t.Fatal("nothing came, not even the end")
		}
		return nil
	}
	b := make([]byte, binary.BigEndian.Uint16(h[:]))
	if _, err := io.ReadFull(c.conn, b); err != nil {
		c.t.Fatal(err)
	}
	return b
}

// until reads up to the first frame that matches.
func (c *tcpClient) until(what string, match func(b []byte) bool) {
	c.t.Helper()
	for b := c.read(); ; b = c.read() {
		if b == nil {
			c.t.Fatalf("the end, without %s", what)
		}
		if match(b) {
			return
		}
	}
}

// ended reads to the end.
func (c *tcpClient) ended() {
	for c.read() != nil {
	}
}

func isSuccess(b []byte) bool { return len(b) > 1 && b[0] == 1 && b[1] == 1 }
func isDTLS(b []byte) bool    { return len(b) > 0 && b[0] >= 20 && b[0] < 64 }

func tcpPeer(t *testing.T, change func(*Config)) (*Engine, *Peer, *events) {
	t.Helper()
	e := newEngine(t, func(c *Config) {
		c.ICETCP = true
		if change != nil {
			change(c)
		}
	})
	h := newEvents(t)
	p, err := e.NewPeer(PeerConfig{}, h)
	if err != nil {
		t.Fatal(err)
	}
	return e, p, h
}

var client = ice.Credentials{Ufrag: "clnt", Pwd: "clientpasswordclientpassword"}

// TestTCP: checks are answered over a TCP connection, and DTLS begins on it.
func TestTCP(t *testing.T) {
	for _, lite := range []bool{false, true} {
		t.Run(fmt.Sprintf("lite=%v", lite), func(t *testing.T) {
			waittest.NoLeaks(t)
			e, p, h := tcpPeer(t, func(c *Config) { c.Peers.Lite = lite })
			p.SetRemote(Remote{ICE: client, Fingerprints: fingerprint(t, e), Role: dtls.Client})
			c := dialTCP(t, p)
			c.check(p.ICE(), client.Ufrag)
			c.until("an answer", isSuccess)
			if !lite {
				// Nominated, but not before our own check is answered.
				c.until("a check", func(b []byte) bool {
					m := &stun.Message{Raw: b}
					if m.Decode() != nil || m.Type != stun.BindingRequest {
						return false
					}
					remote := c.conn.RemoteAddr().(*net.TCPAddr)
					c.write(stun.MustBuild(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess,
						&stun.XORMappedAddress{IP: remote.IP, Port: remote.Port},
						stun.NewShortTermIntegrity(client.Pwd), stun.Fingerprint).Raw)
					return true
				})
			}
			c.until("a DTLS hello", isDTLS)
			s := p.Snapshot().ICE
			if s.SelectedLocal.TCPType != "passive" || s.SelectedRemote.Addr.String() != c.conn.LocalAddr().String() {
				t.Errorf("selected %v, %v", s.SelectedLocal, s.SelectedRemote)
			}
			// Another connection of the same client, as after a change of network.
			again := dialTCP(t, p)
			again.check(p.ICE(), client.Ufrag)
			again.until("an answer", isSuccess)
			_ = c.conn.Close()
			waittest.Until(t, "the first path is given up", func() bool {
				s := p.Snapshot().ICE
				return !s.Selected || s.SelectedRemote.Addr.String() != c.conn.LocalAddr().String()
			})
			p.Close("done")
			h.await(EventClosed)
			again.ended()
		})
	}
}

// TestTCPStrangers: who cannot show the password of a peer gets nothing at all.
func TestTCPStrangers(t *testing.T) {
	waittest.NoLeaks(t)
	e, p, _ := tcpPeer(t, nil)
	wrong := p.ICE()
	wrong.Pwd += "x"
	for _, tc := range []struct {
		to   ice.Credentials
		drop media.Drop
	}{
		{ice.Credentials{Ufrag: "nobody", Pwd: "nobody"}, media.DropSTUNUsername},
		{wrong, media.DropSTUNIntegrity},
	} {
		before := e.Drops()[tc.drop]
		c := dialTCP(t, p)
		c.check(tc.to, "x")
		if b := c.read(); b != nil {
			t.Errorf("%v: answered with %d bytes", tc.drop, len(b))
		}
		if n := e.Drops()[tc.drop] - before; n != 1 {
			t.Errorf("%d dropped as %v", n, tc.drop)
		}
	}
	// An indication names nobody.
	c := dialTCP(t, p)
	c.write(stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodBinding, stun.ClassIndication)).Raw)
	c.ended()
}

// TestTCPManyOfOne: one peer holds a few connections only.
func TestTCPManyOfOne(t *testing.T) {
	waittest.NoLeaks(t)
	e, p, h := tcpPeer(t, nil)
	p.SetRemote(Remote{ICE: client, Fingerprints: fingerprint(t, e), Role: dtls.Client})
	taken := 0
	var all []*tcpClient
	for range 40 {
		c := dialTCP(t, p)
		c.check(p.ICE(), client.Ufrag)
		if b := c.read(); b != nil {
			taken++
			all = append(all, c)
		}
	}
	if taken < 2 || taken > 16 {
		t.Errorf("%d connections were taken", taken)
	}
	if n := e.Drops()[media.DropLinkLimit]; int(n) != 40-taken {
		t.Errorf("%d of %d refusals counted", n, 40-taken)
	}
	// One that ends makes room.
	_ = all[0].conn.Close()
	waittest.Until(t, "there is room", func() bool {
		c := dialTCP(t, p)
		c.check(p.ICE(), client.Ufrag)
		return c.read() != nil
	})
	p.Close("done")
	h.await(EventClosed)
	for _, c := range all[1:] {
		c.ended()
	}
}

// TestTCPGarbage: what comes by a good connection is judged as over UDP.
func TestTCPGarbage(t *testing.T) {
	waittest.NoLeaks(t)
	e, p, _ := tcpPeer(t, nil)
	p.SetRemote(Remote{ICE: client, Fingerprints: fingerprint(t, e), Role: dtls.Client})
	c := dialTCP(t, p)
	c.check(p.ICE(), client.Ufrag)
	c.until("an answer", isSuccess)
	c.write(make([]byte, 5000))
	c.write(nil)
	c.write([]byte{200})
	c.write(append([]byte{0x80, 96}, make([]byte, 100)...))
	for _, d := range []media.Drop{media.DropOversize, media.DropUnknownClass, media.DropRTPBeforeKeys} {
		waittest.Until(t, d.String(), func() bool { return e.Drops()[d] == 1 })
	}
	c.check(p.ICE(), client.Ufrag)
	c.until("an answer", isSuccess)
}

func TestTCPPorts(t *testing.T) {
	e := newEngine(t, func(c *Config) { c.Shards, c.ICETCP, c.PortMin, c.PortMax = 2, true, 42300, 42399 })
	for _, st := range e.sites {
		if p := st.tcp.Port(); p < 42300 || p > 42399 {
			t.Errorf("TCP port %d", p)
		}
	}
	e = newEngine(t, nil)
	p, _ := e.NewPeer(PeerConfig{}, newEvents(t))
	for _, c := range p.Candidates() {
		if c.Transport != "udp" {
			t.Errorf("candidate %v without ICE-TCP", c)
		}
	}
}
