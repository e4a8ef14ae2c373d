package janus

import (
	"slices"
	"time"

	"bifrons/api/json"
	"bifrons/api/module"
)

// NotificationType is the type of an event for event handlers, a single bit.
type NotificationType int

// Types of notifications.
const (
	NotifySession   NotificationType = 1
	NotifyHandle    NotificationType = 2
	NotifyExternal  NotificationType = 4
	NotifyJSEP      NotificationType = 8
	NotifyWebRTC    NotificationType = 16
	NotifyMedia     NotificationType = 32
	NotifyPlugin    NotificationType = 64
	NotifyTransport NotificationType = 128
	NotifyCore      NotificationType = 256
)

// Subtypes of NotifyWebRTC, NotifyMedia and NotifyCore.
const (
	SubICEState        = 1
	SubLocalCandidate  = 2
	SubRemoteCandidate = 3
	SubSelectedPair    = 4
	SubDTLSState       = 5
	SubConnection      = 6

	SubMediaState = 1
	SubSlowLink   = 2
	SubStatistics = 3

	SubCoreStatus   = 1
	SubCoreShutdown = 2
)

// Notification is one event for event handlers.
type Notification struct {
	Type     NotificationType
	Subtype  int // 0 = none
	Time     time.Time
	Session  uint64 // 0 = about none
	Handle   uint64 // 0 = about none
	OpaqueID string
	Event    []byte // compact JSON, not to be changed
}

// Sink takes notifications for an event handler.
type Sink interface {
	// Info describes the event handler in server_info.
	Info() module.Info
	// Takes reports whether notifications of a type are wanted.
	Takes(t NotificationType) bool
	// Notify takes one notification, which nobody may change any more. It
	// must not block or call the Core.
	Notify(n *Notification)
}

// AddSink starts sending notifications to an event handler.
func (c *Core) AddSink(s Sink) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := append([]Sink(nil), c.sinkList()...)
	list = append(list, s)
	c.sinks.Store(&list)
}

func (c *Core) sinkList() []Sink {
	if p := c.sinks.Load(); p != nil {
		return *p
	}
	return nil
}

// Sinks returns the event handlers in the order in which they were added.
func (c *Core) Sinks() []Sink { return slices.Clone(c.sinkList()) }

// Notifying reports whether there are event handlers.
func (c *Core) Notifying() bool { return len(c.sinkList()) > 0 }

// Notifies reports whether anybody takes notifications of a type.
func (c *Core) Notifies(t NotificationType) bool {
	for _, s := range c.sinkList() {
		if s.Takes(t) {
			return true
		}
	}
	return false
}

// notify sends n with the event object that fields writes. It costs next to
// nothing when nobody takes it.
func (c *Core) notify(n Notification, fields func(w *json.Writer)) {
	if !c.Notifies(n.Type) {
		return
	}
	w := json.NewWriter(nil)
	w.Object("")
	fields(w)
	w.End()
	n.Event = w.Bytes()
	c.NotifyRaw(n)
}

// NotifyRaw sends a notification that is complete but for its time.
func (c *Core) NotifyRaw(n Notification) {
	n.Time = c.cfg.Now()
	for _, s := range c.sinkList() {
		if s.Takes(n.Type) {
			s.Notify(&n)
		}
	}
}

// NotifyTransport sends what a transport, by its package name, has to say about
// a connection, by its id: data is a compact JSON object.
func (c *Core) NotifyTransport(transport, conn string, data []byte) {
	c.notify(Notification{Type: NotifyTransport}, func(w *json.Writer) {
		w.Str("transport", transport)
		w.Str("id", conn)
		w.Raw("data", data)
	})
}

func (s *Session) notify(name string) {
	s.core.notify(Notification{Type: NotifySession, Session: s.id}, func(w *json.Writer) {
		w.Str("name", name)
	})
}

func (s *Session) notifyCreated(q *query) {
	s.core.notify(Notification{Type: NotifySession, Session: s.id}, func(w *json.Writer) {
		conn := q.ConnID
		if conn == "" {
			conn = q.Conn.ID()
		}
		w.Str("name", "created")
		w.Object("transport")
		w.Str("transport", q.Conn.Transport())
		w.Str("id", conn)
		w.End()
	})
}

// notify sends a notification about a handle.
func (h *Handle) notify(t NotificationType, subtype int, fields func(w *json.Writer)) {
	h.core.notify(Notification{
		Type: t, Subtype: subtype, Session: h.session.id, Handle: h.id, OpaqueID: h.opaqueID,
	}, fields)
}

func (h *Handle) notifyLife(name string) {
	h.notify(NotifyHandle, 0, func(w *json.Writer) {
		w.Str("name", name)
		w.Str("plugin", h.pkg)
		w.OptStr("opaque_id", h.opaqueID)
		w.OptStr("token", h.token)
	})
}

func (h *Handle) notifyJSEP(owner, typ, text string) {
	h.notify(NotifyJSEP, 0, func(w *json.Writer) {
		w.Str("owner", owner)
		w.Object("jsep")
		w.Str("type", typ)
		w.Str("sdp", text)
		w.End()
	})
}

func (h *Handle) notifyCandidate(subtype int, key, text string) {
	h.notify(NotifyWebRTC, subtype, func(w *json.Writer) {
		w.Str(key, text)
		w.Int("stream_id", 1)
		w.Int("component_id", 1)
	})
}

func (h *Handle) notifyConnection(state, reason string) {
	h.notify(NotifyWebRTC, SubConnection, func(w *json.Writer) {
		w.Str("connection", state)
		w.OptStr("reason", reason)
	})
}
