package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"bifrons/api/config"
	"bifrons/api/plugin/voicemail"
)

// TestBrowserDemoVoiceMail drives the voice mail page of Debian's package janus-demos: it
// records for ten seconds, and plays what was recorded.
func TestBrowserDemoVoiceMail(t *testing.T) {
	folder := demosFolderFor(t)
	browserTest(t)
	settings, messages := t.TempDir(), t.TempDir()
	file := fmt.Sprintf("general: { path = %q  base = \"/voicemail/\" }\n", messages)
	if err := os.WriteFile(filepath.Join(settings, voicemail.Package+".jcfg"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testServerWith(t, folder, func(cfg *config.Config) { cfg.Folder = settings })
	from := direct(t, s)
	b := openTab(t, from.hosts, from.script())
	b.do(chromedp.Navigate(from.origin + "/demos/voicemailtest.html"))
	b.is("!!window.Janus && !!window.$?._data?.($('#start')[0], 'events')?.click")
	b.click("#start")
	b.is(`$("#record").is(":visible") && !!$._data($("#record")[0], "events")?.click`)
	b.click("#record")
	b.is(`$("#record").text() === "Started"`)
	b.is(`$("#record").text() === "Done!"`)
	b.is(`$("#download").is(":visible") && $("#download").attr("href").startsWith("/voicemail//janus-voicemail-")`)
	b.click("#listen")
	await(b, "the message to play", `(() => { const a = $("#rec")[0]; return a && !a.error && a.currentTime > 1 ? a.duration : 0 })()`,
		func(duration float64) bool { return duration > 9.5 && duration < 11 })
	b.mu.Lock()
	b.problems = slices.DeleteFunc(b.problems, func(text string) bool {
		return strings.Contains(text, "459 No such handle") // the page detaches what it was told is detached
	})
	b.mu.Unlock()
	b.quiet()

	made, _ := filepath.Glob(filepath.Join(messages, "*"))
	if len(made) != 1 {
		t.Fatalf("files %v", made)
	}
	if _, err := exec.LookPath("ffprobe"); err != nil {
		needs(t, "ffprobe is not installed: the file is not looked at")
	}
	out, err := exec.Command("ffprobe", "-v", "warning", "-count_packets", "-show_entries", "stream=codec_name,channels,nb_read_packets:format=duration",
		"-of", "default=noprint_wrappers=1", made[0]).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe: %v\n%s", err, out)
	}
	values := map[string]string{}
	for _, line := range strings.Fields(string(out)) {
		key, value, _ := strings.Cut(line, "=")
		values[key] = value
	}
	duration, _ := strconv.ParseFloat(values["duration"], 64)
	packets, _ := strconv.Atoi(values["nb_read_packets"])
	if values["codec_name"] != "opus" || values["channels"] != "2" || duration < 9.5 || duration > 11 || packets < 400 {
		t.Errorf("ffprobe tells\n%s", out)
	}
}
