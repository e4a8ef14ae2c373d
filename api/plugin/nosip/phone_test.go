package nosip

import (
	"encoding/json"
	"errors"
	"net"
	"testing"

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

// phone is a handle with a WebRTC client that sends audio and video all the time.
type phone struct {
	*plugintest.Phone
	t *testing.T
}

// phone makes one that sends audio, and video.
func (x *exchange) phone(name string) *phone {
	x.t.Helper()
	p := x.telephone(name)
	p.Say("video")
	return p
}

// telephone makes one that sends audio.
func (x *exchange) telephone(name string) *phone {
	x.t.Helper()
	p := &phone{plugintest.NewPhone(x.t, x.Connect(plugintest.Options{}), name), x.t}
	p.PlugIn("audio")
	return p
}

// ask sends a request, and fails the test if it does.
func (p *phone) ask(body string, j *plugin.JSEP) plugintest.Event {
	p.t.Helper()
	e := p.Ask(body, j)
	if e.Field("error") != nil {
		p.t.Fatalf("%s: %s gives %s", p.Name, body, e)
	}
	return e
}

// offer has the client offer, and returns the plain offer.
func (p *phone) offer(fields string) string {
	p.t.Helper()
	text, _ := p.ask(`{"request":"generate"`+fields+`}`, p.Offer()).Field("result", "sdp").(string)
	return text
}

// given gives the far end's description to the plugin, and returns what the client is to have.
func (p *phone) given(typ, text, fields string) string {
	p.t.Helper()
	quoted, err := json.Marshal(text)
	p.Must(err)
	return p.ask(`{"request":"process","type":"`+typ+`","sdp":`+string(quoted)+fields+`}`, nil).SDP
}

// process gives the far end's description to the plugin and the client.
func (p *phone) process(typ, text, fields string) {
	p.t.Helper()
	p.Apply(typ, p.given(typ, text, fields))
}

// answer takes the far end's offer, and returns the plain answer.
func (p *phone) answer(offer, fields string) string {
	p.t.Helper()
	text, _ := p.ask(`{"request":"generate"`+fields+`}`, p.Answered(p.given("offer", offer, fields))).Field("result", "sdp").(string)
	return text
}

// call connects two phones, each of which is the other's far end.
func (p *phone) call(other *phone, fields string) (offer, answer string) {
	p.t.Helper()
	offer = p.offer(fields)
	answer = other.answer(offer, fields)
	p.process("answer", answer, fields)
	p.AwaitConnected()
	other.AwaitConnected()
	return offer, answer
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
