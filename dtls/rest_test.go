package dtls

import (
	"bytes"
	"encoding/binary"
	"sync"
	"testing"
	"testing/synctest"

	"bifrons/dtls/srtp"
	"bifrons/rtp/waittest"
)

// wire notes what a side sends, and that it never uses a number twice under
// its keys.
type wire struct {
	t    *testing.T
	mu   sync.Mutex
	sent [][]byte
	seen map[uint64]bool
}

func (w *wire) tap(c *Config) {
	w.seen = map[uint64]bool{}
	send := c.Send
	c.Send = func(b []byte) {
		w.mu.Lock()
		w.sent = append(w.sent, bytes.Clone(b))
		for rest := b; len(rest) > 0; {
			number := binary.BigEndian.Uint64(rest[3:]) // epoch and sequence number
			if number>>48 > 0 && w.seen[number] {
				w.t.Errorf("record %x was sent twice", number)
			}
			w.seen[number] = true
			_, rest, _ = nextRecord(rest)
		}
		w.mu.Unlock()
		send(b)
	}
}

// connected starts both sides and waits for their keys.
func (l *link) connected(t *testing.T, client, server func(*Config)) (*side, *side) {
	t.Helper()
	c, s := l.pair(t, false, client, server)
	checkKeys(t, <-c.connected, <-s.connected, srtp.AEADAES128GCM)
	return c, s
}

// rests reports whether a side is without a connection.
func (s *side) rests() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rest != nil && s.conn == nil
}

// Either side or both rest; either hangs up. The other hears of it.
func TestRest(t *testing.T) {
	for mask := 1; mask <= 3; mask++ {
		for first := range 2 {
			synctest.Test(t, func(t *testing.T) {
				var l link
				wires := [2]wire{{t: t}, {t: t}}
				client, server := l.connected(t, wires[0].tap, wires[1].tap)
				sides := [2]*side{client, server}
				synctest.Wait() // the last flight has arrived
				for i, s := range sides {
					if mask&(1<<i) != 0 {
						s.Rest()
						s.Rest()
					}
				}
				synctest.Wait()
				for i, s := range sides {
					if want := mask&(1<<i) != 0; s.rests() != want {
						t.Errorf("side %d rests: %v", i, !want)
					}
				}
				sides[first].Close()
				if r := <-sides[1-first].closed; r.Kind != PeerAlert {
					t.Error(r)
				}
				finish(t, &l, client, server)
			})
		}
	}
}

// Application data wakes, from either side, and one that has data never rests.
func TestRestEndsWithData(t *testing.T) {
	for first := range 2 {
		synctest.Test(t, func(t *testing.T) {
			var l link
			wires := [2]wire{{t: t}, {t: t}}
			client, server := l.connected(t, wires[0].tap, wires[1].tap)
			client.Rest()
			server.Rest()
			synctest.Wait()
			a, b := client, server
			if first == 1 {
				a, b = b, a
			}
			exchange(t, a.Conn(), b.Conn())
			exchange(t, b.Conn(), a.Conn())
			client.Rest()
			server.Rest()
			synctest.Wait()
			exchange(t, a.Conn(), b.Conn())
			exchange(t, b.Conn(), a.Conn())
			finish(t, &l, client, server)
		})
	}
}

// Conn after the end of a resting association is a connection that is closed.
func TestRestThenCloseThenConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l link
		client, server := l.connected(t, nil, nil)
		server.Rest()
		synctest.Wait()
		finish(t, &l, server, client)
		if _, err := server.Conn().Read(make([]byte, packetSize)); err == nil {
			t.Error("something was read")
		}
	})
}

// What wakes it does so for a while.
func TestRestComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l link
		client, server := l.connected(t, nil, nil)
		for range 3 {
			server.Rest()
			synctest.Wait()
			server.Deliver(rec(alertRecord, 1, make([]byte, 30)...))
			synctest.Wait()
			if server.rests() {
				t.Error("asleep after a record")
			}
			waittest.Pass(restAgain)
			if !server.rests() {
				t.Error("awake, long after the record")
			}
		}
		finish(t, &l, server, client)
	})
}

// All that was ever sent to a resting side, once more, and noise: it keeps its
// keys and hears the end.
func TestRestIsDisturbed(t *testing.T) {
	for _, noise := range [][]byte{nil, rec(alertRecord, 1, make([]byte, 30)...), rec(handshakeRecord, 0, make([]byte, 40)...)} {
		synctest.Test(t, func(t *testing.T) {
			var l link
			w := wire{t: t}
			client, server := l.connected(t, w.tap, nil)
			server.Rest()
			synctest.Wait()
			if noise != nil {
				server.Deliver(noise)
			} else {
				w.mu.Lock()
				for _, b := range w.sent {
					server.Deliver(b)
				}
				w.mu.Unlock()
			}
			synctest.Wait()
			if server.State() != Connected || client.State() != Connected {
				t.Fatal(server.State(), client.State())
			}
			client.Close()
			if r := <-server.closed; r.Kind != PeerAlert {
				t.Error(r)
			}
			finish(t, &l, client, server)
		})
	}
}

// Rest, Conn, Deliver and Close at the same time.
func TestRestRaces(t *testing.T) {
	for i := range 200 {
		synctest.Test(t, func(t *testing.T) {
			var l link
			wires := [2]wire{{t: t}, {t: t}}
			client, server := l.connected(t, wires[0].tap, wires[1].tap)
			calls := []func(){server.Rest, client.Rest, client.Close, func() { server.Deliver(rec(alertRecord, 1, make([]byte, 30)...)) }, func() {
				if i%2 == 0 {
					_, _ = server.Conn().Read(make([]byte, packetSize))
				}
			}}
			for j := range calls {
				go calls[(i+j)%len(calls)]()
			}
			if r := <-server.closed; r.Kind != PeerAlert {
				t.Error(r)
			}
			finish(t, &l, client, server)
		})
	}
}
