package main

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/stun/v3"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
	"bifrons/sfu/webrtctest"
)

// oneLoop lets a test know the port of the media.
func oneLoop(c *config.Config) { c.Server.General.EventLoops = 1 }

// stranger is a socket that nobody has told the server of.
type stranger struct {
	t    *testing.T
	conn *net.UDPConn
	to   *net.UDPAddr
}

func newStranger(t *testing.T, s *server) *stranger {
	t.Helper()
	x := &stranger{t, webrtctest.ListenUDP(t, "127.0.0.1"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(s.engine.Stats()[0].Port)}}
	t.Cleanup(func() { _ = x.conn.Close() })
	return x
}

func (x *stranger) send(b []byte) {
	if _, err := x.conn.WriteTo(b, x.to); err != nil {
		x.t.Error(err)
	}
}

// silence fails the test if anything was answered.
func (x *stranger) silence() {
	x.t.Helper()
	_ = x.conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	b := make([]byte, 2000)
	if n, _, err := x.conn.ReadFrom(b); err == nil {
		x.t.Errorf("a stranger was answered: %x", b[:n])
	}
}

// samples keeps the newest datagram of each kind that a peer sends.
type samples struct {
	mu                           sync.Mutex
	rtp, rtcp, hello, rec, check []byte // check: of the server's
}

func (k *samples) watch(d webrtctest.Direction, b []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case d == webrtctest.In:
		if b[0] == 0 && b[1] == 1 {
			k.check = append([]byte(nil), b...)
		}
	case webrtctest.IsMedia(b) && b[1] >= 192 && b[1] <= 223:
		k.rtcp = append([]byte(nil), b...)
	case webrtctest.IsMedia(b) && b[1]&0x7f == webrtctest.VP8Payload:
		k.rtp = append([]byte(nil), b...)
	case len(b) > 13 && b[0] == 22 && b[13] == 1 && k.hello == nil:
		k.hello = append([]byte(nil), b...)
	case len(b) > 13 && b[0] == 23:
		k.rec = append([]byte(nil), b...)
	}
}

// get waits until there is one of each.
func (k *samples) get(t *testing.T) (rtp, rtcp, hello, rec, check []byte) {
	t.Helper()
	waittest.Until(t, "a sample of each datagram", func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		rtp, rtcp, hello, rec, check = k.rtp, k.rtcp, k.hello, k.rec, k.check
		return rtp != nil && rtcp != nil && hello != nil && rec != nil && check != nil
	})
	return rtp, rtcp, hello, rec, check
}

// changed is a datagram with a bit flipped; negative places count from the end.
func changed(b []byte, at int) []byte {
	b = append([]byte(nil), b...)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 4
	return b
}

func bindingRequest(t *testing.T, more ...stun.Setter) []byte {
	t.Helper()
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

// credentials are what checks of the server need: both user fragments and the
// server's password.
func (p *pionPeer) credentials(answer string) (username stun.Username, pwd string) {
	remote := strings.TrimPrefix(lineOf(answer, "a=ice-ufrag:"), "a=ice-ufrag:")
	local := strings.TrimPrefix(lineOf(p.PC.LocalDescription().SDP, "a=ice-ufrag:"), "a=ice-ufrag:")
	return stun.NewUsername(remote + ":" + local), strings.TrimPrefix(lineOf(answer, "a=ice-pwd:"), "a=ice-pwd:")
}

// expectDrop sends a datagram and waits until it is counted, once, and for no
// other reason. It sends it again if something else was, as a late retransmission is.
func (s *server) expectDrop(t *testing.T, want media.Drop, send func()) {
	t.Helper()
	var wrong []string
	for range 5 {
		before := s.engine.Drops()
		send()
		waittest.Until(t, "it is counted as "+want.String(), func() bool { return s.engine.Drops()[want] > before[want] })
		wrong = nil
		for i, n := range s.engine.Drops() {
			if grown := n - before[i]; grown > 1 || grown == 1 && media.Drop(i) != want {
				wrong = append(wrong, fmt.Sprintf("as %v %d times", media.Drop(i), grown))
			}
		}
		if wrong == nil {
			return
		}
	}
	t.Errorf("counted %v", wrong)
}

// Bytes whose change makes a packet a newer one: of the RTP sequence number, and
// of the SRTCP index with GCM (RFC 7714, 9.2).
const (
	seqHigh   = 2
	indexHigh = -2
)

// TestPionHostileDatagrams: one of each kind changes nothing.
func TestPionHostileDatagrams(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, oneLoop)
	s.explain(t)
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{Setup: "active", Profile: dtls.SRTP_AEAD_AES_128_GCM})
	var k samples
	p.Wire.Watch(k.watch)
	p.AddChannel()
	username, pwd := p.credentials(p.call(echoRequest(), nil).sdp())
	p.awaitUp()
	stop := p.KeepPlaying(steady)
	p.awaitFresh()
	p.talk(echoPrefix)
	rtp, rtcp, hello, record, check := k.get(t)
	key := string(check[8:12]) // begins the ids of the server's transactions with this peer
	good, bad := stun.NewShortTermIntegrity(pwd), stun.NewShortTermIntegrity("of somebody else")
	response := func(transaction string) []byte {
		id := stun.NewTransactionIDSetter([stun.TransactionIDSize]byte([]byte(transaction)))
		m, err := stun.Build(id, stun.BindingSuccess, good, stun.Fingerprint)
		p.Must(err)
		return m.Raw
	}
	alert := []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40}
	x := newStranger(t, s)
	for _, tt := range []struct {
		name        string
		b           []byte
		fromX, from media.Drop // reasons from a stranger and from the peer, 0 = not tried
	}{
		{"nothing", nil, media.DropEmpty, media.DropEmpty},
		{"garbage", []byte{0xff, 1, 2, 3}, media.DropUnknownPeer, media.DropUnknownClass},
		{"TURN channel", []byte{0x40, 1, 0, 4, 1, 2, 3, 4}, media.DropUnknownPeer, media.DropUnknownClass},
		{"jumbo", make([]byte, 9000), media.DropOversize, media.DropOversize},
		{"short RTP", rtp[:11], media.DropUnknownPeer, media.DropRTPMalformed},
		{"truncated RTP", changed(rtp, seqHigh)[:30], media.DropUnknownPeer, media.DropSRTPAuth},
		{"tampered RTP", changed(rtp, seqHigh), media.DropUnknownPeer, media.DropSRTPAuth},
		{"replayed RTP", rtp, media.DropUnknownPeer, media.DropSRTPReplay},
		{"short RTCP", rtcp[:10], media.DropUnknownPeer, media.DropSRTPAuth},
		{"tampered RTCP", changed(rtcp, indexHigh), media.DropUnknownPeer, media.DropSRTPAuth},
		{"replayed RTCP", rtcp, media.DropUnknownPeer, media.DropSRTPReplay},
		{"ClientHello", hello, media.DropUnknownPeer, 0},
		{"fatal alert", alert, media.DropUnknownPeer, media.DropDTLSRefused},
		{"replayed record", record, media.DropUnknownPeer, 0},
		{"tampered record", changed(record, -1), media.DropUnknownPeer, 0},
		{"STUN header", bindingRequest(t)[:12], media.DropUnknownPeer, media.DropSTUNMalformed},
		{"truncated STUN", bindingRequest(t, username, good)[:40], media.DropUnknownPeer, media.DropSTUNMalformed},
		{"STUN without anything", bindingRequest(t), media.DropUnknownPeer, media.DropSTUNUsername},
		{"STUN without integrity", bindingRequest(t, username), media.DropSTUNIntegrity, media.DropSTUNIntegrity},
		{"STUN with wrong integrity", bindingRequest(t, username, bad), media.DropSTUNIntegrity, media.DropSTUNIntegrity},
		{"STUN with wrong fingerprint", changed(bindingRequest(t, username, good, stun.Fingerprint), -1),
			media.DropSTUNMalformed, media.DropSTUNMalformed},
		{"STUN for nobody", bindingRequest(t, stun.NewUsername("nobody:nowhere"), good), media.DropSTUNUsername, media.DropSTUNUsername},
		{"STUN response", response(key + "anything"), media.DropSTUNTransaction, media.DropSTUNTransaction},
		{"STUN response to nobody", response("nobody knows"), media.DropUnknownPeer, media.DropUnknownPeer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.expectDrop(t, tt.fromX, func() { x.send(tt.b) })
			if tt.from != 0 {
				s.expectDrop(t, tt.from, func() { p.Wire.Inject(tt.b) })
			} else {
				p.Wire.Inject(tt.b)
			}
		})
	}
	x.silence()
	p.awaitFresh()
	p.talk(echoPrefix)
	stop()
	p.Seen.Clean(t)
	p.never("hangup", "ice-failed")
	p.closeAndExpect("DTLS alert")
}

// TestPionHelloFlood: a flood of ClientHellos, from a stranger and in the name
// of the peer.
func TestPionHelloFlood(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, oneLoop)
	s.explain(t)
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{Setup: "active"})
	var k samples
	p.Wire.Watch(k.watch)
	p.AddChannel()
	p.call(echoRequest(), nil)
	p.awaitUp()
	p.KeepPlaying(steady)
	p.awaitFresh()
	_, _, hello, _, _ := k.get(t)
	x := newStranger(t, s)
	const flood, batch = 10000, 100
	before := s.engine.Drops()[media.DropUnknownPeer]
	for n := uint64(batch); n <= flood; n += batch {
		for range batch {
			x.send(hello)
			p.Wire.Inject(hello)
		}
		waittest.Until(t, "the flood is counted", func() bool {
			return s.engine.Drops()[media.DropUnknownPeer] >= before+n
		})
	}
	x.silence()
	p.awaitFresh()
	p.talk(echoPrefix)
	p.never("hangup", "ice-failed")
	p.closeAndExpect("DTLS alert")
}

// TestPionBeforeICE: somebody who passes the checks, but has not been
// nominated, gets no handshake and no media in.
func TestPionBeforeICE(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, oneLoop)
	s.explain(t)
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{Edit: func(text string) string {
		return webrtctest.WithoutLines(text, "a=candidate:")
	}})
	offer, err := p.PC.CreateOffer(nil)
	p.Must(err)
	p.setLocal(offer)
	p.h.message(echoRequest(), p.jsep())
	username, pwd := p.credentials(p.h.awaitData("result", "ok").sdp())
	hello := append([]byte{22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1}, make([]byte, 59)...)
	sound := append([]byte{0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7}, make([]byte, 40)...)

	x := newStranger(t, s)
	s.expectDrop(t, media.DropUnknownPeer, func() { x.send(hello) })
	x.silence()
	x.send(bindingRequest(t, username, stun.NewShortTermIntegrity(pwd), stun.Fingerprint))
	b := make([]byte, 2000)
	_ = x.conn.SetReadDeadline(time.Now().Add(patience))
	if n, _, err := x.conn.ReadFrom(b); err != nil || !stun.IsMessage(b[:n]) {
		t.Fatalf("a good check was not answered: %v", err)
	}
	s.expectDrop(t, media.DropDTLSEarly, func() { x.send(hello) })
	s.expectDrop(t, media.DropRTPBeforeKeys, func() { x.send(sound) })
	p.never("webrtcup", "media")
	p.h.send(message{"janus": "hangup"})
	p.expectEnd("Janus API")
}

// TestPionWrongFingerprint: the certificate is not the one that was promised.
func TestPionWrongFingerprint(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, nil)
	s.explain(t)
	for _, setup := range []string{"active", "passive"} {
		t.Run(setup, func(t *testing.T) {
			p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{Setup: setup, Edit: otherFingerprint})
			p.call(echoRequest(), nil)
			p.KeepPlaying(steady)
			p.expectEnd("DTLS alert")
			p.never("webrtcup", "media")
			if n := p.Seen.Count() + p.Heard.Count(); n != 0 {
				t.Errorf("%d packets came back", n)
			}
		})
	}
	s.awaitEmpty(t)
}

// otherFingerprint changes the last digit of every fingerprint.
func otherFingerprint(text string) string {
	lines := strings.Split(text, "\r\n")
	for i, l := range lines {
		if !strings.HasPrefix(l, "a=fingerprint:") {
			continue
		}
		last := "0"
		if strings.HasSuffix(l, last) {
			last = "1"
		}
		lines[i] = l[:len(l)-1] + last
	}
	return strings.Join(lines, "\r\n")
}
