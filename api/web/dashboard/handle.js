// One handle: its connection, its streams, and why a video is sent as it is.

import { ask } from "./api.js";
import { roomLink, stateOf, titleOf, who } from "./columns.js";
import { badge, el, keep, mark, millis, percent, rate, say, short, span, table, whole } from "./dom.js";
import { plot } from "./plot.js";

// streams makes rows of the media in handle_info: one for each direction and encoding.
// feeds are the plugin's streams, which name the publishers.
export function streams(media, feeds = []) {
  const rows = [];
  const whose = mid => { const f = feeds.find(f => String(f.mid) === String(mid)); return f?.feed_display ?? f?.feed_id; };
  for (const m of Object.values(media ?? {})) {
    const key = m.mindex, base = { mid: m.mid ?? key, type: m.type, codec: m.codecs?.codec ?? "", of: whose(m.mid) };
    if (m.type === "data") {
      rows.push({ ...base, key: `${key}d`, way: "↕ both", packets: m.stats.in.packets + m.stats.out.packets, note: m.stats.lost ? `${m.stats.lost} messages were lost` : "" });
      continue;
    }
    const ins = [["main", m.stats.in, "in"], ["sim1", m.stats.in["video-simulcast-1"], "in, second encoding"], ["sim2", m.stats.in["video-simulcast-2"], "in, third encoding"]];
    ins.forEach(([rtcp, s, way], i) => {
      const r = m.rtcp[rtcp];
      if (!s || !r || (!s.packets && (i || !m.direction.recv))) return;
      rows.push({ ...base, key: key + rtcp, way: "↑ " + (i === 0 && m.rtcp.sim1 ? "in, first encoding" : way), bits: 8 * s.bytes_lastsec, packets: s.packets,
        loss: 100 - r["in-link-quality"], left: 100 - r["in-media-link-quality"], jitter: r["jitter-local"], repaired: s.retransmissions, note: s.packets ? "" : "nothing has arrived" });
    });
    const out = m.stats.out, r = m.rtcp.main;
    if (out.packets || m.direction.send) {
      rows.push({ ...base, key: `${key}out`, way: "↓ out", bits: 8 * out.bytes_lastsec, packets: out.packets, loss: 100 - r["out-link-quality"], left: 100 - r["out-media-link-quality"],
        jitter: r["jitter-remote"], rtt: r.rtt, layers: m.layers, paused: m.bwe?.paused, note: m.layers?.why ?? (out.packets ? "" : "nothing has been sent") });
    }
  }
  return rows;
}

function layerText(l) {
  if (!l) return "";
  if (Object.values(l.sent).every(n => n < 0)) return "";
  const one = (x, none) => [["encoding", x.substream], ["spatial", x.spatial], ["temporal", x.temporal]].filter(p => p[1] >= 0).map(p => `${p[0]} ${p[1]}`).join(", ") || none;
  return `${one(l.sent, "none")} (wanted: ${one(l.wanted, "the highest")})`;
}

const figure = (head, key, show, high) => ({ head, num: true, cell(td, x) {
  say(td, x[key] == null ? "" : show(x[key]));
  if (high) td.dataset.high = x[key] >= high[1] ? "bad" : x[key] >= high[0] ? "warn" : "";
} });

export function handle(session, id) {
  const heading = el("h2"), sign = el("span"), about = el("p", { class: "about" }), why = el("ul", { class: "why" }), crumbs = el("p", { class: "crumbs" });
  const facts = el("dl"), raw = el("pre"), gone = el("p", { class: "error", role: "alert" });
  const media = table("Streams: ↑ from the client, ↓ to the client", [
    { head: "Stream", class: "stream", cell(td, x) { say(td, `${x.type} (mid ${x.mid})${x.of ? ` of ${x.of}` : ""}`); } },
    { head: "Way", class: "stream", cell(td, x) { say(td, x.way); } },
    { head: "Codec", class: "codec", cell(td, x) { say(td, x.codec); } },
    figure("Bitrate", "bits", rate), figure("Packets", "packets", whole), figure("Lost", "loss", percent, [2, 10]),
    figure("After repair", "left", percent, [1, 5]), figure("Jitter", "jitter", millis, [60, 200]), figure("Round trip", "rtt", millis, [300, 800]),
    { head: "Layers", cell(td, x) { say(td, layerText(x.layers)); } },
    { head: "Why", class: "why", cell(td, x) { say(td, x.note); } },
  ], x => x.key);
  const plots = {
    rate: plot("Bitrate", ["sends", "receives"], rate, 100e3),
    loss: plot("Lost", ["↑ to the server", "↓ to the client"], x => `${x.toFixed(1)} %`, 5),
    rtt: plot("Round trip", ["there and back"], x => `${Math.round(x)} ms`, 100),
  };
  const rest = el("details", {}, el("summary", {}, "The whole answer of the Admin API (handle_info)"), raw);
  const copy = el("button", { type: "button", on: { click: () => navigator.clipboard?.writeText(raw.textContent) } }, "Copy");
  rest.append(copy);
  const body = el("div", { class: "view" }, el("section", { class: "plots" }, ...Object.values(plots).map(p => p.e)),
    el("section", {}, el("h3", {}, "Streams"), media.e), el("section", {}, el("h3", {}, "Connection"), facts), rest);
  const view = el("div", { class: "view" }, crumbs, el("div", {}, el("div", { class: "bar" }, heading, sign), about), why, gone, body);

  function show(x, info) {
    const name = x ? who(x) : `handle ${id}`;
    say(heading, name);
    self.title = name;
    badge(sign, x?.level ?? "idle");
    crumbs.replaceChildren(el("a", { href: "#/" }, "Overview"), ...(x?.kind ? [" › ", el("a", { href: roomLink(x) }, titleOf(x))] : []), ` › ${name}`);
    say(about, [x?.role, short(info.plugin), x && stateOf(x) + (x.age == null ? "" : ` for ${span(x.age)}`), `session ${session}`, `handle ${id}`].filter(Boolean).join(" · "));
    keep(why, [...(x?.why ?? []), ...(info.plugin_specific?.faults ?? [])], t => t, t => ({ e: el("li", {}, t), show() {} }));
    const list = streams(info.webrtc?.media, info.plugin_specific?.streams);
    media.show(list, "There is no peer connection.");
    const bwe = info.webrtc?.bwe, ice = info.webrtc?.ice, dtls = info.webrtc?.dtls;
    keep(facts, [
      ["Path", ice?.["selected-pair"] ?? ice?.state], ["ICE", ice && `${ice.state}, ${info["ice-role"]}, ${info["ice-mode"]}`],
      ["Encryption", dtls && `${dtls["dtls-state"]}, ${dtls["srtp-profile"]}`],
      ["Line to the client", bwe?.estimate && `${rate(bwe.estimate)} (${bwe.reason})${bwe.wanted ? `, ${rate(bwe.wanted)} could be used` : ""}, queue ${bwe.queue} ms`],
      ["Shard", x?.shard], ["Transport of the API", info.session_transport], ["Opaque ID", info.opaque_id],
    ].filter(f => f[1] != null && f[1] !== ""), f => f[0], f => {
      const dd = el("dd");
      return { e: el("div", {}, el("dt", {}, f[0]), dd), show: g => say(dd, g[1]) };
    });
    if (rest.open) say(raw, JSON.stringify(info, null, 2));
    const at = performance.now();
    if (x?.age != null) {
      plots.rate.add(at, [x.in, x.out]);
      plots.loss.add(at, [x.loss_in, x.loss_out]);
      plots.rtt.add(at, [x.rtt || null]);
    }
  }

  const self = { e: view, title: `Handle ${id}`, again() {}, now(f) { self.again = f; },
    async refresh() {
      try {
        const [rows, answer] = await Promise.all([ask("list_connections", { find: id, limit: 10 }), ask("handle_info", {}, [session, id])]);
        show(rows.connections.list.find(x => String(x.handle_id) === id), answer.info);
        say(gone, "");
        body.hidden = false;
      } catch (e) {
        if (e.code !== 458 && e.code !== 459) throw e;
        say(heading, `Handle ${id}`);
        badge(sign, "idle");
        say(gone, "This client has left.");
        body.hidden = true;
      }
      mark(view, "data-ready", true);
    } };
  rest.addEventListener("toggle", () => self.again());
  return self;
}

