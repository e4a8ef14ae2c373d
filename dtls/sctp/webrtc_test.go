package sctp

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"bifrons/dtls"
	"bifrons/rtp/waittest"
)

// browser is a pion/webrtc peer in the place of one, with the channel janus.js
// opens.
type browser struct {
	pc      *webrtc.PeerConnection
	channel *webrtc.DataChannel
	got     chan string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{pc: pc, got: make(chan string, 100)}
	pc.OnDataChannel(b.listen)
	if b.channel, err = pc.CreateDataChannel(DefaultLabel, nil); err != nil {
		t.Fatal(err)
	}
	b.listen(b.channel)
	return b
}

func (b *browser) listen(c *webrtc.DataChannel) {
	c.OnMessage(func(m webrtc.DataChannelMessage) {
		b.got <- show(c.Label(), c.Protocol(), !m.IsString, m.Data)
	})
}

// connect answers the browser with our own stack over pion/ice, and returns it
// with the function that tears it down.
func connect(t *testing.T, b *browser, role dtls.Role) (*side, func()) {
	t.Helper()
	offer, err := b.pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(b.pc)
	if err := b.pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	theirs := b.pc.LocalDescription().SDP

	agent, err := ice.NewAgentWithOptions(
		ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4}),
		ice.WithIncludeLoopback(), ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled))
	if err != nil {
		t.Fatal(err)
	}
	ours := make(chan string, 100)
	if err := agent.OnCandidate(func(c ice.Candidate) {
		if c == nil {
			close(ours)
			return
		}
		ours <- "a=candidate:" + c.Marshal() + "\r\n"
	}); err != nil {
		t.Fatal(err)
	}
	if err := agent.GatherCandidates(); err != nil {
		t.Fatal(err)
	}
	var candidates strings.Builder
	for c := range ours {
		candidates.WriteString(c)
	}
	ufrag, pwd, err := agent.GetLocalUserCredentials()
	if err != nil {
		t.Fatal(err)
	}
	own, err := testCertificate().Fingerprint("sha-256")
	if err != nil {
		t.Fatal(err)
	}
	setup := map[dtls.Role]string{dtls.Client: "active", dtls.Server: "passive"}[role]
	answer := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"+
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\n"+
		"a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:%s %s\r\na=setup:%s\r\na=sctp-port:5000\r\n%sa=end-of-candidates\r\n",
		ufrag, pwd, own.Hash, own.Value, setup, candidates.String())
	if err := b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}

	attribute := func(name string) string {
		_, after, ok := strings.Cut(theirs, "a="+name+":")
		if !ok {
			t.Fatalf("no %s in the offer", name)
		}
		value, _, _ := strings.Cut(after, "\r\n")
		return value
	}
	for line := range strings.SplitSeq(theirs, "\r\n") {
		if text, ok := strings.CutPrefix(line, "a=candidate:"); ok {
			if c, err := ice.UnmarshalCandidate(text); err == nil {
				_ = agent.AddRemoteCandidate(c)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), waittest.Patience)
	defer cancel()
	path, err := agent.Accept(ctx, attribute("ice-ufrag"), attribute("ice-pwd"))
	if err != nil {
		t.Fatal(err)
	}
	hash, value, _ := strings.Cut(attribute("fingerprint"), " ")
	e, up := endpoint(t, role, dtls.Fingerprint{Hash: hash, Value: value}, func(p []byte) { _, _ = path.Write(p) })
	go func() {
		p := make([]byte, 2048)
		for {
			n, err := path.Read(p)
			if err != nil {
				return
			}
			e.Deliver(p[:n])
		}
	}()
	select {
	case <-up:
	case <-e.Done():
		t.Fatal("no handshake")
	case <-ctx.Done():
		t.Fatal("no handshake in time")
	}
	s := start(e.Conn(), role == dtls.Client)
	return s, func() {
		e.Close()
		<-e.Done()
		<-s.closed
		_ = agent.Close()
	}
}

func receive(t *testing.T, from <-chan string, want string) {
	t.Helper()
	select {
	case got := <-from:
		if got != want {
			t.Fatalf("got %.60q, want %.60q", got, want)
		}
	case <-time.After(waittest.Patience):
		t.Fatalf("no %.60q", want)
	}
}

// A pion/webrtc PeerConnection as the peer, in both DTLS roles; it calls at the
// same time as we do.
func TestWebRTC(t *testing.T) {
	for _, role := range []dtls.Role{dtls.Client, dtls.Server} {
		t.Run(role.String(), func(t *testing.T) {
			b := newBrowser(t)
			opened := make(chan struct{})
			b.channel.OnOpen(func() { close(opened) })
			s, tearDown := connect(t, b, role)

			// Ours goes first, and on the browser's channel.
			if err := s.Send("", "", false, []byte("welcome")); err != nil {
				t.Fatal(err)
			}
			<-opened
			receive(t, b.got, show(DefaultLabel, "", false, []byte("welcome")))
			if err := b.channel.SendText("hello"); err != nil {
				t.Fatal(err)
			}
			receive(t, s.got, show(DefaultLabel, "", false, []byte("hello")))
			if n := s.Stats().Channels; n != 1 {
				t.Error(n, "channels")
			}

			// A channel of theirs, unordered, with a protocol.
			no, twice, protocol := false, uint16(2), "v2"
			second, err := b.pc.CreateDataChannel("second", &webrtc.DataChannelInit{Ordered: &no, MaxRetransmits: &twice, Protocol: &protocol})
			if err != nil {
				t.Fatal(err)
			}
			b.listen(second)
			secondOpen := make(chan struct{})
			second.OnOpen(func() { close(secondOpen) })
			<-secondOpen
			large := make([]byte, 65535) // the most that pion takes
			if err := second.Send(large); err != nil {
				t.Fatal(err)
			}
			receive(t, s.got, show("second", "v2", true, large))
			if err := s.Send("second", "", true, large); err != nil {
				t.Fatal(err)
			}
			receive(t, b.got, show("second", "v2", true, large))

			// A channel of ours.
			if err := s.Send("ours", "v3", true, []byte{1, 2}); err != nil {
				t.Fatal(err)
			}
			receive(t, b.got, show("ours", "v3", true, []byte{1, 2}))

			// Empty messages, both ways.
			if err := b.channel.SendText(""); err != nil {
				t.Fatal(err)
			}
			receive(t, s.got, show(DefaultLabel, "", false, nil))
			if err := s.Send("", "", true, nil); err != nil {
				t.Fatal(err)
			}
			receive(t, b.got, show(DefaultLabel, "", true, nil))

			// The peer may close a channel and open another with its label.
			closed := make(chan struct{})
			second.OnClose(func() { close(closed) })
			if err := second.Close(); err != nil {
				t.Fatal(err)
			}
			<-closed // after our reset
			third, err := b.pc.CreateDataChannel("second", nil)
			if err != nil {
				t.Fatal(err)
			}
			b.listen(third)
			thirdOpen := make(chan struct{})
			third.OnOpen(func() { close(thirdOpen) })
			<-thirdOpen
			if err := third.SendText("again"); err != nil {
				t.Fatal(err)
			}
			receive(t, s.got, show("second", "", false, []byte("again")))
			if err := s.Send("second", "", false, []byte("and back")); err != nil {
				t.Fatal(err)
			}
			receive(t, b.got, show("second", "", false, []byte("and back")))

			tearDown()
			if err := b.pc.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
