package main

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/webrtc/v4"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
	"bifrons/sfu/webrtctest"
)

const (
	echoPackage = "janus.plugin.echotest"
	echoPrefix  = "Janus EchoTest here! You wrote: "
)

func echoRequest() message { return message{"audio": true, "video": true} }

// short is a little media.
var short = webrtctest.Pace{Frames: 60, Packets: 3, Every: 10 * time.Millisecond}

func lite(on bool) func(*config.Config) {
	return func(c *config.Config) { c.Server.NAT.ICELite = on }
}

// TestPionOffers: pion offers to the EchoTest, everything comes back.
func TestPionOffers(t *testing.T) {
	waittest.NoLeaks(t)
	const (
		gcm128 = dtls.SRTP_AEAD_AES_128_GCM
		gcm256 = dtls.SRTP_AEAD_AES_256_GCM
		sha80  = dtls.SRTP_AES128_CM_HMAC_SHA1_80
	)
	for _, tt := range []struct {
		name   string
		lite   bool
		setup  string // in pion's answer: its answer is the server's
		answer string
		o      webrtctest.Options
	}{
		{"full complete GCM-128", false, "actpass", "active", webrtctest.Options{Profile: gcm128}},
		{"full trickle GCM-256", false, "passive", "active", webrtctest.Options{Profile: gcm256, Trickle: true}},
		{"full complete SHA1-80 pion is client", false, "active", "passive", webrtctest.Options{Profile: sha80}},
		{"full trickle SHA1-80 no RTX", false, "actpass", "active", webrtctest.Options{Profile: sha80, Trickle: true, NoRTX: true}},
		{"lite trickle GCM-128 pion is client", true, "active", "passive", webrtctest.Options{Profile: gcm128, Trickle: true}},
		{"lite complete SHA1-80", true, "actpass", "active", webrtctest.Options{Profile: sha80}},
		{"lite complete GCM-256 no RTX pion is client", true, "active", "passive", webrtctest.Options{Profile: gcm256, NoRTX: true}},
		{"lite trickle anything", true, "passive", "active", webrtctest.Options{Trickle: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := testServer(t, lite(tt.lite))
			s.explain(t)
			tt.o.Setup = tt.setup
			p := newPionPeer(t, dial(t, s).attach(echoPackage), tt.o)
			p.AddChannel()
			text := p.call(echoRequest(), nil).sdp()
			if !strings.Contains(text, "a=setup:"+tt.answer+"\r\n") || strings.Contains(text, "a=ice-lite") != tt.lite {
				t.Errorf("answer:\n%s", text)
			}
			p.awaitUp()
			p.playAll(short)
			p.awaitMedia()
			p.talk(echoPrefix)
			p.Heard.Clean(t)
			p.Seen.Clean(t)
			if n := p.Nacked.Load(); n != 0 {
				t.Errorf("%d NACKs on a perfect network", n)
			}
			p.closeAndExpect("DTLS alert")
			s.awaitEmpty(t)
		})
	}
}

// explain logs the server's counts of drops if the test has failed.
func (s *server) explain(t testing.TB) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for i, n := range s.engine.Drops() {
			if n > 0 {
				t.Logf("dropped as %v: %d", media.Drop(i), n)
			}
		}
	})
}

// awaitEmpty waits until no peer connection is left.
func (s *server) awaitEmpty(t testing.TB) {
	t.Helper()
	waittest.Until(t, "no peer is left", func() bool {
		n := uint64(0)
		for _, st := range s.engine.Stats() {
			n += st.Shard.Peers
		}
		return n == 0
	})
}

// TestPionHangup: the client hangs up, then calls again on the same handle.
func TestPionHangup(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, nil)
	h := dial(t, s).attach(echoPackage)
	for range 2 {
		p := newPionPeer(t, h, webrtctest.Options{})
		p.call(echoRequest(), nil)
		p.awaitUp()
		p.playAll(webrtctest.Pace{Frames: 10, Packets: 2, Every: 10 * time.Millisecond})
		h.send(message{"janus": "hangup"})
		p.expectEnd("Janus API")
		waittest.Until(t, "pion hears of it", func() bool { return p.PC.ConnectionState() >= 5 })
		p.Close()
	}
	s.awaitEmpty(t)
}

// TestPionTakesTrickle: the server trickles its candidates, too.
func TestPionTakesTrickle(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, func(c *config.Config) { c.Server.NAT.FullTrickle = true })
	s.explain(t)
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{Trickle: true})
	if text := p.call(echoRequest(), nil).sdp(); strings.Contains(text, "a=candidate:") {
		t.Errorf("candidates in the answer:\n%s", text)
	}
	for {
		c, _ := p.h.awaitKind("trickle")["candidate"].(map[string]any)
		if c["completed"] == true {
			break
		}
		mid, _ := c["sdpMid"].(string)
		text, _ := c["candidate"].(string)
		p.Must(p.PC.AddICECandidate(webrtc.ICECandidateInit{Candidate: text, SDPMid: &mid}))
	}
	p.awaitUp()
	p.playAll(short)
}
