package plugintest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"

	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/plugin"
	"bifrons/sdp"
	"bifrons/sfu"
)

// scripted is a plugin that does as it is told by the request.
type scripted struct {
	gw plugin.Gateway

	mu    sync.Mutex
	calls []string
}

func (p *scripted) Info() module.Info             { return module.Info{Package: "scripted"} }
func (p *scripted) Start(gw plugin.Gateway) error { p.gw = gw; return nil }
func (p *scripted) Close()                        { p.call("close") }

func (p *scripted) Admin(*json.Value) ([]byte, error) { return []byte(`{"admin":true}`), nil }

func (p *scripted) Attach(h plugin.Host) (plugin.Handle, error) {
	if h.Token() == "bad" {
		return nil, errors.New("no")
	}
	return &scriptedHandle{p: p, host: h}, nil
}

func (p *scripted) call(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, fmt.Sprintf(format, args...))
}

type scriptedHandle struct {
	p     *scripted
	host  plugin.Host
	place plugin.Place
	data  []byte
}

func (h *scriptedHandle) Message(r *plugin.Request) plugin.Result {
	do, _ := json.String(r.Body.Get("do"))
	push := func(text string, j *plugin.JSEP) {
		if err := h.host.Push(r.Transaction, []byte(text), j); err != nil {
			h.p.call("push: %v", err)
		}
	}
	offer := &plugin.JSEP{SDP: sdp.Offer(sdp.OfferOptions{Name: "-", Sections: []sdp.OfferSection{
		{Kind: sdp.Audio, MID: "a", Direction: sdp.SendOnly, Codec: "opus"}, {Kind: sdp.Application, MID: "d", Direction: sdp.SendRecv},
	}})}
	switch do {
	case "sync":
		return plugin.Answer([]byte(`{"ok":1}`))
	case "fail":
		return plugin.Failure("failed")
	}
	return plugin.Ack("", func() {
		switch do {
		case "offer":
			push(`{"offer":1}`, offer)
		case "answer":
			push(`{"answer":1}`, &plugin.JSEP{SDP: sdp.Answer(r.JSEP.SDP, sdp.AnswerOptions{})})
		case "take":
			push(`{"sections":`+fmt.Sprint(len(r.JSEP.SDP.Sections))+`}`, nil)
		case "news":
			h.host.Run(func() { h.host.Push("", []byte(`{"news":1}`), nil) })
			h.host.Tell("topic", []byte(`{"topic":1}`))
			h.host.Notify([]byte(`{"notice":1}`))
			push(`{"ok":2}`, nil)
		case "close":
			h.host.ClosePeer()
		case "end":
			h.host.End()
		case "panic":
			panic("on purpose")
		case "reserve":
			h.place = h.host.Reserve()
		case "no JSON":
			push(`{"a": 1}`, nil)
		case "change":
			h.data = []byte(`{"a":1}`)
			h.host.Push("", h.data, nil)
			h.data[5] = '2'
		}
	})
}

func (h *scriptedHandle) Up()                  { h.p.call("up") }
func (h *scriptedHandle) Event(e sfu.Event)    { h.p.call("event %d", e.Kind) }
func (h *scriptedHandle) DataReady()           { h.p.call("data ready") }
func (h *scriptedHandle) Hangup(reason string) { h.p.call("hangup %s", reason) }
func (h *scriptedHandle) Detach()              { h.p.call("detach") }
func (h *scriptedHandle) Query(w *json.Writer) { w.Int("n", 1) }
func (h *scriptedHandle) Data(label, protocol string, binary bool, payload []byte) {
	h.p.call("data %s %v %s", label, binary, payload)
	if peer := h.host.Peer(); peer != nil {
		if err := peer.SendData(label, protocol, binary, append([]byte("back: "), payload...)); err != nil {
			h.p.call("data: %v", err)
		}
	}
}

func (p *scripted) want(t *testing.T, want string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := strings.Join(p.calls, ", "); got != want {
		t.Errorf("calls %s, want %s", got, want)
	}
	p.calls = nil
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// TestDescribed: a client that exchanges typed descriptions.
func TestDescribed(t *testing.T) {
	p := &scripted{}
	c := New(t, p, Config{})
	if _, err := c.TryAttach(Options{Token: "bad"}); err == nil {
		t.Error("attached")
	}
	x := c.Attach(Options{Session: 5})
	want(t, "immediate answer", x.Send(`{"do":"sync"}`, nil), `{"ok":1}`)
	want(t, "failure", x.Send(`{"do":"fail"}`, nil), `failed`)
	want(t, "answer", x.Ask(`{"do":"news"}`, nil).Data, `{"ok":2}`)
	want(t, "news", fmt.Sprint(x.Events()), `[{"topic":1} {"news":1}]`)
	want(t, "notices", strings.Join(x.Notices(), "")+strings.Join(c.Notices(), ""), `{"notice":1}{"notice":1}`)
	want(t, "admin", c.Admin(`{}`), `{"admin":true}`)
	want(t, "query", x.Query(), `{"n":1}`)

	want(t, "offer", x.Send(`{"do":"offer"}`, nil), `t {"offer":1} offer(a:audio sendonly opus/111, d:data sendrecv)`)
	want(t, "taken", x.Send(`{"do":"take"}`, x.Answer()), `t {"sections":2}`)
	if x.Answer() != nil {
		t.Error("an offer is answered twice")
	}
	x.Establish()
	x.Data("l", "", false, []byte("x"))
	x.Pass(sfu.Event{Kind: sfu.EventBitrate})
	p.want(t, fmt.Sprintf("up, data l false x, event %d", sfu.EventBitrate))
	want(t, "close", x.Send(`{"do":"close"}`, nil), "[webrtcup]\n[hangup] Close PC")
	want(t, "close again", x.Send(`{"do":"close"}`, nil), "")
	if x.Closed() != 2 {
		t.Errorf("closed %d times", x.Closed())
	}
	x.Send(`{"do":"answer"}`, ParseOffer(t, "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:x\r\n"))
	c.EndSession(4)
	p.want(t, "hangup Close PC")
	c.EndSession(5)
	p.want(t, "hangup Detach, detach")
	want(t, "after the end", x.Send(`{"do":"news"}`, nil), "[detached]")

	y := c.Attach(Options{})
	want(t, "end", y.Send(`{"do":"end"}`, nil), "[detached]")
	p.want(t, "detach")
	release := y.Hold()
	ran := make(chan struct{})
	y.Run(func() { close(ran) })
	select {
	case <-ran:
		t.Error("it ran although the executor was held")
	default:
	}
	release()
	<-ran
	c.Attach(Options{})
	c.Replace(&scripted{})
	p.want(t, "detach, close")
}

// fakeT keeps what a test would have failed with.
type fakeT struct {
	testing.TB
	mu       sync.Mutex
	errors   []string
	cleanups []func()
}

func (f *fakeT) Helper()          {}
func (f *fakeT) Cleanup(g func()) { f.cleanups = append(f.cleanups, g) }
func (f *fakeT) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

// TestChecks: what a plugin must not do fails its test.
func TestChecks(t *testing.T) {
	for do, error := range map[string]string{
		"panic": "on purpose", "reserve": "not released", "no JSON": "not compact", "change": "has become", "news": "",
	} {
		f := &fakeT{TB: t}
		x := New(f, &scripted{}, Config{}).Attach(Options{})
		x.Send(`{"do":"`+do+`"}`, nil)
		for _, g := range f.cleanups {
			g()
		}
		if got := strings.Join(f.errors, "; "); (got == "") != (error == "") || !strings.Contains(got, error) {
			t.Errorf("%s: %q", do, got)
		}
	}
}

// TestConnected: a WebRTC client connects, offers first or answers, and has a data channel.
func TestConnected(t *testing.T) {
	p := &scripted{}
	c := New(t, p, Config{})
	for _, offers := range []bool{true, false} {
		x := c.Connect(Options{})
		pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
		if err != nil {
			t.Fatal(err)
		}
		defer pc.GracefulClose()
		local := func(d webrtc.SessionDescription, err error) string {
			t.Helper()
			gathered := webrtc.GatheringCompletePromise(pc)
			if err == nil {
				err = pc.SetLocalDescription(d)
			}
			if err != nil {
				t.Fatal(err)
			}
			<-gathered
			return pc.LocalDescription().SDP
		}
		remote := func(typ webrtc.SDPType, e Event) {
			t.Helper()
			if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: typ, SDP: e.SDP}); err != nil {
				t.Fatalf("%v in %s", err, e.SDP)
			}
		}
		got := make(chan string, 1)
		use := func(d *webrtc.DataChannel) {
			d.OnOpen(func() { d.SendText("hello") })
			d.OnMessage(func(m webrtc.DataChannelMessage) { got <- string(m.Data) })
		}
		d, err := pc.CreateDataChannel("d", nil)
		if err != nil {
			t.Fatal(err)
		}
		use(d)
		if offers {
			text := local(pc.CreateOffer(nil))
			remote(webrtc.SDPTypeAnswer, x.Ask(`{"do":"answer"}`, x.Remote("offer", text)))
		} else {
			remote(webrtc.SDPTypeOffer, x.Ask(`{"do":"offer"}`, nil))
			text := local(pc.CreateAnswer(nil))
			want(t, "answer", x.Ask(`{"do":"take"}`, x.Remote("answer", text)).Data, `{"sections":2}`)
			if _, err := x.TryRemote("answer", text); err == nil {
				t.Error("an answer was taken twice")
			}
		}
		x.AwaitText("[webrtcup]")
		want(t, "data", <-got, "back: hello")
		if !x.Up() || x.Peer() == nil {
			t.Error("not up")
		}
		x.Hangup()
		x.AwaitText("[hangup] Janus API")
		if x.Up() || x.Peer() != nil {
			t.Error("still up")
		}
	}
}
