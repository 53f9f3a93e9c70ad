// The list of entries. It holds the rows on the screen and some around them;
// the rest stays with the server, so that a million entries scroll as ten do.

const page = 100; // rows in a request
const kept = 4000; // rows to remember
const tallest = 6e6; // pixels; browsers allow some more

export class List {
  #box; #spacer; #layer; #ask; #choose; #follows; #view; #tall;
  #rows = new Map(); // by place in the list, from 1
  #asked = new Set(); // pages on their way
  #drawn = []; // elements, reused
  #top = 0; // number of rows above the screen, with a fraction
  #set = -1; // scrollTop as set by ourselves
  #queued = false;
  total = 0;
  known = 0; // entries whose facts are there
  chosen = 0;
  start = 0; // milliseconds
  follow = true;
  settled = true; // the rows on the screen are there
  head = null; // the place of the playhead, where one is: what follows is dimmed

  // ask(from, count) requests rows; choose(n) is told of a selection,
  // follows(bool) when scrolling turns following on or off. A view says which
  // columns a row has and fills them; a row is tall pixels high.
  constructor(box, { ask, choose, follows, view = entries, tall = 24 }) {
    this.#view = view;
    this.#tall = tall;
    this.#box = box;
    this.#spacer = box.querySelector("#spacer");
    this.#layer = box.querySelector("#rows");
    this.#ask = ask;
    this.#choose = choose;
    this.#follows = follows;
    box.addEventListener("scroll", () => this.#scrolled());
    box.addEventListener("wheel", (e) => this.#wheel(e), { passive: false });
    box.addEventListener("keydown", (e) => this.#key(e));
    this.#layer.addEventListener("click", (e) => {
      const row = e.target.closest(".row");
      if (row?.dataset.at) this.select(Number(row.dataset.at));
    });
    new ResizeObserver(() => this.#resized()).observe(box);
  }

  reset() {
    this.#rows.clear();
    this.#asked.clear();
    this.#top = this.total = this.known = this.chosen = 0;
    this.draw();
  }

  // again asks for what was on its way when the connection was lost.
  again() {
    this.#asked.clear();
    this.draw();
  }

  setTotal(n) {
    if (n === this.total) return;
    this.total = n;
    this.#box.setAttribute("aria-rowcount", n);
    this.#fit();
    if (this.follow) this.#move(this.#goal());
    this.draw();
  }

  // setKnown: rows that were shown without their facts are asked for again.
  setKnown(n) {
    if (n === this.known) return;
    this.known = n;
    this.draw();
  }

  setFollow(on) {
    if (on !== this.follow) {
      this.follow = on;
      this.#follows(on);
    }
    if (on) this.#move(this.#goal());
    this.draw();
  }

  add({ from, rows, known, error }) {
    this.#asked.delete(Math.floor((from - 1) / page));
    if (error) console.warn(error);
    rows.forEach((r, i) => this.#rows.set(from + i, Object.assign(r, { sure: r.n <= known })));
    if (this.#rows.size > kept) {
      const near = (n) => Math.abs(n - this.#top) < kept / 2;
      for (const n of this.#rows.keys()) if (!near(n)) this.#rows.delete(n);
    }
    this.draw();
  }

  select(n) {
    n = Math.max(1, Math.min(n, this.total));
    if (!this.total) return;
    this.chosen = n;
    if (n < this.total && this.head === null) this.setFollow(false);
    const visible = Math.floor(this.#visible());
    if (n - 1 < this.#top) this.#move(n - 1);
    if (n > this.#top + visible) this.#move(n - visible);
    this.draw();
    this.#choose(n);
  }

  // setHead puts the playhead behind a place, null takes it away. The list follows
  // it, unless it is to stay where it is.
  setHead(at, stay) {
    this.head = at;
    if (this.follow && !stay) this.#move(this.#goal());
    this.settled = false; // until it is painted
    this.draw();
  }

  // goal is the row at the upper edge of a list that follows: its end, or the
  // playhead, with some rows around it.
  #goal() {
    if (this.head === null) return this.#last();
    const below = this.head - 0.75 * this.#visible();
    const above = this.head - 1 - 0.1 * this.#visible();
    return Math.max(below, Math.min(this.#top, above));
  }

  unselect() {
    this.chosen = 0;
    this.draw();
  }

  #visible() { return this.#box.clientHeight / this.#tall; }
  #last() { return Math.max(0, this.total - this.#visible()); }
  #height() { return Math.min(this.total * this.#tall, tallest); }
  #range() { return Math.max(1, this.#height() - this.#box.clientHeight); }
  #scaled() { return this.total * this.#tall > tallest; }

  #fit() { this.#spacer.style.height = `${this.#height()}px`; }

  #resized() {
    this.#fit();
    this.#move(this.follow ? this.#goal() : this.#top);
    this.draw();
  }

  // move puts the row number top at the upper edge.
  #move(top) {
    this.#top = Math.max(0, Math.min(top, this.#last()));
    const y = this.#scaled() ? (this.#top / Math.max(1, this.#last())) * this.#range() : this.#top * this.#tall;
    this.#box.scrollTop = y;
    this.#set = this.#box.scrollTop;
  }

  #scrolled() {
    const y = this.#box.scrollTop;
    if (Math.abs(y - this.#set) < 1) return; // our own doing
    this.#set = y;
    this.#top = this.#scaled() ? (y / this.#range()) * this.#last() : y / this.#tall;
    this.setFollow(this.head === null && this.#top >= this.#last() - 0.5);
  }

  // Where the bar stands for more rows than it has pixels, a turn of the wheel
  // still moves by rows.
  #wheel(e) {
    if (!this.#scaled() || e.ctrlKey) return;
    e.preventDefault();
    const unit = e.deltaMode === 1 ? 1 : e.deltaMode === 2 ? this.#visible() : 1 / this.#tall;
    this.#move(this.#top + e.deltaY * unit);
    this.setFollow(this.head === null && this.#top >= this.#last() - 0.5);
  }

  #key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const full = Math.floor(this.#visible()) - 1;
    const from = this.chosen || Math.floor(this.#top) + 1;
    const to = {
      ArrowDown: this.chosen ? from + 1 : from, j: this.chosen ? from + 1 : from, ArrowUp: from - 1, k: from - 1,
      PageDown: from + full, PageUp: from - full, Home: 1, End: this.total,
    }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    this.select(to);
    if (e.key === "End") this.setFollow(true);
  }

  draw() {
    if (this.#queued) return;
    this.#queued = true;
    requestAnimationFrame(() => {
      this.#queued = false;
      this.#paint();
    });
  }

  #paint() {
    const first = Math.floor(this.#top);
    const count = Math.max(0, Math.min(Math.ceil(this.#visible()) + 1, this.total - first));
    while (this.#drawn.length < count) this.#drawn.push(this.#layer.appendChild(blank(this.#view.columns)));
    while (this.#drawn.length > count) this.#drawn.pop().remove();
    const wanted = new Set();
    this.settled = true;
    for (let i = 0; i < count; i++) {
      const n = first + i + 1;
      const el = this.#drawn[i];
      el.style.transform = `translateY(${(first + i - this.#top) * this.#tall}px)`;
      const row = this.#rows.get(n);
      if (!row) this.settled = false;
      if (!row || !row.sure && row.n <= this.known) wanted.add(Math.floor((n - 1) / page));
      this.#fill(el, n, row);
      el.classList.toggle("ahead", this.head !== null && n > this.head);
      el.classList.toggle("head", n === this.head);
    }
    for (const p of wanted) {
      if (this.#asked.has(p)) continue;
      if (this.#ask(p * page + 1, page)) this.#asked.add(p);
    }
  }

  #fill(el, n, row) {
    const chosen = n === this.chosen;
    if (el.shown === row && el.n === n && el.chosen === chosen) return;
    // While it is played, a row stays until the next one is there: nothing flickers.
    if (!row && el.shown && this.head !== null && this.follow) return;
    Object.assign(el, { shown: row, n, chosen });
    el.dataset.at = n;
    el.setAttribute("aria-rowindex", n);
    el.setAttribute("aria-selected", chosen);
    this.#view.fill(el, row, this.start);
  }

  // setTall changes the height of the rows.
  setTall(tall) {
    this.#tall = tall;
    this.#resized();
  }
}

// entries is the view of one recording.
const entries = {
  columns: ["n", "time", "conn", "dir", "kind", "text", "took", "size"],
  fill(el, row, start) {
    const [number, time, conn, dir, kind, text, took, size] = el.children;
    number.textContent = row ? row.n : "";
    if (!row) {
      el.className = "row loading";
      for (const c of [time, conn, dir, kind, took, size]) c.textContent = "";
      text.textContent = "…";
      return;
    }
    el.className = `row ${row.dir || "about"} ${row.level || ""} ${row.kind === "secure" || row.kind === "note" ? row.kind : ""} ${row.quiet ? "quiet" : ""}`;
    time.textContent = clock(start + row.t * 1000);
    conn.textContent = row.conn ? `#${row.conn}` : "";
    dir.textContent = { CS: "→", SC: "←" }[row.dir] || { open: "●", close: "○", secure: "▣", note: "◆" }[row.kind] || "·";
    dir.title = { CS: "client to server", SC: "server to client" }[row.dir] || row.kind;
    kind.textContent = row.kind;
    text.textContent = row.summary;
    if (row.outcome) {
      const tag = document.createElement("span");
      tag.className = "tag";
      tag.textContent = row.outcome;
      text.prepend(tag);
    }
    for (const [cls, words] of [["code", row.codes || []], ["xep", row.xeps || []]]) {
      if (!words.length) continue;
      const el = document.createElement("span");
      el.className = cls;
      el.textContent = words.join(" ");
      text.append(el);
    }
    took.textContent = row.latency ? `${row.latency < 10 ? row.latency.toFixed(1) : Math.round(row.latency)} ms` : "";
    size.textContent = row.size ? bytes(row.size) : "";
  },
};

function blank(columns) {
  const el = document.createElement("div");
  el.setAttribute("role", "row");
  for (const c of columns) {
    const cell = el.appendChild(document.createElement("span"));
    cell.className = c;
    cell.setAttribute("role", "gridcell");
  }
  return el;
}

export function clock(ms) {
  const d = new Date(ms);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, "0")}`;
}

export function bytes(n) {
  if (n < 10000) return `${n} B`;
  if (n < 1e7) return `${(n / 1000).toFixed(n < 1e5 ? 1 : 0)} kB`;
  return `${(n / 1e6).toFixed(1)} MB`;
}
