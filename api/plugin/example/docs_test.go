package example

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocs: the pieces of Go in docs/plugins.md are the plugin, in its order, and parts of
// its test.
func TestDocs(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	code, test := read("example.go"), read("example_test.go")
	if n := strings.Count(code, "\n"); n >= 150 {
		t.Errorf("the example has %d lines", n)
	}
	rest, tests := code, 0
	for _, m := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read("../../../docs/plugins.md"), -1) {
		switch after, is := strings.CutPrefix(rest, m[1]); {
		case is:
			rest = strings.TrimPrefix(after, "\n")
		case strings.Contains(test, m[1]):
			tests++
		default:
			t.Fatalf("this is neither in the test nor next in the plugin:\n%s\nwhich goes on with\n%.300s", m[1], rest)
		}
	}
	if rest != "" || tests == 0 {
		t.Errorf("%d pieces of the test, and this is missing of the plugin:\n%s", tests, rest)
	}
}
