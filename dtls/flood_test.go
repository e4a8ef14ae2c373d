package dtls

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/dtls/srtp"
)

// Without a reader application data must not stop alerts.
func TestUnwantedData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l link
		client, server := l.pair(t, false, nil, nil)
		<-client.connected
		<-server.connected
		conn := client.Conn()
		for range 3 * pipeLimit {
			if _, err := conn.Write([]byte("nobody reads this")); err != nil {
				t.Fatal(err)
			}
		}
		_ = conn.Close()
		if r := <-server.closed; r.Kind != PeerAlert {
			t.Error(r)
		}
		finish(t, &l, client, server)
	})
}

// A flood of anything fills the queue, not the memory, and the association
// survives what is not authentic.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l link
		client, server := l.pair(t, false, nil, nil)
		<-client.connected
		<-server.connected
		rnd := rand.New(rand.NewPCG(1, 2))
		refused := 0
		exchange(t, server.Conn(), client.Conn()) // wants data from here on
		for i := range 20000 {
			b := make([]byte, 14+rnd.IntN(100))
			for j := range b {
				b[j] = byte(rnd.Uint32())
			}
			b[0], b[1], b[2] = byte(20+i%6), 0xfe, 0xfd
			copy(b[3:], []byte{0, byte(i / 6 & 1), 0, 0, 0, 0, byte(i >> 8), byte(i), 0, byte(len(b) - 13)})
			if server.Deliver(b) != Delivered {
				refused++
			}
			if i%50 == 0 {
				synctest.Wait() // let them be read
			}
		}
		if refused == 0 {
			t.Error("nothing was refused")
		}
		for range 2 * pipeLimit { // more at once than the queue holds
			server.Deliver([]byte{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 9, 9, 0, 1, 0})
		}
		synctest.Wait()
		if server.State() != Connected {
			t.Fatal("forged datagrams ended the association")
		}
		exchange(t, client.Conn(), server.Conn())
		finish(t, &l, client, server)
	})
}

func TestOversizedAndEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l link
		c := certificates()[false]
		s := l.start(t, Server, c[0], c[1], nil)
		largest := make([]byte, packetSize+1)
		largest[0], largest[11], largest[12] = handshakeRecord, (packetSize-13)>>8, (packetSize-13)&0xff
		if s.Deliver(nil) == Delivered || s.Deliver(largest) == Delivered {
			t.Error("accepted")
		}
		if s.Deliver(largest[:packetSize]) != Delivered {
			t.Error("the largest datagram was refused")
		}
		finish(t, &l, s)
	})
}

func TestBadConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l link
		c := certificates()[false]
		for _, change := range []func(*Config){
			func(cfg *Config) { cfg.Certificate = nil },
			func(cfg *Config) { cfg.Profiles = []srtp.Profile{9} },
		} {
			s := l.start(t, Server, c[0], c[1], change)
			if r := <-s.closed; r.Kind != Failed || r.Text == "" {
				t.Error(r)
			}
			finish(t, &l, s)
		}
	})
}

func FuzzDeliver(f *testing.F) {
	c := certificates()[false]
	hello := make(chan []byte, 1)
	e := Start(Config{Certificate: c[0], Role: Client, Remote: Fingerprints{sha256Of(f, c[1])},
		Send: func(b []byte) {
			select {
			case hello <- bytes.Clone(b):
			default:
			}
		}, OnClosed: func(Reason) {}})
	seed := <-hello
	e.Close()
	<-e.Done()
	f.Add(seed, []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 40})
	f.Add(seed[:40], []byte{23, 0xfe, 0xfd, 0, 1})
	f.Add([]byte{20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, seed)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, role := range []Role{Client, Server} {
			e := Start(Config{Certificate: c[0], Role: role, Remote: Fingerprints{sha256Of(t, c[1])}, Timeout: time.Minute,
				Send:        func([]byte) {},
				OnConnected: func(srtp.Keys) { t.Error("connected") },
				OnClosed:    func(Reason) {}})
			e.Deliver(first)
			e.Deliver(second)
			e.Deliver(first)
			e.Close()
			<-e.Done()
		}
	})
}
