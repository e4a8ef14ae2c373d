package videocall

import (
	"fmt"
	"testing"

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
	*plugintest.Phone
	t    *testing.T
	data chan string // "label/protocol binary: text"
}

func (x *exchange) phone(name string) *phone {
	x.t.Helper()
	p := &phone{plugintest.NewPhone(x.t, x.Connect(plugintest.Options{}), name), x.t, make(chan string, 100)}
	expect(x.t, p.Client, `{"request":"register","username":"`+name+`"}`, nil, reply(`"event":"registered","username":"`+name+`"`))
	return p
}

// plugIn makes a new peer connection, which sends audio and video all the time.
func (p *phone) plugIn() {
	p.t.Helper()
	p.PlugIn("audio", "video")
	p.PC.OnDataChannel(p.listen)
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
	c, err := p.PC.CreateDataChannel(label, &webrtc.DataChannelInit{Protocol: &protocol})
	p.Must(err)
	open = make(chan struct{})
	c.OnOpen(func() { close(open) })
	p.listen(c)
	return c, open
}

// answer answers the offer of an event.
func (p *phone) answer(e plugintest.Event) *plugin.JSEP {
	p.t.Helper()
	return p.Answered(e.SDP)
}

// take applies the description of an event.
func (p *phone) take(e plugintest.Event) {
	p.t.Helper()
	p.Apply(e.JSEP.SDP.Type.String(), e.SDP)
}

// call calls another phone, which rings.
func (p *phone) call(other *phone) (incoming plugintest.Event) {
	p.t.Helper()
	p.plugIn()
	p.channel("JanusDataChannel", "")
	p.is(p.Ask(`{"request":"call","username":"`+other.Name+`"}`, p.Offer()), reply(`"event":"calling"`))
	return other.AwaitText(`"event":"incomingcall","username":"` + p.Name + `"`)
}

// accept takes a call, and waits until both are connected.
func (p *phone) accept(incoming plugintest.Event, caller *phone) {
	p.t.Helper()
	p.plugIn()
	p.is(p.Ask(`{"request":"accept"}`, p.answer(incoming)), reply(`"event":"accepted"`))
	caller.take(caller.AwaitText(`"event":"accepted","username":"` + p.Name + `"`))
	for _, end := range []*phone{p, caller} {
		end.AwaitText("[webrtcup]")
		end.AwaitConnected()
	}
}

func (p *phone) is(e plugintest.Event, want string) {
	p.t.Helper()
	if got := e.String(); got != want {
		p.t.Fatalf("%s: got %s, want %s", p.Name, got, want)
	}
}
