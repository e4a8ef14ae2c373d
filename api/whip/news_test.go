package whip

import (
	"bufio"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

const asJSON = "Content-Type: application/json"

// events reads a stream of events, as EventSource does: without a token.
type events struct {
	l     *lab
	resp  *http.Response
	lines *bufio.Scanner
}

// events subscribes for a player at a resource.
func (l *lab) events(at, kinds string, fields ...string) *events {
	l.t.Helper()
	made := l.want(l.do("POST", at+"/events", kinds, append(fields, asJSON)...), 201, "")
	return l.read(made.Header.Get("Location"))
}

func (l *lab) read(at string) *events {
	l.t.Helper()
	resp, err := http.Get(l.http.URL + at)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.reader(resp)
}

func (l *lab) reader(resp *http.Response) *events {
	timer := time.AfterFunc(waittest.Patience, func() { resp.Body.Close() })
	l.t.Cleanup(func() {
		timer.Stop()
		resp.Body.Close()
	})
	return &events{l, resp, bufio.NewScanner(resp.Body)}
}

// next is the next event, "kind data", or "" at the end.
func (e *events) next() (event string) {
	for e.lines.Scan() {
		line := e.lines.Text()
		if kind, ok := strings.CutPrefix(line, "event: "); ok {
			event = kind
		} else if data, ok := strings.CutPrefix(line, "data: "); ok {
			return event + " " + data
		}
	}
	return ""
}

// await reads until an event comes; those before are others.
func (e *events) await(want string) {
	e.l.t.Helper()
	for {
		switch got := e.next(); got {
		case want:
			return
		case "":
			e.l.t.Fatalf("the stream ends, want %q", want)
		}
	}
}

// TestViewers: players are told when one comes, and when one goes.
func TestViewers(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	l.publish("studio")
	_, r := l.watch("room", video)
	e := l.events(r.Header.Get("Location"), `["viewercount"]`)
	e.await(`viewercount {"viewercount":1}`)
	_, second := l.watch("room", video)
	e.await(`viewercount {"viewercount":2}`)
	l.want(l.do("DELETE", second.Header.Get("Location"), ""), 200, "")
	e.await(`viewercount {"viewercount":1}`)
}

// TestEventSource reads events as browsers do, which send no token with that and come again
// when a connection has failed.
func TestEventSource(t *testing.T) {
	l := newLab(t, Config{Endpoints: []Endpoint{{ID: "x", Room: "1"}, {ID: "x", Kind: Watch, Room: "1", Token: "secret"}}})
	const token = "Authorization: Bearer secret"
	l.publish("x")
	v := l.player(video)
	r := l.want(l.do("POST", "/whep/endpoint/x", v.Offer(nil), asSDP, token), 201, "")
	at := r.Header.Get("Location")
	l.want(l.do("POST", at+"/events", `["active"]`, asJSON), 401, "token")
	made := l.want(l.do("POST", at+"/events", "", token), 201, "") // of all kinds
	e := l.read(made.Header.Get("Location"))
	e.await("active {}")
	e.await(`viewercount {"viewercount":1}`)
	e.resp.Body.Close()
	waittest.Until(t, "the server knows that nobody reads any more", func() bool {
		resp, err := http.Get(l.http.URL + made.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 {
			resp.Body.Close()
			return false
		}
		e = l.reader(resp)
		return true
	})
	e.await("active {}")
	e.await(`viewercount {"viewercount":1}`)
	l.want(l.do("DELETE", made.Header.Get("Location"), ""), 401, "token")
	l.want(l.do("DELETE", made.Header.Get("Location"), "", token), 200, "")
	l.want(l.do("GET", made.Header.Get("Location"), ""), 404, "no such stream")
}

// TestLayersNews: the event has a list for each media section, by its place; so has the
// request.
func TestLayersNews(t *testing.T) {
	l := newLab(t, Config{Endpoints: []Endpoint{{ID: "x", Room: "1"}, {ID: "x", Kind: Watch, Room: "1"}}})
	p := webrtctest.NewLayered(t, webrtctest.Options{RIDs: []string{"l", "m", "h"}})
	r := l.want(l.do("POST", "/whip/endpoint/x", sendOnly(p.Offer(nil)), asSDP), 201, "a=simulcast:recv")
	p.Accept(r.text)
	p.AwaitConnected()
	v := l.player(video)
	offer := strings.NewReplacer("a=mid:0", "a=mid:pictures", "BUNDLE 0", "BUNDLE pictures").Replace(v.Offer(nil))
	at := l.want(l.do("POST", "/whep/endpoint/x", offer, asSDP), 201, "a=mid:pictures").Header.Get("Location")
	x := l.server.resource(Watch, at[strings.LastIndexByte(at, '/')+1:])
	one, two := 1, 2
	x.news.mu.Lock()
	x.news.changed(&told{MID: "pictures", Substream: &two, Temporal: &one})
	x.news.mu.Unlock()
	e := l.events(at, `["layers"]`)
	e.await(`layers {"0":[{"rid":"2","temporalLayerId":1},{"rid":"2","temporalLayerId":0},{"rid":"1","temporalLayerId":1},{"rid":"1","temporalLayerId":0},` +
		`{"rid":"0","temporalLayerId":1},{"rid":"0","temporalLayerId":0}]}`)
	l.want(l.do("POST", at+"/layer", `{"mediaId":"0","rid":"0"}`, asJSON), 200, "")
	l.want(l.do("POST", at+"/layer", `{"mediaId":"pictures","maxTemporalLayerId":1}`, asJSON), 200, "")
	l.want(l.do("POST", at+"/layer", `{"rid":"1"}`, asJSON), 200, "")
	l.want(l.do("POST", at+"/layer", `{"mediaId":"1"}`, asJSON), 400, "no media section")
	l.want(l.do("POST", at+"/layer", `{"mediaId":"\u0000"}`, asJSON), 400, "no media section")
}

// TestIdle: a player who waits for somebody to publish is not told that nobody does, only
// when that begins.
func TestIdle(t *testing.T) {
	f := &feed{idle: true}
	made := &stream{wanted: map[string]bool{"active": true, "inactive": true}, ready: make(chan struct{}, 1), done: make(chan struct{})}
	if _, p := f.add(made); p != nil || len(made.waiting) != 0 {
		t.Errorf("%v %v", p, made.waiting)
	}
}

// TestDestroyedMeanwhile: who has found an endpoint makes nothing of it once it is destroyed.
func TestDestroyedMeanwhile(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	e := l.server.endpoint(Watch, "room")
	l.server.Destroy(Watch, "room")
	if x, p := l.server.reserve(e, netip.Prefix{}); x != nil || p == nil || p.Status != 404 {
		t.Errorf("%v %v", x, p)
	}
}
