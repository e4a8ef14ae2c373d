package janus

import (
	"context"
	"strconv"
	"time"

	"bifrons/api/json"
	"bifrons/api/schema"
)

// Envelope is a request with the parts that all requests have taken out.
type Envelope struct {
	Conn        Conn
	ConnID      string    // of the connection for event handlers, "" = Conn.ID()
	Root        json.Args // the whole request
	Verb        string    // as the client wrote it
	Transaction string

	// SessionID and HandleID are 0 if they are absent or no integers.
	// HasHandle means that there was some handle_id.
	SessionID, HandleID uint64
	HasHandle           bool

	trusted bool // needs no credentials

	doc *json.Doc
}

// Release gives the request back. Root must not be used afterwards.
func (e *Envelope) Release() {
	e.doc.Release()
	e.doc, e.Root = nil, json.Args{}
}

// busyWait is how long a request waits for others to end, if those take all the
// memory that there is for requests.
const busyWait = 2 * time.Second

// open parses a request up to its ids. If that fails the returned message is
// the answer, and there is nothing to release.
func (c *Core) open(conn Conn, r Request) (*Envelope, []byte) {
	doc, err := json.ParseWithin(context.Background(), r.Body, c.cfg.Requests, busyWait)
	if err != nil {
		return nil, unparsed(r, err)
	}
	e := &Envelope{Conn: conn, ConnID: r.ID, trusted: r.Trusted, Root: json.Args{Value: doc.Root()}, doc: doc}
	msg := e.fill(r)
	if msg != nil {
		e.Release()
		return nil, msg
	}
	return e, nil
}

// unparsed is the answer to a request that was not parsed.
func unparsed(r Request, err error) []byte {
	bad, ok := err.(*json.SyntaxError)
	switch {
	case !ok:
		return Busy()
	case r.Path:
		return ErrorReply(0, "", ErrInvalidJSON, "JSON error: on line "+strconv.Itoa(bad.Line)+": "+bad.Text)
	}
	return InvalidJSON(r.Source, bad)
}

// Busy is the answer to a request for which there is no memory at the moment.
func Busy() []byte {
	return ErrorReply(0, "", ErrUnknown, "The server is busy, try again later")
}

var envelopeFields = []schema.Field{{Name: "transaction", Type: schema.String, Required: true}, {Name: "janus", Type: schema.String, Required: true}}

var idField = []schema.Field{{Name: "id", Type: schema.Uint}}

func (e *Envelope) fill(r Request) []byte {
	if r.Path && !e.Root.IsObject() {
		return ErrorReply(0, "", ErrInvalidObject, "JSON error: not an object")
	}
	session, handle := uint64(e.Root.Num("session_id")), uint64(e.Root.Num("handle_id"))
	if r.Path {
		tx := e.Root.Str("transaction")
		if r.Session != 0 && e.Root.Has("session_id") && session != r.Session {
			return ErrorReply(0, tx, ErrInvalidPath, "Conflicting session ID (payload and path)")
		}
		if r.Handle != 0 && e.Root.Has("handle_id") && handle != r.Handle {
			return ErrorReply(0, tx, ErrInvalidPath, "Conflicting handle ID (payload and path)")
		}
	}
	if err := schema.Check(envelopeFields, e.Root, int(ErrMissingElement), int(ErrInvalidType)); err != nil {
		return ErrorReply(0, "", Code(err.Code), err.Text)
	}
	if !r.Admin {
		if err := schema.Check(idField, e.Root, 0, int(ErrInvalidType)); err != nil {
			return ErrorReply(0, "", Code(err.Code), err.Text)
		}
	}
	e.Transaction, e.Verb = e.Root.Str("transaction"), e.Root.Str("janus")
	e.SessionID, e.HandleID = session, handle
	e.HasHandle = e.Root.Has("handle_id")
	if r.Session != 0 {
		e.SessionID = r.Session
	}
	if r.Handle != 0 {
		e.HandleID, e.HasHandle = r.Handle, true
	}
	return nil
}
