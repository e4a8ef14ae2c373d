// Package sampleevh delivers events by HTTP POST.
package sampleevh

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"bifrons/api/config"
	"bifrons/api/event"
	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/schema"
)

// Package is the name of this event handler in the Janus API.
const Package = "janus.eventhandler.sampleevh"

const (
	timeout    = 10 * time.Second // of one request
	longest    = time.Minute      // pause between two tries
	maxRetries = 1000
)

// Settings are those of janus.eventhandler.sampleevh.jcfg.
type Settings struct {
	event.Settings
	Backend     string        `cfg:"backend"` // http or https URL
	User        string        `cfg:"backend_user"`
	Password    string        `cfg:"backend_pwd"`
	Compress    bool          `cfg:"compress"` // by gzip
	Compression int           `cfg:"compression" range:"0..9"`
	Retries     int           `cfg:"max_retransmissions" range:"0..1000" lenient:"low=clamp,high=clamp"`
	Backoff     time.Duration `cfg:"retransmissions_backoff" unit:"ms" range:"1.."` // before the first of them
}

// Defaults are the settings of an empty file.
func Defaults() Settings {
	return Settings{Settings: event.Defaults(), Compression: 6, Retries: 5, Backoff: 100 * time.Millisecond}
}

// Load reads the settings from a folder.
func Load(folder string) (Settings, []config.Problem) {
	s := Defaults()
	problems := event.Load(folder, Package, &s, &s.Settings)
	if s.Enabled && !isBackend(s.Backend) {
		problems = append(problems, config.Problem{File: Package, Section: "general", Key: "backend",
			Accepted: "an http or https URL"}) // without its value, which may have a password
	}
	return s, problems
}

func isBackend(url string) bool { return strings.HasPrefix(url, "http") }

// Handler is the event handler.
type Handler struct {
	log    *slog.Logger
	client *http.Client
	pause  func(ctx context.Context, d time.Duration)

	mu       sync.Mutex
	settings Settings
}

// New makes a Handler.
func New(s Settings, log *slog.Logger) *Handler {
	return &Handler{
		log: log, settings: s, pause: event.Pause,
		client: &http.Client{
			Timeout: timeout,
			Transport: &http.Transport{
				Proxy:           http.ProxyFromEnvironment,
				MaxConnsPerHost: 1,
				IdleConnTimeout: 90 * time.Second,
			},
			// Where the events should be instead is no matter of theirs.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Info describes the handler in server_info.
func (h *Handler) Info() module.Info { return event.Info(Package, "Sample", "a backend by HTTP POST") }

func (h *Handler) current() Settings {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.settings
}

// Run delivers events, one request after the other.
func (h *Handler) Run(ctx context.Context, o *event.Outlet) {
	defer h.client.CloseIdleConnections()
	for list := o.Next(ctx); list != nil; list = o.Next(ctx) {
		if !h.deliver(ctx, o.Message(list)) {
			o.Lost(len(list))
		}
	}
}

// deliver tries to send a message, again and again with growing pauses.
func (h *Handler) deliver(ctx context.Context, message []byte) bool {
	for n := 0; ; n++ {
		s := h.current()
		err := h.post(ctx, s, message)
		switch {
		case err == nil:
			return true
		case n >= s.Retries || ctx.Err() != nil:
			h.log.Debug("events not delivered", "handler", Package, "error", err)
			return false
		}
		pause := longest
		if n < 20 {
			pause = min(s.Backoff<<n, longest)
		}
		var busy *busyError
		if errors.As(err, &busy) {
			pause = max(pause, min(busy.after, longest))
		}
		h.pause(ctx, pause)
	}
}

// busyError is an answer of a backend that could not take the events, and may
// later.
type busyError struct {
	status string
	after  time.Duration // to wait at least, 0 = not said
}

func (e *busyError) Error() string { return "the backend answers " + e.status }

// retryAfter reads the header of that name (RFC 9110, 10.2.3): a number of
// seconds, or a date.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// post sends a message once. A backend that refuses it for good has had it; one
// that cannot take it now is an error (RFC 9110, 15.5.9 and 15.6; RFC 6585, 4).
func (h *Handler) post(ctx context.Context, s Settings, message []byte) error {
	body := message
	if s.Compress {
		var err error
		if body, err = event.Gzip(message, s.Compression); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Backend, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.Compress {
		req.Header.Set("Content-Encoding", "gzip")
	}
	if s.User != "" || s.Password != "" {
		req.SetBasicAuth(s.User, s.Password)
	}
	res, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection can be used again
	switch c := res.StatusCode; {
	case c >= 500, c == http.StatusTooManyRequests, c == http.StatusRequestTimeout:
		return &busyError{res.Status, retryAfter(res.Header.Get("Retry-After"), time.Now())}
	}
	return nil
}

var tweakFields = []schema.Field{
	{Name: "backend", Type: schema.String},
	{Name: "backend_user", Type: schema.String},
	{Name: "backend_pwd", Type: schema.String},
	{Name: "compress", Type: schema.Bool},
	{Name: "compression", Type: schema.Uint},
	{Name: "max_retransmissions", Type: schema.Uint},
	{Name: "retransmissions_backoff", Type: schema.Uint},
}

// Tweak changes settings.
func (h *Handler) Tweak(r json.Args) (func(), *schema.Error) {
	if err := event.Check(tweakFields, r); err != nil {
		return nil, err
	}
	s := h.current()
	for name, dst := range map[string]*string{"backend": &s.Backend, "backend_user": &s.User, "backend_pwd": &s.Password} {
		if text, ok := r.Text(name); ok {
			*dst = text
		}
	}
	s.Compress = r.FlagOr("compress", s.Compress)
	if n, ok := r.Number("compression"); ok {
		s.Compression = int(min(n, 10))
	}
	if n, ok := r.Number("max_retransmissions"); ok {
		s.Retries = int(min(n, maxRetries))
	}
	if n, ok := r.Number("retransmissions_backoff"); ok {
		s.Backoff = time.Duration(min(max(n, 1), int64(longest/time.Millisecond))) * time.Millisecond
	}
	switch {
	case !isBackend(s.Backend):
		return nil, event.Invalid("backend", "an http or https URL")
	case s.Compression > 9:
		return nil, event.Invalid("compression", "from 0 to 9")
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.settings = s
	}, nil
}
