package config

import (
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

func TestSetCategory(t *testing.T) {
	g := &Group{}
	g.Set("description", "a \"new\"\none\\")
	g.Set("publishers", "6")
	g.SetArray("allowed", "x", "y")
	sub := &Group{}
	sub.Set("mid", "v")
	g.SetList("media", sub)
	text := "{\n\tdescription = \"a \\\"new\\\"\\none\\\\\"\n\tpublishers = \"6\"\n\tallowed = [\n\t\t\"x\",\n\t\t\"y\"\n\t]\n" +
		"\tmedia = (\n\t\t{\n\t\t\tmid = \"v\"\n\t\t}\n\t)\n}"
	tests := []struct{ name, src, category, want string }{
		{"new", editSource, "room-3", editSource + "\nroom-3: " + text + "\n"},
		{"new in an empty file", "", "room-3", "room-3: " + text + "\n"},
		{"new behind a last line without end", "a = 1", "b", "a = 1\n\nb: " + text + "\n"},
		{"replace", editSource, "room-1", strings.Replace(editSource, "room-1: {\n\tdescription = \"one\"\n};", "room-1: "+text, 1)},
		{"replace, other case", editSource, "ROOM-2", strings.Replace(editSource, `room-2: { description = "two" }`, "ROOM-2: "+text, 1)},
		{"duplicates", "a: {}\nb = 1\na: {}\n", "a", "b = 1\na: " + text + "\n"},
		{"byte order mark", "\ufeffa: {} b = 1", "a", "\ufeffa: " + text + " b = 1"},
	}
	for _, tt := range tests {
		got, err := SetCategory([]byte(tt.src), tt.category, g)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\n%s\nwant:\n%s", tt.name, err, got, tt.want)
			continue
		}
		f, err := Parse("x.jcfg", got, func(string) ([]byte, error) { return nil, nil })
		if err != nil {
			t.Errorf("%s: result cannot be parsed: %v", tt.name, err)
		} else if dump(f.Category(tt.category)) != dump(g) {
			t.Errorf("%s: reads as %s", tt.name, dump(f.Category(tt.category)))
		}
	}
}

func TestRemoveCategory(t *testing.T) {
	tests := []struct{ name, src, category, want string }{
		{"absent", editSource, "room-3", editSource},
		{"several lines", editSource, "room-1", strings.Replace(editSource, "room-1: {\n\tdescription = \"one\"\n};\n", "", 1)},
		{"line shared with a comment", editSource, "room-2", strings.Replace(editSource, `room-2: { description = "two" }`, "", 1)},
		{"between empty lines", "a: {}\n\nb: {}\n\nc: {}\n", "b", "a: {}\n\nc: {}\n"},
		{"first", "a: {}\n\nb: {}\n", "a", "b: {}\n"},
		{"last without end of line", "a: {}\nb: {}", "B", "a: {}\n"},
		{"all of that name", "a: {}\nb: {}\nA: {}\n", "a", "b: {}\n"},
		{"only outside of groups", "b: { a: {} }\na: {}\n", "a", "b: { a: {} }\n"},
	}
	for _, tt := range tests {
		got, err := RemoveCategory([]byte(tt.src), tt.category)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\n%q\nwant\n%q", tt.name, err, got, tt.want)
		}
	}
}

func TestEditErrors(t *testing.T) {
	if _, err := SetCategory([]byte("a = {"), "b", &Group{}); err == nil || !strings.Contains(err.Error(), ":1: { without }") {
		t.Errorf("broken source: %v", err)
	}
	if _, err := RemoveCategory([]byte("a = {"), "b"); err == nil {
		t.Error("broken source: no error")
	}
	for _, name := range []string{"", "my room", "1room", "a}", "a\"b", "größe"} {
		if _, err := SetCategory(nil, name, &Group{}); err == nil || !strings.Contains(err.Error(), "cannot be a name") {
			t.Errorf("category %q: %v", name, err)
		}
		g := &Group{}
		g.Set(name, "x")
		if _, err := Marshal(g); err == nil {
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
		// Editing one category leaves the others alone.
		g := &Group{}
		g.Set("k", "v")
		for _, edit := range []func() ([]byte, error){
			func() ([]byte, error) { return SetCategory(src, "a", g) },
			func() ([]byte, error) { return RemoveCategory(src, "a") },
		} {
			out, err := edit()
			if err != nil {
				t.Fatal(err)
			}
			edited, err := Parse("x.jcfg", out, nothing)
			if err != nil {
				t.Fatalf("%v after editing:\n%q", err, out)
			}
			if dump(without(edited.Root, "a")) != dump(without(file.Root, "a")) {
				t.Fatalf("editing changed more than it should:\n%q", out)
			}
		}
	})
}

func without(g *Group, name string) *Group {
	out := &Group{}
	for _, it := range g.Items {
		if !strings.EqualFold(it.Name, name) {
			out.Items = append(out.Items, it)
		}
	}
	return out
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
