package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/config"
)

const (
	sampleINI = `; comment
top = 5
[general]
admin_key = secret ; comment
text = a\;b "quoted" \ x
num=10
NUM=11
[1234]
description = Demo Room
[room-5]
publishers = 6
`
	sampleJcfg = `# comment
general: {
	text = "a;b"
	n = 10; f = 1.5; b = true; h = 0x10
	arr = ["a", "b"]
	nest: { q = "1"; deep: { z = 1 } }
	list = ( { a = 1 }, "x" )
	after = "q"
}
x = 5
room-1: { description = "x" }
`
)

func convert(t *testing.T, source, text, target string) (result, string) {
	t.Helper()
	dir := t.TempDir()
	from, to := write(t, filepath.Join(dir, source), []byte(text)), filepath.Join(dir, target)
	r := run(nil, "janus-cfgconv", from, to)
	b, _ := os.ReadFile(to)
	return r, string(b)
}

func TestINIToJcfg(t *testing.T) {
	r, got := convert(t, "a.cfg", sampleINI, "a.jcfg")
	r.want(t, 0, "room-1234: {", "Bye!")
	for _, text := range []string{"# File automatically generated on ", `top = "5"`, `admin_key = "secret"`,
		`text = "a;b \"quoted\" \\ x"`, `NUM = "11"`, `room-1234: {`, `room-5: {`} {
		if !strings.Contains(got, text) {
			t.Errorf("no %s in\n%s", text, got)
		}
	}
	if strings.Contains(got, `"10"`) || strings.Contains(got, "comment") {
		t.Errorf("too much in\n%s", got)
	}
}

func TestJcfgToINI(t *testing.T) {
	r, got := convert(t, "a.jcfg", sampleJcfg, "a.cfg")
	r.want(t, 0, "Dropping array arr", "Dropping indented category nest", "Dropping indented category deep", "Dropping array list")
	_, body, _ := strings.Cut(got, "\n\n")
	want := "x = 5\n[general]\ntext = a\\;b\nn = 10\nf = 1.500000\nb = true\nh = 16\nq = 1\nz = 1\nafter = q\n\n[room-1]\ndescription = x\n\n"
	if body != want {
		t.Errorf("got\n%s\nwant\n%s", body, want)
	}
}

// What is in a file stays the same, as Janus's own tool reads it.
func TestConfigAsJanus(t *testing.T) {
	need(t, "janus-cfgconv")
	parsed := func(path string) string {
		out, err := exec.Command("janus-cfgconv", "--parse", path).Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", path, err, out)
		}
		_, text, _ := strings.Cut(string(out), "\n["+filepath.Base(path)+"]\n")
		_, text2, _ := strings.Cut(string(out), "["+filepath.Base(path)+"]\n")
		return text + text2
	}
	for _, x := range []struct{ source, text, target string }{
		{"a.cfg", sampleINI, "b.jcfg"}, {"a.cfg", sampleINI, "b.cfg"},
		{"a.jcfg", sampleJcfg, "b.jcfg"}, {"a.jcfg", strings.Replace(sampleJcfg, "x = 5\n", "", 1), "b.cfg"},
	} {
		dir := t.TempDir()
		from := write(t, filepath.Join(dir, x.source), []byte(x.text))
		ours, theirs := filepath.Join(dir, "ours-"+x.target), filepath.Join(dir, "theirs-"+x.target)
		run(nil, "janus-cfgconv", from, ours).want(t, 0)
		command(t, "janus-cfgconv", from, theirs)
		if got, want := parsed(ours), parsed(theirs); got != want {
			t.Errorf("%s to %s: got\n%s\nwant\n%s", x.source, x.target, got, want)
		}
	}
}

func TestParseConfig(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "a.jcfg"), []byte(sampleJcfg))
	r := run(nil, "bifrons-rec", "cfgconv", "--parse", path)
	r.want(t, 0, "[a.jcfg]\n    general: {\n        text: a;b\n", "        arr: [\n            a\n            b\n        ]\n",
		"        list: [\n            {\n                a: 1\n            }\n            x\n        ]\n", "    x: 5\n")
}

func TestConfigErrors(t *testing.T) {
	dir := t.TempDir()
	good := write(t, filepath.Join(dir, "good.cfg"), []byte("[a]\nb = c\n"))
	bad := write(t, filepath.Join(dir, "bad.jcfg"), []byte("x = {\n y = 5"))
	odd := write(t, filepath.Join(dir, "odd.cfg"), []byte("[my room]\nb = c\n"))
	lines := write(t, filepath.Join(dir, "lines.jcfg"), []byte(`a: { b = "x\ny" }`))
	other := write(t, filepath.Join(dir, "other.ini"), []byte("[a]\n"))
	target := filepath.Join(dir, "target.")
	for _, x := range []struct {
		args  []string
		texts string
	}{
		{[]string{good, target + "ini"}, "unsupported file"},
		{[]string{other, target + "jcfg"}, "unsupported file"},
		{[]string{"--parse", other}, "unsupported file"},
		{[]string{bad, target + "cfg"}, "bad.jcfg:1: { without }"},
		{[]string{"--parse", bad}, "bad.jcfg:1: { without }"},
		{[]string{odd, target + "jcfg"}, `"my room" cannot be a name`},
		{[]string{lines, target + "cfg"}, "line breaks"},
		{[]string{filepath.Join(dir, "none.cfg"), target + "jcfg"}, "no such file"},
		{[]string{good, filepath.Join(dir, "none", "a.jcfg")}, "no such file"},
		{[]string{good}, "Usage"},
	} {
		run(nil, append([]string{"janus-cfgconv"}, x.args...)...).want(t, 1, x.texts)
	}
	if found, _ := filepath.Glob(target + "*"); len(found) != 0 {
		t.Errorf("%v was made even so", found)
	}
}

// FuzzConfig: what a conversion makes is as what it was made of.
func FuzzConfig(f *testing.F) {
	f.Add(sampleINI, false)
	f.Add(sampleJcfg, true)
	f.Fuzz(func(t *testing.T, text string, jcfg bool) {
		name := "a.cfg"
		if jcfg {
			name = "a.jcfg"
		}
		log := &logger{w: io.Discard}
		file, err := config.Parse(name, []byte(text), nil)
		if err != nil {
			return
		}
		root := renamed(file.Root)
		b, err := config.Marshal(root)
		if err != nil {
			return
		}
		again, err := config.Parse("b.jcfg", b, nil)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, b, err)
		}
		if second, err := config.Marshal(renamed(again.Root)); err != nil || string(second) != string(b) {
			t.Fatalf("%q became %q, then %q, %v", text, b, second, err)
		}
		ini, err := marshalINI(log, root)
		if err != nil {
			return
		}
		flat, err := config.Parse("b.cfg", ini, nil)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, ini, err)
		}
		for it := range root.All() {
			if it.Kind == config.Scalar && flat.Root.String(it.Name) != it.Text {
				t.Fatalf("%q became %q: %s is %q", text, ini, it.Name, flat.Root.String(it.Name))
			}
		}
	})
}
