package config

import (
	"bytes"
	"fmt"
	"strings"
)

// SetCategory returns the jcfg text src with the category of that name
// replaced by g, or added at the end. All other text, comments included, stays
// as it is. It fails if src cannot be parsed, and if a name in g cannot be
// written in a jcfg file.
func SetCategory(src []byte, name string, g *Group) ([]byte, error) {
	text, err := marshalItem(&Item{Name: name, Kind: Nested, Group: g})
	if err != nil {
		return nil, err
	}
	found, err := findItems(src, name)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		out := bytes.Clone(src)
		if len(out) > 0 {
			if out[len(out)-1] != '\n' {
				out = append(out, '\n')
			}
			out = append(out, '\n')
		}
		return append(append(out, text...), '\n'), nil
	}
	// The last one counts, so it is the one to replace.
	last := found[len(found)-1]
	out := append(bytes.Clone(src[:last.start]), text...)
	out = append(out, src[last.end:]...)
	return cut(out, found[:len(found)-1]), nil
}

// RemoveCategory returns the jcfg text src without the category of that name.
// All other text, comments included, stays as it is. It fails if src cannot be
// parsed.
func RemoveCategory(src []byte, name string) ([]byte, error) {
	found, err := findItems(src, name)
	if err != nil {
		return nil, err
	}
	return cut(bytes.Clone(src), found), nil
}

// findItems returns the items of that name that src itself has outside of any
// category, in order.
func findItems(src []byte, name string) ([]*Item, error) {
	offset := len(src) - len(bytes.TrimPrefix(src, []byte(bom)))
	nothing := func(string) ([]byte, error) { return nil, nil }
	f, err := Parse(name+".jcfg", src, nothing)
	if err != nil {
		return nil, fmt.Errorf("edit category %s: %w", name, err)
	}
	var found []*Item
	for _, it := range f.Root.Items {
		if strings.EqualFold(it.Name, name) {
			it.start += offset
			it.end += offset
			found = append(found, it)
		}
	}
	return found, nil
}

// cut takes the items' text out of src, with its line where nothing else is
// on it.
func cut(src []byte, items []*Item) []byte {
	for i := len(items) - 1; i >= 0; i-- {
		start, end := items[i].start, items[i].end
		lineStart := bytes.LastIndexByte(src[:start], '\n') + 1
		lineEnd := len(src)
		if n := bytes.IndexByte(src[end:], '\n'); n >= 0 {
			lineEnd = end + n + 1
		}
		if isBlank(src[lineStart:start]) && isBlank(src[end:lineEnd]) {
			start, end = lineStart, lineEnd
			if rest := src[end:]; len(rest) > 0 && rest[0] == '\n' && (start == 0 || bytes.HasSuffix(src[:start], []byte("\n\n"))) {
				end++ // do not leave two empty lines
			}
		}
		src = append(src[:start], src[end:]...)
	}
	return src
}

func isBlank(b []byte) bool { return len(bytes.TrimSpace(b)) == 0 }

// Marshal writes settings as jcfg text, all values as strings. It fails if a
// name cannot be written.
func Marshal(g *Group) ([]byte, error) {
	var w writer
	w.settings(g, 0)
	return w.buf.Bytes(), w.err
}

func marshalItem(it *Item) ([]byte, error) {
	var w writer
	w.setting(it, 0)
	return bytes.TrimSuffix(w.buf.Bytes(), []byte("\n")), w.err
}

// writer writes jcfg text and remembers the first error.
type writer struct {
	buf bytes.Buffer
	err error
}

func (w *writer) indent(depth int) {
	for range depth {
		w.buf.WriteByte('\t')
	}
}

func (w *writer) settings(g *Group, depth int) {
	if g == nil {
		return
	}
	for _, it := range g.Items {
		w.setting(it, depth)
	}
}

func (w *writer) setting(it *Item, depth int) {
	if !isName(it.Name) && w.err == nil {
		w.err = fmt.Errorf("%q cannot be a name in a jcfg file, only letters, digits, -, _ and * can, and a letter or * comes first", it.Name)
	}
	w.indent(depth)
	w.buf.WriteString(it.Name)
	if it.Kind == Nested {
		w.buf.WriteString(": ")
	} else {
		w.buf.WriteString(" = ")
	}
	w.value(it, depth)
	w.buf.WriteByte('\n')
}

func (w *writer) value(it *Item, depth int) {
	switch it.Kind {
	case Scalar:
		w.buf.WriteString(quote(it.Text))
	case Nested:
		w.buf.WriteString("{\n")
		w.settings(it.Group, depth+1)
		w.indent(depth)
		w.buf.WriteByte('}')
	case Array:
		w.elements(it.Items, "[", "]", depth)
	case List:
		w.elements(it.Items, "(", ")", depth)
	}
}

func (w *writer) elements(items []*Item, opening, closing string, depth int) {
	w.buf.WriteString(opening)
	for i, it := range items {
		if i > 0 {
			w.buf.WriteByte(',')
		}
		w.buf.WriteByte('\n')
		w.indent(depth + 1)
		w.value(it, depth+1)
	}
	if len(items) > 0 {
		w.buf.WriteByte('\n')
		w.indent(depth)
	}
	w.buf.WriteString(closing)
}

// quote writes a string with its escapes.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		ch := s[i]
		switch {
		case ch == '"' || ch == '\\':
			b.WriteByte('\\')
			b.WriteByte(ch)
		case ch == '\n':
			b.WriteString(`\n`)
		case ch == '\r':
			b.WriteString(`\r`)
		case ch == '\t':
			b.WriteString(`\t`)
		case ch < ' ' || ch == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, ch)
		default:
			b.WriteByte(ch)
		}
	}
	b.WriteByte('"')
	return b.String()
}
