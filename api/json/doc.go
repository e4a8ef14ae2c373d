// Package json parses requests with fastjson and writes replies with their
// fields in order.
package json

import (
	"sync"

	"github.com/valyala/fastjson"
)

// Value is a parsed JSON value. It belongs to the Doc it came from and must
// not be used after the Doc's Release, nor by two goroutines at a time.
type Value = fastjson.Value

// Doc is one parsed text, on loan from a pool.
type Doc struct {
	parser fastjson.Parser
	root   *Value
	size   int
}

var docs = sync.Pool{New: func() any { return new(Doc) }}

// maxPooled is the size in bytes of a text whose Doc is worth keeping.
const maxPooled = 64 << 10

// Parse checks and parses one JSON object or array, possibly followed by white
// space. It copies data. The caller has to release the Doc.
func Parse(data []byte) (*Doc, *SyntaxError) {
	n, err := check(data)
	if err == nil {
		err = onlySpace(data, n)
	}
	if err != nil {
		return nil, err
	}
	d := docs.Get().(*Doc)
	root, perr := d.parser.ParseBytes(data)
	if perr != nil {
		docs.Put(d)
		return nil, syntaxError(data, 0, "unsupported JSON text")
	}
	d.root, d.size = root, len(data)
	return d, nil
}

// Root is the object or array that was parsed.
func (d *Doc) Root() *Value { return d.root }

// Release gives the Doc and all its values back.
func (d *Doc) Release() {
	if d == nil || d.root == nil {
		return
	}
	d.root = nil
	if d.size <= maxPooled {
		docs.Put(d)
	}
}

// Split finds the JSON texts that stand behind each other in data. Each part
// is an object or array; the parts alias data.
func Split(data []byte) ([][]byte, *SyntaxError) {
	var parts [][]byte
	for at := 0; ; {
		if len(parts) > 0 && onlySpace(data, at) == nil {
			return parts, nil
		}
		n, err := check(data[at:])
		if err != nil {
			return nil, syntaxError(data, at+err.Offset, err.Text)
		}
		parts = append(parts, data[at:at+n])
		at += n
	}
}

// IsNull reports whether a field is absent or null.
func IsNull(v *Value) bool { return v == nil || v.Type() == fastjson.TypeNull }

// IsObject reports whether v is an object.
func IsObject(v *Value) bool { return v != nil && v.Type() == fastjson.TypeObject }

// IsArray reports whether v is an array.
func IsArray(v *Value) bool { return v != nil && v.Type() == fastjson.TypeArray }

// IsBool reports whether v is true or false.
func IsBool(v *Value) bool {
	return v != nil && (v.Type() == fastjson.TypeTrue || v.Type() == fastjson.TypeFalse)
}

// True reports whether v is true.
func True(v *Value) bool { return v != nil && v.Type() == fastjson.TypeTrue }

// Int returns the value of an integer. Numbers with a fraction or an exponent
// are not integers.
func Int(v *Value) (int64, bool) {
	if v == nil || v.Type() != fastjson.TypeNumber {
		return 0, false
	}
	n, err := v.Int64()
	return n, err == nil
}

// String returns a copy of a string value.
func String(v *Value) (string, bool) {
	if v == nil || v.Type() != fastjson.TypeString {
		return "", false
	}
	b, err := v.StringBytes()
	return string(b), err == nil
}

// Array returns the elements of an array, nil for anything else.
func Array(v *Value) []*Value {
	if !IsArray(v) {
		return nil
	}
	a, _ := v.Array()
	return a
}
