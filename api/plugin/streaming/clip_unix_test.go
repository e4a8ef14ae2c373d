//go:build unix

package streaming

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bifrons/rtp/waittest"
)

// TestFilesThatAreNone: pipes, devices and folders are refused at once, also one that
// takes the place of a file later on.
func TestFilesThatAreNone(t *testing.T) {
	th := newRig(t, "")
	th.file("radio.alaw", 3, 0)
	path := func(name string) string { return filepath.Join(th.folder, name) }
	mkfifo := func(name string) {
		if err := syscall.Mkfifo(path(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mkfifo("pipe.alaw")
	mkfifo("pipe.opus")
	if err := os.Mkdir(path("folder.mulaw"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"linked.alaw": "pipe.alaw", "zero.alaw": "/dev/zero", "null.alaw": "/dev/null"} {
		if err := os.Symlink(to, path(link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"pipe.alaw", "pipe.opus", "linked.alaw", "folder.mulaw", "zero.alaw", "null.alaw"} {
		for _, kind := range []string{"live", "ondemand"} {
			waittest.InTime(t, name, func() {
				th.fails(fmt.Sprintf(`{"request":"create","type":%q,"filename":"FOLDER/%s","audio":true,"audiopt":111,"audiocodec":"opus"}`, kind, name), 456)
			})
		}
	}
	if got := th.ask(`{"request":"create","id":1,"type":"ondemand","filename":"FOLDER/radio.alaw","audio":true}`); !strings.Contains(got, "created") {
		t.Fatal(got)
	}
	if err := os.Remove(path("radio.alaw")); err != nil {
		t.Fatal(err)
	}
	mkfifo("radio.alaw")
	waittest.InTime(t, "watch", func() { th.fails(`{"request":"watch","id":1}`, 470) })
	waittest.InTime(t, "the end", th.plugin.Close)
}

// TestLinks: links are followed within the folder of the file, or the folders of the
// settings.
func TestLinks(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"media/sub", "store", "private"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"media/a.alaw", "media/sub/s.alaw", "store/b.alaw", "private/c.alaw"} {
		if err := os.WriteFile(filepath.Join(root, name), make([]byte, 1600), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"media/same.alaw": "a.alaw", "media/below.alaw": "sub/s.alaw", "media/round.alaw": "../media/a.alaw",
		"media/whole.alaw": filepath.Join(root, "media/a.alaw"), "media/above.alaw": "../store/b.alaw", "media/store": "../store",
		"media/secret.alaw": "../private/c.alaw", "media/private": filepath.Join(root, "private"), "media/loop.alaw": "loop.alaw",
		"door": "media",
	} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	in := func(names ...string) string {
		for i, name := range names {
			names[i] = fmt.Sprintf("%q", filepath.Join(root, name))
		}
		return "general: { file_folders = [" + strings.Join(names, ", ") + "] }\n"
	}
	all := []string{"media/a.alaw", "media/sub/s.alaw", "media/same.alaw", "media/below.alaw", "media/round.alaw", "media/whole.alaw", "door/a.alaw",
		"media/above.alaw", "media/store/b.alaw", "store/b.alaw", "media/secret.alaw", "media/private/c.alaw", "private/c.alaw", "media/loop.alaw"}
	for name, tt := range map[string]struct{ file, want string }{
		"by the file": {"", "media/a.alaw media/sub/s.alaw media/same.alaw media/below.alaw media/round.alaw media/whole.alaw door/a.alaw " +
			"media/store/b.alaw store/b.alaw media/private/c.alaw private/c.alaw"},
		"two folders": {in("media", "store"), "media/a.alaw media/sub/s.alaw media/same.alaw media/below.alaw media/round.alaw media/whole.alaw " +
			"media/above.alaw media/store/b.alaw store/b.alaw"},
		"a link":     {in("door"), "media/a.alaw media/sub/s.alaw media/same.alaw media/below.alaw media/round.alaw media/whole.alaw door/a.alaw"},
		"a text":     {`general: { file_folders = "` + root + `/media, ` + root + `/none" }` + "\n", "media/a.alaw media/sub/s.alaw media/same.alaw media/below.alaw media/round.alaw media/whole.alaw"},
		"one unlike": {in("med"), ""},
	} {
		th := newRig(t, tt.file)
		var got []string
		for _, f := range all {
			if text := th.ask(`{"request":"create","type":"ondemand","filename":"` + filepath.Join(root, f) + `","audio":true}`); strings.Contains(text, "created") {
				got = append(got, f)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", name, strings.Join(got, " "), tt.want)
		}
	}
	// What cannot be opened is not even looked for.
	th := newRig(t, in("store"))
	if a, b := th.ask(`{"request":"create","type":"live","filename":"`+root+`/private/c.alaw","audio":true}`),
		th.ask(`{"request":"create","type":"live","filename":"`+root+`/private/n.alaw","audio":true}`); a != b {
		t.Errorf("%s\n%s", a, b)
	}
}
