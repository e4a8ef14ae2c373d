package config

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// folder makes a folder with files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func names(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range list {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

// entry makes an entry with a setting.
func entry(pairs ...string) func(string) (*Group, error) {
	return func(string) (*Group, error) { return settingsOf(pairs...), nil }
}

func TestStore(t *testing.T) {
	dir := folder(t, map[string]string{
		"real.jcfg": "# mine\na: { k = 1 }\n@include \"more.inc\"\n", "more.inc": "b: { k = 2 }\n",
		".real.jcfg.saving": "half of a secret",
	})
	path := filepath.Join(dir, "x.jcfg")
	if err := os.Symlink("real.jcfg", path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "real.jcfg"), 0o604); err != nil {
		t.Fatal(err)
	}
	s := OpenStore(path, byName)
	if got := names(t, dir); got != "more.inc real.jcfg x.jcfg" {
		t.Errorf("left over at the start: %s", got)
	}
	if err := s.Put("c", entry("k", "3"), "c"); err != nil {
		t.Fatal(err)
	}
	array := func() (*Group, error) {
		g := &Group{}
		g.SetArray("list", "x")
		return g, nil
	}
	if err := s.Set("c", "list", array); err != nil {
		t.Fatal(err)
	}
	before := "# mine\na: { k = 1 }\n@include \"more.inc\"\n"
	want := before + "\nc: {\n\tk = \"3\"\n\tlist = [\n\t\t\"x\"\n\t]\n}\n"
	if got := read(t, path); got != want {
		t.Errorf("got\n%s", got)
	}
	for name, bad := range map[string]func() error{
		"put what is in another file":    func() error { return s.Put("b", entry("k", "4"), "b") },
		"set what is in another file":    func() error { return s.Set("b", "list", array) },
		"remove what is in another file": func() error { return s.Remove("b") },
		"set in no entry":                func() error { return s.Set("d", "list", array) },
		"put no entry":                   func() error { return s.Put("", entry("k", "4"), "general") },
		"a name that cannot be":          func() error { return s.Put("a b", entry("k", "4"), "a b") },
	} {
		if bad() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got := read(t, path); got != want {
		t.Errorf("after errors\n%s", got)
	}
	if err := s.Remove("c"); err != nil || read(t, path) != before {
		t.Errorf("%v\n%s", err, read(t, path))
	}
	info, err := os.Stat(path)
	if link, _ := os.Lstat(path); err != nil || info.Mode().Perm() != 0o604 || link.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("%v %v %v", err, info.Mode(), link.Mode())
	}
	if got := names(t, dir); got != "more.inc real.jcfg x.jcfg" {
		t.Errorf("left over: %s", got)
	}
	if s := OpenStore(filepath.Join(dir, "more.inc"), byName); s.Writable() || s.Put("c", entry(), "c") == nil {
		t.Error("an old file can be written")
	}
	var none *Store
	if none.Writable() {
		t.Error("no file can be written")
	}
}

func TestStoreAtOnce(t *testing.T) {
	path := filepath.Join(folder(t, map[string]string{"x.jcfg": ""}), "x.jcfg")
	s := OpenStore(path, byName)
	var all sync.WaitGroup
	for i := range 10 {
		name := fmt.Sprintf("room-%d", i)
		all.Go(func() {
			if err := s.Put(name, entry("k", name), name); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				if err := s.Remove(name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	f, err := Parse(path, []byte(read(t, path)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		name := fmt.Sprintf("room-%d", i)
		if g := f.Category(name); (g != nil) != (i%2 == 1) || g != nil && g.String("k") != name {
			t.Errorf("%s: %v", name, dump(f.Root))
		}
	}
}

// TestStoreKilled kills a process in the middle of its changes.
func TestStoreKilled(t *testing.T) {
	if path := os.Getenv("STORE_TO_CHANGE"); path != "" {
		s := OpenStore(path, byName)
		fmt.Println("ready")
		for { // until it is killed
			for i := range 5 {
				name := fmt.Sprintf("room-%d", i)
				if s.Put(name, entry("secret", strings.Repeat("s", 1<<15)), name) != nil || s.Remove(fmt.Sprintf("room-%d", i/2)) != nil {
					os.Exit(1)
				}
			}
		}
	}
	const mine = "# mine\na: { k = 1 }\n"
	dir := folder(t, map[string]string{"x.jcfg": mine})
	path := filepath.Join(dir, "x.jcfg")
	for range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestStoreKilled$")
		cmd.Env = append(os.Environ(), "STORE_TO_CHANGE="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 16)); err != nil {
			t.Fatal(err)
		}
		for before := read(t, path); read(t, path) == before; { // it works
		}
		_ = cmd.Process.Kill()
		if err := cmd.Wait(); cmd.ProcessState.Exited() {
			t.Fatalf("ended by itself: %v", err)
		}
		if _, err := Parse(path, []byte(read(t, path)), nil); err != nil || !strings.HasPrefix(read(t, path), mine) {
			t.Fatalf("%v in\n%.200s", err, read(t, path))
		}
		if n := len(strings.Fields(names(t, dir))); n > 2 {
			t.Fatalf("left over: %s", names(t, dir))
		}
	}
	OpenStore(path, byName)
	if got := names(t, dir); got != "x.jcfg" {
		t.Errorf("left over at the start: %s", got)
	}
	if bytes.Contains([]byte(read(t, path)), []byte("\n\n\n")) {
		t.Errorf("empty lines pile up")
	}
}
