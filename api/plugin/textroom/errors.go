package textroom

import (
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
)

// Error codes.
const (
	errMissingElement = 413
	errInvalidElement = 414
	errInvalidRequest = 415
	errAlreadySetup   = 416 // or not set up yet
	errNoSuchRoom     = 417
	errRoomExists     = 418
	errUnauthorized   = 419
	errUsernameExists = 420
	errAlreadyInRoom  = 421
	errNotInRoom      = 422
	errNoSuchUser     = 423
	errUnknown        = 499
)

// codes are the error codes that all requests share.
var codes = kit.Codes{Missing: errMissingElement, Invalid: errInvalidElement, Unknown: errInvalidRequest,
	BadSDP: errUnknown, Unauthorized: errUnauthorized}

var errorf = kit.Errorf

var noSuchRoom = rooms.NoSuchRoom(errNoSuchRoom)
