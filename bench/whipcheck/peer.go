package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

// peer is a client: pion, with media that is sent or counted.
type peer struct {
	*webrtc.PeerConnection
	stop   chan struct{}
	closed sync.Once

	audio, video atomic.Int64 // packets that came
}

// newPeer makes a client that publishes or plays.
func newPeer(publishes bool) (*peer, error) {
	var settings webrtc.SettingEngine
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	p := &peer{PeerConnection: pc, stop: make(chan struct{})}
	pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			if _, _, err := t.ReadRTP(); err != nil {
				return
			}
			if t.Kind() == webrtc.RTPCodecTypeAudio {
				p.audio.Add(1)
			} else {
				p.video.Add(1)
			}
		}
	})
	if publishes {
		return p, p.publish()
	}
	for _, k := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		if _, err := pc.AddTransceiverFromKind(k, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			return p, err
		}
	}
	return p, nil
}

// frameTime is the time between two frames, 25 a second.
const frameTime = 40 * time.Millisecond

// publish sends sound and pictures, each of which is a key frame.
func (p *peer) publish() error {
	audio, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "audio", "whipcheck")
	if err != nil {
		return err
	}
	video, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "whipcheck")
	if err != nil {
		return err
	}
	for _, t := range []*webrtc.TrackLocalStaticSample{audio, video} {
		tr, err := p.AddTransceiverFromTrack(t, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		if err != nil {
			return err
		}
		go func() { // its feedback
			b := make([]byte, 1500)
			for {
				if _, _, err := tr.Sender().Read(b); err != nil {
					return
				}
			}
		}()
	}
	picture := append([]byte{0x10, 2, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0}, make([]byte, 500)...)
	go func() {
		t := time.NewTicker(frameTime)
		defer t.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-t.C:
			}
			_ = audio.WriteSample(media.Sample{Data: []byte{0xfc, 0xff, 0xfe}, Duration: 20 * time.Millisecond})
			_ = video.WriteSample(media.Sample{Data: picture, Duration: frameTime})
		}
	}()
	return nil
}

// offer makes an offer with all candidates.
func (p *peer) offer(restart bool) (string, error) {
	d, err := p.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err != nil {
		return "", err
	}
	done := webrtc.GatheringCompletePromise(p.PeerConnection)
	if err := p.SetLocalDescription(d); err != nil {
		return "", err
	}
	<-done
	return p.LocalDescription().SDP, nil
}

// accept takes an answer.
func (p *peer) accept(answer string) error {
	return p.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
}

// until waits until something holds; false if it does not for long.
func until(limit time.Duration, f func() bool) bool {
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		if f() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// connects reports whether the connection comes up.
func (p *peer) connects() bool {
	return until(15*time.Second, func() bool { return p.ConnectionState() == webrtc.PeerConnectionStateConnected })
}

// ends reports whether the connection goes down.
func (p *peer) ends() bool {
	return until(40*time.Second, func() bool {
		s := p.ConnectionState()
		return s != webrtc.PeerConnectionStateConnected && s != webrtc.PeerConnectionStateConnecting
	})
}

// more reports whether media comes from now on.
func (p *peer) more() bool {
	a, v := p.audio.Load(), p.video.Load()
	return until(15*time.Second, func() bool { return p.audio.Load() > a && p.video.Load() > v })
}

func (p *peer) close() {
	p.closed.Do(func() {
		close(p.stop)
		_ = p.GracefulClose()
	})
}

// without takes lines out of a description.
func without(text string, prefixes ...string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		drop := false
		for _, p := range prefixes {
			drop = drop || strings.HasPrefix(line, p)
		}
		if !drop {
			b.WriteString(line)
		}
	}
	return b.String()
}

// fragment is the ICE part of a description, as a client sends it by PATCH.
func fragment(text string) string {
	var b strings.Builder
	sections := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "m=") {
			if sections++; sections > 1 {
				break
			}
			b.WriteString(line)
		}
		for _, p := range []string{"a=group", "a=mid", "a=ice-ufrag", "a=ice-pwd", "a=candidate", "a=end-of-candidates"} {
			if strings.HasPrefix(line, p) {
				b.WriteString(line)
			}
		}
	}
	return b.String()
}

// value is that of the first attribute of a name.
func value(text, name string) string {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, "a="+name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// merged is an answer with the transport of a fragment.
func merged(answer, frag string) string {
	var b strings.Builder
	for line := range strings.Lines(without(answer, "a=candidate", "a=end-of-candidates")) {
		for _, name := range []string{"ice-ufrag", "ice-pwd"} {
			if strings.HasPrefix(line, "a="+name+":") {
				line = fmt.Sprintf("a=%s:%s\r\n", name, value(frag, name))
			}
		}
		b.WriteString(line)
	}
	for line := range strings.Lines(frag) {
		if strings.HasPrefix(line, "a=candidate") {
			b.WriteString(line)
		}
	}
	return b.String()
}
