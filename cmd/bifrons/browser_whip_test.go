package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	w := whipTab(t, fmt.Sprintf("http://127.0.0.1:%d/demos/page.html", s.port("http")))
	w.step("begin", "publishing", "true")
	w.step("watch", "watching", "known.frames > 10 && known.sound > 10")
	w.step("restart", "restarted", "known.frames > 10 && to.connectionState === 'connected'")
	w.step("leave", "left", "true")
}

// whipPageTab is a page that publishes and watches.
type whipPageTab struct {
	t *testing.T
	*tab
}

func whipTab(t *testing.T, url string) whipPageTab {
	w := whipPageTab{t, openTab(t, nil, "")}
	w.do(chromedp.Navigate(url))
	return w
}

// step calls a function of the page, and waits for a state and more.
func (w whipPageTab) step(call, state, more string) {
	w.t.Helper()
	await(w.tab, call, `typeof window.`+call, func(kind string) bool { return kind == "function" })
	w.do(chromedp.Evaluate[chromedp.Void](`void window.` + call + `()`))
	await(w.tab, state, `known.error || (known.state === "`+state+`" && `+more+` ? "yes" : "no")`, func(text string) bool {
		if text != "yes" && text != "no" {
			w.t.Fatalf("%s: %s", call, text)
		}
		return text == "yes"
	})
}

// eyevinnPage publishes and watches by the npm packages of Eyevinn, of which it has the
// sources; those that it does not need are empty.
const eyevinnPage = `<!doctype html><video id="v" autoplay muted playsinline></video><script>
const sources = SOURCES, loaded = {};
function require(name) {
  name = name.replace("./", "");
  if (loaded[name]) return loaded[name].exports;
  const module = loaded[name] = { exports: {} };
  new Function("require", "module", "exports", sources[name] ?? "")(require, module, module.exports);
  return module.exports;
}
const { WHIPClient } = require("whip-client"), { WebRTCPlayer } = require("webrtc-player");
const known = window.known = { frames: 0, state: "", error: "" };
const at = "http://127.0.0.1:" + location.port, video = document.getElementById("v");
const run = f => () => void f().catch(e => { known.error = String(e); });
let client, player;
window.begin = run(async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  client = new WHIPClient({ endpoint: at + "/whip/endpoint/me", opts: { authkey: "t" } });
  await client.setIceServersFromEndpoint();
  await client.ingest(stream);
  known.state = "publishing";
});
window.watch = run(async () => {
  player = new WebRTCPlayer({ video, type: "whep" });
  await player.load(new URL(at + "/whep/endpoint/me"), "Bearer t");
  setInterval(() => { known.frames = video.getVideoPlaybackQuality().totalVideoFrames; }, 200);
  known.state = "watching";
});
window.leave = run(async () => { await player.unload(); await client.destroy(); known.state = "left"; });
</script>`

// TestBrowserEyevinnClients publishes and watches with the clients of Eyevinn, from a page of
// another origin.
func TestBrowserEyevinnClients(t *testing.T) {
	browserTest(t)
	sources := map[string]string{}
	for name, at := range map[string][2]string{
		"whip-client": {"@eyevinn/whip-web-client", "dist/whip-client.js"}, "webrtc-player": {"@eyevinn/webrtc-player", "dist/main.js"},
		"events": {"events", "events.js"}, "sdp-transform": {"sdp-transform", "lib/index.js"},
		"parser": {"sdp-transform", "lib/parser.js"}, "writer": {"sdp-transform", "lib/writer.js"}, "grammar": {"sdp-transform", "lib/grammar.js"},
	} {
		text, err := os.ReadFile(filepath.Join(npmFolder(t, at[0], at[1]), at[1]))
		if err != nil {
			t.Fatal(err)
		}
		sources[name] = string(text)
	}
	text, err := json.Marshal(sources) // which escapes what would end the script
	if err != nil {
		t.Fatal(err)
	}
	dir, demos := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(demos, "page.html"):       strings.Replace(eyevinnPage, "SOURCES", string(text), 1),
		filepath.Join(dir, "bifrons.whip.jcfg"): `whip-me: { room = 1, token = "t" } whep-me: { room = 1, token = "t" }`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := testServerWith(t, demos, func(cfg *config.Config) { cfg.Folder = dir })
	s.explain(t)
	h := dial(t, s).attach(roomPackage)
	h.message(message{"request": "create", "room": 1}, nil)
	h.message(message{"request": "join", "ptype": "publisher", "room": 1}, nil)
	w := whipTab(t, fmt.Sprintf("http://localhost:%d/demos/page.html", s.port("http")))
	w.step("begin", "publishing", "true")
	h.await("a publisher", func(m message) bool { list, _ := m.data()["publishers"].([]any); return len(list) > 0 })
	w.step("watch", "watching", "known.frames > 10")
	w.step("leave", "left", "true")
	h.await("its end", func(m message) bool { return m.data()["unpublished"] != nil || m.data()["leaving"] != nil })
}
