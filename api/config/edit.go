package config

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Why an entry cannot be saved, or taken out.
var (
	errIncluded = errors.New("the entry is in a file that this one includes")
	errDamage   = errors.New("the file would not read as it should")
	errNoEntry  = errors.New("the file has no such entry")
)

// document is the text of a jcfg file, in which entries are changed.
type document struct {
	path    string
	key     func(*Group) string
	include func(string) ([]byte, error)

	src    []byte
	root   *Group
	offset int // of the parser's positions: what the byte order mark takes
}

// parse reads the text. The error is a *SyntaxError.
func (d *document) parse() error {
	f, err := Parse(d.path, d.src, d.include)
	if err != nil {
		return err
	}
	d.root = f.Root
	d.offset = len(d.src) - len(bytes.TrimPrefix(d.src, []byte(bom)))
	return nil
}

// entry is the key of an item outside all categories, "" if it is no entry.
func (d *document) entry(it *Item) string {
	if it.Kind != Nested {
		return ""
	}
	return d.key(it.Group)
}

// find returns all items that are the entry, in order, and the one that counts.
// It fails if one of them is in another file.
func (d *document) find(key string) (found []*Item, counts *Item, err error) {
	for _, it := range d.root.Items {
		if d.entry(it) != key {
			continue
		}
		if it.File != d.path {
			return nil, nil, errIncluded
		}
		found = append(found, it)
		if d.root.last(it.Name) == it {
			counts = it
		}
	}
	return found, counts, nil
}

// put adds or replaces an entry.
func (d *document) put(key string, names []string, entry func(name string) (*Group, error)) error {
	found, counts, err := d.find(key)
	if err != nil {
		return err
	}
	var name string
	if counts != nil {
		name = counts.Name
	} else if name, err = d.freeName(key, names, entry); err != nil {
		return err
	}
	g, err := entry(name)
	if err != nil {
		return err
	}
	text, err := marshalItem(&Item{Name: name, Kind: Nested, Group: g})
	if err != nil {
		return err
	}
	if counts == nil {
		d.src = appendEntry(d.src, text)
	}
	for i := len(found) - 1; i >= 0; i-- {
		start, end := d.span(found[i])
		if found[i] == counts {
			d.src = splice(d.src, start, end, text)
		} else {
			d.src = cut(d.src, start, end)
		}
	}
	return nil
}

// freeName is the name of the category for a new entry: the first that no other
// item has, in any case, and by which the entry is found again. The last one may
// get a number. What only differs in case from others is better than nothing.
func (d *document) freeName(key string, names []string, entry func(name string) (*Group, error)) (string, error) {
	if _, err := entry(names[0]); err != nil {
		return "", err
	}
	fits := func(name string) bool {
		if !isName(name) {
			return false
		}
		g, err := entry(name)
		return err == nil && d.key(&Group{Name: name, Items: g.Items}) == key
	}
	for _, name := range names {
		if d.root.Get(name) == nil && fits(name) {
			return name, nil
		}
	}
	last := names[len(names)-1]
	for n := 2; n < len(d.root.Items)+3; n++ {
		name := last + "-" + strconv.Itoa(n)
		if !fits(name) {
			break
		}
		if d.root.Get(name) == nil {
			return name, nil
		}
	}
	for _, name := range names {
		if d.root.last(name) == nil && fits(name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("%q cannot be the name of a category, or another one has it", names[0])
}

// remove takes an entry out.
func (d *document) remove(key string) error {
	found, _, err := d.find(key)
	if err != nil {
		return err
	}
	for i := len(found) - 1; i >= 0; i-- {
		start, end := d.span(found[i])
		d.src = cut(d.src, start, end)
	}
	return nil
}

// set gives a setting of an entry a value, or with nil takes it out.
func (d *document) set(key, setting string, value *Item) error {
	_, it, err := d.find(key)
	switch {
	case err != nil:
		return err
	case it == nil:
		return errNoEntry
	}
	var text []byte
	if value != nil {
		named := *value
		named.Name = setting
		var w writer
		w.setting(&named, 1)
		if w.err != nil {
			return w.err
		}
		text = bytes.TrimSpace(w.buf.Bytes())
	}
	old := it.Group.Get(setting)
	for i := len(it.Group.Items) - 1; i >= 0; i-- {
		other := it.Group.Items[i]
		if !strings.EqualFold(other.Name, setting) {
			continue
		}
		if other.File != d.path {
			return errIncluded
		}
		start, end := d.span(other)
		if other == old && text != nil {
			d.src = splice(d.src, start, end, text)
		} else {
			d.src = cut(d.src, start, end)
		}
	}
	if old == nil && text != nil {
		_, end := d.span(it)
		brace := bytes.LastIndexByte(d.src[:end], '}')
		d.src = insertSetting(d.src, brace, text)
	}
	return nil
}

// span is where an item is in the text.
func (d *document) span(it *Item) (start, end int) { return it.start + d.offset, it.end + d.offset }

// others is all that is in the file besides an entry, as text.
func (d *document) others(key string) (string, error) {
	rest := &Group{}
	for _, it := range d.root.Items {
		if d.entry(it) != key {
			rest.Items = append(rest.Items, it)
		}
	}
	text, err := Marshal(rest)
	return string(text), err
}

// edit changes one entry and makes sure that the text reads as before otherwise,
// and that the entry is there afterwards, or not. After an error the text is as
// it was.
func (d *document) edit(key string, present bool, change func() error) (err error) {
	old := d.src
	defer func() {
		if err != nil {
			d.src = old
		}
	}()
	if err := d.parse(); err != nil {
		return err
	}
	before, err := d.others(key)
	if err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	if d.parse() != nil {
		return errDamage
	}
	after, err := d.others(key)
	if err != nil {
		return err
	}
	_, counts, err := d.find(key)
	if err != nil || before != after || (counts != nil) != present {
		return errDamage
	}
	return nil
}

// appendEntry adds text behind all other, with an empty line between.
func appendEntry(src, text []byte) []byte {
	out := bytes.Clone(src)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	if len(out) > 0 && !endsEmpty(out) {
		out = append(out, '\n')
	}
	return append(append(out, text...), '\n')
}

// insertSetting puts a setting in front of the brace that ends its group.
func insertSetting(src []byte, brace int, text []byte) []byte {
	lineStart := bytes.LastIndexByte(src[:brace], '\n') + 1
	if lineStart > 0 && isBlank(src[lineStart:brace]) {
		line := append(append([]byte("\t"), text...), '\n')
		return splice(src, lineStart, lineStart, line)
	}
	return splice(src, brace, brace, append(append([]byte(" "), text...), ' '))
}

// splice replaces a part of src.
func splice(src []byte, start, end int, text []byte) []byte {
	out := make([]byte, 0, len(src)+len(text))
	out = append(append(out, src[:start]...), text...)
	return append(out, src[end:]...)
}

// cut takes a part out of src, with its line where nothing else is on it, and
// with the empty line next to it if that would be one too many.
func cut(src []byte, start, end int) []byte {
	lineStart := bytes.LastIndexByte(src[:start], '\n') + 1
	lineEnd := endOfLine(src, end)
	if !isBlank(src[lineStart:start]) || !isBlank(src[end:lineEnd]) {
		return splice(src, start, end, []byte(" "))
	}
	start, end = lineStart, lineEnd
	switch next := endOfLine(src, end); {
	case end == len(src) && endsEmpty(src[:start]):
		start = bytes.LastIndexByte(src[:start-1], '\n') + 1
	case end < len(src) && isBlank(src[end:next]) && (start == 0 || endsEmpty(src[:start])):
		end = next
	}
	return splice(src, start, end, nil)
}

// endOfLine is where the line that goes on at from ends, with its end.
func endOfLine(src []byte, from int) int {
	if n := bytes.IndexByte(src[from:], '\n'); n >= 0 {
		return from + n + 1
	}
	return len(src)
}

// endsEmpty reports whether the last line of src, which has an end, is empty.
func endsEmpty(src []byte) bool {
	if len(src) == 0 || src[len(src)-1] != '\n' {
		return false
	}
	src = src[:len(src)-1]
	return isBlank(src[bytes.LastIndexByte(src, '\n')+1:])
}

func isBlank(b []byte) bool { return len(bytes.TrimSpace(b)) == 0 }
