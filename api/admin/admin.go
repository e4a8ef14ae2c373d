// Package admin is the Admin API: a second table of verbs over the core of the
// Janus API, to look into a running server and to change its settings.
package admin

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bifrons/api/auth"
	"bifrons/api/incident"
	"bifrons/api/janus"
	"bifrons/api/json"
	"bifrons/api/schema"
	"bifrons/api/task"
)

// Log holds the settings of the log that can change.
type Log interface {
	Level() int // of Janus, 0 to 7
	SetLevel(level int)
	Timestamps() bool
	SetTimestamps(on bool)
	Colors() bool
	SetColors(on bool)
}

// Config sets up an Admin.
type Config struct {
	Secret       string // that requests must carry, "" = none
	Log          Log    // may not be nil
	Logger       *slog.Logger
	RotateSignal int  // number of the signal on which the log file is reopened, 0 = none
	LockDebug    bool // only shown

	Incidents *incident.List // recent problems, nil = unknown
}

// Admin serves the Admin API. All methods may be called from any goroutine.
type Admin struct {
	core   *janus.Core
	cfg    Config
	secret atomic.Pointer[string]

	ctx   context.Context // ends with Close
	close context.CancelFunc
	tasks task.Tasks

	locks, references debugFlag

	surveying sync.Mutex // held while there is one made
	last      *survey    // nil before the first
	drops     [2]uint64  // of the kernel, in and out, that are known as incidents
}

var _ janus.Admin = (*Admin)(nil)

// New makes an Admin for a core. Close ends it.
func New(core *janus.Core, cfg Config) *Admin {
	a := &Admin{core: core, cfg: cfg}
	a.secret.Store(&cfg.Secret)
	a.locks.Store(cfg.LockDebug)
	a.ctx, a.close = context.WithCancel(context.Background())
	return a
}

// SetSecret changes the secret that requests must carry. It cannot be turned off
// by that: with an empty one it stays as it is.
func (a *Admin) SetSecret(secret string) {
	if secret != "" {
		a.secret.Store(&secret)
	}
}

// Close ends the work of requests and waits for it. It has to be
// called before the core is closed.
func (a *Admin) Close() {
	a.close()
	a.tasks.Wait()
}

// query is a request on its way.
type query struct {
	*janus.Envelope
	session *janus.Session // nil for root verbs
	handle  *janus.Handle  // nil for root and session verbs
	reply   func(msg []byte)
}

func (q *query) fail(code janus.Code, reason string) { q.reply(q.Fail(code, reason)) }

func (q *query) failf(code janus.Code, format string, args ...any) {
	q.fail(code, fmt.Sprintf(format, args...))
}

// ok answers a request; fields writes the answer, if there is any.
func (q *query) ok(fields func(w *json.Writer)) { q.reply(q.Reply("success", fields)) }

// done answers a request about a session with nothing, not even the session.
func (q *query) done() {
	root := *q.Envelope
	root.SessionID = 0
	q.reply(root.Reply("success", nil))
}

// unknown answers with an error that has no code of its own.
func (q *query) unknown(reason string) { q.fail(janus.ErrUnknown, reason) }

// check looks at the fields of the request; if they are wrong it answers.
func (q *query) check(fields ...schema.Field) bool {
	err := schema.Check(fields, q.Root, int(janus.ErrMissingElement), int(janus.ErrInvalidType))
	if err != nil {
		q.fail(janus.Code(err.Code), err.Text)
	}
	return err == nil
}

// verb is a row of the tables.
type verb struct {
	run  func(a *Admin, q *query)
	open bool // needs no secret
	slow bool // may wait for something, so it is not run on the transport's goroutine
}

var rootVerbs = map[string]verb{
	"info":                   {run: (*Admin).info, open: true},
	"ping":                   {run: (*Admin).ping, open: true},
	"get_status":             {run: (*Admin).getStatus},
	"set_session_timeout":    {run: (*Admin).setSessionTimeout},
	"set_log_level":          {run: (*Admin).setLogLevel},
	"set_log_timestamps":     {run: (*Admin).setLogTimestamps},
	"set_log_colors":         {run: (*Admin).setLogColors},
	"set_locking_debug":      {run: (*Admin).setLockingDebug},
	"set_refcount_debug":     {run: (*Admin).setRefcountDebug},
	"set_min_nack_queue":     {run: (*Admin).setMinNackQueue},
	"set_nack_optimizations": {run: (*Admin).setNackOptimizations},
	"set_no_media_timer":     {run: (*Admin).setNoMediaTimer},
	"set_slowlink_threshold": {run: (*Admin).setSlowlinkThreshold},
	"accept_new_sessions":    {run: (*Admin).acceptNewSessions},
	"message_plugin":         {run: (*Admin).messagePlugin, slow: true},
	"query_transport":        {run: (*Admin).queryTransport},
	"query_eventhandler":     {run: (*Admin).queryEventHandler},
	"query_logger":           {run: (*Admin).queryLogger},
	"custom_event":           {run: (*Admin).customEvent},
	"custom_logline":         {run: (*Admin).customLogLine},
	"list_sessions":          {run: (*Admin).listSessions},
	"add_token":              {run: (*Admin).addToken},
	"allow_token":            {run: (*Admin).allowToken},
	"disallow_token":         {run: (*Admin).disallowToken},
	"list_tokens":            {run: (*Admin).listTokens},
	"remove_token":           {run: (*Admin).removeToken},
	"resolve_address":        {run: (*Admin).resolveAddress, slow: true},
	"test_stun":              {run: (*Admin).testSTUN, slow: true},
	"loops_info":             {run: (*Admin).loopsInfo},
	"overview":               {run: (*Admin).overview, slow: true},
	"list_connections":       {run: (*Admin).listConnections, slow: true},
}

var sessionVerbs = map[string]verb{
	"list_handles":        {run: (*Admin).listHandles},
	"destroy_session":     {run: (*Admin).destroySession},
	"set_session_timeout": {run: (*Admin).setTimeoutOfSession},
}

var handleVerbs = map[string]verb{
	"handle_info":     {run: (*Admin).handleInfo, slow: true},
	"detach_handle":   {run: (*Admin).detachHandle},
	"hangup_webrtc":   {run: (*Admin).hangupWebRTC},
	"start_pcap":      {run: (*Admin).startPCAP},
	"stop_pcap":       {run: (*Admin).stopCapture, slow: true},
	"start_text2pcap": {run: (*Admin).startText},
	"stop_text2pcap":  {run: (*Admin).stopCapture, slow: true},
	"start_bwe_log":   {run: (*Admin).startLineLog},
	"stop_bwe_log":    {run: (*Admin).stopLineLog, slow: true},
}

// Handle answers one request by calling reply once, if the request may take
// time after Handle has returned.
func (a *Admin) Handle(e *janus.Envelope, reply func(msg []byte)) {
	q := &query{Envelope: e, reply: reply}
	v, ok := a.route(q)
	switch {
	case !ok:
		e.Release()
	case v.slow:
		a.tasks.Go(func() { a.run(v, q) })
	default:
		a.run(v, q)
	}
}

// run runs a verb. A panic, of a plugin say, costs that request.
func (a *Admin) run(v verb, q *query) {
	answered := false
	reply := q.reply
	q.reply = func(msg []byte) {
		answered = true
		reply(msg)
	}
	defer q.Release()
	defer func() {
		if r := recover(); r != nil {
			a.cfg.Logger.Error("panic in the Admin API", "request", q.Verb, "panic", r, "stack", string(debug.Stack()))
			if !answered {
				q.unknown("Internal error")
			}
		}
	}()
	v.run(a, q)
}

// route finds the verb, the session and the handle of a request. If that fails
// it answers the request.
func (a *Admin) route(q *query) (verb, bool) {
	table := rootVerbs
	switch {
	case q.SessionID == 0 && q.HandleID == 0:
	case int64(q.SessionID) < 1, q.HasHandle && int64(q.HandleID) < 1:
		q.fail(janus.ErrSessionNotFound, "Session not found")
		return verb{}, false
	case q.HandleID != 0:
		table = handleVerbs
	default:
		table = sessionVerbs
	}
	v, known := table[strings.ToLower(q.Verb)]
	if !v.open && !a.authorised(q) {
		q.fail(janus.ErrUnauthorized, "Unauthorized request (wrong or missing secret/token)")
		return v, false
	}
	if !a.find(q) {
		return v, false
	}
	if !known {
		q.failf(janus.ErrInvalidPath, "Unhandled request '%s' at this path", q.Verb)
	}
	return v, known
}

func (a *Admin) authorised(q *query) bool {
	secret := *a.secret.Load()
	return secret == "" || auth.Equal(q.Root.Str("admin_secret"), secret)
}

// find looks up the session and the handle that are named.
func (a *Admin) find(q *query) bool {
	if q.SessionID == 0 {
		return true
	}
	if q.session = a.core.Session(q.SessionID); q.session == nil {
		q.failf(janus.ErrSessionNotFound, "No such session %d", q.SessionID)
		return false
	}
	if q.HandleID == 0 {
		return true
	}
	if q.handle = q.session.Handle(q.HandleID); q.handle == nil {
		q.failf(janus.ErrHandleNotFound, "No such handle %d in session %d", q.HandleID, q.SessionID)
		return false
	}
	return true
}

// micros is a moment in microseconds since the start of the server.
func (a *Admin) micros(t time.Time) int64 { return t.Sub(a.core.Started()).Microseconds() }

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
