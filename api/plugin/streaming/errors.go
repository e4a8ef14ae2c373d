package streaming

import (
	"bifrons/api/kit"
	"bifrons/api/schema"
)

// Error codes.
const (
	errInvalidRequest   = 452
	errMissingElement   = 453
	errInvalidElement   = 454
	errNoSuchMountpoint = 455
	errCantCreate       = 456
	errUnauthorized     = 457
	errCantSwitch       = 458
	errCantRecord       = 459
	errInvalidState     = 460
	errInvalidSDP       = 461
	errUnknown          = 470
)

// codes are the error codes that all requests share.
var codes = kit.Codes{Missing: errMissingElement, Invalid: errInvalidElement, Unknown: errInvalidRequest,
	BadSDP: errUnknown, Unauthorized: errUnauthorized}

var errorf, fail, check, authorize = kit.Errorf, kit.Fail, codes.Check, codes.Authorize

// noSuch is the error for an id that is nobody's.
func noSuch(id string) *schema.Error {
	return errorf(errNoSuchMountpoint, "No such mountpoint/stream %s", id)
}

// cant is the error of a mountpoint that cannot be made.
func (s *settings) cant(format string, args ...any) *schema.Error {
	return errorf(errCantCreate, "Can't add '"+s.kind+"' stream, "+format, args...)
}
