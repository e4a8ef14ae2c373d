package schema

import (
	"strconv"

	"bifrons/api/config"
	"bifrons/api/json"
)

// Level is one place in a request: its top, or the items of an array of it.
type Level struct {
	In     string  // name of the array, "" = the top
	Fields []Field // allowed there
}

// Levels are those of one form of a request. Unused are fields of other forms,
// which mean nothing in this one.
type Levels struct {
	Used   []Level
	Unused []Field
}

// maxMisplaced is how many fields are named at most.
const maxMisplaced = 8

// Misplaced names the fields of a request that the levels know, but not where
// they are: "media[1].srtpsuite". Fields that nobody knows are no business of
// anybody's.
func (l Levels) Misplaced(request *json.Value) []string {
	return l.misplaced(names(request), func(in string) (items [][]string) {
		for _, v := range json.Array(request.Get(in)) {
			items = append(items, names(v))
		}
		return items
	})
}

// CheckFile has an entry of a file, where names have no case, report what Misplaced
// would, and settings that nobody knows. guards says of settings that protect what
// stands open without them.
func (l Levels) CheckFile(r *config.Reader, guards map[string]string) {
	known := fieldNames(l.Unused)
	for _, level := range l.Used {
		known = append(known, fieldNames(level.Fields)...)
	}
	for _, level := range l.Used {
		at := []*config.Reader{r}
		if level.In != "" {
			at, _ = r.Groups(level.In)
		}
		for _, r := range at {
			r.Strays(fieldNames(level.Fields), known, guards)
		}
	}
}

func fieldNames(fields []Field) []string {
	list := make([]string, len(fields))
	for i := range fields {
		list[i] = fields[i].Name
	}
	return list
}

func (l Levels) misplaced(top []string, itemsOf func(in string) [][]string) (list []string) {
	known := make(map[string]bool)
	add := func(fields []Field) {
		for _, f := range fields {
			known[f.Name] = true
		}
	}
	add(l.Unused)
	for _, level := range l.Used {
		add(level.Fields)
	}
	look := func(prefix string, at []string, fields []Field) {
		for _, name := range at {
			if known[name] && len(list) < maxMisplaced && !has(fields, name) {
				list = append(list, prefix+name)
			}
		}
	}
	for _, level := range l.Used {
		if level.In == "" {
			look("", top, level.Fields)
			continue
		}
		for i, item := range itemsOf(level.In) {
			look(level.In+"["+strconv.Itoa(i)+"].", item, level.Fields)
		}
	}
	return list
}

func has(fields []Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

// names are those of the fields that an object has.
func names(v *json.Value) (list []string) {
	if !json.IsObject(v) {
		return nil
	}
	o, _ := v.Object()
	o.Visit(func(key []byte, v *json.Value) {
		if !json.IsNull(v) {
			list = append(list, string(key))
		}
	})
	return list
}
