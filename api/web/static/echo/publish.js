// The page "Publish and watch", and window.sides for automated tests.

import { capture } from "./media.js";
import { Figures, Spark, bitrate, millis, percent } from "./stats.js";
import { Resource } from "./whip.js";
import { switchTheme } from "./theme.js";

const query = new URLSearchParams(location.search);
const words = { idle: "Ready", media: "Opening camera", connecting: "Connecting", negotiating: "Negotiating", running: "Running", stopped: "Stopped", error: "Failed" };

function log(text) {
  const li = document.createElement("li"), time = document.createElement("time"), list = document.getElementById("log");
  time.textContent = new Date().toLocaleTimeString();
  li.append(time, text);
  list.append(li);
  if (list.children.length > 200) list.firstChild.remove();
}

function notice(title, text, error) {
  const div = document.createElement("div"), b = document.createElement("b");
  div.className = error ? "notice error" : "notice";
  b.textContent = title;
  div.append(b, text);
  document.getElementById("notices").append(div);
  log(`${title} ${text}`);
}

// Side is one half of the page: a publisher or a player.
class Side {
  constructor(kind, texts) {
    const template = document.getElementById("side");
    this.root = template.content.cloneNode(true).firstElementChild;
    template.parentNode.append(this.root);
    this.kind = kind;
    this.known = { state: "idle", error: "", framesDecoded: 0, width: 0, bitrateUp: 0, audioPackets: 0, viewers: null, active: null };
    const { video } = this;
    this.$(".name").textContent = texts.name;
    this.$(".empty p").textContent = texts.empty;
    this.$(".url").value = query.get(kind) ?? new URL(`../${kind}/endpoint/`, location);
    this.$(".token").value = query.get("token") ?? "";
    this.$(".url").oninput = () => this.spark.clear();
    this.spark = new Spark(this.$(".line-up"), this.$(".line-down"));
    video.muted = kind === "whip";
    this.$("form").onsubmit = e => {
      e.preventDefault();
      this.busy() ? this.stop() : this.start();
    };
  }

  $(selector) { return this.root.querySelector(selector); }

  get video() { return this.$("video"); }

  busy() { return !["idle", "stopped", "error"].includes(this.known.state); }

  set(state) {
    this.known.state = state;
    this.$(".state").textContent = words[state];
    this.$(".primary").textContent = this.busy() ? "Stop" : "Start";
  }

  async start() {
    document.getElementById("notices").replaceChildren();
    this.spark.clear();
    this.known.error = "";
    const mine = this.resource = new Resource(this.$(".url").value, this.$(".token").value, {
      log, state: state => mine.ended || this.set(state),
      end: (title, text) => this.end(title, text),
      event: (name, data) => this.news(name, data),
    });
    try {
      if (this.kind === "whip") {
        this.set("media");
        const got = await capture(notice);
        if (mine.ended) return got.close();
        this.source = got;
        this.show(got.stream);
        await mine.publish(got.stream);
      } else {
        await mine.watch(stream => this.show(stream));
      }
      if (!mine.ended) this.measure(mine);
    } catch (e) {
      mine.fail(this.kind === "whip" ? "Nothing is published." : "There is nothing to watch.", e.message);
    }
  }

  show(stream) {
    if (this.video.srcObject === stream) return;
    this.video.srcObject = stream;
    this.$(".empty").hidden = true;
    this.video.play().catch(e => {
      if (e.name !== "NotAllowedError") return;
      this.video.muted = true; // sound needs a click first
      this.video.play().catch(() => {});
    });
  }

  end(title, text) {
    this.finish();
    this.known.error = `${title} ${text}`;
    notice(title, text, true);
    this.set("error");
  }

  stop() {
    this.resource?.stop();
    this.finish();
    this.set("stopped");
  }

  finish() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    this.video.srcObject = null;
    this.$(".empty").hidden = false;
    this.$(".info").textContent = "";
  }

  news(name, data) {
    log(`Event ${name} ${JSON.stringify(data)}`);
    if (name === "viewercount") this.known.viewers = data.viewercount;
    if (name === "active" || name === "inactive") this.known.active = name === "active";
    const { viewers, active } = this.known;
    this.figure("news", [active === false ? "nobody publishes" : "", viewers === null ? "" : `${viewers} watching`].filter(Boolean).join(", "));
  }

  figure(name, text) { this.$(`[data-figure=${name}]`).textContent = text; }

  measure(mine) {
    const figures = new Figures();
    const tick = async () => {
      const f = await figures.read(mine.pc).catch(() => null);
      if (mine.ended) return;
      if (f) this.tell(f);
      this.timer = setTimeout(tick, 1000);
    };
    tick();
  }

  tell(f) {
    const { framesDecoded, audioPackets } = f;
    const up = this.kind === "whip";
    const [width, height, fps] = up ? [f.sentWidth, f.sentHeight, f.sentFPS] : [f.width, f.height, f.fps];
    Object.assign(this.known, { framesDecoded, audioPackets, width, bitrateUp: f.bitrateUp });
    this.figure("up", bitrate(f.bitrateUp));
    this.figure("down", bitrate(f.bitrateDown));
    this.spark.add(f.bitrateUp, f.bitrateDown);
    this.figure("picture", width ? `${width}×${height}` : "–");
    this.figure("fps", width ? `${Math.round(fps)} frames a second` : "");
    this.figure("loss", percent(up ? f.lossUp : f.loss));
    this.figure("jitter", up || f.jitter === undefined ? "" : `jitter ${millis(f.jitter)}`);
    this.figure("rtt", millis(f.rtt));
    this.figure("path", f.remote ? `${f.local?.protocol?.toUpperCase()} to ${f.remote.address ?? "?"}:${f.remote.port}` : "");
    this.figure("codec", (up ? f.sentCodecs : [f.videoCodec, f.audioCodec]).filter(Boolean).join(", ") || "–");
  }
}

const sides = window.sides = {
  whip: new Side("whip", { name: "Publish to", empty: "Your camera appears here. Nothing is sent before you press Start." }),
  whep: new Side("whep", { name: "Watch from", empty: "What somebody publishes appears here." }),
};
addEventListener("pagehide", () => Object.values(sides).forEach(s => s.busy() && s.stop()));
switchTheme(document.getElementById("theme"));
if (query.get("auto") === "1") for (const s of Object.values(sides)) if (query.has(s.kind)) s.start();
