package config

import (
	"slices"
	"strconv"
	"strings"
)

// Reader reads the settings of one category, each by its name and type, and keeps
// their problems: a setting that makes no sense counts as absent,
// with a warning; one with an empty text counts as absent without.
//
// All problems are warnings: they concern one thing among many in the file.
type Reader struct {
	group    *Group
	section  string     // as problems name it
	problems *[]Problem // shared with the readers of groups inside
}

// NewReader makes a Reader of a category; nil is an empty one.
func NewReader(g *Group) *Reader {
	r := &Reader{group: g, problems: new([]Problem)}
	if g != nil {
		r.section = g.Name
	}
	return r
}

// Group is the category.
func (r *Reader) Group() *Group { return r.group }

// Category is its name.
func (r *Reader) Category() string { return r.section }

// Problems are the problems found so far, in the order of finding.
func (r *Reader) Problems() []Problem { return *r.problems }

// report adds a problem with a setting, once.
func (r *Reader) report(it *Item, p Problem) {
	p.File, p.Line, p.Section, p.Key, p.Warning = it.File, it.Line, r.section, it.Name, true
	if !slices.Contains(*r.problems, p) {
		*r.problems = append(*r.problems, p)
	}
}

// Reject reports a setting whose value makes no sense to the caller. accepted are
// right values, in words; effect is the consequence, "" = it is ignored.
func (r *Reader) Reject(name, accepted, effect string) {
	if it := r.group.Get(name); it != nil {
		p := Problem{Accepted: accepted, Effect: effect}
		if it.Kind == Scalar {
			p.Value = it.Text
		}
		r.report(it, p)
	}
}

// scalar is the text of a setting; false if there is none.
func (r *Reader) scalar(name string) (string, bool) {
	it := r.group.Get(name)
	switch {
	case it == nil:
		return "", false
	case it.Kind != Scalar:
		r.report(it, Problem{Text: "has several values", Accepted: "a single value"})
		return "", false
	}
	return it.Text, it.Text != ""
}

// Text is the text of a setting; false if there is none.
func (r *Reader) Text(name string) (string, bool) { return r.scalar(name) }

// Flag is a setting that is on or off; false if there is none. Other values
// count as off, as in Janus.
func (r *Reader) Flag(name string) (on, ok bool) {
	text, ok := r.scalar(name)
	if !ok {
		return false, false
	}
	on, known := parseBool(strings.TrimSpace(text))
	if !known {
		r.Reject(name, "yes, true, 1, no, false or 0", "taken as no")
	}
	return on, true
}

// Number is a whole number of at least 0; false if there is none.
func (r *Reader) Number(name string) (int64, bool) {
	text, ok := r.scalar(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 {
		r.Reject(name, "a whole number, 0 or more", "")
		return 0, false
	}
	return n, true
}

// Wrong reports whether there is a setting, but Number does not understand it.
func (r *Reader) Wrong(name string) bool {
	it := r.group.Get(name)
	_, ok := r.Number(name)
	return it != nil && (it.Kind != Scalar || it.Text != "") && !ok
}

// Texts are several texts, as an array or with commas between; false if there is
// no such setting. What is neither has none.
func (r *Reader) Texts(name string) ([]string, bool) {
	it := r.group.Get(name)
	if it == nil {
		return nil, false
	}
	texts, ok := it.Texts()
	if !ok {
		r.Reject(name, "texts separated by commas, or [ ] with several texts", "taken as empty")
	}
	return texts, true
}

// Groups are the groups in a list, or a single one without the brackets; false if
// there is no list.
func (r *Reader) Groups(name string) (list []*Reader, ok bool) {
	it := r.group.Get(name)
	if it == nil || it.Kind == Scalar && it.Text == "" {
		return nil, false
	}
	items := it.Items
	switch it.Kind {
	case Scalar:
		r.Reject(name, "a list of groups: ( { ... }, { ... } )", "")
		return nil, false
	case Nested:
		items = []*Item{it}
	}
	for i, e := range items {
		if e.Kind != Nested {
			r.Reject(name, "a list of groups: ( { ... }, { ... } )", "entries that are not groups are left out")
			continue
		}
		section := joinKey(r.section, it.Name) + "[" + strconv.Itoa(i) + "]"
		list = append(list, &Reader{group: e.Group, section: section, problems: r.problems})
	}
	return list, true
}

// Unreadable is the first of these settings that is there, but is no single value;
// "" if there is none.
func (r *Reader) Unreadable(names ...string) string {
	for _, name := range names {
		if it := r.group.Get(name); it != nil && it.Kind != Scalar {
			return name
		}
	}
	return ""
}

// Strays reports the settings that are not in here: elsewhere has those that mean
// something at another place. guards says of settings that protect what stands
// open without them, for those that are misspelt.
func (r *Reader) Strays(here, elsewhere []string, guards map[string]string) {
	for it := range r.group.All() {
		name := strings.ToLower(it.Name)
		switch {
		case slices.Contains(here, name):
		case slices.Contains(elsewhere, name):
			r.report(it, Problem{Text: "means nothing here"})
		default:
			r.report(it, unknown(it.Name, here, elsewhere, func(meant string) string {
				if r.group.Get(meant) != nil {
					return ""
				}
				return guards[meant]
			}))
		}
	}
}
