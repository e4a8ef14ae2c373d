package main

import (
	"fmt"
	"os"
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

// lineScript keeps the camera of viewers small, and notes ten times a second how the
// subscriptions of a page play.
const lineScript = `
(() => {
	const media = MediaDevices.prototype, capture = media.getUserMedia;
	media.getUserMedia = function(wanted) {
		const size = location.search.includes("viewer") ? { width: 160, height: 120, frameRate: 5 } : { width: 960, height: 540, frameRate: 20 };
		return capture.call(this, wanted?.video ? { ...wanted, video: size } : wanted);
	};
	// A machine without power to spare makes no other picture: what comes late counts.
	const describe = RTCPeerConnection.prototype.setLocalDescription;
	RTCPeerConnection.prototype.setLocalDescription = async function(...args) {
		await describe.apply(this, args);
		for (const sender of this.getSenders()) {
			const wanted = sender.getParameters();
			if (sender.track?.kind !== "video" || !wanted.encodings?.length) continue;
			wanted.degradationPreference = "maintain-framerate-and-resolution";
			await sender.setParameters(wanted).catch(e => console.log("preference: " + e));
		}
	};
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
				const s = { At: performance.now(), Frames: -1, Width: 0, Concealed: 0, Sound: 0, Bytes: 0 };
				const all = await pc.getStats();
				let port = 0;
				all.forEach(x => {
					if (x.type === "inbound-rtp" && x.kind === "video") { s.Frames = x.framesDecoded; s.Width = x.frameWidth ?? 0; s.Bytes += x.bytesReceived; }
					if (x.type === "inbound-rtp" && x.kind === "audio") {
						s.Concealed = x.concealedSamples - (x.silentConcealedSamples ?? 0); s.Sound = x.totalSamplesReceived; s.Bytes += x.bytesReceived;
					}
					if (x.type === "transport") port = all.get(all.get(x.selectedCandidatePairId)?.localCandidateId)?.port ?? 0;
				});
				if (s.Frames >= 0) { line.port = port; return s; }
			}
			return null;
		},
	};
	(async () => {
		for (;;) {
			const s = await line.sub();
			if (s && s.Frames > 0) samples.push(s);
			await new Promise(wake => setTimeout(wake, 100));
		}
	})();
})();
`

// heard is how a subscription played at a time.
type heard struct {
	At                                     float64 // ms
	Frames, Width, Concealed, Sound, Bytes int
}

// viewed is what a viewer saw in a while.
type viewed struct {
	gap       time.Duration // longest without a new picture
	fps       float64
	concealed float64       // share of the sound
	width     int           // at the end
	rate      float64       // bit/s
	topAfter  time.Duration // until the picture was as wide as it can be, -1 = never
	changes   int           // of the width
}

// view watches for a while, from skip on, and logs what it saw.
func (p *participant) view(name string, d, skip time.Duration, top int) (v viewed) {
	p.t.Helper()
	eval[[]heard](p.tab, "line.take()")
	begun := eval[float64](p.tab, "performance.now()")
	p.is(fmt.Sprintf("performance.now() > %f + 1000", begun)) // each waits for a second at most
	for eval[float64](p.tab, "new Promise(tell => setTimeout(() => tell(performance.now()), 500))")-begun < float64(d.Milliseconds()) {
	}
	samples := eval[[]heard](p.tab, "line.take()")
	v.topAfter = -1
	var first, last, moved *heard
	for i := range samples {
		s := &samples[i]
		at := time.Duration((s.At - begun) * float64(time.Millisecond))
		if v.topAfter < 0 && s.Width == top {
			v.topAfter = at
		}
		if at < skip {
			continue
		}
		if first == nil {
			first, moved = s, s
		}
		if last != nil && s.Width != last.Width {
			v.changes++
		}
		last = s
		if s.Frames > moved.Frames {
			v.gap = max(v.gap, time.Duration((s.At-moved.At)*float64(time.Millisecond)))
			moved = s
		}
	}
	if first == nil || last == first {
		p.t.Fatalf("%s: %d samples", name, len(samples))
	}
	v.gap = max(v.gap, time.Duration((last.At-moved.At)*float64(time.Millisecond)))
	seconds := (last.At - first.At) / 1000
	v.fps, v.rate, v.width = float64(last.Frames-first.Frames)/seconds, float64(last.Bytes-first.Bytes)*8/seconds, last.Width
	v.concealed = float64(last.Concealed-first.Concealed) / float64(max(last.Sound-first.Sound, 1))
	p.t.Logf("%s, %s: %.1f pictures/s, longest gap %v, width %d (%d changes), %.0f kbit/s, sound concealed %.1f %%, top layer after %v",
		p.name, name, v.fps, v.gap.Round(10*time.Millisecond), v.width, v.changes, v.rate/1000, 100*v.concealed, v.topAfter.Round(10*time.Millisecond))
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

// TestBrowserLine narrows the line of a viewer of simulcast in steps, and frees it again: the picture
// gets smaller and goes on, and comes back. The pages are those of janus-demos. Its
// figures are those of a machine that has nothing else to do.
func TestBrowserLine(t *testing.T) {
	if os.Getenv("BIFRONS_SOAK") == "" {
		t.Skip("measures time: make soak runs it")
	}
	if !inNamespace(t, lineSetup, "tc", "nft") {
		return
	}
	const top = 960
	v := openLine(t, "videoroomtest.html", "anna?simulcast=true", "bert?viewer=1").all[1]
	v.awaitWidth(top)
	v.measureLine(top)
	v.quiet()
}

// measureLine looks at what a viewer sees while its line is narrowed in steps.
func (p *participant) measureLine(top int) {
	p.t.Helper()
	const step, settled = 30 * time.Second, 2 * time.Second
	p.view("free", step/3, 0, top)
	p.narrow(600)
	if v := p.view("600 kbit/s", step, settled, top); v.gap > time.Second || v.fps < 10 || v.concealed > 0.02 {
		p.t.Errorf("at 600 kbit/s: %+v", v)
	}
	p.narrow(150)
	if v := p.view("150 kbit/s", step, settled, top); v.gap > time.Second || v.concealed > 0.02 {
		p.t.Errorf("at 150 kbit/s: %+v", v)
	}
	p.narrow(0)
	if v := p.view("free again", step, settled, top); v.gap > time.Second || v.topAfter < 0 || v.topAfter > 10*time.Second || v.concealed > 0.02 {
		p.t.Errorf("free again: %+v", v)
	}
}

// openLine opens pages in one room without a cap, and has them join.
func openLine(t *testing.T, file string, names ...string) *conference {
	t.Helper()
	c := openConferenceWith(t, direct, file, lineScript, names...)
	for _, p := range c.all {
		p.join()
	}
	return c
}

// awaitWidth waits until the viewer's picture is so wide.
func (p *participant) awaitWidth(width int) {
	p.t.Helper()
	await(p.tab, fmt.Sprintf("%s: picture %d wide", p.name, width), "line.sub().then(s => s?.Width ?? 0)", func(w int) bool { return w == width })
}
