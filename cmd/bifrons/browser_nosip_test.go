package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"bifrons/rtp/waittest"
)

// spyScript keeps what the server says by WebSocket, and has requests about descriptions ask for SRTP if wanted says so, as who
// edits the page would have them.
const spyScript = `
	window.said = [];
	window.wanted = "";
	window.WebSocket = new Proxy(window.WebSocket, { construct(target, args) {
		const ws = Reflect.construct(target, args), send = ws.send.bind(ws);
		ws.addEventListener("message", e => said.push(e.data));
		ws.send = text => {
			const m = JSON.parse(text);
			if (wanted && ["generate", "process", "call"].includes(m.body?.request)) m.body.srtp = wanted;
			send(JSON.stringify(m));
		};
		return ws;
	} });`

// flows tells for each peer connection of a page what comes: frames, packets of audio and how loud those are.
const flows = `Promise.all(e2e.pcs.map(async pc => {
	const x = { State: pc.connectionState, Frames: 0, Packets: 0, Audible: 0 };
	(await pc.getStats()).forEach(s => {
		if (s.type !== "inbound-rtp") return;
		if (s.kind === "video") x.Frames = s.framesDecoded ?? 0;
		else { x.Packets = s.packetsReceived; x.Audible = s.totalAudioEnergy ?? 0; }
	});
	return x;
}))`

type flow struct {
	State           string
	Frames, Packets int
	Audible         float64
}

// TestBrowserDemoNoSIP drives the NoSIP page of Debian's package janus-demos, which has both ends of a call: each gets the
// other's picture and sound, over plain RTP and over SRTP. The page plays the sound of one end alone.
func TestBrowserDemoNoSIP(t *testing.T) {
	for _, srtp := range []string{"", "sdes_optional", "sdes_mandatory"} {
		t.Run("srtp="+srtp, func(t *testing.T) {
			folder := demosFolderFor(t)
			browserTest(t)
			s := testServerWith(t, folder, nil)
			from := direct(t, s)
			b := openTab(t, from.hosts, from.script()+spyScript+fmt.Sprintf("wanted = %q;", srtp))
			b.do(chromedp.Navigate(from.origin + "/demos/nosiptest.html"))
			b.is("!!window.Janus && !!window.$?._data?.($('#start')[0], 'events')?.click")
			b.click("#start")
			list := await(b, "both ends to see and hear each other", flows, func(list []flow) bool {
				if len(list) != 2 {
					return false
				}
				for _, f := range list {
					if f.State != "connected" || f.Frames < 10 || f.Packets < 50 {
						return false
					}
				}
				return list[0].Audible+list[1].Audible > 0
			})
			t.Logf("what comes: %+v", list)
			b.shot("call")
			said := strings.Join(eval[[]string](b, "said"), "\n")
			for what, want := range map[string]bool{
				"RTP/AVP ": srtp != "sdes_mandatory", "RTP/SAVP ": srtp == "sdes_mandatory",
				"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:": srtp != "", `"srtp":"` + srtp + `"`: srtp != "",
			} {
				if strings.Contains(said, what) != want {
					t.Errorf("%q is in what the server says: %v", what, !want)
				}
			}
			b.quiet()
			b.click("#start")
			waittest.Until(t, "the end of the session", func() bool { return len(s.core.Sessions()) == 0 })
		})
	}
}
