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

// publisherTab is the page that publishes by WHIP and watches by WHEP.
type publisherTab struct{ *tab }

// openPublisher opens the page in a tab, for the endpoints "me" of a server.
func openPublisher(tb *tab, s *server) publisherTab {
	tb.t.Helper()
	tb.do(chromedp.Navigate(fmt.Sprintf("%[1]secho/publish.html?token=t&whip=%[1]swhip/endpoint/me&whep=%[1]swhep/endpoint/me", s.url("http"))))
	return publisherTab{tb}
}

// side waits for a state of one of the page's sides.
func (p publisherTab) side(name, what string, ok func(sideState) bool) {
	p.t.Helper()
	await(p.tab, what, fmt.Sprintf("JSON.stringify(window.sides?.%s.known ?? {})", name), func(text string) bool {
		var x sideState
		if err := json.Unmarshal([]byte(text), &x); err != nil {
			p.t.Fatalf("%v: %s", err, text)
		}
		return ok(x)
	})
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
	p := openPublisher(openTab(t, nil, ""), s)
	p.do(chromedp.Click(".side:nth-of-type(2) .primary"))
	p.side("whep", "nobody publishes", func(x sideState) bool { return x.State == "error" && x.Error != "" })
	p.do(chromedp.Click(".side:nth-of-type(1) .primary"))
	p.side("whip", "the camera is sent", func(x sideState) bool { return x.State == "running" && x.BitrateUp > 0 && x.Width > 0 })
	p.do(chromedp.Click(".side:nth-of-type(2) .primary"))
	p.side("whep", "it is seen and heard", func(x sideState) bool {
		return x.State == "running" && x.FramesDecoded > 10 && x.AudioPackets > 10 && x.Viewers != nil && *x.Viewers == 1
	})
	p.do(chromedp.Click(".side:nth-of-type(1) .primary"))
	p.side("whep", "the publisher has left", func(x sideState) bool { return x.Active != nil && !*x.Active })
}

// TestBrowserPublishIntoRoom publishes by WHIP into the room of an unmodified demo page: who
// is there sees and hears it, and so does a player at the same time.
func TestBrowserPublishIntoRoom(t *testing.T) {
	c := openConference(t, "mvideoroomtest.html", "anna")
	anna := c.all[0]
	anna.join()
	p := openPublisher(anna.another(""), c.server)
	p.do(chromedp.Click(".side:nth-of-type(1) .primary"))
	p.side("whip", "the camera is sent", func(x sideState) bool { return x.State == "running" && x.BitrateUp > 0 })
	p.do(chromedp.Click(".side:nth-of-type(2) .primary"))
	p.side("whep", "it is seen and heard", func(x sideState) bool {
		return x.State == "running" && x.FramesDecoded > 10 && x.AudioPackets > 10
	})
	anna.awaitOthers("the publisher by WHIP", func(o others) bool { return o["studio"].Frames > 10 && o["studio"].Energy > 0 })
	p.do(chromedp.Click(".side:nth-of-type(1) .primary"))
	anna.awaitOthers("its end", func(o others) bool { _, there := o["studio"]; return !there })
	anna.quiet()
}
