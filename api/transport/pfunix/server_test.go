package pfunix

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/transport"
	"bifrons/rtp/waittest"
)

// patience is how long a test waits for something that has to happen.
const patience = waittest.Patience

// fakeCore echoes requests, and tells of connections that come and go.
type fakeCore struct {
	mu     sync.Mutex
	known  map[janus.Conn]bool
	admin  bool
	copies int             // of each reply, 0 = 1
	conns  chan janus.Conn // on a connection's first request
	gone   chan janus.Conn
	bind   bool // a connection's first request makes a session, 1
}

func (f *fakeCore) Handle(conn janus.Conn, r janus.Request, reply func([]byte)) {
	f.mu.Lock()
	f.admin = r.Admin
	first, copies, bind := !f.known[conn], max(f.copies, 1), f.bind
	f.known[conn] = true
	f.mu.Unlock()
	if first {
		if bind {
			conn.SessionBound(1)
		}
		f.conns <- conn
	}
	for range copies {
		reply(bytes.Clone(r.Body))
	}
}

func (f *fakeCore) Gone(conn janus.Conn) { f.gone <- conn }

func (f *fakeCore) setBind(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bind = on
}

func (f *fakeCore) isAdmin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.admin
}

type rig struct {
	*testing.T
	core   *fakeCore
	server *Server
	path   string
	typ    Type
	events chan string
	packet [1 << 20]byte
}

// start serves the Janus API on a socket of a type.
func start(t *testing.T, typ Type, cfg Config) *rig {
	t.Helper()
	r := &rig{T: t, typ: typ, path: filepath.Join(t.TempDir(), "api"), events: make(chan string, 100)}
	r.core = &fakeCore{conns: make(chan janus.Conn, 100), gone: make(chan janus.Conn, 100), known: map[janus.Conn]bool{}}
	if !cfg.API.Enabled && !cfg.Admin.Enabled {
		cfg.API = Address{Enabled: true, Path: r.path, Type: typ}
	}
	cfg.Events, cfg.Notify = true, func(conn string, e []byte) { r.events <- conn + string(e) }
	cfg.Log = slog.New(slog.DiscardHandler)
	s, err := New(cfg, r.core)
	if err != nil {
		t.Fatal(err)
	}
	r.server = s
	s.Start()
	t.Cleanup(s.Close)
	return r
}

// connect makes a client; a datagram client has a path of its own.
func (r *rig) connect() *net.UnixConn {
	r.Helper()
	var c *net.UnixConn
	var err error
	if r.typ == Datagram {
		own := &net.UnixAddr{Name: filepath.Join(r.TempDir(), "client"), Net: "unixgram"}
		c, err = net.DialUnix("unixgram", own, &net.UnixAddr{Name: r.path, Net: "unixgram"})
	} else {
		c, err = net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: r.path, Net: "unixpacket"})
	}
	if err != nil {
		r.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	r.Cleanup(func() { c.Close() })
	return c
}

func (r *rig) send(c *net.UnixConn, text string) {
	r.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) expect(c *net.UnixConn, want string) {
	r.Helper()
	n, err := c.Read(r.packet[:])
	if err != nil {
		r.Fatal(err)
	}
	if got := string(r.packet[:n]); got != want {
		r.Fatalf("got %.100q, want %.100q", got, want)
	}
}

// established makes a client known to the core.
func (r *rig) established() (*net.UnixConn, janus.Conn) {
	r.Helper()
	c := r.connect()
	r.send(c, "{}")
	r.expect(c, "{}")
	return c, waittest.Next(r.T, "a connection", r.core.conns)
}

func bothTypes(t *testing.T, test func(t *testing.T, typ Type)) {
	for _, typ := range []Type{SeqPacket, Datagram} {
		t.Run(fmt.Sprint(typ), func(t *testing.T) { test(t, typ) })
	}
}

func TestPackets(t *testing.T) {
	bothTypes(t, func(t *testing.T, typ Type) {
		r := start(t, typ, Config{Common: transport.Common{Layout: json.Plain}})
		a, b := r.connect(), r.connect()
		fits := `{"x":"` + strings.Repeat("z", maxPacket-8) + `"}`
		r.send(a, `{"a":1}`)
		r.send(b, `{"b":1}`)
		r.send(a, fits+" ") // too large: no reply
		r.send(a, fits)
		r.send(a, `not JSON`)
		r.expect(b, `{"b": 1}`)
		for _, want := range []string{`{"a": 1}`, strings.Replace(fits, ":", ": ", 1), `not JSON`} {
			r.expect(a, want)
		}
	})
}

func TestLargeReply(t *testing.T) {
	bothTypes(t, func(t *testing.T, typ Type) {
		r := start(t, typ, Config{})
		c, conn := r.established()
		// Every Linux can carry this, and none the second.
		large := `{"x":"` + strings.Repeat("z", 180_000) + `"}`
		conn.Deliver(1, janus.Event{Head: []byte(large)})
		conn.Deliver(1, janus.Event{Head: make([]byte, 4<<20)})
		conn.Deliver(1, janus.Event{Head: []byte(`{}`)})
		r.expect(c, large)
		r.expect(c, `{}`)
	})
}

func TestOrderAndPause(t *testing.T) {
	r := start(t, SeqPacket, Config{})
	r.core.copies = 10
	c := r.connect()
	const n = 500
	go func() { // the server stops reading before this is done
		for i := range n {
			fmt.Fprintf(c, `{"n":%d}`, i)
		}
	}()
	for i := range n {
		for range 10 {
			r.expect(c, fmt.Sprintf(`{"n":%d}`, i))
		}
	}
}

func TestGone(t *testing.T) {
	r := start(t, SeqPacket, Config{})
	c, conn := r.established()
	_, other := r.established()
	c.Close()
	if got := waittest.Next(t, "the end of a connection", r.core.gone); got != conn || got == other {
		t.Errorf("%v is gone, not %v", got, conn)
	}
}

func TestTimeoutClosesConnection(t *testing.T) {
	r := start(t, SeqPacket, Config{})
	c, conn := r.established()
	conn.SessionBound(1)
	conn.SessionBound(2)
	conn.SessionOver(2, janus.OverDestroyed)
	r.send(c, "{}")
	r.expect(c, "{}") // still there
	conn.Deliver(1, janus.Event{Head: []byte(`{"janus":"timeout"}`)})
	conn.SessionOver(1, janus.OverTimeout)
	r.expect(c, `{"janus":"timeout"}`)
	if _, err := c.Read(make([]byte, 10)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection is still open: %v", err)
	}
	if waittest.Next(t, "the end of a connection", r.core.gone) != conn {
		t.Error("the core was told of another connection")
	}
}

// slowClient is one that reads nothing. A datagram client is not connected:
// only then does the kernel bound what waits for it.
func (r *rig) slowClient() janus.Conn {
	r.Helper()
	if r.typ == SeqPacket {
		_, conn := r.established()
		return conn
	}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(r.TempDir(), "slow"), Net: "unixgram"})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { c.Close() })
	if _, err := c.WriteToUnix([]byte("{}"), &net.UnixAddr{Name: r.path, Net: "unixgram"}); err != nil {
		r.Fatal(err)
	}
	return waittest.Next(r.T, "a connection", r.core.conns)
}

// TestSlowClient has one client that reads nothing: the others must not notice,
// and its queue must not grow without end.
func TestSlowClient(t *testing.T) {
	bothTypes(t, func(t *testing.T, typ Type) {
		r := start(t, typ, Config{})
		slow := r.slowClient()
		quick, conn := r.established()
		event := []byte(`{"x":"` + strings.Repeat("z", 10_000) + `"}`)
		for range 2 * maxBytes / len(event) {
			slow.Deliver(1, janus.Event{Head: event})
		}
		conn.Deliver(1, janus.Event{Head: event})
		r.expect(quick, string(event))
		r.send(quick, "{}")
		r.expect(quick, "{}")
		if typ == SeqPacket && waittest.Next(t, "the end of a connection", r.core.gone) != slow {
			t.Error("the core was told of another connection")
		}
		if p, ok := slow.(*peer); ok {
			p.out.mu.Lock()
			defer p.out.mu.Unlock()
			if p.out.queue.Bytes() > maxBytes {
				t.Errorf("%d bytes wait", p.out.queue.Bytes())
			}
		}
	})
}

// TestHangingClient has a datagram client that has connected its socket, and
// reads nothing: then only the send buffer, which all clients share, bounds what
// waits for it.
func TestHangingClient(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("who fills the send buffer is not known on this system")
	}
	r := start(t, Datagram, Config{})
	_, slow := r.established()
	quick, conn := r.established()
	event := []byte(`{"x":"` + strings.Repeat("z", 10_000) + `"}`)
	for range 2 * maxBytes / len(event) {
		slow.Deliver(1, janus.Event{Head: event})
	}
	e := r.server.services[0].(*datagram)
	waittest.Until(t, "the send buffer does not fill", func() bool { return unread(e.sock) > e.half })
	conn.Deliver(1, janus.Event{Head: event})
	r.expect(quick, string(event))
	r.send(quick, "{}")
	r.expect(quick, "{}")
}

func TestDatagramClients(t *testing.T) {
	r := start(t, Datagram, Config{})
	unnamed, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: r.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer unnamed.Close()
	r.send(unnamed, `{"unnamed":1}`)
	r.core.setBind(true)
	c, conn := r.established()
	conn.SessionBound(1) // claimed by who has it
	r.send(c, "{}")
	r.expect(c, "{}")
	if n := len(r.core.conns); n != 0 {
		t.Errorf("%d more connections were made", n)
	}
	r.core.setBind(false)
	// The client is gone and comes back under its path.
	name := c.LocalAddr().(*net.UnixAddr)
	c.Close()
	conn.Deliver(1, janus.Event{Head: []byte(`{"lost":1}`)})
	conn.(*peer).service.writer.Wait()
	os.Remove(name.Name)
	again, err := net.DialUnix("unixgram", name, &net.UnixAddr{Name: r.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	again.SetDeadline(time.Now().Add(patience))
	r.send(again, "{}")
	r.expect(again, "{}")
	if n := len(r.core.conns); n != 0 {
		t.Error("the client with its session is another one after it came back")
	}
	conn.SessionOver(1, janus.OverTimeout)
	r.send(again, "{}")
	r.expect(again, "{}")
	if waittest.Next(t, "a connection", r.core.conns) == conn {
		t.Error("a client without sessions is remembered")
	}
}

func TestEventsAndQuery(t *testing.T) {
	for typ, want := range map[Type][]string{
		SeqPacket: {`^1\{"event":"connected","admin_api":false,"fd":\d+\}$`, `^1\{"event":"disconnected"\}$`},
		Datagram:  {`^1\{"event":"connected","admin_api":false,"fd":\d+,"type":"SOCK_DGRAM"\}$`},
	} {
		r := start(t, typ, Config{})
		r.core.setBind(true)
		c, _ := r.established()
		if got := string(r.server.Query([]byte(`{"request":"connections"}`))); got != `{"result":200,"connections":1}` {
			t.Errorf("connections: %s", got)
		}
		c.Close()
		for _, w := range want {
			if got := waittest.Next(t, "an event", r.events); !regexp.MustCompile(w).MatchString(got) {
				t.Errorf("event %s, want %s", got, w)
			}
		}
	}
}

func TestAdmin(t *testing.T) {
	bothTypes(t, func(t *testing.T, typ Type) {
		path := filepath.Join(t.TempDir(), "admin")
		r := start(t, typ, Config{Admin: Address{Enabled: true, Path: path, Type: typ}})
		r.path = path
		r.established()
		if !r.core.isAdmin() {
			t.Error("a request to the Admin API is one to the Janus API")
		}
	})
}

func TestPaths(t *testing.T) {
	bothTypes(t, func(t *testing.T, typ Type) {
		dir := t.TempDir()
		path := filepath.Join(dir, "api")
		stale, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		stale.Close() // and leaves its path
		r := start(t, typ, Config{API: Address{Enabled: true, Path: path, Type: typ}})
		r.path = path
		r.established()
		again := Config{API: Address{Enabled: true, Path: path, Type: typ}, Common: transport.Common{Log: slog.New(slog.DiscardHandler)}}
		if _, err := New(again, r.core); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("a second server at the same path: %v", err)
		}
		r.established() // the first one still has it
		r.server.Close()
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the path is still there: %v", err)
		}
		if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = New(Config{API: Address{Enabled: true, Path: path, Type: typ}, Common: transport.Common{Log: slog.New(slog.DiscardHandler)}}, r.core)
		if text, _ := os.ReadFile(path); err == nil || string(text) != "precious" {
			t.Errorf("a file in the way: %v, holds %q", err, text)
		}
	})
}

func TestNewFails(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	if _, err := New(Config{Common: transport.Common{Log: quiet}}, &fakeCore{}); !errors.Is(err, transport.ErrDisabled) {
		t.Errorf("nothing enabled: %v", err)
	}
	if _, err := New(Config{Common: transport.Common{Log: quiet}, API: Address{Enabled: true}}, &fakeCore{}); err == nil || errors.Is(err, transport.ErrDisabled) {
		t.Errorf("no path: %v", err)
	}
}
