package signalling

import "errors"

// Errors of an Endpoint. None of them changes anything.
var (
	// ErrClosing: the connection before is on its way to its end still.
	ErrClosing = errors.New("signalling: the connection before is still closing")

	// ErrClosed: the connection ended meanwhile, or the endpoint did.
	ErrClosed = errors.New("signalling: the connection is closed")

	// ErrUnexpectedAnswer: there is no offer of ours that a remote answer is for.
	ErrUnexpectedAnswer = errors.New("signalling: an answer to no offer of ours")

	// ErrNoOffer: there is no remote offer that an answer of ours is for.
	ErrNoOffer = errors.New("signalling: there is no offer to answer")

	// ErrNoEngine: there is none that could make peer connections.
	ErrNoEngine = errors.New("signalling: no media engine")
)

// ConnectError reports that there is no peer connection for a description that needs
// a new one: for ErrNoEngine, ErrClosed, or an error of the engine.
type ConnectError struct{ Err error }

func (e *ConnectError) Error() string { return "signalling: no peer connection: " + e.Err.Error() }

// Unwrap is the reason.
func (e *ConnectError) Unwrap() error { return e.Err }

// UnusableError reports that a remote description is well-formed, but of no use.
type UnusableError struct {
	Err   error // of package sdp
	Later bool  // something had been agreed on before, which goes on
}

func (e *UnusableError) Error() string { return e.Err.Error() }

// Unwrap is the error of package sdp.
func (e *UnusableError) Unwrap() error { return e.Err }
