package main

import (
	"fmt"
	"testing"
)

// labScript is a bare client of the Janus API, and ways to look at each m-line of a
// peer connection.
const labScript = `
window.lab = (() => {
	const post = async (path, body) => {
		const r = await (await fetch("/janus" + path, { method: "POST", body: JSON.stringify({ transaction: "0", ...body }) })).json();
		if (r.janus === "error") throw new Error(r.error.reason);
		return r;
	};
	// camera is a moving picture, another one each time.
	const camera = () => {
		const c = document.createElement("canvas"), g = c.getContext("2d");
		c.width = 160; c.height = 120;
		setInterval(() => { g.fillStyle = "#" + Math.random().toString(16).slice(2, 8); g.fillRect(0, 0, 160, 120); }, 50);
		return c.captureStream(20).getVideoTracks()[0];
	};
	const sound = async () => (await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks()[0];
	class Handle {
		constructor(plugin) { this.plugin = plugin; this.serial = 0; this.waiting = {}; this.events = []; }
		async attach() {
			this.session = "/" + (await post("", { janus: "create" })).data.id;
			this.path = this.session + "/" + (await post(this.session, { janus: "attach", plugin: this.plugin })).data.id;
			this.poll();
			this.connect();
			return this;
		}
		connect() {
			this.pc = new RTCPeerConnection();
			this.pc.onicecandidate = e => {
				post(this.path, { janus: "trickle", candidate: e.candidate ?? { completed: true } });
			};
		}
		async poll() {
			for (;;) {
				for (const e of await (await fetch("/janus" + this.session + "?maxev=10")).json()) {
					this.events.push(e.janus + (e.reason ? " " + e.reason : ""));
					const w = this.waiting[e.transaction];
					if (e.janus === "event" && w) { delete this.waiting[e.transaction]; w(e); }
					else if (e.jsep?.type === "offer") this.answer(e.jsep);
				}
			}
		}
		// send resolves with the reply to a request or the event that answers it.
		send(body, jsep) {
			const transaction = String(++this.serial);
			return new Promise((done, fail) => {
				const take = e => e.plugindata.data.error ? fail(new Error(e.plugindata.data.error)) : done(e);
				this.waiting[transaction] = take;
				post(this.path, { janus: "message", transaction, body, jsep }).then(r => r.janus === "success" && take(r), fail);
			});
		}
		async offer(body) {
			await this.pc.setLocalDescription();
			const e = await this.send(body, this.pc.localDescription);
			await this.pc.setRemoteDescription(e.jsep);
			return e.plugindata.data;
		}
		async answer(jsep) {
			await this.pc.setRemoteDescription(jsep);
			await this.pc.setLocalDescription();
			await this.send({ request: "start" }, this.pc.localDescription);
		}
		// lines are the m-lines of our last description: "0:audio" or, without a port, "0:audio-".
		lines() {
			return this.pc.localDescription.sdp.split("\r\nm=").slice(1).map(s =>
				(/a=mid:(\S+)/.exec(s)?.[1] ?? "") + ":" + s.split(" ")[0] + (s.split(" ")[1] === "0" ? "-" : "")).join(" ");
		}
		// received is how much came so far, by mid: frames or packets.
		async received() {
			const out = {};
			for (const t of this.pc.getTransceivers()) {
				if (t.mid === null || t.stopped) continue;
				(await t.receiver.getStats()).forEach(s => {
					if (s.type === "inbound-rtp") out[t.mid] = s.kind === "video" ? s.framesDecoded : s.packetsReceived;
				});
			}
			return out;
		}
		ended() { return this.events.filter(e => /^(hangup|ice-failed|detached|timeout)/.test(e)).join(", "); }
	}
	return { camera, sound, attach: plugin => new Handle(plugin).attach() };
})();
`

// lab is a page with handles of a bare client.
type lab struct{ *tab }

func openLab(t *testing.T) lab {
	t.Helper()
	p := openPageWith(t, "", labScript, nil)
	return lab{p.tab}
}

// run runs statements that may await.
func (l lab) run(statements string) {
	l.t.Helper()
	eval[bool](l.tab, "(async () => { "+statements+"; return true; })()")
}

// flows waits until more comes on exactly these m-lines of a handle, and checks that
// nothing has ended and that the m-lines are as they should be.
func (l lab) flows(handle, lines string, mids ...string) {
	l.t.Helper()
	if got := eval[string](l.tab, handle+".lines()"); got != lines {
		l.t.Errorf("%s: m-lines %s, want %s", handle, got, lines)
	}
	first := eval[map[string]int](l.tab, handle+".received()")
	await(l.tab, fmt.Sprintf("%s: media on %v", handle, mids), handle+".received()", func(now map[string]int) bool {
		if ended := eval[string](l.tab, handle+".ended()"); ended != "" {
			l.t.Fatalf("%s: %s", handle, ended)
		}
		more := 0
		for _, mid := range mids {
			if now[mid] > first[mid]+10 {
				more++
			}
		}
		return more == len(mids)
	})
	l.is(handle + `.pc.connectionState === "connected"`)
}

// TestBrowserStopsFirstTransceiver: Chromium turns its first m-line off and goes on with
// the second, and later uses the place for something else.
func TestBrowserStopsFirstTransceiver(t *testing.T) {
	l := openLab(t)
	l.run(`
		window.mirror = await lab.attach("janus.plugin.echotest");
		mirror.pc.addTrack(await lab.sound()); mirror.pc.addTrack(lab.camera());
		await mirror.offer({ audio: true, video: true })`)
	l.flows("mirror", "0:audio 1:video", "0", "1")
	l.run(`mirror.pc.getTransceivers()[0].stop(); await mirror.offer({})`)
	l.flows("mirror", "0:audio- 1:video", "1")
	l.run(`await mirror.offer({})`)
	l.flows("mirror", "0:audio- 1:video", "1")
	l.run(`mirror.pc.addTransceiver(lab.camera()); await mirror.offer({})`)
	l.flows("mirror", "2:video 1:video", "1", "2")
	l.run(`mirror.pc.getTransceivers().find(t => t.mid === "1").stop(); await mirror.offer({})`)
	l.flows("mirror", "2:video 1:video-", "2")
	l.run(`mirror.pc.addTransceiver(await lab.sound()); await mirror.offer({})`)
	l.flows("mirror", "2:video 3:audio", "2", "3")
}

// TestBrowserStopsMediaBeforeData: the transport moves to the m-line of the data channels,
// which can be opened in the new association.
func TestBrowserStopsMediaBeforeData(t *testing.T) {
	l := openLab(t)
	l.run(`
		window.echoes = [];
		window.channel = name => new Promise(done => {
			const d = mirror.pc.createDataChannel(name);
			d.onopen = () => { d.send(name); done(); };
			d.onmessage = e => echoes.push(e.data);
		});
		window.mirror = await lab.attach("janus.plugin.echotest");
		mirror.pc.addTrack(lab.camera());
		const opened = channel("one");
		await mirror.offer({ audio: true, video: true });
		await opened`)
	l.is(`echoes.join().includes("one")`)
	l.flows("mirror", "0:video 1:application", "0")
	l.run(`mirror.pc.getTransceivers()[0].stop(); await mirror.offer({})`)
	l.is(`mirror.pc.connectionState === "connected"`)
	l.run(`await channel("two")`)
	l.is(`echoes.join().includes("two")`)
	l.run(`mirror.pc.addTransceiver(lab.camera()); await mirror.offer({})`)
	l.flows("mirror", "2:video 1:application", "2")
}

// TestBrowserStopsFirstTransceiverInRoom is the same of a publisher, with somebody who
// watches.
func TestBrowserStopsFirstTransceiverInRoom(t *testing.T) {
	l := openLab(t)
	l.run(`
		const room = 77;
		window.maker = await lab.attach("janus.plugin.videoroom");
		await maker.send({ request: "create", room });
		await maker.send({ request: "join", ptype: "publisher", room, id: 7 });
		maker.pc.addTransceiver(await lab.sound(), { direction: "sendonly" }); maker.pc.addTransceiver(lab.camera(), { direction: "sendonly" });
		await maker.offer({ request: "configure" });
		const until = async ok => { while (!ok()) await new Promise(wake => setTimeout(wake, 20)); };
		await until(() => maker.events.includes("webrtcup"));
		window.viewer = await lab.attach("janus.plugin.videoroom");
		await viewer.answer((await viewer.send({ request: "join", ptype: "subscriber", room, streams: [{ feed: 7 }] })).jsep)`)
	l.flows("viewer", "0:audio 1:video", "0", "1")
	l.run(`maker.pc.getTransceivers()[0].stop(); await maker.offer({ request: "configure" })`)
	l.flows("viewer", "0:audio 1:video", "1")
	l.run(`maker.pc.addTransceiver(lab.camera(), { direction: "sendonly" });
		window.agreed = (await maker.offer({ request: "configure" })).streams.map(s => s.mid + ":" + s.codec + (s.disabled ? "-" : "")).join(" ");
		const e = await viewer.send({ request: "subscribe", streams: [{ feed: 7, mid: "2" }] });
		await viewer.answer(e.jsep)`)
	if got := eval[string](l.tab, "agreed"); got != "2:vp8 1:vp8" {
		t.Errorf("streams after the place was used again: %s", got)
	}
	l.flows("viewer", "0:audio 1:video 2:video", "1", "2")
	l.flows("maker", "2:video 1:video")
}

// TestBrowserCannotDecodeFirst: a viewer rejects the first of three feeds, and plays the
// others all the same, also after another one has come.
func TestBrowserCannotDecodeFirst(t *testing.T) {
	l := openLab(t)
	l.run(`
		const room = 78, until = async ok => { while (!ok()) await new Promise(wake => setTimeout(wake, 20)); };
		window.publish = async id => {
			const h = await lab.attach("janus.plugin.videoroom");
			await h.send({ request: "join", ptype: "publisher", room, id });
			h.pc.addTransceiver(lab.camera(), { direction: "sendonly" });
			await h.offer({ request: "configure" });
			await until(() => h.events.includes("webrtcup"));
			return h;
		};
		window.admin = await lab.attach("janus.plugin.videoroom");
		await admin.send({ request: "create", room, publishers: 10, videocodec: "vp8,h265", dummy_publisher: true, dummy_streams: [{ codec: "h265" }] });
		const dummy = (await admin.send({ request: "listparticipants", room })).plugindata.data.participants[0].id;
		window.makers = [await publish(1), await publish(2)];
		window.viewer = await lab.attach("janus.plugin.videoroom");
		await viewer.answer((await viewer.send({ request: "join", ptype: "subscriber", room, streams: [{ feed: dummy }, { feed: 1 }, { feed: 2 }] })).jsep)`)
	l.flows("viewer", "0:video- 1:video 2:video", "1", "2")
	l.run(`
		makers.push(await publish(3));
		await viewer.answer((await viewer.send({ request: "subscribe", streams: [{ feed: 3 }] })).jsep)`)
	l.flows("viewer", "0:video- 1:video 2:video 3:video", "1", "2", "3")
}

// TestBrowserRestartsICE: Chromium restarts ICE again and again in mid-call. It tries its new
// sockets before it has our new credentials, which makes some restarts unlike others.
func TestBrowserRestartsICE(t *testing.T) {
	l := openLab(t)
	l.run(`
		window.mirror = await lab.attach("janus.plugin.echotest");
		mirror.pc.addTrack(await lab.sound()); mirror.pc.addTrack(lab.camera());
		await mirror.offer({ audio: true, video: true })`)
	l.flows("mirror", "0:audio 1:video", "0", "1")
	for range 8 {
		l.run(`mirror.pc.restartIce(); await mirror.offer({})`)
		l.flows("mirror", "0:audio 1:video", "0", "1")
	}
}
