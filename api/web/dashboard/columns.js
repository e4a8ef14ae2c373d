// Columns and controls that the tables of connections and of rooms share.

import { anchor, badge, el, millis, percent, rate, say, short, whole } from "./dom.js";

export const handleLink = x => x.handle_id ? `#/handle/${x.session_id}/${x.handle_id}` : "#/clients";
export const roomLink = x => "#/room/" + [x.plugin, x.kind, x.room].map(encodeURIComponent).join("/");
export const who = x => x.name || x.user || x.opaque_id || (x.handle_id ? `handle ${x.handle_id}` : `session ${x.session_id}`);
export const keyOf = x => `${x.session_id}/${x.handle_id ?? ""}`;

const states = { none: "no connection", closed: "closed", ice: "looking for a path (ICE)", dtls: "handshake (DTLS)", up: "connected", lost: "interrupted" };
export const stateOf = x => states[x.state] ?? x.state;

export const status = { head: "State", class: "state", cell(td, x) { badge(td, x.state === "none" ? "idle" : x.level); } };

export const name = { head: "Who", class: "who", cell(td, x) {
  if (!td.firstChild) td.replaceChildren(el("a"), el("small"));
  const [a, role] = td.children;
  a.setAttribute("href", handleLink(x));
  say(a, who(x));
  say(role, [x.role, x.call_state].filter(Boolean).join(", "));
} };

export const titleOf = x => x.title || `${x.kind} ${x.room}`;

export const place = { head: "Where", class: "where", cell(td, x) {
  if (x.kind) anchor(td, roomLink(x), titleOf(x));
  else say(td, short(x.plugin) || "no handle");
} };

export const why = { head: "What is wrong", class: "why", cell(td, x) {
  say(td, (x.why ?? []).join(". ") || (x.state === "up" || x.state === "none" ? "" : stateOf(x)));
} };

// figures are measured. Those that are too high are marked, from the limits of the server on.
const figure = (head, title, key, show, warn, bad) => ({ head, title, num: true, cell(td, x) {
  const v = x[key];
  say(td, v == null ? "" : show(v));
  if (warn) td.dataset.high = v >= bad ? "bad" : v >= warn ? "warn" : "";
} });

export const figures = [
  figure("Sends", "from the client", "in", rate),
  figure("Receives", "to the client", "out", rate),
  figure("Lost ↑", "packets from the client that were lost", "loss_in", percent, 2, 10),
  figure("Lost ↓", "packets to the client that were lost", "loss_out", percent, 2, 10),
  figure("Round trip", "there and back", "rtt", millis, 300, 800),
];

// pager leads through a long list. turn is called with the offset.
export function pager(size, turn) {
  const text = el("span"), back = el("button", { type: "button" }, "Previous"), on = el("button", { type: "button" }, "Next");
  let offset = 0, total = 0;
  back.addEventListener("click", () => turn(offset = Math.max(0, offset - size)));
  on.addEventListener("click", () => turn(offset += size));
  const e = el("div", { class: "pager", role: "group", "aria-label": "Pages" }, back, text, on);
  return { e, size, get offset() { return offset; }, reset() { offset = 0; }, show(n) {
    total = n;
    if (offset >= total) offset = Math.max(0, Math.floor((total - 1) / size) * size);
    e.hidden = total <= size;
    say(text, `${whole(offset + 1)} to ${whole(Math.min(offset + size, total))} of ${whole(total)}`);
    back.disabled = offset === 0;
    on.disabled = offset + size >= total;
  } };
}

// search is a field to find people and rooms. changed is called after its text has changed.
export function search(label, changed, text = "") {
  const input = el("input", { type: "search", placeholder: label, "aria-label": label, maxlength: 60, spellcheck: "false", value: text });
  let timer;
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(changed, 250); });
  return { e: input, get text() { return input.value.trim(); } };
}
