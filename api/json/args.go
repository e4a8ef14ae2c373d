package json

import "strings"

// Args are the arguments of one request, or of one item of a list in it: an object,
// whose fields are read with their types. A value of another type counts as
// absent, like null.
type Args struct{ *Value }

// Has reports whether there is something that is not null.
func (a Args) Has(name string) bool { return !IsNull(a.Get(name)) }

// Text is a string.
func (a Args) Text(name string) (string, bool) { return String(a.Get(name)) }

// Number is an integer.
func (a Args) Number(name string) (int64, bool) { return Int(a.Get(name)) }

// Flag is a boolean.
func (a Args) Flag(name string) (bool, bool) {
	v := a.Get(name)
	return True(v), IsBool(v)
}

// Str is a string, "" if there is none.
func (a Args) Str(name string) string {
	s, _ := a.Text(name)
	return s
}

// Num is an integer, 0 if there is none.
func (a Args) Num(name string) int64 {
	n, _ := a.Number(name)
	return n
}

// Lower is a word that is compared without case, "" if there is none.
func (a Args) Lower(name string) string { return strings.ToLower(a.Str(name)) }

// Is reports whether there is a true.
func (a Args) Is(name string) bool { return True(a.Get(name)) }

// IsObject reports whether these are the arguments of an object.
func (a Args) IsObject() bool { return IsObject(a.Value) }

// FlagOr is a boolean, or a default.
func (a Args) FlagOr(name string, without bool) bool {
	if on, ok := a.Flag(name); ok {
		return on
	}
	return without
}

// Raw is a value as compact JSON, nil if there is none.
func (a Args) Raw(name string) []byte {
	if !a.Has(name) {
		return nil
	}
	w := NewWriter(nil)
	w.Value("", a.Get(name))
	return w.Bytes()
}

// Under are the arguments of an object that a field is.
func (a Args) Under(name string) Args { return Args{a.Get(name)} }

// Items are the values of a list; their types were not checked.
func (a Args) Items(name string) []Args {
	values := Array(a.Get(name))
	list := make([]Args, len(values))
	for i, v := range values {
		list[i] = Args{v}
	}
	return list
}

// Texts are the strings of a list; false if there is something else in it.
func (a Args) Texts(name string) (list []string, ok bool) {
	ok = true
	for _, v := range Array(a.Get(name)) {
		text, is := String(v)
		if ok = ok && is; is {
			list = append(list, text)
		}
	}
	return list, ok
}
