package kit

import (
	"strings"

	"bifrons/api/json"
	"bifrons/api/plugin"
)

// Request is one request of a client; its fields have the types that its row
// asks for. It is valid for as long as the function of its row runs.
type Request struct {
	Transaction string
	Body        Args
	JSEP        *plugin.JSEP // nil if there was none
}

// Args are the arguments of a request, or of one item of a list in it. They are
// a Values that rejects nothing: what is wrong is the matter of the answer.
// What has another type counts as absent, like null.
type Args struct{ *json.Value }

// Has tells whether there is something that is not null.
func (a Args) Has(name string) bool { return !json.IsNull(a.Get(name)) }

// Text is a string.
func (a Args) Text(name string) (string, bool) { return json.String(a.Get(name)) }

// Number is an integer.
func (a Args) Number(name string) (int64, bool) { return json.Int(a.Get(name)) }

// Flag is a boolean.
func (a Args) Flag(name string) (bool, bool) {
	v := a.Get(name)
	return json.True(v), json.IsBool(v)
}

// Str is a string, "" if there is none.
func (a Args) Str(name string) string {
	s, _ := a.Text(name)
	return s
}

// Lower is a word that is compared without case, "" if there is none.
func (a Args) Lower(name string) string { return strings.ToLower(a.Str(name)) }

// Is tells whether there is a true.
func (a Args) Is(name string) bool { return json.True(a.Get(name)) }

// IsObject tells whether these are the arguments of an object.
func (a Args) IsObject() bool { return json.IsObject(a.Value) }

// FlagOr is a boolean, or what holds without one.
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
	w := json.NewWriter(nil)
	w.Value("", a.Get(name))
	return w.Bytes()
}

// Items are the values of a list; their types were not checked.
func (a Args) Items(name string) []Args {
	values := json.Array(a.Get(name))
	list := make([]Args, len(values))
	for i, v := range values {
		list[i] = Args{v}
	}
	return list
}

// List is Items as Values; false if there is no list.
func (a Args) List(name string) ([]Values, bool) {
	var list []Values
	for _, item := range a.Items(name) {
		list = append(list, item)
	}
	return list, json.IsArray(a.Get(name))
}

// Wrong, Reject and Category are what files have.
func (a Args) Wrong(string) bool { return false }

// Reject does nothing.
func (a Args) Reject(_, _, _ string) {}

// Category is "".
func (a Args) Category() string { return "" }
