package recording

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bifrons/api/plugin/plugintest"
	"bifrons/rtp/waittest"
	"bifrons/sdp"
)

func talk(audio, video string) []Medium {
	return []Medium{{Key: 0, Kind: sdp.Audio, Codec: audio}, {Key: 1, Kind: sdp.Video, Codec: video}}
}

// begin begins a joint recording and waits for its file.
func begin(t *testing.T, s *Set, who Owner, format, name string, media []Medium) error {
	t.Helper()
	open := s.PlanJoint(who, format, name, media)
	if open == nil {
		t.Fatal("nothing is to be opened")
	}
	return open()
}

// TestJoint records two media to one file, loses one of them, and goes on in another file
// when a codec changes.
func TestJoint(t *testing.T) {
	core, who := owner(t, plugintest.Config{RecordingSuffix: ".part"})
	base := filepath.Join(t.TempDir(), "talk")
	var s Set
	if err := begin(t, &s, who, "webm", base, talk("opus", "VP8")); err != nil {
		t.Fatal(err)
	}
	if s.PlanJoint(who, "webm", base, talk("opus", "VP8")) != nil || s.PlanJoint(who, "webm", base, talk("opus", "VP8")[:1]) != nil {
		t.Error("the same media again begin a file")
	}
	if got, want := shown(&s), `{"recording":{"audio":"talk.webm.part","video":"talk.webm.part"}}`; got != want {
		t.Errorf("shown as %s, want %s", got, want)
	}
	s.SetMuted(1, true)
	s.Break(1)
	if !s.Records(1) {
		t.Error("a medium that is gone for now has lost its place")
	}
	if err := begin(t, &s, who, "webm", base, talk("opus", "VP9")); err != nil {
		t.Fatal(err)
	}
	s.Stop(0)
	if s.Records(0) || s.File(1) != "talk-2.webm.part" {
		t.Errorf("recorded to %q", s.File(1))
	}
	done := make(chan struct{})
	s.StopAll(func() { close(done) })
	waittest.Closed(t, "the second file", done)
	waittest.Until(t, "the first file", func() bool { _, n := core.Engine().RecordTotals(); return n == 0 })
	for _, name := range []string{base + ".webm", base + "-2.webm"} {
		waittest.Until(t, name+" to be whole", func() bool {
			b, err := os.ReadFile(name)
			return err == nil && strings.Contains(string(b), "webm")
		})
	}
}

// TestJointRefused: what does not fit is refused, with the reason, and nothing is left.
func TestJointRefused(t *testing.T) {
	_, who := owner(t, plugintest.Config{})
	base := filepath.Join(t.TempDir(), "talk")
	secret := talk("opus", "vp8")
	secret[0].E2EE = true
	for text, tt := range map[string]struct {
		format string
		media  []Medium
	}{
		"VP8 in MP4":      {"mp4", talk("opus", "vp8")},
		"H.264 in WebM":   {"webm", talk("opus", "h264")},
		"end to end":      {"webm", secret},
		`no mkv file can`: {"mkv", talk("isac", "vp8")},
	} {
		var s Set
		if err := begin(t, &s, who, tt.format, base, tt.media); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
		if s.Any() {
			t.Errorf("%s: something is left", text)
		}
	}
	if Format("avi") || !Format("") || !Format("mjr") || !Format("mkv") || Joint("mjr") || Joint("") {
		t.Error("formats")
	}
}

// TestJointStopped: what is stopped while its file is being made does not begin.
func TestJointStopped(t *testing.T) {
	_, who := owner(t, plugintest.Config{})
	base := filepath.Join(t.TempDir(), "talk")
	var s Set
	open := s.PlanJoint(who, "webm", base, talk("opus", "vp8"))
	s.StopAll(nil)
	if err := open(); err != nil || s.Any() {
		t.Error(err)
	}
	if _, err := os.Stat(base + ".webm"); err == nil {
		t.Error("there is a file")
	}
}

// TestJointFails: when a file for other media cannot be made, those that are recorded
// already go on in one of their own.
func TestJointFails(t *testing.T) {
	_, who := owner(t, plugintest.Config{})
	base := filepath.Join(t.TempDir(), "talk")
	var s Set
	if err := begin(t, &s, who, "webm", base, talk("opus", "vp8")); err != nil {
		t.Fatal(err)
	}
	if err := begin(t, &s, who, "webm", base, talk("opus", "h264")); err == nil || !strings.Contains(err.Error(), "WebM") {
		t.Errorf("H.264 in WebM: %v", err)
	}
	if s.Records(1) || s.File(0) != "talk-2.webm" {
		t.Errorf("recorded: video %v, audio to %q", s.Records(1), s.File(0))
	}
	if err := begin(t, &s, who, "webm", base, talk("opus", "vp9")); err != nil || s.File(0) != "talk-3.webm" || s.File(1) != "talk-3.webm" {
		t.Errorf("then to %q and %q, %v", s.File(0), s.File(1), err)
	}
	if err := begin(t, &s, who, "webm", base, talk("pcmu", "h264")); err == nil || s.Any() {
		t.Errorf("nothing fits: %v", err)
	}
	s.StopAll(nil)
}
