package videoroom

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"bifrons/api/kit"
	"bifrons/api/kit/mline"
	"bifrons/api/plugin"
	"bifrons/api/plugin/plugintest"
	"bifrons/api/task"
	"bifrons/sdp"
	"bifrons/sfu"
)

// fakeHost is a Host without peer connection that keeps what is pushed.
type fakeHost struct {
	t    testing.TB
	exec *task.Serial // runs what is given to Run; if nil, settle does

	offering func() // called beside the next offer, if not nil

	mu      sync.Mutex
	queue   []func()
	pushed  []string
	offers  []*plugin.JSEP // not answered yet
	notices []string
}

func (d *fakeHost) Push(tx string, data []byte, j *plugin.JSEP) error {
	if !json.Valid(data) {
		d.t.Errorf("pushed %s", data)
	}
	text := strings.TrimSpace(tx + " " + string(data))
	d.mu.Lock()
	defer d.mu.Unlock()
	if j != nil {
		text += " " + plugintest.Outline(j)
	}
	if j != nil && j.SDP.Type == sdp.TypeOffer {
		d.offers = append(d.offers, j)
		if len(d.offers) > 1 {
			d.t.Errorf("%d offers are outstanding", len(d.offers))
		}
	}
	d.pushed = append(d.pushed, text)
	if meanwhile := d.offering; j != nil && meanwhile != nil {
		d.offering = nil
		d.mu.Unlock()
		defer d.mu.Lock()
		meanwhile()
	}
	return nil
}

func (d *fakeHost) Run(f func()) {
	if d.exec != nil {
		d.exec.Must(f)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = append(d.queue, f)
}

func (d *fakeHost) Notify(data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notices = append(d.notices, string(data))
}

func (d *fakeHost) ClosePeer()        {}
func (d *fakeHost) Peer() *sfu.Peer   { return nil }
func (d *fakeHost) Up() bool          { return true }
func (d *fakeHost) HandleID() uint64  { return 1 }
func (d *fakeHost) SessionID() uint64 { return 1 }
func (d *fakeHost) OpaqueID() string  { return "" }
func (d *fakeHost) Token() string     { return "" }
func (d *fakeHost) End()              {}

func (d *fakeHost) Tell(_ string, data []byte) { d.Push("", data, nil) }

func (d *fakeHost) Reserve() plugin.Place { return plugin.Nobody{}.Reserve() }

// settle runs what waits for the executor.
func (d *fakeHost) settle() {
	for {
		d.mu.Lock()
		queue := d.queue
		d.queue = nil
		d.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for _, f := range queue {
			f()
		}
	}
}

// take returns what was pushed since the last call.
func (d *fakeHost) take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := strings.Join(d.pushed, "\n")
	d.pushed = nil
	return text
}

// answer takes the outstanding offer and answers it; nil if there is none.
func (d *fakeHost) answer() *plugin.JSEP {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.offers) == 0 {
		return nil
	}
	j := d.offers[0]
	d.offers = d.offers[1:]
	a := sdp.Answer(j.SDP, sdp.AnswerOptions{})
	for i := range a.Sections {
		if j.SDP.Sections[i].Direction == sdp.Inactive {
			a.Sections[i].Direction = sdp.Inactive
		}
	}
	return &plugin.JSEP{SDP: a}
}

// fakeGateway has no engine.
type fakeGateway struct{ plugin.Gateway }

func (fakeGateway) Notifying() bool                       { return true }
func (fakeGateway) Notify(string, []byte)                 {}
func (fakeGateway) SignedTokens() bool                    { return false }
func (fakeGateway) SignedFor(string, string, string) bool { return false }
func (fakeGateway) Logger() *slog.Logger                  { return slog.New(slog.DiscardHandler) }

// bareRoom is a plugin with one room, 1234.
type bareRoom struct {
	t      testing.TB
	plugin *Plugin
	room   *room
}

func newBareRoom(t testing.TB) *bareRoom {
	t.Helper()
	p := New(t.TempDir())
	if err := p.Start(fakeGateway{}); err != nil {
		t.Fatal(err)
	}
	h := &handle{plugin: p, Handle: kit.Handle{Host: &fakeHost{t: t}}}
	res := h.Message(&plugin.Request{Body: plugintest.Parse(t, `{"request":"create","room":1234,"publishers":100}`)})
	if !strings.Contains(string(res.Data), "created") {
		t.Fatalf("got %s", res.Data)
	}
	return &bareRoom{t, p, p.room("1234")}
}

// publish adds a publisher with streams such as "opus", "vp8 simulcast", "data".
func (th *bareRoom) publish(name, display string, streams ...string) *publisher {
	p := &publisher{room: th.room, h: &handle{plugin: th.plugin, Handle: kit.Handle{Host: &fakeHost{t: th.t}}}, id: name, display: display, up: true}
	th.room.mu.Lock()
	defer th.room.mu.Unlock()
	for i, text := range streams {
		p.streams = append(p.streams, newTestStream(p, i, text))
	}
	p.firstData = p.first(sdp.Application)
	th.room.add(p)
	return p
}

func newTestStream(p *publisher, i int, text string) *stream {
	words := strings.Fields(text)
	kind := sdp.Application
	if c, ok := sdp.LookupCodec(words[0]); ok {
		kind = sdp.Audio
		if c.Clock == 90000 {
			kind = sdp.Video
		}
	}
	s := p.newStream(i, fmt.Sprint(i), kind)
	if kind != sdp.Application {
		s.Codec = words[0]
	}
	for _, w := range words[1:] {
		switch w {
		case "simulcast":
			s.Layering = mline.Simulcast
		case "svc":
			s.Layering = mline.SVC
		case "disabled":
			s.disabled = true
		case "rejected":
			s.disabled, s.Codec = true, ""
		case "fec":
			s.FEC = true
		case "level":
			s.audioLevelExt = 7
		case "orientation":
			s.orientationExt = 7
		case "e2ee":
			p.e2ee = true
		default:
			if s.Codec == sdp.VP9 {
				s.VP9Profile = w
			} else {
				s.H264Profile = w
			}
		}
	}
	return s
}

// gone ends what a publisher publishes.
func (th *bareRoom) gone(p *publisher, offer bool) {
	th.room.mu.Lock()
	defer th.room.mu.Unlock()
	th.room.feedGone(p, offer)
	p.reset()
	th.room.remove(p)
}

// subscribing is a handle that subscribes.
type subscribing struct {
	*fakeHost
	h *handle
}

func (th *bareRoom) subscribe() *subscribing {
	d := &fakeHost{t: th.t}
	return &subscribing{d, &handle{plugin: th.plugin, Handle: kit.Handle{Host: d}}}
}

func (s *subscribing) sub() *subscriber { return s.h.is().(*subscriber) }

// send runs a request, and what the executor does after it.
func (s *subscribing) send(body string, j *plugin.JSEP) string {
	s.t.Helper()
	r := s.h.Message(&plugin.Request{Transaction: "t", Body: plugintest.Parse(s.t, body), JSEP: j})
	if r.Run == nil {
		s.t.Fatalf("%s is not asynchronous: %s %s", body, r.Data, r.Failure)
	}
	r.Run()
	s.settle()
	return s.take()
}

// do is send for a request whose name comes first: `subscribe "streams":[]`. The
// answer to an outstanding offer is given with "answer:" before it.
func (s *subscribing) do(text string) string {
	s.t.Helper()
	var j *plugin.JSEP
	if rest, ok := strings.CutPrefix(text, "answer:"); ok {
		if text, j = rest, s.answer(); j == nil {
			s.t.Fatalf("no offer to answer")
		}
	}
	name, fields, _ := strings.Cut(text, " ")
	if fields != "" {
		fields = "," + fields
	}
	return s.send(`{"request":"`+name+`"`+fields+`}`, j)
}

func (s *subscribing) joinAs(fields string) string {
	s.t.Helper()
	return s.do(`join "ptype":"subscriber","room":1234,` + fields)
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.ReplaceAll(got, "\n", "\n     "), strings.ReplaceAll(want, "\n", "\n     "))
	}
}
