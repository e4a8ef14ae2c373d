// Live plots: lines over the last minutes, in SVG.

import { el, say } from "./dom.js";

const width = 300, height = 96, low = 80, high = 12;
export const minutes = 5 * 60 * 1000; // of time that is shown, in ms

// plot makes one: series are names; show formats values; the scale goes up to atLeast or
// higher.
export function plot(title, series, show, atLeast) {
  const lines = series.map((s, i) => el("path", { class: `line s${i}` }));
  const legend = series.map((s, i) => {
    const value = el("b");
    return { value, e: el("span", { class: `key s${i}` }, s, " ", value) };
  });
  const svg = el("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    el("line", { class: "grid", x1: 0, x2: width, y1: low, y2: low }),
    el("line", { class: "grid", x1: 0, x2: width, y1: high, y2: high }), ...lines);
  const scale = el("span", { class: "scale" });
  const e = el("figure", { class: "plot" },
    el("figcaption", {}, el("strong", {}, title), ...legend.map(l => l.e)),
    el("div", {}, scale, svg), el("p", { class: "axis" }, el("span", {}, "5 min ago"), el("span", {}, "now")));
  const points = [];
  return { e, add(at, values) {
    points.push({ at, values });
    while (points.length && points[0].at < at - minutes) points.shift();
    const max = points.reduce((m, p) => Math.max(m, ...p.values.map(v => v ?? 0)), atLeast);
    lines.forEach((line, i) => {
      let path = "", pen = "M";
      for (const p of points) {
        const v = p.values[i];
        if (v == null) { pen = "M"; continue; }
        path += `${pen}${(width * (1 - (at - p.at) / minutes)).toFixed(1)},${(low - (low - high) * v / max).toFixed(1)}`;
        pen = "L";
      }
      line.setAttribute("d", path);
    });
    say(scale, show(max));
    legend.forEach((l, i) => say(l.value, values[i] == null ? "–" : show(values[i])));
  } };
}
