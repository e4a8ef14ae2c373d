package sctp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/dtls"
	"bifrons/dtls/srtp"
	"bifrons/rtp/waittest"
)

var testCertificate = sync.OnceValue(func() *dtls.Certificate {
	c, err := dtls.Generate(false)
	if err != nil {
		panic(err)
	}
	return c
})

func endpoint(t *testing.T, role dtls.Role, remote dtls.Fingerprint, send func([]byte)) (*dtls.Endpoint, <-chan struct{}) {
	t.Helper()
	up := make(chan struct{})
	return dtls.Start(dtls.Config{
		Certificate: testCertificate(), Role: role, Remote: dtls.Fingerprints{remote}, Send: send,
		OnConnected: func(srtp.Keys) { close(up) },
		OnClosed:    func(dtls.Reason) {},
	}), up
}

// DTLS and SCTP together, with a fifth of the datagrams lost, and more data than
// the queues below hold.
func TestOverDTLS(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			var losing sync.Mutex
			rnd := rand.New(rand.NewPCG(seed, 4))
			own, err := testCertificate().Fingerprint("sha-256")
			if err != nil {
				t.Fatal(err)
			}
			var ends [2]atomic.Pointer[dtls.Endpoint]
			to := func(i int) func([]byte) {
				return func(b []byte) {
					losing.Lock()
					lost := rnd.IntN(5) == 0
					losing.Unlock()
					if peer := ends[i].Load(); peer != nil && !lost {
						b = append([]byte(nil), b...)
						time.AfterFunc(10*time.Millisecond, func() { peer.Deliver(b) })
					}
				}
			}
			client, clientUp := endpoint(t, dtls.Client, own, to(1))
			ends[0].Store(client)
			server, serverUp := endpoint(t, dtls.Server, own, to(0))
			ends[1].Store(server)
			<-clientUp
			<-serverUp
			a, b := start(client.Conn(), true), start(server.Conn(), false)
			big := strings.Repeat("x", 20000)
			for i := range 20 {
				for _, s := range []*side{a, b} {
					if err := s.Send("x", "", false, fmt.Append(nil, i, big)); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i := range 20 {
				want := show("x", "", false, fmt.Append(nil, i, big))
				if got := <-a.got; got != want {
					t.Fatalf("%d: %.40q", i, got)
				}
				if got := <-b.got; got != want {
					t.Fatalf("%d: %.40q", i, got)
				}
			}
			// The end of SCTP does not end DTLS; the end of DTLS ends SCTP.
			a.Close()
			<-a.closed
			waittest.Pass(time.Second)
			if client.State() != dtls.Connected || server.State() != dtls.Connected {
				t.Error("DTLS ended with SCTP")
			}
			for client.State() != dtls.Closed || server.State() != dtls.Closed {
				client.Close() // its close_notify may get lost
				server.Close()
			}
			<-client.Done()
			<-server.Done()
			<-b.closed
			stop(t, []*side{a, b})
		})
	}
}
