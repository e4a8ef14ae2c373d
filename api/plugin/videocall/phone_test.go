package videocall

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// exchange is a server with two shards for users with peer connections.
type exchange struct {
	*plugintest.Core
	t *testing.T
}

func newExchange(t *testing.T) *exchange {
	t.Helper()
	return &exchange{plugintest.New(t, New(t.TempDir()), plugintest.Config{Engine: sfu.Config{Shards: 2}}), t}
}

// phone is a user with a WebRTC client.
type phone struct {
	*plugintest.Client
	t    *testing.T
	name string
	pc   *webrtc.PeerConnection // nil while there is no call
	data chan string            // "label/protocol binary: text"

	mu    sync.Mutex
	heard map[string]int // packets by the texts in them
	stop  func()
}

func (x *exchange) phone(name string) *phone {
	x.t.Helper()
	p := &phone{Client: x.Connect(plugintest.Options{}), t: x.t, name: name, data: make(chan string, 100), heard: make(map[string]int)}
	expect(x.t, p.Client, `{"request":"register","username":"`+name+`"}`, nil, reply(`"event":"registered","username":"`+name+`"`))
	x.t.Cleanup(p.unplug)
	return p
}

// plugIn makes a new peer connection, which sends audio and video all the time.
func (p *phone) plugIn() {
	p.t.Helper()
	p.unplug()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	p.must(err)
	p.pc = pc
	pc.OnTrack(func(track *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			_, text, _ := strings.Cut(string(packet.Payload), "|")
			p.mu.Lock()
			p.heard[text]++
			p.mu.Unlock()
		}
	})
	pc.OnDataChannel(p.listen)
	quit, done := make(chan struct{}), make(chan struct{})
	voices := []func(n uint16){p.voice(webrtc.MimeTypeOpus, "audio"), p.voice(webrtc.MimeTypeVP8, "video")}
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := uint16(1); ; n++ {
			for _, send := range voices {
				send(n)
			}
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	p.stop = func() { close(quit); <-done }
}

// unplug closes the peer connection.
func (p *phone) unplug() {
	if p.pc == nil {
		return
	}
	p.stop()
	p.pc.GracefulClose()
	p.pc = nil
}

// voice is a track whose packets say from whom they are, and what of.
func (p *phone) voice(mime, id string) (send func(n uint16)) {
	p.t.Helper()
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, id, p.name)
	p.must(err)
	_, err = p.pc.AddTrack(track)
	p.must(err)
	return packets(track, p.name+" "+id, nil)
}

// packets sends packets with a text, and with header extensions.
func packets(track *webrtc.TrackLocalStaticRTP, text string, ids map[uint8]string) (send func(n uint16)) {
	head, step := "", uint32(240)
	if track.Kind() == webrtc.RTPCodecTypeVideo {
		head, step = string([]byte{0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0}), 450 // a key frame
	}
	payload := []byte(head + "|" + text)
	return func(n uint16) {
		packet := &rtp.Packet{
			Header:  rtp.Header{Version: 2, Marker: true, SequenceNumber: n, Timestamp: uint32(n) * step},
			Payload: payload,
		}
		for id, value := range ids {
			packet.SetExtension(id, []byte(value))
		}
		track.WriteRTP(packet)
	}
}

// listen keeps what comes on a data channel.
func (p *phone) listen(c *webrtc.DataChannel) {
	c.OnMessage(func(m webrtc.DataChannelMessage) {
		select {
		case p.data <- fmt.Sprintf("%s/%s %v: %s", c.Label(), c.Protocol(), !m.IsString, m.Data):
		default: // nobody waits for that many
		}
	})
}

// channel makes a data channel, and waits until it is open.
func (p *phone) channel(label, protocol string) (c *webrtc.DataChannel, open chan struct{}) {
	p.t.Helper()
	c, err := p.pc.CreateDataChannel(label, &webrtc.DataChannelInit{Protocol: &protocol})
	p.must(err)
	open = make(chan struct{})
	c.OnOpen(func() { close(open) })
	p.listen(c)
	return c, open
}

// offer is a new offer.
func (p *phone) offer() *plugin.JSEP {
	p.t.Helper()
	d, err := p.pc.CreateOffer(nil)
	p.must(err)
	return p.Remote("offer", p.local(d))
}

// answer answers the offer of an event.
func (p *phone) answer(e plugintest.Event) *plugin.JSEP {
	p.t.Helper()
	p.take(e)
	d, err := p.pc.CreateAnswer(nil)
	p.must(err)
	return p.Remote("answer", p.local(d))
}

func (p *phone) local(d webrtc.SessionDescription) string {
	p.t.Helper()
	gathered := webrtc.GatheringCompletePromise(p.pc)
	p.must(p.pc.SetLocalDescription(d))
	<-gathered
	return p.pc.LocalDescription().SDP
}

// take applies the description of an event.
func (p *phone) take(e plugintest.Event) {
	p.t.Helper()
	d := webrtc.SessionDescription{Type: webrtc.NewSDPType(e.JSEP.SDP.Type.String()), SDP: e.SDP}
	if err := p.pc.SetRemoteDescription(d); err != nil {
		p.t.Fatalf("%s: %v in\n%s", p.name, err, e.SDP)
	}
}

// call calls another phone, which rings.
func (p *phone) call(other *phone) (incoming plugintest.Event) {
	p.t.Helper()
	p.plugIn()
	p.channel("JanusDataChannel", "")
	p.is(p.Ask(`{"request":"call","username":"`+other.name+`"}`, p.offer()), reply(`"event":"calling"`))
	return other.AwaitText(`"event":"incomingcall","username":"` + p.name + `"`)
}

// accept takes a call, and waits until both are connected.
func (p *phone) accept(incoming plugintest.Event, caller *phone) {
	p.t.Helper()
	p.plugIn()
	p.is(p.Ask(`{"request":"accept"}`, p.answer(incoming)), reply(`"event":"accepted"`))
	caller.take(caller.AwaitText(`"event":"accepted","username":"` + p.name + `"`))
	for _, end := range []*phone{p, caller} {
		end.AwaitText("[webrtcup]")
		waittest.Until(p.t, end.name+" is connected", func() bool { return end.pc.ConnectionState() == webrtc.PeerConnectionStateConnected })
	}
}

func (p *phone) is(e plugintest.Event, want string) {
	p.t.Helper()
	if got := e.String(); got != want {
		p.t.Fatalf("%s: got %s, want %s", p.name, got, want)
	}
}

// count is how many packets with a text have come.
func (p *phone) count(text string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard[text]
}

// hearsMore waits until some more packets with each of the texts have come.
func (p *phone) hearsMore(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		n := p.count(text)
		waittest.Until(p.t, p.name+" hears "+text, func() bool { return p.count(text) > n+3 })
	}
}

func (p *phone) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}
