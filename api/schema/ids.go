package schema

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"bifrons/api/json"
)

// IDs says how a plugin's ids look on the wire: integers, or strings. Inside
// they are texts, those of integers in decimal.
type IDs struct{ Strings bool }

// Field is a field with an id.
func (x IDs) Field(name string, required bool) Field {
	f := Field{Name: name, Type: Uint, Required: required}
	if x.Strings {
		f.Type = String
	}
	return f
}

// Read reads the id in a field of a request; false if there is none.
func (x IDs) Read(body json.Args, field string) (string, bool) {
	if x.Strings {
		return body.Text(field)
	}
	n, ok := body.Number(field)
	return strconv.FormatInt(n, 10), ok && n >= 0
}

// Canonical reports whether a text is an id as Read gives it, and not the 0 that
// stands for none.
func (x IDs) Canonical(text string) bool {
	if x.Strings {
		return text != ""
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && n > 0 && strconv.FormatInt(n, 10) == text
}

// Write writes an id as clients know it.
func (x IDs) Write(w *json.Writer, key, id string) {
	if x.Strings {
		w.Str(key, id)
		return
	}
	w.Raw(key, []byte(id))
}

// New makes a random id: a UUID (RFC 9562, 5.4), or an integer that JavaScript
// can hold.
func (x IDs) New() string {
	var b [16]byte
	for {
		rand.Read(b[:])
		if x.Strings {
			b[6] = b[6]&0x0f | 0x40
			b[8] = b[8]&0x3f | 0x80
			return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
		}
		if n := binary.BigEndian.Uint64(b[:]) & (1<<53 - 1); n != 0 {
			return strconv.FormatUint(n, 10)
		}
	}
}

// Free makes a random id that is not taken.
func (x IDs) Free(taken func(id string) bool) string {
	for {
		if id := x.New(); !taken(id) {
			return id
		}
	}
}

// Choose is the id that a field of a request wants, or a random one if that wants none;
// false if it is taken.
func (x IDs) Choose(body json.Args, field string, taken func(id string) bool) (id string, free bool) {
	if id, ok := x.Read(body, field); ok && x.Canonical(id) {
		return id, !taken(id)
	}
	return x.Free(taken), true
}

// Compare orders ids: integers by value, since their texts have no leading
// zeros, others in an arbitrary order.
func (x IDs) Compare(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}
