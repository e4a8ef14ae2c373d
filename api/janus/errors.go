package janus

// Code is an error code of the Janus API.
type Code int

// Error codes.
const (
	ErrUnauthorized       Code = 403
	ErrUnauthorizedPlugin Code = 405
	ErrTransport          Code = 450
	ErrUnknownRequest     Code = 453
	ErrInvalidJSON        Code = 454
	ErrInvalidObject      Code = 455
	ErrMissingElement     Code = 456
	ErrInvalidPath        Code = 457
	ErrSessionNotFound    Code = 458
	ErrHandleNotFound     Code = 459
	ErrPluginNotFound     Code = 460
	ErrPluginAttach       Code = 461
	ErrPluginMessage      Code = 462
	ErrPluginDetach       Code = 463
	ErrJSEPType           Code = 464
	ErrJSEPInvalid        Code = 465
	ErrTrickleStream      Code = 466
	ErrInvalidType        Code = 467
	ErrSessionConflict    Code = 468
	ErrUnexpectedAnswer   Code = 469
	ErrTokenNotFound      Code = 470
	ErrWebRTCState        Code = 471
	ErrNotAccepting       Code = 472
	ErrUnknown            Code = 490
)

// Error is a failure as the Janus API reports it.
type Error struct {
	Code   Code
	Reason string
}

func (e *Error) Error() string { return e.Reason }
