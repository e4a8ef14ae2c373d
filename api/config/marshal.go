package config

import (
	"bytes"
	"fmt"
	"strings"
)

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
