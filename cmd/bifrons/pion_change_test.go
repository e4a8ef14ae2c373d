package main

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// steady is media that goes on.
var steady = webrtctest.Pace{Packets: 2, Every: 20 * time.Millisecond}

// lineOf is the first line of a description with this beginning.
func lineOf(text, prefix string) string {
	for line := range strings.SplitSeq(text, "\r\n") {
		if strings.HasPrefix(line, prefix) {
			return line
		}
	}
	return ""
}

// never fails the test if an event of this kind came, or waits to be read.
func (p *pionPeer) never(kinds ...string) {
	p.t.Helper()
	p.h.skip()
	for _, m := range p.h.seen {
		for _, k := range kinds {
			if m["janus"] == k {
				p.t.Errorf("unexpected event %v", m)
			}
		}
	}
}

// forLiteAndFull runs a test with both kinds of server at the same time.
func forLiteAndFull(t *testing.T, f func(t *testing.T, s *server, p *pionPeer)) {
	waittest.NoLeaks(t)
	for _, on := range []bool{false, true} {
		name := "full"
		if on {
			name = "lite"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testServer(t, lite(on))
			s.explain(t)
			p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{})
			f(t, s, p)
		})
	}
}

// TestPionRestartsICE: the client restarts ICE in mid-call.
func TestPionRestartsICE(t *testing.T) {
	forLiteAndFull(t, func(t *testing.T, s *server, p *pionPeer) {
		p.AddChannel()
		first := p.call(echoRequest(), nil).sdp()
		p.awaitUp()
		p.KeepPlaying(steady)
		p.awaitFresh()
		for range 2 {
			next := p.call(echoRequest(), &webrtc.OfferOptions{ICERestart: true}).sdp()
			for _, a := range []string{"a=ice-ufrag:", "a=ice-pwd:"} {
				if old := lineOf(first, a); old == "" || old == lineOf(next, a) {
					t.Errorf("%q was kept by the restart", old)
				}
			}
			for _, a := range []string{"a=fingerprint:", "a=setup:", "a=ssrc:"} {
				if old := lineOf(first, a); old == "" || old != lineOf(next, a) {
					t.Errorf("%q became %q by the restart", old, lineOf(next, a))
				}
			}
			first = next
			p.awaitFresh()
		}
		p.talk(echoPrefix)
		waittest.Until(t, "pion is connected again", func() bool {
			return p.PC.ICEConnectionState() == webrtc.ICEConnectionStateConnected
		})
		p.awaitFresh()
		p.never("webrtcup", "hangup", "ice-failed")
	})
}

// TestPionRenegotiates: the same transport again, with a data channel more.
func TestPionRenegotiates(t *testing.T) {
	forLiteAndFull(t, func(t *testing.T, s *server, p *pionPeer) {
		first := p.call(echoRequest(), nil).sdp()
		p.awaitUp()
		p.KeepPlaying(steady)
		p.awaitFresh()
		p.AddChannel()
		next := p.call(echoRequest(), nil).sdp()
		if a := "a=ice-ufrag:"; lineOf(first, a) != lineOf(next, a) {
			t.Errorf("%q became %q without a restart", lineOf(first, a), lineOf(next, a))
		}
		p.talk(echoPrefix)
		p.awaitFresh()
		p.never("webrtcup", "hangup", "ice-failed")
	})
}

// TestPionChangesAddress: the client's packets come from elsewhere in mid-call,
// and it does not even know.
func TestPionChangesAddress(t *testing.T) {
	forLiteAndFull(t, func(t *testing.T, s *server, p *pionPeer) {
		p.call(echoRequest(), nil)
		p.awaitUp()
		p.KeepPlaying(steady)
		p.awaitFresh()
		p.Wire.Move(t)
		p.awaitFresh()
		p.never("webrtcup", "hangup", "ice-failed")
		p.closeAndExpect("DTLS alert")
	})
}
