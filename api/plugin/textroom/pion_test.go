package textroom

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
	"bifrons/sfu/webrtctest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// peer is a WebRTC client with a data channel.
type peer struct {
	*plugintest.Client
	*webrtctest.Peer
	t *testing.T
}

// newCore starts the plugin for WebRTC clients.
func newCore(t *testing.T, p *Plugin) *plugintest.Core {
	t.Helper()
	return plugintest.New(t, p, plugintest.Config{Engine: sfu.Config{Enforce: []string{"127.0.0.1"}}})
}

// connect makes a client whose data channel is open.
func connect(t *testing.T, c *plugintest.Core) *peer {
	t.Helper()
	p := &peer{Client: c.Connect(plugintest.Options{}), Peer: webrtctest.NewReceiver(t, webrtctest.Options{}), t: t}
	p.AddChannel()
	p.PC.OnDataChannel(func(d *webrtc.DataChannel) { t.Errorf("another channel: %s", d.Label()) })
	p.negotiate("setup")
	waittest.Closed(t, "data channel", p.Open)
	return p
}

// negotiate asks for an offer and answers it.
func (p *peer) negotiate(request string) {
	p.t.Helper()
	offer := p.Ask(`{"request":"`+request+`"}`, nil)
	p.Ask(`{"request":"ack"}`, p.Remote("answer", p.Peer.Answer(offer.SDP)))
}

func (p *peer) send(text string) {
	p.t.Helper()
	p.Must(p.Channel.SendText(quoted(text)))
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
	return waittest.Next(p.t, "text", p.Texts)
}

// TestPeers: two WebRTC clients meet, talk, restart and part.
func TestPeers(t *testing.T) {
	c := newCore(t, New(""))
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

	a.negotiate("restart")
	a.send(say("message", "'room':1,'text':'still here','to':'b'"))
	a.wants("{'textroom':'success','sent':{'b':true},'transaction':'t'}")
	b.wants("{'textroom':'message','room':1,'from':'a','date':'D','text':'still here','whisper':true}")

	a.Peer.Close()
	b.wants("{'textroom':'leave','room':1,'username':'a'}")
	b.Detach()
	if got := c.Attach(plugintest.Options{}).Ask(`{"request":"list"}`, nil).Field("list", 0, "num_participants"); got != 0.0 {
		t.Errorf("%v are left", got)
	}
}

// TestSlowPeer: who does not read loses what is said, which the log and the Admin API's
// figures tell, and all others hear everything in order.
func TestSlowPeer(t *testing.T) {
	plugin := New("")
	c := newCore(t, plugin)
	a, b, slow := connect(t, c), connect(t, c), connect(t, c)
	stuck := make(chan struct{})
	defer close(stuck)
	slow.Channel.OnMessage(func(webrtc.DataChannelMessage) { <-stuck })
	a.send(say("create", "'room':1"))
	a.next()
	for name, p := range map[string]*peer{"a": a, "b": b, "slow": slow} {
		p.send(say("join", "'room':1,'username':'"+name+"'"))
	}
	waittest.Until(t, "all are in", func() bool {
		r, _ := plugin.rooms.Get("1")
		r.Lock()
		defer r.Unlock()
		return len(r.members) == 3
	})
	const messages = 45
	padding := strings.Repeat("x", 60000)
	for i := range messages {
		a.Ask(fmt.Sprintf(`{"request":"announcement","room":1,"text":"%d %s"}`, i, padding), nil)
		for _, p := range []*peer{a, b} {
			for {
				got := p.next()
				if strings.Contains(got, fmt.Sprintf(`"text":"%d x`, i)) {
					break
				}
				if strings.Contains(got, `"announcement"`) {
					t.Fatalf("%.100s instead of %d", got, i)
				}
			}
		}
	}
	if s := slow.Client.Peer().Snapshot().DTLS; s.DataLost == 0 || s.DataLost > messages {
		t.Errorf("%d messages are lost", s.DataLost)
	}
	if s := b.Client.Peer().Snapshot().DTLS; s.DataLost != 0 {
		t.Errorf("%d messages of another are lost", s.DataLost)
	}
	if log := c.Log(); !strings.Contains(log, "data channel messages are lost") {
		t.Errorf("log: %s", log)
	}
}

// TestPeersComeAndGo: WebRTC clients come, talk and go in every way at the same time; the one
// who stays hears each come and go, and nobody is left in the end.
func TestPeersComeAndGo(t *testing.T) {
	plugin := New("")
	c := newCore(t, plugin)
	host := connect(t, c)
	host.send(say("create", "'room':1,'history':5"))
	host.next()
	host.send(say("join", "'room':1,'username':'host'"))
	host.wants("{'textroom':'join','room':1,'username':'host'}", "{'textroom':'success','participants':[],'transaction':'t'}")
	const many = 6
	var clients []*peer
	for range many {
		clients = append(clients, connect(t, c))
	}
	var all sync.WaitGroup
	for i, p := range clients {
		all.Go(func() {
			_ = p.Channel.SendText(quoted(say("join", fmt.Sprintf("'room':1,'username':'%d'", i))))
			for range 5 {
				_ = p.Channel.SendText(quoted(say("message", "'room':1,'text':'x'")))
			}
			_ = p.Channel.SendText(quoted(say("message", "'room':1,'text':'last'")))
			for got := ""; !strings.Contains(got, fmt.Sprintf(`"from":"%d"`, i)) || !strings.Contains(got, `"last"`); got = <-p.Texts {
			}
			switch i % 3 {
			case 0:
				p.Hangup()
			case 1:
				p.Detach()
			case 2:
				p.Peer.Close()
			}
		})
	}
	all.Wait()
	come, gone := map[string]int{}, 0
	for gone < many {
		got := plugintest.Event{Data: host.next()}
		name, _ := got.Field("username").(string)
		from, _ := got.Field("from").(string)
		switch got.Field("textroom") {
		case "join":
			come[name]++
		case "message":
			if come[from] != 1 {
				t.Errorf("%s talks, and has come %d times", from, come[from])
			}
		case "leave":
			gone++
			if come[name] != 1 {
				t.Errorf("%s goes, and has come %d times", name, come[name])
			}
			come[name] = -1
		}
	}
	if got := c.Attach(plugintest.Options{}).Ask(`{"request":"listparticipants","room":1}`, nil).Data; got != quoted("{'textroom':'success','room':1,'participants':[{'username':'host'}]}") {
		t.Errorf("who is left: %s", got)
	}
}
