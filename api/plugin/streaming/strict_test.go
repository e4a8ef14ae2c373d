package streaming

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/plugin/plugintest"
)

// What is wrong in the file is told with its line and what was meant, what is not
// protected for it as an error, and all else works.
func TestFileProblems(t *testing.T) {
	th := newRig(t, `
general: {
	adminkey = "supersecret"
	rtp_port_range = "7"
	file_folder = "/srv"
}
one: {
	type = "rtp"
	id = 1
	secert = "s"
	is_private = "on"
	audio = true
	audioport = 0
	audiopt = 0
	audiocodec = "pcmu"
	stranger = 1
	permanent = true
}
two: { tpye = "rtp", id = 2 }
three: { type = "rtp", id = 3, audio = true, audioprot = 0 }
four: { type = "rtp", id = 4, media = ( { type = "sound", mid = "a" }, { type = "audio", mid = "b", port = 0, pt = "x", codec = "pcmu" } ) }
five: { type = "rtp", id = 5, pin = ( "a" ) }
six: { type = "rtp", id = "six" }
seven: { type = "rtp", id = 1 }
eight: { type = "live", id = 8, filename = "/nowhere/x.alaw", audio = true }
nine: { type = "rtp", id = 9, media = ( { type = "audio", mid = "a", msid = "x", port = 0, pt = 0, codec = "pcmu", iface = "nowhere0" } ) }
`)
	told := []string{
		`ERROR :3: general.adminkey: unknown setting, did you mean admin_key?, ignored: everybody may create mountpoints`,
		`WARN :4: general.rtp_port_range: wrong value "7", accepted: a range of ports such as 20000-40000, ignored`,
		`ERROR :5: general.file_folder: unknown setting, did you mean file_folders?, ignored: mountpoints may play any file`,
		`ERROR :10: one.secert: unknown setting, did you mean secret?, ignored: everybody may manage the mountpoint`,
		`WARN :11: one.is_private: wrong value "on", accepted: yes, true, 1, no, false or 0, taken as no`,
		`WARN :16: one.stranger: unknown setting, ignored`,
		`WARN :17: one.permanent: means nothing here, ignored`,
		`WARN :19: two.tpye: unknown setting, did you mean type?, ignored`,
		`WARN :19: two: mountpoint left out, Unknown stream type ''...`,
		`WARN :20: three.audioprot: unknown setting, did you mean audioport?, ignored`,
		`WARN :20: three: mountpoint left out, Can't add 'rtp' stream, missing port (audioport)`,
		`WARN :21: four.media[0].type: wrong value "sound", accepted: audio, video or data, the stream is left out`,
		`WARN :21: four.media[1].pt: wrong value "x", accepted: a whole number, 0 or more, ignored`,
		`WARN :21: four: mountpoint left out, Invalid value (pt should be at most 127)`,
		`WARN :22: five: mountpoint left out, without its pin it would be open`,
		`WARN :23: six: mountpoint left out, its id is none, which is a number from 1 on unless string_ids is set`,
		`WARN :24: seven: mountpoint left out, its id is taken`,
		`WARN :25: eight: mountpoint left out, Can't add 'live' stream, no such file '/nowhere/x.alaw'`,
		`WARN :26: nine.media[0].msid: wrong value "x", accepted: two words of at most 64 bytes, ignored`,
		`WARN :26: nine: mountpoint left out, Can't add 'rtp' stream, error creating audio source stream: sfu: "nowhere0" is neither an address nor an interface of this machine`,
	}
	plugintest.Told(t, th.core.Log(), told...)
	if th.plugin.mountpoints.Len() != 1 {
		t.Errorf("%d mountpoints", th.plugin.mountpoints.Len())
	}
	found, problems := New(th.folder).Check()
	if found != "1 mountpoint" || len(problems) != len(told) {
		t.Errorf("check: %s, %d problems, want %d", found, len(problems), len(told))
	}
}

// The files of Janus and of the conformance tests load, and nothing in them is
// called wrong but what is not on this machine.
func TestFilesOfJanus(t *testing.T) {
	for _, folder := range []string{"/etc/janus", "../../../../shared/conform/target"} {
		if _, err := os.Stat(filepath.Join(folder, Package+".jcfg")); err != nil {
			t.Log("not there:", folder)
			continue
		}
		found, problems := New(folder).Check()
		missing := 0
		for _, p := range problems {
			if !strings.Contains(p.Error(), "no such file") {
				t.Errorf("%s: %v", folder, p)
			}
			missing++
		}
		if missing > 2 || found != map[int]string{0: "4 mountpoints", 1: "3 mountpoints", 2: "2 mountpoints"}[missing] {
			t.Errorf("%s: found %s, %v", folder, found, problems)
		}
	}
}

// Whatever is in the file, the plugin reads it, and calls nothing an error.
func FuzzFile(f *testing.F) {
	for _, text := range []string{
		"", "general: { adminkey = 5, string_ids = true, rtp_port_range = \"1-1\" }\nx: { type = \"rtp\", media = ( 1, { type = [ ] } ) }",
		"general = 5\nx = 5", "x: { type = \"rtp\", id = 1, audio = true, audioport = 99999999999999999999, audiopt = { } }",
		"x: { type = \"rtsp\", url = \"rtsp://127.0.0.1\", video = true, rtsp_timeout = 99999999999 }",
		"general: { rtp_port_range = \"0-0\" }\nx: { type = \"live\", filename = \"x.opus\", audio = 1, audiocodec = \"opus\" }",
		"x: { type = \"rtp\", media = { type = \"data\", mid = \"d\", port = 0, datatype = \"binary\" } }",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, Package+".jcfg"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, problems := New(dir).Check()
		for _, p := range problems {
			if !p.Warning && p.Section != "" {
				t.Errorf("an error: %v", p)
			}
		}
	})
}
