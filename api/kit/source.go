package kit

import (
	"strconv"

	"bifrons/api/config"
	"bifrons/api/json"
)

// Source is where settings come from: a request, or an entry of a file. The bool
// tells whether there is a setting that makes sense.
type Source interface {
	Text(name string) (string, bool)
	Flag(name string) (bool, bool)
	Number(name string) (int64, bool)

	// Wrong tells whether there is a number that makes no sense.
	Wrong(name string) bool

	// List is the groups of a list; false if there is no such list.
	List(name string) ([]Source, bool)

	// Reject tells of a setting in a file that the caller cannot use: accepted is
	// what it could, effect what is done about it, "" if it is ignored. What is
	// wrong with a request is the matter of its answer.
	Reject(name, accepted, effect string)

	// Category is the name of the entry, "" for a request.
	Category() string
}

// FromRequest takes settings from a request, whose types were checked.
func FromRequest(v *json.Value) Source { return request{v} }

// FromFile takes settings from an entry of a file; r keeps what is wrong with it.
func FromFile(r *config.Reader) Source { return entry{r} }

type request struct{ v *json.Value }

func (s request) Text(name string) (string, bool)  { return json.String(s.v.Get(name)) }
func (s request) Number(name string) (int64, bool) { return json.Int(s.v.Get(name)) }
func (s request) Wrong(string) bool                { return false }
func (s request) Reject(_, _, _ string)            {}
func (s request) Category() string                 { return "" }

func (s request) Flag(name string) (bool, bool) {
	v := s.v.Get(name)
	return json.True(v), json.IsBool(v)
}

func (s request) List(name string) ([]Source, bool) {
	v := s.v.Get(name)
	var list []Source
	for _, e := range json.Array(v) {
		list = append(list, request{e})
	}
	return list, json.IsArray(v)
}

type entry struct{ *config.Reader }

func (s entry) List(name string) ([]Source, bool) {
	groups, ok := s.Groups(name)
	var list []Source
	for _, g := range groups {
		list = append(list, entry{g})
	}
	return list, ok
}

// Count is a number of things in words: "1 room", "2 rooms".
func Count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
