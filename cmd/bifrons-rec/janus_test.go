package main

import (
	"bytes"
	"path/filepath"
	"testing"
)

// Recordings that the real janus made of what Chromium sends, converted as janus-pp-rec
// does it.
func TestRecordingsOfJanus(t *testing.T) {
	need(t, "ffmpeg", "janus-pp-rec")
	for _, x := range []struct{ name, format string }{
		{"vp8", "webm"}, {"vp9", "webm"}, {"h264", "mkv"}, {"av1", "mp4"}, {"pcmu", "wav"}, {"text", "srt"},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir, source := t.TempDir(), filepath.Join("testdata", "janus-"+x.name+".mjr")
			ours, theirs := filepath.Join(dir, "ours."+x.format), filepath.Join(dir, "theirs."+x.format)
			run(nil, "janus-pp-rec", source, ours).want(t, 0)
			command(t, "janus-pp-rec", source, theirs)
			if x.format == "srt" {
				if got, want := read(t, ours), read(t, theirs); !bytes.Equal(got, want) {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
				return
			}
			sameMedia(t, ours, theirs)
		})
	}
}

// Pauses of a sender with DTX are filled, which janus-pp-rec 1.1.2 leaves out, and the first
// packet with RED is there, which it drops.
func TestOpusOfJanus(t *testing.T) {
	for _, x := range []struct {
		name            string
		packets, silent int // in all, and of these silence
	}{
		{"dtx", 232, 107}, {"red", 77, 0},
	} {
		target := filepath.Join(t.TempDir(), "a.opus")
		run(nil, "janus-pp-rec", filepath.Join("testdata", "janus-"+x.name+".mjr"), target).want(t, 0)
		list := opusPackets(t, target)
		silent := 0
		for _, p := range list {
			if p == "-" {
				silent++
			}
		}
		if len(list) != x.packets || silent != x.silent {
			t.Errorf("%s: %d packets, %d of them silence; not %d and %d", x.name, len(list), silent, x.packets, x.silent)
		}
	}
}
