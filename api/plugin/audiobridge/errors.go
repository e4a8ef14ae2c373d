package audiobridge

import (
	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
)

// Error codes.
const (
	errInvalidRequest = 482
	errMissingElement = 483
	errInvalidElement = 484
	errNoSuchRoom     = 485
	errRoomExists     = 486
	errNotJoined      = 487
	errUnauthorized   = 489
	errIDExists       = 490 // of a participant or an announcement
	errAlreadyJoined  = 491
	errNoSuchUser     = 492
	errInvalidSDP     = 493
	errNoSuchGroup    = 494
	errUnknown        = 499
)

// codes are the error codes that all requests share.
var codes = kit.Codes{Missing: errMissingElement, Invalid: errInvalidElement, Unknown: errInvalidRequest,
	BadSDP: errInvalidSDP, Unauthorized: errUnauthorized}

var (
	errorf = kit.Errorf
	fail   = kit.Fail
)

var noSuchRoom = rooms.NoSuchRoom(errNoSuchRoom)
