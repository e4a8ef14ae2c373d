package dtls

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bifrons/dtls/srtp"
	"bifrons/rtp/waittest"
)

// opensslPeer runs openssl in the given role and returns the keying material it
// exports, while an Endpoint in the other role talks to it by UDP.
func opensslPeer(t *testing.T, role Role, args ...string) {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl")
	}
	pair := certificates()[false]
	cert, key := blocks(t, pair[0])
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	peer := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	address := socket.LocalAddr().String()
	if role == Client { // openssl listens: on a port that was free a moment ago
		spare, err := net.ListenUDP("udp", peer)
		if err != nil {
			t.Fatal(err)
		}
		peer = spare.LocalAddr().(*net.UDPAddr)
		address = peer.String()
		spare.Close()
		args = append([]string{"s_server", "-accept", address, "-Verify", "1"}, args...)
	} else {
		args = append([]string{"s_client", "-connect", address}, args...)
	}
	args = append(args, "-dtls1_2", "-cert", write(t, "c.pem", cert), "-key", write(t, "k.pem", key),
		"-keymatexport", exporterLabel, "-keymatexportlen", "56")
	cmd := exec.Command(openssl, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	material := make(chan []byte, 1)
	go func() { // reads until openssl ends
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if _, text, ok := strings.Cut(lines.Text(), "Keying material: "); ok {
				b, _ := hex.DecodeString(text)
				material <- b
			}
		}
	}()

	connected, closed := make(chan srtp.Keys, 1), make(chan Reason, 1)
	var to atomic.Pointer[net.UDPAddr]
	if role == Client {
		to.Store(peer)
	}
	e := Start(Config{
		Certificate: pair[1], Role: role, Remote: Fingerprints{sha256Of(t, pair[0])},
		Send: func(b []byte) {
			_, _ = socket.WriteToUDP(b, to.Load())
		},
		OnConnected: func(k srtp.Keys) { connected <- k },
		OnClosed:    func(r Reason) { closed <- r },
	})
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		b := make([]byte, 2048)
		for {
			n, addr, err := socket.ReadFromUDP(b)
			if err != nil {
				return
			}
			to.Store(addr)
			e.Deliver(b[:n])
		}
	}()
	defer func() { e.Close(); <-e.Done(); socket.Close(); <-reading }()

	deadline := time.After(waittest.Patience)
	var keys srtp.Keys
	select {
	case keys = <-connected:
	case r := <-closed:
		t.Fatal(r)
	case <-deadline:
		t.Fatal("no handshake")
	}
	want := append([]byte{}, keys.LocalKey...)
	want = append(append(append(want, keys.RemoteKey...), keys.LocalSalt...), keys.RemoteSalt...)
	if role == Server {
		want = append([]byte{}, keys.RemoteKey...)
		want = append(append(append(want, keys.LocalKey...), keys.RemoteSalt...), keys.LocalSalt...)
	}
	select {
	case got := <-material:
		if !bytes.Equal(got[:len(want)], want) {
			t.Errorf("openssl exports %x, we %x", got, want)
		}
	case <-deadline:
		t.Fatal("openssl exports nothing")
	}
	_ = stdin.Close()
}

func TestOpenSSL(t *testing.T) {
	for _, role := range []Role{Client, Server} {
		t.Run(role.String(), func(t *testing.T) {
			opensslPeer(t, role, "-use_srtp", "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80")
		})
	}
}
