package dtls

import (
	"bytes"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/dtls/srtp"
)

var allProfiles = []srtp.Profile{srtp.AEADAES128GCM, srtp.AEADAES256GCM, srtp.AES128CMSHA180, srtp.AES128CMSHA132}

// certificates are made once: keys are slow.
var certificates = sync.OnceValue(func() map[bool][2]*Certificate {
	made := map[bool][2]*Certificate{}
	for _, useRSA := range []bool{false, true} {
		var pair [2]*Certificate
		for i := range pair {
			c, err := Generate(useRSA)
			if err != nil {
				panic(err)
			}
			pair[i] = c
		}
		made[useRSA] = pair
	}
	return made
})

func sha256Of(t testing.TB, c *Certificate) Fingerprint {
	t.Helper()
	f, err := c.Fingerprint("sha-256")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// side is an endpoint with all it has reported.
type side struct {
	*Endpoint
	connected chan srtp.Keys // one, or closed by the end
	closed    chan Reason    // one
	closes    atomic.Int32
}

// link carries datagrams between two sides; lose decides for each.
type link struct {
	client, server atomic.Pointer[side]
	mu             sync.Mutex
	lose           func() bool
	late           atomic.Int32 // datagrams sent after OnClosed
}

func (l *link) lost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lose != nil && l.lose()
}

// start makes one side. change may alter the configuration.
func (l *link) start(t testing.TB, role Role, own, remote *Certificate, change func(*Config)) *side {
	t.Helper()
	s := &side{connected: make(chan srtp.Keys, 1), closed: make(chan Reason, 1)}
	known := make(chan struct{}) // to the peer
	to := &l.server
	if role == Server {
		to = &l.client
	}
	cfg := Config{
		Certificate: own, Role: role, Remote: Fingerprints{sha256Of(t, remote)},
		Send: func(b []byte) {
			<-known
			if s.closes.Load() > 0 {
				l.late.Add(1)
			}
			if peer := to.Load(); peer != nil && !l.lost() {
				peer.Deliver(b)
			}
		},
		OnConnected: func(k srtp.Keys) { s.connected <- k },
		OnClosed: func(r Reason) {
			s.closes.Add(1)
			close(s.connected)
			s.closed <- r
		},
	}
	if change != nil {
		change(&cfg)
	}
	s.Endpoint = Start(cfg)
	if role == Server {
		l.server.Store(s)
	} else {
		l.client.Store(s)
	}
	close(known)
	return s
}

// pair starts both sides.
func (l *link) pair(t testing.TB, useRSA bool, client, server func(*Config)) (*side, *side) {
	t.Helper()
	c := certificates()[useRSA]
	s := l.start(t, Server, c[1], c[0], server)
	return l.start(t, Client, c[0], c[1], client), s
}

// finish closes what is open and waits for it.
func finish(t testing.TB, l *link, sides ...*side) {
	t.Helper()
	for _, s := range sides {
		s.Close()
		<-s.Done()
		if n := s.closes.Load(); n != 1 {
			t.Errorf("OnClosed came %d times", n)
		}
		if s.State() != Closed || s.Deliver([]byte{22}) == Delivered {
			t.Error("not closed after Done")
		}
	}
	if n := l.late.Load(); n != 0 {
		t.Errorf("%d datagrams after OnClosed", n)
	}
}

func checkKeys(t *testing.T, a, b srtp.Keys, want srtp.Profile) {
	t.Helper()
	if a.Profile != want || b.Profile != want {
		t.Fatalf("profiles %v and %v, want %v", a.Profile, b.Profile, want)
	}
	if !bytes.Equal(a.LocalKey, b.RemoteKey) || !bytes.Equal(a.RemoteKey, b.LocalKey) ||
		!bytes.Equal(a.LocalSalt, b.RemoteSalt) || !bytes.Equal(a.RemoteSalt, b.LocalSalt) {
		t.Error("the keys of the sides do not match")
	}
	if len(a.LocalKey) != want.KeyLen() || len(a.LocalSalt) != want.SaltLen() || bytes.Equal(a.LocalKey, a.RemoteKey) {
		t.Error("malformed keys")
	}
	if _, err := srtp.NewSender(a.Profile, a.LocalKey, a.LocalSalt); err != nil {
		t.Error(err)
	}
}

func exchange(t *testing.T, a, b net.Conn) {
	t.Helper()
	buf := make([]byte, 8192)
	for _, size := range []int{1, 1191} {
		msg := bytes.Repeat([]byte{'x'}, size)
		if _, err := a.Write(msg); err != nil {
			t.Fatal(err)
		}
		n, err := b.Read(buf)
		if err != nil || !bytes.Equal(buf[:n], msg) {
			t.Fatalf("%d bytes of %d: %v", n, size, err)
		}
	}
}

// Every profile, both kinds of certificate, either side hanging up.
func TestConnect(t *testing.T) {
	for _, useRSA := range []bool{false, true} {
		for i, p := range allProfiles {
			synctest.Test(t, func(t *testing.T) {
				var l link
				only := func(c *Config) { c.Profiles = []srtp.Profile{p} }
				client, server := l.pair(t, useRSA, only, nil)
				checkKeys(t, <-client.connected, <-server.connected, p)
				if client.State() != Connected || client.Profile() != p || server.Profile() != p {
					t.Error("state or profile not reported")
				}
				exchange(t, client.Conn(), server.Conn())
				exchange(t, server.Conn(), client.Conn())
				first, second := client, server
				if i%2 == 1 {
					first, second = second, first
				}
				first.Close()
				if r := <-first.closed; r.Kind != LocalClose {
					t.Error("own close:", r)
				}
				if r := <-second.closed; r.Kind != PeerAlert {
					t.Error("close_notify:", r)
				}
				if client.Retransmissions()+server.Retransmissions() != 0 {
					t.Error("retransmissions without loss")
				}
				finish(t, &l, client, server)
			})
		}
	}
}

// The server's order decides, not the client's.
func TestProfilePreference(t *testing.T) {
	for _, c := range []struct {
		client, server []srtp.Profile
		want           srtp.Profile
	}{
		{nil, nil, srtp.AEADAES128GCM},
		{[]srtp.Profile{srtp.AES128CMSHA132, srtp.AES128CMSHA180, srtp.AEADAES256GCM, srtp.AEADAES128GCM}, nil, srtp.AEADAES128GCM},
		{[]srtp.Profile{srtp.AES128CMSHA132, srtp.AES128CMSHA180, srtp.AEADAES256GCM}, nil, srtp.AEADAES256GCM},
		{[]srtp.Profile{srtp.AES128CMSHA132, srtp.AES128CMSHA180}, nil, srtp.AES128CMSHA180},
		{nil, []srtp.Profile{srtp.AES128CMSHA132, srtp.AEADAES128GCM}, srtp.AES128CMSHA132},
	} {
		synctest.Test(t, func(t *testing.T) {
			var l link
			client, server := l.pair(t, false,
				func(cfg *Config) { cfg.Profiles = c.client }, func(cfg *Config) { cfg.Profiles = c.server })
			checkKeys(t, <-client.connected, <-server.connected, c.want)
			finish(t, &l, client, server)
		})
	}
}

func TestLoss(t *testing.T) {
	again := 0
	for seed := range uint64(15) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			l := link{lose: func() bool { return rnd.IntN(5) == 0 }}
			client, server := l.pair(t, seed%2 == 1, func(c *Config) { c.MTU = 400 }, func(c *Config) { c.MTU = 400 })
			begin := time.Now()
			checkKeys(t, <-client.connected, <-server.connected, srtp.AEADAES128GCM)
			t.Log("virtual time:", time.Since(begin))
			again += client.Retransmissions() + server.Retransmissions()
			finish(t, &l, client, server)
		})
	}
	if again == 0 {
		t.Error("no retransmission was counted")
	}
}

func TestMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l link
		var most atomic.Int32
		limit := func(c *Config) {
			c.MTU = 300
			send := c.Send
			c.Send = func(b []byte) {
				most.Store(max(most.Load(), int32(len(b))))
				send(b)
			}
		}
		client, server := l.pair(t, true, limit, limit)
		checkKeys(t, <-client.connected, <-server.connected, srtp.AEADAES128GCM)
		if n := most.Load(); n > 300 {
			t.Errorf("a datagram of %d bytes", n)
		}
		finish(t, &l, client, server)
	})
}

// ended starts a pair that shall not connect and returns both reasons.
func ended(t *testing.T, l *link, client, server *side) (Reason, Reason) {
	t.Helper()
	c, s := <-client.closed, <-server.closed
	for _, x := range []*side{client, server} {
		if k, ok := <-x.connected; ok {
			t.Errorf("keys of profile %v were handed out", k.Profile)
		}
	}
	finish(t, l, client, server)
	return c, s
}

func TestWrongFingerprint(t *testing.T) {
	wrong := func(c *Config) { c.Remote[0].Value = "GG" + c.Remote[0].Value[2:] }
	synctest.Test(t, func(t *testing.T) {
		var l link
		client, server := l.pair(t, false, wrong, nil)
		c, s := ended(t, &l, client, server)
		if c.Kind != BadFingerprint || s.Kind != PeerAlert {
			t.Error(c, s)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var l link
		client, server := l.pair(t, false, nil, wrong)
		c, s := ended(t, &l, client, server)
		if s.Kind != BadFingerprint || c.Kind != PeerAlert {
			t.Error(c, s)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var l link
		client, server := l.pair(t, false, nil, func(c *Config) { c.Remote[0].Hash = "md5" })
		if c, s := ended(t, &l, client, server); s.Kind != BadFingerprint || c.Kind != PeerAlert {
			t.Error(c, s)
		}
	})
}

func TestFingerprintCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l link
		lower := func(c *Config) {
			c.Remote[0].Value = strings.ToLower(c.Remote[0].Value)
			c.Remote[0].Hash = "SHA-256"
		}
		client, server := l.pair(t, false, lower, lower)
		checkKeys(t, <-client.connected, <-server.connected, srtp.AEADAES128GCM)
		finish(t, &l, client, server)
	})
}

func TestTimeout(t *testing.T) {
	for _, role := range []Role{Client, Server} {
		synctest.Test(t, func(t *testing.T) {
			var l link
			c := certificates()[false]
			begin := time.Now()
			s := l.start(t, role, c[0], c[1], nil)
			if r := <-s.closed; r.Kind != Timeout || time.Since(begin) != 20*time.Second {
				t.Error(r, time.Since(begin))
			}
			if role == Client && s.Retransmissions() < 5 {
				t.Error("only", s.Retransmissions(), "retransmissions in 20 s")
			}
			finish(t, &l, s)
		})
	}
}

func TestPeerVanishesInHandshake(t *testing.T) {
	for after := range 4 {
		synctest.Test(t, func(t *testing.T) {
			var sent int
			l := link{}
			l.lose = func() bool { sent++; return sent > after }
			client, server := l.pair(t, false, nil, nil)
			if r := <-client.closed; r.Kind != Timeout {
				t.Error(r)
			}
			// With the client's last flight the server had all it needs.
			if r := server.State(); (r == Connected) != (after == 3) {
				t.Errorf("%d datagrams: server state %v", after, r)
			}
			finish(t, &l, client, server)
		})
	}
}

func TestCloseAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // at once
		var l link
		client, server := l.pair(t, false, nil, nil)
		client.Close()
		server.Close()
		if r := <-client.closed; r.Kind != LocalClose {
			t.Error(r)
		}
		finish(t, &l, client, server)
	})
	for after := range 6 { // after each datagram, from inside Send
		synctest.Test(t, func(t *testing.T) {
			var l link
			var sent atomic.Int32
			var client atomic.Pointer[side]
			closing := func(c *Config) {
				send := c.Send
				c.Send = func(b []byte) {
					if n := sent.Add(1); int(n) > after && client.Load() != nil {
						client.Load().Close()
					}
					send(b)
				}
			}
			c := certificates()[false]
			server := l.start(t, Server, c[1], c[0], closing)
			client.Store(l.start(t, Client, c[0], c[1], closing))
			synctest.Wait()
			finish(t, &l, client.Load(), server)
		})
	}
	synctest.Test(t, func(t *testing.T) { // inside OnConnected
		var l link
		var client *side
		ready := make(chan struct{})
		c := certificates()[false]
		server := l.start(t, Server, c[1], c[0], nil)
		client = l.start(t, Client, c[0], c[1], func(cfg *Config) {
			cfg.OnConnected = func(srtp.Keys) { <-ready; client.Close() }
		})
		close(ready)
		if r := <-client.closed; r.Kind != LocalClose {
			t.Error(r)
		}
		if r := <-server.closed; r.Kind != PeerAlert {
			t.Error(r)
		}
		finish(t, &l, client, server)
	})
}
