// What tables of connections and of rooms have in common.

import { anchor, badge, el, millis, percent, rate, say, short } from "./dom.js";

export const handleLink = x => x.handle_id ? `#/handle/${x.session_id}/${x.handle_id}` : "#/clients";
export const roomLink = x => "#/room/" + [x.plugin, x.kind, x.room].map(encodeURIComponent).join("/");
export const who = x => x.name || x.user || x.opaque_id || (x.handle_id ? `handle ${x.handle_id}` : `session ${x.session_id}`);
export const keyOf = x => `${x.session_id}/${x.handle_id ?? ""}`;

const states = { none: "no connection", closed: "closed", ice: "looking for a path", dtls: "handshake", up: "connected", lost: "interrupted" };
export const stateOf = x => states[x.state] ?? x.state;

export const status = { head: "State", class: "state", cell(td, x) { badge(td, x.state === "none" ? "idle" : x.level); } };

export const name = { head: "Who", class: "who", cell(td, x) {
  if (!td.firstChild) td.replaceChildren(el("a"), el("small"));
  const [a, role] = td.children;
  a.setAttribute("href", handleLink(x));
  say(a, who(x));
  say(role, [x.role, x.call_state].filter(Boolean).join(", "));
} };

export const place = titles => ({ head: "Where", class: "where", cell(td, x) {
  if (x.kind) anchor(td, roomLink(x), titles.get(roomLink(x)) || `${x.kind} ${x.room}`);
  else say(td, short(x.plugin) || "no handle");
} });

export const why = { head: "What is wrong", class: "why", cell(td, x) {
  say(td, (x.why ?? []).join(". ") || (x.state === "up" || x.state === "none" ? "" : stateOf(x)));
} };

// figures are measured; those of one that is too high are marked with the level that it has in the server.
const figure = (head, title, key, show, warn, bad) => ({ head, title, num: true, cell(td, x) {
  const v = x[key];
  say(td, v == null ? "" : show(v));
  if (warn) td.dataset.high = v >= bad ? "bad" : v >= warn ? "warn" : "";
} });

export const figures = [
  figure("Sends", "what comes from the client", "in", rate),
  figure("Gets", "what is sent to the client", "out", rate),
  figure("Lost ↑", "lost on the way from the client to the server", "loss_in", percent, 2, 10),
  figure("Lost ↓", "lost on the way from the server to the client", "loss_out", percent, 2, 10),
  figure("Round trip", "there and back", "rtt", millis, 300, 800),
];

// pager is what leads through a long list; turn is called with the offset.
export function pager(size, turn) {
  const text = el("span"), back = el("button", { type: "button" }, "Previous"), on = el("button", { type: "button" }, "Next");
  let offset = 0, total = 0;
  back.addEventListener("click", () => turn(offset = Math.max(0, offset - size)));
  on.addEventListener("click", () => turn(offset += size));
  const e = el("div", { class: "pager" }, back, text, on);
  return { e, size, get offset() { return offset; }, reset() { offset = 0; }, show(n) {
    total = n;
    if (offset >= total) offset = Math.max(0, Math.floor((total - 1) / size) * size);
    e.hidden = total <= size;
    say(text, `${offset + 1} to ${Math.min(offset + size, total)} of ${total}`);
    back.disabled = offset === 0;
    on.disabled = offset + size >= total;
  } };
}

// search is a field that looks for people and rooms; changed is called when its text is another one.
export function search(label, changed) {
  const input = el("input", { type: "search", placeholder: label, "aria-label": label, maxlength: 60, spellcheck: "false" });
  let timer;
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(changed, 250); });
  return { e: input, get text() { return input.value.trim(); } };
}
