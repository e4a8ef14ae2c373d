package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/pion/webrtc/v4"

	"bifrons/api/plugin/echotest"
	"bifrons/rtp/waittest"
	"bifrons/sfu/webrtctest"
)

// dataScript makes a page offer two data channels, one of which it does not
// announce; what comes back is kept as a kind, a length, and the first letters.
const dataScript = `window.got = { announced: [], negotiated: [] };
window.offer = async () => {
	const pc = window.pc = new RTCPeerConnection();
	const announced = pc.createDataChannel("JanusDataChannel"), negotiated = pc.createDataChannel("ours", { negotiated: true, id: 9 });
	window.channels = { announced, negotiated };
	for (const [name, c] of Object.entries(channels)) {
		c.binaryType = "arraybuffer";
		c.onmessage = e => got[name].push(typeof e.data === "string" ? "text " + e.data.length + " " + e.data.slice(0, 40)
			: "binary " + e.data.byteLength);
	}
	pc.ondatachannel = e => got.announced.push("another channel " + e.channel.label);
	await pc.setLocalDescription();
	while (pc.iceGatheringState !== "complete") await new Promise(wake => setTimeout(wake, 10));
	return pc.localDescription.sdp;
};`

// TestBrowserData sends the longest and the shortest messages there are, and uses
// a channel that only the page knows.
func TestBrowserData(t *testing.T) {
	browserTest(t)
	s := testServer(t, nil)
	b := openTab(t, nil, dataScript)
	b.do(chromedp.Navigate(fmt.Sprintf("http://127.0.0.1:%d/", s.port("http"))))
	h := dial(t, s).attach(echotest.Package)
	h.message(message{"audio": true, "video": true}, message{"type": "offer", "sdp": eval[string](b, "offer()")})
	text, _ := json.Marshal(h.awaitData("result", "ok").sdp())
	b.is("pc.setRemoteDescription({ type: 'answer', sdp: " + string(text) + " }).then(() => true)")
	b.is("channels.announced.readyState === 'open' && channels.negotiated.readyState === 'open'")
	if n := eval[int](b, "pc.sctp.maxMessageSize"); n != 65536 {
		t.Fatalf("Chromium takes our limit for %d", n)
	}
	b.is(`(channels.announced.send(new Uint8Array(65536)), channels.announced.send("x".repeat(65536)),
		channels.announced.send(""), channels.announced.send(new Uint8Array(0)), channels.announced.send("end"), true)`)
	b.is(`(channels.negotiated.send("hello"), channels.negotiated.send(new Uint8Array(0)), channels.negotiated.send("end"), true)`)
	n := len(echoPrefix)
	for name, want := range map[string][]string{
		"announced": {"binary 65536", fmt.Sprintf("text %d %s", 65536+n, (echoPrefix + strings.Repeat("x", 40))[:40]),
			fmt.Sprintf("text %d %s", n, echoPrefix), "binary 0", fmt.Sprintf("text %d %send", n+3, echoPrefix)},
		"negotiated": {fmt.Sprintf("text %d %shello", n+5, echoPrefix), "binary 0", fmt.Sprintf("text %d %send", n+3, echoPrefix)},
	} {
		got := await(b, "messages on the channel "+name, "got."+name, func(list []string) bool { return len(list) >= len(want) })
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	b.quiet()
}

// TestPionRoomData relays messages of a publisher, the empty ones and the longest
// that pion takes.
func TestPionRoomData(t *testing.T) {
	v := newRoomServer(t, 1)
	h := v.c.attach(roomPackage)
	h.message(message{"request": "join", "ptype": "publisher", "room": 1, "id": 1}, nil)
	h.awaitData("videoroom", "joined")
	p := &speaker{newPionPeer(t, h, webrtctest.Options{}), 1}
	p.AddChannel()
	p.publish(nil)
	p.awaitUp()
	waittest.Closed(p.t, "the data channel", p.Open)

	h = v.c.attach(roomPackage)
	h.message(message{"request": "join", "ptype": "subscriber", "room": 1, "streams": []message{{"feed": 1}}}, nil)
	m := h.awaitData("videoroom", "attached")
	w := &viewer{pionPeer: newPionReceiver(t, h, webrtctest.Options{}), feeds: map[string]*webrtctest.Tally{}}
	w.Texts = make(chan string, 1000)
	w.PC.OnDataChannel(w.UseChannel)
	w.PC.OnTrack(func(*webrtc.TrackRemote, *webrtc.RTPReceiver) {})
	w.start(m)
	w.awaitUp()
	waittest.Until(t, "a first message", func() bool {
		p.Must(p.Channel.SendText("again"))
		return len(w.Texts) > 0
	})
	large := slices.Repeat([]byte{0xab}, 65535)
	p.Must(p.Channel.SendText(""))
	p.Must(p.Channel.Send(nil))
	p.Must(p.Channel.Send(large))
	p.Must(p.Channel.SendText("end"))
	want := []string{"", "<>", fmt.Sprintf("<%x>", large), "end"}
	for len(want) > 0 {
		select {
		case got := <-w.Texts:
			switch got {
			case "again":
			case want[0]:
				want = want[1:]
			default:
				t.Fatalf("got %.40q, want %.40q", got, want[0])
			}
		case <-time.After(patience):
			t.Fatalf("no %.40q", want[0])
		}
	}
}
