package duktape

import (
	"math"

	"github.com/dop251/goja"

	"bifrons/api/kit/script"
)

// maxDepth is how deep values may be nested that cross the border.
const maxDepth = 64

// opaque is a value of the server's in a script, which sees nothing of it.
type opaque struct{ value script.Opaque }

// toJS is a value as scripts see it. Bytes without a meaning are characters up to 255.
func (in *interpreter) toJS(v script.Value) goja.Value {
	switch v := v.(type) {
	case bool, float64, string:
		return in.vm.ToValue(v)
	case script.Bytes:
		if v.Binary {
			return latin1(v.Data)
		}
		return in.vm.ToValue(v.Data)
	case script.Opaque:
		return in.vm.ToValue(&opaque{v})
	}
	return goja.Null()
}

func latin1(data string) goja.Value {
	units := make([]uint16, len(data))
	for i := range len(data) {
		units[i] = uint16(data[i])
	}
	return goja.StringFromUTF16(units)
}

// fromJS is a value of a script's for the server; bytes says that a text is one of bytes.
func (in *interpreter) fromJS(v goja.Value, bytes bool, depth int) script.Value {
	switch x := v.(type) {
	case nil:
		return nil
	case goja.String:
		if bytes {
			return fromLatin1(x)
		}
		return x.String()
	case *goja.Object:
		return in.fromObject(x, depth)
	}
	if goja.IsNull(v) || goja.IsUndefined(v) {
		return nil
	}
	switch x := v.Export().(type) {
	case bool:
		return x
	case int64:
		return float64(x)
	case float64:
		return x
	}
	return script.Alien("a value of another type")
}

// fromLatin1 is the bytes of a text, or its UTF-8 if there are characters above 255.
func fromLatin1(s goja.String) string {
	b := make([]byte, s.Length())
	for i := range b {
		c := s.CharAt(i)
		if c > math.MaxUint8 {
			return s.String()
		}
		b[i] = byte(c)
	}
	return string(b)
}

func (in *interpreter) fromObject(o *goja.Object, depth int) script.Value {
	switch x := o.Export().(type) {
	case *opaque:
		return x.value
	case goja.ArrayBuffer:
		return string(x.Bytes())
	case []byte:
		return string(x)
	}
	if _, ok := goja.AssertFunction(o); ok {
		return script.Alien("a function")
	}
	if depth >= maxDepth {
		return script.Alien("an object")
	}
	m := make(map[string]script.Value)
	for _, k := range o.Keys() {
		m[k] = in.fromJS(o.Get(k), false, depth+1)
	}
	return m
}
