package janus

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"bifrons/api/json"
	"bifrons/api/plugin"
	"bifrons/api/schema"
	"bifrons/api/signalling"
	"bifrons/api/task"
	"bifrons/sfu"
)

// Limits on the queues of one handle.
const (
	maxMessages = 256
	maxQueued   = 1024
)

// Handle is one client's attachment to a plugin. It is the plugin's Host.
//
// Messages are taken one after another by the inbox; the work they ask for, and
// whatever the media engine reports, runs one after another on the executor.
// So a request that takes long holds up neither acks nor other handles.
type Handle struct {
	core     *Core
	session  *Session
	id       uint64
	opaqueID string
	token    string
	plugin   plugin.Plugin
	pkg      string
	created  time.Time
	ph       plugin.Handle
	log      *slog.Logger // names the session and the handle

	capture atomic.Pointer[sfu.Capture] // nil = none
	lines   atomic.Pointer[lineLog]     // nil = none

	inbox *task.Serial
	exec  *task.Serial
	gone  atomic.Bool

	endpoint *signalling.Endpoint
	pair     string // selected, that event handlers know of; for the executor
}

// ID is the handle's id.
func (h *Handle) ID() uint64 { return h.id }

// Session is the handle's session.
func (h *Handle) Session() *Session { return h.session }

// Package is the package name of the handle's plugin.
func (h *Handle) Package() string { return h.pkg }

// Created is when the client attached.
func (h *Handle) Created() time.Time { return h.created }

// Query writes the plugin's answer about the handle into an open object.
func (h *Handle) Query(w *json.Writer) { h.ph.Query(w) }

// Seat is where the client is, as the plugin says.
func (h *Handle) Seat() plugin.Seat { return plugin.SeatOf(h.ph) }

// The methods of plugin.Host.

// SessionID is the id of the handle's session.
func (h *Handle) SessionID() uint64 { return h.session.id }

// HandleID is the handle's id.
func (h *Handle) HandleID() uint64 { return h.id }

// OpaqueID is the client's name for the handle.
func (h *Handle) OpaqueID() string { return h.opaqueID }

// Token is the token that the handle was attached with.
func (h *Handle) Token() string { return h.token }

// Run calls f on the executor.
func (h *Handle) Run(f func()) { h.exec.Must(f) }

// Notify sends a plugin's event to the event handlers.
func (h *Handle) Notify(data []byte) {
	h.notify(NotifyPlugin, 0, func(w *json.Writer) {
		w.Str("plugin", h.pkg)
		w.Raw("data", data)
	})
}

// Peer is the peer connection, nil if there is none.
func (h *Handle) Peer() *sfu.Peer { return h.endpoint.Peer() }

// Up reports whether the peer connection is established.
func (h *Handle) Up() bool { return h.endpoint.Established() != nil }

// ClosePeer closes the peer connection for the plugin.
func (h *Handle) ClosePeer() { h.Hangup("Close PC") }

// End detaches the handle for the plugin.
func (h *Handle) End() { h.Detach() }

var attachFields = []schema.Field{
	{Name: "plugin", Type: schema.String, Required: true},
	{Name: "opaque_id", Type: schema.String},
	{Name: "loop_index", Type: schema.Uint},
}

func (c *Core) attach(q *query) {
	if !q.check(attachFields) {
		return
	}
	pkg := q.Root.Str("plugin")
	p := c.Plugin(pkg)
	if p == nil {
		q.failf(ErrPluginNotFound, "No such plugin '%s'", pkg)
		return
	}
	_, token := q.credentials()
	if !c.auth.AllowedPlugin(token, pkg) {
		q.failf(ErrUnauthorizedPlugin, "Provided token can't access plugin '%s'", pkg)
		return
	}
	id := randomID()
	log := c.log.With("session", q.session.id, "handle", id)
	h := &Handle{
		core: c, session: q.session, id: id, log: log, plugin: p, pkg: pkg, token: token, created: c.cfg.Now(),
		inbox: task.NewSerial(maxMessages, &c.tasks, log),
		exec:  task.NewSerial(maxQueued, &c.tasks, log),
	}
	h.opaqueID = q.Root.Str("opaque_id")
	h.endpoint = h.newEndpoint()
	ph, err := p.Attach(h)
	if err != nil {
		q.fail(ErrPluginAttach, fmt.Sprintf("Couldn't attach to plugin: error '%s'", err))
		return
	}
	h.ph = ph
	if !q.session.insert(h) {
		h.gone.Store(true)
		h.exec.Must(ph.Detach)
		q.failf(ErrSessionNotFound, "No such session %d", q.SessionID)
		return
	}
	h.notifyLife("attached")
	q.ok("success", func(w *json.Writer) {
		w.Object("data")
		w.Uint("id", h.id)
		w.End()
	})
}

// insert makes a handle known; false if the session is over.
func (s *Session) insert(h *Handle) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.handles[h.id] != nil {
		return false
	}
	s.handles[h.id] = h
	return true
}

// detachedDelay is the time from the reply to a detach to the event. Clients
// forget the handle when they read the reply; to those that read an event of it
// first, that is an error or a hangup.
const detachedDelay = 10 * time.Millisecond

func (c *Core) detach(q *query) {
	h := q.handle
	q.ok("success", nil)
	h.end(func() { time.AfterFunc(detachedDelay, h.sendDetached) })
}

// Detach ends the handle; the client gets a detached event when the plugin is
// done with it.
func (h *Handle) Detach() { h.end(h.sendDetached) }

func (h *Handle) sendDetached() { h.send(h.event("detached", "")) }

// end takes the handle away from its session and its plugin. Nothing is sent
// for it afterwards but what ended sends, which is called when the plugin is
// done with the handle. It is false if the handle had ended before.
func (h *Handle) end(ended func()) bool {
	if h.gone.Swap(true) {
		return false
	}
	h.session.mu.Lock()
	delete(h.session.handles, h.id)
	h.session.mu.Unlock()
	conn := h.endpoint.End("Detach", h.notifyStatistics)
	h.exec.Must(func() {
		defer func() {
			h.notifyLife("detached")
			ended()
		}()
		_ = h.StopCapture()
		_ = h.StopLineLog()
		if conn != nil {
			h.ph.Hangup("Detach")
		}
		h.ph.Detach()
	})
	return true
}

func (c *Core) hangup(q *query) {
	q.handle.Hangup("Janus API")
	q.ok("success", nil)
}

// Hangup closes the peer connection, if there is one. The plugin is told, then
// the client gets a hangup event.
func (h *Handle) Hangup(reason string) { h.endpoint.Close(sfu.Reason(reason)) }
