package whip

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// monkey makes requests of which most are wrong.
type monkey struct {
	*rand.Rand
	l              *lab
	offer, receive string
	others         []string // its resources
}

func (m *monkey) pick(list ...string) string { return list[m.IntN(len(list))] }

// spoil changes a text in a few places.
func (m *monkey) spoil(text string) string {
	b := []byte(text)
	for range m.IntN(4) {
		if len(b) == 0 {
			return ""
		}
		switch i := m.IntN(len(b)); m.IntN(3) {
		case 0:
			b[i] = byte(m.IntN(256))
		case 1:
			b = append(b[:i:i], b[min(len(b), i+m.IntN(40)):]...)
		default:
			b = append(b[:i:i], append([]byte(m.pick("\r\n", "a=ice-ufrag:x\r\n", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "\x00", "a=mid:0\r\n")), b[i:]...)...)
		}
	}
	return string(b)
}

// step makes one request.
func (m *monkey) step() {
	path := m.pick("/whip/endpoint/token", "/whip/endpoint/strict", "/whep/endpoint/room", "/whep/endpoint/live", "/whep/endpoint/studio", "/whip/resource/x",
		"/whep/resource/x/events", "/whep/resource/x/layer", "/whip/", "/whep/endpoint/%2e%2e", "/whip/endpoint/"+strings.Repeat("a", 200))
	if len(m.others) > 0 && m.IntN(2) == 0 {
		path = m.pick(m.others...) + m.pick("", "", "/events", "/layer", "/events/x")
	}
	text := m.pick(m.offer, m.receive, "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n", restartAnswer(m.offer), `["active"]`, `{"rid":"1","mediaId":"0"}`)
	r, err := http.NewRequest(m.pick("POST", "POST", "PATCH", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS", "PUT"), m.l.http.URL+path, strings.NewReader(m.spoil(text)))
	if err != nil {
		m.l.t.Error(err)
		return
	}
	r.Header.Set("Content-Type", m.pick("application/sdp", "application/sdp", "application/trickle-ice-sdpfrag", "application/json", "text/plain", ";;"))
	r.Header.Set("Authorization", m.pick("Bearer secret", "Bearer x", "Basic eA==", "Bearer"))
	r.Header.Set("If-Match", m.pick("*", `"x"`, "", ",,"))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		m.l.t.Error(err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 500 && resp.StatusCode != 503 {
		m.l.t.Errorf("%s %s: %s for %q", r.Method, path, resp.Status, text)
	}
	if at := resp.Header.Get("Location"); at != "" && r.Method == "POST" && !strings.Contains(at, "/events/") && len(m.others) < 20 {
		m.others = append(m.others, at)
	}
}

// TestMonkey has several monkeys at work while somebody publishes, watches, restarts, leaves
// and comes again: these do not notice, no request fails the server, and nothing is left.
func TestMonkey(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints(), RequestRate: 1e6})
	offer := sendOnly(webrtctest.NewPeer(t, webrtctest.Options{}).Offer(nil))
	receive := l.player(audio, video).Offer(nil)
	quit := make(chan struct{})
	var monkeys sync.WaitGroup
	for i := range 3 {
		m := &monkey{Rand: rand.New(rand.NewPCG(17, uint64(i))), l: l, offer: offer, receive: receive}
		monkeys.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-quit:
					if n >= 150 {
						return
					}
				default:
				}
				m.step()
			}
		})
	}
	for range 2 {
		p, made := l.publish("studio")
		stop := p.KeepPlaying(pace)
		v, watched := l.watch("studio", audio, video)
		for _, x := range []struct {
			peer *webrtctest.Peer
			reply
		}{{p, made}, {v, watched}} {
			r := l.want(l.do("PATCH", x.Header.Get("Location"), restartAnswer(x.peer.Offer(&webrtcRestart)), asFragment, "If-Match: *"), 200, "a=ice-ufrag:")
			f, err := parseFragment(r.text)
			if err != nil {
				t.Fatal(err)
			}
			x.peer.Accept(f.restarted(x.text))
			v.Seen.AwaitMore(t, "the player sees on")
			v.Heard.AwaitMore(t, "the player hears on")
		}
		l.want(l.do("DELETE", watched.Header.Get("Location"), ""), 200, "")
		l.want(l.do("DELETE", made.Header.Get("Location"), ""), 200, "")
		stop()
	}
	close(quit)
	monkeys.Wait()
	for _, e := range l.server.Endpoints() {
		l.server.Destroy(e.Kind, e.ID)
	}
	waittest.Until(t, "nothing is left", func() bool { return len(l.core.Sessions()) == 0 && l.server.hostsNow() == 0 })
}

// TestOthersResources: a resource is ended by whoever knows its name and has the token of its
// endpoint; that of another endpoint does not do.
func TestOthersResources(t *testing.T) {
	l := newLab(t, Config{Endpoints: []Endpoint{{ID: "a", Room: "1", Token: "one"}, {ID: "b", Room: "1", Token: "two"}}})
	offer := sendOnly(webrtctest.NewPeer(t, webrtctest.Options{}).Offer(nil))
	at := l.want(l.do("POST", "/whip/endpoint/a", offer, asSDP, "Authorization: Bearer one"), 201, "").Header.Get("Location")
	other := l.want(l.do("POST", "/whip/endpoint/b", offer, asSDP, "Authorization: Bearer two"), 201, "").Header.Get("Location")
	id, otherID := at[strings.LastIndexByte(at, '/')+1:], other[strings.LastIndexByte(other, '/')+1:]
	if len(id) < 26 || id[:8] == otherID[:8] { // 5 bits each
		t.Errorf("%s and %s", id, otherID)
	}
	for _, method := range []string{"DELETE", "PATCH", "GET"} {
		l.want(l.do(method, at, "a=x\r\n", asFragment, "Authorization: Bearer two"), 401, "not that of this endpoint")
		l.want(l.do(method, at[:len(at)-1], "a=x\r\n", asFragment, "Authorization: Bearer one"), 404, "no such resource")
		l.want(l.do(method, strings.ToUpper(at), "a=x\r\n", asFragment, "Authorization: Bearer one"), 404, "")
	}
	l.want(l.do("DELETE", at, "", "Authorization: Bearer one"), 200, "")
	l.want(l.do("GET", other, "", "Authorization: Bearer two"), 204, "")
}

// TestResourcesEnd with their connection, the publisher's place in the room, the room and the
// mountpoint.
func TestResourcesEnd(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	ended := func(name string, r reply) {
		t.Helper()
		waittest.Until(t, name+" ends a resource", func() bool { return l.do("GET", r.Header.Get("Location"), "").StatusCode == 404 })
	}
	p, made := l.publish("studio")
	v, watched := l.watch("room", audio, video)
	v.Close()
	ended("the end of a player", watched)
	p.Close()
	ended("the end of a publisher", made)

	_, made = l.publish("studio")
	_, watched = l.watch("studio", audio, video)
	_, live := l.watch("live", video)
	ask := func(plugin string, b body) {
		t.Helper()
		c := newClient(l.core, &l.server.tasks)
		c.event, c.over = func(*message) {}, func(string) {}
		if err := c.attach(t.Context(), plugin, ""); err != nil {
			t.Fatal(err)
		}
		defer c.close()
		if _, err := c.message(t.Context(), b, nil); err != nil {
			t.Fatal(err)
		}
	}
	ask(roomPackage, body{"request": "kick", "room": 1, "id": 7})
	ended("a kick", made)
	l.want(l.do("GET", watched.Header.Get("Location"), ""), 204, "")
	_, made = l.publish("studio")
	ask(roomPackage, body{"request": "destroy", "room": 1})
	ended("the end of a room", made)
	ended("the end of a room", watched)
	ask(mountPackage, body{"request": "destroy", "id": 1})
	ended("the end of a mountpoint", live)
}
