package videoroom

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/plugin/plugintest"
)

// What is wrong in the file is told with its line and what was meant, what is not
// protected for it as an error, and all else works.
func TestFileProblems(t *testing.T) {
	var log bytes.Buffer
	hs := newServiceWith(t, `adminkey = "x"
general: {
	adminkey = "supersecret"
	lock_rtp_forward = true
	rtp_forward_max = 0
	events = "perhaps"
}
room-1: {
	is_privat = true
	publishers = "many"
	bitrate = -1
	audiocodec = "opsu"
	videocodec = "vp9, h264"
	h264_profile = "42e01f"
	opus_dtx = "on"
	stranger = 1
	secrte = "s"
	video_svc = "perhaps"
	admin_key = "x"
}
room-2: { pin = [ "a", "b" ] }
abc: { }
room-0001: { }
room-4: { secret = "s", secrt = "s", allowed = { }, dummy_streams = "vp8" }
`, scribe{log: &log})
	told := []string{
		`ERROR :1: adminkey: is outside of all categories, put it into general, ignored: everybody may create rooms`,
		`ERROR :3: general.adminkey: unknown setting, did you mean admin_key?, ignored: everybody may create rooms`,
		`ERROR :4: general.lock_rtp_forward: needs admin_key, ignored: who manages a room may forward its media`,
		`WARN :5: general.rtp_forward_max: wrong value "0", accepted: a whole number from 1 to 1048576, ignored`,
		`WARN :6: general.events: wrong value "perhaps", accepted: yes, true, 1, no, false or 0, ignored`,
		`ERROR :9: room-1.is_privat: unknown setting, did you mean is_private?, ignored: the room is listed`,
		`WARN :10: room-1.publishers: wrong value "many", accepted: a whole number, 0 or more, ignored`,
		`WARN :11: room-1.bitrate: wrong value "-1", accepted: a whole number, 0 or more, ignored`,
		`WARN :12: room-1.audiocodec: wrong value "opsu", accepted: a list without blanks of opus,multiopus,red,pcmu,pcma,g722,isac32,isac16,l16-48,l16, taken as opus`,
		`WARN :13: room-1.videocodec: wrong value "vp9, h264", accepted: a list without blanks of vp8,vp9,h264,av1,h265, taken as vp9`,
		`WARN :14: room-1.h264_profile: wrong value "42e01f", accepted: only with h264 in videocodec, ignored`,
		`WARN :15: room-1.opus_dtx: wrong value "on", accepted: yes, true, 1, no, false or 0, taken as no`,
		`WARN :16: room-1.stranger: unknown setting, ignored`,
		`ERROR :17: room-1.secrte: unknown setting, did you mean secret?, ignored: everybody may manage the room`,
		`WARN :18: room-1.video_svc: wrong value "perhaps", accepted: yes, true, 1, no, false or 0, taken as no`,
		`WARN :19: room-1.admin_key: means nothing here, ignored`,
		`WARN :21: room-2: room left out, without its pin it would be open`,
		`WARN :22: abc: room left out, its name is no id of a room, which is a number from 1 on unless string_ids is set`,
		`WARN :23: room-0001: room left out, there is a room 1 already`,
		`WARN :24: room-4.secrt: unknown setting, did you mean secret?, ignored`,
		`WARN :24: room-4.allowed: wrong value, accepted: texts separated by commas, or [ ] with several texts, taken as empty`,
		`WARN :24: room-4.dummy_streams: wrong value "vp8", accepted: a list of groups: ( { ... }, { ... } ), ignored`,
	}
	plugintest.Told(t, log.String(), told...)
	if n := hs.plugin.rooms.Len(); n != 2 || !hs.plugin.Events.On {
		t.Errorf("%d rooms, events %v", n, hs.plugin.Events.On)
	}
	found, problems := New(filepath.Dir(hs.file)).Check()
	if found != "2 rooms" || len(problems) != len(told) {
		t.Errorf("check: %s, %d problems, want %d", found, len(problems), len(told))
	}
}

// A category that is misspelt protects nothing.
func TestMisspeltGeneral(t *testing.T) {
	var log bytes.Buffer
	newServiceWith(t, "genral: { admin_key = \"k\" }\nroom-1: { }\n", scribe{log: &log})
	if text := log.String(); !strings.Contains(text, "level=ERROR") ||
		!strings.Contains(text, ":1: genral: room left out, did you mean general?") {
		t.Errorf("log: %s", text)
	}
}

// The files of Janus and of the conformance tests load, and nothing in them is
// called wrong but what does not exist here.
func TestFilesOfJanus(t *testing.T) {
	for folder, want := range map[string]string{
		"/etc/janus":                        "2 rooms: ",
		"../../../../shared/conform/target": "1 room: ",
	} {
		if _, err := os.Stat(filepath.Join(folder, Package+".jcfg")); err != nil {
			t.Log("not there:", folder)
			continue
		}
		found, problems := New(folder).Check()
		got := found + ": "
		for _, p := range problems {
			p.File, p.Line = "", 0
			got += p.Error() + "\n"
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", folder, got, want)
		}
	}
}

// Whatever is in the file, the plugin reads it, and calls nothing an error.
func FuzzFile(f *testing.F) {
	for _, text := range []string{
		"", "general: { adminkey = 5, string_ids = true }\nroom-1: { allowed = ( { } ), dummy_publisher = true, dummy_streams = ( 1, { codec = [ 1 ] } ) }",
		"general = 5\nroom-1 = 5", "room-1: { publishers = 99999999999999999999, bitrate = 0x7f, opus_fec = { } }", "x: { pin = ( ) }",
		"GENERAL: { lock_rtp_forward = 1 }\nroom-00: { }\nroom-: { }",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, Package+".jcfg"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := New(dir)
		_, problems := p.Check()
		for _, problem := range problems {
			if !problem.Warning && problem.Section != "" {
				t.Errorf("an error: %v", problem)
			}
		}
	})
}
