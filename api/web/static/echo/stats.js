// Turns the statistics of a PeerConnection (W3C webrtc-stats) into figures.

export class Figures {
  last = null;

  // read returns the figures of now; rates cover the time since the last call.
  async read(pc) {
    const all = [...(await pc.getStats()).values()];
    const of = (type, kind) => all.filter(s => s.type === type && (!kind || s.kind === kind));
    const byID = id => all.find(s => s.id === id);
    const sum = (list, key) => list.reduce((n, s) => n + (s[key] ?? 0), 0);

    const now = performance.now();
    const inVideo = of("inbound-rtp", "video")[0] ?? {}, inAudio = of("inbound-rtp", "audio")[0] ?? {};
    const outVideo = of("outbound-rtp", "video");
    const sent = largest(outVideo.filter(s => s.framesPerSecond > 0)) ?? largest(outVideo) ?? {};
    const totals = {
      now, up: sum(of("outbound-rtp"), "bytesSent"), down: sum(of("inbound-rtp"), "bytesReceived"),
      received: sum(of("inbound-rtp"), "packetsReceived"), lost: sum(of("inbound-rtp"), "packetsLost"),
    };
    const before = this.last ?? totals;
    this.last = totals;
    const seconds = (now - before.now) / 1000;
    const rate = key => seconds > 0 ? Math.max(0, (totals[key] - before[key]) * 8 / seconds) : 0;
    const lost = Math.max(0, totals.lost - before.lost), received = totals.received - before.received;

    const transport = of("transport")[0];
    const pair = byID(transport?.selectedCandidatePairId) ?? of("candidate-pair").find(s => s.nominated) ?? {};
    const name = stream => byID(stream.codecId)?.mimeType?.split("/")[1] ?? "";
    return {
      bitrateUp: rate("up"), bitrateDown: rate("down"),
      width: inVideo.frameWidth ?? 0, height: inVideo.frameHeight ?? 0, fps: inVideo.framesPerSecond ?? 0,
      framesDecoded: inVideo.framesDecoded ?? 0, videoPackets: inVideo.packetsReceived ?? 0,
      audioPackets: inAudio.packetsReceived ?? 0,
      sentWidth: sent.frameWidth ?? 0, sentHeight: sent.frameHeight ?? 0, sentFPS: sent.framesPerSecond ?? 0,
      loss: received + lost > 0 ? lost / (received + lost) : 0,
      lossUp: Math.max(0, ...of("remote-inbound-rtp").map(s => s.fractionLost ?? 0)),
      rtt: pair.currentRoundTripTime, jitter: inVideo.jitter ?? inAudio.jitter,
      sentCodecs: [name(sent), ...of("outbound-rtp", "audio").map(name)],
      videoCodec: name(inVideo), audioCodec: name(inAudio), encoder: sent.encoderImplementation ?? "",
      local: byID(pair.localCandidateId), remote: byID(pair.remoteCandidateId),
    };
  }
}

const largest = list => list.reduce((a, b) => (b.frameWidth ?? 0) > (a?.frameWidth ?? -1) ? b : a, undefined);

// Spark draws two curves of the last minute.
export class Spark {
  points = [];

  constructor(up, down) { this.paths = [up, down]; }

  add(up, down) {
    this.points.push([up, down]);
    if (this.points.length > 60) this.points.shift();
    const top = Math.max(100_000, ...this.points.flat()) * 1.1;
    const step = 240 / 59, from = 60 - this.points.length;
    this.paths.forEach((path, n) => path.setAttribute("d", this.points.map((p, i) =>
      `${i ? "L" : "M"}${((from + i) * step).toFixed(1)} ${(55 - p[n] / top * 54).toFixed(1)}`).join("")));
  }

  clear() {
    this.points = [];
    this.paths.forEach(p => p.removeAttribute("d"));
  }
}

export const bitrate = n => n >= 1e6 ? `${(n / 1e6).toFixed(2)} Mbit/s` : `${Math.round(n / 1000)} kbit/s`;
export const millis = s => s === undefined ? "–" : s < .001 ? "< 1 ms" : `${(s * 1000).toFixed(s < .01 ? 1 : 0)} ms`;
export const percent = f => `${(f * 100).toFixed(f > 0 && f < .1 ? 1 : 0)} %`;
