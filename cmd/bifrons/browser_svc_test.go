package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// svcClient is a client of the EchoTest plugin that sends one scalable stream.
const svcClient = `(async (codec, mode) => {
  const s = window.svc = { state: "starting", events: [] };
  const post = async (path, body) => (await fetch("/janus" + path, {
    method: "POST", body: JSON.stringify({ transaction: String(Math.random()), ...body }),
  })).json();
  try {
    const session = "/" + (await post("", { janus: "create" })).data.id;
    const handle = session + "/" + (await post(session, { janus: "attach", plugin: "janus.plugin.echotest" })).data.id;
    s.send = body => post(handle, { janus: "message", body });
    const media = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } });
    const pc = new RTCPeerConnection();
    const tr = pc.addTransceiver(media.getVideoTracks()[0], { sendEncodings: [{ scalabilityMode: mode, maxBitrate: 2500000 }] });
    tr.setCodecPreferences(RTCRtpReceiver.getCapabilities("video").codecs.filter(c => /rtx/.test(c.mimeType) || c.mimeType === "video/" + codec));
    pc.onicecandidate = e => post(handle, { janus: "trickle", candidate: e.candidate ?? { completed: true } });
    await pc.setLocalDescription();
    await post(handle, { janus: "message", body: { audio: true, video: true, videocodec: codec.toLowerCase() },
      jsep: { type: "offer", sdp: pc.localDescription.sdp, svc: [{ mindex: 0, mid: "0", svc: mode }] } });
    s.state = "offered";
    for (;;) {
      const list = await (await fetch("/janus" + session + "?maxev=10")).json();
      for (const e of list) {
        if (e.jsep) await pc.setRemoteDescription(e.jsep);
        if (e.janus === "webrtcup") s.state = "up";
        if (e.plugindata) s.events.push(e.plugindata.data);
      }
    }
  } catch (e) { s.state = "failed: " + e; }
})`

// TestBrowserSVC takes the spatial layers of one stream down and up, for the
// codecs with which Chromium does that.
func TestBrowserSVC(t *testing.T) {
	for _, codec := range []string{"VP9", "AV1"} {
		t.Run(codec, func(t *testing.T) {
			p := openPage(t, "")
			eval[bool](p.tab, fmt.Sprintf(`(%s(%q, "L3T3_KEY"), true)`, svcClient, codec))
			await(p.tab, "connection", "window.svc?.state ?? ''", func(s string) bool { return s == "up" })
			width := func(n int) stats {
				return p.awaitStats(fmt.Sprintf("width %d", n), func(s stats) bool { return s.In.Video.Width == n })
			}
			s := width(1280)
			for _, layer := range []int{0, 1, 0, 2} {
				eval[bool](p.tab, fmt.Sprintf(`(window.svc.send({ spatial_layer: %d }), true)`, layer))
				begun := time.Now()
				s = width(1280 >> (2 - layer))
				t.Logf("spatial layer %d: %dx%d after %v, %d key frames", layer, s.In.Video.Width, s.In.Video.Height,
					time.Since(begun).Round(10*time.Millisecond), s.In.Video.KeyFrames)
			}
			p.awaitStats("frames go on", func(n stats) bool { return n.In.Video.Frames > s.In.Video.Frames+20 })
			await(p.tab, "events of layers", `JSON.stringify(window.svc.events)`, func(s string) bool {
				return containsAll(s, `"spatial_layer":0`, `"spatial_layer":1`, `"tot_spatial_layers"`, `"tot_temporal_layers"`)
			})
		})
	}
}

func containsAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
