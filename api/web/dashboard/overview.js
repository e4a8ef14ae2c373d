// The first view: whether anything is wrong, with whom, where, and since when.

import { ask } from "./api.js";
import { figures, handleLink, keyOf, name, pager, place, roomLink, search, status, titleOf, why } from "./columns.js";
import { anchor, badge, el, keep, mark, rate, say, short, span, table, whole } from "./dom.js";
import { plot } from "./plot.js";

// Known for as long as the page is open: plots go on while another view is shown.
const incidents = new Map();
let after = 0, before = null;

const plots = {
  media: plot("Media", ["in", "out"], rate, 100e3),
  load: plot("Processor", ["process", "busiest shard"], x => `${x.toFixed(x < 10 ? 1 : 0)} %`, 10),
  trouble: plot("Connections in trouble", ["bad", "warning"], x => whole(Math.round(x)), 4),
  people: plot("Connections", ["connected"], x => whole(Math.round(x)), 4),
};

const shards = table("Load of each loop (shard); the processor time of the process includes system calls and signalling", [
  { head: "Shard", cell(td, x) { say(td, x.id); } },
  { head: "Busy", num: true, class: "load", cell(td, x) {
    if (!td.firstChild) td.replaceChildren(el("meter", { min: 0, max: 100, low: 60, high: 85, optimum: 0 }), el("span"));
    td.firstChild.value = x.load ?? 0;
    mark(td.firstChild, "aria-label", `shard ${x.id} busy`);
    say(td.lastChild, x.load == null ? "–" : `${x.load.toFixed(1)} %`);
  } },
  { head: "Connections", num: true, cell(td, x) { say(td, whole(x.connections)); } },
  { head: "In", num: true, cell(td, x) { say(td, x.rates ? rate(x.rates.in) : "–"); } },
  { head: "Out", num: true, cell(td, x) { say(td, x.rates ? rate(x.rates.out) : "–"); } },
  { head: "Packets/s", num: true, cell(td, x) { say(td, x.rates ? whole(Math.round(x.rates.packets)) : "–"); } },
  { head: "Dropped by the kernel", num: true, cell(td, x) {
    say(td, whole(x.lost_in + x.lost_out));
    td.dataset.high = x.lost_in + x.lost_out > 0 ? "warn" : "";
  } },
], x => x.id);

const worst = table("Connections in trouble, the worst first", [status, name, place, why, ...figures], keyOf, handleLink);

const rooms = table("Rooms, mountpoints and calls, the worst first", [
  { head: "State", class: "state", cell(td, x) { badge(td, x.connections ? x.level : "idle"); } },
  { head: "Room", class: "who", cell(td, x) {
    if (!td.firstChild) td.replaceChildren(el("a"), el("small"));
    mark(td.firstChild, "href", roomLink(x));
    say(td.firstChild, titleOf(x));
    say(td.lastChild, [x.kind, x.title && x.title !== x.room ? x.room : "", short(x.plugin), x.call_state].filter(Boolean).join(" · "));
  } },
  { head: "In trouble", num: true, cell(td, x) { say(td, x.bad + x.warn || "–"); } },
  { head: "What is wrong, at worst", class: "why", cell(td, x) { say(td, x.why ? (x.who ? `${x.who}: ` : "") + x.why : ""); } },
  { head: "Handles", num: true, cell(td, x) { say(td, whole(x.handles)); } },
  { head: "Publishers", num: true, cell(td, x) { say(td, x.publishers || "–"); } },
  { head: "In", num: true, cell(td, x) { say(td, rate(x.in)); } },
  { head: "Out", num: true, cell(td, x) { say(td, rate(x.out)); } },
], roomLink, roomLink);

const find = search("Find a room or a person", () => { pages.reset(); next(); });
const everywhere = el("a"), elsewhere = el("p", { class: "none", hidden: true }, everywhere);
const pages = pager(10, () => next());
let next = () => {};

const tile = (label, href) => {
  const value = el("b"), note = el("small");
  return { e: el(href ? "a" : "div", { class: "tile", href }, el("span", {}, label), value, note), show(v, n, level) {
    say(value, v);
    say(note, n);
    mark(value.parentNode, "data-level", level);
  } };
};
const tiles = { trouble: tile("In trouble", "#/clients"), connections: tile("Connections", "#/clients"), sessions: tile("Sessions"), rooms: tile("Rooms"), calls: tile("Calls"), in: tile("Media in"), out: tile("Media out"), cpu: tile("CPU, of a core") };
const news = el("ul", { class: "incidents" }), noNews = el("p", { class: "none" }, "No problems so far.");
const left = el("p", { class: "none" });

const view = el("div", { class: "view" },
  el("section", { class: "tiles", "aria-label": "In short" }, ...Object.values(tiles).map(t => t.e)),
  el("section", {}, el("h2", {}, "Who is in trouble"), worst.e, left),
  el("section", {}, el("div", { class: "bar" }, el("h2", {}, "Rooms and calls"), find.e), rooms.e, elsewhere, pages.e),
  el("section", {}, el("h2", {}, "Recent problems"), news, noNews),
  el("section", { class: "plots", "aria-label": "Over the last five minutes" }, ...Object.values(plots).map(p => p.e)),
  el("section", {}, el("h2", {}, "Load"), shards.e));

// overview is the view. refresh also feeds the plots, so it is called whatever is shown.
export const overview = { e: view, title: "Overview", refresh, now(f) { next = f; } };

async function refresh() {
  const o = (await ask("overview", { rooms: pages.size, rooms_offset: pages.offset, find: find.text, connections: 25, after })).overview;
  if (before && o.server.uptime < before.server.uptime) { // another server
    before = null;
    incidents.clear();
  }
  const rates = measure(before, o);
  before = o;
  after = o.last_incident;
  showTiles(o, rates);
  worst.show(o.worst.list, find.text ? `Nobody in trouble matches “${find.text}”.` : "All connections are fine.");
  say(left, o.worst.total > o.worst.list.length ? `${whole(o.worst.total - o.worst.list.length)} more are in “All clients”.` : "");
  rooms.show(o.groups.list, find.text ? `No room or call matches “${find.text}”.` : "Nobody is in a room or call.");
  elsewhere.hidden = !find.text;
  say(everywhere, `Search all clients for “${find.text}”`);
  mark(everywhere, "href", "#/clients/" + encodeURIComponent(find.text));
  pages.show(o.groups.total);
  shards.show(o.shards.map((s, i) => ({ ...s, ...rates?.shards[i] })), "No media engine.");
  showIncidents(o.incidents);
  const at = performance.now();
  plots.media.add(at, [o.sums.in, o.sums.out]);
  plots.load.add(at, [rates?.cpu ?? null, rates ? Math.max(0, ...rates.shards.map(s => s.load)) : null]);
  plots.trouble.add(at, [o.sums.bad, o.sums.warn]);
  plots.people.add(at, [o.sums.stages.up]);
  return o;
}

// measure computes rates from the counters of two answers.
function measure(a, b) {
  const ms = a ? b.server.uptime - a.server.uptime : 0;
  if (ms <= 0) return null;
  return {
    cpu: (b.server.cpu - a.server.cpu) / ms / 10,
    shards: b.shards.map((s, i) => {
      const old = a.shards[i] ?? s, per = key => (s[key] - old[key]) * 1000 / ms;
      return {
        load: (s.busy - old.busy) / ms / 10,
        rates: { in: 8 * per("bytes_in"), out: 8 * per("bytes_out"), packets: per("packets_in") + per("packets_out") },
      };
    }),
  };
}

function showTiles(o, rates) {
  const { sums: s, server } = o, n = s.bad + s.warn;
  tiles.trouble.show(n ? whole(n) : "None", n ? [s.bad && `${s.bad} bad`, s.warn && `${s.warn} to watch`].filter(Boolean).join(", ") : "all is well", s.bad ? "bad" : s.warn ? "warn" : "ok");
  const coming = s.stages.ice + s.stages.dtls;
  tiles.connections.show(whole(s.connections), [coming && `${coming} connecting`, s.stages.lost && `${s.stages.lost} interrupted`].filter(Boolean).join(", ") || "all connected");
  tiles.sessions.show(whole(s.sessions), `${whole(s.handles)} handles`);
  const known = Object.values(s.rooms).reduce((a, b) => a + b, 0), used = s.kinds.room + s.kinds.mountpoint;
  tiles.rooms.show(whole(used), `in use, of ${whole(known)}`);
  tiles.calls.show(whole(s.kinds.call), `${whole(s.kinds.recording)} recordings`);
  tiles.in.show(rate(s.in), "from clients");
  tiles.out.show(rate(s.out), "to clients");
  tiles.cpu.show(rates ? `${rates.cpu.toFixed(rates.cpu < 10 ? 1 : 0)} %` : "–", `${whole(Math.round(server.memory / 2 ** 20))} MiB memory`);
}

function showIncidents(fresh) {
  for (const i of fresh) incidents.set(i.id, i);
  const list = [...incidents.values()].sort((a, b) => b.last - a.last || b.id - a.id).slice(0, 30);
  for (const id of incidents.keys()) if (!list.some(i => i.id === id)) incidents.delete(id);
  noNews.hidden = list.length > 0;
  keep(news, list, i => i.id, () => {
    const sign = el("span"), text = el("strong"), when = el("small"), remedy = el("p"), detail = el("code"), link = el("a", {}, "Show the client");
    return { e: el("li", {}, sign, el("div", {}, text, " ", when, remedy, el("p", { class: "detail" }, detail, " ", link))), show(i) {
      badge(sign, i.severe ? "error" : "warning");
      say(text, i.text + ".");
      say(when, `${i.count > 1 ? `${whole(i.count)} times, last ` : ""}${span(Math.max(0, Date.now() - i.last))} ago`);
      say(remedy, i.remedy ?? "See the log.");
      say(detail, i.detail);
      link.hidden = !i.handle_id;
      mark(link, "href", handleLink(i));
    } };
  });
}
