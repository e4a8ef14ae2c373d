// Package json parses requests with fastjson and writes replies with their
// fields in order.
package json

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/valyala/fastjson"

	"bifrons/api/budget"
)

// Value is a parsed JSON value. It belongs to the Doc it came from and must
// not be used after the Doc's Release, nor by two goroutines at a time.
type Value = fastjson.Value

// Doc is one parsed text, on loan from a pool.
type Doc struct {
	parser fastjson.Parser
	root   *Value
	weight int
	budget *budget.Budget
}

var docs = sync.Pool{New: func() any { return new(Doc) }}

// maxPooled is the weight in bytes of a Doc that is worth keeping.
const maxPooled = 64 << 10

// valueWeight is the memory of one value in bytes, the smaller arrays that fastjson
// grew out of included.
const valueWeight = 400

// ErrBusy means that there is no room to parse a text now.
var ErrBusy = errors.New("json: too much is being worked on")

// Parse checks and parses one JSON object or array, possibly followed by white
// space. It copies data. The caller has to release the Doc.
func Parse(data []byte) (*Doc, *SyntaxError) {
	d, err := ParseWithin(context.Background(), data, nil, 0)
	if err != nil {
		return nil, err.(*SyntaxError)
	}
	return d, nil
}

// ParseWithin is Parse within a budget that the Doc belongs to until it is
// released. Errors are a *SyntaxError, or ErrBusy if the budget has no room
// within patience or until ctx ends.
func ParseWithin(ctx context.Context, data []byte, b *budget.Budget, patience time.Duration) (*Doc, error) {
	weight, err := weigh(data, b)
	if err != nil {
		return nil, err
	}
	if !b.Wait(ctx, int64(weight), patience) {
		return nil, ErrBusy
	}
	defer b.Work(len(data))()
	d := docs.Get().(*Doc)
	root, perr := d.parser.ParseBytes(data)
	if perr != nil {
		b.Give(int64(weight))
		return nil, syntaxError(data, 0, "unsupported JSON text")
	}
	d.root, d.weight, d.budget = root, weight, b
	return d, nil
}

// weigh checks a text and says how many bytes it takes when it is parsed.
func weigh(data []byte, b *budget.Budget) (int, error) {
	defer b.Work(len(data))()
	n, values, err := check(data)
	if err == nil {
		err = onlySpace(data, n)
	}
	if err != nil {
		return 0, err
	}
	return len(data) + values*valueWeight, nil
}

// Root is the object or array that was parsed.
func (d *Doc) Root() *Value { return d.root }

// Release gives the Doc and all its values back.
func (d *Doc) Release() {
	if d == nil || d.root == nil {
		return
	}
	d.root = nil
	d.budget.Give(int64(d.weight))
	d.budget = nil
	if d.weight <= maxPooled {
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
		n, _, err := check(data[at:])
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

// Len is the number of bytes of a string, or of another value as compact JSON.
func Len(v *Value) int {
	if v.Type() == fastjson.TypeString {
		b, _ := v.StringBytes()
		return len(b)
	}
	return len(appendValue(nil, v))
}
