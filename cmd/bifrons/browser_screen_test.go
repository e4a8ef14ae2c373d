package main

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBrowserDemoScreenSharing drives the page of janus-demos that makes a room
// for one screen: one window presents, two watch.
func TestBrowserDemoScreenSharing(t *testing.T) {
	openConference(t, "screensharingtest.html", "one", "two", "presenter").shareScreen()
}

// shareScreen has the last of those at the page present, and the others watch until he is gone.
func (c *conference) shareScreen() {
	t := c.t
	t.Helper()
	last := len(c.all) - 1
	presenter, viewers := c.all[last], c.all[:last]
	for _, p := range c.all {
		p.begin()
	}
	presenter.is(`$("#create").is(":visible") && !!$._data($("#create")[0], "events")?.click`)
	presenter.do(chromedp.SendKeys("#desc", "my screen"))
	presenter.click("#create")
	presenter.is(`$("#title").text() === "my screen" && $(".bootbox").text().includes("screen sharing session just started")`)
	room := eval[string](presenter.tab, `$("#session").text()`)
	t.Logf("room %s", room)

	for _, p := range viewers {
		p.is(`$("#join").is(":visible") && !!$._data($("#join")[0], "events")?.click`)
		p.do(chromedp.SendKeys("#roomid", room))
		p.click("#join")
	}
	for _, p := range viewers {
		first := 0
		p.awaitStats(p.name+": moving picture and sound", func(s stats) bool {
			if first == 0 {
				first = s.In.Video.Frames
			}
			return first > 0 && s.In.Video.Frames > first+5 && s.In.Audio.Audible > 0
		})
		p.is(`$("#screencapture video")[0]?.videoWidth > 0 && $("#title").text() === "my screen"`)
		p.shot(p.name)
	}
	presenter.leave()
	for _, p := range viewers {
		// The console is not quiet: the page calls play() twice at a time.
		p.is(`$(".bootbox").text().includes("the publisher left")`)
	}
}

// TestBrowserDemoRoomSimulcast: the buttons of the VideoRoom page choose among
// the encodings of somebody else.
func TestBrowserDemoRoomSimulcast(t *testing.T) {
	testRoomSimulcast(t, "videoroomtest.html")
}

// TestBrowserDemoMultistreamSimulcast is the same on the page whose requests
// name the m-line.
func TestBrowserDemoMultistreamSimulcast(t *testing.T) {
	if !soak() {
		t.Skip("set BIFRONS_SOAK for this test")
	}
	testRoomSimulcast(t, "mvideoroomtest.html")
}

func testRoomSimulcast(t *testing.T, file string) {
	c := openConference(t, file, "anna?simulcast=true", "bert")
	anna, bert := c.all[0], c.all[1]
	anna.join()
	// The windows share the camera, which keeps the size its first user asked
	// for, and bert's is too small for a second encoding.
	sent := await(anna.tab, "two encodings", "room.sent()", func(w map[string]int) bool { return len(w) > 1 })
	bert.join()
	t.Logf("encodings: %v", sent)
	for _, n := range []int{0, 1, 0} {
		bert.click(fmt.Sprintf("#sl1-%d", n))
		bert.is(fmt.Sprintf(`$("#sl1-%d").hasClass("btn-success")`, n))
		bert.awaitOthers(fmt.Sprintf("picture of encoding %d", n), func(o others) bool {
			sent = eval[map[string]int](anna.tab, "room.sent()")
			return o[anna.name].Width > 0 && o[anna.name].Width == sent[rids[n]]
		})
	}
	eval[bool](bert.tab, `!!$("#tl1-0").trigger("click")`) // the page may lay a notice over it
	bert.is(`$("#tl1-0").hasClass("btn-success")`)
	bert.shot("end")
	for _, p := range c.all {
		p.quiet()
	}
}
