package sampleevh

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bifrons/api/event"
	"bifrons/api/janus"
	"bifrons/rtp/waittest"
)

// backend is an HTTP server that keeps what it was sent.
type backend struct {
	*http.Server
	requests chan request
	status   int
	first    []reply       // to the first requests, before status
	hang     chan struct{} // nil = no hanging
}

type reply struct {
	status     int
	retryAfter string
}

type request struct {
	header http.Header
	body   []byte
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.requests <- request{r.Header, body}
	if b.hang != nil {
		select {
		case <-b.hang:
		case <-r.Context().Done():
		}
	}
	if len(b.first) > 0 {
		if after := b.first[0].retryAfter; after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(b.first[0].status)
		b.first = b.first[1:] // requests come one after the other
		return
	}
	w.WriteHeader(b.status)
}

// listen makes a listener, at a given address or a free one.
func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func serve(t *testing.T, l net.Listener, b *backend) *backend {
	b.requests = make(chan request, 1000)
	if b.status == 0 {
		b.status = 200
	}
	b.Server = &http.Server{Handler: b}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.Serve(l)
	}()
	t.Cleanup(func() {
		b.Close()
		<-done
	})
	return b
}

func url(l net.Listener) string { return "http://" + l.Addr().String() + "/events" }

type rig struct {
	*event.Outlet
	handler *Handler
	mu      sync.Mutex
	pauses  []time.Duration
	paused  chan struct{}
}

// start makes a handler whose pauses take no time.
func start(t *testing.T, backend string, change func(s *Settings)) *rig {
	t.Helper()
	s := Defaults()
	s.Enabled, s.Events, s.Backend = true, []string{"all"}, backend
	if change != nil {
		change(&s)
	}
	log := slog.New(slog.DiscardHandler)
	r := &rig{handler: New(s, log), paused: make(chan struct{}, 1000)}
	r.handler.pause = func(_ context.Context, d time.Duration) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.pauses = append(r.pauses, d)
		r.paused <- struct{}{}
	}
	r.Outlet = event.NewOutlet(r.handler, s.Settings, "me", log)
	r.Start()
	t.Cleanup(func() { r.Close(0) })
	return r
}

func (r *rig) send(n int) {
	r.Notify(&janus.Notification{Type: janus.NotifyCore, Time: time.UnixMicro(1), Event: fmt.Appendf(nil, `{"n":%d}`, n)})
}

func numbers(t *testing.T, body []byte) (list []int) {
	t.Helper()
	var all []struct{ Event struct{ N int } }
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, e := range all {
		list = append(list, e.Event.N)
	}
	return list
}

func TestPost(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	b := serve(t, l, &backend{status: 404}) // its own affair
	r := start(t, url(l), func(s *Settings) { s.Grouping, s.User, s.Password = false, "anna", "secret" })
	r.send(1)
	r.send(2)
	for n := 1; n <= 2; n++ {
		got := waittest.Next(t, "a request", b.requests)
		want := fmt.Sprintf(`{"emitter":"me","type":256,"timestamp":1,"event":{"n":%d}}`, n)
		if string(got.body) != want || got.header.Get("Content-Type") != "application/json" ||
			got.header.Get("Authorization") != "Basic YW5uYTpzZWNyZXQ=" || got.header.Get("Content-Encoding") != "" {
			t.Errorf("%v\n%s", got.header, got.body)
		}
	}
}

func TestGzip(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	b := serve(t, l, &backend{})
	r := start(t, url(l), func(s *Settings) { s.Compress = true })
	r.send(7)
	got := waittest.Next(t, "a request", b.requests)
	z, err := gzip.NewReader(strings.NewReader(string(got.body)))
	if err != nil || got.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v %v", err, got.header)
	}
	text, err := io.ReadAll(z)
	if err != nil || !slices.Equal(numbers(t, text), []int{7}) {
		t.Errorf("%v: %s", err, text)
	}
}

// TestRetries: nobody listens, then somebody does.
func TestRetries(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	address := l.Addr().String()
	l.Close()
	r := start(t, "http://"+address, func(s *Settings) { s.Retries = 3; s.Backoff = time.Millisecond })
	r.send(1)
	for range 3 {
		waittest.Next(t, "a pause", r.paused)
	}
	waittest.Until(t, fmt.Sprintf("never given up: %+v", r.Stats()), func() bool { return r.Stats().Lost != 0 })
	r.mu.Lock()
	if want := []time.Duration{time.Millisecond, 2 * time.Millisecond, 4 * time.Millisecond}; !slices.Equal(r.pauses, want) {
		t.Errorf("pauses %v, want %v", r.pauses, want)
	}
	r.mu.Unlock()
	b := serve(t, listen(t, address), &backend{})
	r.send(2)
	if got := numbers(t, waittest.Next(t, "a request", b.requests).body); !slices.Equal(got, []int{2}) {
		t.Errorf("got %v", got)
	}
}

// TestBusyBackend: one that cannot take events now gets them again, with the same
// pauses as one that does not answer, or longer ones if it says so.
func TestBusyBackend(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	b := serve(t, l, &backend{first: []reply{{status: 500}, {status: 503, retryAfter: "3"}, {status: 429, retryAfter: "soon"},
		{status: 408, retryAfter: "86400"}, {status: 504, retryAfter: "Mon, 02 Jan 2006 15:04:05 GMT"}}})
	r := start(t, url(l), func(s *Settings) { s.Retries = 5; s.Backoff = time.Second })
	r.send(1)
	for range 6 {
		if got := numbers(t, waittest.Next(t, "a request", b.requests).body); !slices.Equal(got, []int{1}) {
			t.Errorf("got %v", got)
		}
	}
	r.send(2)
	if got := numbers(t, waittest.Next(t, "a request", b.requests).body); !slices.Equal(got, []int{2}) {
		t.Errorf("after the last try: %v", got)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	want := []time.Duration{time.Second, 3 * time.Second, 4 * time.Second, time.Minute, 16 * time.Second}
	if !slices.Equal(r.pauses, want) || r.Stats().Lost != 0 {
		t.Errorf("pauses %v, want %v; %+v", r.pauses, want, r.Stats())
	}
}

// TestRefusingBackend: what is refused for good does not come again, and what was
// tried often enough is given up.
func TestRefusingBackend(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	b := serve(t, l, &backend{first: []reply{{status: 400}, {status: 403}, {status: 302}, {status: 502}, {status: 502}, {status: 502}}})
	r := start(t, url(l), func(s *Settings) { s.Retries = 2; s.Backoff = time.Millisecond })
	for n, want := range []int{1, 2, 3, 4, 4, 4, 5} {
		if n <= 3 || n == 6 {
			r.send(want)
		}
		if got := numbers(t, waittest.Next(t, "a request", b.requests).body); !slices.Equal(got, []int{want}) {
			t.Errorf("request %d: %v", n, got)
		}
	}
	if st := r.Stats(); st.Lost != 1 {
		t.Errorf("%+v", st)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "-1": 0, "1.5": 0, "99999999999999999999": 0,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0, "tomorrow": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// TestHangingBackend: events wait in order while a request hangs, and closing
// does not wait for the backend.
func TestHangingBackend(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	b := serve(t, l, &backend{hang: make(chan struct{})})
	r := start(t, url(l), nil)
	r.send(0)
	waittest.Next(t, "a request", b.requests)
	for n := 1; n <= 50; n++ {
		r.send(n)
	}
	if st := r.Stats(); st.Queued != 50 {
		t.Errorf("%+v", st)
	}
	b.hang <- struct{}{}
	got := numbers(t, waittest.Next(t, "a request", b.requests).body)
	if len(got) != 50 || got[0] != 1 || got[49] != 50 {
		t.Errorf("got %v", got)
	}
	r.Close(0) // hangs again
	if st := r.Stats(); st.Lost != 50 {
		t.Errorf("%+v", st)
	}
}

func TestTweak(t *testing.T) {
	old, fresh := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	serve(t, old, &backend{})
	b := serve(t, fresh, &backend{})
	r := start(t, url(old), nil)
	for request, want := range map[string]string{
		`{"request":"tweak","backend":"ftp://x"}`:            `{"error_code":413,"error":"Invalid element type (backend should be an http or https URL)"}`,
		`{"request":"tweak","compression":10}`:               `{"error_code":413,"error":"Invalid element type (compression should be from 0 to 9)"}`,
		`{"request":"tweak","max_retransmissions":-1}`:       `{"error_code":413,"error":"Invalid element type (max_retransmissions should be a positive integer)"}`,
		`{"request":"tweak","retransmissions_backoff":"no"}`: `{"error_code":413,"error":"Invalid element type (retransmissions_backoff should be a positive integer)"}`,
		`{"request":"tweak","backend":` + fmt.Sprintf("%q", url(fresh)) + `,"backend_user":"u","backend_pwd":"p","compress":true,"compression":1,"max_retransmissions":1,"retransmissions_backoff":5}`: `{"result":200}`,
	} {
		if got := string(r.Query([]byte(request))); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
	r.send(1)
	if got := waittest.Next(t, "a request", b.requests); got.header.Get("Authorization") == "" || got.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%v", got.header)
	}
	if s := r.handler.current(); s.Retries != 1 || s.Backoff != 5*time.Millisecond || s.Compression != 1 {
		t.Errorf("%+v", s)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if s, problems := Load(dir); s.Enabled || problems != nil {
		t.Errorf("no file: %+v %v", s, problems)
	}
	file := filepath.Join(dir, Package+".jcfg")
	write := func(text string) (Settings, int) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, problems := Load(dir)
		return s, len(problems)
	}
	s, n := write(`general: { enabled = true; events = "all"; grouping = false; json = "indented"; backend = "http://x";
		backend_user = "u"; backend_pwd = "p"; compress = true; compression = 9; max_retransmissions = 10; retransmissions_backoff = 50; }`)
	want := Settings{Backend: "http://x", User: "u", Password: "p", Compress: true, Compression: 9, Retries: 10, Backoff: 50 * time.Millisecond}
	want.Enabled, want.Events, want.JSON = true, []string{"all"}, "indented"
	if n != 0 || fmt.Sprint(s) != fmt.Sprint(want) {
		t.Errorf("%d problems\n got %+v\nwant %+v", n, s, want)
	}
	if _, n := write(`general: { enabled = true; events = "all,rubbish"; backend = "ftp://x"; }`); n != 2 {
		t.Errorf("%d problems, want 2", n)
	}
	if err := os.WriteFile(filepath.Join(dir, Package+".jcfg"), []byte(`general: { enabled = true; backend = "ftp://me:hidden@x" }`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems := Load(dir); len(problems) != 1 || strings.Contains(problems[0].Error(), "hidden") {
		t.Errorf("a password in the log: %v", problems)
	}
}
