// One echo test: a session, a handle of the plugin, a PeerConnection.

import { APIError, Session } from "./client.js";

const dataLabel = "JanusDataChannel";

const encodings = [
  { rid: "h", maxBitrate: 1_200_000, scalabilityMode: "L1T2" },
  { rid: "m", maxBitrate: 400_000, scaleResolutionDownBy: 2, scalabilityMode: "L1T2" },
  { rid: "l", maxBitrate: 130_000, scaleResolutionDownBy: 4, scalabilityMode: "L1T2" },
];

// Call tells about its life through `on`: state(text), remote(stream),
// layer({substream, temporal}), data(text), channel(open), end(title, text), log(text).
export class Call {
  constructor(settings, on) {
    this.settings = settings;
    this.on = on;
    this.ended = false;
  }

  async start(stream, simulcast) {
    this.on.state("connecting");
    this.session = await Session.open({ ...this.settings, note: this.on.log });
    if (this.ended) return this.session.destroy();
    this.on.log(`Session ${this.session.id} over ${this.session.link.name}.`);
    this.session.onevent = m => this.event(m);
    this.session.onclose = reason => this.fail("The session is over.", reason);
    this.handle = await this.session.attach("janus.plugin.echotest");
    this.on.state("negotiating");
    this.connect(stream, simulcast);
    await this.pc.setLocalDescription();
    const { sdp, type } = this.pc.localDescription;
    const { data, jsep } = await this.handle.message({ audio: true, video: true }, { type, sdp });
    if (this.ended) return;
    if (!jsep) throw new Error(`The server sent no answer, but ${JSON.stringify(data)}.`);
    await this.pc.setRemoteDescription(jsep);
    this.on.log("Offer and answer are exchanged.");
  }

  connect(stream, simulcast) {
    const pc = this.pc = new RTCPeerConnection({ iceServers: this.settings.iceServers ?? [] });
    const remote = new MediaStream();
    pc.ontrack = e => {
      remote.addTrack(e.track);
      this.on.remote(remote);
    };
    pc.onicecandidate = ({ candidate: c }) => {
      const text = c ? { candidate: c.candidate, sdpMid: c.sdpMid, sdpMLineIndex: c.sdpMLineIndex } : { completed: true };
      if (!this.ended && (!c || c.candidate)) this.handle.trickle(text).catch(e => this.on.log(`Trickle: ${e.message}`));
    };
    pc.onconnectionstatechange = () => {
      this.on.log(`PeerConnection: ${pc.connectionState}.`);
      if (pc.connectionState === "connected") this.on.state("running");
      if (pc.connectionState === "failed") this.failed();
    };
    for (const track of stream.getAudioTracks()) pc.addTransceiver(track, { streams: [stream] });
    for (const track of stream.getVideoTracks()) this.addVideo(track, stream, simulcast);
    this.channel = pc.createDataChannel(dataLabel);
    this.channel.onopen = () => this.on.channel(true);
    this.channel.onclose = () => this.on.channel(false);
    this.channel.onmessage = m => this.on.data(m.data);
    pc.ondatachannel = ({ channel }) => { channel.onmessage = m => this.on.data(m.data); };
  }

  addVideo(track, stream, simulcast) {
    if (!simulcast) return this.pc.addTransceiver(track, { streams: [stream] });
    try {
      this.pc.addTransceiver(track, { streams: [stream], sendEncodings: encodings });
    } catch { // a browser without scalability modes
      const plain = encodings.map(({ scalabilityMode, ...rest }) => rest);
      this.pc.addTransceiver(track, { streams: [stream], sendEncodings: plain });
    }
  }

  event(m) {
    if (m.janus !== "event") this.on.log(`Server: ${m.janus}${m.reason ? " – " + m.reason : ""}${m.type ? ` – ${m.type} ${m.receiving ? "arrives" : "is missing"}` : ""}`);
    switch (m.janus) {
      case "trickle":
        return this.remoteCandidate(m.candidate);
      case "hangup":
        return this.fail("The server hung up.", m.reason ?? "");
      case "detached":
        return this.fail("The server ended the call.", "");
      case "ice-failed":
        return this.failed();
      case "slowlink":
        return;
    }
    const data = m.plugindata?.data ?? {};
    if (data.result === "done") return this.fail("The server ended the call.", "");
    if ("substream" in data || "temporal" in data) this.on.layer(data);
  }

  remoteCandidate(c) {
    if (c && !c.completed) this.pc.addIceCandidate(c).catch(e => this.on.log(`Candidate: ${e.message}`));
  }

  failed() {
    this.fail("No connection for media.",
      "Signalling works, but no UDP packets get through between this browser and the server. " +
      "Is a firewall in the way? Behind NAT the server must be told its public address (--nat-1-1).");
  }

  // set sends a request such as {audio: false}.
  set(body) {
    return this.handle.message(body).catch(e => this.on.log(`Request refused: ${e.message}`));
  }

  fail(title, text) {
    if (this.ended) return;
    this.stop();
    this.on.end(title, text);
  }

  stop() {
    this.ended = true;
    this.pc?.close();
    this.session?.destroy();
  }
}

// explain says in words what went wrong before a call was up.
export function explain(e, settings) {
  if (!(e instanceof APIError)) {
    return ["The server does not answer.", `Tried ${settings.transport === "ws" ? settings.wsURL : new URL(settings.base, location)}: ${e.message}. ` +
      "Is it running, and is its HTTP or WebSocket transport on? For https, the browser must trust its certificate."];
  }
  switch (e.code) {
    case 403: return ["The server wants a password.", "Add ?apisecret=… or ?token=… to the address of this page."];
    case 405: return ["The token is not good for the echo test.", e.message];
    case 460: return ["The server has no echo test.", "Its plugin janus.plugin.echotest is turned off."];
    case 472: return ["The server takes no new sessions at the moment.", e.message];
  }
  return ["The server refused.", e.message];
}
