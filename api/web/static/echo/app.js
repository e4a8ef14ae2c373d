// The page: controls, figures, and window.echo for automated tests.

import { Call, explain } from "./call.js";
import { capture } from "./media.js";
import { Figures, Spark, bitrate, millis, percent } from "./stats.js";
import { switchTheme } from "./theme.js";

const $ = id => document.getElementById(id);
const query = new URLSearchParams(location.search);
const spark = new Spark($("spark-up"), $("spark-down"));

const words = {
  idle: "Ready", media: "Opening camera", connecting: "Connecting", negotiating: "Negotiating",
  running: "Running", stopped: "Stopped", error: "Failed",
};

// What is known of the test at any time; figures are those of the last second.
const echo = window.echo = {
  state: "idle", error: "", transport: "", source: "", simulcast: query.get("simulcast") === "1",
  framesDecoded: 0, width: 0, height: 0, audioPackets: 0, videoPackets: 0, dataEchoed: 0, firstFrameMs: 0,
  substream: null, temporal: null, start, stop,
  set: body => call?.set(body),
};

let call, source, timer, clicked, sentAt;

function setState(state) {
  if (call?.ended && state !== "stopped" && state !== "error") return;
  echo.state = state;
  $("status").textContent = words[state];
  $("status").dataset.state = state;
  const busy = !["idle", "stopped", "error"].includes(state);
  $("start").textContent = busy ? "Stop" : "Start";
  for (const id of ["audio", "video", "bitrate", "sound"]) $(id).disabled = state !== "running";
  $("layers").hidden = !(echo.simulcast && busy);
}

function log(text) {
  const li = document.createElement("li"), time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString();
  li.append(time, text);
  $("log").append(li);
  if ($("log").children.length > 200) $("log").firstChild.remove();
}

function notice(title, text, error) {
  const div = document.createElement("div"), b = document.createElement("b");
  div.className = error ? "notice error" : "notice";
  if (error) div.setAttribute("role", "alert");
  b.textContent = title;
  div.append(b, text);
  $("notices").append(div);
  log(`${title} ${text}`);
}

async function settings() {
  const known = await fetch("echo/settings.json").then(r => r.json()).catch(() => ({ base: "/janus" }));
  const secure = location.protocol === "https:";
  const port = secure ? known.wss : known.ws;
  const credentials = {};
  for (const key of ["apisecret", "token"]) if (query.has(key)) credentials[key] = query.get(key);
  return {
    base: query.get("server") ?? known.base, credentials, transport: query.get("transport"),
    wsURL: query.get("wsserver") ?? (port && `${secure ? "wss" : "ws"}://${location.hostname}:${port}/`),
    iceServers: query.has("stun") ? [{ urls: `stun:${query.get("stun")}` }] : [],
    version: known.version,
  };
}

async function start() {
  stop();
  clicked = performance.now();
  $("notices").replaceChildren();
  $("data-log").replaceChildren();
  spark.clear();
  document.querySelector(".figures").classList.remove("over");
  for (const b of document.querySelectorAll(".figures b")) b.textContent = "–";
  for (const p of document.querySelectorAll(".sub[id]")) p.textContent = "";
  Object.assign(echo, { error: "", firstFrameMs: 0, framesDecoded: 0, dataEchoed: 0, audioPackets: 0, videoPackets: 0, width: 0, height: 0, substream: null, temporal: null });
  showLayers();
  const options = await settings();
  const mine = call = new Call(options, {
    state: setState, log, layer: gotLayer, data: gotData, channel: setChannel,
    remote: play,
    end: (title, text) => { finish(); echo.error = title; notice(title, text, true); setState("error"); },
  });
  setState("media");
  try {
    const got = await capture(notice);
    if (mine.ended) return got.close();
    source = got;
    echo.source = source.kind;
    $("local").srcObject = source.stream;
    $("local-empty").hidden = true;
    await mine.start(source.stream, echo.simulcast);
    echo.transport = mine.session.link.name;
    $("server").textContent = `bifrons, connected over ${echo.transport}${options.version ? ` (Janus API ${options.version})` : ""}`;
    if (!mine.ended) measure(mine);
  } catch (e) {
    if (mine.ended) return;
    mine.fail(...explain(e, options));
  }
}

function stop() {
  if (!call || call.ended) return;
  call.stop();
  finish();
  setState("stopped");
}

// finish puts the page back to where a test can be started.
function finish() {
  clearTimeout(timer);
  $("server").textContent = "\u00a0";
  document.querySelector(".figures").classList.add("over");
  source?.close();
  source = null;
  for (const id of ["local", "remote"]) {
    $(id).srcObject = null;
    $(`${id}-empty`).hidden = false;
    $(`${id}-info`).textContent = "";
  }
  setChannel(false);
  for (const id of ["audio", "video", "sound"]) $(id).setAttribute("aria-pressed", "true");
  $("bitrate").value = "0";
}

function play(stream) {
  const video = $("remote");
  if (video.srcObject === stream) return;
  video.srcObject = stream;
  $("remote-empty").hidden = true;
  video.muted = $("sound").getAttribute("aria-pressed") !== "true";
  video.play().catch(e => {
    if (e.name !== "NotAllowedError") return;
    video.muted = true; // sound needs a click first
    press($("sound"), false);
    video.play().catch(() => {});
  });
}

// measure shows the statistics each second.
async function measure(mine) {
  const figures = new Figures();
  const tick = async () => {
    const f = await figures.read(mine.pc).catch(() => null);
    if (mine.ended) return;
    if (f) show(f);
    timer = setTimeout(tick, 1000);
  };
  tick();
  awaitFrame(mine);
}

// awaitFrame notes when the first frame is decoded. Statistics tell it in
// hidden pages, too, where a video element draws nothing.
async function awaitFrame(mine) {
  while (!mine.ended && !echo.firstFrameMs) {
    const stats = await mine.pc.getStats().catch(() => []);
    stats.forEach(s => {
      if (s.type === "inbound-rtp" && s.framesDecoded > 0) echo.firstFrameMs = Math.round(performance.now() - clicked);
    });
    await new Promise(wake => setTimeout(wake, 40));
  }
  if (mine.ended) return;
  $("first").textContent = `${echo.firstFrameMs} ms`;
  log(`First frame after ${echo.firstFrameMs} ms.`);
}

function show(f) {
  const { framesDecoded, width, height, audioPackets, videoPackets } = f;
  Object.assign(echo, {
    framesDecoded, width, height, audioPackets, videoPackets, fps: f.fps, bitrateUp: Math.round(f.bitrateUp), bitrateDown: Math.round(f.bitrateDown),
    rttMs: f.rtt === undefined ? null : f.rtt * 1000, lossPct: f.loss * 100, videoCodec: f.videoCodec, audioCodec: f.audioCodec, candidateType: f.local?.candidateType ?? "",
  });
  const size = (w, h, fps) => w ? `${w}×${h} · ${Math.round(fps)} fps` : "";
  $("up").textContent = bitrate(f.bitrateUp);
  $("down").textContent = bitrate(f.bitrateDown);
  spark.add(f.bitrateUp, f.bitrateDown);
  $("local-info").textContent = size(f.sentWidth, f.sentHeight, f.sentFPS);
  $("remote-info").textContent = size(width, height, f.fps);
  $("picture").textContent = width ? `${width}×${height}` : "–";
  $("fps").textContent = width ? `${Math.round(f.fps)} frames a second` : "";
  $("loss").textContent = percent(f.loss);
  $("loss-up").textContent = `on the way to the server ${percent(f.lossUp)}`;
  $("rtt").textContent = millis(f.rtt);
  $("jitter").textContent = f.jitter === undefined ? "" : `jitter ${millis(f.jitter)}`;
  $("codec").textContent = f.videoCodec || "–";
  $("codec-audio").textContent = f.audioCodec ? `sound ${f.audioCodec}` : "";
  $("path").textContent = f.local ? `${f.local.candidateType} ⇄ ${f.remote?.candidateType ?? "?"}` : "–";
  $("path-info").textContent = f.remote ? `${f.local.protocol?.toUpperCase()} to ${f.remote.address ?? "?"}:${f.remote.port}` : "";
}

function gotLayer(data) {
  for (const key of ["substream", "temporal"]) if (key in data) echo[key] = data[key];
  log(`The server sends layer ${echo.substream ?? "?"}/${echo.temporal ?? "?"} (size/rate).`);
  showLayers();
}

function showLayers() {
  for (const b of document.querySelectorAll("#layers button")) {
    const [key, value] = Object.entries(b.dataset).find(([k]) => k === "substream" || k === "temporal");
    const on = echo[key] !== null && (key === "substream" ? echo[key] === Number(value) : echo[key] > 0 === value > 0);
    b.toggleAttribute("data-on", on);
    b.setAttribute("aria-pressed", on);
    if (on) b.removeAttribute("data-wanted");
  }
}

function setChannel(open) {
  $("data-text").disabled = $("data-send").disabled = !open;
  if (open) say("hello");
}

function say(text) {
  sentAt = performance.now();
  call.channel.send(text);
}

function gotData(text) {
  echo.dataEchoed++;
  const li = document.createElement("li"), small = document.createElement("small");
  small.textContent = `after ${Math.round(performance.now() - sentAt)} ms`;
  li.append(text, small);
  $("data-log").prepend(li);
  if ($("data-log").children.length > 6) $("data-log").lastChild.remove();
}

function press(button, on) { button.setAttribute("aria-pressed", on); }

function toggle(id, act) {
  $(id).onclick = () => {
    const on = $(id).getAttribute("aria-pressed") !== "true";
    press($(id), on);
    act(on);
  };
}

$("start").onclick = () => ["idle", "stopped", "error"].includes(echo.state) ? start() : stop();
toggle("audio", on => call.set({ audio: on }));
toggle("video", on => call.set({ video: on }));
toggle("sound", on => { $("remote").muted = !on; });
toggle("simulcast", on => {
  echo.simulcast = on;
  if (call && !call.ended) start(); // encodings are fixed when the call begins
});
$("bitrate").onchange = () => call.set({ bitrate: Number($("bitrate").value) });
for (const b of document.querySelectorAll("#layers button")) {
  b.onclick = () => {
    const key = "substream" in b.dataset ? "substream" : "temporal";
    for (const other of b.parentNode.children) other.toggleAttribute("data-wanted", other === b);
    call.set({ [key]: Number(b.dataset[key]) });
  };
}
$("data-form").onsubmit = e => {
  e.preventDefault();
  if ($("data-text").value) say($("data-text").value);
  $("data-text").value = "";
};
switchTheme($("theme"));
addEventListener("pagehide", stop);

press($("simulcast"), echo.simulcast);
setState("idle");
if (query.get("auto") === "1") start();
