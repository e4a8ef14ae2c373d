package web

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"bifrons/api/transport"
	"bifrons/api/transport/http"
	"bifrons/api/transport/websockets"
)

func pli(t *webrtc.TrackRemote) []rtcp.Packet {
	return []rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(t.SSRC())}}
}

// browser starts a fresh Chromium; the test is skipped where there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium here")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx,
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.WindowSize(1180, 1000),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("use-fake-ui-for-media-stream", true), chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("allow-loopback-in-peer-connection", true),
		chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true))
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// open shows an address in a new tab.
func open(t *testing.T, browser context.Context, url string) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	do(t, ctx, chromedp.Navigate(url))
	return ctx
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// serve starts both transports on the stand-in core.
func serve(t *testing.T) (core *echoCore, url string) {
	t.Helper()
	core = newEchoCore()
	local := transport.Endpoint{Enabled: true, IP: netip.MustParseAddr("127.0.0.1")}
	ws, err := websockets.New(websockets.Config{API: websockets.API{WS: local}}, core)
	if err != nil {
		t.Fatal(err)
	}
	ws.Start()
	page, err := Page(Settings{BasePath: "/janus", WS: ws.Addrs("ws")[0].(*net.TCPAddr).Port, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	api, err := http.New(http.Config{API: http.API{HTTP: local}, Page: page}, core)
	if err != nil {
		t.Fatal(err)
	}
	api.Start()
	t.Cleanup(func() { core.close(); ws.Close(); api.Close() })
	return core, "http://" + api.Addrs("http")[0].String() + "/"
}

type pageState struct {
	State, Error, Transport, Source        string
	FramesDecoded, Width, Height           int
	AudioPackets, DataEchoed, FirstFrameMs int
	Substream                              *int
	VideoCodec, AudioCodec, CandidateType  string
	Simulcast                              bool
}

// await polls window.echo until it is as wanted.
func await(t *testing.T, ctx context.Context, what string, ok func(pageState) bool) pageState {
	t.Helper()
	var s pageState
	for {
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`JSON.stringify(window.echo)`))
		if err != nil {
			t.Fatalf("waiting for %s: %v, at %+v", what, err, s)
		}
		s = pageState{}
		if err := json.Unmarshal([]byte(text), &s); err == nil && ok(s) {
			return s
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %+v", what, s)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// shot saves a picture of the page, with a curve that had time to grow, in the
// folder named by BIFRONS_SHOTS.
func shot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("BIFRONS_SHOTS")
	if dir == "" {
		return
	}
	time.Sleep(5 * time.Second)
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPageInBrowser runs the page in Chromium.
func TestPageInBrowser(t *testing.T) {
	ctx := browser(t)
	t.Run("WebSocket", func(t *testing.T) { testEcho(t, ctx, "ws", "WebSocket") })
	t.Run("HTTP", func(t *testing.T) { testEcho(t, ctx, "http", "HTTP") })
	t.Run("Simulcast", func(t *testing.T) { testSimulcast(t, ctx) })
	t.Run("NoCamera", func(t *testing.T) { testNoCamera(t, ctx) })
	t.Run("Failures", func(t *testing.T) { testFailures(t, ctx) })
}

func testEcho(t *testing.T, browser context.Context, option, name string) {
	core, url := serve(t)
	ctx := open(t, browser, url+"?auto=1&transport="+option)
	s := await(t, ctx, "media", func(s pageState) bool {
		return s.State == "running" && s.FramesDecoded > 10 && s.AudioPackets > 10 && s.DataEchoed > 0 && s.FirstFrameMs > 0
	})
	if s.Transport != name || s.Source != "camera" {
		t.Errorf("over %s from %s", s.Transport, s.Source)
	}
	if s.Width == 0 || s.VideoCodec != "VP8" || s.AudioCodec != "opus" || s.CandidateType == "" || s.Error != "" {
		t.Errorf("figures %+v", s)
	}
	do(t, ctx, chromedp.Click("#audio"), chromedp.SetValue("#bitrate", "256000"), chromedp.SendKeys("#data-text", "over and out\n"))
	await(t, ctx, "the data", func(s pageState) bool { return s.DataEchoed >= 2 })
	shot(t, ctx, "running-"+option)
	do(t, ctx, chromedp.Click("#start"))
	await(t, ctx, "the end", func(s pageState) bool { return s.State == "stopped" })
	for core.Poll(101, "", "") == 0 { // until the session is destroyed
		time.Sleep(10 * time.Millisecond)
	}
	if got := core.requests("bitrate"); len(got) != 1 || got[0] != "256000" {
		t.Errorf("bitrate requests %v", got)
	}
	if got := core.requests("audio"); len(got) != 2 || got[1] != "false" {
		t.Errorf("audio requests %v", got)
	}
}

func testSimulcast(t *testing.T, browser context.Context) {
	core, url := serve(t)
	ctx := open(t, browser, url+"?auto=1&simulcast=1")
	is := func(n int) func(pageState) bool {
		return func(s pageState) bool {
			return s.State == "running" && s.Substream != nil && *s.Substream == n && s.Width > 0
		}
	}
	high := await(t, ctx, "the large picture", is(2))
	do(t, ctx, chromedp.Click(`[data-substream="0"]`))
	await(t, ctx, "the small picture", func(s pageState) bool { return is(0)(s) && s.Width < high.Width })
	shot(t, ctx, "simulcast")
	if got := core.requests("substream"); len(got) != 1 || got[0] != "0" {
		t.Errorf("requests %v", got)
	}
}

// testNoCamera has the test picture stand in for the camera.
func testNoCamera(t *testing.T, browser context.Context) {
	_, url := serve(t)
	ctx := open(t, browser, url)
	shot(t, ctx, "ready")
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](
		`navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError")); true`)); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.EmulateViewport(390, 844), chromedp.Click("#start"))
	await(t, ctx, "the test picture", func(s pageState) bool {
		return s.State == "running" && s.FramesDecoded > 10 && s.AudioPackets > 10 && s.Source == "pattern"
	})
	text, err := chromedp.Run(ctx, chromedp.TextContent("#notices"))
	if err != nil || !strings.Contains(text, "not allowed") {
		t.Errorf("the page says %q, %v", text, err)
	}
	do(t, ctx, chromedp.Click("#theme"))
	shot(t, ctx, "phone")
}

// testFailures looks at what the page says when things go wrong.
func testFailures(t *testing.T, browser context.Context) {
	core, url := serve(t)
	core.plugs = false
	for query, want := range map[string]string{
		"?auto=1":                                "The server has no echo test.",
		"?auto=1&transport=http&server=/nowhere": "The server does not answer.",
		"?auto=1&transport=ws&wsserver=ws://127.0.0.1:1/nobody": "The server does not answer.",
	} {
		ctx := open(t, browser, url+query)
		s := await(t, ctx, "the failure", func(s pageState) bool { return s.State == "error" })
		if s.Error != want {
			t.Errorf("%s: got %+v", query, s)
		}
		if query == "?auto=1" {
			shot(t, ctx, "failure")
		}
	}
}
