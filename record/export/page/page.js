"use strict";
// The page of one recording. Its entries stand in the document as JSON, in
// pieces: what the list needs is read at once, the details when they are looked
// at. All text of the traffic becomes text nodes. Nothing is loaded.

const $ = (id) => document.getElementById(id);
const tallest = 6e6; // pixels; browsers allow some more
const kept = 24; // pieces with details that stay read
const slice = 24; // milliseconds of searching before the page may breathe
const tracks = 6; // answers that are on their way beside each other in the ladder

const about = JSON.parse($("about").textContent);
const start = Date.parse(about.start);
const pieces = [...document.querySelectorAll("script.details")];
const rows = []; // all entries
for (const el of document.querySelectorAll("script.rows")) {
  for (const r of JSON.parse(el.textContent)) rows.push(r);
  el.remove();
}
const place = new Map(rows.map((r, i) => [r.n, i])); // by number
const conns = JSON.parse($("conns").textContent);

const answer = new Map(); // from a request to its answer, by place
rows.forEach((r, i) => {
  if (place.has(r.answers)) answer.set(place.get(r.answers), i);
});

// Details, in pieces, the latest used last.
const read = new Map();
function piece(k) {
  let list = read.get(k);
  if (!list) {
    list = JSON.parse(pieces[k].textContent);
    if (read.size >= kept) read.delete(read.keys().next().value);
  } else read.delete(k);
  read.set(k, list);
  return list;
}
const detailsOf = (i) => piece(Math.floor(i / about.piece))[i % about.piece];

// What is chosen.
const wanted = { text: "", address: "", conn: 0, dir: "", kinds: new Set(), findings: false, all: false };
let shown = []; // places of the entries in the list
let pairs = { at: new Map(), active: new Uint8Array(0) };
let run = 0; // counts the searches, so that an old one ends

const plain = new Set(["message", "presence", "iq", "nonza"]);

function cheap(r) {
  if (r.quiet && !wanted.all && !wanted.text && !wanted.kinds.size) return false;
  if (wanted.conn && r.conn !== wanted.conn) return false;
  if (wanted.dir && r.dir !== wanted.dir) return false;
  if (wanted.kinds.size && !wanted.kinds.has(plain.has(r.kind) ? r.kind : "")) return false;
  if (wanted.findings && !r.codes && r.level !== "error") return false;
  if (wanted.address) {
    const a = wanted.address;
    if (!(r.from || "").toLowerCase().includes(a) && !(r.to || "").toLowerCase().includes(a)) return false;
  }
  return true;
}

function holds(i, text) {
  if (rows[i].summary.toLowerCase().includes(text)) return true;
  const d = detailsOf(i);
  return d.x.toLowerCase().includes(text) || (d.sx || "").toLowerCase().includes(text) ||
    d.fields.some(([, v]) => v.toLowerCase().includes(text)) || d.findings.some((f) => `${f.code} ${f.text}`.toLowerCase().includes(text));
}

async function choose() {
  const mine = ++run;
  const found = [];
  const text = wanted.text;
  let from = performance.now();
  for (let i = 0; i < rows.length; i++) {
    if (cheap(rows[i]) && (!text || holds(i, text))) found.push(i);
    if (text && i % 50 === 0 && performance.now() - from > slice) {
      counts(found.length, i);
      await new Promise((go) => setTimeout(go));
      if (mine !== run) return;
      from = performance.now();
    }
  }
  const at = list.chosen === undefined ? -1 : found.indexOf(list.chosen);
  shown = found;
  pair();
  counts(found.length);
  $("empty").hidden = shown.length > 0;
  $("empty").textContent = rows.length ? "Nothing matches." : "The recording has no entries.";
  document.body.classList.toggle("single", conns.length < 2 || wanted.conn > 0);
  list.reset(at);
}

const many = (n, one, more) => `${n.toLocaleString("en")} ${n === 1 ? one : more}`;

function counts(n, looked) {
  const total = many(rows.length, "entry", "entries");
  $("counts").textContent = `${many(conns.length, "connection", "connections")}, ${n === rows.length ? total : `${n.toLocaleString("en")} of ${total}`}${looked === undefined ? "" : ` (${Math.round(looked / rows.length * 100)} % searched)`}`;
}

// pair finds for the ladder which answers are on their way beside each row: a
// bit for each track.
function pair() {
  const at = new Map(); // by place in shown: {track, end, side}
  const active = new Uint8Array(shown.length * 2); // client's side, server's side
  const where = new Map(shown.map((i, k) => [i, k]));
  const until = [new Array(tracks).fill(-1), new Array(tracks).fill(-1)];
  shown.forEach((i, k) => {
    const other = where.get(answer.get(i));
    if (other === undefined || other <= k) return;
    const side = rows[i].dir === "CS" ? 0 : 1;
    const track = until[side].findIndex((end) => end < k);
    if (track < 0) return;
    until[side][track] = other;
    at.set(k, { track, side, from: true });
    at.set(other, { track, side, from: false });
    for (let j = k + 1; j < other; j++) active[2 * j + side] |= 1 << track;
  });
  pairs = { at, active };
}

// The list: it holds the rows on the screen and no more.
const list = {
  box: $("list"), layer: $("rows"), drawn: [], top: 0, set: -1, chosen: undefined, queued: false, ladder: false,

  height() { return parseFloat(getComputedStyle(document.documentElement).getPropertyValue(this.ladder ? "--step" : "--row")); },
  visible() { return this.box.clientHeight / this.row; },
  last() { return Math.max(0, shown.length - this.visible()); },
  full() { return Math.min(shown.length * this.row, tallest); },
  range() { return Math.max(1, this.full() - this.box.clientHeight); },
  scaled() { return shown.length * this.row > tallest; },

  reset(at) {
    this.box.setAttribute("aria-rowcount", shown.length);
    this.fit();
    if (at >= 0) this.reveal(at, true);
    else this.move(Math.min(this.top, this.last()));
    for (const el of this.drawn) el.k = -1;
    this.draw();
  },

  fit() {
    this.row = this.height();
    $("spacer").style.height = `${this.full()}px`;
  },

  move(top) {
    this.top = Math.max(0, Math.min(top, this.last()));
    this.box.scrollTop = this.scaled() ? (this.top / Math.max(1, this.last())) * this.range() : this.top * this.row;
    this.set = this.box.scrollTop;
    this.draw();
  },

  reveal(k, center) {
    const visible = Math.floor(this.visible());
    if (k < this.top || k + 1 > this.top + visible) this.move(center ? k - visible / 2 : k < this.top ? k : k + 1 - visible);
  },

  scrolled() {
    const y = this.box.scrollTop;
    if (Math.abs(y - this.set) < 1) return; // our own doing
    this.set = y;
    this.top = this.scaled() ? (y / this.range()) * this.last() : y / this.row;
    this.draw();
  },

  // Where the bar stands for more rows than it has pixels, a turn of the wheel
  // still moves by rows.
  wheel(e) {
    if (!this.scaled() || e.ctrlKey) return;
    e.preventDefault();
    this.move(this.top + e.deltaY * (e.deltaMode === 1 ? 1 : e.deltaMode === 2 ? this.visible() : 1 / this.row));
  },

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || !shown.length) return;
    const page = Math.max(1, Math.floor(this.visible()) - 1);
    const now = this.chosen === undefined ? -1 : shown.indexOf(this.chosen);
    const from = now < 0 ? Math.floor(this.top) - 1 : now;
    const to = { ArrowDown: from + 1, j: from + 1, ArrowUp: from - 1, k: from - 1, PageDown: from + page, PageUp: from - page, Home: 0, End: shown.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    this.select(Math.max(0, Math.min(to, shown.length - 1)));
  },

  select(k) {
    this.chosen = shown[k];
    show(this.chosen); // first: it takes room
    this.fit();
    this.reveal(k);
    this.draw();
  },

  draw() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      this.paint();
    });
  },

  paint() {
    const first = Math.floor(this.top);
    const count = Math.max(0, Math.min(Math.ceil(this.visible()) + 1, shown.length - first));
    while (this.drawn.length < count) this.drawn.push(this.layer.appendChild(blank()));
    while (this.drawn.length > count) this.drawn.pop().remove();
    const width = this.box.clientWidth;
    let active = "";
    for (let i = 0; i < count; i++) {
      const k = first + i, el = this.drawn[i], chosen = shown[k] === this.chosen;
      el.style.transform = `translateY(${(k - this.top) * this.row}px)`;
      if (chosen) active = `row-${k}`;
      if (el.k === k && el.width === width && el.ladder === this.ladder && el.chosen === chosen) continue;
      Object.assign(el, { k, width, ladder: this.ladder, chosen });
      el.id = `row-${k}`;
      el.setAttribute("aria-rowindex", k + 1);
      el.setAttribute("aria-selected", chosen);
      fill(el, rows[shown[k]]);
      if (this.ladder) draw(el, k, width, this.row);
    }
    if (active) this.box.setAttribute("aria-activedescendant", active);
    else this.box.removeAttribute("aria-activedescendant");
    if (this.ladder) head(width);
  },
};

function blank() {
  const el = document.createElement("div");
  el.setAttribute("role", "row");
  for (const c of ["n", "time", "conn", "dir", "kind", "text", "took", "size"]) {
    const cell = el.appendChild(document.createElement("span"));
    cell.className = c;
    cell.setAttribute("role", "gridcell");
  }
  el.append(svg("svg", { "aria-hidden": "true" }));
  return el;
}

function fill(el, row) {
  const [n, time, conn, dir, kind, text, took, size] = el.children;
  el.className = `row ${row.dir || "about"} ${row.level || ""} ${row.kind === "secure" ? "secure" : ""} ${row.quiet ? "quiet" : ""}`;
  for (const c of el.children) c.removeAttribute("style");
  n.textContent = row.n;
  time.textContent = clock(start + row.t * 1000);
  conn.textContent = row.conn ? `#${row.conn}` : "";
  dir.textContent = { CS: "→", SC: "←" }[row.dir] || { open: "●", close: "○", secure: "▣" }[row.kind] || "·";
  dir.setAttribute("aria-label", { CS: "client to server", SC: "server to client" }[row.dir] || row.kind);
  kind.textContent = row.kind;
  text.textContent = row.summary;
  text.title = row.summary;
  if (row.outcome) {
    const tag = node("span", "tag", row.outcome);
    text.prepend(tag);
  }
  if (row.codes) text.append(node("span", "code", row.codes.join(" ")));
  if (row.xeps && !list.ladder) text.append(node("span", "xep", row.xeps.join(" ")));
  took.textContent = row.latency ? millis(row.latency) : "";
  size.textContent = row.dir ? bytes(row.size) : "";
}

const namespace = "http://www.w3.org/2000/svg";

function svg(name, attributes) {
  const el = document.createElementNS(namespace, name);
  for (const [k, v] of Object.entries(attributes)) el.setAttribute(k, v);
  return el;
}

// lanes are where client, proxy and server stand in the ladder.
function lanes(width) {
  const narrow = width < 40 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  const em = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const left = narrow ? 1.6 * em : 14.5 * em, right = width - (narrow ? 1.6 * em : 8 * em);
  return { narrow, em, left, right, middle: (left + right) / 2 };
}

function head(width) {
  const { narrow, left, middle, right } = lanes(width);
  const spans = $("lanes").children;
  [left, middle, right].forEach((x, i) => { spans[i].style.left = `${x}px`; });
  spans[0].className = narrow ? "left" : "";
  spans[2].className = narrow ? "right" : "";
  if (narrow) {
    spans[0].style.left = "6px";
    spans[2].style.left = `${width - 6}px`;
  }
  const c = conns.find((c) => c.conn === wanted.conn) || (conns.length === 1 ? conns[0] : {});
  spans[0].textContent = c.client && !narrow ? `client ${c.client}` : "client";
  spans[2].textContent = c.server && !narrow ? `server ${c.server}` : "server";
}

// draw is one step of the ladder.
function draw(el, k, width, height) {
  const row = rows[shown[k]];
  const { narrow, em, left, middle, right } = lanes(width);
  const y = Math.round(height * .74), parts = [];
  const line = (cls, x1, y1, x2, y2) => parts.push(svg("line", { class: cls, x1, y1, x2, y2 }));
  for (const x of [left, middle, right]) line("lane", x, 0, x, height);
  const text = el.querySelector(".text"), took = el.querySelector(".took");
  text.style.left = `${middle}px`;
  text.style.maxWidth = `${right - left - 1.2 * em}px`;
  if (!row.dir) line("arrow", left, y, right, y);
  else {
    const ahead = row.dir === "CS" ? 1 : -1;
    let from = ahead > 0 ? left : right, to = ahead > 0 ? right : left;
    if (row.outcome === "injected") from = middle;
    if (row.outcome === "dropped") to = middle;
    line("arrow", from, y, to - ahead * 7, y);
    parts.push(svg("path", { class: "head", d: `M${to} ${y}l${-ahead * 10} -5v10z` }));
    if (row.outcome === "dropped") {
      line("cut", middle - 6, y - 6, middle + 6, y + 6);
      line("cut", middle - 6, y + 6, middle + 6, y - 6);
    } else if (row.outcome) parts.push(svg("path", { class: "knot", d: `M${middle} ${y - 7}l7 7l-7 7l-7 -7z` }));
  }
  // Brackets from a request to its answer, beside the lane of who asked.
  const gap = narrow ? 2.4 : 5;
  const lane = (side, track) => side === 0 ? left - (narrow ? 5 : 9) - track * gap : right + (narrow ? 5 : 9) + track * gap;
  for (const side of [0, 1]) {
    for (let track = 0; track < tracks; track++) {
      if (pairs.active[2 * k + side] & 1 << track) line("pair", lane(side, track), 0, lane(side, track), height);
    }
  }
  const p = pairs.at.get(k);
  if (p) {
    const x = lane(p.side, p.track), at = p.side === 0 ? left : right;
    parts.push(svg("path", { class: "pair", d: p.from ? `M${at} ${y}H${x}V${height}` : `M${at} ${y}H${x}V0` }));
  }
  if (row.latency && !narrow) {
    const onLeft = row.dir === "SC";
    took.style.left = onLeft ? `${left - 9 - tracks * gap - 4.6 * em}px` : `${right + 14 + tracks * gap}px`;
    took.style.width = "4.6em";
    took.style.textAlign = onLeft ? "right" : "left";
    took.style.top = `${y - em * .8}px`;
  } else if (row.latency) text.prepend(node("span", "xep", millis(row.latency)));
  const picture = el.lastElementChild;
  picture.replaceChildren(...parts);
}

// The details of one entry.
function show(i) {
  const row = rows[i], d = detailsOf(i);
  $("details").hidden = false;
  $("heading").textContent = `#${row.n}  ${{ CS: "client → server", SC: "client ← server" }[row.dir] || row.kind}${row.conn ? `, connection ${row.conn}` : ""}${row.dir ? `, ${bytes(row.size)}` : ""}`;
  const body = $("body");
  body.replaceChildren(node("p", "summary", row.summary));
  for (const f of d.findings) {
    const p = node("p", `finding ${f.severity}`, `${f.text} `);
    p.append(node("small", "", `${f.severity} ${f.code}, ${f.ref}`));
    body.append(p);
  }
  const dl = node("dl");
  const add = (name, value) => dl.append(node("dt", "", name), node("dd", "", value));
  for (const [name, value] of d.fields) add(name, value);
  if (row.latency) add("latency", millis(row.latency));
  for (const p of d.payloads) add(p.XEP || "payload", `${p.Name}  ${p.NS}`);
  const link = (name, n) => {
    if (!place.has(n)) return add(name, `#${n}, which was left out`);
    const go = node("button", "link", `#${n}  ${rows[place.get(n)].summary}`);
    go.type = "button";
    go.onclick = () => {
      const i = place.get(n), k = shown.indexOf(i);
      if (k >= 0) list.select(k);
      else {
        list.chosen = i;
        show(i);
        list.draw();
      }
    };
    const dd = node("dd");
    dd.append(go);
    dl.append(node("dt", "", name), dd);
  };
  for (const r of d.related) link(r.kind, r.n);
  const other = answer.get(i);
  if (other !== undefined) link("answered by", rows[other].n);
  body.append(dl);
  if (d.x) body.append(code(d.x, d.xc));
  if (d.cut) body.append(node("p", "", `${bytes(d.cut)} more are not in this page; xmpplens show prints all.`));
  if (d.sx) body.append(node("h2", "", "sent on as"), code(d.sx, d.sxc));
  $("copy").hidden = !d.x || !navigator.clipboard;
  $("copy").onclick = async () => {
    await navigator.clipboard.writeText(d.x);
    $("copy").textContent = "Copied";
    setTimeout(() => { $("copy").textContent = "Copy XML"; }, 1200);
  };
  body.scrollTop = 0;
}

function hide() {
  $("details").hidden = true;
  list.chosen = undefined;
  list.fit();
  list.draw();
  $("list").focus();
}

// code colours XML: runs are pairs of a class and a length.
function code(text, runs) {
  const pre = document.createElement("pre");
  let at = 0;
  for (let i = 0; i < runs.length; i += 2) {
    const part = text.slice(at, at + runs[i + 1]);
    at += runs[i + 1];
    const cls = about.classes[runs[i]];
    pre.append(cls ? node("span", cls, part) : part);
  }
  return pre;
}

function node(name, cls = "", text = "") {
  const el = document.createElement(name);
  if (cls) el.className = cls;
  el.textContent = text;
  return el;
}

function clock(ms) {
  const d = new Date(ms);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, "0")}`;
}

const millis = (n) => `${n < 10 ? n.toFixed(1) : Math.round(n)} ms`;

function bytes(n) {
  if (n < 10000) return `${n} B`;
  if (n < 1e7) return `${(n / 1000).toFixed(n < 1e5 ? 1 : 0)} kB`;
  return `${(n / 1e6).toFixed(1)} MB`;
}

// The controls.
document.title = `${about.title} · xmpplens`;
$("title").textContent = about.title;
$("made").textContent = about.made;
$("made").title = about.made;
for (const c of conns) {
  const option = node("option", "", `#${c.conn} ${c.label}`);
  option.value = c.conn;
  $("conn").append(option);
}
$("conn").hidden = conns.length < 2;
$("allbox").hidden = !rows.some((r) => r.quiet);

const often = new Map();
for (const r of rows) {
  for (const a of [r.from, r.to]) {
    const bare = a && a.split("/")[0];
    if (bare) often.set(bare, (often.get(bare) || 0) + 1);
  }
}
for (const [a] of [...often].sort((x, y) => y[1] - x[1]).slice(0, 200)) {
  const option = document.createElement("option");
  option.value = a;
  $("addresses").append(option);
}

let typing;
function typed() {
  clearTimeout(typing);
  typing = setTimeout(() => {
    wanted.text = $("text").value.trim().toLowerCase();
    wanted.address = $("address").value.trim().toLowerCase();
    choose();
  }, 150);
}
$("text").oninput = typed;
$("address").oninput = typed;
$("conn").onchange = () => { wanted.conn = Number($("conn").value); choose(); };
$("dir").onchange = () => { wanted.dir = $("dir").value; choose(); };
$("findings").onchange = () => { wanted.findings = $("findings").checked; choose(); };
$("all").onchange = () => { wanted.all = $("all").checked; choose(); };
for (const b of document.querySelectorAll("#kinds button")) {
  b.onclick = () => {
    const on = b.getAttribute("aria-pressed") !== "true";
    b.setAttribute("aria-pressed", on);
    if (on) wanted.kinds.add(b.dataset.kind);
    else wanted.kinds.delete(b.dataset.kind);
    choose();
  };
}
$("filter").onsubmit = (e) => e.preventDefault();

function view(ladder) {
  const middle = list.top + list.visible() / 2;
  list.ladder = ladder;
  document.body.className = `${ladder ? "ladder" : "list"} ${document.body.classList.contains("single") ? "single" : ""}`;
  $("aslist").setAttribute("aria-pressed", !ladder);
  $("asladder").setAttribute("aria-pressed", ladder);
  $("lanes").hidden = !ladder;
  list.fit();
  list.move(list.top ? middle - list.visible() / 2 : 0);
}
$("aslist").onclick = () => view(false);
$("asladder").onclick = () => view(true);

$("theme").onclick = () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
};
$("close").onclick = hide;

list.box.addEventListener("scroll", () => list.scrolled());
list.box.addEventListener("wheel", (e) => list.wheel(e), { passive: false });
list.box.addEventListener("keydown", (e) => list.key(e));
list.layer.addEventListener("click", (e) => {
  const row = e.target.closest(".row");
  if (row) list.select(row.k);
});
new ResizeObserver(() => {
  list.fit();
  list.move(list.top);
}).observe(list.box);

document.addEventListener("keydown", (e) => {
  if (e.target.matches("input[type=search]")) {
    if (e.key === "Escape" || e.key === "Enter") $("list").focus();
    return;
  }
  if (e.key === "/" && !e.ctrlKey && !e.metaKey) {
    e.preventDefault();
    $("text").focus();
    $("text").select();
  }
  if (e.key === "l" && !e.ctrlKey && !e.metaKey && !e.altKey && e.target.tagName !== "SELECT") view(!list.ladder);
  if (e.key === "Escape" && !$("details").hidden) hide();
});

list.fit();
choose();
$("list").focus();
