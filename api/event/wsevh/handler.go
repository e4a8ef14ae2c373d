// Package wsevh delivers events to a WebSocket server (RFC 6455).
package wsevh

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"

	"bifrons/api/config"
	"bifrons/api/event"
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/schema"
)

// Package is the name of this event handler in the Janus API.
const Package = "janus.eventhandler.wsevh"

const (
	dialTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second // of one message
	pingEvery    = 30 * time.Second // finds out that a silent server is gone
)

// Settings are those of janus.eventhandler.wsevh.jcfg.
type Settings struct {
	event.Settings
	Backend     string `cfg:"backend"` // ws or wss URL
	Subprotocol string `cfg:"subprotocol"`
	Logging     string `cfg:"ws_logging"` // of no effect
	Cap         int    `cfg:"events_cap_on_reconnect" range:"0.."`
}

// Defaults are the settings of an empty file.
func Defaults() Settings {
	return Settings{Settings: event.Defaults(), Subprotocol: "janus-event-handlers"}
}

// Load reads the settings from a folder.
func Load(folder string) (Settings, []config.Problem) {
	s := Defaults()
	problems := event.Load(folder, Package, &s, &s.Settings)
	if u, err := url.Parse(s.Backend); s.Enabled && (err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "") {
		problems = append(problems, config.Problem{File: Package, Section: "general", Key: "backend",
			Accepted: "a ws or wss URL"}) // without its value, which may have a password
	}
	return s, problems
}

// Handler is the event handler.
type Handler struct {
	settings Settings
	log      *slog.Logger
	pause    func(ctx context.Context, d time.Duration)

	mu  sync.Mutex
	cap int // how many events may wait while there is no connection, 0 = the usual
}

// New makes a Handler.
func New(s Settings, log *slog.Logger) *Handler {
	return &Handler{settings: s, log: log, pause: event.Pause, cap: s.Cap}
}

// Info describes the handler in server_info.
func (h *Handler) Info() module.Info { return event.Info(Package, "WebSockets", "a WebSocket server") }

func (h *Handler) limit() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cap
}

// Run delivers events over one connection after the other. A message that may
// not have arrived is sent again over the next.
func (h *Handler) Run(ctx context.Context, o *event.Outlet) {
	var unsent []*janus.Notification
	for failures := 0; ctx.Err() == nil; {
		ws, err := h.connect(ctx)
		if err != nil {
			if failures == 0 {
				h.log.Warn("event handler cannot connect", "handler", Package, "error", err)
			}
			o.Limit(h.limit())
			h.pause(ctx, event.Backoff(failures))
			failures++
			continue
		}
		h.log.Info("event handler is connected", "handler", Package)
		failures = 0
		o.Limit(0)
		if unsent, err = h.serve(ctx, ws, o, unsent); err == nil || ctx.Err() != nil {
			break
		}
		h.log.Warn("event handler has lost its connection", "handler", Package, "error", err)
		o.Limit(h.limit())
		if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			h.pause(ctx, time.Second)
			continue
		}
		h.pause(ctx, event.Backoff(failures))
		failures++
	}
	o.Lost(len(unsent))
}

func (h *Handler) connect(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, h.settings.Backend, &websocket.DialOptions{
		Subprotocols:    []string{h.settings.Subprotocol},
		CompressionMode: websocket.CompressionContextTakeover,
	})
	return ws, err
}

var errEnd = errors.New("no more events")

// serve sends events, the unsent ones first, until the connection breaks or the
// events end, which is no error. It returns those that were not sent.
func (h *Handler) serve(ctx context.Context, ws *websocket.Conn, o *event.Outlet, list []*janus.Notification) ([]*janus.Notification, error) {
	ctx, end := context.WithCancelCause(ctx)
	var helpers sync.WaitGroup
	defer func() {
		ws.CloseNow()
		end(errEnd)
		helpers.Wait()
	}()
	helpers.Go(func() { end(listen(ctx, ws)) })
	helpers.Go(func() { end(ping(ctx, ws)) })
	for {
		if list == nil {
			if list = o.Next(ctx); list == nil {
				break
			}
		}
		if err := write(ctx, ws, o.Message(list)); err != nil {
			end(err)
			return list, context.Cause(ctx)
		}
		list = nil
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	_ = ws.Close(websocket.StatusNormalClosure, "")
	return nil, nil
}

func write(ctx context.Context, ws *websocket.Conn, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return ws.Write(ctx, websocket.MessageText, message)
}

// listen reads and ignores messages of the server until the end of the
// connection.
func listen(ctx context.Context, ws *websocket.Conn) error {
	for {
		_, r, err := ws.Reader(ctx)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			return err
		}
	}
}

// ping asks the server now and then whether it is there.
func ping(ctx context.Context, ws *websocket.Conn) error {
	t := time.NewTicker(pingEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		limited, cancel := context.WithTimeout(ctx, writeTimeout)
		err := ws.Ping(limited)
		cancel()
		if err != nil {
			return err
		}
	}
}

var tweakFields = []schema.Field{{Name: "events_cap_on_reconnect", Type: schema.Uint}}

// Tweak changes settings.
func (h *Handler) Tweak(r json.Args) (func(), *schema.Error) {
	if err := event.Check(tweakFields, r); err != nil {
		return nil, err
	}
	n, given := r.Number("events_cap_on_reconnect")
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if given {
			h.cap = int(min(n, 1<<30))
		}
	}, nil
}
