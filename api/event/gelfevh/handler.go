// Package gelfevh delivers events to a log server in the Graylog Extended Log
// Format, over UDP or TCP.
package gelfevh

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"bifrons/api/config"
	"bifrons/api/event"
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/schema"
)

// Package is the name of this event handler in the Janus API.
const Package = "janus.eventhandler.gelfevh"

const (
	dialTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
)

// Settings are those of janus.eventhandler.gelfevh.jcfg.
type Settings struct {
	event.Settings
	Backend     string `cfg:"backend"` // host
	Port        uint16 `cfg:"port" range:"1..65535"`
	Protocol    string `cfg:"protocol" enum:"udp|tcp"`
	MaxLength   int    `cfg:"max_message_len" range:"1..65495"` // payload of a UDP packet, bytes
	Compress    bool   `cfg:"compress"`                         // by gzip, UDP only
	Compression int    `cfg:"compression" range:"0..9"`
}

// Defaults are the settings of an empty file.
func Defaults() Settings {
	return Settings{Settings: event.Defaults(), Protocol: "udp", MaxLength: 500, Compression: 6}
}

// Load reads the settings from a folder.
func Load(folder string) (Settings, []config.Problem) {
	s := Defaults()
	problems := event.Load(folder, Package, &s, &s.Settings)
	if s.Enabled && (s.Backend == "" || s.Port == 0) {
		problems = append(problems, config.Problem{File: Package, Section: "general", Key: "backend",
			Text: "needs a host, and port its port"})
	}
	return s, problems
}

// Handler is the event handler.
type Handler struct {
	log   *slog.Logger
	pause func(ctx context.Context, d time.Duration)

	mu       sync.Mutex
	settings Settings
}

// New makes a Handler.
func New(s Settings, log *slog.Logger) *Handler {
	return &Handler{log: log, settings: s, pause: event.Pause}
}

// Info describes the handler in server_info.
func (h *Handler) Info() module.Info {
	return event.Info(Package, "Gelf", "a log server in the GELF format")
}

func (h *Handler) current() Settings {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.settings
}

// link is a connection with the settings it was made for.
type link struct {
	net.Conn
	address, network string
}

func (l *link) fits(s Settings) bool {
	return l != nil && l.network == s.Protocol && l.address == address(s)
}

func (l *link) close() {
	if l != nil {
		_ = l.Close()
	}
}

func address(s Settings) string { return net.JoinHostPort(s.Backend, strconv.Itoa(int(s.Port))) }

// Run delivers events one by one. Over TCP one that may not have arrived is
// sent again; over UDP lost events stay lost.
func (h *Handler) Run(ctx context.Context, o *event.Outlet) {
	var to *link
	defer func() { to.close() }()
	chunks := newChunker()
	for n := o.NextOne(ctx); n != nil; n = o.NextOne(ctx) {
		text := o.Layout(message(o.Emitter(), n))
		for failures := 0; ; failures++ {
			s := h.current()
			var err error
			if to, err = h.send(ctx, to, s, chunks, text); err == nil {
				break
			}
			if ctx.Err() != nil || to != nil { // a single packet
				h.log.Debug("event not sent", "handler", Package, "error", err)
				o.Lost(1)
				break
			}
			if failures == 0 {
				h.log.Warn("event handler cannot connect", "handler", Package, "error", err)
			}
			h.pause(ctx, event.Backoff(failures))
		}
	}
}

// send sends one message over a connection that fits, an old one or a new one,
// and returns it; nil if there is none any more.
func (h *Handler) send(ctx context.Context, to *link, s Settings, chunks *chunker, text []byte) (*link, error) {
	if !to.fits(s) {
		to.close()
		dialer := net.Dialer{Timeout: dialTimeout}
		conn, err := dialer.DialContext(ctx, s.Protocol, address(s))
		if err != nil {
			return nil, err
		}
		to = &link{conn, address(s), s.Protocol}
	}
	stop := context.AfterFunc(ctx, func() { _ = to.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = to.SetWriteDeadline(time.Now().Add(writeTimeout))
	if s.Protocol == "tcp" {
		if _, err := to.Write(append(text, 0)); err != nil {
			to.close()
			return nil, err
		}
		return to, nil
	}
	if s.Compress {
		var err error
		if text, err = event.Gzip(text, s.Compression); err != nil {
			return to, err
		}
	}
	return to, chunks.send(to, text, s.MaxLength)
}

// message is an event in the Graylog Extended Log Format 1.1.
func message(emitter string, n *janus.Notification) []byte {
	w := json.NewWriter(make([]byte, 0, len(n.Event)+512))
	w.Object("")
	w.Raw("timestamp", strconv.AppendFloat(nil, float64(n.Time.UnixMicro())/1e6, 'f', 6, 64))
	w.Str("host", emitter)
	w.Str("version", "1.1")
	w.Int("level", int64(n.Type))
	w.Str("short_message", event.Name(n.Type))
	body := json.NewWriter(nil)
	event.Append(body, emitter, n)
	w.Raw("full_message", body.Bytes())
	w.End()
	return w.Bytes()
}

var errTooLong = errors.New("event too long for max_message_len")

var tweakFields = []schema.Field{
	{Name: "backend", Type: schema.NonEmptyString},
	{Name: "port", Type: schema.Any},
	{Name: "protocol", Type: schema.String},
	{Name: "max_message_len", Type: schema.Uint},
	{Name: "compress", Type: schema.Bool},
	{Name: "compression", Type: schema.Uint},
}

// Tweak changes settings. A backend has to come with its port, which may be a
// number or a text.
func (h *Handler) Tweak(r json.Args) (func(), *schema.Error) {
	if err := event.Check(tweakFields, r); err != nil {
		return nil, err
	}
	s := h.current()
	if host, ok := r.Text("backend"); ok {
		port, ok := r.Number("port")
		if text, is := r.Text("port"); is {
			n, err := strconv.ParseUint(text, 10, 16)
			port, ok = int64(n), err == nil
		}
		if !ok || port < 1 || port > 65535 {
			return nil, event.Invalid("port", "from 1 to 65535")
		}
		s.Backend, s.Port = host, uint16(port)
	}
	if text, ok := r.Text("protocol"); ok {
		if text != "udp" && text != "tcp" {
			return nil, event.Invalid("protocol", "udp or tcp")
		}
		s.Protocol = text
	}
	if n, ok := r.Number("max_message_len"); ok {
		if n < 1 || n > maxPayload {
			return nil, event.Invalid("max_message_len", "from 1 to "+strconv.Itoa(maxPayload))
		}
		s.MaxLength = int(n)
	}
	s.Compress = r.FlagOr("compress", s.Compress)
	if n, ok := r.Number("compression"); ok {
		if n > 9 {
			return nil, event.Invalid("compression", "from 0 to 9")
		}
		s.Compression = int(n)
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.settings = s
	}, nil
}
