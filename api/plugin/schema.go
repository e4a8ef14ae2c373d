package plugin

import "bifrons/api/json"

// Error is a failed request: a code of the plugin's own and a text.
type Error struct {
	Code int
	Text string
}

func (e *Error) Error() string { return e.Text }

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

// Is tells whether a value has the type.
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

// Check looks whether an object has the fields it must have, and those that it
// has are of the right type. null mostly counts as absent. missing and invalid are
// the codes of the two failures.
func Check(fields []Field, object *json.Value, missing, invalid int) *Error {
	for _, f := range fields {
		v := object.Get(f.Name)
		switch {
		case !json.IsNull(v) || f.NotNull && v != nil:
			if !f.Type.Is(v) {
				return &Error{invalid, Cap("Invalid element type (" + f.Name + " should be " + f.Type.String() + ")")}
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
