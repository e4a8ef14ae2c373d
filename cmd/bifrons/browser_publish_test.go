package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"bifrons/api/config"
)

// sideState is what the page "Publish and watch" tells of one of its sides.
type sideState struct {
	State, Error                       string
	FramesDecoded, Width, AudioPackets int
	BitrateUp                          float64
	Viewers                            *int
	Active                             *bool
}

// TestBrowserPublish publishes a camera by WHIP and watches it by WHEP, on the page that is
// for that.
func TestBrowserPublish(t *testing.T) {
	browserTest(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bifrons.whip.jcfg"), []byte(`
		whip-me: { room = 1, token = "t" }
		whep-me: { room = 1, token = "t" }`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testServer(t, func(cfg *config.Config) { cfg.Folder = dir })
	s.explain(t)
	dial(t, s).attach(roomPackage).message(message{"request": "create", "room": 1}, nil)
	tb := openTab(t, nil, "")
	base := fmt.Sprintf("http://127.0.0.1:%d/", s.port("http"))
	tb.do(chromedp.Navigate(fmt.Sprintf("%secho/publish.html?token=t&whip=%[1]swhip/endpoint/me&whep=%[1]swhep/endpoint/me", base)))
	side := func(name, what string, ok func(sideState) bool) {
		t.Helper()
		await(tb, what, fmt.Sprintf("JSON.stringify(window.sides?.%s.known ?? {})", name), func(text string) bool {
			var x sideState
			if err := json.Unmarshal([]byte(text), &x); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			return ok(x)
		})
	}
	tb.do(chromedp.Click(".side:nth-of-type(2) .primary"))
	side("whep", "nobody publishes", func(x sideState) bool { return x.State == "error" && x.Error != "" })
	tb.do(chromedp.Click(".side:nth-of-type(1) .primary"))
	side("whip", "the camera is sent", func(x sideState) bool { return x.State == "running" && x.BitrateUp > 0 && x.Width > 0 })
	tb.do(chromedp.Click(".side:nth-of-type(2) .primary"))
	side("whep", "it is seen and heard", func(x sideState) bool {
		return x.State == "running" && x.FramesDecoded > 10 && x.AudioPackets > 10 && x.Viewers != nil && *x.Viewers == 1
	})
	tb.do(chromedp.Click(".side:nth-of-type(1) .primary"))
	side("whep", "the publisher has left", func(x sideState) bool { return x.Active != nil && !*x.Active })
}
