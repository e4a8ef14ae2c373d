package kit

import (
	"crypto/subtle"
	"fmt"

	"bifrons/api/schema"
)

// Codes are a plugin's own numbers for the errors of any request.
type Codes struct {
	Missing, Invalid int // of a field
	Unknown          int // request
	BadSDP           int
	Unauthorized     int
}

// Errorf makes the error of a failed request.
func Errorf(code int, format string, args ...any) *schema.Error {
	return &schema.Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// Fail is the result of a row's function for a request that failed.
func Fail(code int, format string, args ...any) (Response, *schema.Error) {
	return Response{}, Errorf(code, format, args...)
}

// Check looks at the fields of an object.
func (c Codes) Check(fields []schema.Field, object Args) *schema.Error {
	return schema.Check(fields, object, c.Missing, c.Invalid)
}

// CheckItem looks at an item of a list of objects.
func (c Codes) CheckItem(fields []schema.Field, item Args, list string) *schema.Error {
	if !item.IsObject() {
		return Errorf(c.Invalid, "Invalid element in the %s array (not an object)", list)
	}
	return c.Check(fields, item)
}

// MayLocked reports whether a client may do something: if it is locked, those may who know the
// plugin's admin_key.
func (c Codes) MayLocked(body Args, locked bool, adminKey string) *schema.Error {
	if !locked {
		return nil
	}
	return c.Authorize(body, "admin_key", adminKey)
}

// Authorize compares a secret of a request with the right one, "" = any.
func (c Codes) Authorize(body Args, field, secret string) *schema.Error {
	if secret == "" {
		return nil
	}
	if err := c.Check([]schema.Field{{Name: field, Type: schema.String, Required: true}}, body); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(body.Str(field)), []byte(secret)) != 1 {
		return Errorf(c.Unauthorized, "Unauthorized (wrong %s)", field)
	}
	return nil
}
