// Making and changing elements. Texts are only ever set as text.

const svgNames = new Set(["svg", "path", "line", "text", "rect", "circle", "title", "g"]);

// el makes an element: attributes, then children, which are elements or texts.
export function el(name, attributes = {}, ...children) {
  const e = svgNames.has(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [type, f] of Object.entries(value)) e.addEventListener(type, f);
    else if (value === true) e.setAttribute(key, "");
    else if (value !== false && value != null) e.setAttribute(key, value);
  }
  e.append(...children.filter(c => c != null));
  return e;
}

// say sets a text if it differs.
export function say(e, text) {
  text = String(text ?? "");
  if (e.textContent !== text) e.textContent = text;
}

export function mark(e, name, value) {
  if (value == null || value === false) e.removeAttribute(name);
  else if (e.getAttribute(name) !== String(value)) e.setAttribute(name, value);
}

// keep shows list in parent, an element for each key, in order. make makes an element
// and returns it with a function that shows an entry. Elements of entries that remain
// are reused, so that they keep focus and selection.
export function keep(parent, list, key, make) {
  const old = parent.kept ?? new Map(), now = new Map();
  let at = parent.firstChild;
  for (const x of list) {
    const k = key(x);
    if (now.has(k)) continue;
    const row = old.get(k) ?? make(x);
    now.set(k, row);
    row.show(x);
    if (row.e === at) at = at.nextSibling;
    else parent.insertBefore(row.e, at);
  }
  for (const [k, row] of old) if (!now.has(k)) row.e.remove();
  parent.kept = now;
}

// table makes a table: columns are { head, num, cell(td, x) }; link(x) is the target of
// a row. show(list, empty) shows its rows, or a text. On narrow screens a row is a card,
// in which figures carry the heads of their columns.
export function table(caption, columns, key, link) {
  const body = el("tbody"), none = el("p", { class: "none" });
  const e = el("div", { class: "table" },
    el("table", {}, el("caption", {}, caption),
      el("thead", {}, el("tr", {}, ...columns.map(c => el("th", { scope: "col", class: c.num && "num", title: c.title }, c.head)))), body), none);
  const make = x => {
    const cells = columns.map(c => el("td", { class: c.num ? `num ${c.class ?? ""}` : c.class, "data-head": c.head }));
    const row = el("tr", {}, ...cells);
    if (link) row.addEventListener("click", ev => { if (!ev.target.closest("a") && !String(getSelection())) location.hash = link(row.entry); });
    return { e: row, show(x) {
      row.entry = x;
      mark(row, "data-level", x.level);
      columns.forEach((c, i) => {
        c.cell(cells[i], x);
        mark(cells[i], "data-none", cells[i].textContent === "–");
      });
    } };
  };
  return { e, show(list, empty) {
    keep(body, list, key, make);
    e.firstChild.hidden = list.length === 0;
    say(none, list.length ? "" : empty);
    none.hidden = list.length > 0;
  } };
}

// anchor shows a link in a cell.
export function anchor(td, href, text) {
  if (td.firstElementChild?.tagName !== "A") td.replaceChildren(el("a"));
  mark(td.firstElementChild, "href", href);
  say(td.firstElementChild, text);
}

const levels = { bad: ["✕", "bad"], warn: ["!", "warning"], ok: ["✓", "good"], idle: ["–", "idle"], error: ["✕", "error"], warning: ["!", "warning"] };

// badge shows a level by a sign, a word and a colour.
export function badge(e, level) {
  const [sign, word] = levels[level] ?? levels.idle;
  if (e.dataset.level === level && e.firstChild) return;
  e.dataset.level = level;
  e.classList.add("badge");
  e.replaceChildren(el("span", { "aria-hidden": "true" }, sign), " " + word);
}

export function rate(bits) {
  if (!bits) return "–";
  if (bits < 1e6) return `${Math.max(1, Math.round(bits / 1e3))} kbit/s`;
  return bits < 1e9 ? `${(bits / 1e6).toFixed(bits < 1e7 ? 2 : 1)} Mbit/s` : `${(bits / 1e9).toFixed(2)} Gbit/s`;
}

export const percent = x => x > 0 ? `${x < 10 ? x.toFixed(1) : Math.round(x)} %` : "–";
export const millis = x => x > 0 ? `${x} ms` : "–";
export const whole = n => n.toLocaleString("en");

export function span(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return s < 86400 ? `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min` : `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

export const short = plugin => (plugin ?? "").replace(/^janus\.plugin\./, "");
