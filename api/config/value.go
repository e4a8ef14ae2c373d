// Package config reads Janus configuration files and command lines into typed
// settings.
package config

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Kind is the kind of an Item's value.
type Kind uint8

// Kinds of values.
const (
	Scalar Kind = iota // Text
	Nested             // Group
	Array              // Items, all Scalar
	List               // Items of any kind
)

// Item is one setting, or one element of an array or list.
type Item struct {
	Name string // "" for an element
	File string // where it was written
	Line int    // counted from 1, 0 = not from a file

	Kind  Kind
	Text  string // numbers are decimal, booleans "true" and "false"
	Group *Group
	Items []*Item

	start, end int // bytes of the file, end behind the terminator
}

// Group is an ordered set of settings. Names are compared without regard to
// case; of several with one name the last one counts. A nil Group is empty.
type Group struct {
	Name  string // of the category, "" for elements and the root
	Items []*Item
}

// File is a parsed configuration file.
type File struct {
	Name     string
	Root     *Group
	Warnings []Problem // oddities that the parser let pass
}

// Get returns the setting of that name, nil if there is none.
func (g *Group) Get(name string) *Item {
	if g == nil {
		return nil
	}
	for i := len(g.Items) - 1; i >= 0; i-- {
		if strings.EqualFold(g.Items[i].Name, name) {
			return g.Items[i]
		}
	}
	return nil
}

// String returns the text of a single-valued setting, "" if there is none.
func (g *Group) String(name string) string {
	if it := g.Get(name); it != nil && it.Kind == Scalar {
		return it.Text
	}
	return ""
}

// Group returns the group of that name, nil if there is none.
func (g *Group) Group(name string) *Group {
	if it := g.Get(name); it != nil && it.Kind == Nested {
		return it.Group
	}
	return nil
}

// List returns the elements of the array or list of that name.
func (g *Group) List(name string) []*Item {
	if it := g.Get(name); it != nil && it.Kind >= Array {
		return it.Items
	}
	return nil
}

// All yields the settings that count, in order.
func (g *Group) All() iter.Seq[*Item] {
	return func(yield func(*Item) bool) {
		if g == nil {
			return
		}
		last := make(map[string]*Item, len(g.Items))
		for _, it := range g.Items {
			last[strings.ToLower(it.Name)] = it
		}
		for _, it := range g.Items {
			if last[strings.ToLower(it.Name)] == it && !yield(it) {
				return
			}
		}
	}
}

// Categories yields the groups of the file that count, in order.
func (f *File) Categories() iter.Seq[*Group] {
	return func(yield func(*Group) bool) {
		if f == nil {
			return
		}
		for it := range f.Root.All() {
			if it.Kind == Nested && !yield(it.Group) {
				return
			}
		}
	}
}

// Entries yields the groups of the file, in order, of files in which the names of
// categories stand for things of users: names that differ in case are different
// here. Of several with the same name the last one counts.
func (f *File) Entries() iter.Seq[*Group] {
	return func(yield func(*Group) bool) {
		if f == nil {
			return
		}
		last := make(map[string]*Item, len(f.Root.Items))
		for _, it := range f.Root.Items {
			last[it.Name] = it
		}
		for _, it := range f.Root.Items {
			if it.Kind == Nested && last[it.Name] == it && !yield(it.Group) {
				return
			}
		}
	}
}

// last is the last item of exactly that name, nil if there is none.
func (g *Group) last(name string) *Item {
	for i := len(g.Items) - 1; i >= 0; i-- {
		if g.Items[i].Name == name {
			return g.Items[i]
		}
	}
	return nil
}

// Category returns the category of that name, nil if there is none.
func (f *File) Category(name string) *Group {
	if f == nil {
		return nil
	}
	return f.Root.Group(name)
}

// repeated warns of settings that do not count, as another one of the same name
// follows. In files of plugins, names of categories have case.
func (g *Group) repeated(section string, root bool) (problems []Problem) {
	last := make(map[string]*Item, len(g.Items))
	key := func(it *Item) string {
		if root && !strings.EqualFold(it.Name, generalName) {
			return it.Name
		}
		return strings.ToLower(it.Name)
	}
	for _, it := range g.Items {
		last[key(it)] = it
	}
	for _, it := range g.Items {
		if l := last[key(it)]; l != it {
			p := Problem{File: it.File, Line: it.Line, Section: section, Key: it.Name, Warning: true,
				Text: fmt.Sprintf("is there again in line %d, and only that counts", l.Line)}
			if it.Kind == Nested && len(it.Group.Items) > 0 {
				p.Open = "settings in this one protect nothing"
			}
			problems = append(problems, p)
		} else if it.Kind == Nested {
			problems = append(problems, it.Group.repeated(joinKey(section, it.Name), false)...)
		}
		for i, e := range it.Items {
			if e.Kind == Nested {
				problems = append(problems, e.Group.repeated(joinKey(section, it.Name)+"["+strconv.Itoa(i)+"]", false)...)
			}
		}
	}
	return problems
}

// put adds an item in place of those of its name.
func (g *Group) put(it *Item) {
	kept := g.Items[:0]
	for _, old := range g.Items {
		if !strings.EqualFold(old.Name, it.Name) {
			kept = append(kept, old)
		}
	}
	g.Items = append(kept, it)
}

// Set gives a setting a text.
func (g *Group) Set(name, text string) { g.put(&Item{Name: name, Text: text}) }

// SetGroup gives a setting a group, which becomes part of g.
func (g *Group) SetGroup(name string, sub *Group) {
	sub.Name = name
	g.put(&Item{Name: name, Kind: Nested, Group: sub})
}

// SetArray gives a setting several texts.
func (g *Group) SetArray(name string, texts ...string) {
	it := &Item{Name: name, Kind: Array}
	for _, text := range texts {
		it.Items = append(it.Items, &Item{Text: text})
	}
	g.put(it)
}

// SetList gives a setting a list of groups, which become part of g.
func (g *Group) SetList(name string, groups ...*Group) {
	it := &Item{Name: name, Kind: List}
	for _, sub := range groups {
		it.Items = append(it.Items, &Item{Kind: Nested, Group: sub})
	}
	g.put(it)
}
