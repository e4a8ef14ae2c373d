package config

import "strings"

// parseINI reads the older form: [category] lines and name = value lines. A
// semicolon begins a comment unless a backslash stands before it.
func parseINI(name string, data []byte) (*File, error) {
	f := &File{Name: name, Root: &Group{}}
	group := f.Root
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(data), bom)) {
		number++
		fail := func(text string) (*File, error) {
			return nil, &SyntaxError{File: name, Line: number, Text: text}
		}
		line = strings.TrimSpace(withoutComment(line))
		if line == "" {
			continue
		}
		if line[0] == '[' {
			category, ok := strings.CutSuffix(line[1:], "]")
			category = strings.TrimSpace(category)
			if !ok || category == "" {
				return fail("want [category]")
			}
			group = &Group{Name: category}
			f.Root.Items = append(f.Root.Items,
				&Item{Name: category, File: name, Line: number, Kind: Nested, Group: group})
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return fail("want name = value or [category]")
		}
		if key = strings.TrimSpace(key); key == "" {
			return fail("no name before =")
		}
		value = strings.TrimSpace(strings.TrimPrefix(value, ">"))
		group.Items = append(group.Items, &Item{Name: key, File: name, Line: number, Text: value})
	}
	return f, nil
}

const bom = "\ufeff"

// withoutComment cuts off the comment and resolves "\;".
func withoutComment(line string) string {
	if !strings.Contains(line, ";") {
		return line
	}
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '\\' && i+1 < len(line) && line[i+1] == ';':
			b.WriteByte(';')
			i++
		case line[i] == ';':
			return b.String()
		default:
			b.WriteByte(line[i])
		}
	}
	return b.String()
}
