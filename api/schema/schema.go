// Package schema describes requests: the fields that they have,
// of which type and how long, and the ids in them.
package schema

import (
	"fmt"
	"slices"

	"bifrons/api/json"
)

// Error is a failed request: a code of the plugin's own and a text.
type Error struct {
	Code int
	Text string
}

func (e *Error) Error() string { return e.Text }

// Outcome is the answer to an administrator's request to a module which has nothing else to
// say: an error, or nil for success.
func Outcome(err *Error) []byte {
	return json.Object(func(w *json.Writer) {
		if err == nil {
			w.Int("result", 200)
			return
		}
		w.Int("error_code", int64(err.Code))
		w.Str("error", err.Text)
	})
}

// Type is the type that a field must have.
type Type uint8

// Types of fields.
const (
	Any Type = iota
	String
	NonEmptyString
	Bool
	Int
	Uint // an integer of at least 0
	Array
	NonEmptyArray
	Object
)

// String is the type as error texts name it.
func (t Type) String() string {
	return [...]string{"anything", "a string", "a non-empty string", "a boolean", "an integer",
		"a positive integer", "an array", "a non-empty array", "an object"}[t]
}

// Is reports whether a value has the type.
func (t Type) Is(v *json.Value) bool {
	switch t {
	case String, NonEmptyString:
		s, ok := json.String(v)
		return ok && (t == String || s != "")
	case Bool:
		return json.IsBool(v)
	case Int, Uint:
		n, ok := json.Int(v)
		return ok && (t == Int || n >= 0)
	case Array, NonEmptyArray:
		return json.IsArray(v) && (t == Array || len(json.Array(v)) > 0)
	case Object:
		return json.IsObject(v)
	}
	return true
}

// Field is one field of a request.
type Field struct {
	Name     string
	Type     Type
	Required bool
	NotNull  bool // null is a value of the wrong type, not an absent one
}

// Typed makes fields of one type.
func Typed(t Type, names ...string) []Field {
	list := make([]Field, len(names))
	for i, name := range names {
		list[i] = Field{Name: name, Type: t}
	}
	return list
}

// Must makes copies of fields that have to be there.
func Must(lists ...[]Field) []Field {
	list := slices.Concat(lists...)
	for i := range list {
		list[i].Required = true
	}
	return list
}

// NotNull makes copies of fields of which null is a wrong value.
func NotNull(lists ...[]Field) []Field {
	list := slices.Concat(lists...)
	for i := range list {
		list[i].NotNull = true
	}
	return list
}

// maxText is how many bytes a text of a client may have. Much of it is kept for
// as long as the handle, and told to all others in a room.
const maxText = 4 << 10

// maxBytes are the fields with bounds of their own: of a text, or of an object
// as compact JSON.
var maxBytes = map[string]int{
	"transaction": 1 << 10, // comes back with every answer
	"opaque_id":   1 << 10,
	"metadata":    16 << 10, "new_metadata": 16 << 10,
	"line":     64 << 10,  // for the log
	"text":     1<<16 - 2, // a message on a data channel has no more
	"username": 1 << 10,
	"sdp":      1 << 20, // package sdp has its own
}

// tooLong reports whether a value takes more bytes than its field may have, and
// how many those are.
func (f *Field) tooLong(v *json.Value) (limit int, long bool) {
	limit, own := maxBytes[f.Name]
	switch {
	case f.Type == String || f.Type == NonEmptyString:
		if !own {
			limit = maxText
		}
	case f.Type != Object || !own:
		return 0, false
	}
	return limit, json.Len(v) > limit
}

// Check looks whether an object has the fields it must have, and those that it
// has are of the right type and not too long. null mostly counts as absent.
// missing and invalid are the codes of the two failures.
func Check(fields []Field, object json.Args, missing, invalid int) *Error {
	for _, f := range fields {
		v := object.Get(f.Name)
		switch {
		case !json.IsNull(v) || f.NotNull && v != nil:
			if !f.Type.Is(v) {
				return &Error{invalid, Cap("Invalid element type (" + f.Name + " should be " + f.Type.String() + ")")}
			}
			if limit, long := f.tooLong(v); long {
				return &Error{invalid, Cap(fmt.Sprintf("Invalid element (%s has more than %d bytes)", f.Name, limit))}
			}
		case f.Required:
			return &Error{missing, Cap("Missing mandatory element (" + f.Name + ")")}
		}
	}
	return nil
}

// Cap shortens the text of a failed validation to what clients may expect, 99
// bytes.
func Cap(text string) string {
	if len(text) > 99 {
		return text[:99]
	}
	return text
}
