package main

import (
	"encoding/json"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bifrons/rtp/frame/frametest"
	"bifrons/rtp/mjr"
)

// arriving gives packets the times of arrival that their timestamps tell, of a clock that
// is fast by some millionths, with some way to go.
func arriving(list []packet, rate, ppm float64) []packet {
	first := list[0].head.Timestamp
	for i := range list {
		at := float64(list[i].head.Timestamp-first) / rate * (1 - ppm/1e6)
		list[i].ms = uint32(at*1000 + float64(i%7))
	}
	list[0].ms = 0
	return list
}

// TestRoom puts the recordings of two participants into one file.
func TestRoom(t *testing.T) {
	need(t, "ffprobe", "ffmpeg")
	folder := t.TempDir()
	const start = int64(1714550000120000)
	add := func(name string, after int64, h mjr.Header, list []packet) {
		h.Created, h.First = start+after-100, start+after
		write(t, filepath.Join(folder, name), recording(h, list))
	}
	add("videoroom-1-user-7-1714550000120000-audio-0.mjr", 0, mjr.Header{Codec: "opus"}, arriving(sound(t), 48000, 0))
	add("videoroom-1-user-7-1714550000120000-video-1.mjr", 250000, mjr.Header{Codec: "vp8", Description: "the camera"}, arriving(video(t, "vp8"), 90000, 0))
	add("videoroom-1-user-7-1714550010120000-audio-0.mjr", 10000000, mjr.Header{Codec: "opus"}, arriving(sound(t), 48000, 0))
	add("guest-video.mjr", 1000000, mjr.Header{Codec: "h264"}, arriving(video(t, "h264"), 90000, 0))
	add("secret-audio.mjr", 0, mjr.Header{Codec: "opus", Encrypted: true}, tone(3))
	write(t, filepath.Join(folder, "silent-audio.mjr"), []byte(mjr.Magic))
	h := mjr.Header{Type: mjr.Data, Codec: "text", Created: start, First: start}
	chat := mjr.AppendHeader(mjr.AppendMagic(nil), &h)
	for i, text := range []string{"hello", "there"} {
		chat = mjr.AppendMessage(chat, uint32(i*2000), start+int64(i)*2000000, []byte(text))
	}
	write(t, filepath.Join(folder, "guest-data.mjr"), chat)

	target := filepath.Join(t.TempDir(), "room.mkv")
	r := run(nil, "bifrons-rec", "room", folder, "-o", target)
	r.want(t, 0, "secret-audio.mjr: the media is end-to-end encrypted, left out", "Track 4: ", target+" is")
	out, err := exec.Command("ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_packets", target).Output()
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		Streams []struct {
			Index int
			Codec string `json:"codec_name"`
			Tags  struct{ Title string }
		}
		Packets []struct {
			Stream   int    `json:"stream_index"`
			PTS      string `json:"pts_time"`
			Duration string `json:"duration_time"`
		}
	}
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	type track struct {
		codec       string
		packets     int
		first, last float64
	}
	tracks := make(map[string]track)
	for _, s := range found.Streams {
		x := track{codec: s.Codec}
		for _, p := range found.Packets {
			if p.Stream == s.Index {
				at, _ := strconv.ParseFloat(p.PTS, 64)
				if x.packets == 0 {
					x.first = at
				}
				x.packets++
				x.last = at
			}
		}
		tracks[s.Tags.Title] = x
	}
	for name, want := range map[string]track{
		"videoroom-1-user-7-audio-0":              {"opus", 202, 0, 12},
		"the camera (videoroom-1-user-7-video-1)": {"vp8", 30, 0.25, 0.25 + 29.0/15},
		"guest-video": {"h264", 30, 1, 1 + 29.0/15},
		"guest-data":  {"subrip", 2, 0, 2},
	} {
		if got := tracks[name]; got.codec != want.codec || got.packets != want.packets || math.Abs(got.first-want.first) > 0.02 || math.Abs(got.last-want.last) > 0.02 {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if len(tracks) != 4 {
		t.Errorf("%d tracks", len(tracks))
	}
	if text := command(t, "ffmpeg", "-v", "error", "-i", target, "-map", "0:v", "-map", "0:a", "-fps_mode", "passthrough", "-enc_time_base:v", "1:90000", "-f", "null", "-"); text != "" {
		t.Errorf("ffmpeg: %s", text)
	}
}

// TestRoomDrift: tracks stay together by the clock of arrivals.
func TestRoomDrift(t *testing.T) {
	need(t, "ffprobe")
	folder := t.TempDir()
	opus := frametest.Opus(t)
	var list []packet
	one := sound(t)[0]
	for i := range 50 * 600 {
		p := one
		p.head.SequenceNumber, p.head.Timestamp, p.payload = uint16(i), uint32(960*i), string(opus[i%len(opus)])
		list = append(list, p)
	}
	write(t, filepath.Join(folder, "a-audio.mjr"), recording(mjr.Header{Codec: "opus"}, arriving(list, 48000, 300)))
	target := filepath.Join(t.TempDir(), "room.mkv")
	run(nil, "bifrons-rec", "room", "-o", target, folder).want(t, 0)
	out := command(t, "ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries", "packet=pts_time", target)
	lines := strings.Fields(out)
	last, _ := strconv.ParseFloat(strings.TrimSuffix(lines[len(lines)-1], ","), 64)
	if want := 600*(1-300e-6) - 0.02; len(lines) != len(list) || math.Abs(last-want) > 0.015 {
		t.Errorf("%d packets, the last at %f instead of %f", len(lines), last, want)
	}
}

// TestRoomErrors: what cannot be done is told.
func TestRoomErrors(t *testing.T) {
	folder := t.TempDir()
	target := filepath.Join(folder, "a.mkv")
	run(nil, "bifrons-rec", "room").want(t, 1, "Usage")
	run(nil, "bifrons-rec", "room", folder).want(t, 1, "Usage")
	run(nil, "bifrons-rec", "room", folder, "-o", "a.webm").want(t, 1, "Usage")
	run(nil, "bifrons-rec", "room", "--help").want(t, 0, "Usage")
	run(nil, "bifrons-rec", "room", "-x").want(t, 1, `what is "-x"`)
	run(nil, "bifrons-rec", "room", folder, "-o", target).want(t, 1, "no recordings")
	write(t, filepath.Join(folder, "x.mjr"), []byte("nothing of sense"))
	run(nil, "bifrons-rec", "room", folder, "-o", target).want(t, 1, "x.mjr", "no recordings")
}

func TestMediumOf(t *testing.T) {
	for name, want := range map[string]string{
		"videoroom-1-user-7-1714550000120000-audio-0.mjr":   "videoroom-1-user-7-audio-0",
		"videoroom-1-user-7-1714550000120000-audio-0-2.mjr": "videoroom-1-user-7-audio-0",
		"a-video.mjr": "a-video", "a.mjr": "a", "a-2.mjr": "a-2",
	} {
		if got := mediumOf("/x/" + name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
