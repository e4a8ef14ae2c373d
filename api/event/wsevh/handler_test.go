package wsevh

import (
	"context"
	"encoding/json"
	"fmt"
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

	"github.com/coder/websocket"

	"bifrons/api/event"
	"bifrons/api/janus"
	"bifrons/rtp/waittest"
)

const patience = waittest.Patience

// backend is a WebSocket server; every connection is handed to the test.
type backend struct {
	*http.Server
	conns chan *websocket.Conn
	done  chan struct{}
}

func serve(t *testing.T, address string) (*backend, string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{conns: make(chan *websocket.Conn, 10), done: make(chan struct{})}
	b.Server = &http.Server{Handler: b}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = b.Serve(l)
	}()
	t.Cleanup(func() {
		b.Close()
		close(b.done)
		<-served
	})
	return b, l.Addr().String()
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{"janus-event-handlers"}, CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		return
	}
	defer ws.CloseNow()
	ws.SetReadLimit(1 << 20)
	b.conns <- ws
	<-b.done
}

type rig struct {
	*testing.T
	*event.Outlet
	handler *Handler
	mu      sync.Mutex
	pauses  []time.Duration
	resume  chan struct{} // each pause waits for one
}

func start(t *testing.T, address string, cap int) *rig {
	t.Helper()
	s := Defaults()
	s.Enabled, s.Events, s.Backend, s.Cap = true, []string{"all"}, "ws://"+address+"/events", cap
	log := slog.New(slog.DiscardHandler)
	r := &rig{T: t, handler: New(s, log), resume: make(chan struct{})}
	r.handler.pause = func(ctx context.Context, d time.Duration) {
		r.mu.Lock()
		r.pauses = append(r.pauses, d)
		r.mu.Unlock()
		select {
		case <-r.resume:
		case <-ctx.Done():
		}
	}
	r.Outlet = event.NewOutlet(r.handler, s.Settings, "me", log)
	r.Start()
	t.Cleanup(func() { r.Close(0) })
	return r
}

func (r *rig) send(from, to int) {
	for n := from; n < to; n++ {
		r.Notify(&janus.Notification{Type: janus.NotifyCore, Time: time.UnixMicro(1), Event: fmt.Appendf(nil, `{"n":%d}`, n)})
	}
}

// goOn ends a pause.
func (r *rig) goOn() {
	r.Helper()
	select {
	case r.resume <- struct{}{}:
	case <-time.After(patience):
		r.Fatal("no pause")
	}
}

// receive reads until the event with this number has come.
func (r *rig) receive(ws *websocket.Conn, last int) (got []int) {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !slices.Contains(got, last) {
		typ, b, err := ws.Read(ctx)
		if err != nil || typ != websocket.MessageText {
			r.Fatalf("%v %v, after %v", typ, err, got)
		}
		var all []struct{ Event struct{ N int } }
		if err := json.Unmarshal(b, &all); err != nil {
			r.Fatalf("%v: %s", err, b)
		}
		for _, e := range all {
			got = append(got, e.Event.N)
		}
	}
	return got
}

func (r *rig) check(got []int, from, to int) {
	r.Helper()
	var want []int
	for n := from; n < to; n++ {
		want = append(want, n)
	}
	if !slices.Equal(got, want) {
		r.Errorf("got %v, want %d to %d", got, from, to)
	}
}

func TestDeliver(t *testing.T) {
	b, address := serve(t, "127.0.0.1:0")
	r := start(t, address, 0)
	ws := waittest.Next(t, "a connection", b.conns)
	if ws.Subprotocol() != "janus-event-handlers" {
		t.Errorf("subprotocol %q", ws.Subprotocol())
	}
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("whatever")); err != nil {
		t.Error(err)
	}
	r.send(0, 300)
	r.check(r.receive(ws, 299), 0, 300)
	r.send(300, 301)
	go r.Close(patience) // says goodbye
	r.check(r.receive(ws, 300), 300, 301)
	if _, _, err := ws.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("end of the connection: %v", err)
	}
}

// TestReconnect: the backend is not there at first, comes, goes and comes back.
func TestReconnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	r := start(t, address, 0)
	r.send(0, 10)
	for range 4 {
		r.goOn()
	}
	r.awaitPause(5) // so that no try is on its way
	b, _ := serve(t, address)
	r.goOn()
	ws := waittest.Next(t, "a connection", b.conns)
	r.check(r.receive(ws, 9), 0, 10)
	ws.CloseNow()
	r.goOn() // which shows that the handler knows
	r.send(10, 20)
	ws = waittest.Next(t, "a connection", b.conns)
	r.check(r.receive(ws, 19), 10, 20)
	ws.Close(websocket.StatusNormalClosure, "enough")
	r.goOn()
	waittest.Next(t, "a connection", b.conns)
	r.mu.Lock()
	defer r.mu.Unlock()
	want := []time.Duration{1, 2, 4, 8, 8, 1, 1}
	for i := range want {
		want[i] *= time.Second
	}
	if !slices.Equal(r.pauses, want) {
		t.Errorf("pauses %v, want %v", r.pauses, want)
	}
}

// TestCap: with a cap only the newest events survive the time without
// connection.
func TestCap(t *testing.T) {
	b, address := serve(t, "127.0.0.1:0")
	r := start(t, address, 5)
	ws := waittest.Next(t, "a connection", b.conns)
	r.send(0, 100)
	r.check(r.receive(ws, 99), 0, 100)
	ws.CloseNow()
	r.awaitPause(1)
	r.send(100, 150)
	if st := r.Stats(); st.Queued != 5 || st.Dropped != 45 {
		t.Errorf("%+v", st)
	}
	if got := string(r.Query([]byte(`{"request":"tweak","events_cap_on_reconnect":-1}`))); got != `{"error_code":413,"error":"Invalid element type (events_cap_on_reconnect should be a positive integer)"}` {
		t.Error(got)
	}
	if got := string(r.Query([]byte(`{"request":"tweak","events_cap_on_reconnect":2}`))); got != `{"result":200}` || r.handler.limit() != 2 {
		t.Error(got)
	}
	r.goOn()
	ws = waittest.Next(t, "a connection", b.conns)
	r.check(r.receive(ws, 149), 145, 150)
	r.send(150, 200)
	r.check(r.receive(ws, 199), 150, 200)
}

// awaitPause waits for the nth pause to begin.
func (r *rig) awaitPause(n int) {
	r.Helper()
	waittest.Until(r, fmt.Sprintf("%d pauses", n), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.pauses) >= n
	})
}

// TestHangingBackend: a backend that reads nothing does not keep the handler
// from ending.
func TestHangingBackend(t *testing.T) {
	b, address := serve(t, "127.0.0.1:0")
	r := start(t, address, 0)
	waittest.Next(t, "a connection", b.conns)
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte("0123456789"[i*i%10])
	}
	for range 60 {
		r.Notify(&janus.Notification{Type: janus.NotifyCore, Event: slices.Concat([]byte(`"`), big, []byte(`"`))})
	}
	r.Close(0)
	if st := r.Stats(); st.Lost == 0 || st.Lost+st.Dropped > 60 {
		t.Errorf("%+v", st)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if s, problems := Load(dir); s.Enabled || problems != nil {
		t.Errorf("no file: %+v %v", s, problems)
	}
	write := func(text string) (Settings, int) {
		if err := os.WriteFile(filepath.Join(dir, Package+".jcfg"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, problems := Load(dir)
		return s, len(problems)
	}
	s, n := write(`general: { enabled = true; events = "all"; backend = "wss://x/y"; subprotocol = "z"; ws_logging = "err"; events_cap_on_reconnect = 1000 }`)
	if n != 0 || s.Backend != "wss://x/y" || s.Subprotocol != "z" || s.Cap != 1000 || !s.Grouping {
		t.Errorf("%d problems: %+v", n, s)
	}
	for _, backend := range []string{"", "http://x", "ws://"} {
		if _, n := write(`general: { enabled = true; backend = "` + backend + `" }`); n != 1 {
			t.Errorf("%q: %d problems, want 1", backend, n)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, Package+".jcfg"), []byte(`general: { enabled = true; backend = "http://me:hidden@x" }`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems := Load(dir); len(problems) != 1 || strings.Contains(problems[0].Error(), "hidden") {
		t.Errorf("a password in the log: %v", problems)
	}
}
