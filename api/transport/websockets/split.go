package websockets

import "encoding/json"

// maxParts is how many values one message may hold.
const maxParts = 256

// split separates the JSON objects and arrays that a message holds back to
// back. The parts lie in msg. A message that is not wholly a row of valid
// values is one part, for the core to refuse.
func split(msg []byte) [][]byte {
	var parts [][]byte
	for rest := msg; ; {
		for len(rest) > 0 && isSpace(rest[0]) {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			break
		}
		n := valueLen(rest)
		if n == 0 || len(parts) == maxParts {
			return [][]byte{msg}
		}
		parts = append(parts, rest[:n])
		rest = rest[n:]
	}
	if len(parts) < 2 {
		return [][]byte{msg}
	}
	for _, p := range parts {
		if !json.Valid(p) {
			return [][]byte{msg}
		}
	}
	return parts
}

// valueLen finds the end of the object or array that b begins with, by its
// brackets; 0 if there is none.
func valueLen(b []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth == 0 {
			if c := b[i]; c == '}' || c == ']' {
				return i + 1
			}
			return 0
		}
	}
	return 0
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
