package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"bifrons/rtp/waittest"
)

// browserPatience is how long something may take in a browser that shares two
// cores with the server: the encoder starts low, and three pictures take
// their time.
const browserPatience = waittest.Patience

// needs skips the test when something that it needs is not installed, or fails
// it where BIFRONS_E2E=required says that it must run.
func needs(t *testing.T, missing string) {
	t.Helper()
	if os.Getenv("BIFRONS_E2E") == "required" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

// chromiumPath finds the browser.
func chromiumPath(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	needs(t, "chromium is not installed: neither chromium, chromium-browser nor google-chrome is in PATH")
	return ""
}

// browserTest prepares a test in a browser: nothing may be left of it.
func browserTest(t *testing.T) {
	t.Helper()
	if testing.Short() && os.Getenv("BIFRONS_E2E") != "required" {
		t.Skip("takes a browser, which takes long")
	}
	chromiumPath(t)
	waittest.NoLeaks(t)
}

// tab is a page in a Chromium of its own.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string // console errors and exceptions so far
	console  []string
}

// openTab starts a Chromium with a fresh profile and an empty page, in which
// script will run before those of any page. hosts are rules that take a name
// and port to a loopback address; anything else is unreachable.
func openTab(t *testing.T, hosts []string, script string) *tab {
	t.Helper()
	rules := append(hosts, "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1", "EXCLUDE localhost", "EXCLUDE "+serverIP, "EXCLUDE "+turnIP)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx,
		chromedp.ExecPath(chromiumPath(t)), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.WindowSize(1280, 1000),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-default-apps", true), chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("metrics-recording-only", true),
		chromedp.Flag("use-fake-ui-for-media-stream", true), chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("allow-loopback-in-peer-connection", true),
		chromedp.Flag("ignore-certificate-errors", true), // of servers that sign their own
		chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("host-resolver-rules", strings.Join(rules, ", ")))
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	return newTab(t, ctx, script, func() {
		_ = chromedp.Cancel(ctx) // and waits for the browser's end
		cancel()
	})
}

// newTab makes the tab of a context, and ends it by end. The first one starts the browser.
func newTab(t *testing.T, ctx context.Context, script string, end func()) *tab {
	t.Helper()
	b := &tab{t: t, ctx: ctx}
	messages := chromedp.Console(ctx)
	reading := make(chan struct{})
	t.Cleanup(func() {
		if t.Failed() {
			b.report()
		}
		end()
		<-reading
	})
	go func() {
		defer close(reading)
		for m, err := range messages {
			if err != nil {
				return
			}
			b.note(m)
		}
	}()
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument,
		page.AddScriptToEvaluateOnNewDocumentParams{Source: watchScript + script})
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return b
}

// note keeps what the page writes to the console.
func (b *tab) note(m chromedp.ConsoleMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := fmt.Sprintf("%s %s", m, m.URL)
	b.console = append(b.console, line)
	// No page is asked to have an icon. janus.js may ask for the bitrate of a track
	// that is gone.
	if (m.Type == chromedp.ConsoleError || m.IsException()) && !strings.HasSuffix(m.URL, "/favicon.ico") &&
		!strings.Contains(line, "(setting 'bsnow')") {
		b.problems = append(b.problems, line)
	}
}

// quiet fails the test if the page complained on the console, but for lines with certain words.
func (b *tab) quiet(but ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		if !slices.ContainsFunc(but, func(s string) bool { return strings.Contains(p, s) }) {
			b.t.Errorf("console: %s", p)
		}
	}
}

// report shows the end of the console and how media flows, and a picture if a
// folder for pictures is set.
func (b *tab) report() {
	b.mu.Lock()
	lines := b.console[max(0, len(b.console)-40):]
	b.mu.Unlock()
	b.t.Logf("console:\n%s", strings.Join(lines, "\n"))
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`e2e.stats().then(s => JSON.stringify(s))`, chromedp.EvalAwaitPromise))
	b.t.Logf("statistics: %s %v", text, err)
	b.shot("failed")
}

// shot saves a picture of the page in the folder that BIFRONS_SHOTS names.
func (b *tab) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("BIFRONS_SHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("no picture: %v", err)
		return
	}
	file := strings.NewReplacer("/", "-", " ", "-").Replace(b.t.Name()) + "-" + name + ".png"
	if err := os.WriteFile(filepath.Join(dir, file), png, 0o600); err != nil {
		b.t.Log(err)
	}
}

// do runs steps in the page.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// click presses what a selector finds, as a mouse does: when nothing lies over
// it, such as a notice that fades away. A page may replace it just then.
func (b *tab) click(selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	for {
		b.is(fmt.Sprintf(`(() => {
			const e = document.querySelector(%q);
			if (!e) return false;
			e.scrollIntoViewIfNeeded();
			const r = e.getBoundingClientRect(), top = document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
			return r.width > 0 && (top === e || e.contains(top));
		})()`, selector))
		err := chromedp.Do(ctx, chromedp.Click(selector, chromedp.NodeVisible))
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "Could not find node") {
			b.t.Fatalf("cannot click %s: %v", selector, err)
		}
	}
}

// eval evaluates an expression, and waits for its value if it is a promise.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := try[T](b, expression)
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func try[T any](b *tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// await evaluates an expression until its value is as wanted. The page may load
// anew meanwhile.
func await[T any](b *tab, what, expression string, ok func(T) bool) T {
	b.t.Helper()
	var v T
	defer func() {
		if b.t.Failed() {
			b.t.Logf("%s: the last value is %+v", what, v)
		}
	}()
	waittest.UntilEvery(b.t, 100*time.Millisecond, browserPatience, what, func() bool {
		var err error
		v, err = try[T](b, expression)
		if err != nil && !loadedAnew(err) {
			b.t.Fatalf("%s: %v", expression, err)
		}
		return err == nil && ok(v)
	})
	return v
}

// loadedAnew reports whether an expression has no value because the page has gone.
func loadedAnew(err error) bool {
	return slices.ContainsFunc([]string{"navigated or closed", "context was destroyed", "Promise was collected"},
		func(text string) bool { return strings.Contains(err.Error(), text) })
}

// is awaits that an expression is true, of which the page tells.
func (b *tab) is(expression string) {
	b.t.Helper()
	await(b, "truth of "+expression, fmt.Sprintf(`new Promise((tell, fail) => {
		const end = performance.now() + 1000, look = () => {
			try {
				const is = (%s);
				if (is || performance.now() > end) tell(is); else setTimeout(look, 20);
			} catch (e) { fail(e); }
		};
		look();
	})`, expression), func(v bool) bool { return v })
}

// awaitStats waits for statistics.
func (b *tab) awaitStats(what string, ok func(stats) bool) stats {
	b.t.Helper()
	return await(b, what, "e2e.stats()", ok)
}

// stats is what is looked at of getStats, for the last peer connection.
type stats struct {
	At         float64 // ms
	Connection string
	In         struct{ Audio, Video inbound }
	Out        map[string]outbound // by kind, or by rid
	Available  float64             // bit/s that congestion control allows
	Pair       struct {
		State, Local, Remote, Protocol string
		RTT                            float64
	}
}

type inbound struct {
	Codec                                        string
	Packets, Lost, Bytes, Frames, Dropped, NACKs int
	Width, Height, Freezes, KeyFrames, PLIs      int
	Audible                                      float64 // energy
	FPS, FreezeSeconds                           float64
}

type outbound struct {
	Codec                               string
	Active                              bool
	Width, Height, Bytes, Frames        int
	NACKs, PLIs, Retransmitted, Packets int
	Target, FPS                         float64
	Limited                             string
}

// watchScript collects the peer connections of a page and keeps track of how
// the last one plays.
const watchScript = `
"use strict";
(() => {
	const Native = window.RTCPeerConnection, pcs = [], steps = {};
	const mark = name => { if (clicked && !(name in steps)) steps[name] = Math.round(performance.now() - clicked); };
	let clicked = 0, gap = 0;
	window.RTCPeerConnection = new Proxy(Native, { construct(target, args, self) {
		const pc = Reflect.construct(target, args, self);
		pcs.push(pc);
		mark("pc");
		pc.addEventListener("signalingstatechange", () => mark(pc.signalingState === "stable" ? "answered" : "offered"));
		pc.addEventListener("iceconnectionstatechange", () => mark("ice " + pc.iceConnectionState));
		pc.addEventListener("connectionstatechange", () => mark("connection " + pc.connectionState));
		watch(pc);
		return pc;
	} });
	// watch notes the first frame, and the longest time between frames.
	async function watch(pc) {
		let frames = 0, last = 0;
		while (pc.connectionState !== "closed") {
			const now = performance.now();
			(await pc.getStats()).forEach(s => {
				if (s.type !== "inbound-rtp" || s.kind !== "video") return;
				if (s.packetsReceived) mark("first packet");
				if (s.framesReceived) mark("first frame received");
				if (!(s.framesDecoded > frames)) { if (last) gap = Math.max(gap, now - last); return; }
				mark("first frame");
				frames = s.framesDecoded;
				last = now;
			});
			await new Promise(wake => setTimeout(wake, frames ? 100 : 15));
		}
	}
	document.addEventListener("click", e => { if (e.target.id === "start" && !clicked) clicked = performance.now(); }, true);
	window.e2e = {
		pcs, steps,
		begin() { clicked = performance.now(); },
		gap() { return gap; },
		smooth() { gap = 0; },
		async stats() {
			const pc = pcs.at(-1), all = await pc?.getStats() ?? new Map(), codec = s => all.get(s.codecId)?.mimeType ?? "";
			const out = { At: performance.now(), Connection: pc?.connectionState ?? "none", In: { Audio: {}, Video: {} }, Out: {}, Available: 0, Pair: { State: "" } };
			let audible = 0;
			all.forEach(s => {
				if (s.type === "inbound-rtp") Object.assign(s.kind === "video" ? out.In.Video : out.In.Audio, {
					Codec: codec(s), Packets: s.packetsReceived, Lost: s.packetsLost, Bytes: s.bytesReceived,
					Frames: s.framesDecoded ?? 0, Dropped: s.framesDropped ?? 0, NACKs: s.nackCount ?? 0, PLIs: s.pliCount ?? 0, KeyFrames: s.keyFramesDecoded ?? 0,
					Width: s.frameWidth ?? 0, Height: s.frameHeight ?? 0, Freezes: s.freezeCount ?? 0,
					FreezeSeconds: s.totalFreezesDuration ?? 0, FPS: s.framesPerSecond ?? 0, Audible: s.totalAudioEnergy ?? 0,
				});
				if (s.type === "outbound-rtp") out.Out[s.rid ?? s.kind] = {
					Codec: codec(s), Active: s.active ?? true, Width: s.frameWidth ?? 0, Height: s.frameHeight ?? 0, Bytes: s.bytesSent,
					Frames: s.framesEncoded ?? 0, Target: s.targetBitrate ?? 0, FPS: s.framesPerSecond ?? 0, Limited: s.qualityLimitationReason ?? "",
					NACKs: s.nackCount ?? 0, PLIs: s.pliCount ?? 0, Retransmitted: s.retransmittedPacketsSent ?? 0, Packets: s.packetsSent,
				};
				if (s.type === "transport") {
					const pair = all.get(s.selectedCandidatePairId);
					if (!pair) return;
					out.Available = pair.availableOutgoingBitrate ?? 0;
					out.Pair = {
						State: pair.state, RTT: pair.currentRoundTripTime ?? 0, Protocol: all.get(pair.localCandidateId)?.protocol ?? "",
						Local: all.get(pair.localCandidateId)?.candidateType ?? "", Remote: all.get(pair.remoteCandidateId)?.candidateType ?? "",
					};
				}
			});
			return out;
		},
	};
})();
`
