package rest

import (
	"strconv"
	"strings"
)

// target is the target of the path of a request.
type target struct {
	word            string // "info" or "ping" below the base path
	session, handle uint64 // 0 if absent or not a decimal number
	depth           int    // number of parts below the base path
}

// parsePath takes a path apart: base, base/info, base/S or base/S/H. One part
// may follow a word and means nothing. ok is
// false if it is none of these. Empty parts, as a doubled slash makes them, are
// skipped.
func parsePath(base, path string) (t target, ok bool) {
	rest, ok := strings.CutPrefix(path, base)
	if !ok || rest != "" && rest[0] != '/' {
		return t, false
	}
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if part == "" {
			continue
		}
		switch t.depth {
		case 0:
			t.word, t.session = part, parseID(part)
		case 1:
			t.handle = parseID(part)
		default:
			return target{}, false
		}
		t.depth++
	}
	if t.word != "info" && t.word != "ping" {
		t.word = ""
		return t, true
	}
	return target{word: t.word, depth: 1}, true // whatever follows
}

// parseID reads an unsigned decimal number; 0 if it is none.
func parseID(s string) uint64 {
	id, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return id
}
