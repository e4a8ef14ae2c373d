// The dashboard: asks for the secret, shows a view, and asks the server every two seconds.

import { ask, forget, known, recall, Refused, remember } from "./api.js";
import { mark, say, span } from "./dom.js";
import { handle } from "./handle.js";
import { clients, room } from "./lists.js";
import { overview } from "./overview.js";

const every = 2000; // ms
const $ = id => document.getElementById(id);
const login = $("login"), main = $("main");
let view = null, paused = false, timer = 0, turn = 0;

function route() {
  const [, name, ...rest] = location.hash.split("/");
  let parts;
  try { parts = rest.map(decodeURIComponent); } catch { return overview; } // not a link of ours
  if (name === "room" && parts.length === 3) return room(...parts);
  if (name === "handle" && parts.length === 2 && parts.every(p => /^\d+$/.test(p))) return handle(...parts);
  if (name === "clients") return clients(parts[0]);
  return overview;
}

// show shows the view of the address. Focus follows a link that was clicked.
function show(moved = false) {
  if (!known()) return askSecret("");
  login.hidden = true;
  for (const id of ["nav", "pause", "lock"]) $(id).hidden = false;
  view?.e.remove();
  view = route();
  view.now(poll);
  main.append(view.e);
  const place = location.hash.split("/")[1] ?? "";
  for (const a of $("nav").children) mark(a, "aria-current", a.hash === "#/" + place && "page");
  mark(view.e, "role", "region");
  mark(view.e, "tabindex", -1);
  entitle();
  scrollTo(0, 0);
  if (moved) view.e.focus({ preventScroll: true });
  poll();
}

function entitle() {
  document.title = `${view.title} · bifrons`;
  mark(view.e, "aria-label", view.title);
}

function askSecret(why) {
  clearTimeout(timer);
  turn++;
  view?.e.remove();
  view = null;
  for (const id of ["nav", "pause", "lock"]) $(id).hidden = true;
  document.title = "bifrons dashboard";
  state("idle", "Locked");
  say($("refused"), why);
  login.hidden = false;
  $("secret").focus();
}

login.addEventListener("submit", async e => {
  e.preventDefault();
  const text = $("secret").value;
  say($("refused"), "");
  remember(text);
  try {
    await ask("get_status");
    $("secret").value = "";
    show();
  } catch (e) {
    forget();
    say($("refused"), e instanceof Refused ? e.message : `The server cannot be reached: ${e.message}`);
  }
});

$("lock").addEventListener("click", () => { forget(); askSecret(""); });
$("pause").addEventListener("click", () => {
  paused = !paused;
  mark($("pause"), "aria-pressed", paused);
  say($("pause"), paused ? "Resume" : "Pause");
  if (paused) { clearTimeout(timer); turn++; state("idle", "Paused"); } else poll();
});

function state(kind, text) {
  mark($("status"), "data-state", kind);
  say($("status"), text);
}

// poll asks at once, and then every two seconds, one round after the other.
async function poll() {
  clearTimeout(timer);
  if (!view || document.hidden) return;
  const mine = ++turn, now = view;
  try {
    const [o] = await Promise.all([overview.refresh(), now !== overview && now.refresh()]);
    if (mine !== turn) return;
    const s = o.server;
    say($("about"), [s.name, `up for ${span(s.uptime)}`, !s.accepting && "accepts no new sessions"].filter(Boolean).join(" · "));
    state(paused ? "idle" : "live", paused ? "Paused" : "Live");
    mark(now.e, "data-ready", true);
    mark(main, "data-stale", false);
    entitle();
  } catch (e) {
    if (mine !== turn) return;
    if (e instanceof Refused) { forget(); return askSecret("The secret has changed."); }
    state("bad", e.code ? "Request refused" : "Server not reached");
    mark(main, "data-stale", true);
    console.warn(e.message);
  }
  if (!paused) timer = setTimeout(poll, every);
}

addEventListener("hashchange", () => show(true));
document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) poll(); });
recall();
if (!known()) { // a server without a secret asks for none
  remember("");
  ask("get_status").then(() => show(), () => { forget(); askSecret(""); });
} else show();
