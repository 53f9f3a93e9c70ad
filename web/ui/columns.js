// The columns of the list: what is in them, which there are and how wide. Narrow
// screens take some away. What a person chooses is kept in the browser.

import { bytes, clock, fill, node } from "./dom.js";

// In their order; keep says which go last where there is no room, text has what is
// left.
const columns = [
	{ id: "n", title: "No.", width: 62, keep: 5 },
	{ id: "time", title: "Time", width: 94, keep: 9 },
	{ id: "conn", title: "Conn", width: 40, keep: 7, words: "Connection" },
	{ id: "dir", title: "", width: 16, keep: 10, words: "Direction" },
	{ id: "kind", title: "Kind", width: 76, keep: 6 },
	{ id: "text", title: "Summary" },
	{ id: "xep", title: "XEP", width: 72, keep: 1 },
	{ id: "codes", title: "Findings", width: 130, keep: 2 },
	{ id: "took", title: "Latency", width: 66, keep: 4 },
	{ id: "size", title: "Size", width: 62, keep: 3 },
];
const gap = 10, sides = 27; // pixels, as in list.css
const least = 16, most = 400; // pixels of a column
const roomy = 260, cramped = 150; // pixels that the summary has to have, on a wide and a narrow list
const narrow = 560;

const times = { clock: "Time of day", start: "Since the start", before: "Since the one above" };
const hues = { kind: "Kind", conn: "Connection", none: "None" };
const atFirst = { off: [], widths: {}, time: "clock", hue: "kind" };
const kindHue = { message: 0, presence: 2, iq: 1, typing: 5, stream: 6, connection: 3, note: 4 };
const signs = { open: "●", close: "○", secure: "▣", note: "◆", compress: "▤" };

export const hueOf = (kind) => `hue${kindHue[kind] ?? 7}`;

// since is a time without a date.
function since(s) {
	if (s < 60) return `+${s.toFixed(3)}`;
	const m = Math.floor(s / 60);
	const rest = (s - 60 * m).toFixed(3).padStart(6, "0");
	return m < 60 ? `+${m}:${rest}` : `+${Math.floor(m / 60)}:${String(m % 60).padStart(2, "0")}:${rest}`;
}

export class Columns {
	columns = columns.map((c) => c.id);
	changed = () => {}; // set by those who draw
	marked = () => false; // tells of an entry
	#box; #head; #menu; #wide = 0; #gone = new Set();
	#kept = { ...atFirst };

	// box is that of the list, menu what is filled with the choices.
	constructor(box, menu) {
		this.#box = box;
		this.#head = box.querySelector("#columns");
		this.#menu = menu;
		try {
			Object.assign(this.#kept, JSON.parse(localStorage.getItem("columns")));
		} catch { /* as at first */ }
		columns.forEach((c, i) => {
			const el = this.#head.appendChild(node("span", c.id, c.title));
			el.setAttribute("role", "columnheader");
			el.setAttribute("aria-colindex", i + 1);
			if (c.words) el.setAttribute("aria-label", el.title = c.words);
			if (c.id === "time") this.#clicked(el);
			if (c.width) this.#grip(el, c);
		});
		this.#head.oncontextmenu = (e) => {
			e.preventDefault();
			menu.showPopover();
		};
		menu.addEventListener("beforetoggle", (e) => e.newState === "open" && this.#fill());
	}

	#width(c) { return Math.max(least, Math.min(this.#kept.widths[c.id] || c.width, most)); }

	// fit takes away what has no room in so many pixels.
	fit(wide) {
		this.#wide = wide;
		const here = columns.filter((c) => c.width && !this.#kept.off.includes(c.id)).sort((a, b) => b.keep - a.keep);
		const room = () => wide - sides - here.reduce((sum, c) => sum + this.#width(c) + gap, 0);
		while (here.length > 2 && room() < (wide < narrow ? cramped : roomy)) here.pop();
		const shown = (c) => !c.width || here.includes(c);
		this.#gone = new Set(columns.filter((c) => !shown(c)).map((c) => c.id));
		for (const c of columns) this.#box.classList.toggle(`no-${c.id}`, !shown(c));
		this.#box.style.setProperty("--columns", columns.filter(shown).map((c) => (c.width ? `${this.#width(c)}px` : "minmax(0, 1fr)")).join(" "));
		const button = this.#head.querySelector(".time button");
		button.firstChild.data = { clock: "Time", start: "Start +", before: "Δ time" }[this.#kept.time];
		button.title = `${times[this.#kept.time]}; click for another`;
		this.changed();
	}

	#keep(change) {
		Object.assign(this.#kept, change);
		localStorage.setItem("columns", JSON.stringify(this.#kept));
		this.fit(this.#wide);
	}

	#widen(c, to) { this.#keep({ widths: { ...this.#kept.widths, [c.id]: Math.round(to) } }); }

	#clicked(el) {
		const button = node("button", "", "Time");
		button.type = "button";
		button.tabIndex = -1; // the menu has it for the keyboard
		button.onclick = () => {
			const all = Object.keys(times);
			this.#keep({ time: all[(all.indexOf(this.#kept.time) + 1) % all.length] });
		};
		el.replaceChildren(button);
	}

	// grip is what changes the width with the pointer; the menu does it by key.
	#grip(el, c) {
		const grip = el.appendChild(node("i", "grip"));
		const left = columns.indexOf(c) > columns.findIndex((o) => !o.width); // of the summary, which gives way
		grip.classList.toggle("left", left);
		grip.onpointerdown = (e) => {
			e.preventDefault();
			grip.setPointerCapture(e.pointerId);
			const from = e.clientX, before = this.#width(c);
			grip.onpointermove = (e) => this.#widen(c, before + (e.clientX - from) * (left ? -1 : 1));
			grip.onpointerup = grip.onpointercancel = () => { grip.onpointermove = null; };
		};
	}

	// fill makes the menu.
	#fill() {
		const line = (type, name, text, on, change) => {
			const label = node("label", "", text);
			const input = document.createElement("input");
			Object.assign(input, { type, name, checked: on, onchange: () => change(input.checked) });
			label.prepend(input);
			return label;
		};
		const group = (title, ...all) => {
			const set = node("fieldset");
			set.append(node("legend", "", title), ...all);
			return set;
		};
		const choice = (key, all) => Object.entries(all).map(([value, text]) => line("radio", key, text, this.#kept[key] === value, () => this.#keep({ [key]: value })));
		const wide = columns.filter((c) => c.width).map((c) => {
			const text = c.words || c.title.replace("No.", "Number");
			const row = node("div", "wide");
			const slide = document.createElement("input");
			Object.assign(slide, { type: "range", min: least, max: 240, step: 2, value: this.#width(c), oninput: () => this.#widen(c, slide.value) });
			slide.setAttribute("aria-label", `Width of ${text}`);
			row.append(line("checkbox", `col-${c.id}`, text, !this.#kept.off.includes(c.id), (on) => this.#keep({ off: this.#kept.off.filter((id) => id !== c.id).concat(on ? [] : c.id) })), slide);
			return row;
		});
		const again = node("button", "", "As at first");
		Object.assign(again, { type: "button", onclick: () => {
			this.#keep(atFirst);
			this.#fill();
		} });
		this.#menu.replaceChildren(group("Columns and their widths", ...wide), group("Time", ...choice("time", times)), group("Colour by", ...choice("hue", hues)), again);
	}

	// fill shows an entry in the cells of a row.
	fill(el, row, { start, before }) {
		const [number, time, conn, dir, kind, text, xep, codes, took, size] = el.children;
		if (!row) {
			el.className = "row loading";
			for (const c of el.children) fill(c, "");
			fill(text, "…");
			return;
		}
		const hue = { kind: hueOf(row.class), conn: row.conn ? `hue${(row.conn - 1) % 7}` : "", none: "" }[this.#kept.hue];
		const alike = row.kind === "secure" || row.kind === "note" ? row.kind : "";
		el.className = `row ${row.dir || "about"} ${row.level || ""} ${alike} ${row.quiet ? "quiet" : ""} ${hue} by-${this.#kept.hue}`;
		fill(number, row.n);
		fill(time, { clock: () => clock(start + row.t * 1000), start: () => since(row.t), before: () => (before ? since(Math.max(0, row.t - before.t)) : "") }[this.#kept.time]());
		fill(conn, row.conn ? `#${row.conn}` : "");
		fill(dir, { CS: "→", SC: "←" }[row.dir] || signs[row.kind] || "·");
		dir.title = { CS: "client to server", SC: "server to client" }[row.dir] || row.kind;
		fill(kind, row.kind);
		const words = (row.codes || []).join(" ");
		const sign = { error: "✖", warning: "▲" }[row.level] || "•";
		const tags = [];
		if (this.marked(row.n)) tags.push(tag("mark", "★", "marked (m)"));
		if (row.noted) tags.push(tag("noted", "◆", "has a note"));
		if (row.outcome) tags.push(node("span", "tag", row.outcome));
		const code = words && tag("code", `${sign} ${words}`, words);
		if (code && this.#gone.has("codes")) tags.push(code);
		if (tags.length) text.replaceChildren(...tags, row.summary);
		else fill(text, row.summary);
		fill(xep, (row.xeps || []).map((x) => x.slice(4)).join(" "));
		if (code && !this.#gone.has("codes")) codes.replaceChildren(code);
		else fill(codes, "");
		fill(took, row.latency ? `${row.latency < 10 ? row.latency.toFixed(1) : Math.round(row.latency)} ms` : "");
		fill(size, row.size ? bytes(row.size) : "");
	}
}

function tag(cls, text, title) {
	const el = node("span", cls, text);
	el.title = title;
	return el;
}
