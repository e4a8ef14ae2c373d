package textroom

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bifrons/rtp/waittest"
)

// receiver is a back end.
type receiver struct {
	url  string
	got  chan string // path, type of content and body
	hold chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{got: make(chan string, 1000), hold: make(chan struct{})}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b, _ := io.ReadAll(req.Body)
		r.got <- req.Method + " " + req.URL.Path + " " + req.Header.Get("Content-Type") + " " + string(b)
		switch req.URL.Path {
		case "/hold":
			select {
			case <-r.hold:
			case <-req.Context().Done():
			}
		case "/away":
			http.Redirect(w, req, "/elsewhere", http.StatusTemporaryRedirect)
		case "/bad":
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

func (r *receiver) wants(t *testing.T, path, text string) {
	t.Helper()
	got := strings.ReplaceAll(dates.ReplaceAllString(waittest.Next(t, "post of "+text, r.got), `"date":"D"`), `"`, "'")
	if want := "POST " + path + " application/json " + text; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestPost: what is said to all is posted as it is sent, in order, whatever the back end
// answers.
func TestPost(t *testing.T) {
	hs, back := newService(t, ""), newReceiver(t)
	g := hs.client()
	for _, path := range []string{"/x", "/away", "/bad"} {
		g.say(say("create", "'room':1,'post':'"+back.url+path+"'"))
		g.say(say("join", "'room':1,'username':'g','display':'G'"))
		g.say(say("message", "'room':1,'text':'to me','to':'g'"))
		for i := range 10 {
			g.say(say("message", fmt.Sprintf("'room':1,'text':'%d'", i)))
		}
		g.say(say("announcement", "'room':1,'text':'end'"))
		for i := range 10 {
			back.wants(t, path, fmt.Sprintf("{'textroom':'message','room':1,'from':'g','date':'D','text':'%d'}", i))
		}
		back.wants(t, path, "{'textroom':'announcement','room':1,'date':'D','text':'end'}")
		g.say(say("destroy", "'room':1"))
	}
	g.say(say("create", "'room':1"))
	g.say(say("edit", "'room':1,'new_post':'"+strings.TrimPrefix(back.url, "http://")+"/y'"))
	g.say(say("announcement", "'room':1,'text':'late'"))
	back.wants(t, "/y", "{'textroom':'announcement','room':1,'date':'D','text':'late'}")
	hs.core.Replace(New(""))
	if n := len(back.got); n != 0 {
		t.Errorf("%d posts too many", n)
	}
}

// TestHangingBackend: a back end that does not answer holds up neither its room nor other
// rooms' back ends; what it gets no more is lost and told. The end does not wait for it.
func TestHangingBackend(t *testing.T) {
	hs, back := newService(t, ""), newReceiver(t)
	g := hs.client()
	g.say(say("create", "'room':1,'post':'"+back.url+"/hold'"))
	g.say(say("create", "'room':2,'post':'"+back.url+"/x'"))
	g.say(say("join", "'room':1,'username':'g'"))
	const more = 5
	for i := range 1 + maxWaiting + more {
		if got := g.say(say("message", fmt.Sprintf("'room':1,'text':'%d'", i))); !strings.HasSuffix(got, success) {
			t.Fatalf("%d: %s", i, got)
		}
		if i == 0 {
			back.wants(t, "/hold", "{'textroom':'message','room':1,'from':'g','date':'D','text':'0'}") // no more wait
		}
	}
	g.say(say("announcement", "'room':2,'text':'x'"))
	back.wants(t, "/x", "{'textroom':'announcement','room':2,'date':'D','text':'x'}")
	r, _ := hs.plugin.rooms.Get("1")
	r.backend.mu.Lock()
	waiting, lost := len(r.backend.waiting), r.backend.lost
	r.backend.mu.Unlock()
	if waiting != maxWaiting || lost != more-1 || strings.Count(hs.core.Log(), "not posted") != 1 {
		t.Errorf("%d wait, %d lost, log %s", waiting, lost, hs.core.Log())
	}
	p := hs.plugin
	waittest.InTime(t, "the end", func() { hs.core.Replace(New("")) })
	if held := p.posts.held.held.Load(); held != 0 {
		t.Errorf("%d bytes are left", held)
	}
}

// TestPostSum: what waits for all back ends together is bounded.
func TestPostSum(t *testing.T) {
	hs, back := newService(t, ""), newReceiver(t)
	defer close(back.hold)
	g := hs.client()
	hs.plugin.posts.held.most = 2 << 20
	text := strings.Repeat("x", 10000)
	for room := 1; hs.core.Log() == ""; room++ {
		if room*maxWaiting*len(text) > 4<<20 {
			t.Fatal("no bound")
		}
		g.ask(fmt.Sprintf("{'request':'create','room':%d,'post':'%s/hold'}", room, back.url))
		for range maxWaiting {
			g.ask(fmt.Sprintf("{'request':'announcement','room':%d,'text':'%s'}", room, text))
		}
	}
	if held := hs.plugin.posts.held.held.Load(); held > 2<<20 {
		t.Errorf("%d bytes wait", held)
	}
}

// TestPostShares: neither one room nor one host takes everything.
func TestPostShares(t *testing.T) {
	hs, back := newService(t, ""), newReceiver(t)
	defer close(back.hold)
	g := hs.client()
	g.ask("{'request':'create','room':1,'post':'" + back.url + "/hold'}")
	text := strings.Repeat("x", 60000)
	for range maxWaiting {
		g.ask("{'request':'announcement','room':1,'text':'" + text + "'}")
		g.heard()
	}
	if held := hs.plugin.posts.held.held.Load(); held > 1<<20 || held < 1<<19 {
		t.Errorf("%d bytes of one room wait", held)
	}
	for room := range maxPosting {
		g.ask(fmt.Sprintf("{'request':'create','room':%d,'post':'%s/hold'}", room+2, back.url))
		g.ask(fmt.Sprintf("{'request':'announcement','room':%d,'text':'x'}", room+2))
	}
	g.ask("{'request':'create','room':100,'post':'" + strings.Replace(back.url, "127.0.0.1", "localhost", 1) + "/x'}")
	g.ask("{'request':'announcement','room':100,'text':'y'}")
	busy := 0
	for got := ""; !strings.HasPrefix(got, "POST /x "); busy++ {
		got = waittest.Next(t, "a post to another host", back.got)
	}
	if busy > 9 {
		t.Errorf("%d requests to one host", busy-1)
	}
}

// panicking is a way to back ends that panics once.
type panicking struct{ done bool }

func (x *panicking) RoundTrip(r *http.Request) (*http.Response, error) {
	if !x.done {
		x.done = true
		panic("a fault")
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestPostPanic: a panic loses what waits, and nothing else.
func TestPostPanic(t *testing.T) {
	hs, back := newService(t, ""), newReceiver(t)
	p := &posts{held: sum{most: maxPostBytes}}
	p.ctx, p.cancel = context.WithCancel(t.Context())
	p.tasks.Log = slog.New(slog.DiscardHandler)
	p.start(hs.plugin.posts.log)
	defer p.close()
	p.client.Transport, p.client.Timeout = &panicking{}, 0 // the goroutine of a timeout would stay
	b := &backend{room: "1", posts: p}
	b.mu.Lock() // so that two wait
	b.waiting, b.bytes, b.running = []post{{back.url, []byte("1")}, {back.url, []byte("2")}}, 2, true
	p.held.take(2)
	b.mu.Unlock()
	p.tasks.Go(b.run)
	p.tasks.Wait()
	if n := p.held.held.Load(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
	b.post(back.url+"/x", []byte("3"))
	back.wants(t, "/x", "3")
}

// TestDeadBackend: one that nobody listens at is named in the log, but for the URL.
func TestDeadBackend(t *testing.T) {
	hs := newService(t, "")
	g := hs.client()
	g.say(say("create", "'room':1,'post':'http://127.0.0.1:1/secret'"))
	g.say(say("announcement", "'room':1,'text':'x'"))
	waittest.Until(t, "a warning", func() bool { return strings.Contains(hs.core.Log(), "not posted") })
	if log := hs.core.Log(); strings.Contains(log, "secret") || !strings.Contains(log, "refused") {
		t.Errorf("log: %s", log)
	}
}
