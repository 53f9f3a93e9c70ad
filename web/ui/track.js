// The track of the player: how much there is at each time of the recording, what is
// wrong and where notes are. What the client sent stands above the line, what
// the server sent below. Colours are the style sheet's.

import { $, many, svg, two, within } from "./dom.js";

const column = 3; // pixels, one of them between two
const top = 15, tall = 38, foot = 9; // pixels: times, bars, marks
const longGap = 5; // seconds

export class Track {
	#box = $("track"); #svg = this.#box.querySelector("svg"); #input = $("scrub"); #stamp; #density = null; #length = 0; #columns = [];

	// seek(t) is told where the person wants to be; stamp(t) puts a time into words.
	constructor(seek, stamp) {
		this.#stamp = stamp;
		this.#input.oninput = () => seek(Number(this.#input.value));
		this.#box.onpointermove = (e) => this.#point(e);
		this.#box.onpointerleave = () => { $("tip").hidden = true; };
		new ResizeObserver(() => this.#draw()).observe(this.#box);
	}

	show(density) {
		this.#density = density;
		this.#draw();
	}

	// move puts the playhead at t.
	move(t, length, text) {
		this.#length = length;
		if (this.#input.max !== String(length)) this.#input.max = length;
		this.#input.value = t;
		this.#input.ariaValueText = text;
		$("rest").style.left = `${length ? Math.min(100, (100 * t) / length) : 0}%`;
	}

	// draw makes the picture anew: when there is more, or the page has another width.
	#draw() {
		const d = this.#density;
		const width = this.#box.clientWidth;
		if (!d || !width) return;
		const many = Math.max(1, Math.floor(width / column));
		const length = Math.max(d.length, 1e-6);
		this.#columns = Array.from({ length: many }, () => ({ cs: 0, sc: 0, warnings: 0, errors: 0, notes: 0 }));
		const put = (t, name, n) => { this.#columns[Math.max(0, Math.min(many - 1, Math.floor((t / length) * many)))][name] += n; };
		const middle = (i) => Math.min((i + 0.5) * d.width, length);
		d.cs.forEach((n, i) => n && put(middle(i), "cs", n));
		d.sc.forEach((n, i) => n && put(middle(i), "sc", n));
		for (const [i, n] of d.warnings) put(middle(i), "warnings", n);
		for (const [i, n] of d.errors) put(middle(i), "errors", n);
		for (const [, t] of d.notes) put(t, "notes", 1);

		const most = Math.max(1, ...this.#columns.map((c) => Math.max(c.cs, c.sc)));
		const half = tall / 2, line = top + half;
		const high = (n) => n && Math.max(2, (half * Math.log1p(n)) / Math.log1p(most));
		const step = width / many;
		const paths = { gap: "", cs: "", sc: "", warnings: "", errors: "", notes: "" };
		const bar = (x, y, w, h) => `M${x.toFixed(1)} ${y.toFixed(1)}h${w.toFixed(1)}v${h.toFixed(1)}h${(-w).toFixed(1)}z`;
		let from = 0; // of columns without traffic
		this.#columns.forEach((c, i) => {
			const x = i * step, w = step - 1;
			if (c.cs) paths.cs += bar(x, line - high(c.cs), w, high(c.cs));
			if (c.sc) paths.sc += bar(x, line + 1, w, high(c.sc));
			const y = top + tall + 2;
			if (c.errors) paths.errors += bar(x - 0.5, y, w + 1, foot - 3);
			else if (c.warnings) paths.warnings += bar(x - 0.5, y, w + 1, foot - 3);
			if (c.notes) paths.notes += `M${(x + w / 2).toFixed(1)} ${top + 2}l-4 -5l4 -5l4 5z`;
			if (!c.cs && !c.sc && i < many - 1) return;
			if (((i - from) / many) * length > longGap) paths.gap += bar(from * step, top, (i - from) * step, tall);
			from = i + 1;
		});
		const times = this.#times(width, length);
		this.#svg.setAttribute("width", width);
		this.#svg.setAttribute("height", top + tall + foot);
		this.#svg.replaceChildren(...times, path("gap", paths.gap), path("line", bar(0, line, width, 1)),
			...["cs", "sc", "warnings", "errors", "notes"].map((n) => path(n, paths[n])));
	}

	// times are lines with the time, where there is room for them.
	#times(width, length) {
		const steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
		const every = steps.find((s) => (s / length) * width >= 74) || Math.ceil((length * 74) / width / 86400) * 86400;
		const out = [];
		for (let i = 1; i * every < length; i++) {
			const x = (i * every * width) / length;
			if (x + 40 > width) break;
			const text = svg("text", { x: x + 4, y: 10 });
			text.textContent = short(i * every, every);
			out.push(path("tick", `M${x.toFixed(1)} 0v${top + tall}`), text);
		}
		return out;
	}

	// point tells what is under the pointer.
	#point(e) {
		const box = this.#box.getBoundingClientRect();
		const part = within((e.clientX - box.left) / box.width, 0, 1);
		const c = this.#columns[Math.min(Math.floor(part * this.#columns.length), this.#columns.length - 1)];
		if (!c) return;
		const words = [this.#stamp(part * this.#length)];
		for (const [n, one, more] of [[c.cs + c.sc, "entry", "entries"], [c.errors, "error", "errors"], [c.warnings, "warning", "warnings"], [c.notes, "note", "notes"]]) if (n) words.push(many(n, one, more));
		const tip = Object.assign($("tip"), { textContent: words.join(" · "), hidden: false });
		const wide = tip.offsetWidth;
		tip.style.left = `${within(part * box.width - wide / 2, 0, box.width - wide)}px`;
	}
}

const path = (cls, d) => svg("path", { class: cls, d: d || "M0 0" });

// short is a time since the start as it stands at a line, for lines that are
// every seconds apart.
function short(s, every) {
	if (every < 0.01) return `+${Math.round(s * 1000)} ms`;
	if (every < 1) return `+${s.toFixed(every < 0.1 ? 2 : 1)} s`;
	if (s < 60 && every < 60) return `+${Math.round(s)} s`;
	return s < 3600 ? `+${Math.floor(s / 60)}:${two(Math.floor(s % 60))}` : `+${Math.floor(s / 3600)}:${two(Math.floor((s / 60) % 60))}:${two(Math.floor(s % 60))}`;
}
