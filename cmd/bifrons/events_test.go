package main

import (
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// notification is one event as an event handler gets it.
type notification struct {
	Emitter   string
	Type      int
	Subtype   int
	Timestamp int64
	Session   uint64 `json:"session_id"`
	Handle    uint64 `json:"handle_id"`
	OpaqueID  string `json:"opaque_id"`
	Event     json.RawMessage
}

// backend keeps the events that it is sent.
type backend struct {
	t    *testing.T
	mu   sync.Mutex
	list []notification
	more chan struct{} // closed when some come, nil = nobody waits
}

func (b *backend) ServeHTTP(_ nethttp.ResponseWriter, r *nethttp.Request) {
	body, _ := io.ReadAll(r.Body)
	var list []notification
	if err := json.Unmarshal(body, &list); err != nil {
		b.t.Errorf("%v: %s", err, body)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, list...)
	if b.more != nil {
		close(b.more)
		b.more = nil
	}
}

// find returns the events of a type and subtype so far.
func (b *backend) find(typ, subtype int) (list []notification) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.list {
		if n.Type == typ && n.Subtype == subtype {
			list = append(list, n)
		}
	}
	return list
}

// await waits for an event whose body has a text in it.
func (b *backend) await(typ, subtype int, text string) notification {
	b.t.Helper()
	late := time.After(patience)
	for {
		b.mu.Lock()
		if b.more == nil {
			b.more = make(chan struct{})
		}
		more := b.more
		b.mu.Unlock()
		all := b.find(typ, subtype)
		for _, n := range all {
			if strings.Contains(string(n.Event), text) {
				return n
			}
		}
		select {
		case <-more:
		case <-late:
			b.t.Fatalf("no event %d/%d with %s: %+v", typ, subtype, text, all)
		}
	}
}

// awaitMore waits for so many further events whose body has a text in it.
func (b *backend) awaitMore(typ, subtype int, text string, more int) {
	b.t.Helper()
	count := func() (n int) {
		for _, x := range b.find(typ, subtype) {
			if strings.Contains(string(x.Event), text) {
				n++
			}
		}
		return n
	}
	before := count()
	waittest.Until(b.t, "more events with "+text, func() bool { return count() >= before+more })
}

// handlerFile makes a configuration folder with the file of an event handler.
func handlerFile(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "janus.eventhandler."+name+".jcfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// folder makes a configuration folder with which a server sends it all events.
func (b *backend) folder(t *testing.T) string {
	web := httptest.NewServer(b)
	t.Cleanup(web.Close)
	return handlerFile(t, "sampleevh", fmt.Sprintf(`general: { enabled = true; events = "all"; backend = %q }`, web.URL))
}

func eventServer(t *testing.T, change func(*config.Config)) (*server, *backend) {
	b := &backend{t: t}
	dir := b.folder(t)
	return testServer(t, func(c *config.Config) {
		c.Server.Events.Broadcast = true
		c.Folder = dir
		if change != nil {
			change(c)
		}
	}), b
}

// TestEvents follows a call through the event handler.
func TestEvents(t *testing.T) {
	waittest.NoLeaks(t)
	s, b := eventServer(t, func(c *config.Config) { c.Server.Media.SlowlinkThreshold = 0 })
	started := b.await(256, 1, `"started"`)
	var info struct {
		Status string
		Info   struct {
			Janus  string
			Events map[string]struct{ Name string }
		}
	}
	if err := json.Unmarshal(started.Event, &info); err != nil || info.Info.Janus != "server_info" ||
		len(info.Info.Events) != 6 || info.Info.Events["janus.eventhandler.wsevh"].Name != "JANUS WebSocketsEventHandler plugin" {
		t.Errorf("%v %+v", err, info)
	}
	c := dial(t, s)
	h := c.attach(echoPackage)
	p := newPionPeer(t, h, webrtctest.Options{Trickle: true})
	p.AddChannel()
	p.call(echoRequest(), nil)
	p.awaitUp()
	p.playAll(short)
	p.awaitMedia()
	p.talk(echoPrefix)
	for _, kind := range []string{"audio", "video", "data"} { // which may have been told before there was any
		b.awaitMore(32, 3, `"media":"`+kind+`"`, 2)
	}
	p.closeAndExpect("DTLS alert")
	b.await(16, 6, "hangup")
	c.request(message{"janus": "destroy"})
	c.Close()
	b.await(128, 0, "disconnected")
	s.Close()
	b.await(256, 2, "shutdown")
	checkEvents(t, b, c.Session(), h.ID())
}

// checkEvents looks at what was said about a session and its handle.
func checkEvents(t *testing.T, b *backend, session, handle uint64) {
	t.Helper()
	const ends = `,"stream_id":1,"component_id":1`
	const end = `\{"address":"127\.0\.0\.1","port":\d+,"type":"[a-z]+","transport":"udp","family":4\}`
	want := map[string]string{
		"1/0":   `\{"name":"(created","transport":\{"transport":"janus\.transport\.websockets","id":"1"\}|destroyed")\}`,
		"2/0":   `\{"name":"(attached|detached)","plugin":"janus\.plugin\.echotest"\}`,
		"8/0":   `\{"owner":"(remote","jsep":\{"type":"offer|local","jsep":\{"type":"answer)","sdp":"v=0\\r\\n.*"\}\}`,
		"16/1":  `\{"ice":"(gathering|connecting|connected|ready|disconnected|failed)"` + ends + `\}`,
		"16/2":  `\{"local-candidate":"\S+ 1 udp \d+ 127\.0\.0\.1 \d+ typ host"` + ends + `\}`,
		"16/3":  `\{"remote-candidate":"\S+ 1 udp \d+ 127\.0\.0\.1 \d+ typ host.*"` + ends + `\}`,
		"16/4":  `\{"selected-pair":"127\.0\.0\.1:\d+ \[\w+,udp\] <-> 127\.0\.0\.1:\d+ \[\w+,udp\]","candidates":\{"local":` + end + `,"remote":` + end + `\}` + ends + `\}`,
		"16/5":  `\{"dtls":"(trying|connected)"` + ends + `,"retransmissions":\d+\}`,
		"16/6":  `\{"connection":"(webrtcup"|hangup","reason":"DTLS alert")\}`,
		"32/1":  `\{"media":"(audio|video)","mid":"\d","receiving":(true|false)\}`,
		"64/0":  `\{"plugin":"janus\.plugin\.echotest","data":\{.*\}\}`,
		"128/0": `\{"transport":"janus\.transport\.websockets","id":"1","data":\{"event":("connected","admin_api":false,"ip":"127\.0\.0\.1"|"disconnected")\}\}`,
		"256/2": `\{"status":"shutdown","signum":0\}`,
	}
	seen := make(map[string][]string)
	var last int64
	for _, n := range b.list {
		key := fmt.Sprintf("%d/%d", n.Type, n.Subtype)
		seen[key] = append(seen[key], string(n.Event))
		if n.Emitter != "MyJanusInstance" || n.Timestamp < last-int64(time.Second/time.Microsecond) {
			t.Errorf("emitter %q, %d after %d", n.Emitter, n.Timestamp, last)
		}
		last = n.Timestamp
		about := n.Session == session
		withHandle := n.Handle == handle
		if wantSession := n.Type < 128; about != wantSession || (n.Session != 0) != wantSession {
			t.Errorf("%s: session %d", key, n.Session)
		}
		if wantHandle := n.Type < 128 && n.Type != 1; withHandle != wantHandle || (n.Handle != 0) != wantHandle {
			t.Errorf("%s: handle %d", key, n.Handle)
		}
	}
	for key, pattern := range want {
		re := regexp.MustCompile("^" + pattern + "$")
		if len(seen[key]) == 0 {
			t.Errorf("no event %s", key)
		}
		for _, body := range seen[key] {
			if !re.MatchString(body) {
				t.Errorf("%s: %s", key, body)
			}
		}
	}
	for key := range seen {
		if want[key] == "" && key != "32/3" && key != "256/1" {
			t.Errorf("event %s: %s", key, seen[key])
		}
	}
	inOrder(t, seen["16/5"], `"trying"`, `"connected"`)
	inOrder(t, seen["16/1"], `"gathering"`, `"connecting"`, `"connected"`)
	inOrder(t, seen["16/6"], `"webrtcup"`, `"hangup"`)
	checkStatistics(t, seen["32/3"])
}

// inOrder checks that texts come in this order, perhaps with others in between.
func inOrder(t *testing.T, events []string, texts ...string) {
	t.Helper()
	at := -1
	for _, text := range texts {
		next := slices.IndexFunc(events[at+1:], func(e string) bool { return strings.Contains(e, text) })
		if next < 0 {
			t.Errorf("no %s after the %dth of %s", text, at, events)
			return
		}
		at += 1 + next
	}
}

// checkStatistics looks at the last statistics of each medium.
func checkStatistics(t *testing.T, events []string) {
	t.Helper()
	last := make(map[string]map[string]any)
	for _, e := range events {
		var m map[string]any
		if err := json.Unmarshal([]byte(e), &m); err != nil {
			t.Fatal(err)
		}
		last[m["media"].(string)] = m
	}
	traffic := []string{"packets-received", "packets-sent", "bytes-received", "bytes-sent"}
	for kind, codec := range map[string]string{"audio": "opus", "video": "vp8"} {
		m := last[kind]
		for _, name := range traffic {
			if n, _ := m[name].(float64); n <= 0 {
				t.Errorf("%s: %s is %v", kind, name, m[name])
			}
		}
		for _, name := range []string{
			"mid", "mindex", "base", "rtt", "lost", "lost-by-remote", "jitter-local", "jitter-remote",
			"in-link-quality", "in-media-link-quality", "out-link-quality", "out-media-link-quality",
			"bytes-received-lastsec", "bytes-sent-lastsec", "nacks-received", "nacks-sent", "retransmissions-received",
		} {
			if _, ok := m[name]; !ok {
				t.Errorf("%s lacks %s", kind, name)
			}
		}
		if m["codec"] != codec || m["in-link-quality"] != 100.0 {
			t.Errorf("%s: %v", kind, m)
		}
	}
	if m := last["data"]; len(m) != 7 || m["packets-received"].(float64) == 0 || m["mindex"] != 2.0 {
		t.Errorf("data: %v", m)
	}
}

// TestCombinedStatistics: one event with all media; and a slow or dead receiver
// does not matter to a call.
func TestCombinedStatistics(t *testing.T) {
	waittest.NoLeaks(t)
	s, b := eventServer(t, func(c *config.Config) { c.Server.Events.CombineMediaStats = true })
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{})
	p.call(echoRequest(), nil)
	p.awaitUp()
	p.playAll(short)
	n := b.await(32, 3, `"media":"video"`)
	var list []map[string]any
	if err := json.Unmarshal(n.Event, &list); err != nil || len(list) != 2 || list[0]["media"] != "audio" || list[1]["media"] != "video" {
		t.Errorf("%v: %s", err, n.Event)
	}
	p.closeAndExpect("DTLS alert")
}

// TestDeadReceiver: a receiver that never answers matters neither to a call nor
// to the end of the server.
func TestDeadReceiver(t *testing.T) {
	waittest.NoLeaks(t)
	hanging := make(chan struct{})
	web := httptest.NewServer(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-hanging:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() {
		close(hanging)
		web.Close()
	})
	dir := handlerFile(t, "sampleevh", fmt.Sprintf(`general: { enabled = true; events = "all"; backend = %q }`, web.URL))
	s := testServer(t, func(c *config.Config) { c.Server.Events.Broadcast, c.Folder = true, dir })
	p := newPionPeer(t, dial(t, s).attach(echoPackage), webrtctest.Options{})
	p.call(echoRequest(), nil)
	p.awaitUp()
	p.playAll(short)
	p.awaitMedia()
	p.Seen.Clean(t)
	p.closeAndExpect("DTLS alert")
	s.Close()
	for _, o := range s.events {
		if st := o.Stats(); st.Package == "janus.eventhandler.sampleevh" && (st.Lost == 0 || st.Queued == 0) {
			t.Errorf("%+v", st)
		}
	}
}

// TestWrongFiles: event handlers and loggers with a wrong file are off, and the
// server runs.
func TestWrongFiles(t *testing.T) {
	waittest.NoLeaks(t)
	dir := handlerFile(t, "sampleevh", `general: { enabled = true; events = "all"; backend = "ftp://x" }`)
	if err := os.WriteFile(filepath.Join(dir, "janus.logger.jsonlog.jcfg"), []byte(`general: { enabled = true }`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testServer(t, func(c *config.Config) {
		c.Server.Events.Broadcast, c.Folder = true, dir
		c.Server.Events.Disable = []string{"libjanus_gelfevh.so"}
	})
	c := dial(t, s)
	info := c.request(message{"janus": "info"})
	handlers, _ := info["events"].(map[string]any)
	if len(handlers) != 5 || handlers["janus.eventhandler.sampleevh"] == nil || info["event_handlers"] != true {
		t.Errorf("event handlers: %v", handlers)
	}
	if loggers, _ := info["loggers"].(map[string]any); len(loggers) != 0 {
		t.Errorf("loggers: %v", loggers)
	}
	for _, o := range s.events {
		if st := o.Stats(); st.Accepted != 0 {
			t.Errorf("%+v", st)
		}
	}
}
