// Package transporttest is a whole server for the tests of transports and event handlers,
// and the clients that use it.
package transporttest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"bifrons/api/admin"
	"bifrons/api/broker"
	"bifrons/api/client"
	"bifrons/api/janus"
	"bifrons/api/log"
	"bifrons/api/plugin"
	"bifrons/api/plugin/echotest"
	"bifrons/api/plugin/videoroom"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
	"bifrons/sfu/webrtctest"
)

// Lab is a core with an engine, two plugins and the Admin API.
type Lab struct {
	T    testing.TB
	Core *janus.Core

	calls int // so far
}

// Secret is that of the Admin API.
const Secret = "lab"

// Quiet is a log that nobody reads.
func Quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// New makes a Lab.
func New(t testing.TB) *Lab {
	t.Helper()
	engine, err := sfu.New(sfu.Config{Shards: 1, Enforce: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { waittest.Close(t, engine) })
	l := &Lab{T: t, Core: janus.New(janus.Config{Engine: engine, Logger: Quiet(), StatsPeriod: time.Second})}
	t.Cleanup(l.Core.Close)
	lines, err := log.New(log.Config{Stdout: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	a := admin.New(l.Core, admin.Config{Secret: Secret, Log: lines, Logger: Quiet()})
	t.Cleanup(a.Close)
	l.Core.SetAdmin(a)
	for _, p := range []plugin.Plugin{echotest.New(""), videoroom.New("")} {
		if err := l.Core.AddPlugin(p); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// Carrier is a transport.
type Carrier interface {
	janus.Transport
	Start()
}

// Carry starts a transport. It ends before the core.
func (l *Lab) Carry(c Carrier, err error) {
	l.T.Helper()
	if err != nil {
		l.T.Fatal(err)
	}
	l.Core.AddTransport(c)
	c.Start()
	l.T.Cleanup(c.Close)
}

// Dial makes a client of the server that Conn leads to.
func (l *Lab) Dial(conn client.Conn, err error) *client.Client { return l.Tapped(nil, conn, err) }

// Tapped is Dial for a client that reports each message.
func (l *Lab) Tapped(tap func(*client.Message), conn client.Conn, err error) *client.Client {
	l.T.Helper()
	if err != nil {
		l.T.Fatal(err)
	}
	c := client.New(conn, tap)
	l.T.Cleanup(c.Close)
	return c
}

// InTime is the context of something that has to happen.
func InTime() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), waittest.Patience)
}

var pace = webrtctest.Pace{Frames: 30, Packets: 3, Every: 10 * time.Millisecond}

// Echo is an echo test with media.
func (l *Lab) Echo(c *client.Client) {
	t := l.T
	t.Helper()
	ctx, cancel := InTime()
	defer cancel()
	must(t, c.Create(ctx))
	h, err := c.Attach(ctx, echotest.Package)
	must(t, err)
	p := webrtctest.NewPeer(t, webrtctest.Options{})
	m, err := h.Ask(ctx, client.Object{"audio": true, "video": true}, client.Object{"type": "offer", "sdp": p.Offer(nil)})
	must(t, err)
	p.Accept(m.JSEP.SDP)
	_, err = h.Await(ctx, func(m *client.Message) bool { return m.Janus == "webrtcup" })
	must(t, err)
	p.AwaitConnected()
	p.Play(pace)
	audio, video := p.Audio.Sent.Load(), p.Video.Sent.Load()
	waittest.Until(t, "everything came back", func() bool {
		return p.Heard.Missing(1, audio) == 0 && p.Seen.Missing(1, video) == 0
	})
	p.Close()
	_, err = h.Await(ctx, func(m *client.Message) bool { return m.Janus == "hangup" })
	must(t, err)
	must(t, c.Destroy(ctx))
}

// Admin makes requests of the Admin API.
func (l *Lab) Admin(c *client.Client) {
	t := l.T
	t.Helper()
	ctx, cancel := InTime()
	defer cancel()
	for _, x := range []struct {
		request client.Object
		want    string
	}{
		{client.Object{"janus": "ping"}, `"pong"`},
		{client.Object{"janus": "list_sessions", "admin_secret": Secret}, `"sessions":[`},
		{client.Object{"janus": "list_sessions", "admin_secret": "x"}, `"code":403`},
		{client.Object{"janus": "create"}, `"code":403`},
	} {
		m, err := c.RequestAbout(ctx, 0, 0, x.request)
		must(t, err)
		if !strings.Contains(string(m.Raw), x.want) {
			t.Errorf("%v: %s, want %s", x.request, m.Raw, x.want)
		}
	}
}

// Ask is one request of the Admin API that has to succeed.
func (l *Lab) Ask(c *client.Client, request client.Object) string {
	l.T.Helper()
	ctx, cancel := InTime()
	defer cancel()
	request["admin_secret"] = Secret
	m, err := c.RequestAbout(ctx, 0, 0, request)
	must(l.T, err)
	return string(m.Raw)
}

// Flood makes n requests before it waits for the reply to any; between runs when all are
// sent.
func (l *Lab) Flood(c *client.Client, n int, between func()) {
	t := l.T
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*waittest.Patience)
	defer cancel()
	pending := make([]*client.Pending, n)
	var err error
	for i := range pending {
		pending[i], err = c.Send(ctx, client.Object{"janus": "ping"})
		must(t, err)
	}
	between()
	for i, p := range pending {
		m, err := p.Wait(ctx)
		if err != nil || m.Janus != "pong" {
			t.Fatalf("request %d of %d: %v %v", i, n, m, err)
		}
	}
}

// Counted are events of a session that are numbered.
type Counted struct {
	t    testing.TB
	seen chan int
}

// NewCounted makes a Counted whose Tap is for a client.
func NewCounted(t testing.TB) *Counted { return &Counted{t: t, seen: make(chan int, 1<<16)} }

// Tap notes the numbers of messages.
func (c *Counted) Tap(m *client.Message) {
	if n := Number(string(m.Raw)); n != 0 {
		c.seen <- n
	}
}

// Number is that of an event, 0 for others.
func Number(event string) (n int) {
	_, _ = fmt.Sscanf(event, `{"janus":"numbered","n":%d}`, &n)
	return n
}

// Send sends events with the numbers from first to last to who has a session.
func (c *Counted) Send(core *janus.Core, session uint64, first, last int) {
	conn := core.Session(session).Conn()
	for n := first; n <= last; n++ {
		conn.Deliver(session, janus.Event{Head: fmt.Appendf(nil, `{"janus":"numbered","n":%d}`, n)})
	}
}

// Expect waits for the numbers from first to last: each once and in order.
func (c *Counted) Expect(first, last int) {
	c.t.Helper()
	for n := first; n <= last; n++ {
		if got := waittest.NextWithin(c.t, 2*waittest.Patience, fmt.Sprintf("event %d", n), c.seen); got != n {
			c.t.Fatalf("event %d in place of %d", got, n)
		}
	}
}

// Nothing fails the test if more has come.
func (c *Counted) Nothing() {
	c.t.Helper()
	select {
	case n := <-c.seen:
		c.t.Errorf("event %d again", n)
	default:
	}
}

// Confirmed waits until a broker has all that was sent.
func Confirmed(t testing.TB, l *broker.Link) {
	t.Helper()
	waittest.Until(t, "all is confirmed", func() bool { return l.Pending() == 0 })
}

// Cut waits until a link knows that its connection is broken.
func Cut(t testing.TB, l *broker.Link) {
	t.Helper()
	waittest.Until(t, "the link is down", func() bool { return !l.Up() })
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
