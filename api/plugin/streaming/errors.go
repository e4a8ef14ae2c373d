package streaming

import (
	"crypto/subtle"
	"fmt"

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

// errorf makes the error of a failed request.
func errorf(code int, format string, args ...any) *schema.Error {
	return &schema.Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// fail is the response of a failed request.
func fail(code int, format string, args ...any) (kit.Response, *schema.Error) {
	return kit.Response{}, errorf(code, format, args...)
}

// failed is the response of a request that failed with err.
func failed(err *schema.Error) (kit.Response, *schema.Error) { return kit.Response{}, err }

// check looks at the fields of an object with the plugin's codes.
func check(fields []schema.Field, object kit.Args) *schema.Error {
	return schema.Check(fields, object.Value, errMissingElement, errInvalidElement)
}

// noSuch is the error for an id that is nobody's.
func noSuch(id string) *schema.Error {
	return errorf(errNoSuchMountpoint, "No such mountpoint/stream %s", id)
}

// authorize checks a secret, if there is one.
func authorize(body kit.Args, field, secret string) *schema.Error {
	if secret == "" {
		return nil
	}
	if err := check([]schema.Field{{Name: field, Type: schema.String, Required: true}}, body); err != nil {
		return err
	}
	given := body.Str(field)
	if subtle.ConstantTimeCompare([]byte(given), []byte(secret)) != 1 {
		return errorf(errUnauthorized, "Unauthorized (wrong %s)", field)
	}
	return nil
}
