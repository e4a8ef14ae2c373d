package config

import (
	"reflect"
	"strings"
)

// PluginFile is the file of a plugin: a category general, and entries, which are
// things of users such as rooms. No fault in it keeps the server from starting: bad
// entries are left out and logged, and all problems are warnings.
type PluginFile struct{ *File }

const generalName = "general"

// IsGeneral reports whether a category is the one that is no entry.
func IsGeneral(g *Group) bool { return strings.EqualFold(g.Name, generalName) }

// General decodes the category general into dst (see Decode), and checks everything
// outside all categories.
func (f PluginFile) General(dst any) (problems []Problem) {
	if f.File == nil {
		return nil
	}
	g := f.Category(generalName)
	problems = Decode(g, dst)
	for i := range problems {
		problems[i].Warning = true
	}
	names, guards := fieldNames(reflect.TypeOf(dst).Elem())
	for it := range f.Root.All() {
		if it.Kind == Nested {
			continue
		}
		p := unknown(it.Name, names, nil, func(meant string) string {
			if g.Get(meant) != nil {
				return ""
			}
			return guards[meant]
		})
		p.File, p.Line, p.Key = it.File, it.Line, it.Name
		p.Text = "is outside of all categories, put it into general"
		problems = append(problems, p)
	}
	return problems
}

// Entries has each entry read, in order, and returns their problems. what
// is an entry for users, such as "room"; read says why one is left out, "" if it
// is not.
func (f PluginFile) Entries(what string, read func(r *Reader) (leftOut string)) (problems []Problem) {
	if f.File == nil {
		return nil
	}
	for g := range f.File.Entries() {
		if IsGeneral(g) {
			continue
		}
		r := NewReader(g)
		leftOut := read(r)
		problems = append(problems, r.Problems()...)
		if leftOut == "" {
			continue
		}
		it := f.Root.last(g.Name)
		p := Problem{File: it.File, Line: it.Line, Section: g.Name, Warning: true,
			Text: what + " left out", Effect: leftOut}
		if f.Category(generalName) == nil && nearest(g.Name, []string{generalName}) != "" {
			p.Text, p.Open = p.Text+", did you mean general?", "settings in it protect nothing"
		}
		problems = append(problems, p)
	}
	return problems
}
