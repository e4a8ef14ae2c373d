// Package plugin is the contract between the core of the Janus API and its
// plugins: the events it gets and the services it may use.
package plugin

import (
	"errors"
	"log/slog"
	"net/http"

	"bifrons/api/config"
	"bifrons/api/json"
	"bifrons/api/module"
	"bifrons/api/signalling"
	"bifrons/sdp"
	"bifrons/sfu"
)

// Plugin is an application that clients attach handles to.
type Plugin interface {
	// Info describes the plugin; Info().Package is the name that clients attach to.
	Info() module.Info

	// Start is called once, before anything else. An error keeps the plugin
	// from being loaded, and, unless it is ErrNotSetUp, the server from starting.
	Start(g Gateway) error

	// Attach makes a handle. An error refuses the client (461).
	Attach(h Host) (Handle, error)

	// Admin answers message_plugin of the Admin API: request is an object,
	// lent for the call, the answer a compact JSON object. ErrNoAdmin says
	// that the plugin has no such thing.
	Admin(request *json.Value) ([]byte, error)

	// Close is called once, after the last handle was detached.
	Close()
}

// ErrNotSetUp is returned by Plugin.Start of a plugin that needs settings which there
// are not, or that are of no use on this machine: the server does without it.
var ErrNotSetUp = errors.New("plugin: not set up")

// ErrNoAdmin is returned by Plugin.Admin where there is no such thing.
var ErrNoAdmin = errors.New("plugin: takes no Admin API messages")

// Reloader is a Plugin that can read its file again while it runs.
type Reloader interface {
	// Reload adds the new entries of the file, and returns the names of
	// that. Existing entries stay as they are.
	Reload() (added []string, err error)
}

// Namer is a Plugin in which clients find things by ids, which are numbers, or texts if it
// is set up so.
type Namer interface{ StringIDs() bool }

// FileServer is a Plugin that has files for browsers.
type FileServer interface {
	// ServeFile answers a GET or HEAD request for one of them. It is false, and has
	// done nothing, for all other paths.
	ServeFile(w http.ResponseWriter, r *http.Request) bool
}

// Checker is a Plugin with a file that can be looked at without a server.
type Checker interface {
	// Check reads the file as Start does, but opens nothing and changes nothing.
	// It is the only call. found describes the content of the file, such as "2 rooms"; an
	// error among the problems means that Start would fail.
	Check() (found string, problems []config.Problem)
}

// Scripted is a Plugin whose application is a script.
type Scripted interface{ ScriptCounts() ScriptCounts }

// ScriptCounts are how scripts have been doing.
type ScriptCounts struct {
	Calls     uint64 // of their functions
	Failed    uint64 // of these
	Stopped   uint64 // of those that failed: they took too long, or too much memory
	Restarted uint64 // scripts, as they held too much memory
}

// Handle is a plugin's side of one handle. It may have more methods, which are called
// if they are there: see Establisher, Starter, Watcher, DataReader, DataWriter, Offeree and
// Answeree.
//
// All methods, and the functions given to Ack, are called on the handle's executor,
// one at a time and in order. There are three exceptions, each for a reason: Message
// with Offeree.TakesOffer and Answeree.TakesAnswerAgain, Query and DataReader.Data.
type Handle interface {
	// Message takes a client's message. It is called one at a time too, but at once,
	// beside the executor, so that an answer waits for nothing. It should not
	// block: slow work, and everything that has to do with r.JSEP, belongs
	// into an Ack.
	Message(r *Request) Result
	// Hangup reports that the peer connection is gone; the hangup event to the
	// client follows. Host.Peer is nil already. The handle can get a new one.
	Hangup(reason string)
	// Detach is the last call: the handle is gone. A Hangup came before if
	// there was a peer connection.
	Detach()
	// Query writes the fields of plugin_specific for the Admin API into an
	// open object. It is called at any time, as administrators look at handles that
	// are stuck.
	Query(w *json.Writer)
}

// Host is the core's side of one handle. Its methods may be called from any
// goroutine, also after the handle is gone, when they do nothing.
type Host interface {
	SessionID() uint64
	HandleID() uint64
	OpaqueID() string

	// Token is the token that the handle was attached with, "" if none.
	Token() string

	// Push sends an event with data, a compact JSON object, and if j is not nil
	// a session description. The data may be pushed to many and must not change
	// afterwards: it is kept once for all who have not read it. transaction links
	// it to a request, "" if it is unsolicited. With an offer or answer the
	// media engine is set up before Push returns, which may take until the
	// gathering of candidates is done; only the handle's executor should
	// wait for that. An error means that j could not be used; the event was
	// not sent.
	Push(transaction string, data []byte, j *JSEP) error

	// Tell is Push for news that others can cause as often as they like.
	// If the client has not read the news before with the same topic, it gets
	// only these.
	Tell(topic string, data []byte)

	// Reserve keeps the place that the handle's next event would have among
	// all events of the session. What the handle pushes until the place is
	// released goes there, and events of other handles of the session wait
	// for that, a few seconds at most. It says for an event that is made
	// later, on the executor, what it has to come before.
	Reserve() Place

	// Peer is the current peer connection, nil if there is none. It exists
	// from the client's offer, or from the first offer that was pushed.
	Peer() *sfu.Peer

	// Up reports whether the peer connection is established.
	Up() bool

	// ClosePeer closes the peer connection; the client gets a hangup event
	// with the reason "Close PC".
	ClosePeer()

	// End detaches the handle; the client gets a detached event.
	End()

	// Run calls f on the handle's executor, in order with the calls of
	// Handle.
	Run(f func())

	// Notify sends an event about this handle to the event handlers. data is
	// a compact JSON object and stays the caller's. Ask Gateway.Notifying
	// before making one.
	Notify(data []byte)
}

// Place is a place in the order of a session's events.
type Place interface {
	// Release lets the waiting events go. It has to be called once, and may be
	// called more often.
	Release()
}

// Gateway is the service of the core for a plugin as a whole.
type Gateway interface {
	// Engine is the media engine, for everything but peer connections.
	Engine() *sfu.Engine

	// Logger is the log.
	Logger() *slog.Logger

	// Notifying reports whether anybody wants events for event handlers.
	Notifying() bool

	// Notify sends an event of a plugin that is about no handle.
	Notify(pkg string, data []byte)

	// MayWrite reports whether clients may have a file written at a path. It looks at
	// the file system.
	MayWrite(path string) bool

	// RecordingSuffix is put behind the names of recordings that are not whole, ""
	// = nothing.
	RecordingSuffix() string

	// SignedTokens reports whether tokens are signed ones, and SignedFor
	// whether one is valid and lists a descriptor for a realm.
	SignedTokens() bool
	SignedFor(token, realm, descriptor string) bool
}

// Request is one message of a client. It and everything in it is valid until
// Message returns, or with Ack until the function given to it returns.
type Request struct {
	Transaction string
	Body        *json.Value // an object
	JSEP        *JSEP       // nil if there was none
}

// JSEP is a session description (RFC 9429) with its attributes.
type JSEP struct {
	// SDP has no transport attributes in either direction: the core takes
	// them out and puts them in. SDP.Type distinguishes offers from answers.
	SDP *sdp.Description

	// E2EE marks media that is encrypted end to end.
	E2EE bool

	// Restart asks for an ICE restart with a plugin's own offer.
	Restart bool

	// The fields below are set in descriptions from the client.

	// Update is set when a connection is renegotiated.
	Update    bool
	Simulcast []Simulcast
	SVC       []SVC
}

// Simulcast describes a section with several encodings.
type Simulcast = signalling.Simulcast

// SVC describes a section with layers within one encoding.
type SVC struct {
	Index int // of the section
	MID   string
	Mode  string // "L3T3" (W3C webrtc-svc, scalability modes)
}

// Result is the immediate outcome of a message.
type Result struct {
	// Data is the answer of a synchronous request, a compact JSON object.
	Data []byte

	// Run is set for an asynchronous request: the client gets an ack with the
	// Hint, and Run is called on the handle's executor.
	Run  func()
	Hint string

	// Failure is set when the message could not even be looked at: the client
	// gets an error 462 with this text.
	Failure string
}

// Answer is the result of a synchronous request.
func Answer(data []byte) Result { return Result{Data: data} }

// Ack is the result of an asynchronous request.
func Ack(hint string, run func()) Result { return Result{Hint: hint, Run: run} }

// Failure is the result of a message that the plugin cannot take.
func Failure(text string) Result { return Result{Failure: text} }
