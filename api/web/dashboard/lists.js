// The clients of one room, and all clients.

import { ask } from "./api.js";
import { figures, handleLink, keyOf, name, pager, place, search, stateOf, status, titleOf, why } from "./columns.js";
import { el, rate, say, short, span, table, whole } from "./dom.js";
import { plot } from "./plot.js";

const state = { head: "Connection", class: "since", cell(td, x) { say(td, x.age == null ? stateOf(x) : `${stateOf(x)}, ${span(x.age)}`); } };

// room shows who is in one room.
export function room(plugin, kind, id) {
  const heading = el("h2"), about = el("p", { class: "about" });
  const people = table("Who is here, the worst first", [status, name, why, ...figures, state], keyOf, handleLink);
  const media = plot("Media of the clients below", ["in", "out"], rate, 100e3);
  const pages = pager(100, () => view.again());
  const view = {
    e: el("div", { class: "view" }, el("p", { class: "crumbs" }, el("a", { href: "#/" }, "Overview"), ` › ${kind}`), el("div", {}, heading, about), media.e, people.e, pages.e),
    title: `${kind[0].toUpperCase()}${kind.slice(1)} ${id}`, again() {},
    now(f) { view.again = f; },
    async refresh() {
      const c = (await ask("list_connections", { plugin, kind, room: id, limit: pages.size, offset: pages.offset })).connections;
      const sum = key => c.list.reduce((n, x) => n + (x[key] ?? 0), 0);
      if (c.list.length) view.title = titleOf(c.list[0]);
      say(heading, view.title);
      say(about, `${kind} ${id} · ${short(plugin)} · ${whole(c.total)} ${c.total === 1 ? "handle" : "handles"}`);
      people.show(c.list, "Nobody is here.");
      pages.show(c.total);
      media.add(performance.now(), [sum("in"), sum("out")]);
    },
  };
  return view;
}

// clients shows all handles, and sessions without any, or those with a text.
export function clients(text) {
  const all = table("All clients, the worst first", [status, name, place, why, ...figures, state], keyOf, handleLink);
  const find = search("Name, room, or an ID", () => { pages.reset(); view.again(); }, text);
  const idle = el("input", { type: "checkbox", id: "idle", on: { change() { pages.reset(); view.again(); } } });
  const pages = pager(100, () => view.again()), count = el("p", { class: "about" });
  const view = {
    e: el("div", { class: "view" }, el("div", {}, el("div", { class: "bar" }, el("h2", {}, "All clients"), count, find.e,
      el("label", { for: "idle", class: "check" }, idle, " also idle sessions"))), all.e, pages.e),
    title: "All clients", again() {},
    now(f) { view.again = f; },
    async refresh() {
      const c = (await ask("list_connections", { find: find.text, idle: idle.checked, limit: pages.size, offset: pages.offset })).connections;
      say(count, `${whole(c.total)} ${find.text ? "found" : "in total"}`);
      all.show(c.list, find.text ? "Nobody matches." : "Nobody is connected.");
      pages.show(c.total);
    },
  };
  return view;
}
