package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"bifrons/api/config"
)

// whipPage publishes and watches by the npm package whip-whep.
const whipPage = `<!doctype html><video id="v" autoplay muted></video><script type="module">
import { WHIPClient } from "./whip.js";
import { WHEPClient } from "./whep.js";
const known = window.known = { frames: 0, sound: 0, state: "", error: "" };
const url = path => new URL(path, location.origin).href;
async function begin() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  const from = new RTCPeerConnection();
  for (const track of stream.getTracks()) from.addTransceiver(track, { direction: "sendonly" });
  const whip = window.whip = new WHIPClient();
  await whip.publish(from, url("/whip/endpoint/me"), "t");
  while (from.connectionState !== "connected") await new Promise(wake => setTimeout(wake, 50));
  known.state = "publishing";
}
async function watch() {
  const to = window.to = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  for (const kind of ["audio", "video"]) to.addTransceiver(kind, { direction: "recvonly" });
  const shown = document.getElementById("v").srcObject = new MediaStream();
  to.ontrack = e => shown.addTrack(e.track);
  const whep = window.whep = new WHEPClient();
  await whep.view(to, url("/whep/endpoint/me"), "t");
  setInterval(async () => {
    for (const s of (await to.getStats()).values()) {
      if (s.type !== "inbound-rtp") continue;
      if (s.kind === "video") known.frames = s.framesDecoded; else known.sound = s.packetsReceived;
    }
  }, 200);
  known.state = "watching";
}
const run = f => f().catch(e => { known.error = String(e); });
window.begin = () => run(begin);
window.watch = () => run(watch);
window.restart = () => run(async () => { await window.whip.restart(); await window.whep.restart(); known.state = "restarted"; known.frames = 0; });
window.leave = () => run(async () => { await window.whep.stop(); await window.whip.stop(); known.state = "left"; });
</script>`

// TestBrowserWHIPClients publishes and watches with a client of another project, restarts
// ICE and leaves.
func TestBrowserWHIPClients(t *testing.T) {
	browserTest(t)
	folder := npmFolder(t, "whip-whep", "whip.js")
	dir, demos := t.TempDir(), t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"whip.js", "whep.js"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		write(filepath.Join(demos, name), string(text))
	}
	write(filepath.Join(demos, "page.html"), whipPage)
	write(filepath.Join(dir, "bifrons.whip.jcfg"), `whip-me: { room = 1, token = "t" } whep-me: { room = 1, token = "t" }`)
	s := testServerWith(t, demos, func(cfg *config.Config) { cfg.Folder = dir })
	s.explain(t)
	dial(t, s).attach(roomPackage).message(message{"request": "create", "room": 1}, nil)
	tb := openTab(t, nil, "")
	tb.do(chromedp.Navigate(fmt.Sprintf("http://127.0.0.1:%d/demos/page.html", s.port("http"))))
	step := func(call, state, more string) {
		t.Helper()
		await(tb, call, `typeof window.`+call, func(kind string) bool { return kind == "function" })
		tb.do(chromedp.Evaluate[chromedp.Void](`void window.` + call + `()`))
		await(tb, state, `known.error || (known.state === "`+state+`" && `+more+` ? "yes" : "no")`, func(text string) bool {
			if text != "yes" && text != "no" {
				t.Fatalf("%s: %s", call, text)
			}
			return text == "yes"
		})
	}
	step("begin", "publishing", "true")
	step("watch", "watching", "known.frames > 10 && known.sound > 10")
	step("restart", "restarted", "known.frames > 10 && to.connectionState === 'connected'")
	step("leave", "left", "true")
}
