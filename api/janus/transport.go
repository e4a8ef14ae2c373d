package janus

import (
	"bifrons/api/module"
)

// Conn is where requests come from and events go to: one WebSocket, one Unix
// socket client, one broker link, or (HTTP) one request or the whole transport,
// as its author likes. The core compares Conn values with ==, so implement it
// on a pointer. All methods may be called from any goroutine, for different
// sessions at the same time, and must not block or call back into the Core.
type Conn interface {
	// Transport is the package name of the transport, "janus.transport.http".
	Transport() string

	// ID is an opaque decimal text that identifies connections in events for
	// event handlers.
	ID() string

	// Deliver takes one event of a session that is bound to this connection.
	// Events of one session arrive in order. A transport with a long poll
	// queues it; others send it. Events that cannot be sent are lost.
	Deliver(session uint64, event Event)

	// SessionBound reports that from now on the session's events come to this
	// connection: it was created or claimed through it. A claim by the
	// connection that has the session already is reported, too. A long-poll queue
	// restarts empty. Called before the reply to the create or claim.
	SessionBound(session uint64)

	// SessionOver reports that no more events of the session will come. It
	// follows the last Deliver.
	SessionOver(session uint64, why Over)
}

// Event is one event on its way to a client, or an answer: a compact JSON
// object, in parts of which the largest may belong to many events. Nobody may
// change them (json.Relayout makes other layouts of the result of Append).
type Event struct {
	Head []byte // all of it, if there is no Data
	Data []byte // a plugin's, shared by all who get it
	Tail []byte

	// Topic of news, which replace those of the same handle that were not read
	// yet; "" = none.
	Topic  string
	Handle uint64

	// To is where an answer goes, for the transport that has made it of one.
	To any
}

// Len is the number of bytes of the event.
func (e *Event) Len() int { return len(e.Head) + len(e.Data) + len(e.Tail) }

// Append appends the event to dst.
func (e *Event) Append(dst []byte) []byte {
	return append(append(append(dst, e.Head...), e.Data...), e.Tail...)
}

// Bytes is the event in one piece.
func (e *Event) Bytes() []byte {
	if e.Data == nil && e.Tail == nil {
		return e.Head
	}
	return e.Append(make([]byte, 0, e.Len()))
}

// Replaces reports whether the event makes an earlier one superfluous.
func (e *Event) Replaces(earlier *Event) bool {
	return e.Topic != "" && e.Handle == earlier.Handle && e.Topic == earlier.Topic
}

// Over says why a session's events no longer go to a connection.
type Over uint8

// Reasons for Conn.SessionOver.
const (
	OverDestroyed Over = iota // by the client, the Admin API or the end of the server
	OverTimeout               // expired; the timeout event was delivered before
	OverClaimed               // another connection has it now
	OverGone                  // answer to Core.Gone
)

// Request is one message as a transport received it.
type Request struct {
	// Admin means that it came from an Admin API endpoint.
	Admin bool

	// ID stands in for Conn.ID in events for event handlers, for transports
	// whose Conn is more than one connection; "" = Conn.ID.
	ID string

	// Trusted means that the server itself asks, which needs no credentials.
	Trusted bool

	// Body is the message, lent to Handle until it returns.
	Body []byte

	// Source names the transport in the text of a JSON syntax error; default
	// "<string>".
	Source string

	// Path is set by transports that address sessions and handles outside
	// the message, as HTTP does. Session and Handle are then the ids of the
	// path, 0 if it had none; they are merged into the message, and a message
	// with other ids is refused with 457. Syntax errors get HTTP's wording.
	Path            bool
	Session, Handle uint64
}

// Transport describes a transport as a whole to the core.
type Transport interface {
	// Info describes it in server_info.
	Info() module.Info

	// Query answers the Admin API's query_transport: request and answer are
	// JSON objects, the request lent for the call.
	Query(request []byte) []byte

	// Close stops all listeners and connections and waits for them.
	Close()
}
