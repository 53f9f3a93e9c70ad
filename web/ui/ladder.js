// The ladder: the list as a sequence diagram. The server draws each row, an arrow
// between the lanes of a client, the proxy and a server, with brackets that join
// requests and answers. This asks for them, and tells ladder.css which lanes are meant.

import { clock, draw, h } from "./dom.js";

const page = 100; // rows in a request
const kept = 40; // pages to remember
const calm = 400; // milliseconds before a page is asked for again, for a row that lacks a quarter of it
const most = 400; // lanes that are kept or hidden: a request has its bounds
const waiting = { class: "loading", label: "", ends: "", over: [], picture: [], text: ["…"] };
export const tall = 46;

const pageOf = (n) => Math.floor((n - 1) / page);

export class Ladder {
	columns = ["time", "draw", "text"];
	#box; #list; #ask; #heads; #pages = new Map(); #asked = new Map(); #shown = { ends: {}, heads: [] }; #keep = new Set(); #hide = new Set(); #way = new Map();

	constructor(box, list, ask) {
		this.#box = box;
		this.#list = list;
		this.#ask = ask;
		this.#heads = h("div.lanes", { role: "columnheader", onclick: (e) => this.#choose(e.target.dataset) });
		box.querySelector("#columns").append(this.#heads);
	}

	// another list: nothing of the old one holds.
	reset() {
		this.#pages.clear();
		this.#asked.clear();
	}

	// way dims what is not a stage, by the number of the entry; of an empty one nothing.
	set way(stages) {
		this.#way = stages;
		this.#list.changed();
	}

	// choose keeps lanes, hides one, or shows all.
	#choose({ keep, hide, all }) {
		const conns = keep?.split(" ") || [], had = conns.some((c) => this.#keep.has(c));
		for (const c of conns) had ? this.#keep.delete(c) : this.#keep.add(c);
		if (hide) this.#hide.add(hide);
		if (all === "") this.#hide.clear();
		this.reset(); // what is drawn stays until there is something else
		this.#list.changed();
	}

	add(m) {
		const k = pageOf(m.from);
		this.#pages.set(k, Object.assign(m, { seen: this.#asked.get(k), came: performance.now() }));
		this.#asked.delete(k);
		if (this.#pages.size > kept) this.#pages.delete(this.#pages.keys().next().value);
		this.#list.changed();
	}

	// rung is what the server drew of a row; where more is known by now, it is asked again.
	#rung(n) {
		const k = pageOf(n), p = this.#pages.get(k), rung = p?.rows[(n - 1) % page], { known, total, screen } = this.#list, now = `${known} ${total}`;
		if (!this.#asked.has(k) && (!p || !p.settled && p.seen !== now)) {
			this.#asked.set(k, now);
			const draw = { screen: screen + 9, keep: [...this.#keep].slice(0, most), hide: [...this.#hide].slice(0, most) };
			setTimeout(() => this.#ask({ op: "ladder", from: k * page + 1, count: page, draw }) || this.#asked.delete(k), p ? Math.max(0, p.came + calm / (rung ? 1 : 4) - performance.now()) : 0);
		}
		return rung;
	}

	// look shows the lanes of the connections on the screen.
	#look() {
		const p = this.#pages.get(pageOf(this.#list.upper));
		if (!p || p === this.#shown) return;
		const { heads, proxy } = p, same = JSON.stringify(heads) === JSON.stringify(this.#shown.heads);
		this.#shown = p;
		this.#list.changed();
		if (same) return;
		draw(this.#heads, heads);
		this.#set(this.#box, { lanes: heads.length - 1, proxy });
	}

	fill(el, row, { start }) {
		this.#look();
		const known = row && this.#rung(el.n), rung = known || waiting;
		if (!known && row && el.drew === row) return;
		const [time, picture, text] = el.children, at = row ? clock(start + row.t * 1000) : "", stage = this.#way.get(row?.n);
		el.drew = known && row;
		el.className = `row ${rung.class} ${stage ? "stage" : this.#way.size ? "aside" : ""}`;
		el.ariaLabel = `${at} ${rung.label}`;
		text.title = row?.summary || "";
		draw(time, [["span", ...rung.over], ["span", ["span.hour", at.slice(0, 3)], at.slice(3)]]);
		draw(text, [...(stage ? [["span.stagenumber", String(stage)]] : []), ...rung.text]);
		draw(picture, rung.picture);
		picture.hidden = this.#place(el, rung.ends);
		for (const part of picture.querySelectorAll("[data-ends]")) part.hidden = this.#place(part, part.dataset.ends);
	}

	// place says which lanes something goes from and to. What has none is not drawn.
	#place(el, what) {
		const { ends, proxy, heads } = this.#shown, [conn, dir, track = 0] = what.split(" "), at = ends[conn];
		let [from, to] = at || [0, heads.length - 2];
		if (dir === "SC") [from, to] = [to, from];
		const via = (proxy - from) * (proxy - to) < 0 ? proxy : (from + to) / 2;
		this.#set(el, { from, to, via, track, ahead: Math.sign(to - from) || 1 });
		return !at;
	}

	#set(el, values) { for (const name in values) el.style.setProperty(`--${name}`, values[name]); }
}
