package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"bifrons/api/config"
	"bifrons/api/plugin/recordplay"
)

// sampleFolder is where Debian's package janus-demos puts recordings.
const sampleFolder = "/usr/share/janus/recordings"

// recorder is the Record&Play page of janus-demos.
type recorder struct {
	*tab
	front  front
	folder string // of the recordings
}

// openRecorder opens the page, with the recording that janus-demos brings.
func openRecorder(t *testing.T, at func(*testing.T, *server) front) *recorder {
	t.Helper()
	demos := demosFolderFor(t)
	browserTest(t)
	r := &recorder{folder: t.TempDir()}
	for _, name := range []string{"rec-sample-audio.mjr", "rec-sample-video.mjr"} {
		b, err := os.ReadFile(filepath.Join(sampleFolder, name))
		if err != nil {
			needs(t, "janus-demos brings no recording: "+err.Error())
		}
		r.write(t, name, string(b))
	}
	r.write(t, "1234.nfo", "[1234]\nname = Lorenzo says hello!\nprivate = false\ndate = 2014-10-22 14:44:36\naudio = rec-sample-audio.mjr\nvideo = rec-sample-video.mjr\n")
	settings := t.TempDir()
	text := fmt.Sprintf("general: { path = %q }\n", r.folder)
	if err := os.WriteFile(filepath.Join(settings, recordplay.Package+".jcfg"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testServerWith(t, demos, func(c *config.Config) { c.Folder = settings })
	r.front = at(t, s)
	r.tab = openTab(t, r.front.hosts, r.front.script())
	return r
}

func (r *recorder) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// begin opens the page and presses its first button.
func (r *recorder) begin(query string) {
	r.t.Helper()
	r.do(chromedp.Navigate(r.front.origin + "/demos/recordplaytest.html" + query))
	r.is("!!window.Janus && !!window.$?._data?.($('#start')[0], 'events')?.click")
	r.click("#start")
	r.lists("Lorenzo says hello!")
}

// lists waits until the page lists a recording and can be used.
func (r *recorder) lists(name string) {
	r.t.Helper()
	r.is(fmt.Sprintf(`$("#recslist a").get().some(a => a.innerText.startsWith(%q + " [") || a.textContent.startsWith(%q + " ["))`, name, name))
	r.is(`!$("#record").prop("disabled") && !$("#video").is(":visible")`)
}

// plays chooses a recording and plays it, to its end or until stop is pressed. A width of
// 0 is any.
func (r *recorder) plays(name string, width int, codec string, stop bool) {
	r.t.Helper()
	before := eval[stats](r.tab, "e2e.stats()")
	r.click("#recset")
	eval[any](r.tab, fmt.Sprintf(`$("#recslist a").filter((i, a) => a.textContent.startsWith(%q + " [")).click(), null`, name))
	r.is(`$("#recset").text().startsWith("` + name + `")`)
	r.click("#play")
	s := r.awaitStats("picture and sound of "+name, func(s stats) bool {
		return (width == 0 || s.In.Video.Width == width) && s.In.Video.Frames > before.In.Video.Frames+10 && s.In.Audio.Packets > before.In.Audio.Packets+25 && s.In.Audio.Audible > 0
	})
	if s.In.Video.Codec != codec || s.In.Audio.Codec != "audio/opus" {
		r.t.Errorf("codecs %s, %s", s.In.Video.Codec, s.In.Audio.Codec)
	}
	r.is(fmt.Sprintf(`$("#videobox video").get().some(v => v.videoWidth === %d)`, s.In.Video.Width))
	r.t.Logf("%s: in %+v", name, s.In)
	if stop {
		r.click("#stop")
	}
	r.lists(name) // when it is over
}

// record records something under a name, with a pause.
func (r *recorder) record(name string) {
	r.t.Helper()
	r.click("#record")
	r.is(`$(".bootbox-input").is(":visible")`)
	r.do(chromedp.SendKeys(".bootbox-input", name+"\r"))
	r.is(`recordingId !== null && $("#video").is(":visible") && !!$._data($("#stop")[0], "events")?.click`)
	frames := func(s stats) int { return s.Out["video"].Frames + s.Out["l"].Frames } // the latter with simulcast
	first := r.awaitStats("something to be sent", func(s stats) bool { return frames(s) > 0 && s.Out["audio"].Packets > 0 })
	sent := func(what string, more int) {
		r.awaitStats(what, func(s stats) bool { return frames(s) > frames(first)+more })
	}
	sent("video to be sent", 40)
	r.click("#pause-resume")
	r.is(`$("#pause-resume").text() === "Resume"`)
	sent("video that is not recorded", 50)
	r.click("#pause-resume")
	r.is(`$("#pause-resume").text() === "Pause"`)
	sent("more video", 90)
	r.click("#stop")
	r.is(`$(".bootbox").text().includes("Recording completed!")`)
	r.click(".bootbox .btn-primary")
	r.is(`$(".modal").length === 0`)
	r.lists(name)
}

// TestBrowserDemoRecordPlay drives the Record&Play page of Debian's package janus-demos:
// it plays the recording of that package, from long ago, and what the browser has recorded.
func TestBrowserDemoRecordPlay(t *testing.T) {
	for name, x := range map[string]struct {
		at           func(*testing.T, *server) front
		query, codec string
		width        int
	}{
		"websockets": {direct, "", "video/VP8", 640},
		"http":       {directPoll, "?vcodec=vp9&opusred=true", "video/VP9", 640},
		"h264":       {direct, "?vcodec=h264", "video/H264", 640},
		"simulcast":  {direct, "?simulcast=true", "video/VP8", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := openRecorder(t, x.at)
			r.begin(x.query)
			if name == "websockets" {
				r.plays("Lorenzo says hello!", 640, "video/VP8", false)
				r.plays("Lorenzo says hello!", 640, "video/VP8", true)
			}
			r.record("Anna; and Bert")
			r.plays("Anna; and Bert", x.width, x.codec, false)
			r.quiet()
		})
	}
}
