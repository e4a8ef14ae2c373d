package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"bifrons/api/config"
	"bifrons/rtp/waittest"
)

// demosFolder is where Debian's package janus-demos puts the pages.
const demosFolder = "/usr/share/janus/demos"

// demosFolderFor skips the test if the pages or the libraries that they load
// are missing.
func demosFolderFor(t *testing.T) string {
	t.Helper()
	for _, file := range []string{
		"echotest.html", "echotest.js", "settings.js", "javascript/janus-gateway/janus.min.js",
		"javascript/jquery/jquery.min.js", "javascript/webrtc-adapter/adapter.min.js",
	} {
		if _, err := os.Stat(demosFolder + "/" + file); err != nil {
			needs(t, "janus-demos is not installed: "+err.Error())
		}
	}
	return demosFolder
}

// demo is the EchoTest page of janus-demos, as it is installed.
type demo struct {
	*tab
	server *server
}

// openDemo opens the page in front of a server of its own.
//
// The browser believes that the page comes from port 80 and that the Janus
// API is on the usual ports, as in a Debian installation; so requests to the
// API are cross-origin. What an administrator would write into settings.js is
// set from outside, as no file is changed: the address of the API, no STUN
// server, no credentials (the file as shipped leaves token and apisecret
// undeclared, which the page does not survive).
func openDemo(t *testing.T, transport, query string) *demo {
	t.Helper()
	return openDemoWith(t, transport, query, nil)
}

// openDemoWith is openDemo with another configuration of the server.
func openDemoWith(t *testing.T, transport, query string, change func(*config.Config)) *demo {
	t.Helper()
	folder := demosFolderFor(t)
	browserTest(t)
	s := testServerWith(t, folder, change)
	s.explain(t)
	script := `for (const name of ["token", "apisecret"]) window[name] = null;
		Object.defineProperty(window, "iceServers", { get: () => [], set() {} });`
	if transport == "websockets" {
		script += `Object.defineProperty(window, "server", { get: () => "ws://" + location.hostname + ":8188", set() {} });`
	}
	d := &demo{server: s, tab: openTab(t, []string{
		fmt.Sprintf("MAP demos.localhost:80 127.0.0.1:%d", s.port("http")),
		fmt.Sprintf("MAP demos.localhost:8088 127.0.0.1:%d", s.port("http")),
		fmt.Sprintf("MAP demos.localhost:8188 127.0.0.1:%d", s.port("ws")),
	}, script)}
	d.do(chromedp.Navigate("http://demos.localhost/demos/echotest.html" + query))
	return d
}

// start presses the button and waits until video plays.
func (d *demo) start() stats {
	d.t.Helper()
	d.is("!!window.Janus && !!window.$?._data?.($('#start')[0], 'events')?.click")
	d.click("#start")
	s := d.awaitStats("echo", func(s stats) bool {
		return s.In.Video.Frames > 0 && s.In.Audio.Packets > 0
	})
	d.printSteps()
	return s
}

// printSteps tells how long the first picture took.
func (b *tab) printSteps() {
	b.t.Helper()
	steps := await(b, "time of the first frame", "e2e.steps", func(m map[string]int) bool { return m["first frame"] > 0 })
	names := slices.SortedFunc(maps.Keys(steps), func(x, y string) int { return steps[x] - steps[y] })
	var list []string
	for _, n := range names {
		list = append(list, fmt.Sprintf("%s %d", n, steps[n]))
	}
	b.t.Logf("click to first decoded frame: %d ms (%s)", steps["first frame"], strings.Join(list, ", "))
}

// checkPlaying checks that sound and video of the right kind go round; a width
// of 0 means the size that is sent.
func (b *tab) checkPlaying(width, height int) stats {
	b.t.Helper()
	first := b.awaitStats("stats", func(stats) bool { return true })
	s := b.awaitStats("picture of the right size, and more frames and sound", func(s stats) bool {
		w, h := width, height
		if w == 0 {
			w, h = s.Out["video"].Width, s.Out["video"].Height
		}
		return w > 0 && s.In.Video.Width == w && s.In.Video.Height == h &&
			s.In.Video.Frames > first.In.Video.Frames+20 && s.In.Audio.Packets > first.In.Audio.Packets+50 && s.In.Audio.Audible > 0 &&
			s.Pair.State == "succeeded" // not while the browser checks it again
	})
	if s.Connection != "connected" || s.Pair.Protocol != "udp" {
		b.t.Errorf("connection %s, pair %+v", s.Connection, s.Pair)
	}
	if s.In.Video.Codec != "video/VP8" || s.In.Audio.Codec != "audio/opus" {
		b.t.Errorf("codecs %s, %s", s.In.Video.Codec, s.In.Audio.Codec)
	}
	b.t.Logf("in: %+v", s.In)
	b.t.Logf("out: %+v, available %.0f kbit/s, pair %+v", s.Out, s.Available/1000, s.Pair)
	return s
}

// checkSmooth waits for three seconds in which no frame came more than a
// second after the one before.
func (b *tab) checkSmooth() {
	b.t.Helper()
	const longest = 1000
	for deadline := time.Now().Add(browserPatience); ; {
		before := eval[stats](b, "e2e.smooth(), e2e.stats()")
		after := b.awaitStats("three seconds", func(s stats) bool { return s.At > before.At+3000 })
		gap := eval[float64](b, "e2e.gap()")
		frames := after.In.Video.Frames - before.In.Video.Frames
		if gap < longest && frames > 10 {
			b.t.Logf("%.1f frames/s, no frame for %.0f ms at most, %d packets lost",
				float64(frames)/(after.At-before.At)*1000, gap, after.In.Video.Lost)
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("video freezes: no frame for %.0f ms, %d frames in 3 s", gap, frames)
		}
	}
}

// bitrate measures what arrives of the echoed video over a second, in bit/s.
func (b *tab) bitrate() float64 {
	b.t.Helper()
	x := eval[stats](b, "e2e.stats()")
	y := b.awaitStats("second", func(s stats) bool { return s.At > x.At+1000 })
	return float64(y.In.Video.Bytes-x.In.Video.Bytes) * 8 / (y.At - x.At) * 1000
}

// awaitBitrate waits for a bitrate of the echoed video.
func (b *tab) awaitBitrate(what string, ok func(float64) bool) float64 {
	b.t.Helper()
	for deadline := time.Now().Add(browserPatience); ; {
		v := b.bitrate()
		if ok(v) {
			return v
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("bitrate is not %s but %.0f kbit/s; %+v", what, v/1000, eval[stats](b, "e2e.stats()"))
		}
	}
}

// awaitStill waits until for half a second no packet of a kind arrived.
func (b *tab) awaitStill(kind string) {
	b.t.Helper()
	var last int
	var since float64
	b.awaitStats("pause of the "+kind, func(s stats) bool {
		n := s.In.Video.Packets
		if kind == "audio" {
			n = s.In.Audio.Packets
		}
		if n != last {
			last, since = n, s.At
		}
		return s.At > since+500
	})
}

// TestBrowserDemoEcho drives the page of Debian's package janus-demos, over
// either transport of the Janus API.
func TestBrowserDemoEcho(t *testing.T) {
	for _, transport := range []string{"http", "websockets"} {
		t.Run(transport, func(t *testing.T) { testDemoEcho(t, transport) })
	}
}

func testDemoEcho(t *testing.T, transport string) {
	d := openDemo(t, transport, "")
	d.start()
	used := eval[string](d.tab, "janus.getServer()")
	if strings.HasPrefix(used, "ws:") != (transport == "websockets") {
		t.Errorf("the page uses %s", used)
	}
	d.checkPlaying(640, 480)
	d.checkSmooth()
	d.is(`$("#curres").text() === "640x480" && $("#peervideo1")[0].videoWidth === 640`)
	await(d.tab, "bitrate on the page", `$("#curbitrate").text()`, func(s string) bool { return strings.HasSuffix(s, "kbits/sec") })

	d.checkData()
	d.checkBitrateMenu()
	d.checkMute("audio")
	d.checkMute("video")
	d.shot("end")
	d.stop()
	d.quiet()
}

// checkData sends text by the page's input.
func (d *demo) checkData() {
	d.t.Helper()
	d.is(`!$("#datasend").prop("disabled")`)
	for _, text := range []string{"hello", "grüße, 世界"} {
		d.do(chromedp.SendKeys("#datasend", text+"\r"))
		got := await(d.tab, "echo of "+text, `$("#datarecv").val()`, func(s string) bool { return strings.HasSuffix(s, text) })
		d.t.Logf("data: %q", got)
	}
}

// checkBitrateMenu takes the bitrate down and up again.
func (d *demo) checkBitrateMenu() {
	d.t.Helper()
	const limit = 128000
	before := d.awaitBitrate("above 300 kbit/s", func(v float64) bool { return v > 300000 })
	d.choose("128")
	begun := time.Now()
	low := d.awaitBitrate("near 128 kbit/s", func(v float64) bool { return v < limit*1.25 && v < before/2 })
	took := time.Since(begun)
	s := d.awaitStats("lower target", func(s stats) bool {
		v := s.Out["video"]
		return v.Target > 0 && v.Target <= limit && s.Available <= limit*1.2
	})
	d.choose("0")
	begun = time.Now()
	again := d.awaitBitrate("above 300 kbit/s", func(v float64) bool { return v > 300000 })
	d.t.Logf("bitrate %.0f kbit/s, capped %.0f after %v (target %.0f, available %.0f), uncapped %.0f after %v",
		before/1000, low/1000, took.Round(100*time.Millisecond), s.Out["video"].Target/1000, s.Available/1000,
		again/1000, time.Since(begun).Round(100*time.Millisecond))
}

// choose picks an item of the bitrate menu.
func (d *demo) choose(id string) {
	d.t.Helper()
	d.click("#bitrateset")
	item := fmt.Sprintf(`[id="%s"]`, id)
	text := eval[string](d.tab, fmt.Sprintf("$('%s').text()", item))
	d.click(item)
	await(d.tab, "choice "+text, "$('#bitrateset').text()", func(s string) bool { return s == text })
}

// checkMute has the server stop echoing a medium, and resume it.
func (d *demo) checkMute(kind string) {
	d.t.Helper()
	button := "#toggle" + kind
	d.click(button)
	d.is(fmt.Sprintf(`$("%s").text() === "Enable %s"`, button, kind))
	d.awaitStill(kind)
	paused := eval[stats](d.tab, "e2e.stats()")
	d.click(button)
	d.is(fmt.Sprintf(`$("%s").text() === "Disable %s"`, button, kind))
	begun := time.Now()
	s := d.awaitStats(kind+" again", func(s stats) bool {
		if kind == "audio" {
			return s.In.Audio.Packets > paused.In.Audio.Packets+25
		}
		return s.In.Video.Frames > paused.In.Video.Frames+10
	})
	d.t.Logf("%s was off and on, again after %v, %d key frames so far, lost %d", kind,
		time.Since(begun).Round(100*time.Millisecond), s.In.Video.KeyFrames, s.In.Video.Lost)
}

// stop ends the echo by the page's button, whereupon the page reloads.
func (d *demo) stop() {
	d.t.Helper()
	if n := len(d.server.core.Sessions()); n != 1 {
		d.t.Errorf("%d sessions at the end", n)
	}
	d.click("#start")
	d.is(`!!window.e2e && e2e.pcs.length === 0 && document.readyState === "complete" && $("#start").text() === "Start"`)
	waittest.Until(d.t, "the end of the session", func() bool { return len(d.server.core.Sessions()) == 0 })
}
