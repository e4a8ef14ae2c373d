package transport

import (
	stdjson "encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"

	"bifrons/api/json"
	"bifrons/api/module"
)

// Info describes a transport in server_info, by what it adds to the Janus API.
func Info(pkg, adds string, version int) module.Info {
	return module.Info{
		Package: pkg, Name: "JANUS " + adds + " transport plugin", Author: module.Author,
		Description:   "This transport plugin adds " + adds + " support to the Janus API.",
		VersionString: fmt.Sprintf("0.0.%d", version), Version: version,
	}
}

// Control is the Admin API's access to a running transport
// (query_transport). Its methods may be called from any goroutine.
type Control struct {
	layout atomic.Uint32
	events atomic.Bool
	notify func(conn string, event []byte)
}

// Common holds the parameters that all transports share. Zero values mean the defaults.
type Common struct {
	Queues *Account // for data that waits to be sent, shared; default one of QueueBytes
	Layout json.Layout

	// Events lets transport events through to Notify, which takes JSON objects for the
	// event handlers, which it then owns, and the id of the connection that they are about
	// (janus.Conn's, or janus.Request's); nil if there is none.
	Events bool
	Notify func(conn string, event []byte)

	Log *slog.Logger // default slog.Default()
}

// Control fills in the defaults, and makes a Control.
func (c *Common) Control() *Control {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Queues == nil {
		c.Queues = NewAccount(QueueBytes, c.Log)
	}
	x := &Control{notify: c.Notify}
	x.layout.Store(uint32(c.Layout))
	x.events.Store(c.Events)
	return x
}

// Relayout brings a compact JSON text into the layout that is set. The result
// is msg itself if that is the compact one.
func (c *Control) Relayout(msg []byte) []byte {
	l := json.Layout(c.layout.Load())
	if l == json.Compact {
		return msg
	}
	return json.Relayout(make([]byte, 0, len(msg)+len(msg)/2), msg, l)
}

// Notify passes an event about a connection on to the event handlers, if they
// are to have it.
func (c *Control) Notify(conn string, event any) {
	if c.notify == nil || !c.events.Load() {
		return
	}
	if text, err := stdjson.Marshal(event); err == nil {
		c.notify(conn, text)
	}
}

// Notifies reports whether Notify passes events on.
func (c *Control) Notifies() bool { return c.notify != nil && c.events.Load() }

type queryReply struct {
	Result      int                `json:"result,omitempty"`
	Notes       []string           `json:"notes,omitempty"`
	Connections stdjson.RawMessage `json:"connections,omitempty"`
	Messages    *int64             `json:"messages,omitempty"`
	ErrorCode   int                `json:"error_code,omitempty"`
	Error       string             `json:"error,omitempty"`
}

// Query answers a query_transport request: configure (events, json) or
// connections. The latter is answered with what connections returns: a JSON
// value, and the number of requests at work or -1; connections is nil where there is
// nothing to tell.
func (c *Control) Query(request []byte, connections func() (value string, messages int64)) []byte {
	text, err := stdjson.Marshal(c.query(request, connections))
	if err != nil {
		return []byte(`{"error_code":499,"error":"Unknown error"}`)
	}
	return text
}

func (c *Control) query(request []byte, connections func() (string, int64)) queryReply {
	var fields map[string]any
	if stdjson.Unmarshal(request, &fields) != nil {
		return queryReply{ErrorCode: 413, Error: "Invalid request: not a JSON object"}
	}
	verb, ok := fields["request"]
	if !ok {
		return queryReply{ErrorCode: 412, Error: "Missing mandatory element (request)"}
	}
	switch {
	case verb == "configure":
		return c.configure(fields)
	case verb == "connections" && connections != nil:
		value, n := connections()
		r := queryReply{Result: 200, Connections: stdjson.RawMessage(value)}
		if n >= 0 {
			r.Messages = &n
		}
		return r
	}
	if _, ok := verb.(string); !ok {
		return queryReply{ErrorCode: 413, Error: "Invalid element type (request should be a string)"}
	}
	return queryReply{ErrorCode: 411, Error: fmt.Sprintf("Unknown request '%s'", verb)}
}

func (c *Control) configure(fields map[string]any) queryReply {
	r := queryReply{Result: 200}
	events, ok := fields["events"].(bool)
	if fields["events"] != nil && !ok {
		return queryReply{ErrorCode: 413, Error: "Invalid element type (events should be a boolean)"}
	}
	layout, ok := fields["json"].(string)
	if fields["json"] != nil && !ok {
		return queryReply{ErrorCode: 413, Error: "Invalid element type (json should be a string)"}
	}
	c.events.Store(events) // off unless it is asked for
	if events && c.notify == nil {
		r.Notes = append(r.Notes, "Event handlers disabled at the core level")
	}
	if fields["json"] != nil {
		if l, ok := json.ParseLayout(layout); ok {
			c.layout.Store(uint32(l))
		} else {
			r.Notes = append(r.Notes, "Ignored unsupported indentation format")
		}
	}
	return r
}
