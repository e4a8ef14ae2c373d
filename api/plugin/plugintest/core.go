// Package plugintest tests a plugin without a server: it stands in for the core, the
// clients and, with package signalling, for their peer connections. Only tests
// import it.
package plugintest

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/task"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

// Patience is how long a test waits for something that has to happen.
const Patience = waittest.Patience

// Config sets up a Core. The zero value will do.
type Config struct {
	// Engine is the configuration of the media engine; 0 shards are one.
	Engine sfu.Config

	// Signed reports whether a signed token is valid and lists a descriptor for a
	// realm; nil = tokens are not signed.
	Signed func(token, realm, descriptor string) bool

	// Protected reports whether nothing may be written at a path; nil = it may anywhere.
	Protected func(path string) bool

	// RecordingSuffix is put behind the names of recordings that are not whole.
	RecordingSuffix string

	// Log takes the log, instead of Core.Log.
	Log slog.Handler

	// NoNotices says that nobody wants events for event handlers.
	NoNotices bool

	// Notified is called with each event for event handlers, without a lock.
	Notified func(data string)
}

// Core stands in for the core with one plugin. It is the plugin's Gateway.
type Core struct {
	t       testing.TB
	cfg     Config
	log     *slog.Logger
	book    logbook
	tasks   task.Tasks // executors of the clients
	started sync.Once
	engine  *sfu.Engine // made when it is asked for

	mu      sync.Mutex
	plugin  plugin.Plugin
	clients []*Client
	serial  uint64
	notices []string
	places  int // reserved and not released
}

// New starts a plugin. At the end of the test all clients are detached and the plugin
// is closed, then the engine.
func New(t testing.TB, p plugin.Plugin, cfg Config) *Core {
	t.Helper()
	if f, ok := t.(*testing.F); ok {
		t = fuzzing{f}
	}
	c := &Core{t: t, cfg: cfg, plugin: p}
	c.book.more = make(chan struct{})
	handler := cfg.Log
	if handler == nil {
		handler = slog.NewTextHandler(&c.book, nil)
	}
	c.log = slog.New(handler)
	t.Cleanup(c.close)
	if err := p.Start(c); err != nil {
		t.Fatal(err)
	}
	return c
}

// Replace detaches all clients, closes the plugin, and starts another one.
func (c *Core) Replace(p plugin.Plugin) {
	c.t.Helper()
	c.closePlugin()
	c.plugin = p
	if err := p.Start(c); err != nil {
		c.t.Fatal(err)
	}
}

func (c *Core) closePlugin() {
	c.mu.Lock()
	clients := c.clients
	c.clients = nil
	c.mu.Unlock()
	for _, x := range clients {
		x.Detach()
	}
	c.Settle()
	c.plugin.Close()
}

func (c *Core) close() {
	c.closePlugin()
	if c.engine != nil {
		waittest.Close(c.t, c.engine)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.places != 0 {
		c.t.Errorf("plugintest: %d places in the order of events were not released", c.places)
	}
}

// EndSession detaches all clients of a session.
func (c *Core) EndSession(session uint64) {
	c.mu.Lock()
	clients := slices.Clone(c.clients)
	c.mu.Unlock()
	for _, x := range clients {
		if x.session == session {
			x.Detach()
		}
	}
}

// Settle waits until no client has anything left to do.
func (c *Core) Settle() {
	c.t.Helper()
	if !c.tasks.WaitFor(Patience) {
		c.t.Fatal("plugintest: a handle's executor hangs")
	}
}

// Log is the log so far.
func (c *Core) Log() string {
	c.book.mu.Lock()
	defer c.book.mu.Unlock()
	return c.book.b.String()
}

// AwaitLog waits until something has been logged.
func (c *Core) AwaitLog(words string) {
	c.t.Helper()
	late := time.NewTimer(Patience)
	defer late.Stop()
	for {
		c.book.mu.Lock()
		text, more := c.book.b.String(), c.book.more
		c.book.mu.Unlock()
		if strings.Contains(text, words) {
			return
		}
		select {
		case <-more:
		case <-late.C:
			c.t.Fatalf("no %q in the log:\n%s", words, c.Log())
		}
	}
}

// Notices takes the events for event handlers, of the plugin and its handles, since
// the last call.
func (c *Core) Notices() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.notices
	c.notices = nil
	return list
}

// Admin sends a request of the Admin API.
func (c *Core) Admin(request string) string {
	c.t.Helper()
	b, err := c.plugin.Admin(Parse(c.t, request))
	if err != nil {
		c.t.Fatalf("%s: %v", request, err)
	}
	return string(compact(c.t, b))
}

// The methods of plugin.Gateway.

// Engine makes the engine when it is asked for first.
func (c *Core) Engine() *sfu.Engine {
	c.started.Do(func() {
		cfg := c.cfg.Engine
		cfg.Shards = max(cfg.Shards, 1)
		if cfg.Logger == nil {
			cfg.Logger = c.log
		}
		var err error
		if c.engine, err = sfu.New(cfg); err != nil {
			c.t.Errorf("plugintest: %v", err)
		}
	})
	return c.engine
}

// Logger is the log.
func (c *Core) Logger() *slog.Logger { return c.log }

// Notifying reports whether anybody wants events for event handlers.
func (c *Core) Notifying() bool { return !c.cfg.NoNotices }

// Notify keeps an event of the plugin.
func (c *Core) Notify(_ string, data []byte) {
	text := string(compact(c.t, data))
	c.mu.Lock()
	c.notices = append(c.notices[max(0, len(c.notices)-most):], text)
	c.mu.Unlock()
	if c.cfg.Notified != nil {
		c.cfg.Notified(text)
	}
}

// MayWrite reports whether clients may have a file written at a path.
func (c *Core) MayWrite(path string) bool { return c.cfg.Protected == nil || !c.cfg.Protected(path) }

// RecordingSuffix is put behind the names of recordings that are not whole.
func (c *Core) RecordingSuffix() string { return c.cfg.RecordingSuffix }

// SignedTokens reports whether tokens are signed ones.
func (c *Core) SignedTokens() bool { return c.cfg.Signed != nil }

// SignedFor reports whether one is valid and lists a descriptor for a realm.
func (c *Core) SignedFor(token, realm, descriptor string) bool {
	return c.cfg.Signed != nil && c.cfg.Signed(token, realm, descriptor)
}

// fuzzing is a fuzz test that may be asked within its target.
type fuzzing struct{ *testing.F }

func (fuzzing) Helper() {}

// Parse parses JSON.
func Parse(t testing.TB, text string) *json.Value {
	t.Helper()
	d, err := json.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return d.Root()
}

// compact checks that data of a plugin is a compact JSON object.
func compact(t testing.TB, data []byte) []byte {
	d, err := json.Parse(data)
	if err != nil || !json.IsObject(d.Root()) {
		t.Errorf("plugintest: no JSON object: %s", data)
		return data
	}
	defer d.Release()
	w := json.NewWriter(nil)
	w.Value("", d.Root())
	if !bytes.Equal(w.Bytes(), data) {
		t.Errorf("plugintest: not compact JSON: %s", data)
	}
	return data
}

// logbook is a log that can be read while others write.
type logbook struct {
	mu   sync.Mutex
	b    strings.Builder
	more chan struct{} // closed when something is written
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.more)
	l.more = make(chan struct{})
	return l.b.Write(b)
}

// alarm is a log that fails the test: an executor logs nothing but panics.
type alarm struct {
	slog.Handler
	t testing.TB
}

func (a alarm) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(x slog.Attr) bool {
		a.t.Errorf("%s: %s %s", r.Message, x.Key, x.Value)
		return true
	})
	return nil
}

func (a alarm) Enabled(context.Context, slog.Level) bool { return true }
