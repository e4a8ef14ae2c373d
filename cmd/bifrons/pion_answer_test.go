package main

import (
	"strings"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/pion/webrtc/v4"

	"bifrons/rtp/waittest"
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
		o    peerOptions
	}{
		{"full complete GCM-256 pion is client", false, peerOptions{profile: dtls.SRTP_AEAD_AES_256_GCM, role: webrtc.DTLSRoleClient}},
		{"full trickle SHA1-80 pion is server", false, peerOptions{profile: dtls.SRTP_AES128_CM_HMAC_SHA1_80, role: webrtc.DTLSRoleServer, trickle: true}},
		{"lite trickle GCM-128 pion is client", true, peerOptions{profile: dtls.SRTP_AEAD_AES_128_GCM, role: webrtc.DTLSRoleClient, trickle: true}},
		{"lite complete anything pion is server no RTX", true, peerOptions{role: webrtc.DTLSRoleServer, noRTX: true}},
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
			p.addChannel()
			p.answer(offer, answerRequest())
			p.awaitUp()
			p.playAll(short)
			p.awaitMedia()
			p.talk("")
			p.heard.clean(t)
			p.seen.clean(t)
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
	p := newPionPeer(t, dial(t, s).attach(offererPackage), peerOptions{})
	first := p.askOffer(false)
	p.answer(first, answerRequest())
	p.awaitUp()
	p.keepPlaying(steady)
	p.awaitFresh()
	second := p.askOffer(true)
	if a := "a=ice-pwd:"; lineOf(first.sdp(), a) == lineOf(second.sdp(), a) {
		t.Error("the credentials are the old ones")
	}
	p.answer(second, answerRequest())
	p.awaitFresh()
	p.never("webrtcup", "hangup", "ice-failed")
}
