package main

import (
	"fmt"
	"testing"

	"github.com/pion/webrtc/v4"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// pionPeer is a WebRTC client that negotiates by a handle.
type pionPeer struct {
	*webrtctest.Peer
	t testing.TB
	h *handle
}

// newPionReceiver makes a peer that sends nothing.
func newPionReceiver(t testing.TB, h *handle, o webrtctest.Options) *pionPeer {
	t.Helper()
	return &pionPeer{webrtctest.NewReceiver(t, o), t, h}
}

func newPionPeer(t testing.TB, h *handle, o webrtctest.Options) *pionPeer {
	t.Helper()
	return &pionPeer{webrtctest.NewPeer(t, o), t, h}
}

// call offers to the plugin with this request and applies its answer.
func (p *pionPeer) call(body message, options *webrtc.OfferOptions) message {
	p.t.Helper()
	offer, err := p.PC.CreateOffer(options)
	p.Must(err)
	p.setLocal(offer)
	p.h.message(body, p.jsep())
	m := p.h.awaitData("result", "ok")
	p.Accept(m.sdp())
	return m
}

// answer answers an offer of the plugin.
func (p *pionPeer) answer(offer message, body message) {
	p.t.Helper()
	p.Must(p.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.sdp()}))
	answer, err := p.PC.CreateAnswer(nil)
	p.Must(err)
	p.setLocal(answer)
	p.h.message(body, p.jsep())
	p.h.awaitData("result", "ok")
}

// setLocal applies the own description. Its candidates are trickled, or waited
// for.
func (p *pionPeer) setLocal(d webrtc.SessionDescription) {
	p.t.Helper()
	if !p.Options.Trickle {
		p.SetLocal(d, nil)
		return
	}
	p.SetLocal(d, func(c *webrtc.ICECandidate) {
		if c == nil {
			p.h.send(message{"janus": "trickle", "candidate": message{"completed": true}})
			return
		}
		p.h.send(message{"janus": "trickle", "candidate": c.ToJSON()})
	})
}

func (p *pionPeer) jsep() message {
	return message{"type": p.PC.LocalDescription().Type.String(), "sdp": p.Description(),
		"trickle": p.Options.Trickle, "force_relay": p.Options.ForceRelay}
}

// awaitUp waits until both sides say that media may flow.
func (p *pionPeer) awaitUp() {
	p.t.Helper()
	p.h.awaitKind("webrtcup")
	p.AwaitConnected()
}

// playAll plays and waits until everything came back.
func (p *pionPeer) playAll(m webrtctest.Pace) {
	p.t.Helper()
	p.Play(m)
	audio, video := p.Audio.Sent.Load(), p.Video.Sent.Load()
	defer func() {
		if p.t.Failed() {
			p.t.Logf("audio: %d of %d are missing; video: %d of %d",
				p.Heard.Missing(1, audio), audio, p.Seen.Missing(1, video), video)
		}
	}()
	waittest.Until(p.t, "everything came back", func() bool {
		return p.Heard.Missing(1, audio) == 0 && p.Seen.Missing(1, video) == 0
	})
}

// awaitFresh waits until audio and video come back that are sent from now on.
func (p *pionPeer) awaitFresh() {
	p.t.Helper()
	audio, video := p.Audio.Sent.Load(), p.Video.Sent.Load()
	waittest.Until(p.t, "fresh media comes back", func() bool {
		return p.Heard.Newest() > audio+10 && p.Seen.Newest() > video+10
	})
}

// awaitMedia waits for the events that tell that audio and video arrive.
func (p *pionPeer) awaitMedia() {
	p.t.Helper()
	got := map[string]bool{}
	p.h.await("media events of audio and video", func(m message) bool {
		if m["janus"] == "media" && m["receiving"] == true {
			got[fmt.Sprint(m["type"], m["mid"])] = true
		}
		return len(got) == 2
	})
	if !got["audio0"] || !got["video1"] {
		p.t.Errorf("media events of %v", got)
	}
}

// talk sends text and binary on the data channel and expects the plugin's
// prefix before the text that comes back.
func (p *pionPeer) talk(prefix string) {
	p.t.Helper()
	waittest.Closed(p.t, "the data channel", p.Open)
	p.Must(p.Channel.SendText("hello"))
	p.ExpectText(prefix + "hello")
	p.Must(p.Channel.Send([]byte{0, 1, 255}))
	p.ExpectText("<0001ff>")
}

// closeAndExpect closes the peer and checks what the server tells of it.
func (p *pionPeer) closeAndExpect(reason string) {
	p.t.Helper()
	p.Close()
	p.expectEnd(reason)
}

// expectEnd waits for the plugin's goodbye, then for the core's.
func (p *pionPeer) expectEnd(reason string) {
	p.t.Helper()
	p.h.awaitData("result", "done")
	if m := p.h.awaitKind("hangup"); m["reason"] != reason {
		p.t.Errorf("hangup reason %q, want %q", m["reason"], reason)
	}
}
