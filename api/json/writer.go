package json

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// Writer appends a compact JSON value. Every method takes the key of the
// field; inside an array, and for the outermost value, the key is "". Commas
// are the Writer's business. The zero value is ready.
type Writer struct {
	buf []byte
}

// NewWriter returns a Writer that appends to buf, which must be empty or end
// inside an open object or array.
func NewWriter(buf []byte) *Writer { return &Writer{buf: buf} }

// Object makes one object, whose fields the function writes.
func Object(fields func(w *Writer)) []byte {
	w := NewWriter(nil)
	w.Object("")
	fields(w)
	w.End()
	return w.Bytes()
}

// Bytes is the written text; it is the Writer's until the next Reset.
func (w *Writer) Bytes() []byte { return w.buf }

// Len is the number of bytes written.
func (w *Writer) Len() int { return len(w.buf) }

// Truncate forgets everything after the first n bytes.
func (w *Writer) Truncate(n int) { w.buf = w.buf[:n] }

// Reset starts a new value in the same memory.
func (w *Writer) Reset() { w.buf = w.buf[:0] }

// Clone returns a copy of the written text.
func (w *Writer) Clone() []byte { return append([]byte(nil), w.buf...) }

func (w *Writer) key(k string) {
	if n := len(w.buf); n > 0 && w.buf[n-1] != '{' && w.buf[n-1] != '[' {
		w.buf = append(w.buf, ',')
	}
	if k != "" {
		w.buf = AppendString(w.buf, k)
		w.buf = append(w.buf, ':')
	}
}

// Object opens an object; End closes it.
func (w *Writer) Object(k string) {
	w.key(k)
	w.buf = append(w.buf, '{')
}

// End closes an object.
func (w *Writer) End() { w.buf = append(w.buf, '}') }

// Array opens an array; EndArray closes it.
func (w *Writer) Array(k string) {
	w.key(k)
	w.buf = append(w.buf, '[')
}

// EndArray closes an array.
func (w *Writer) EndArray() { w.buf = append(w.buf, ']') }

// Str writes a string.
func (w *Writer) Str(k, v string) {
	w.key(k)
	w.buf = AppendString(w.buf, v)
}

// OptStr writes a string unless it is empty.
func (w *Writer) OptStr(k, v string) {
	if v != "" {
		w.Str(k, v)
	}
}

// Int writes an integer.
func (w *Writer) Int(k string, v int64) {
	w.key(k)
	w.buf = strconv.AppendInt(w.buf, v, 10)
}

// Uint writes an unsigned integer.
func (w *Writer) Uint(k string, v uint64) {
	w.key(k)
	w.buf = strconv.AppendUint(w.buf, v, 10)
}

// OptUint writes an unsigned integer unless it is 0.
func (w *Writer) OptUint(k string, v uint64) {
	if v != 0 {
		w.Uint(k, v)
	}
}

// Float writes a number; those that JSON does not know become 0.
func (w *Writer) Float(k string, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	w.key(k)
	from := len(w.buf)
	w.buf = strconv.AppendFloat(w.buf, v, 'g', -1, 64)
	for _, c := range w.buf[from:] {
		if c == '.' || c == 'e' {
			return
		}
	}
	w.buf = append(w.buf, ".0"...)
}

// Bool writes true or false.
func (w *Writer) Bool(k string, v bool) {
	w.key(k)
	w.buf = strconv.AppendBool(w.buf, v)
}

// OptTrue writes a true, and nothing for false.
func (w *Writer) OptTrue(k string, v bool) {
	if v {
		w.Bool(k, true)
	}
}

// Bit writes 1 or 0.
func (w *Writer) Bit(k string, v bool) {
	n := int64(0)
	if v {
		n = 1
	}
	w.Int(k, n)
}

// Raw writes a value that is compact JSON already.
func (w *Writer) Raw(k string, v []byte) {
	w.key(k)
	w.buf = append(w.buf, v...)
}

// OptRaw is Raw unless there is no value.
func (w *Writer) OptRaw(k string, v []byte) {
	if v != nil {
		w.Raw(k, v)
	}
}

// Fields continues an object with the fields of another one, {...} included.
func (w *Writer) Fields(object []byte) {
	if len(object) > 2 {
		w.key("")
		w.buf = append(w.buf, object[1:len(object)-1]...)
	}
}

// Value writes a parsed value, compact and in its own order.
func (w *Writer) Value(k string, v *Value) {
	w.key(k)
	w.buf = appendValue(w.buf, v)
}

// appendValue does the work of Value.MarshalTo, which quotes some strings
// as Go does.
func appendValue(dst []byte, v *Value) []byte {
	switch v.Type() {
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		return AppendString(dst, string(b))
	case fastjson.TypeArray:
		dst = append(dst, '[')
		for i, e := range Array(v) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, e)
		}
		return append(dst, ']')
	case fastjson.TypeObject:
		dst = append(dst, '{')
		first := true
		v.GetObject().Visit(func(key []byte, e *Value) {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(AppendString(dst, string(key)), ':')
			dst = appendValue(dst, e)
		})
		return append(dst, '}')
	}
	return v.MarshalTo(dst)
}

// Objects writes an array of objects, one for each element of a list.
func Objects[T any](w *Writer, key string, list []T, fields func(T)) {
	w.Array(key)
	for _, x := range list {
		w.Object("")
		fields(x)
		w.End()
	}
	w.EndArray()
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a quoted JSON string (RFC 8259, section 7). Bytes
// that are not UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, s[from:i]...)
				dst = append(dst, "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
