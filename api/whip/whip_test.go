package whip

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// pace is how test media is sent.
var pace = webrtctest.Pace{Packets: 2, Every: 10 * time.Millisecond}

func roomEndpoints() []Endpoint {
	return []Endpoint{
		{ID: "studio", Room: "1", Label: "Studio", Feed: "7"},
		{ID: "studio", Kind: Watch, Room: "1", Feed: "7"},
		{ID: "room", Kind: Watch, Room: "1"},
		{ID: "live", Kind: Watch, Mountpoint: "1"},
		{ID: "strict", Room: "2", PIN: "p"},
		{ID: "nowhere", Room: "99"},
		{ID: "nowhere", Kind: Watch, Mountpoint: "99"},
		{ID: "locked", Kind: Watch, Mountpoint: "2"},
		{ID: "h264", Kind: Watch, Mountpoint: "2", PIN: "p"},
		{ID: "token", Room: "1", Token: "secret"},
	}
}

// TestPublishAndWatch has a publisher whom two players watch, by name and because nobody
// else is there; one publisher takes the place of another.
func TestPublishAndWatch(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	l.want(l.do("POST", "/whep/endpoint/room", l.player(audio, video).Offer(nil), asSDP), 409, "Nobody publishes")
	p, made := l.publish("studio")
	stop := p.KeepPlaying(pace)
	named, r := l.watch("studio", audio, video)
	any, _ := l.watch("room", audio, video)
	for name, v := range map[string]*webrtctest.Peer{"named": named, "any": any} {
		v.Seen.AwaitMore(t, name+" sees")
		v.Heard.AwaitMore(t, name+" hears")
	}
	stop()

	second, _ := l.publish("studio")
	l.want(l.do("DELETE", made.Header.Get("Location"), ""), 404, "has ended")
	stop = second.KeepPlaying(pace)
	defer stop()
	any.Seen.AwaitMore(t, "who watches the room sees the second")

	l.want(l.do("DELETE", r.Header.Get("Location"), ""), 200, "")
	waittest.Until(t, "the player's connection ends", func() bool { return named.PC.ConnectionState().String() != "connected" })
}

// TestMountpoint watches a mountpoint, and takes the server's own offer where the
// player's does not fit.
func TestMountpoint(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	v, r := l.watch("live", audio, video)
	if !strings.Contains(r.text, "m=audio 0 ") {
		t.Errorf("audio is not rejected: %s", r.text)
	}
	_ = v
	p := l.player(audio)
	r = l.want(l.do("POST", "/whep/endpoint/live", p.Offer(nil), asSDP), 406, "m=video 9")
	if r.Header.Get("Content-Type") != "application/sdp" || r.Header.Get("Location") == "" || r.Header.Get("ETag") == "" {
		t.Errorf("%v", r.Header)
	}
	fresh := l.player()
	l.want(l.do("PATCH", r.Header.Get("Location"), fresh.Answer(r.text), asSDP), 204, "")
	fresh.AwaitConnected()
	l.want(l.do("PATCH", r.Header.Get("Location"), "v=0", asSDP), 409, "no offer")
}

// TestRestart restarts ICE on both sides of a room.
func TestRestart(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	p, made := l.publish("studio")
	v, got := l.watch("studio", audio, video)
	stop := p.KeepPlaying(pace)
	defer stop()
	for _, x := range []struct {
		peer *webrtctest.Peer
		reply
	}{{p, made}, {v, got}} {
		offer := x.peer.Offer(&webrtcRestart)
		frag := restartAnswer(offer)
		r := l.want(l.do("PATCH", x.Header.Get("Location"), frag, asFragment, "If-Match: *"), 200, "a=ice-ufrag:")
		tag := r.Header.Get("ETag")
		if tag == "" || tag == x.Header.Get("ETag") || r.Header.Get("Content-Type") != typeFragment {
			t.Errorf("%v", r.Header)
		}
		l.want(l.do("PATCH", x.Header.Get("Location"), "a=end-of-candidates\r\n", asFragment, "If-Match: "+x.Header.Get("ETag")), 412, "another ICE session")
		f, err := parseFragment(r.text)
		if err != nil || len(f.candidates) == 0 {
			t.Fatalf("%v in %s", err, r.text)
		}
		x.peer.Accept(f.restarted(x.text))
		l.want(l.do("PATCH", x.Header.Get("Location"), "a=end-of-candidates\r\n", asFragment, "If-Match: "+tag), 204, "")
		v.Seen.AwaitMore(t, "media goes on")
	}
}

// TestTrickle sends candidates after the offer.
func TestTrickle(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	p := webrtctest.NewPeer(t, webrtctest.Options{})
	offer := sendOnly(p.Offer(nil))
	bare := webrtctest.WithoutLines(offer, "a=candidate", "a=end-of-candidates")
	r := l.want(l.do("POST", "/whip/endpoint/studio", bare, asSDP+"; charset=utf-8"), 201, "")
	p.Accept(r.text)
	l.want(l.do("PATCH", r.Header.Get("Location"), restartAnswer(offer), asFragment), 204, "")
	p.AwaitConnected()
}

// TestLimits: the addresses that a proxy tells of have their limits, one by one.
func TestLimits(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints(), PerAddress: 1, RequestRate: 2})
	offer := l.player(video).Offer(nil)
	from := func(address string) string { return "X-Forwarded-For: 203.0.113.9, " + address }
	l.want(l.do("POST", "/whep/endpoint/live", offer, asSDP, from("192.0.2.1")), 201, "")
	l.want(l.do("POST", "/whep/endpoint/live", offer, asSDP, from("192.0.2.1")), 429, "as many clients")
	l.want(l.do("POST", "/whep/endpoint/live", offer, asSDP, from("192.0.2.2")), 201, "")
	waittest.Until(t, "too many requests", func() bool {
		return l.do("GET", "/whep/endpoint/live", "", from("192.0.2.3")).StatusCode == 429
	})
	for range 5 {
		l.want(l.do("GET", "/whep/endpoint/live", ""), 200, "")
	}
}

// TestRefusals is what clients are told of what does not work.
func TestRefusals(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints(), PerAddress: 3})
	p := webrtctest.NewPeer(t, webrtctest.Options{})
	offer := sendOnly(p.Offer(nil))
	receive := l.player(video).Offer(nil)
	for _, tt := range []struct {
		method, path, text string
		status             int
		words              string
		fields             []string
	}{
		{"POST", "/whip/endpoint/none", offer, 404, "no whip endpoint", []string{asSDP}},
		{"POST", "/whip/endpoint/studio", offer, 415, "application/sdp", nil},
		{"POST", "/whip/endpoint/studio", "", 400, "empty", []string{asSDP}},
		{"POST", "/whip/endpoint/studio", "hello", 400, "no session description", []string{asSDP}},
		{"POST", "/whip/endpoint/studio", receive, 400, "sendonly or sendrecv", []string{asSDP}},
		{"POST", "/whep/endpoint/room", offer, 400, "recvonly or sendrecv", []string{asSDP}},
		{"POST", "/whip/endpoint/nowhere", offer, 404, "room of this endpoint, 99", []string{asSDP}},
		{"POST", "/whep/endpoint/nowhere", receive, 404, "mountpoint of this endpoint, 99", []string{asSDP}},
		{"POST", "/whep/endpoint/locked", receive, 403, "pin", []string{asSDP}},
		{"POST", "/whip/endpoint/strict", strings.ReplaceAll(offer, "H264", "H269"), 422, "does not take video", []string{asSDP}},
		{"POST", "/whip/endpoint/token", offer, 401, "A token is needed", []string{asSDP}},
		{"POST", "/whip/endpoint/token", offer, 401, "not that of this endpoint", []string{asSDP, "Authorization: Bearer no"}},
		{"POST", "/whip/endpoint/token?token=secret", offer, 401, "A token is needed", []string{asSDP}},
		{"PUT", "/whip/endpoint/studio", "", 405, "means nothing", nil},
		{"PATCH", "/whip/resource/none", "a=x", 404, "no such resource", []string{asFragment}},
		{"DELETE", "/whip/resource/none", "", 404, "no such resource", nil},
		{"GET", "/whip/elsewhere", "", 404, "nothing at this path", nil},
	} {
		r := l.do(tt.method, tt.path, tt.text, tt.fields...)
		if r.StatusCode != tt.status || !strings.Contains(r.text, tt.words) || r.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %s, want %d with %q", tt.method, tt.path, r, tt.status, tt.words)
		}
	}
	waittest.Until(t, "what could not begin is gone", func() bool { return len(l.server.resources) == 0 && len(l.core.Sessions()) == 0 })

	r := l.want(l.do("POST", "/whip/endpoint/token", offer, asSDP, "Authorization: Bearer secret"), 201, "")
	at := r.Header.Get("Location")
	l.want(l.do("DELETE", at, ""), 401, "A token is needed")
	l.want(l.do("DELETE", strings.Replace(at, "whip", "whep", 1), ""), 404, "no such resource")
	for _, text := range []string{"hello", "a=ice-ufrag:x\r\n"} {
		l.want(l.do("PATCH", at, text, asFragment, "Authorization: Bearer secret"), 400, "cannot be used")
	}
	l.want(l.do("PATCH", at, offer, asSDP, "Authorization: Bearer secret"), 415, "PATCH takes")
	l.want(l.do("DELETE", at, "", "Authorization: Bearer secret"), 200, "")
	waittest.Until(t, "the session has ended", func() bool { return len(l.core.Sessions()) == 0 })

	l.core.SetAccepting(false)
	r = l.want(l.do("POST", "/whip/endpoint/studio", offer, asSDP), 503, "no new clients")
	if r.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// TestLooks is what can be learned without a session.
func TestLooks(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints(), ICEServers: []ICEServer{
		{URL: "stun:stun.example.net"}, {URL: "turn:turn.example.net?transport=udp", Username: "u", Credential: `p"q`}}})
	pre := l.want(l.do("OPTIONS", "/whip/endpoint/token", "", "Access-Control-Request-Method: POST", "Origin: https://x.example"), 204, "")
	if !strings.Contains(pre.Header.Get("Access-Control-Allow-Headers"), "ETag") { // where Eyevinn's client has the tag
		t.Errorf("pre-flight: %v", pre.Header)
	}
	if pre.Header.Get("Access-Control-Allow-Methods") == "" || pre.Header.Get("Link") != "" {
		t.Errorf("pre-flight: %v", pre.Header)
	}
	o := l.want(l.do("OPTIONS", "/whip/endpoint/studio", ""), 204, "")
	links := o.Header.Values("Link")
	if o.Header.Get("Accept-Post") != "application/sdp" || len(links) != 2 || links[0] != `<stun:stun.example.net>; rel="ice-server"` ||
		links[1] != `<turn:turn.example.net?transport=udp>; rel="ice-server"; username="u"; credential="p\"q"; credential-type="password"` {
		t.Errorf("%v", o.Header)
	}
	l.want(l.do("GET", "/whip/endpoint/studio", ""), 204, "")
	if r := l.want(l.do("HEAD", "/whep/endpoint/room", ""), 200, ""); r.Header.Get("Content-Type") != "application/sdp" {
		t.Errorf("%v", r.Header)
	}
	if r := l.do("GET", "/whip/endpoint/studio", ""); !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "Location") {
		t.Errorf("%v", r.Header)
	}
}

// TestNews reads the events of a player, and chooses layers.
func TestNews(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	p, _ := l.publish("studio")
	stop := p.KeepPlaying(pace)
	defer stop()
	_, r := l.watch("room", audio, video)
	at := r.Header.Get("Location")
	links := strings.Join(r.Header.Values("Link"), "\n")
	if !strings.Contains(links, at+`/events>; rel="urn:ietf:params:whep:ext:core:server-sent-events"; events="active,inactive,layers,viewercount"`) ||
		!strings.Contains(links, at+`/layer>; rel="urn:ietf:params:whep:ext:core:layer"`) {
		t.Errorf("links: %s", links)
	}
	l.want(l.do("POST", at+"/events", `["active","rain"]`, asJSON), 400, "no event")
	l.want(l.do("POST", at+"/events", `{}`, asJSON), 400, "no list")
	made := l.want(l.do("POST", at+"/events", `["active","inactive","viewercount"]`, asJSON), 201, "")

	resp, err := http.Get(l.http.URL + made.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func(want string) {
		t.Helper()
		for lines.Scan() {
			if line := lines.Text(); line != "" && line != ":" {
				if line != want {
					t.Fatalf("%q, want %q", line, want)
				}
				return
			}
		}
		t.Fatalf("the stream ends, want %q", want)
	}
	next("event: active")
	next("data: {}")
	next("event: viewercount")
	next(`data: {"viewercount":1}`)
	l.want(l.do("GET", made.Header.Get("Location"), ""), 409, "already")
	l.watch("room", video)
	next("event: viewercount")
	next(`data: {"viewercount":2}`)
	p.Close()
	next("event: inactive")
	next("data: {}")

	l.want(l.do("POST", at+"/layer", `{"mediaId":"1","rid":"0","maxTemporalLayerId":0}`, asJSON), 200, "")
	l.want(l.do("POST", at+"/layer", `{"rid":"9"}`, asJSON), 400, "rid is")
	l.want(l.do("POST", at+"/layer", `{"mediaId":"77"}`, asJSON), 400, "no media section")
	l.want(l.do("DELETE", made.Header.Get("Location"), ""), 200, "")
	if lines.Scan() && lines.Text() != "" {
		t.Errorf("another event: %s", lines.Text())
	}
}

// TestBadOfferOustsNobody: who publishes stays, whatever another one offers in vain; a good
// offer takes the place, also in a room that has one only.
func TestBadOfferOustsNobody(t *testing.T) {
	l := newLab(t, Config{Endpoints: []Endpoint{{ID: "any", Room: "1"}, {ID: "named", Room: "1", Feed: "7"}, {ID: "small", Room: "3"}}})
	for _, id := range []string{"any", "named", "small"} {
		p, made := l.publish(id)
		x := webrtctest.NewPeer(t, webrtctest.Options{})
		offer := sendOnly(x.Offer(nil))
		for words, text := range map[string]string{
			"fingerprint":     webrtctest.WithoutLines(offer, "a=fingerprint"),
			"ICE credentials": webrtctest.WithoutLines(offer, "a=ice-pwd"),
		} {
			l.want(l.do("POST", "/whip/endpoint/"+id, text, asSDP), 400, words)
		}
		if id == "any" { // elsewhere its place is needed to try
			l.want(l.do("POST", "/whip/endpoint/"+id, strings.NewReplacer("VP8", "VX8", "H264", "H269").Replace(offer), asSDP), 422, "does not take video")
		}
		l.want(l.do("GET", made.Header.Get("Location"), ""), 204, "")
		p.AwaitConnected()
		l.publish(id)
		l.want(l.do("GET", made.Header.Get("Location"), ""), 404, "")
	}
}

// TestRivals: of many that publish at once one stays.
func TestRivals(t *testing.T) {
	l := newLab(t, Config{Endpoints: []Endpoint{{ID: "any", Room: "1"}, {ID: "named", Room: "1", Feed: "7"}}})
	offer := sendOnly(webrtctest.NewPeer(t, webrtctest.Options{}).Offer(nil))
	for _, id := range []string{"any", "named"} {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				r, err := http.Post(l.http.URL+"/whip/endpoint/"+id, "application/sdp", strings.NewReader(offer))
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Body.Close()
				if r.StatusCode != 201 && r.StatusCode != 409 {
					t.Errorf("%s: %s", id, r.Status)
				}
			})
		}
		all.Wait()
		for _, e := range l.server.Endpoints() {
			if e.ID == id && len(e.Resources) != 1 {
				t.Errorf("%s: %d publish", id, len(e.Resources))
			}
		}
	}
}

// TestGaveUp: a client that is gone at once leaves no session behind.
func TestGaveUp(t *testing.T) {
	l := newLab(t, Config{Endpoints: roomEndpoints()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 30 {
		c := newClient(l.core, &l.server.tasks)
		c.event, c.over = func(*message) {}, func(string) {}
		_ = c.attach(ctx, roomPackage, "x")
		c.close()
	}
	waittest.Until(t, "no sessions", func() bool { return len(l.core.Sessions()) == 0 })
}
