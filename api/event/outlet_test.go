package event

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bifrons/api/janus"
	apijson "bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/schema"
	"bifrons/rtp/waittest"
)

const patience = waittest.Patience

func TestMain(m *testing.M) { waittest.Main(m) }

// script is an event handler whose deliveries wait for the test.
type script struct {
	messages chan string
	proceed  chan struct{} // nil = no waiting
	tweaked  int
}

func (s *script) Info() module.Info { return module.Info{Package: "janus.eventhandler.script"} }

func (s *script) Run(ctx context.Context, o *Outlet) {
	for list := o.Next(ctx); list != nil; list = o.Next(ctx) {
		s.messages <- string(o.Message(list))
		if s.proceed != nil {
			select {
			case <-s.proceed:
			case <-ctx.Done():
				o.Lost(len(list))
			}
		}
	}
}

func (s *script) Tweak(r apijson.Args) (func(), *schema.Error) {
	n, ok := r.Number("own")
	if r.Get("own") != nil && !ok {
		return nil, Invalid("own", "an integer")
	}
	return func() { s.tweaked = int(n) }, nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func settings(events string) Settings {
	s := Defaults()
	s.Enabled, s.Events = true, strings.Split(events, ",")
	return s
}

func start(t *testing.T, s *script, set Settings, log *slog.Logger) *Outlet {
	t.Helper()
	s.messages = make(chan string, 1000)
	o := NewOutlet(s, set, "me", log)
	o.Start()
	t.Cleanup(func() { o.Close(0) })
	return o
}

// note is an event of a type with a number.
func note(typ janus.NotificationType, n int) *janus.Notification {
	return &janus.Notification{Type: typ, Time: time.UnixMicro(1777000000123456), Event: fmt.Appendf(nil, `{"n":%d}`, n)}
}

// numbers are those in a message of grouped events.
func numbers(t *testing.T, message string) (list []int) {
	t.Helper()
	var all []struct{ Event struct{ N int } }
	if err := json.Unmarshal([]byte(message), &all); err != nil {
		t.Fatalf("%v: %s", err, message)
	}
	for _, e := range all {
		list = append(list, e.Event.N)
	}
	return list
}

func TestEnvelope(t *testing.T) {
	at := time.UnixMicro(1777000000123456)
	body := []byte(`{"a":1}`)
	for _, c := range []struct {
		n    janus.Notification
		want string
	}{
		{janus.Notification{Type: janus.NotifySession, Time: at, Session: 5, Event: body},
			`{"emitter":"me","type":1,"timestamp":1777000000123456,"session_id":5,"event":{"a":1}}`},
		{janus.Notification{Type: janus.NotifyMedia, Subtype: janus.SubStatistics, Time: at, Session: 5, Handle: 9007199254740991, OpaqueID: "x\"", Event: []byte(`[]`)},
			`{"emitter":"me","type":32,"subtype":3,"timestamp":1777000000123456,"session_id":5,"handle_id":9007199254740991,"opaque_id":"x\"","event":[]}`},
		{janus.Notification{Type: janus.NotifyCore, Subtype: 2, Time: at, Event: body},
			`{"emitter":"me","type":256,"subtype":2,"timestamp":1777000000123456,"event":{"a":1}}`},
	} {
		w := apijson.NewWriter(nil)
		Append(w, "me", &c.n)
		if got := string(w.Bytes()); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestParseMask(t *testing.T) {
	for text, want := range map[string]janus.NotificationType{
		"": 0, "none": 0, "all": 511, "ALL": 511, "sessions, Handles": 3, " webrtc,bogus,core": 272, "bogus": 0,
		"external,jsep,media,plugins,transports": 4 + 8 + 32 + 64 + 128,
	} {
		got, unknown := ParseMask(strings.Split(text, ","))
		if got != want || (len(unknown) > 0) != strings.Contains(text, "bogus") {
			t.Errorf("%q: %d %q, want %d", text, got, unknown, want)
		}
	}
}

func TestMaskAndOrder(t *testing.T) {
	s := &script{}
	o := start(t, s, settings("sessions,core"), quiet())
	const n = 1000
	for i := range n {
		for _, typ := range []janus.NotificationType{janus.NotifySession, janus.NotifyMedia} {
			if o.Takes(typ) != (typ == janus.NotifySession) {
				t.Fatalf("takes %d: %v", typ, o.Takes(typ))
			}
			o.Notify(note(typ, i))
		}
	}
	var got []int
	for len(got) < n {
		list := numbers(t, waittest.Next(t, "a message", s.messages))
		if len(list) > group {
			t.Errorf("%d events in one message", len(list))
		}
		got = append(got, list...)
	}
	for i, v := range got {
		if v != i {
			t.Fatalf("event %d is number %d", i, v)
		}
	}
}

func TestUngrouped(t *testing.T) {
	set := settings("all")
	set.Grouping, set.JSON = false, "plain"
	s := &script{}
	o := start(t, s, set, quiet())
	o.Notify(note(janus.NotifyCore, 1))
	o.Notify(note(janus.NotifyCore, 2))
	for n := 1; n <= 2; n++ {
		want := fmt.Sprintf(`{"emitter": "me", "type": 256, "timestamp": 1777000000123456, "event": {"n": %d}}`, n)
		if got := waittest.Next(t, "a message", s.messages); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestDisabled(t *testing.T) {
	s := &script{}
	set := settings("all")
	set.Enabled = false
	o := start(t, s, set, quiet())
	o.Notify(note(janus.NotifyCore, 1))
	if st := o.Stats(); o.Takes(janus.NotifyCore) || st.Queued != 0 || st.Accepted != 0 || st.Package != s.Info().Package {
		t.Errorf("%+v", st)
	}
}

// TestSlowHandler: the queue is bounded, the newest events stay, statistics go
// first, and the log hears of it a few times only.
func TestSlowHandler(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	s := &script{proceed: make(chan struct{})}
	o := start(t, s, settings("all"), slog.New(slog.NewTextHandler(&locked{mu: &mu, b: &log}, nil)))
	o.Notify(note(janus.NotifyCore, -1))
	waittest.Next(t, "a message", s.messages) // is being delivered
	o.Limit(100)
	for i := range 50 {
		o.Notify(note(janus.NotifyCore, i))
	}
	statistics := note(janus.NotifyMedia, 0)
	statistics.Subtype = janus.SubStatistics
	o.Notify(statistics)
	if st := o.Stats(); st.Queued != 50 || st.Dropped != 1 {
		t.Errorf("statistics in a half full queue: %+v", st)
	}
	const n = 5000
	for i := range n {
		o.Notify(note(janus.NotifyCore, i))
	}
	if st := o.Stats(); st.Queued != 100 || st.Dropped != 1+50+n-100 || st.Accepted != 1+50+1+n {
		t.Errorf("%+v", st)
	}
	s.proceed <- struct{}{}
	got := numbers(t, waittest.Next(t, "a message", s.messages))
	if len(got) != 100 || got[0] != n-100 || got[99] != n-1 {
		t.Errorf("what is left: %v", got)
	}
	o.Close(0)
	if st := o.Stats(); st.Lost != 100 {
		t.Errorf("what was being delivered at the end: %+v", st)
	}
	mu.Lock()
	defer mu.Unlock()
	total, lines := 0, strings.Split(strings.TrimSpace(log.String()), "\n")
	for _, line := range lines {
		var n int
		if _, err := fmt.Sscanf(line[strings.LastIndex(line, "events="):], "events=%d", &n); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		total += n
	}
	if total != 1+50+n-100+100 || len(lines) > 5 {
		t.Errorf("the log knows of %d in %d lines", total, len(lines))
	}
}

type locked struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func TestQueueBytes(t *testing.T) {
	q := newQueue()
	big := &janus.Notification{Type: janus.NotifyJSEP, Event: make([]byte, maxBytes/10)}
	for range 100 {
		q.put(big)
	}
	if n, bytes := q.depth(); bytes > maxBytes || n != 9 {
		t.Errorf("%d events, %d bytes", n, bytes)
	}
	q.put(&janus.Notification{Event: make([]byte, 2*maxBytes)})
	if n, _ := q.depth(); n != 1 {
		t.Errorf("%d events beside one that is larger than the queue", n)
	}
}

// TestCloseDelivers: what is queued at the end is delivered while there is time.
func TestCloseDelivers(t *testing.T) {
	s := &script{}
	o := start(t, s, settings("all"), quiet())
	const n = 500
	for i := range n {
		o.Notify(note(janus.NotifyCore, i))
	}
	o.Close(patience)
	got := 0
	for len(s.messages) > 0 {
		got += len(numbers(t, <-s.messages))
	}
	if got != n {
		t.Errorf("%d events of %d", got, n)
	}
	o.Notify(note(janus.NotifyCore, 1))
	if st := o.Stats(); st.Dropped != 1 || st.Lost != 0 {
		t.Errorf("%+v", st)
	}
}

// TestManySenders: nothing gets lost or twice with many goroutines.
func TestManySenders(t *testing.T) {
	s := &script{}
	o := start(t, s, settings("all"), quiet())
	const senders, each = 8, 500
	var all sync.WaitGroup
	for k := range senders {
		all.Go(func() {
			for i := range each {
				o.Notify(note(janus.NotifyPlugin, k*each+i))
			}
		})
	}
	last := make(map[int]int)
	for got := 0; got < senders*each; {
		for _, v := range numbers(t, waittest.Next(t, "a message", s.messages)) {
			if v%each != last[v/each] {
				t.Fatalf("sender %d: %d after %d", v/each, v%each, last[v/each]-1)
			}
			last[v/each]++
			got++
		}
	}
	all.Wait()
}

func TestQuery(t *testing.T) {
	s := &script{}
	set := settings("all")
	set.Grouping = false
	o := start(t, s, set, quiet())
	for request, want := range map[string]string{
		`[]`:                                   `{"error_code":413,"error":"Invalid request: not a JSON object"}`,
		`{}`:                                   `{"error_code":412,"error":"Missing mandatory element (request)"}`,
		`{"request":1}`:                        `{"error_code":413,"error":"Invalid element type (request should be a string)"}`,
		`{"request":"x"}`:                      `{"error_code":411,"error":"Unknown request 'x'"}`,
		`{"request":"tweak","events":1}`:       `{"error_code":413,"error":"Invalid element type (events should be a string)"}`,
		`{"request":"tweak","grouping":"yes"}`: `{"error_code":413,"error":"Invalid element type (grouping should be a boolean)"}`,
		`{"request":"tweak","json":"pretty"}`:  `{"error_code":413,"error":"Invalid element type (json should be indented, plain or compact)"}`,
		`{"request":"tweak","events":"none","json":"plain","grouping":true,"own":"x"}`: `{"error_code":413,"error":"Invalid element type (own should be an integer)"}`,
		`{"request":"tweak"}`: `{"result":200}`,
	} {
		if got := string(o.Query([]byte(request))); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
	if !o.Takes(janus.NotifyCore) || s.tweaked != 0 {
		t.Error("a bad request changes something")
	}
	if got := string(o.Query([]byte(`{"request":"tweak","events":"jsep, media","grouping":true,"json":"plain","own":7}`))); got != `{"result":200}` {
		t.Error(got)
	}
	if o.Takes(janus.NotifyCore) || !o.Takes(janus.NotifyJSEP|janus.NotifyMedia) || s.tweaked != 7 {
		t.Error("tweak has no effect")
	}
	o.Notify(note(janus.NotifyJSEP, 1))
	if got := waittest.Next(t, "a message", s.messages); !strings.HasPrefix(got, `[{"emitter": "me", `) {
		t.Errorf("not grouped, or not plain: %s", got)
	}
	off := NewOutlet(s, Settings{}, "me", quiet())
	if got := string(off.Query([]byte(`{"request":"tweak"}`))); !strings.HasPrefix(got, `{"error_code":499,`) {
		t.Error(got)
	}
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		`{"request":"tweak","events":"all,core","grouping":false,"json":"compact","own":1}`,
		`{"request":"tweak","events":null}`, `{`, `[]`, `{"request":"\u0000"}`,
	} {
		f.Add([]byte(seed))
	}
	o := NewOutlet(&script{}, settings("all"), "me", quiet())
	f.Fuzz(func(t *testing.T, request []byte) {
		var answer struct {
			Result    int
			ErrorCode int `json:"error_code"`
		}
		if err := json.Unmarshal(o.Query(request), &answer); err != nil {
			t.Fatal(err)
		}
		if (answer.Result == 200) == (answer.ErrorCode != 0) {
			t.Errorf("%+v", answer)
		}
	})
}

// deaf is an event handler that does not hear that it is to end.
type deaf struct {
	script
	release chan struct{}
}

func (d *deaf) Run(context.Context, *Outlet) { <-d.release }

// TestCloseDeaf: closing goes on without it.
func TestCloseDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		d := &deaf{release: make(chan struct{})}
		o := NewOutlet(d, settings("all"), "me", slog.New(slog.NewTextHandler(&lines, nil)))
		o.Start()
		begun := time.Now()
		o.Close(time.Second)
		if took := time.Since(begun); took != time.Second+lastStop || !strings.Contains(lines.String(), "handler=janus.eventhandler.script") {
			t.Errorf("closing took %v\n%s", took, &lines)
		}
		close(d.release)
	})
}
