package plugintest

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin"
	"bifrons/rtp/waittest"
)

// Texts counts packets by the texts in them, which stand behind a bar.
type Texts struct {
	mu    sync.Mutex
	count map[string]int
}

// Hear counts a packet.
func (h *Texts) Hear(payload []byte) {
	_, text, _ := strings.Cut(string(payload), "|")
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count == nil {
		h.count = make(map[string]int)
	}
	h.count[text]++
}

// Heard is how many packets with a text have come.
func (h *Texts) Heard(text string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count[text]
}

// HearsMore waits until some more packets with each of the texts have come.
func (h *Texts) HearsMore(t testing.TB, texts ...string) {
	t.Helper()
	for _, text := range texts {
		n := h.Heard(text)
		waittest.Until(t, "more of "+text, func() bool { return h.Heard(text) > n+3 })
	}
}

// Quiet waits until no more packets with a text come.
func (h *Texts) Quiet(t testing.TB, text string) {
	t.Helper()
	last, since := -1, time.Now()
	waittest.Until(t, "no more of "+text, func() bool {
		if n := h.Heard(text); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
}

// Phone is a client with a WebRTC peer by pion whose packets name their sender and medium: "anna audio".
type Phone struct {
	*Client
	Texts
	Name string
	PC   *webrtc.PeerConnection // nil while it is unplugged
	PLIs atomic.Int64           // requests for key frames that came

	t      testing.TB
	stop   func()
	mute   sync.Mutex
	voices []func(n uint16)
}

// NewPhone makes a phone of a connected client. It is unplugged at the end of the test.
func NewPhone(t testing.TB, c *Client, name string) *Phone {
	p := &Phone{Client: c, Name: name, t: t}
	t.Cleanup(p.Unplug)
	return p
}

// PlugIn makes a new peer connection, which says something all the time: audio and video, as named.
func (p *Phone) PlugIn(ids ...string) {
	p.t.Helper()
	p.Unplug()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	p.Must(err)
	p.PC = pc
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			p.Hear(packet.Payload)
		}
	})
	for _, id := range ids {
		p.Say(id)
	}
	p.stop = Steadily(func(n uint16) {
		p.mute.Lock()
		defer p.mute.Unlock()
		for _, send := range p.voices {
			send(n)
		}
	})
}

// Unplug closes the peer connection, if there is one.
func (p *Phone) Unplug() {
	if p.PC == nil {
		return
	}
	p.stop()
	_ = p.PC.GracefulClose()
	p.PC, p.voices = nil, nil
}

// Steadily calls a function with rising numbers until it is stopped.
func Steadily(f func(n uint16)) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := uint16(1); ; n++ {
			f(n)
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	return sync.OnceFunc(func() { close(quit); <-done })
}

// Say adds a track that goes on as long as the phone is plugged in.
func (p *Phone) Say(id string) {
	p.t.Helper()
	send := p.Voice(id)
	p.mute.Lock()
	defer p.mute.Unlock()
	p.voices = append(p.voices, send)
}

// Voice adds a track: Opus if it is named audio, else VP8 with a key frame first, and when there was a request for one.
func (p *Phone) Voice(id string) (send func(n uint16)) {
	p.t.Helper()
	mime := webrtc.MimeTypeVP8
	if id == "audio" {
		mime = webrtc.MimeTypeOpus
	}
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, id, p.Name)
	p.Must(err)
	sender, err := p.PC.AddTrack(track)
	p.Must(err)
	go func() {
		for {
			list, _, err := sender.ReadRTCP()
			if err != nil {
				return
			}
			for _, r := range list {
				if _, is := r.(*rtcp.PictureLossIndication); is {
					p.PLIs.Add(1)
				}
			}
		}
	}()
	key := Packets(track, p.Name+" "+id, nil)
	if id == "audio" {
		return key
	}
	delta := packets(track, vp8Delta, 450, p.Name+" "+id, nil)
	answered := int64(-1) // requests for key frames
	return func(n uint16) {
		if asked := p.PLIs.Load(); asked != answered {
			answered = asked
			key(n)
		} else {
			delta(n)
		}
	}
}

// How frames of VP8 begin: key frames, and others.
var (
	vp8Key   = string([]byte{0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0})
	vp8Delta = string([]byte{0x10, 0x11, 0, 0})
)

// Packets sends packets with a text, and with header extensions; those of video are key frames.
func Packets(track *webrtc.TrackLocalStaticRTP, text string, ids map[uint8]string) (send func(n uint16)) {
	if track.Kind() == webrtc.RTPCodecTypeVideo {
		return packets(track, vp8Key, 450, text, ids)
	}
	return packets(track, "", 240, text, ids)
}

func packets(track *webrtc.TrackLocalStaticRTP, head string, step uint32, text string, ids map[uint8]string) (send func(n uint16)) {
	payload := []byte(head + "|" + text)
	return func(n uint16) {
		packet := &rtp.Packet{
			Header:  rtp.Header{Version: 2, Marker: true, SequenceNumber: n, Timestamp: uint32(n) * step},
			Payload: payload,
		}
		for id, value := range ids {
			_ = packet.SetExtension(id, []byte(value))
		}
		_ = track.WriteRTP(packet)
	}
}

// Must fails the test on an error.
func (p *Phone) Must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", p.Name, err)
	}
}

// Offer is a new offer.
func (p *Phone) Offer() *plugin.JSEP {
	p.t.Helper()
	d, err := p.PC.CreateOffer(nil)
	p.Must(err)
	return p.Remote("offer", p.Local(d))
}

// Answered is the answer to an offer.
func (p *Phone) Answered(offer string) *plugin.JSEP {
	p.t.Helper()
	p.Apply("offer", offer)
	d, err := p.PC.CreateAnswer(nil)
	p.Must(err)
	return p.Remote("answer", p.Local(d))
}

// Local sets a description of its own, and returns it with its candidates.
func (p *Phone) Local(d webrtc.SessionDescription) string {
	p.t.Helper()
	gathered := webrtc.GatheringCompletePromise(p.PC)
	p.Must(p.PC.SetLocalDescription(d))
	waittest.Closed(p.t, "the end of gathering", gathered)
	return p.PC.LocalDescription().SDP
}

// Apply takes a description of the server's.
func (p *Phone) Apply(typ, text string) {
	p.t.Helper()
	d := webrtc.SessionDescription{Type: webrtc.NewSDPType(typ), SDP: text}
	if err := p.PC.SetRemoteDescription(d); err != nil {
		p.t.Fatalf("%s: %v in\n%s", p.Name, err, text)
	}
}

// AwaitConnected waits until the peer connection is up.
func (p *Phone) AwaitConnected() {
	p.t.Helper()
	waittest.Until(p.t, p.Name+" is connected", func() bool { return p.PC.ConnectionState() == webrtc.PeerConnectionStateConnected })
}
