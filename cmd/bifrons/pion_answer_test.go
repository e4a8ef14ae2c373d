package main

import (
	"strings"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/pion/webrtc/v4"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// askOffer asks the offerer for an offer.
func (p *pionPeer) askOffer(restart bool) message {
	p.t.Helper()
	p.h.message(message{"request": "offer", "restart": restart}, nil)
	return p.h.awaitData("result", "offered")
}

func answerRequest() message { return message{"request": "answer"} }

// TestPionAnswers: the server offers, pion answers, everything comes back.
func TestPionAnswers(t *testing.T) {
	waittest.NoLeaks(t)
	for _, tt := range []struct {
		name string
		lite bool
		o    webrtctest.Options
	}{
		{"full complete GCM-256 pion is client", false, webrtctest.Options{Profile: dtls.SRTP_AEAD_AES_256_GCM, Role: webrtc.DTLSRoleClient}},
		{"full trickle SHA1-80 pion is server", false, webrtctest.Options{Profile: dtls.SRTP_AES128_CM_HMAC_SHA1_80, Role: webrtc.DTLSRoleServer, Trickle: true}},
		{"lite trickle GCM-128 pion is client", true, webrtctest.Options{Profile: dtls.SRTP_AEAD_AES_128_GCM, Role: webrtc.DTLSRoleClient, Trickle: true}},
		{"lite complete anything pion is server no RTX", true, webrtctest.Options{Role: webrtc.DTLSRoleServer, NoRTX: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := testServer(t, lite(tt.lite))
			s.explain(t)
			if err := s.core.AddPlugin(offerer{}); err != nil {
				t.Fatal(err)
			}
			p := newPionPeer(t, dial(t, s).attach(offererPackage), tt.o)
			offer := p.askOffer(false)
			if text := offer.sdp(); !strings.Contains(text, "a=setup:actpass\r\n") || strings.Contains(text, "a=ice-lite") != tt.lite {
				t.Errorf("offer:\n%s", text)
			}
			p.AddChannel()
			p.answer(offer, answerRequest())
			p.awaitUp()
			p.playAll(short)
			p.awaitMedia()
			p.talk("")
			p.Heard.Clean(t)
			p.Seen.Clean(t)
			p.closeAndExpect("DTLS alert")
			s.awaitEmpty(t)
		})
	}
}

// TestPionAnswersRestart: the server restarts ICE by an offer of its own.
func TestPionAnswersRestart(t *testing.T) {
	waittest.NoLeaks(t)
	s := testServer(t, nil)
	s.explain(t)
	if err := s.core.AddPlugin(offerer{}); err != nil {
		t.Fatal(err)
	}
	p := newPionPeer(t, dial(t, s).attach(offererPackage), webrtctest.Options{})
	first := p.askOffer(false)
	p.answer(first, answerRequest())
	p.awaitUp()
	p.KeepPlaying(steady)
	p.awaitFresh()
	second := p.askOffer(true)
	if a := "a=ice-pwd:"; lineOf(first.sdp(), a) == lineOf(second.sdp(), a) {
		t.Error("the credentials are the old ones")
	}
	p.answer(second, answerRequest())
	p.awaitFresh()
	p.never("webrtcup", "hangup", "ice-failed")
}
