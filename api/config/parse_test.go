package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// dump writes a group in a form that tests can compare.
func dump(g *Group) string {
	var parts []string
	for _, it := range g.Items {
		parts = append(parts, it.Name+"="+dumpValue(it))
	}
	return strings.Join(parts, " ")
}

func dumpValue(it *Item) string {
	switch it.Kind {
	case Nested:
		return "{" + dump(it.Group) + "}"
	case Array, List:
		var parts []string
		for _, e := range it.Items {
			parts = append(parts, dumpValue(e))
		}
		brackets := "[]"
		if it.Kind == List {
			brackets = "()"
		}
		return brackets[:1] + strings.Join(parts, ",") + brackets[1:]
	}
	return fmt.Sprintf("%q", it.Text)
}

func TestParseJcfg(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"empty", "", ""},
		{"byte order mark", "\ufeffa = 1", `a="1"`},
		{"assignments", `a = "1"; b: "2", c="3"`, `a="1" b="2" c="3"`},
		{"no terminators", "a = 1 b = 2\nc = 3", `a="1" b="2" c="3"`},
		{"names", "room-1234: {} *x_9 = 1", `room-1234={} *x_9="1"`},
		{"groups", "g: { a = 1; h = { b = 2 }, }; x = 3", `g={a="1" h={b="2"}} x="3"`},
		{"arrays", `a = [ "x", 1, true ] b = [] c = [ 1, ]`, `a=["x","1","true"] b=[] c=["1"]`},
		{"lists", `m = ( { a = 1 }, ( 2, [ 3 ] ), "x" ); n = ()`, `m=({a="1"},("2",["3"]),"x") n=()`},
		{"integers", "a = 10 b = -7 c = +3 d = 0x1F e = 10L f = 5LL g = 007", `a="10" b="-7" c="3" d="31" e="10" f="5" g="7"`},
		{"extremes", "a = 9223372036854775807 b = -9223372036854775808 c = 0xFFFFFFFFFFFFFFFF", `a="9223372036854775807" b="-9223372036854775808" c="-1"`},
		{"floats", "a = 1.5 b = .5 c = -2e3 d = 1.", `a="1.500000" b="0.500000" c="-2000.000000" d="1.000000"`},
		{"booleans", "a = true b = FALSE c = True", `a="true" b="false" c="true"`},
		{"escapes", `a = "\n\t\r\f\"\\\x41\x1b[0m\q\xZZ"`, `a="\n\t\r\f\"\\A\x1b[0m\\q\\xZZ"`},
		{"strings next to each other", "a = \"x\" \"y\"\n\t# no\n\"z\" b = 1", `a="xyz" b="1"`},
		{"string of several lines", "a = \"x\ny\" b = 1", `a="x\ny" b="1"`},
		{"comments", "# a = 1\n// b = 2\n/* c = 3\n*/ d = 4 // e\nf = 5 # g\nh = 6/**/i = 7//", `d="4" f="5" h="6" i="7"`},
		{"comment signs in strings", `a = "# // /* x" b = 1`, `a="# // /* x" b="1"`},
		{"carriage returns", "a = 1\r\nb = 2\r\n", `a="1" b="2"`},
		{"duplicates stay in order", "a = 1 A = 2 a = 3", `a="1" A="2" a="3"`},
		{"no quotes", "certfile = /etc/ssl/x.pem\nip = 1.2.3.4; url = tcp://h:1883#c\nyes = yes", `certfile="/etc/ssl/x.pem" ip="1.2.3.4" url="tcp://h:1883" yes="yes"`},
		{"UTF-8", `a = "größe"`, `a="größe"`},
	}
	for _, tt := range tests {
		f, err := Parse("x.jcfg", []byte(tt.src), nil)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if got := dump(f.Root); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestJcfgErrors(t *testing.T) {
	tests := []struct{ src, want string }{
		{"a = 1\nb = \"x\nc = 2\n", `f.jcfg:2: unterminated string`},
		{"a = \"x\\", `f.jcfg:1: unterminated string`},
		{"\n/* x", `f.jcfg:2: unterminated comment`},
		{"a = 1\ng: {\n b = 1\n\n", `f.jcfg:2: { without }`},
		{"a = [ 1,\n", `f.jcfg:1: [ without ]`},
		{"a = ( 1\n", `f.jcfg:1: ( without )`},
		{"a = 1 }", `f.jcfg:1: want the name of a setting, got "}"`},
		{"g: { a = 1 ]", `f.jcfg:1: want the name of a setting or }, got "]"`},
		{"\na 1", `f.jcfg:2: want = or : after "a", got "1"`},
		{"a = ", `f.jcfg:1: want a value, got the end of the file`},
		{"a = ;", `f.jcfg:1: want a value, got ";"`},
		{"9a = 1", `f.jcfg:1: want the name of a setting, got "9a"`},
		{"a = x y = 1 z", `f.jcfg:1: want = or : after "z", got the end of the file`},
		{"\"a\" = 1", `f.jcfg:1: want the name of a setting, got a string`},
		{"a = [ 1 2 ]", `f.jcfg:1: want , or ], got "2"`},
		{"a = [ { } ]", `f.jcfg:1: [ ] holds single values only, use ( ) here`},
		{"a = 99999999999999999999", `f.jcfg:1: 99999999999999999999 is not a number of 64 bits`},
		{"a = 0xFFFFFFFFFFFFFFFFF", `f.jcfg:1: 0xFFFFFFFFFFFFFFFFF does not fit in 64 bits`},
		{"a = \x01", `f.jcfg:1: unexpected character '\x01'`},
		{"@foo", `f.jcfg:1: unexpected "@", only @include "file" begins with it`},
		{"@include x", `f.jcfg:1: want "file" after @include, got "x"`},
		{"\n@include \"x\"", `f.jcfg:2: @include is not possible here`},
		{"a = \"x\nb = \"y\"\n", `f.jcfg:2: unterminated string (a string from line 1 ends here, is a quote missing?)`},
		{"a = \"x\nb = \"y 2", `f.jcfg:2: want = or : after "y", got "2" (a string from line 1 ends here, is a quote missing?)`},
		{strings.Repeat("a:{", 100), `f.jcfg:1: nested more than 64 deep`},
		{"a = " + strings.Repeat("(", 100), `f.jcfg:1: nested more than 64 deep`},
	}
	for _, tt := range tests {
		_, err := Parse("f.jcfg", []byte(tt.src), nil)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%.40q:\n got %v\nwant %v", tt.src, err, tt.want)
		}
	}
}

func TestLines(t *testing.T) {
	f, err := Parse("x.jcfg", []byte("\n/* \n\n */ a = 1\n\ng: {\n\tb = \"x\ny\"\n\tc = [\n\t\t1\n\t]\n}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	g := f.Category("g")
	for _, tt := range []struct {
		it   *Item
		line int
	}{{f.Root.Get("a"), 4}, {f.Root.Get("g"), 6}, {g.Get("b"), 7}, {g.Get("c"), 9}, {g.List("c")[0], 10}} {
		if tt.it.Line != tt.line || tt.it.File != "x.jcfg" {
			t.Errorf("%s: %s:%d, want line %d", tt.it.Name, tt.it.File, tt.it.Line, tt.line)
		}
	}
}

func TestLookup(t *testing.T) {
	f, err := Parse("x.jcfg", []byte(`General: { a = 1; A = 2; b = "x" }; other: { c = 1 }; GENERAL: { a = 3; list = [1, 2]; sub: { x = 1 } }`), nil)
	if err != nil {
		t.Fatal(err)
	}
	g := f.Category("general")
	if g.String("A") != "3" || g.Get("b") != nil {
		t.Errorf("the last group does not replace the first: %s", dump(g))
	}
	var names []string
	for c := range f.Categories() {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "other GENERAL" {
		t.Errorf("Categories = %q", got)
	}
	if g.String("list") != "" || g.String("none") != "" || len(g.List("list")) != 2 || g.List("a") != nil ||
		g.Group("sub").String("X") != "1" || g.Group("a") != nil {
		t.Error("lookup by kind is wrong")
	}
	var none *File
	if none.Category("x").Group("y").String("z") != "" {
		t.Error("lookup in nothing finds something")
	}
	for range none.Categories() {
		t.Error("a nil File has categories")
	}
}

func TestInclude(t *testing.T) {
	files := map[string]string{
		"b.inc":    "b = 1\n@include \"c.inc\"\nd = 2",
		"c.inc":    "c = { x = 1 }",
		"bad.inc":  "ok = 1\n}",
		"open.inc": "ok = 1\ng: {",
		"self.inc": "@include \"self.inc\" @include \"self.inc\"",
	}
	include := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, errors.New("no such file")
	}
	f, err := Parse("a.jcfg", []byte("a = 0\n@include \"b.inc\"\ng: {\n@include \"c.inc\"\n}"), include)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := dump(f.Root), `a="0" b="1" c={x="1"} d="2" g={c={x="1"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if it := f.Root.Get("d"); it.File != "b.inc" || it.Line != 3 {
		t.Errorf("d comes from %s:%d", it.File, it.Line)
	}
	if it := f.Root.Get("g"); it.File != "a.jcfg" || it.Line != 3 {
		t.Errorf("g comes from %s:%d", it.File, it.Line)
	}
	for src, want := range map[string]string{
		`@include "none"`:     `a.jcfg:1: @include "none": no such file`,
		`@include "bad.inc"`:  `bad.inc:2: want the name of a setting, got "}"`,
		`@include "open.inc"`: `open.inc:2: { without }`,
		`@include "self.inc"`: `self.inc:1: more than 64 @include`,
	} {
		if _, err := Parse("a.jcfg", []byte(src), include); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", src, err, want)
		}
	}
}

func TestMissingQuotesAreWarnedOf(t *testing.T) {
	f, err := Parse("x.jcfg", []byte("a = 1\nb = /etc/x.pem\n"), nil)
	if err != nil || len(f.Warnings) != 1 {
		t.Fatalf("%v, %v", f, err)
	}
	p := f.Warnings[0]
	if want := `x.jcfg:2: b: quotes are missing around "/etc/x.pem", taken as text`; p.Error() != want || !p.Warning {
		t.Errorf("got %q, want %q", p.Error(), want)
	}
}

func TestParseINI(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"empty", "", ""},
		{"root", "a = 1\nb=2", `a="1" b="2"`},
		{"categories", "x = 0\n[general]\na = 1\n\n[ admin ]\r\nb => two words\r\n", `x="0" general={a="1"} admin={b="two words"}`},
		{"comments", "; all\na = 1 ; rest\nb = x\\;y;z\n[g] ; c\n c = 2", `a="1" b="x;y" g={c="2"}`},
		{"empty values", "a =\nb = ; nothing\nc =>\n", `a="" b="" c=""`},
		{"equals in values", "a = b=c\nd => e=>f", `a="b=c" d="e=>f"`},
		{"no quoting", `a = "x"`, `a="\"x\""`},
		{"duplicates", "[g]\na = 1\na = 2\n[g]\nb = 3", `g={a="1" a="2"} g={b="3"}`},
		{"0.x", "[general]\nadmin_secret = mysecret\n", `general={admin_secret="mysecret"}`},
	}
	for _, tt := range tests {
		f, err := Parse("janus.cfg", []byte(tt.src), nil)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if got := dump(f.Root); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	f, _ := Parse("janus.cfg", []byte("[g]\na=1\n[g]\nb=2"), nil)
	if g := f.Category("g"); g.Get("a") != nil || g.String("b") != "2" || g.Get("b").Line != 4 {
		t.Errorf("the later category does not replace the earlier: %s", dump(g))
	}
	for src, want := range map[string]string{
		"a = 1\nfoo\n": "janus.cfg:2: want name = value or [category]",
		"\n[general":   "janus.cfg:2: want [category]",
		"[]":           "janus.cfg:1: want [category]",
		" = 1":         "janus.cfg:1: no name before =",
	} {
		if _, err := Parse("janus.cfg", []byte(src), nil); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", src, err, want)
		}
	}
}
