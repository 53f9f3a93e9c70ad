// The overview: connections and how they stand, traffic over time, how long
// answers took, what was found. The server draws it; what is dragged over on the
// chart is the range that it is of.

import { draw, h, within } from "./dom.js";

const pace = 400; // milliseconds between two looks
const narrow = 0.005; // of the chart: less is no range
const fine = 1000; // steps of the sliders

export class Overview {
	#ask; #chart = h("div"); #rest = h("div"); #ends; #show; #all;
	#shown = false; #dirty = false; #waiting = 0; #by = "id"; #down = false;
	#is = {}; // what is drawn
	#range = null; // that was chosen, in seconds
	#drag = null; // where one begins

	// ask(request) sends; only(term) shows the entries that match.
	constructor(box, ask, only) {
		this.#ask = ask;
		this.#ends = ["From", "To"].map((ariaLabel, i) => h("input", { type: "range", max: fine, value: i * fine, ariaLabel,
			oninput: () => {
				const [a, b] = this.#ends.map((e) => (e.value * this.#is.length) / fine).sort((a, b) => a - b);
				this.#range = b > a && (a > 0 || b < this.#is.length) ? [a, b] : null;
				this.#words();
			},
			onchange: () => this.#look() }));
		this.#show = h("button", { onclick: () => {
			const [a, b] = this.#at;
			only(`t >= ${a.toFixed(3)}s and t <= ${(b + 0.001).toFixed(3)}s`);
		} }, "Show");
		this.#all = h("button", { disabled: true, onclick: () => {
			this.#range = null;
			this.#look();
		} }, "All the time");
		box.append(this.#chart, h("div.brush", {}, ...this.#ends.map((e) => h("label", {}, e.ariaLabel, e)), this.#show, this.#all), this.#rest);
		this.#rest.onclick = (e) => {
			const by = e.target.dataset.sort;
			if (!by) return;
			this.#down = by === this.#by && !this.#down;
			this.#by = by;
			this.#look();
		};
		this.#chart.onpointerdown = (e) => {
			if (e.button || !e.target.closest(".traffic")) return;
			this.#chart.setPointerCapture(e.pointerId);
			this.#drag = this.#time(e);
		};
		this.#chart.onpointermove = this.#chart.onpointerup = this.#chart.onpointercancel = (e) => {
			if (this.#drag === null) return;
			const { from, to } = this.#is, [a, b] = [this.#drag, this.#time(e)].sort((a, b) => a - b), part = (t) => t / (to - from);
			Object.assign(this.#chart.querySelector("i").style, { left: `${100 * part(a - from)}%`, width: `${100 * part(b - a)}%` });
			if (e.type === "pointermove") return;
			this.#drag = null;
			if (e.type === "pointerup" && part(b - a) > narrow) this.#range = [a, b];
			this.#look(true);
		};
		new ResizeObserver(() => this.changed()).observe(box);
	}

	get #at() { return this.#range || [0, this.#is.length]; }

	// time is where the pointer is.
	#time(e) {
		const { left, width } = this.#chart.getBoundingClientRect(), { from, to } = this.#is;
		return from + (to - from) * within((e.clientX - left) / width, 0, 1);
	}

	#words() {
		const texts = this.#at.map((t) => `${t.toFixed(2)} s`);
		this.#ends.forEach((e, i) => Object.assign(e, { value: (fine * this.#at[i]) / (this.#is.length || 1), ariaValueText: texts[i] }));
		this.#show.textContent = `Show ${texts.join(" to ")}`;
		this.#all.disabled = !this.#range;
	}

	show() { this.#shown = true; this.#look(true); }
	again() { if (this.#shown) this.show(); } // the connection is a new one
	hide() { this.#shown = false; }

	// changed tells that there may be more.
	changed() {
		this.#dirty = true;
		if (!this.#shown || this.#waiting) return;
		this.#waiting = setTimeout(() => { this.#waiting = 0; if (this.#dirty && this.#shown) this.#look(); }, pace);
	}

	#look(anew) {
		this.#dirty = false;
		const [from, to] = this.#range || [0, 0];
		this.#ask({ op: "overview", version: anew ? "" : this.#is.version, by: this.#by, down: this.#down, from, to, draw: this.#chart.clientWidth });
	}

	answer(m) {
		if (m.same || !this.#shown || this.#drag !== null) return;
		this.#is = m;
		draw(this.#chart, m.chart);
		draw(this.#rest, m.rest);
		this.#words();
	}
}
