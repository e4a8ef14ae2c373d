package nosip

import (
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
	"bifrons/sfu"
)

// exchange is a server with two shards.
type exchange struct {
	*plugintest.Core
	t *testing.T
}

func newExchange(t *testing.T, general string) *exchange {
	t.Helper()
	p, _ := start(t, general) // whose file it takes
	return &exchange{plugintest.New(t, New(p.File.Folder), plugintest.Config{Engine: sfu.Config{Shards: 2}}), t}
}

// heard counts packets by the texts in them.
type heard struct {
	mu    sync.Mutex
	count map[string]int
}

func (h *heard) take(payload []byte) {
	_, text, _ := strings.Cut(string(payload), "|")
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count == nil {
		h.count = make(map[string]int)
	}
	h.count[text]++
}

func (h *heard) of(text string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count[text]
}

// hearsMore waits until some more packets with each of the texts have come.
func (h *heard) hearsMore(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		n := h.of(text)
		waittest.Until(t, "more of "+text, func() bool { return h.of(text) > n+3 })
	}
}

// quiet waits until no more packets with a text come.
func (h *heard) quiet(t *testing.T, text string) {
	t.Helper()
	last, since := -1, time.Now()
	waittest.Until(t, "no more of "+text, func() bool {
		if n := h.of(text); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
}

// phone is a handle with a WebRTC client that sends audio and video all the time.
type phone struct {
	*plugintest.Client
	heard
	t    *testing.T
	name string
	pc   *webrtc.PeerConnection
	plis atomic.Int64 // requests for key frames that came

	mute   sync.Mutex
	voices []func(n uint16)
}

// phone makes one that sends audio, and video.
func (x *exchange) phone(name string) *phone {
	x.t.Helper()
	p := x.telephone(name)
	p.voice(webrtc.MimeTypeVP8, "video")
	return p
}

// telephone makes one that sends audio.
func (x *exchange) telephone(name string) *phone {
	x.t.Helper()
	p := &phone{Client: x.Connect(plugintest.Options{}), t: x.t, name: name}
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	p.must(err)
	p.pc = pc
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			p.take(packet.Payload)
		}
	})
	p.voice(webrtc.MimeTypeOpus, "audio")
	stop := pace(func(n uint16) {
		p.mute.Lock()
		defer p.mute.Unlock()
		for _, send := range p.voices {
			send(n)
		}
	})
	x.t.Cleanup(func() {
		stop()
		_ = pc.GracefulClose()
	})
	return p
}

// pace calls a function with rising numbers until it is stopped.
func pace(f func(n uint16)) (stop func()) {
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

// How frames of VP8 begin: key frames, and others.
var (
	vp8Key   = string([]byte{0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0})
	vp8Delta = string([]byte{0x10, 0x11, 0, 0})
)

// voice adds a track whose packets say from whom they are, and what of.
func (p *phone) voice(mime, id string) {
	p.t.Helper()
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, id, p.name)
	p.must(err)
	sender, err := p.pc.AddTrack(track)
	p.must(err)
	go func() {
		for {
			list, _, err := sender.ReadRTCP()
			if err != nil {
				return
			}
			for _, r := range list {
				if _, is := r.(*rtcp.PictureLossIndication); is {
					p.plis.Add(1)
				}
			}
		}
	}()
	step := uint32(240)
	if id == "video" {
		step = 450
	}
	answered := int64(-1) // requests for key frames
	p.mute.Lock()
	defer p.mute.Unlock()
	p.voices = append(p.voices, func(n uint16) {
		head := ""
		if id == "video" {
			if head = vp8Delta; p.plis.Load() != answered {
				head, answered = vp8Key, p.plis.Load()
			}
		}
		_ = track.WriteRTP(&rtp.Packet{
			Header:  rtp.Header{Version: 2, Marker: true, SequenceNumber: n, Timestamp: uint32(n) * step},
			Payload: []byte(head + "|" + p.name + " " + id),
		})
	})
}

func (p *phone) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

func (p *phone) local(d webrtc.SessionDescription) string {
	p.t.Helper()
	gathered := webrtc.GatheringCompletePromise(p.pc)
	p.must(p.pc.SetLocalDescription(d))
	waittest.Closed(p.t, "the end of gathering", gathered)
	return p.pc.LocalDescription().SDP
}

// ask sends a request, and fails the test if it does.
func (p *phone) ask(body string, j *plugin.JSEP) plugintest.Event {
	p.t.Helper()
	e := p.Ask(body, j)
	if e.Field("error") != nil {
		p.t.Fatalf("%s: %s gives %s", p.name, body, e)
	}
	return e
}

// offer has the client offer, and returns the plain offer.
func (p *phone) offer(fields string) string {
	p.t.Helper()
	d, err := p.pc.CreateOffer(nil)
	p.must(err)
	text, _ := p.ask(`{"request":"generate"`+fields+`}`, p.Remote("offer", p.local(d))).Field("result", "sdp").(string)
	return text
}

// process gives the far end's description to the plugin and the client.
func (p *phone) process(typ, text, fields string) {
	p.t.Helper()
	quoted, err := json.Marshal(text)
	p.must(err)
	e := p.ask(`{"request":"process","type":"`+typ+`","sdp":`+string(quoted)+fields+`}`, nil)
	d := webrtc.SessionDescription{Type: webrtc.NewSDPType(typ), SDP: e.SDP}
	if err := p.pc.SetRemoteDescription(d); err != nil {
		p.t.Fatalf("%s: %v in\n%s", p.name, err, e.SDP)
	}
}

// answer takes the far end's offer, and returns the plain answer.
func (p *phone) answer(offer, fields string) string {
	p.t.Helper()
	p.process("offer", offer, fields)
	d, err := p.pc.CreateAnswer(nil)
	p.must(err)
	text, _ := p.ask(`{"request":"generate"`+fields+`}`, p.Remote("answer", p.local(d))).Field("result", "sdp").(string)
	return text
}

// call connects two phones, each of which is the other's far end.
func (p *phone) call(other *phone, fields string) (offer, answer string) {
	p.t.Helper()
	offer = p.offer(fields)
	answer = other.answer(offer, fields)
	p.process("answer", answer, fields)
	p.connected()
	other.connected()
	return offer, answer
}

func (p *phone) connected() {
	p.t.Helper()
	waittest.Until(p.t, p.name+" is connected", func() bool { return p.pc.ConnectionState() == webrtc.PeerConnectionStateConnected })
}

// ports are those of a plain description, with those of RTCP.
func ports(t *testing.T, text string) (list []int) {
	t.Helper()
	d, err := sdp.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Sections {
		if port := d.Sections[i].Port; port != 0 {
			list = append(list, port, port+1)
		}
	}
	return list
}

// free waits until ports can be had again.
func free(t *testing.T, list []int) {
	t.Helper()
	for _, port := range list {
		waittest.Until(t, "a port comes back", func() bool {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		})
	}
}

// socket is a UDP socket that hands on what comes.
func socket(t *testing.T, take func(b []byte, from *net.UDPAddr)) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = c.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 2000)
		for {
			n, from, err := c.ReadFromUDP(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				take(b[:n], from)
			}
		}
	}()
	return c
}
