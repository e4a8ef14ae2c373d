// Package janus is the core of the Janus API: sessions, handles, the table of
// verbs, JSEP and events.
package janus

import (
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"bifrons/api/auth"
	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/signalling"
	"bifrons/api/task"
	"bifrons/sfu"
)

// Core serves the Janus API. All methods may be called from any goroutine.
type Core struct {
	cfg       Config
	log       *slog.Logger
	auth      *auth.Auth
	started   time.Time
	accepting atomic.Bool
	timeout   atomic.Int64 // of sessions, as time.Duration

	signalling signalling.Config // of all handles

	tasks task.Tasks
	stop  chan struct{}

	mu         sync.RWMutex
	closed     bool
	plugins    []plugin.Plugin
	transports []Transport
	admin      Admin
	sessions   map[uint64]*Session
	bound      map[Conn]map[uint64]*Session

	sinks atomic.Pointer[[]Sink]
}

// Admin serves requests from Admin API endpoints.
type Admin interface {
	// Handle answers one request by calling reply exactly once. It takes the
	// envelope over and has to release it.
	Handle(e *Envelope, reply func(msg []byte))
}

// New makes a Core and starts its watchdog. Close ends it.
func New(cfg Config) *Core {
	cfg.defaults()
	c := &Core{
		cfg: cfg, log: cfg.Logger, auth: cfg.Auth, started: cfg.Now(),
		stop:     make(chan struct{}),
		sessions: make(map[uint64]*Session),
		bound:    make(map[Conn]map[uint64]*Session),
	}
	c.signalling = cfg.signalling()
	c.tasks.Log = cfg.Logger
	c.accepting.Store(true)
	c.timeout.Store(int64(cfg.SessionTimeout))
	c.tasks.Go(c.watchdog)
	c.tasks.Go(func() { c.every(statusPeriod, c.notifyUpdate) })
	if cfg.StatsPeriod > 0 {
		c.tasks.Go(c.notifyStatistics)
	}
	return c
}

// closeLimit is how long Close waits for the handles, and for each plugin.
const closeLimit = 3 * time.Second

// Close destroys all sessions, waits for the work of their handles, and
// closes the plugins. Work that takes too long is named in the log and left alone.
// Transports have to be closed before, the engine after.
func (c *Core) Close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	all := make([]*Session, 0, len(c.sessions))
	for _, s := range c.sessions {
		all = append(all, s)
	}
	plugins := c.plugins
	c.mu.Unlock()
	close(c.stop)
	for _, s := range all {
		s.destroy(OverDestroyed, "")
	}
	if !c.tasks.WaitFor(closeLimit) {
		c.log.Warn("handles are still at work, closing without them")
	}
	for _, p := range plugins {
		if !task.Within(closeLimit, p.Close) {
			c.log.Warn("a plugin does not end, closing without it", "plugin", p.Info().Package)
		}
	}
}

// AddPlugin starts a plugin and lets clients attach to it.
func (c *Core) AddPlugin(p plugin.Plugin) error {
	if err := p.Start(gateway{c}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plugins = append(c.plugins, p)
	return nil
}

// AddTransport lists a transport in server_info.
func (c *Core) AddTransport(t Transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.transports = append(c.transports, t)
}

// SetAdmin says who serves the Admin API.
func (c *Core) SetAdmin(a Admin) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.admin = a
}

// Plugin finds a plugin by its package name, nil if there is none.
func (c *Core) Plugin(pkg string) plugin.Plugin {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, p := range c.plugins {
		if p.Info().Package == pkg {
			return p
		}
	}
	return nil
}

// Plugins returns the plugins in the order in which they were added.
func (c *Core) Plugins() []plugin.Plugin {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return append([]plugin.Plugin(nil), c.plugins...)
}

// Transports returns the transports in the order in which they were added.
func (c *Core) Transports() []Transport {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return append([]Transport(nil), c.transports...)
}

// Auth is who checks credentials.
func (c *Core) Auth() *auth.Auth { return c.auth }

// Accepting reports whether new sessions may be created.
func (c *Core) Accepting() bool { return c.accepting.Load() }

// SetAccepting allows or refuses new sessions.
func (c *Core) SetAccepting(on bool) { c.accepting.Store(on) }

// SessionTimeout is the timeout of sessions that have none of their own.
func (c *Core) SessionTimeout() time.Duration { return time.Duration(c.timeout.Load()) }

// SetSessionTimeout changes it; 0 = never.
func (c *Core) SetSessionTimeout(d time.Duration) { c.timeout.Store(int64(d)) }

// Tuning is the media settings in effect that can be changed at run time.
func (c *Core) Tuning() sfu.Tuning {
	if e := c.cfg.Engine; e != nil {
		return e.Tuning()
	}
	return c.cfg.Engine.Config().Peers.Tuning
}

// Tune changes media settings, which has no effect without an engine.
func (c *Core) Tune(change func(t *sfu.Tuning)) {
	if e := c.cfg.Engine; e != nil {
		e.Tune(change)
	}
}

// Started is when the Core was made.
func (c *Core) Started() time.Time { return c.started }

// Settings is the configuration with defaults filled in.
func (c *Core) Settings() Config { return c.cfg }

// randomID makes an id in [1, 2^53-1], which JavaScript can hold.
func randomID() uint64 {
	for {
		var b [8]byte
		rand.Read(b[:])
		if id := binary.BigEndian.Uint64(b[:]) & (1<<53 - 1); id != 0 {
			return id
		}
	}
}

// gateway is the Core as plugins see it.
type gateway struct{ c *Core }

func (g gateway) Engine() *sfu.Engine  { return g.c.cfg.Engine }
func (g gateway) Logger() *slog.Logger { return g.c.log }
func (g gateway) Notifying() bool      { return g.c.Notifies(NotifyPlugin) }
func (g gateway) SignedTokens() bool   { return g.c.auth.Signed() }

func (g gateway) MayWrite(path string) bool { return g.c.MayWrite(path) }
func (g gateway) RecordingSuffix() string   { return g.c.cfg.RecordingSuffix }

func (g gateway) SignedFor(token, realm, descriptor string) bool {
	return g.c.auth.SignedFor(token, realm, descriptor)
}

func (g gateway) Notify(pkg string, data []byte) {
	g.c.notify(Notification{Type: NotifyPlugin}, func(w *json.Writer) {
		w.Str("plugin", pkg)
		w.Raw("data", data)
	})
}
