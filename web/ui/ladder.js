// The ladder: the list as a sequence diagram. Each row is an arrow between the
// lanes of a client, the proxy and a server; brackets join requests and answers.

import { clock, node, svg } from "./dom.js";
import { Lanes } from "./lanes.js";

const page = 100; // rows in a request
const kept = 40; // pages to remember
const calm = 400; // milliseconds before a page is asked for again
const settled = 500; // entries behind a page: its answers are there
const tracks = 5; // brackets beside each other
const y = 31; // of an arrow in its row
export const tall = 46;

const phases = { tcp: "connect", stream: "stream", tls: "TLS", sasl: "SASL", dialback: "dialback", bind: "bind", online: "online", closing: "closing", closed: "closed" };

const took = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 10000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

function pause(s) {
	if (s < 60) return `${s.toFixed(1)} s`;
	return s < 3600 ? `${Math.floor(s / 60)} min ${Math.round(s % 60)} s` : `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`;
}

export class Ladder {
	columns = ["time", "draw", "text"];
	#list; #ask; #pages = new Map(); #asked = new Map(); #near = ""; #way = new Map();

	constructor(box, list, ask) {
		this.#list = list;
		this.#ask = ask;
		this.lanes = new Lanes(box, () => list.changed());
	}

	// another list: nothing of the old one holds.
	reset() {
		this.#pages.clear();
		this.#asked.clear();
		this.#near = "";
	}

	// way dims what is not a stage, by the number of the entry; of an empty one nothing.
	set way(stages) {
		this.#way = stages;
		this.#list.changed();
	}

	fit(wide) {
		this.lanes.fit(wide);
		this.#list.changed();
	}

	add(m) {
		const k = Math.floor((m.from - 1) / page);
		this.#asked.delete(k);
		this.lanes.know(m.lanes);
		const until = new Array(2 * tracks).fill(0); // of each track, on both sides
		for (const p of m.pairs.sort((a, b) => a.from - b.from)) {
			const side = p.dir === "CS" ? 0 : tracks;
			const free = until.slice(side, side + tracks).findIndex((to) => to < p.from);
			p.track = free;
			if (free >= 0) until[side + free] = p.to;
		}
		this.#pages.set(k, { ...m, asked: performance.now() });
		if (this.#pages.size > kept) this.#pages.delete(this.#pages.keys().next().value);
		this.#near = "";
		this.#list.changed();
	}

	#page(n) {
		const k = Math.floor((n - 1) / page);
		const p = this.#pages.get(k);
		const last = this.#list.row(Math.min((k + 1) * page, this.#list.total))?.n ?? Infinity;
		const stale = !p || p.known < this.#list.known && p.known < last + settled;
		if (stale && !this.#asked.has(k)) {
			const wait = p ? calm - (performance.now() - p.asked) : 0;
			this.#asked.set(k, true);
			setTimeout(() => this.#ask({ op: "ladder", from: k * page + 1, count: page }) || this.#asked.delete(k), Math.max(0, wait));
		}
		return p;
	}

	// layout gives lanes to the connections around the screen.
	#layout() {
		const from = Math.floor((this.#list.upper - 1) / page), to = Math.floor((this.#list.upper + this.#list.screen) / page);
		const near = `${from} ${to}`;
		if (near === this.#near) return;
		this.#near = near;
		const conns = new Set();
		for (let k = from; k <= to; k++) for (const l of this.#pages.get(k)?.lanes || []) conns.add(l.conn);
		if (conns.size && this.lanes.show(conns)) this.#list.changed();
	}

	fill(el, row, { start, before }) {
		const [time, draw, text] = el.children;
		this.#layout();
		if (!row) {
			el.className = "row loading";
			time.textContent = "";
			draw.replaceChildren();
			text.textContent = "…";
			return;
		}
		const at = el.n, p = this.#page(at), step = p?.steps[row.n], ends = this.lanes.of(row.conn);
		const stage = this.#way.get(row.n);
		const level = row.level || "";
		el.className = `row ${row.dir || "about"} ${level} ${row.kind === "secure" || row.kind === "note" ? row.kind : ""} ${row.quiet ? "quiet" : ""} ${stage ? "stage" : this.#way.size ? "aside" : ""}`;
		const gap = before ? row.t - before.t : 0;
		const upper = node("span", "upper");
		if (gap >= 1) upper.append(node("span", "gap", `· ${pause(gap)} ·`));
		if (step?.begins) upper.append(node("span", "phase", phases[step.phase] || step.phase));
		time.replaceChildren(upper, node("span", "", clock(start + row.t * 1000).slice(this.lanes.small ? 3 : 0)));
		const words = [];
		const put = (cls, word) => words.push(node("span", cls, word));
		if (stage) put("stagenumber", stage);
		if (row.outcome) put("tag", row.outcome === "dropped" ? "✕ dropped" : row.outcome);
		if (!row.dir) put("sign", row.sign);
		words.push(row.summary);
		if (row.codes) put("code", `${{ error: "✖", warning: "▲" }[level] || "•"} ${row.codes.join(" ")}`);
		else if (level) put("code", { error: "✖", warning: "▲" }[level]);
		if (row.latency) put("latency", took(row.latency));
		text.dir = "auto";
		text.replaceChildren(...words);
		text.title = row.summary;
		this.#place(text, ends);
		draw.replaceChildren(this.#draw(row, at, p, step, ends, gap));
		const who = ends ? { CS: `${ends.client.name} to ${ends.server.name}`, SC: `${ends.server.name} to ${ends.client.name}` }[row.dir] : "";
		el.setAttribute("aria-label", [clock(start + row.t * 1000), who || row.kind, `${who ? ": " : " "}${row.outcome ? `${row.outcome}, ` : ""}${row.summary}`, row.latency ? `, after ${took(row.latency)}` : "", row.codes ? `, ${level} ${row.codes.join(" ")}` : "", gap >= 1 ? `, ${pause(gap)} after the one before` : ""].join(" "));
	}

	// place puts the words of a row above its arrow.
	#place(text, ends) {
		const { left, wide } = this.lanes;
		const [a, b] = ends ? [ends.client.x, ends.server.x].sort((m, n) => m - n) : [left, wide - 20];
		const width = Math.min(wide - left - 8, Math.max(b - a - 14, 330));
		text.style.width = `${width}px`;
		text.style.left = `${Math.max(left, Math.min((a + b - width) / 2, wide - 8 - width))}px`;
	}

	#draw(row, at, p, step, ends, gap) {
		const { all, wide, proxy } = this.lanes;
		const picture = svg("svg", { "aria-hidden": "true", width: wide, height: tall });
		const line = (cls, x1, y1, x2, y2) => picture.append(svg("line", { class: cls, x1, y1, x2, y2 }));
		if (ends && step && step.phase !== "online") {
			const [a, b] = [ends.client.x, ends.server.x].sort((m, n) => m - n);
			picture.append(svg("rect", { class: `band ${step.phase}`, x: a, y: 0, width: b - a, height: tall }));
		}
		for (const l of all) line(`lane ${l.side}`, l.x, gap >= 1 ? 9 : 0, l.x, tall);
		if (gap >= 1) for (const l of all) line("pause", l.x, 0, l.x, 9);
		if (!ends) return picture;
		const a = ends.client.x, b = ends.server.x;
		const middle = proxy > Math.min(a, b) && proxy < Math.max(a, b) ? proxy : (a + b) / 2;
		const cross = (x) => {
			line("cut", x - 6, y - 6, x + 6, y + 6);
			line("cut", x - 6, y + 6, x + 6, y - 6);
		};
		if (!row.dir) line("arrow", a, y, b, y);
		else {
			let [from, to] = row.dir === "CS" ? [a, b] : [b, a];
			if (row.outcome === "injected") from = middle;
			if (row.outcome === "dropped") to = middle;
			const ahead = Math.sign(to - from) || 1;
			line("arrow", from, y, to - ahead * 8, y);
			picture.append(svg("path", { class: "head", d: `M${to - ahead} ${y}l${-ahead * 9} -5v10z` }));
			if (row.outcome === "dropped") cross(middle);
			else if (row.outcome) picture.append(svg("path", { class: "knot", d: `M${middle} ${y - 6}l6 6l-6 6l-6 -6z` }));
			else line("tick", middle, y - 3, middle, y + 3);
		}
		for (const q of p?.pairs || []) {
			const lane = this.lanes.of(q.conn);
			if (!lane || q.track < 0 || at < q.from || at > q.to) continue;
			const [own, other] = q.dir === "CS" ? [lane.client.x, lane.server.x] : [lane.server.x, lane.client.x];
			const x = own + Math.sign(own - other) * (7 + 5 * q.track);
			const d = at === q.from ? `M${own} ${y}H${x}V${tall}` : at === q.to ? `M${own} ${y}H${x}V0` : `M${x} 0V${tall}`;
			picture.append(svg("path", { class: "pair", d }));
		}
		return picture;
	}
}
