package main

import (
	"fmt"
	"os/exec"
	"testing"
	"time"
)

// lineSetup makes room on the loopback interface for one narrow line: what goes to a port of a
// set waits at a token bucket.
const lineSetup = `ip link set lo up
tc qdisc add dev lo root handle 1: htb
tc class add dev lo parent 1: classid 1:3 htb rate 10gbit quantum 60000
tc qdisc add dev lo parent 1:3 handle 30: tbf rate 100mbit burst 32k latency 300ms
nft add table ip line
nft add set ip line ports '{ type inet_service; }'
nft add chain ip line out '{ type filter hook output priority 0; }'
nft add rule ip line out udp dport @ports meta priority set 1:3`

// lineScript keeps cameras small, as the address says, and notes ten times a second how a page's
// latest subscription plays. It asks for layers as janus.js does since its version 1.1, and adds
// a screen to what is published.
const lineScript = `
(() => {
	const query = new URLSearchParams(location.search), media = MediaDevices.prototype, own = RTCPeerConnection.prototype;
	const capture = media.getUserMedia, describe = own.setLocalDescription, add = own.addTrack, send = WebSocket.prototype.send;
	const width = Number(query.get("width") ?? 960), frameRate = Number(query.get("fps") ?? 20), svc = query.get("svc");
	media.getUserMedia = function(wanted) {
		return capture.call(this, wanted?.video ? { ...wanted, video: { width, height: width * 9 / 16, frameRate } } : wanted);
	};
	// A machine without power to spare makes no other picture: what comes late counts.
	own.setLocalDescription = async function(...args) {
		await describe.apply(this, args);
		for (const sender of this.getSenders()) {
			const wanted = sender.getParameters();
			if (sender.track?.kind !== "video" || !wanted.encodings?.length) continue;
			wanted.degradationPreference = "maintain-framerate-and-resolution";
			await sender.setParameters(wanted).catch(e => console.log("preference: " + e));
		}
	};
	if (svc) {
		own.addTrack = function(track, ...streams) {
			return track.kind === "video" ? this.addTransceiver(track, { streams, sendEncodings: [{ scalabilityMode: svc }] }).sender
				: add.call(this, track, ...streams);
		};
		WebSocket.prototype.send = function(text) {
			const m = JSON.parse(text);
			if (m.jsep?.type === "offer") m.jsep.svc = [{ mindex: 1, mid: "1", svc }];
			return send.call(this, JSON.stringify(m));
		};
	}
	if (query.has("screen")) {
		const canvas = document.createElement("canvas"), g = canvas.getContext("2d");
		canvas.width = 640; canvas.height = 360;
		let line = 0;
		media.getDisplayMedia = async () => {
			setInterval(() => {
				if (line++ % 6 === 0) { g.fillStyle = "white"; g.fillRect(0, 0, 640, 360); }
				g.fillStyle = "black"; g.font = "16px sans-serif";
				g.fillText("line " + line + " of a text that somebody types: " + Math.random(), 10, 30 + line % 6 * 50);
			}, 200);
			const stream = canvas.captureStream(5);
			stream.getVideoTracks()[0].contentHint = "detail";
			return stream;
		};
		let handle = null;
		Object.defineProperty(window, "sfutest", { get: () => handle, set(h) {
			handle = h;
			const offer = h?.createOffer;
			if (offer) h.createOffer = o => offer({ ...o, tracks: [...o.tracks, { type: "screen", capture: true, recv: false }] });
		} });
	}
	window.doSimulcast ??= false; // vp9svctest.js forgets it
	document.addEventListener("DOMContentLoaded", () => { // nobody looks
		document.head.appendChild(document.createElement("style")).textContent = "video { visibility: hidden }";
	});
	const samples = [];
	window.line = {
		port: 0,
		take() { return samples.splice(0); },
		async sub() { // the connection of the subscription, and how it plays
			for (const pc of e2e.pcs.slice().reverse()) {
				if (pc.connectionState === "closed") continue;
				const s = { At: performance.now(), Videos: [], Concealed: 0, Sound: 0, Bytes: 0, Sent: 0 };
				const all = await pc.getStats();
				let port = 0;
				all.forEach(x => {
					if (x.type === "inbound-rtp" && x.kind === "video") {
						s.Videos.push({ Mid: Number(x.mid), Frames: x.framesDecoded ?? 0, Width: x.frameWidth ?? 0 });
						s.Bytes += x.bytesReceived;
					}
					if (x.type === "inbound-rtp" && x.kind === "audio") {
						s.Concealed += x.concealedSamples - (x.silentConcealedSamples ?? 0); s.Sound += x.totalSamplesReceived; s.Bytes += x.bytesReceived;
					}
					if (x.type === "outbound-rtp") s.Sent += x.bytesSent;
					if (x.type === "transport") port = all.get(all.get(x.selectedCandidatePairId)?.localCandidateId)?.port ?? 0;
				});
				s.Videos.sort((x, y) => x.Mid - y.Mid);
				if (s.Videos.length > 0) { line.port = port; return s; }
			}
			return null;
		},
	};
	(async () => {
		for (;;) {
			const s = await line.sub();
			if (s && s.Videos.every(v => v.Frames > 0)) samples.push(s);
			await new Promise(wake => setTimeout(wake, 100));
		}
	})();
})();
`

// heard is how a subscription played at a time.
type heard struct {
	At                            float64 // ms
	Videos                        []struct{ Frames, Width int }
	Concealed, Sound, Bytes, Sent int
}

// viewed is what a viewer saw in a while.
type viewed struct {
	videos    []shown
	concealed float64       // share of the sound
	rate      float64       // bit/s
	sent      float64       // bit/s of what the same connection sends
	topAfter  time.Duration // until all pictures were as wide as they can be, -1 = never
}

// shown is how one picture was.
type shown struct {
	gap     time.Duration // longest without a new one
	fps     float64
	width   int // at the end
	changes int // of the width
}

// worst is the longest gap, the least pictures a second, and all changes.
func (v *viewed) worst() (w shown) {
	w.fps = v.videos[0].fps
	for _, x := range v.videos {
		w.gap, w.fps, w.changes = max(w.gap, x.gap), min(w.fps, x.fps), w.changes+x.changes
	}
	return w
}

// look is a page that is being watched.
type look struct {
	*participant
	begun float64 // ms
}

// look begins to watch.
func (p *participant) look() look {
	p.t.Helper()
	eval[[]heard](p.tab, "line.take()")
	return look{p, eval[float64](p.tab, "performance.now()")}
}

// view watches for a while, from skip on, and logs what it saw.
func (p *participant) view(name string, d, skip time.Duration, tops ...int) viewed {
	p.t.Helper()
	l := p.look()
	p.is(fmt.Sprintf("performance.now() > %f + 1000", l.begun)) // each waits for a second at most
	for eval[float64](p.tab, "new Promise(tell => setTimeout(() => tell(performance.now()), 500))")-l.begun < float64(d.Milliseconds()) {
	}
	return l.end(name, skip, tops...)
}

// end tells what was seen since it began, from skip on; tops are the widths that the pictures can have.
func (l look) end(name string, skip time.Duration, tops ...int) (v viewed) {
	l.t.Helper()
	var seen []heard
	v.topAfter = -1
	for _, s := range eval[[]heard](l.tab, "line.take()") {
		at := time.Duration((s.At - l.begun) * float64(time.Millisecond))
		top := len(s.Videos) == len(tops)
		for i := range min(len(tops), len(s.Videos)) {
			top = top && s.Videos[i].Width == tops[i]
		}
		if top && v.topAfter < 0 {
			v.topAfter = at
		}
		if at >= skip {
			seen = append(seen, s)
		}
	}
	if len(seen) < 2 {
		l.t.Fatalf("%s, %s: %d samples", l.name, name, len(seen))
	}
	first, last := &seen[0], &seen[len(seen)-1]
	seconds := (last.At - first.At) / 1000
	rate := func(from, to int) float64 { return float64(to-from) * 8 / seconds }
	v.rate, v.sent = rate(first.Bytes, last.Bytes), rate(first.Sent, last.Sent)
	v.concealed = float64(last.Concealed-first.Concealed) / float64(max(last.Sound-first.Sound, 1))
	text := ""
	for i := range first.Videos {
		x := shown{fps: float64(last.Videos[i].Frames-first.Videos[i].Frames) / seconds, width: last.Videos[i].Width}
		moved := first
		for n := range seen {
			s := &seen[n]
			if s.Videos[i].Frames > moved.Videos[i].Frames || s == last {
				x.gap = max(x.gap, time.Duration((s.At-moved.At)*float64(time.Millisecond)))
				moved = s
			}
			if n > 0 && s.Videos[i].Width != seen[n-1].Videos[i].Width {
				x.changes++
			}
		}
		v.videos = append(v.videos, x)
		text += fmt.Sprintf("%.1f pictures/s, longest gap %v, width %d (%d changes); ", x.fps, x.gap.Round(10*time.Millisecond), x.width, x.changes)
	}
	l.t.Logf("%s, %s: %s%.0f kbit/s, sent %.0f, sound concealed %.1f %%, top after %v",
		l.name, name, text, v.rate/1000, v.sent/1000, 100*v.concealed, v.topAfter.Round(10*time.Millisecond))
	return v
}

// change runs a tool that changes the network of the namespace.
func change(t *testing.T, tool string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", tool, args, err, out)
	}
}

// narrow gives the way to a page's subscription a rate in kbit/s and a queue of 300 ms; 0 is
// no limit.
func (p *participant) narrow(kbps int) {
	p.t.Helper()
	if kbps == 0 {
		change(p.t, "nft", "flush", "set", "ip", "line", "ports")
		return
	}
	change(p.t, "tc", "qdisc", "change", "dev", "lo", "parent", "1:3", "handle", "30:", "tbf",
		"rate", fmt.Sprintf("%dkbit", kbps), "burst", "3000", "latency", "300ms")
	change(p.t, "nft", "add", "element", "ip", "line", "ports", fmt.Sprintf("{ %d }", eval[int](p.tab, "line.port")))
}

// awaitWidths waits until the viewer's pictures are so wide.
func (p *participant) awaitWidths(widths ...int) {
	p.t.Helper()
	want := fmt.Sprint(widths)
	await(p.tab, fmt.Sprintf("%s: pictures %s wide", p.name, want), "line.sub().then(s => s?.Videos.map(v => v.Width) ?? [])",
		func(w []int) bool { return fmt.Sprint(w) == want })
}
