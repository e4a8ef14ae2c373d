package janus

import (
	"fmt"
	"strings"

	"bifrons/api/json"
	"bifrons/api/schema"
)

// query is a request of the Janus API on its way.
type query struct {
	*Envelope
	session *Session // nil for root verbs
	handle  *Handle  // nil for root and session verbs
	reply   func(msg []byte)
}

func (q *query) fail(code Code, reason string) { q.reply(q.Fail(code, reason)) }

func (q *query) failf(code Code, format string, args ...any) {
	q.fail(code, fmt.Sprintf(format, args...))
}

func (q *query) ok(janus string, more func(w *json.Writer)) { q.reply(q.Reply(janus, more)) }

// check looks at the fields of the request; if they are wrong it answers.
func (q *query) check(fields []schema.Field) bool {
	err := schema.Check(fields, q.Root, int(ErrMissingElement), int(ErrInvalidType))
	if err != nil {
		q.fail(Code(err.Code), err.Text)
	}
	return err == nil
}

// credentials are the fields that every request may carry.
func (q *query) credentials() (secret, token string) {
	return q.Root.Str("apisecret"), q.Root.Str("token")
}

func (c *Core) authorised(q *query) bool {
	if q.trusted || c.auth.Allowed(q.credentials()) {
		return true
	}
	q.fail(ErrUnauthorized, "Unauthorized request (wrong or missing secret/token)")
	return false
}

// scope is where a verb may be used.
type scope uint8

const (
	atRoot scope = 1 << iota
	atSession
	atHandle
)

type verb struct {
	at  scope
	run func(c *Core, q *query)
}

var verbs = map[string]verb{
	"info":      {atRoot, (*Core).info},
	"ping":      {atRoot, func(_ *Core, q *query) { q.ok("pong", nil) }},
	"create":    {atRoot, (*Core).create},
	"keepalive": {atSession | atHandle, func(_ *Core, q *query) { q.ok("ack", nil) }},
	"claim":     {atSession | atHandle, (*Core).claim},
	"attach":    {atSession, (*Core).attach},
	"destroy":   {atSession, (*Core).destroy},
	"detach":    {atHandle, (*Core).detach},
	"hangup":    {atHandle, (*Core).hangup},
	"trickle":   {atHandle, (*Core).trickle},
	"message":   {atHandle, nil}, // outlives Handle
}

// Handle runs one request. reply is called exactly once, with a compact JSON
// object that the callee then owns: before Handle returns, or later from
// another goroutine if the request is a message to a plugin. So a transport
// that calls Handle in order of arrival serves all other verbs in that order.
func (c *Core) Handle(conn Conn, r Request, reply func(msg []byte)) {
	e, msg := c.open(conn, r)
	if msg != nil {
		reply(msg)
		return
	}
	if r.Admin {
		c.mu.RLock()
		admin := c.admin
		c.mu.RUnlock()
		if admin != nil {
			admin.Handle(e, reply)
			return
		}
		reply(e.Fail(ErrTransport, "There is no Admin API"))
		e.Release()
		return
	}
	q := &query{Envelope: e, reply: reply}
	if v, ok := c.route(q); ok {
		if v.run == nil {
			c.message(q)
			return
		}
		v.run(c, q)
	}
	e.Release()
}

// route finds the verb, the session and the handle of a request. If that
// fails it answers the request.
func (c *Core) route(q *query) (verb, bool) {
	v, known := verbs[strings.ToLower(q.Verb)]
	if q.SessionID == 0 && q.HandleID == 0 {
		if v.at&atRoot == 0 {
			q.unhandled()
			return v, false
		}
		return v, true
	}
	if q.SessionID == 0 {
		q.fail(ErrSessionNotFound, "Session not found")
		return v, false
	}
	if q.HasHandle && int64(q.HandleID) <= 0 {
		q.fail(ErrHandleNotFound, "Handle not found")
		return v, false
	}
	if !c.authorised(q) {
		return v, false
	}
	if q.session = c.Session(q.SessionID); q.session == nil || !q.session.touch() {
		q.failf(ErrSessionNotFound, "No such session %d", q.SessionID)
		return v, false
	}
	if q.HandleID != 0 {
		if q.handle = q.session.Handle(q.HandleID); q.handle == nil {
			q.failf(ErrHandleNotFound, "No such handle %d in session %d", q.HandleID, q.SessionID)
			return v, false
		}
	}
	here := atSession
	if q.handle != nil {
		here = atHandle
	}
	switch {
	case !known || v.at == atRoot:
		q.failf(ErrUnknownRequest, "Unknown request '%s'", q.Verb)
		return v, false
	case v.at&here == 0:
		q.unhandled()
		return v, false
	}
	return v, true
}

func (q *query) unhandled() {
	q.failf(ErrInvalidPath, "Unhandled request '%s' at this path", q.Verb)
}

// Poll counts a long poll as activity of a session. secret and token are the
// poll's credentials. It returns 0, ErrSessionNotFound or ErrUnauthorized.
func (c *Core) Poll(session uint64, secret, token string) Code {
	if !c.auth.Allowed(secret, token) {
		return ErrUnauthorized
	}
	s := c.Session(session)
	if s == nil || !s.touch() {
		return ErrSessionNotFound
	}
	return 0
}
