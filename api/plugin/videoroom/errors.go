package videoroom

import (
	"fmt"

	"bifrons/api/kit"
	"bifrons/api/schema"
)

// Error codes.
const (
	errNoMessage        = 421
	errInvalidJSON      = 422
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

// errorf makes the error of a failed request.
func errorf(code int, format string, args ...any) *schema.Error {
	return &schema.Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// fail is the response of a failed request.
func fail(code int, format string, args ...any) (kit.Response, *schema.Error) {
	return kit.Response{}, errorf(code, format, args...)
}

// check looks at the fields of an object with the plugin's codes.
func check(fields []schema.Field, object kit.Args) *schema.Error {
	return schema.Check(fields, object.Value, errMissingElement, errInvalidElement)
}
