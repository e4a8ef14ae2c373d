package kit

import (
	"strconv"

	"bifrons/api/config"
	"bifrons/api/json"
)

// Values is where settings come from: a request, or an entry of a file. The bool
// reports whether there is a setting that makes sense.
type Values interface {
	Text(name string) (string, bool)
	Flag(name string) (bool, bool)
	Number(name string) (int64, bool)

	// Texts is a list of texts; false if something else is in it.
	Texts(name string) ([]string, bool)

	// Wrong reports whether there is a number that makes no sense.
	Wrong(name string) bool

	// List is the groups of a list; false if there is no such list.
	List(name string) ([]Values, bool)

	// Reject reports a setting in a file that the caller cannot use: accepted is
	// what it could use, effect the consequence, "" if it is ignored. Faults
	// of a request belong in its answer.
	Reject(name, accepted, effect string)

	// Category is the name of the entry, "" for a request.
	Category() string
}

// FromRequest takes settings from a request. It rejects nothing.
func FromRequest(a Args) Values { return asked{a} }

type asked struct{ Args }

func (s asked) List(name string) ([]Values, bool) {
	var list []Values
	for _, item := range s.Items(name) {
		list = append(list, asked{item})
	}
	return list, json.IsArray(s.Get(name))
}

func (asked) Wrong(string) bool     { return false }
func (asked) Reject(_, _, _ string) {}
func (asked) Category() string      { return "" }

// FromFile takes settings from an entry of a file; r keeps its faults.
func FromFile(r *config.Reader) Values { return entry{r} }

type entry struct{ *config.Reader }

func (s entry) List(name string) ([]Values, bool) {
	groups, ok := s.Groups(name)
	var list []Values
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
