// The clients of one room, and all clients.

import { ask } from "./api.js";
import { figures, handleLink, keyOf, name, pager, place, search, stateOf, status, why } from "./columns.js";
import { el, rate, say, short, span, table, whole } from "./dom.js";
import { titleOf } from "./overview.js";
import { plot } from "./plot.js";

const state = { head: "Connection", class: "since", cell(td, x) { say(td, x.age == null ? stateOf(x) : `${stateOf(x)}, ${span(x.age)}`); } };

// room shows those who are in one room.
export function room(plugin, kind, id) {
  const link = location.hash, heading = el("h2"), about = el("p", { class: "about" });
  const people = table("Who is there, the worst first", [status, name, why, ...figures, state], keyOf, handleLink);
  const media = plot("Media of those below", ["in", "out"], rate, 100e3);
  const pages = pager(100, () => view.again());
  const view = {
    e: el("div", { class: "view" }, el("p", { class: "crumbs" }, el("a", { href: "#/" }, "Overview"), ` › ${kind}`), heading, about, media.e, people.e, pages.e),
    title: `${kind} ${id}`, again() {},
    now(f) { view.again = f; },
    async refresh() {
      const c = (await ask("list_connections", { plugin, kind, room: id, limit: pages.size, offset: pages.offset })).connections;
      const sum = key => c.list.reduce((n, x) => n + (x[key] ?? 0), 0);
      say(heading, titleOf(link) || `${kind[0].toUpperCase()}${kind.slice(1)} ${id}`);
      say(about, `${kind} ${id} · ${short(plugin)} · ${whole(c.total)} ${c.total === 1 ? "handle" : "handles"}`);
      people.show(c.list, "Nobody is here any more.");
      pages.show(c.total);
      media.add(performance.now(), [sum("in"), sum("out")]);
    },
  };
  return view;
}

// clients shows all handles, and sessions without any.
export function clients() {
  const titles = { get: titleOf };
  const all = table("All clients, the worst first", [status, name, place(titles), why, ...figures, state], keyOf, handleLink);
  const find = search("Find by name, room, opaque id, session or handle", () => { pages.reset(); view.again(); });
  const idle = el("input", { type: "checkbox", id: "idle", on: { change() { pages.reset(); view.again(); } } });
  const pages = pager(100, () => view.again()), count = el("p", { class: "about" });
  const view = {
    e: el("div", { class: "view" }, el("div", { class: "bar" }, el("h2", {}, "All clients"), find.e,
      el("label", { for: "idle", class: "check" }, idle, " also those without media")), count, all.e, pages.e),
    title: "All clients", again() {},
    now(f) { view.again = f; },
    async refresh() {
      const c = (await ask("list_connections", { find: find.text, idle: idle.checked, limit: pages.size, offset: pages.offset })).connections;
      say(count, `${whole(c.total)} ${find.text ? "found" : "in all"}`);
      all.show(c.list, "Nobody is there.");
      pages.show(c.total);
    },
  };
  return view;
}
