package textroom

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// peer is a WebRTC client with a data channel.
type peer struct {
	*plugintest.Client
	t       *testing.T
	pc      *webrtc.PeerConnection
	channel *webrtc.DataChannel
	texts   chan string
}

// newCore starts the plugin for WebRTC clients.
func newCore(t *testing.T, p *Plugin) *plugintest.Core {
	t.Helper()
	return plugintest.New(t, p, plugintest.Config{Engine: sfu.Config{Enforce: []string{"127.0.0.1"}}})
}

// connect makes a client whose data channel is open.
func connect(t *testing.T, c *plugintest.Core) *peer {
	t.Helper()
	p := &peer{Client: c.Connect(plugintest.Options{}), t: t, texts: make(chan string, 1000)}
	offer := p.Ask(`{"request":"setup"}`, nil)
	p.dial(offer.SDP)
	return p
}

func (p *peer) dial(offer string) {
	p.t.Helper()
	var s webrtc.SettingEngine
	s.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	s.SetIncludeLoopbackCandidate(true)
	s.SetSCTPMaxReceiveBufferSize(128 << 10)
	s.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
	p.must(err)
	p.t.Cleanup(func() { _ = pc.GracefulClose() })
	p.pc = pc
	open := make(chan struct{})
	p.channel, err = pc.CreateDataChannel(dataLabel, nil)
	p.must(err)
	p.channel.OnOpen(func() { close(open) })
	p.channel.OnMessage(func(m webrtc.DataChannelMessage) { p.texts <- string(m.Data) })
	pc.OnDataChannel(func(d *webrtc.DataChannel) { p.t.Errorf("another channel: %s", d.Label()) })
	p.must(pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}))
	answer, err := pc.CreateAnswer(nil)
	p.must(err)
	gathered := webrtc.GatheringCompletePromise(pc)
	p.must(pc.SetLocalDescription(answer))
	<-gathered
	p.Ask(`{"request":"ack"}`, p.Remote("answer", pc.LocalDescription().SDP))
	waittest.Closed(p.t, "data channel", open)
}

func (p *peer) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) send(text string) {
	p.t.Helper()
	p.must(p.channel.SendText(quoted(text)))
}

// wants awaits texts, dates aside.
func (p *peer) wants(list ...string) {
	p.t.Helper()
	for _, want := range list {
		if got := dates.ReplaceAllString(p.next(), `"date":"D"`); got != quoted(want) {
			p.t.Errorf("got  %s\nwant %s", got, quoted(want))
		}
	}
}

// next awaits a text.
func (p *peer) next() string {
	p.t.Helper()
	return waittest.Next(p.t, "text", p.texts)
}

// TestPeers: two WebRTC clients meet, talk, restart and part.
func TestPeers(t *testing.T) {
	c := newCore(t, New(Config{}))
	a, b := connect(t, c), connect(t, c)
	a.send(say("create", "'room':1"))
	a.wants("{'textroom':'success','room':1,'permanent':false,'transaction':'t'}")
	a.send(say("join", "'room':1,'username':'a'"))
	a.wants("{'textroom':'join','room':1,'username':'a'}", "{'textroom':'success','participants':[],'transaction':'t'}")
	b.send(say("join", "'room':1,'username':'b'"))
	b.wants("{'textroom':'join','room':1,'username':'b'}", "{'textroom':'success','participants':[{'username':'a'}],'transaction':'t'}")
	a.wants("{'textroom':'join','room':1,'username':'b'}")
	b.send(say("message", "'room':1,'text':'grüß dich'"))
	b.wants("{'textroom':'message','room':1,'from':'b','date':'D','text':'grüß dich'}", success)
	a.wants("{'textroom':'message','room':1,'from':'b','date':'D','text':'grüß dich'}")

	offer := a.Ask(`{"request":"restart"}`, nil)
	a.must(a.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.SDP}))
	answer, err := a.pc.CreateAnswer(nil)
	a.must(err)
	gathered := webrtc.GatheringCompletePromise(a.pc)
	a.must(a.pc.SetLocalDescription(answer))
	<-gathered
	a.Ask(`{"request":"ack"}`, a.Remote("answer", a.pc.LocalDescription().SDP))
	a.send(say("message", "'room':1,'text':'still here','to':'b'"))
	a.wants("{'textroom':'success','sent':{'b':true},'transaction':'t'}")
	b.wants("{'textroom':'message','room':1,'from':'a','date':'D','text':'still here','whisper':true}")

	a.must(a.pc.Close())
	b.wants("{'textroom':'leave','room':1,'username':'a'}")
	b.Detach()
	if got := c.Attach(plugintest.Options{}).Ask(`{"request":"list"}`, nil).Field("list", 0, "num_participants"); got != 0.0 {
		t.Errorf("%v are left", got)
	}
}

// TestSlowPeer: who does not read loses what is said, which the log and the Admin API's
// figures tell, and all others hear everything in order.
func TestSlowPeer(t *testing.T) {
	plugin := New(Config{})
	c := newCore(t, plugin)
	a, b, slow := connect(t, c), connect(t, c), connect(t, c)
	stuck := make(chan struct{})
	defer close(stuck)
	slow.channel.OnMessage(func(webrtc.DataChannelMessage) { <-stuck })
	a.send(say("create", "'room':1"))
	<-a.texts
	for name, p := range map[string]*peer{"a": a, "b": b, "slow": slow} {
		p.send(say("join", "'room':1,'username':'"+name+"'"))
	}
	waittest.Until(t, "all are in", func() bool {
		r, _ := plugin.rooms.Get("1")
		r.Lock()
		defer r.Unlock()
		return len(r.members) == 3
	})
	const messages = 30
	padding := strings.Repeat("x", 60000)
	for i := range messages {
		a.send(say("message", fmt.Sprintf("'room':1,'ack':false,'text':'%d %s'", i, padding)))
		for _, p := range []*peer{a, b} {
			want := fmt.Sprintf(`"text":"%d x`, i)
			for {
				got := p.next()
				if strings.Contains(got, want) {
					break
				}
				if strings.Contains(got, `"message"`) {
					t.Fatalf("%.100s instead of %d", got, i)
				}
			}
		}
	}
	if s := slow.Peer().Snapshot().DTLS; s.DataLost == 0 || s.DataLost > messages {
		t.Errorf("%d messages are lost", s.DataLost)
	}
	if s := b.Peer().Snapshot().DTLS; s.DataLost != 0 {
		t.Errorf("%d messages of another are lost", s.DataLost)
	}
	if log := c.Log(); !strings.Contains(log, "data channel messages are lost") {
		t.Errorf("log: %s", log)
	}
}
