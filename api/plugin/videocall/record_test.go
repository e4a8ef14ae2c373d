package videocall

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/mjr"
	"bifrons/rtp/mjr/mjrtest"
	"bifrons/rtp/waittest"
	"bifrons/sfu"
)

// grown waits until there is something in a file.
func grown(t *testing.T, path string) {
	t.Helper()
	waittest.Until(t, path+" grows", func() bool { info, err := os.Stat(path); return err == nil && info.Size() > 1000 })
}

// is checks the recording of a kind of media: its codec, that it begins at its beginning, and
// that it has only packets with a text.
func is(t *testing.T, path, codec, text string) {
	t.Helper()
	h, list := mjrtest.Read(t, path)
	if h.Codec != codec || len(list) == 0 {
		t.Fatalf("%s: header %+v, %d frames", path, h, len(list))
	}
	for i, f := range list {
		if i == 0 && (f.SequenceNumber != 1 || f.Timestamp != 0) {
			t.Errorf("%s begins with %+v", path, f.Header)
		}
		if !strings.HasSuffix(string(f.Payload), "|"+text) {
			t.Fatalf("%s: frame %d is %q", path, i, f.Payload)
		}
	}
}

// TestRecording: each side has what it sends recorded to files of its own, until it wants no
// more or the call is over. Where that cannot be, nothing changes and the call goes on.
func TestRecording(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	x := &exchange{plugintest.New(t, New(t.TempDir()), plugintest.Config{RecordingSuffix: ".part", Engine: sfu.Config{Shards: 2}}), t}
	alice, bob := x.phone("alice"), x.phone("../b/../ob")
	base := filepath.Join(folder, "made", "by-alice")
	incoming := alice.call(bob)
	wish := `{"request":"set","record":true,"filename":"` + base + `"}`
	alice.is(alice.Ask(wish, nil), reply(`"event":"set"`)) // for when the call is there
	bob.plugIn()
	bob.is(bob.Ask(`{"request":"accept"}`, bob.answer(incoming)), reply(`"event":"accepted"`))
	e := alice.AwaitText(`"event":"accepted","username":"../b/../ob"`)
	alice.take(e)
	bob.AwaitText("[webrtcup]")
	alice.AwaitText("[webrtcup]")
	bob.HearsMore(t, "alice audio", "alice video")
	grown(t, base+"-audio.mjr.part")
	grown(t, base+"-video.mjr.part")
	const recording = `"recording":{"audio":"by-alice-audio.mjr.part","video":"by-alice-video.mjr.part","data":"by-alice-data.mjr.part"}`
	if got := alice.Query(); !strings.Contains(got, recording) {
		t.Error(got)
	}
	alice.Notices()
	alice.is(alice.Ask(`{"request":"set","record":true,"filename":"again"}`, nil), reply(`"event":"set"`))
	if got := strings.Join(alice.Notices(), ""); !strings.Contains(got, recording+"}") {
		t.Error(got)
	}

	got := bob.Ask(`{"request":"set","video":false,"record":true,"filename":"/dev/null/x"}`, nil).String()
	if !strings.HasPrefix(got, `t {"videocall":"event","error_code":474,"error":"Recording failed (/dev/null/x-audio.mjr: `) {
		t.Error(got)
	}
	x.AwaitLog("not recorded")
	if got := strings.Join(bob.Notices(), ""); !strings.Contains(got, `"event":"recording-failed","file":"/dev/null/x-audio.mjr"`) {
		t.Error(got)
	}
	if got := bob.Query(); !strings.Contains(got, `"video_active":true`) || strings.Contains(got, "recording") {
		t.Error(got)
	}
	alice.HearsMore(t, bob.Name+" audio", bob.Name+" video")
	bob.is(bob.Ask(`{"request":"set","record":true}`, nil), reply(`"event":"set"`))
	bob.Data("label", "", false, []byte("from Bob"))
	alice.Data("label", "", false, []byte("from Alice"))

	alice.is(alice.Ask(`{"request":"set","record":false}`, nil), reply(`"event":"set"`))
	for _, medium := range []string{"audio", "video", "data"} {
		path := base + "-" + medium + ".mjr"
		waittest.Until(t, path+" is whole", func() bool { _, err := os.Stat(path); return err == nil })
	}
	is(t, base+"-audio.mjr", "opus", "alice audio")
	is(t, base+"-video.mjr", "vp8", "alice video")
	// What the same request holds back is not in the file, however short.
	alice.is(alice.Ask(`{"request":"set","audio":false,"record":true,"filename":"`+base+`-2"}`, nil), reply(`"event":"set"`))
	grown(t, base+"-2-video.mjr.part")
	alice.is(alice.Ask(`{"request":"set","audio":true,"record":false}`, nil), reply(`"event":"set"`))
	waittest.Until(t, "the file of held audio is whole", func() bool { _, err := os.Stat(base + "-2-audio.mjr"); return err == nil })
	if b, err := os.ReadFile(base + "-2-audio.mjr"); err != nil || string(b) != mjr.Magic {
		t.Errorf("audio that is held: %d bytes, %v", len(b), err)
	}
	h, list := mjrtest.Read(t, base+"-data.mjr")
	if len(list) != 1 || h.Codec != "text" {
		t.Fatalf("data %+v, %d frames", h, len(list))
	}
	if text := list[0].Payload; string(text) != "from Alice" {
		t.Errorf("data %q", text)
	}

	made := func(pattern string) []string {
		paths, _ := filepath.Glob(filepath.Join(folder, pattern))
		return paths
	}
	waittest.Until(t, "Bob's video is recorded", func() bool {
		for _, path := range made("videocall-.._b_.._ob-alice-*-video.mjr.part") {
			info, err := os.Stat(path)
			return err == nil && info.Size() > 1000
		}
		return false
	})
	alice.is(alice.Ask(`{"request":"hangup"}`, nil), reply(hung("alice", "Explicit hangup")))
	bob.AwaitText("[hangup] Close PC")
	waittest.Until(t, "Bob's files are whole", func() bool { return len(made("videocall-*.mjr")) == 3 && len(made("videocall-*.part")) == 0 })
	is(t, made("videocall-*-audio.mjr")[0], "opus", bob.Name+" audio")
	is(t, made("videocall-*-video.mjr")[0], "vp8", bob.Name+" video")
	if got := bob.Query(); strings.Contains(got, "recording") {
		t.Error(got)
	}
}
