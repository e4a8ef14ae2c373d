package videoroom

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (hs *service) read() string {
	hs.t.Helper()
	b, err := os.ReadFile(hs.file)
	if err != nil {
		hs.t.Fatal(err)
	}
	return string(b)
}

// restarted is the service after a start with the file as it is.
func (hs *service) restarted() *service {
	hs.t.Helper()
	return newService(hs.t, hs.read())
}

// What is saved is there after a start, whatever a client calls it, and nothing
// else in the file changes.
func TestSavedRoomsAreReadBack(t *testing.T) {
	const strs, numbers = "general: { string_ids = true, admin_key = \"k\" }\n", "general: { admin_key = \"k\" }\n"
	for _, tt := range []struct{ file, first, second string }{
		{strs, `"abc"`, `"ABC"`},
		{strs, `"general"`, `"room-general"`},
		{strs, `"room-general"`, `"GENERAL"`},
		{strs, `"7"`, `"007"`},
		{strs, `"my room"`, `"a"`},
		{strs, `"größe"`, `"a}"`},
		{numbers, `1234567890123456789`, `9223372036854775807`},
		{numbers, `7`, `70`},
	} {
		hs := newService(t, tt.file+"# mine\n")
		g := hs.attach()
		said := make(map[string]bool)
		for i, room := range []string{tt.first, tt.second} {
			pin := []string{"one", "two"}[i]
			answer := g.do(`{"request":"create","room":`+room+`,"admin_key":"k","pin":"`+pin+`","permanent":true}`, "")
			if !strings.Contains(answer, `"created"`) {
				t.Fatalf("%s: %s", room, answer)
			}
			said[room] = strings.Contains(answer, `"permanent":true`)
		}
		if !strings.HasPrefix(hs.read(), tt.file+"# mine\n") {
			t.Errorf("the rest has changed:\n%s", hs.read())
		}
		again := hs.restarted()
		if _, problems := New(filepath.Dir(again.file)).Check(); len(problems) > 0 {
			t.Errorf("what was saved is wrong: %v", problems)
		}
		if again.plugin.general.adminKey != "k" {
			t.Errorf("%s, %s: the admin key is gone", tt.first, tt.second)
		}
		for i, room := range []string{tt.first, tt.second} {
			pin := []string{"one", "two"}[i]
			r := again.plugin.room(strings.Trim(room, `"`))
			if (r != nil) != said[room] || r != nil && r.PIN != pin {
				t.Errorf("room %s, said to be permanent: %v: %v after a start in\n%s", room, said[room], r, hs.read())
			}
		}
		g.must(`{"request":"destroy","room":`+tt.first+`,"permanent":true}`, "", `"destroyed"`)
		again = hs.restarted()
		if r := again.plugin.room(strings.Trim(tt.second, `"`)); (r != nil) != said[tt.second] || r != nil && r.PIN != "two" {
			t.Errorf("without %s: %s is %v in\n%s", tt.first, tt.second, r, hs.read())
		}
		if again.plugin.room(strings.Trim(tt.first, `"`)) != nil {
			t.Errorf("%s was removed", tt.first)
		}
	}
}

// A room is never more open after a start than before.
func TestAllowedIsSaved(t *testing.T) {
	const file = "room-2: {\n\tdescription = \"Two\" # mine\n}\nroom-3: { allowed = [ \"c\" ] }\n"
	hs := newService(t, file)
	g := hs.attach()
	join := func(hs *service, room, token string) bool {
		return strings.Contains(hs.attach().do(`{"request":"join","ptype":"publisher","room":`+room+`,"token":"`+token+`"}`, ""), `"joined"`)
	}
	expect := func(when, room string, in, out []string) {
		t.Helper()
		for _, h := range []*service{hs, hs.restarted()} {
			for _, token := range in {
				if !join(h, room, token) {
					t.Errorf("%s: %s is kept out of room %s", when, token, room)
				}
			}
			for _, token := range out {
				if join(h, room, token) {
					t.Errorf("%s: %s is let into room %s", when, token, room)
				}
			}
		}
	}
	expect("in the file", "3", []string{"c"}, []string{"", "x"})
	g.must(`{"request":"create","room":1,"allowed":["a \"1\"\n"],"publishers":100,"permanent":true}`, "", `"permanent":true`)
	expect("created", "1", []string{`a \"1\"\n`}, []string{"", "x"})
	g.must(`{"request":"allowed","room":1,"action":"add","allowed":["b"]}`, "", `"success"`)
	expect("added", "1", []string{`a \"1\"\n`, "b"}, []string{"", "x"})
	g.must(`{"request":"allowed","room":1,"action":"remove","allowed":["a \"1\"\n"]}`, "", `"success"`)
	expect("removed", "1", []string{"b"}, []string{"", `a \"1\"\n`})
	g.must(`{"request":"edit","room":1,"new_description":"One","permanent":true}`, "", `"permanent":true`)
	expect("edited", "1", []string{"b"}, []string{"", "x"})
	g.must(`{"request":"allowed","room":2,"action":"enable"}`, "", `"success"`)
	expect("enabled", "2", nil, []string{"", "b"})
	if !strings.Contains(hs.read(), "description = \"Two\" # mine\n") {
		t.Errorf("more than that has changed:\n%s", hs.read())
	}
	g.must(`{"request":"allowed","room":2,"action":"disable"}`, "", `"success"`)
	expect("disabled", "2", []string{"", "x"}, nil)
	// What is not permanent stays out of the file.
	before := hs.read()
	g.must(`{"request":"create","room":9,"allowed":["a"]}`, "", `"created"`)
	g.must(`{"request":"allowed","room":9,"action":"add","allowed":["b"]}`, "", `"success"`)
	if hs.read() != before {
		t.Errorf("a room that is not permanent is in\n%s", hs.read())
	}
}

// An older file is not read in place of one that has gone.
func TestReloadOtherFile(t *testing.T) {
	hs := newService(t, "room-1: { secret = \"s\" }\n")
	if err := os.Rename(hs.file, strings.TrimSuffix(hs.file, ".jcfg")+".cfg"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(strings.TrimSuffix(hs.file, ".jcfg")+".cfg", []byte("[room-2]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if added, err := hs.plugin.Reload(); err == nil || len(added) > 0 || hs.plugin.room("2") != nil {
		t.Errorf("added %v, %v", added, err)
	}
}

// Reading the file again adds rooms; what protects those that there are stays.
func TestReloadKeepsSecrets(t *testing.T) {
	hs := newService(t, "general: { admin_key = \"k\" }\nroom-1: { secret = \"s\", pin = \"p\", allowed = [ \"t\" ] }\n")
	if err := os.WriteFile(hs.file, []byte("room-1: { }\nroom-2: { allowed = { } }\nroom-3: { allowed = \"a,b\" }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if added, err := hs.plugin.Reload(); err != nil || len(added) != 2 {
		t.Errorf("added %v, %v", added, err)
	}
	r := hs.plugin.room("1")
	if hs.plugin.general.adminKey != "k" || r.Secret != "s" || r.PIN != "p" || r.Tokens.Admit("x") || !r.Tokens.Admit("t") {
		t.Errorf("admin key %q, room %+v", hs.plugin.general.adminKey, r.settings)
	}
	if r := hs.plugin.room("2"); r.Tokens.Admit("") || r.Tokens.Admit("x") {
		t.Errorf("a list that is none lets in somebody: %v", r.Tokens)
	}
	if r := hs.plugin.room("3"); r.Tokens.Admit("a,b") || !r.Tokens.Admit("a") || !r.Tokens.Admit("b") {
		t.Errorf("a list with commas: %v", r.Tokens)
	}
}
