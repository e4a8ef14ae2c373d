package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"bifrons/rtp/waittest"
)

// flashScript makes a picture that flashes and a sound that beeps, both at once, each second.
const flashScript = `
window.flashes = () => {
	const c = document.createElement("canvas"), g = c.getContext("2d");
	c.width = 160; c.height = 120;
	const context = new AudioContext(), tone = context.createOscillator(), gain = context.createGain(), out = context.createMediaStreamDestination();
	gain.gain.value = 0;
	tone.connect(gain).connect(out);
	tone.start();
	let n = 0;
	setInterval(() => {
		const on = n++ % 30 < 6;
		gain.gain.value = on ? 0.8 : 0;
		g.fillStyle = on ? "#fff" : n % 2 ? "#000" : "#020202";
		g.fillRect(0, 0, 160, 120);
	}, 1000 / 30);
	return [out.stream.getAudioTracks()[0], c.captureStream(30).getVideoTracks()[0]];
};
`

// ffmpegOutput is what a program of ffmpeg writes to its output.
func ffmpegOutput(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		needs(t, name+" is not installed")
	}
	out, err := exec.CommandContext(t.Context(), path, append([]string{"-loglevel", "error"}, args...)...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// flashTimes are when the picture of a file becomes bright.
func flashTimes(t *testing.T, path string) (list []time.Duration) {
	t.Helper()
	var found struct {
		Frames []struct {
			PTS  string `json:"pts_time"`
			Tags struct {
				Bright string `json:"lavfi.signalstats.YAVG"`
			}
		}
	}
	out := ffmpegOutput(t, "ffprobe", "-f", "lavfi", "-i", "movie="+path+",signalstats", "-of", "json",
		"-show_entries", "frame=pts_time:frame_tags=lavfi.signalstats.YAVG")
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	before := true
	for _, f := range found.Frames {
		at, _ := strconv.ParseFloat(f.PTS, 64)
		bright, _ := strconv.ParseFloat(f.Tags.Bright, 64)
		if on := bright > 128; on != before {
			if before = on; on {
				list = append(list, time.Duration(at*1e9))
			}
		}
	}
	return list
}

// beepTimes are when the sound of a file begins, each time.
func beepTimes(t *testing.T, path string) (list []time.Duration) {
	t.Helper()
	const rate, quiet = 8000, 8000 / 5
	b := ffmpegOutput(t, "ffmpeg", "-i", path, "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", strconv.Itoa(rate), "-f", "s16le", "-")
	last := 0 // loud sample
	for i := 0; i+1 < len(b); i += 2 {
		v := int16(binary.LittleEndian.Uint16(b[i:]))
		if n := i / 2; v > 3000 || v < -3000 {
			if n-last > quiet {
				list = append(list, time.Duration(n)*time.Second/rate)
			}
			last = n
		}
	}
	return list
}

// TestBrowserRecording has Chromium record its fake camera and microphone, and a flash that
// coincides with a beep: in the file they do so as well.
func TestBrowserRecording(t *testing.T) {
	p := openPageWith(t, "", labScript+flashScript, nil)
	l, folder := lab{p.tab}, t.TempDir()
	l.do(chromedp.MouseClickXY(5, 5)) // without a gesture there is no sound
	l.run(fmt.Sprintf(`
		window.calls = {};
		window.record = async (name, tracks) => {
			const h = calls[name] = await lab.attach("janus.plugin.echotest");
			for (const t of tracks) h.pc.addTrack(t);
			await h.offer({ audio: true, video: true, record: true, record_format: "webm", filename: %q + name });
		};
		await record("flash", flashes());
		await record("device", (await navigator.mediaDevices.getUserMedia({ audio: true, video: true })).getTracks())`, folder+"/"))
	for _, name := range []string{"flash", "device"} {
		await(l.tab, "media of "+name, "calls."+name+".received()", func(now map[string]int) bool { return now["0"] > 500 && now["1"] > 100 })
	}
	l.run(`for (const name in calls) await calls[name].send({ record: false })`)
	waittest.Until(t, "the files are whole", func() bool { _, n := p.server.engine.RecordTotals(); return n == 0 })

	for _, name := range []string{"flash", "device"} {
		var found struct {
			Streams []struct {
				Type  string `json:"codec_type"`
				Start string `json:"start_time"`
			}
			Format struct{ Duration string }
		}
		out := ffmpegOutput(t, "ffprobe", "-of", "json", "-show_entries", "stream=codec_type,start_time:format=duration", filepath.Join(folder, name+".webm"))
		if err := json.Unmarshal(out, &found); err != nil {
			t.Fatal(err)
		}
		length, _ := strconv.ParseFloat(found.Format.Duration, 64)
		if len(found.Streams) != 2 || length < 9 {
			t.Errorf("%s: %s", name, out)
			continue
		}
		for _, s := range found.Streams {
			if start, err := strconv.ParseFloat(s.Start, 64); err != nil || start < 0 || start > 5 {
				t.Errorf("%s: %s starts at %s", name, s.Type, s.Start)
			}
		}
		t.Logf("%s: %+v", name, found)
	}

	path := filepath.Join(folder, "flash.webm")
	var offsets []time.Duration
	beeps := beepTimes(t, path)
	for _, flash := range flashTimes(t, path) {
		for _, beep := range beeps {
			if d := beep - flash; d.Abs() < 400*time.Millisecond {
				offsets = append(offsets, d)
			}
		}
	}
	t.Logf("the sound is behind the picture by %v", offsets)
	slices.Sort(offsets)
	if len(offsets) < 5 || offsets[len(offsets)/2].Abs() > 200*time.Millisecond {
		t.Errorf("a flash and its beep are apart by %v", offsets)
	}
}
