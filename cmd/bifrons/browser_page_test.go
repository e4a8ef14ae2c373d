package main

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"

	"bifrons/api/config"
)

// echoState is what the embedded page tells of itself in window.echo.
type echoState struct {
	State, Error, Transport, Source             string
	FramesDecoded, Width, Height                int
	AudioPackets, DataEchoed, FirstFrameMs      int
	Substream, Temporal                         *int
	VideoCodec, AudioCodec, CandidateType       string
	Simulcast                                   bool
	BitrateUp, BitrateDown, FPS, RTTMs, LossPct float64
}

// echoTab is the embedded page in a browser.
type echoTab struct {
	*tab
	server *server
}

// openPage opens the embedded page of a server of its own.
func openPage(t *testing.T, query string) *echoTab {
	t.Helper()
	return openPageWith(t, query, "", nil)
}

// openPageWith also runs a script before those of the page, and may adjust the
// server's configuration.
func openPageWith(t *testing.T, query, script string, change func(*config.Config)) *echoTab {
	t.Helper()
	browserTest(t)
	s := testServer(t, change)
	s.explain(t)
	p := &echoTab{server: s, tab: openTab(t, nil, script)}
	p.visit(query)
	return p
}

// visit loads the page.
func (p *echoTab) visit(query string) {
	p.t.Helper()
	p.do(chromedp.Navigate(fmt.Sprintf("http://127.0.0.1:%d/%s", p.server.port("http"), query)))
}

// awaitEcho waits for a state of the page.
func (p *echoTab) awaitEcho(what string, ok func(echoState) bool) echoState {
	p.t.Helper()
	var s echoState
	await(p.tab, what, "JSON.stringify(window.echo ?? {})", func(text string) bool {
		s = echoState{}
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			p.t.Fatalf("%v: %s", err, text)
		}
		if s.State == "error" {
			p.t.Fatalf("the page says: %s", s.Error)
		}
		return ok(s)
	})
	return s
}

// TestBrowserPage drives the page that the server itself serves.
func TestBrowserPage(t *testing.T) {
	for _, c := range []struct {
		name, query, transport string
		controls               bool // they are the same in all
	}{
		{"ws", "?transport=ws", "WebSocket", true},
		{"http", "?transport=http", "HTTP", false},
		{"ws/simulcast", "?transport=ws&simulcast=1", "WebSocket", false},
		{"http/simulcast", "?transport=http&simulcast=1", "HTTP", true},
	} {
		if c.name != "http/simulcast" || os.Getenv("BIFRONS_SOAK") != "" {
			t.Run(c.name, func(t *testing.T) { testPage(t, c.query, c.transport, c.controls) })
		}
	}
}

func testPage(t *testing.T, query, transport string, controls bool) {
	p := openPage(t, query)
	p.awaitEcho("page", func(s echoState) bool { return s.State == "idle" })
	p.shot("ready")
	p.click("#start")
	s := p.awaitEcho("echo", func(s echoState) bool {
		return s.State == "running" && s.FramesDecoded > 20 && s.AudioPackets > 50 && s.DataEchoed > 0 && s.FirstFrameMs > 0
	})
	t.Logf("click to first decoded frame: %d ms", s.FirstFrameMs)
	if s.Transport != transport || s.Source != "camera" || s.VideoCodec != "VP8" || s.AudioCodec != "opus" || s.CandidateType != "host" {
		t.Errorf("the page says %+v", s)
	}
	if s.Simulcast {
		p.checkLayers()
	} else {
		// The encoder starts with a smaller picture if it has to.
		if v := p.checkPlaying(0, 0).In.Video; v.Width < 320 || v.Width*9 != v.Height*16 {
			t.Errorf("the picture is %dx%d", v.Width, v.Height)
		}
	}
	p.checkSmooth()
	if controls {
		p.checkControls()
	}
	p.checkFigures()
	p.shot("running")
	p.click("#start")
	p.awaitEcho("end", func(s echoState) bool { return s.State == "stopped" })
	await(p.tab, "end of the session", "1", func(int) bool { return len(p.server.core.Sessions()) == 0 })
	p.shot("stopped")
	p.quiet()
}

// TestBrowserPageNoCamera has the test picture stand in for the camera, on a
// screen as small as a telephone's.
func TestBrowserPageNoCamera(t *testing.T) {
	p := openPageWith(t, "", `navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));`, nil)
	p.awaitEcho("page", func(s echoState) bool { return s.State == "idle" })
	p.do(chromedp.EmulateViewport(390, 844))
	p.click("#start")
	p.awaitEcho("test picture", func(s echoState) bool {
		return s.State == "running" && s.FramesDecoded > 10 && s.AudioPackets > 10 && s.Source == "pattern"
	})
	p.is(`document.querySelector("#notices").textContent.includes("not allowed")`)
	p.do(chromedp.Click("#theme"))
	p.shot("phone")
	p.quiet()
}

// TestBrowserPageFailures looks at what the page says when things go wrong.
func TestBrowserPageFailures(t *testing.T) {
	p := openPageWith(t, "", "", func(c *config.Config) { c.Server.Plugins.Disable = []string{"libjanus_echotest.so"} })
	for query, want := range map[string]string{
		"?auto=1":                                "The server has no echo test.",
		"?auto=1&transport=http&server=/nowhere": "The server does not answer.",
		"?auto=1&transport=ws&wsserver=ws://127.0.0.1:1/nobody": "The server does not answer.",
	} {
		p.visit(query)
		got := await(p.tab, "failure", "[window.echo?.state, window.echo?.error]", func(s []string) bool { return s[0] == "error" })
		if got[1] != want {
			t.Errorf("%s: the page says %q, want %q", query, got[1], want)
		}
	}
	p.shot("failure")
}

// checkLayers switches substreams with the page's buttons.
func (p *echoTab) checkLayers() {
	p.t.Helper()
	for _, n := range order(p.awaitEncodings()) {
		p.click(fmt.Sprintf(`[data-substream="%d"]`, n))
		p.awaitStats(fmt.Sprintf("substream %d", n), func(s stats) bool {
			return s.In.Video.Width > 0 && s.In.Video.Width == s.Out[rids[n]].Width && s.In.Video.Height == s.Out[rids[n]].Height
		})
		p.awaitEcho(fmt.Sprintf("substream %d", n), func(s echoState) bool {
			return s.Substream != nil && *s.Substream == n && s.Width == 1280>>(2-n) && s.Height == 720>>(2-n)
		})
		await(p.tab, "mark on the button", `[...document.querySelectorAll("[data-substream][data-on]")].map(b => b.dataset.substream).join()`,
			func(s string) bool { return s == fmt.Sprint(n) })
	}
	for _, n := range []int{0, 2} {
		p.click(fmt.Sprintf(`[data-temporal="%d"]`, n))
		await(p.tab, "mark on the button", `[...document.querySelectorAll("[data-temporal][data-on]")].map(b => b.dataset.temporal).join()`,
			func(s string) bool { return s == fmt.Sprint(n) })
	}
}

// checkControls uses the switches, the bitrate list and the data channel.
func (p *echoTab) checkControls() {
	p.t.Helper()
	p.do(chromedp.SendKeys("#data-text", "over and out\r"))
	await(p.tab, "echoed text", `document.querySelector("#data-log").textContent`, func(s string) bool {
		return len(s) > 0 && eval[bool](p.tab, `document.querySelector("#data-log li").textContent.includes("over and out")`)
	})
	before := p.awaitBitrate("above 300 kbit/s", func(v float64) bool { return v > 300000 })
	p.do(chromedp.SetValue("#bitrate", "128000"))
	low := p.awaitBitrate("near 128 kbit/s", func(v float64) bool { return v < 160000 && v < before/2 })
	p.do(chromedp.SetValue("#bitrate", "0"))
	again := p.awaitBitrate("above 300 kbit/s", func(v float64) bool { return v > 300000 })
	p.t.Logf("bitrate %.0f kbit/s, capped %.0f, uncapped %.0f", before/1000, low/1000, again/1000)
	for _, kind := range []string{"audio", "video"} {
		p.click("#" + kind)
		p.awaitStill(kind)
		paused := eval[stats](p.tab, "e2e.stats()")
		p.click("#" + kind)
		p.awaitStats(kind+" again", func(s stats) bool {
			return kind == "audio" && s.In.Audio.Packets > paused.In.Audio.Packets+25 ||
				kind == "video" && s.In.Video.Frames > paused.In.Video.Frames+10
		})
	}
}

// checkFigures checks that the figures are shown, and are those of the browser.
func (p *echoTab) checkFigures() {
	p.t.Helper()
	for id, want := range map[string]string{
		"up": "bit/s", "down": "bit/s", "picture": "×", "fps": "frames", "loss": "%", "rtt": "ms", "jitter": "ms",
		"codec": "VP8", "codec-audio": "opus", "path": "host ⇄ host", "path-info": "UDP to 127.0.0.1:",
		"first": "ms", "local-info": "×", "remote-info": "×", "server": "connected over", "status": "Running",
	} {
		await(p.tab, "figure "+id, fmt.Sprintf(`(document.getElementById(%q)?.textContent ?? "").includes(%q)`, id, want),
			func(ok bool) bool { return ok })
	}
	p.is(`document.querySelector("#spark-down").getAttribute("d").length > 20`)
	p.is(`document.querySelector("#remote").videoWidth === window.echo.width`)
}
