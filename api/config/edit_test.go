package config

import (
	"errors"
	"strings"
	"testing"
)

const editSource = `# rooms of this house
general: {
	admin_key = "x"	# keep me
}

// the first one
room-1: {
	description = "one"
};

room-2: { description = "two" } # on one line
@include "more.jcfg"
`

// byName takes the name of a category for its key, byID the setting id.
func byName(c *Group) string {
	if strings.EqualFold(c.Name, "general") {
		return ""
	}
	return c.Name
}

func byID(c *Group) string {
	if strings.EqualFold(c.Name, "general") {
		return ""
	}
	return c.String("id")
}

func without(name string) ([]byte, error) { return nil, nil }

// settingsOf makes settings of pairs.
func settingsOf(pairs ...string) *Group {
	g := &Group{}
	for i := 0; i < len(pairs); i += 2 {
		g.Set(pairs[i], pairs[i+1])
	}
	return g
}

// put puts an entry in a text.
func put(src, key string, by func(*Group) string, g *Group, names ...string) (string, error) {
	d := &document{path: "x.jcfg", key: by, include: without, src: []byte(src)}
	err := d.edit(key, true, func() error {
		return d.put(key, names, func(string) (*Group, error) { return g, nil })
	})
	return string(d.src), err
}

// remove takes an entry out of a text.
func remove(src, key string, by func(*Group) string) (string, error) {
	d := &document{path: "x.jcfg", key: by, include: without, src: []byte(src)}
	err := d.edit(key, false, func() error { return d.remove(key) })
	return string(d.src), err
}

func TestPutEntry(t *testing.T) {
	g := settingsOf("description", "a \"new\"\none\\", "publishers", "6")
	g.SetArray("allowed", "x", "y")
	g.SetList("media", settingsOf("mid", "v"))
	text := "{\n\tdescription = \"a \\\"new\\\"\\none\\\\\"\n\tpublishers = \"6\"\n\tallowed = [\n\t\t\"x\",\n\t\t\"y\"\n\t]\n" +
		"\tmedia = (\n\t\t{\n\t\t\tmid = \"v\"\n\t\t}\n\t)\n}"
	tests := []struct{ name, src, category, want string }{
		{"new", editSource, "room-3", editSource + "\nroom-3: " + text + "\n"},
		{"new in an empty file", "", "room-3", "room-3: " + text + "\n"},
		{"new behind a last line without end", "a = 1", "b", "a = 1\n\nb: " + text + "\n"},
		{"new behind an empty line", "a = 1\n\n", "b", "a = 1\n\nb: " + text + "\n"},
		{"replace", editSource, "room-1", strings.Replace(editSource, "room-1: {\n\tdescription = \"one\"\n};", "room-1: "+text, 1)},
		{"other case", editSource, "ROOM-2", editSource + "\nROOM-2: " + text + "\n"},
		{"duplicates", "a: {}\nb = 1\na: {}\n", "a", "b = 1\na: " + text + "\n"},
		{"byte order mark", "\ufeffa: {} b = 1", "a", "\ufeffa: " + text + " b = 1"},
	}
	for _, tt := range tests {
		got, err := put(tt.src, tt.category, byName, g, tt.category)
		if err != nil || got != tt.want {
			t.Errorf("%s: %v\n%s\nwant:\n%s", tt.name, err, got, tt.want)
			continue
		}
		f, err := Parse("x.jcfg", []byte(got), without)
		if err != nil {
			t.Errorf("%s: result cannot be parsed: %v", tt.name, err)
		} else if it := f.Root.last(tt.category); it == nil || dump(it.Group) != dump(g) {
			t.Errorf("%s: reads as %s", tt.name, dump(f.Root))
		}
	}
}

// Entries that have an id of their own are found by it alone, whatever their
// names and the keys are.
func TestEntriesByID(t *testing.T) {
	const src = "general: { admin_key = \"k\" }\ncam: { id = 1 }\nother: { id = 2 }\nx = 1\n"
	for _, tt := range []struct {
		key, category string
		names         []string
	}{
		{"3", "mp-3", []string{"general", "mp-3"}},
		{"3", "mp-3", []string{"GENERAL", "mp-3"}},
		{"3", "mp-3", []string{"cam", "mp-3"}},
		{"3", "mp-3", []string{"CAM", "mp-3"}},
		{"3", "mp-3", []string{"my cam", "mp-3"}},
		{"3", "cam-2", []string{"cam"}},
		{"3", "x-2", []string{"x"}},
		{"3", "general-2", []string{"general"}},
		{"1", "cam", []string{"other", "mp-1"}},
	} {
		got, err := put(src, tt.key, byID, settingsOf("id", tt.key, "v", "new"), tt.names...)
		if err != nil {
			t.Errorf("%s as %s: %v", tt.key, tt.names, err)
			continue
		}
		f, err := Parse("x.jcfg", []byte(got), nil)
		if err != nil {
			t.Fatal(err)
		}
		if g := f.Category(tt.category); g.String("id") != tt.key || g.String("v") != "new" {
			t.Errorf("%s as %s:\n%s", tt.key, tt.names, got)
		}
		if back, err := remove(got, tt.key, byID); err != nil {
			t.Errorf("%s: %v", tt.key, err)
		} else if tt.key == "3" && back != src {
			t.Errorf("%s as %s, removed:\n%s", tt.key, tt.names, back)
		}
	}
}

func TestRemoveEntry(t *testing.T) {
	tests := []struct{ name, src, category, want string }{
		{"absent", editSource, "room-3", editSource},
		{"several lines", editSource, "room-1", strings.Replace(editSource, "room-1: {\n\tdescription = \"one\"\n};\n", "", 1)},
		{"line shared with a comment", editSource, "room-2", strings.Replace(editSource, `room-2: { description = "two" }`, " ", 1)},
		{"between empty lines", "a: {}\n\nb: {}\n\nc: {}\n", "b", "a: {}\n\nc: {}\n"},
		{"between empty lines of another system", "a: {}\r\n\r\nb: {}\r\n\r\nc: {}\r\n", "b", "a: {}\r\n\r\nc: {}\r\n"},
		{"first", "a: {}\n\nb: {}\n", "a", "b: {}\n"},
		{"last", "a: {}\n\nb: {}\n", "b", "a: {}\n"},
		{"last without end of line", "a: {}\nb: {}", "b", "a: {}\n"},
		{"the only one", "a: {}\n", "a", ""},
		{"all of that name", "a: {}\nb: {}\na: {}\n", "a", "b: {}\n"},
		{"only that case", "a: {}\nA: {}\n", "a", "A: {}\n"},
		{"only outside of groups", "b: { a: {} }\na: {}\n", "a", "b: { a: {} }\n"},
	}
	for _, tt := range tests {
		got, err := remove(tt.src, tt.category, byName)
		if err != nil || got != tt.want {
			t.Errorf("%s: %v\n%q\nwant\n%q", tt.name, err, got, tt.want)
		}
	}
}

// What is added and removed again leaves nothing behind.
func TestNothingPilesUp(t *testing.T) {
	for _, before := range []string{"", "a: {}\n", "# c\n\na: {}\n\nb: {}\n", "a: {}\n\n", "a: {}\r\n"} {
		src := before
		for range 3 {
			var err error
			for _, name := range []string{"x", "y", "z"} {
				if src, err = put(src, name, byName, settingsOf("k", "v"), name); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{"y", "z", "x"} {
				if src, err = remove(src, name, byName); err != nil {
					t.Fatal(err)
				}
			}
		}
		if strings.TrimRight(src, "\r\n") != strings.TrimRight(before, "\r\n") || len(src) > len(before) {
			t.Errorf("%q became %q", before, src)
		}
	}
}

func TestSetInEntry(t *testing.T) {
	array := &Group{}
	array.SetArray("allowed", "x")
	const text = "allowed = [\n\t\t\"x\"\n\t]"
	for _, tt := range []struct {
		name, src, want string
		value           *Group
	}{
		{"new", "a: {\n\tb = 1 # c\n}\n", "a: {\n\tb = 1 # c\n\t" + text + "\n}\n", array},
		{"new on one line", "a: { b = 1 };\n", "a: { b = 1  " + text + " };\n", array},
		{"new behind nothing", "a:{},b=2", "a:{ " + text + " },b=2", array},
		{"replace", "a: {\n\tALLOWED = [ \"y\" ]; # c\n\td = 1\n}\n", "a: {\n\t" + text + " # c\n\td = 1\n}\n", array},
		{"replace the last", "a: {\n\tallowed = 1\n\tallowed = 2\n}\n", "a: {\n\t" + text + "\n}\n", array},
		{"take out", "a: {\n\tallowed = [ \"y\" ]\n\td = 1\n}\n", "a: {\n\td = 1\n}\n", &Group{}},
		{"nothing to take out", "a: { d = 1 }", "a: { d = 1 }", &Group{}},
	} {
		d := &document{path: "x.jcfg", key: byName, include: without, src: []byte(tt.src)}
		err := d.edit("a", true, func() error { return d.set("a", "allowed", tt.value.Get("allowed")) })
		if err != nil || string(d.src) != tt.want {
			t.Errorf("%s: %v\n%q\nwant\n%q", tt.name, err, d.src, tt.want)
		}
	}
}

func TestEditErrors(t *testing.T) {
	if _, err := put("a = {", "b", byName, &Group{}, "b"); err == nil || !strings.Contains(err.Error(), ":1: { without }") {
		t.Errorf("broken source: %v", err)
	}
	if _, err := remove("a = {", "b", byName); err == nil {
		t.Error("broken source: no error")
	}
	for _, name := range []string{"my room", "1room", "a}", "a\"b", "größe", "general", "a"} {
		if got, err := put("a = 1\n", name, byName, &Group{}, name); err == nil || got != "a = 1\n" {
			t.Errorf("category %q: %v\n%s", name, err, got)
		}
	}
	for _, name := range []string{"", "my room", "1room", "a}", "a\"b", "größe"} {
		if _, err := Marshal(settingsOf(name, "x")); err == nil {
			t.Errorf("setting %q: no error", name)
		}
	}
}

func TestMarshalRoundTrip(t *testing.T) {
	f, err := Parse("x.jcfg", []byte(`a = 1; g: { b = "\x00\x7f\t\xff"; m = ( { c = [ "x" ] }, 2, () ) } e: {}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Marshal(f.Root)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("x.jcfg", text, nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if dump(again.Root) != dump(f.Root) {
		t.Errorf("got %s, want %s", dump(again.Root), dump(f.Root))
	}
}

func TestGroupSetReplaces(t *testing.T) {
	g := &Group{}
	g.Set("a", "1")
	g.Set("b", "2")
	g.Set("A", "3")
	sub := &Group{}
	sub.Set("x", "1")
	g.SetGroup("b", sub)
	if got, want := dump(g), `A="3" b={x="1"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzJcfg(f *testing.F) {
	for _, seed := range []string{editSource, "", "a = 1", "a = [1, 0x2, 3.5, true]", "m = ( { a: \"x\\n\" \"y\" }, () )",
		"/* c */ // d\n# e\n", "a = tcp://x:1 b = /y", "@include \"x\"", "a = \"\\x", "\ufeffa: {}\n\na: {}\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		nothing := func(string) ([]byte, error) { return nil, nil }
		file, err := Parse("x.jcfg", src, nothing)
		if err != nil {
			return
		}
		text, err := Marshal(file.Root)
		if err != nil {
			t.Fatalf("parsed but cannot be written: %v", err)
		}
		again, err := Parse("x.jcfg", text, nil)
		if err != nil || dump(again.Root) != dump(file.Root) {
			t.Fatalf("%v: written as\n%s", err, text)
		}
	})
}

// FuzzStore: whatever the file is and the entry is called, no other one changes,
// and what was put is there, until it is removed.
func FuzzStore(f *testing.F) {
	for _, seed := range []struct{ src, key, name string }{
		{editSource, "room-3", "room-3"}, {editSource, "room-1", "room-1"}, {"", "1", "a"},
		{"general: { admin_key = \"k\" }\ncam: { id = 1 }\n", "2", "general"},
		{"general: { admin_key = \"k\" }\ncam: { id = 1 }\n", "2", "CAM"},
		{"cam: { id = 1 }\ncam: { id = 2 }\nCAM: { id = 1 }", "1", "cam"},
		{"\ufeffa: {}\n\na: {}\n", "a", "a"}, {"room-abc: {} room-ABC: {}", "room-abc", "room-abc"},
		{"a:{}b:{}\"", "b", "b"}, {"x=1a:{}", "a", "a"}, {"a: {\n\tallowed = 1\n\tallowed = 2 }", "a", "x y"}, {"a = 1 # x", "a", "a"},
	} {
		f.Add([]byte(seed.src), seed.key, seed.name)
	}
	f.Fuzz(func(t *testing.T, src []byte, key, name string) {
		file, err := Parse("x.jcfg", src, without)
		if err != nil || key == "" {
			return
		}
		for _, by := range []func(*Group) string{byName, byID} {
			others := func(text string) string {
				t.Helper()
				f, err := Parse("x.jcfg", []byte(text), without)
				if err != nil {
					t.Fatalf("%v in\n%q", err, text)
				}
				rest := &Group{}
				for _, it := range f.Root.Items {
					if it.Kind != Nested || by(it.Group) != key {
						rest.Items = append(rest.Items, it)
					}
				}
				return dump(rest)
			}
			before := others(string(src))
			text, err := put(string(src), key, by, settingsOf("id", key, "k", "v"), name, "entry")
			if err == nil {
				if others(text) != before {
					t.Fatalf("putting %q changed more than it should:\n%q", key, text)
				}
				f, _ := Parse("x.jcfg", []byte(text), without)
				n := 0
				for c := range f.Entries() {
					if by(c) == key {
						if n++; c.String("k") != "v" {
							t.Fatalf("%q reads as %s", key, dump(c))
						}
					}
				}
				if n != 1 {
					t.Fatalf("%d entries are %q:\n%q", n, key, text)
				}
			} else if text != string(src) {
				t.Fatalf("changed in spite of %v", err)
			}
			for _, from := range []string{text, string(src)} {
				gone, err := remove(from, key, by)
				if err != nil {
					t.Fatalf("%q cannot be removed: %v", key, err)
				}
				if others(gone) != before {
					t.Fatalf("removing %q changed more than it should:\n%q", key, gone)
				}
			}
			for it := range file.Root.All() {
				if it.Kind == Nested && by(it.Group) == key {
					d := &document{path: "x.jcfg", key: by, include: without, src: src}
					if err := d.edit(key, true, func() error { return d.set(key, "allowed", &Item{Kind: Array}) }); err != nil && !errors.Is(err, errNoEntry) {
						t.Fatalf("allowed cannot be set: %v", err)
					} else if others(string(d.src)) != before {
						t.Fatalf("setting in %q changed more than it should:\n%q", key, d.src)
					}
				}
			}
		}
	})
}

func FuzzINI(f *testing.F) {
	for _, seed := range []string{"", "[g]\na = 1", "a => b\\;c ; d\n[x]", "\ufeff;\n", "[", "=", "a=\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		file, err := Parse("x.cfg", src, nil)
		if err != nil {
			return
		}
		for it := range file.Root.All() {
			if it.Name == "" || it.Kind == Scalar && it.Text != strings.TrimSpace(it.Text) {
				t.Fatalf("%q = %q", it.Name, it.Text)
			}
		}
	})
}
