// WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): a resource behind one URL.

// Problem is a refusal, in the server's words (RFC 9457).
export class Problem extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

// Resource is a PeerConnection with what a server keeps for it.
export class Resource {
  // on has state(text), log(text), end(title, text) and, for a player, event(name, data).
  constructor(url, token, on) {
    Object.assign(this, { url, token, on, ended: false, waiting: [] });
  }

  async publish(stream) {
    const pc = await this.connect();
    for (const track of stream.getTracks()) pc.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    await this.open();
  }

  async watch(play) {
    const pc = await this.connect();
    const stream = new MediaStream();
    pc.ontrack = e => {
      stream.addTrack(e.track);
      play(stream);
    };
    for (const kind of ["audio", "video"]) pc.addTransceiver(kind, { direction: "recvonly" });
    await this.open();
  }

  // connect asks the endpoint for its ICE servers first.
  async connect() {
    this.on.state("connecting");
    const asked = await this.send("OPTIONS", this.url).catch(() => null);
    const pc = this.pc = new RTCPeerConnection({ iceServers: asked ? iceServers(asked.headers) : [] });
    pc.onicecandidate = ({ candidate }) => this.trickle(candidate);
    pc.onconnectionstatechange = () => {
      this.on.log(`PeerConnection: ${pc.connectionState}.`);
      if (pc.connectionState === "connected") this.on.state("running");
      if (pc.connectionState === "failed") this.fail("The connection is lost.", "No packets get through any more, or the other side has left.");
    };
    return pc;
  }

  async open() {
    this.on.state("negotiating");
    await this.pc.setLocalDescription();
    const answer = await this.send("POST", this.url, this.pc.localDescription.sdp, "application/sdp");
    this.at = new URL(answer.headers.get("Location"), answer.url).href;
    this.tag = answer.headers.get("ETag");
    if (this.ended) return this.leave();
    await this.pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    this.on.log(`Resource ${this.at}`);
    this.flush();
    this.listen(answer.headers);
  }

  // trickle sends candidates, those from before the answer in one request.
  trickle(candidate) {
    this.waiting.push(candidate);
    if (this.at) this.flush();
  }

  async flush() {
    const list = this.waiting.splice(0);
    if (list.length === 0 || this.ended) return;
    const { sdp } = this.pc.localDescription;
    const value = name => sdp.match(new RegExp(`a=${name}:(.*)`))?.[1].trim();
    const lines = [`a=ice-ufrag:${value("ice-ufrag")}`, `a=ice-pwd:${value("ice-pwd")}`, sdp.match(/m=.*/)[0].trim(), `a=mid:${value("mid")}`];
    for (const c of list) lines.push(c ? `a=${c.candidate}` : "a=end-of-candidates");
    await this.send("PATCH", this.at, lines.join("\r\n") + "\r\n", "application/trickle-ice-sdpfrag", { "If-Match": this.tag ?? "*" })
      .catch(e => this.on.log(`Candidates: ${e.message}`));
  }

  // listen reads the events of a player.
  async listen(headers) {
    const link = links(headers).find(l => l.rel === "urn:ietf:params:whep:ext:core:server-sent-events");
    if (!link || !this.on.event) return;
    try {
      const made = await this.send("POST", new URL(link.url, this.url).href, JSON.stringify(link.events.split(",")), "application/json");
      const stream = await this.send("GET", new URL(made.headers.get("Location"), this.url).href, undefined, undefined, {}, this.stopped.signal);
      const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; ;) {
        const { value, done } = await reader.read();
        if (done) return;
        const blocks = (text + value).split("\n\n");
        text = blocks.pop();
        for (const block of blocks) {
          const field = name => block.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1];
          if (field("event")) this.on.event(field("event"), JSON.parse(field("data") ?? "{}"));
        }
      }
    } catch (e) {
      if (!this.ended) this.on.log(`Events: ${e.message}`);
    }
  }

  stopped = new AbortController();

  async send(method, url, body, type, headers = {}, signal) {
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (type) headers["Content-Type"] = type;
    const response = await fetch(url, { method, body, headers, signal, keepalive: method === "DELETE" });
    if (response.ok) return response;
    const text = await response.text();
    let said = text;
    try { said = JSON.parse(text).detail; } catch { /* another server */ }
    throw new Problem(response.status, `${said || response.statusText} (${response.status})`);
  }

  leave() { return this.send("DELETE", this.at).catch(() => {}); }

  fail(title, text) {
    if (this.ended) return;
    this.stop();
    this.on.end(title, text);
  }

  stop() {
    if (this.ended) return;
    this.ended = true;
    this.stopped.abort();
    this.pc?.close();
    if (this.at) this.leave();
  }
}

// links are the Link fields of a response.
function links(headers) {
  return (headers.get("Link") ?? "").split(/,\s*(?=<)/).filter(Boolean).map(text => {
    const parameter = name => text.match(new RegExp(`;\\s*${name}="?((?:[^"\\\\;]|\\\\.)*)"?`))?.[1].replace(/\\(.)/g, "$1");
    return {
      url: text.match(/<([^>]*)>/)?.[1], rel: parameter("rel"), events: parameter("events"),
      username: parameter("username"), credential: parameter("credential"),
    };
  });
}

const iceServers = headers => links(headers).filter(l => l.rel === "ice-server")
  .map(({ url, username, credential }) => username ? { urls: url, username, credential } : { urls: url });
