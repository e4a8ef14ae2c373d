package sfu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bifrons/rtp"
	"bifrons/rtp/mjr"
	"bifrons/rtp/mono"
	"bifrons/rtp/waittest"
	"bifrons/sfu/media"
)

// recorded are the packets of a recording, as "number timestamp payload".
func recorded(t *testing.T, path string) (h *mjr.Header, frames []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := mjr.NewReader(f)
	if h, err = r.Header(); err != nil {
		t.Fatal(err)
	}
	for last := uint32(0); ; {
		x, err := r.Next()
		if errors.Is(err, io.EOF) {
			return h, frames
		}
		if err != nil {
			t.Fatal(err)
		}
		if x.ArrivalMS < last {
			t.Errorf("a frame arrived at %d ms after one at %d ms", x.ArrivalMS, last)
		}
		last = x.ArrivalMS
		if _, text, ok := x.Message(); h.Type == mjr.Data && ok {
			frames = append(frames, string(text))
			continue
		}
		var p rtp.Header
		if err := p.Parse(x.Data); err != nil {
			t.Fatal(err)
		}
		frames = append(frames, fmt.Sprintf("%d %d %s", p.SequenceNumber, p.Timestamp, x.Data[p.HeaderLen:]))
	}
}

func startRecording(t *testing.T, e *Engine, cfg RecordConfig, h MJRHeader) *Recording {
	t.Helper()
	format, err := MJRFormat(h)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Format = format
	r, err := e.Record(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

var opusHeader = MJRHeader{Type: mjr.Audio, Codec: "opus", Extensions: map[uint8]string{1: "urn:ietf:params:rtp-hdrext:ssrc-audio-level"}}

// TestRecord records a source over a pause, another source and its end.
func TestRecord(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	path := filepath.Join(t.TempDir(), "deep", "er", "talk.mjr")
	one := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
	ended := make(chan struct{})
	r := startRecording(t, e, RecordConfig{
		Path: path, Suffix: ".part", Tracks: []RecordTrack{{Origin: one, ClockRate: 48000}}, Ended: func() { close(ended) },
	}, opusHeader)
	if r.Path() != path+".part" {
		t.Errorf("recorded to %s", r.Path())
	}
	sync := func() { e.sites[0].shard.Call(func(mono.Time) {}) }
	write := func(s *Source, seq uint16, ts uint32, text string) {
		s.Write(0, 0, rtpPacket(seq, ts, 5, text))
		waittest.Until(t, "the packet", func() bool { sync(); return true })
	}
	write(one, 65535, 1000, "a")
	write(one, 0, 1960, "b")
	r.SetPaused(true)
	write(one, 1, 2920, "left out")
	r.SetPaused(false)
	write(one, 2, 48000*60, "c")
	two := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream()}})
	r.SetOrigin(0, two, 0)
	write(one, 3, 48000*61, "left out")
	write(two, 7, 99, "d")
	one.Close()
	two.Close()
	sync()
	r.Close()
	waittest.Closed(t, "the file", r.Done())
	waittest.Closed(t, "word of it", ended)
	h, frames := recorded(t, path)
	if h.Codec != "opus" || h.Type != mjr.Audio || h.Extensions[1] == "" || h.Created > h.First || time.Since(time.UnixMicro(h.Created)) > time.Minute {
		t.Errorf("header %+v", h)
	}
	if len(frames) != 4 || frames[0] != "1 0 a" || frames[1] != "2 960 b" || frames[2] != "3 1920 c" {
		t.Errorf("frames %q", frames)
	}
	if s := r.Stats(); s.Packets != 4 || s.Lost != (RecordStats{}).Lost || s.Bytes == 0 {
		t.Errorf("counts %+v", s)
	}
	if _, err := os.Stat(path + ".part"); !os.IsNotExist(err) {
		t.Errorf("the file has its name of before: %v", err)
	}
}

// TestRecordData records messages, some of which are too large.
func TestRecordData(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	path := filepath.Join(t.TempDir(), "chat.mjr")
	r := startRecording(t, e, RecordConfig{Path: path, Tracks: make([]RecordTrack, 1)}, MJRHeader{Type: mjr.Data, Codec: "text"})
	r.Message(0, false, []byte("hello"))
	r.Message(0, false, make([]byte, 1<<16))
	r.Message(0, false, []byte("there"))
	r.Close()
	r.Message(0, false, []byte("too late"))
	waittest.Closed(t, "the file", r.Done())
	if _, frames := recorded(t, path); fmt.Sprint(frames) != "[hello there]" {
		t.Errorf("messages %q", frames)
	}
	if s := r.Stats(); s.Packets != 2 || s.Lost[3] != 1 {
		t.Errorf("counts %+v", s)
	}
}

// TestRecordNothing makes a file to which nothing comes.
func TestRecordNothing(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	path := filepath.Join(t.TempDir(), "silence.mjr")
	r := startRecording(t, e, RecordConfig{Path: path, Tracks: make([]RecordTrack, 1)}, opusHeader)
	e.Close() // ends it, too
	waittest.Closed(t, "the file", r.Done())
	if b, err := os.ReadFile(path); string(b) != mjr.Magic || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := e.Record(RecordConfig{Path: path}); err == nil {
		t.Error("an engine that is closed records")
	}
}

// TestRecordLowest records the lowest of two encodings, and the best beside it; what is
// muted from the beginning gets nothing.
func TestRecordLowest(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	folder := t.TempDir()
	s := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{{Kind: media.Video, Codec: vp8Codec, Simulcast: true}}})
	record := func(name string, track RecordTrack, paused bool) *Recording {
		track.Origin, track.ClockRate = s, 90000
		return startRecording(t, e, RecordConfig{Path: filepath.Join(folder, name), Tracks: []RecordTrack{track}, Paused: paused},
			MJRHeader{Type: mjr.Video, Codec: "vp8"})
	}
	low, best := record("low", RecordTrack{Lowest: true}, false), record("best", RecordTrack{}, false)
	muted, paused := record("muted", RecordTrack{Muted: true}, false), record("paused", RecordTrack{}, true)
	for n := range uint16(20) {
		s.Write(0, 0, vp8Picture(n, 5, 16))
		s.Write(0, 1, vp8Picture(n, 6, 32))
		e.sites[0].shard.Call(func(mono.Time) {})
	}
	for _, r := range []*Recording{low, best, muted, paused} {
		r.Close()
		waittest.Closed(t, "the file", r.Done())
	}
	for _, r := range []*Recording{muted, paused} {
		if r.Stats().Packets != 0 {
			t.Errorf("%s has %d packets", r.Path(), r.Stats().Packets)
		}
	}
	for name, want := range map[string]uint16{"low": 16, "best": 32} {
		_, frames := recorded(t, filepath.Join(folder, name))
		if len(frames) < 10 {
			t.Errorf("%s: %d packets", name, len(frames))
		}
		for _, x := range frames[min(1, len(frames)):] { // the first may be what comes first
			if _, payload, _ := strings.Cut(x[strings.Index(x, " ")+1:], " "); vp8Width([]byte(payload)) != want {
				t.Errorf("%s: a picture %d wide", name, vp8Width([]byte(payload)))
			}
		}
	}
}

// TestRecordLive records sound and picture to a file that players open.
func TestRecordLive(t *testing.T) {
	waittest.NoLeaks(t)
	e := newEngine(t, nil)
	path := filepath.Join(t.TempDir(), "talk.webm")
	s := newSource(t, e, newHeard(), SourceConfig{Tracks: []TrackConfig{opusStream(), {Kind: media.Video, Codec: vp8Codec}}})
	format, err := LiveFormat("webm", "bifrons", []LiveTrack{{Codec: "opus", Name: "sound"}, {Codec: "vp8", Name: "picture"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.Record(RecordConfig{
		Path: path, Format: format,
		Tracks: []RecordTrack{{Origin: s, Track: 0, ClockRate: 48000}, {Origin: s, Track: 1, ClockRate: 90000}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint16(10) {
		s.Write(0, 0, rtpPacket(n, uint32(n)*960, 5, "\xfc sound"))
		s.Write(1, 0, vp8Picture(n, 6, 64))
		e.sites[0].shard.Call(func(mono.Time) {})
	}
	r.Close()
	waittest.Closed(t, "the file", r.Done())
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(b); strings.Count(text, "\xfc sound") != 10 || strings.Count(text, "\x9d\x01\x2a\x40\x00\x40\x00") != 10 {
		t.Errorf("%d octets: %q", len(b), b)
	}
	if s := r.Stats(); s.Lost != (RecordStats{}).Lost || s.Packets != 20 {
		t.Errorf("counts %+v", s)
	}
	if _, err := LiveFormat("webm", "", []LiveTrack{{Codec: "h264"}}); err == nil {
		t.Error("H.264 in WebM")
	}
}
