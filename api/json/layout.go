package json

// Layout is a way to lay out JSON text.
type Layout uint8

// Layouts.
const (
	Compact  Layout = iota // no white space
	Plain                  // one line, a space after ':' and ','
	Indented               // a line for each value, 3 spaces a level
)

// ParseLayout maps a configuration value to a Layout.
func ParseLayout(s string) (Layout, bool) {
	switch s {
	case "compact":
		return Compact, true
	case "plain":
		return Plain, true
	case "indented":
		return Indented, true
	}
	return Compact, false
}

// Relayout appends src, a compact JSON value, to dst in another layout.
func Relayout(dst, src []byte, l Layout) []byte {
	if l == Compact {
		return append(dst, src...)
	}
	depth := 0
	newline := func() {
		dst = append(dst, '\n')
		for range depth {
			dst = append(dst, "   "...)
		}
	}
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch c {
		case '"':
			n := stringLen(src[i:])
			dst = append(dst, src[i:i+n]...)
			i += n - 1
		case '{', '[':
			dst = append(dst, c)
			if i+1 < len(src) && (src[i+1] == '}' || src[i+1] == ']') {
				i++
				dst = append(dst, src[i])
			} else if depth++; l == Indented {
				newline()
			}
		case '}', ']':
			if depth--; l == Indented {
				newline()
			}
			dst = append(dst, c)
		case ',':
			if dst = append(dst, c); l == Indented {
				newline()
			} else {
				dst = append(dst, ' ')
			}
		case ':':
			dst = append(dst, ':', ' ')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// stringLen is the length of the quoted string that s begins with.
func stringLen(s []byte) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}
