package videoroom

import (
	"slices"

	"bifrons/api/kit"
	"bifrons/api/kit/rooms"
	"bifrons/api/schema"
)

// Error codes.
const (
	errInvalidRequest   = 423
	errJoinFirst        = 424
	errAlreadyJoined    = 425
	errNoSuchRoom       = 426
	errRoomExists       = 427
	errNoSuchFeed       = 428
	errMissingElement   = 429
	errInvalidElement   = 430
	errInvalidSDPType   = 431
	errPublishersFull   = 432
	errUnauthorized     = 433
	errAlreadyPublished = 434
	errNotPublished     = 435
	errIDExists         = 436
	errInvalidSDP       = 437
	errInvalidFeed      = 438
	errUnknown          = 499
)

// codes are the error codes that all requests share.
var codes = kit.Codes{Missing: errMissingElement, Invalid: errInvalidElement, Unknown: errInvalidRequest,
	BadSDP: errInvalidSDP, Unauthorized: errUnauthorized}

var errorf, fail, check, authorize, checkItem = kit.Errorf, kit.Fail, codes.Check, codes.Authorize, codes.CheckItem

var noSuchRoom = rooms.NoSuchRoom(errNoSuchRoom)

// typed makes fields of one type, fields one list of several.
var typed, fields = schema.Typed, slices.Concat[[]schema.Field]
