package websockets

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct{ msg, want string }{
		{`{}`, `{}`},
		{` {} `, ` {} `},
		{`{}{}`, `{}|{}`},
		{"{}\r\n\t {\"a\":[1]}\n", `{}|{"a":[1]}`},
		{`{"a":"\"}"}{"b":"\\"}`, `{"a":"\"}"}|{"b":"\\"}`},
		{`[1][2]`, `[1]|[2]`},
		{`{}{`, `{}{`},
		{`{}}`, `{}}`},
		{`{}[}]`, `{}[}]`},
		{`{},{}`, `{},{}`},
		{`{}"x"`, `{}"x"`},
		{`{"a":x}{}`, `{"a":x}{}`},
		{``, ``},
		{strings.Repeat("{}", maxParts+1), strings.Repeat("{}", maxParts+1)},
	} {
		if got := string(bytes.Join(split([]byte(c.msg)), []byte("|"))); got != c.want {
			t.Errorf("%s: %s, want %s", c.msg, got, c.want)
		}
	}
	if n := len(split([]byte(strings.Repeat("{}", maxParts)))); n != maxParts {
		t.Errorf("%d parts", n)
	}
}

// FuzzSplit compares with the standard library's stream decoder.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{`{}`, `{}{}`, `{"a":1} [2]`, `{"a":"}{"}{"b":"\""}`, `{}x`, `1 2`, `"a""b"`, `{}{`, `[[[]]]{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		got := split(msg)
		want := stream(msg)
		if want == nil {
			want = [][]byte{msg}
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%q: %q, want %q", msg, got, want)
		}
	})
}

// stream is nil unless msg is a row of two or more objects and arrays.
func stream(msg []byte) [][]byte {
	d := json.NewDecoder(bytes.NewReader(msg))
	var all [][]byte
	for {
		var v json.RawMessage
		err := d.Decode(&v)
		switch {
		case errors.Is(err, io.EOF) && len(all) > 1 && len(all) <= maxParts:
			return all
		case err != nil || v[0] != '{' && v[0] != '[':
			return nil
		}
		all = append(all, v)
	}
}
