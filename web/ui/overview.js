// The overview: connections and how they stand, traffic over time, how long
// answers took, what was found. The server draws it; what is dragged over on the
// chart is the range that it is of.

import { draw, h, within } from "./dom.js";

const pace = 400; // milliseconds between two looks
const shortest = 4; // pixels of a range
const fine = 1000; // steps of the sliders

export class Overview {
	#ask; #chart = h("div"); #rest = h("div"); #ends; #show; #all;
	#shown = false; #dirty = false; #waiting = 0; #by = "id"; #down = false;
	#is = { version: "", length: 0 }; // what is drawn
	#range = null; // in seconds
	#drag = null; // where a range begins, in pixels

	// ask(request) sends; only(term) shows the entries that match.
	constructor(box, ask, only) {
		this.#ask = ask;
		this.#ends = ["From", "To"].map((text, i) => h("input", { type: "range", max: fine, value: i * fine, ariaLabel: text,
			oninput: () => this.#choose(...this.#ends.map((e) => (e.value * this.#is.length) / fine).sort((a, b) => a - b)),
			onchange: () => this.#look() }));
		this.#show = h("button", { onclick: () => {
			const [a, b] = this.#at;
			only(`t >= ${a.toFixed(3)}s and t <= ${(b + 0.001).toFixed(3)}s`);
		} }, "Show these entries");
		this.#all = h("button", { disabled: true, onclick: () => {
			this.#choose(0, 0);
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
			this.#drag = this.#x(e);
			this.#chart.setPointerCapture(e.pointerId);
		};
		this.#chart.onpointermove = (e) => this.#drag !== null && this.#mark(this.#x(e));
		this.#chart.onpointerup = this.#chart.onpointercancel = (e) => {
			const from = this.#drag, to = this.#x(e);
			this.#drag = null;
			if (from === null) return;
			const time = (x) => this.#is.from + ((this.#is.to - this.#is.from) * x) / this.#wide;
			if (e.type === "pointerup" && Math.abs(to - from) >= shortest) this.#choose(time(Math.min(from, to)), time(Math.max(from, to)));
			this.#look(true);
		};
		new ResizeObserver(() => this.changed()).observe(box);
	}

	get #wide() { return this.#chart.clientWidth; }
	get #at() { return this.#range || [0, this.#is.length]; }

	#x(e) { return within(e.clientX - this.#chart.getBoundingClientRect().left, 0, this.#wide); }

	// mark shows the range up to x.
	#mark(x) {
		let mark = this.#chart.querySelector("i");
		if (!mark) this.#chart.querySelector(".traffic").append(mark = h("i"));
		Object.assign(mark.style, { left: `${Math.min(x, this.#drag)}px`, width: `${Math.abs(x - this.#drag)}px` });
	}

	// choose makes the range; what is not one is all.
	#choose(a, b) {
		this.#range = b > a && (a > 0 || b < this.#is.length) ? [a, b] : null;
		this.#words();
	}

	#words() {
		this.#at.forEach((t, i) => {
			this.#ends[i].value = (fine * t) / this.#is.length;
			this.#ends[i].ariaValueText = `${t.toFixed(2)} s`;
		});
		this.#show.textContent = `Show ${this.#at.map((t) => `${t.toFixed(2)} s`).join(" to ")}`;
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
		if (anew) this.#is.version = "";
		const [from, to] = this.#range || [0, 0];
		this.#ask({ op: "overview", version: this.#is.version, by: this.#by, down: this.#down, from, to, draw: this.#wide });
	}

	answer(m) {
		if (m.same || !this.#shown || this.#drag !== null) return;
		this.#is = m;
		draw(this.#chart, m.chart);
		draw(this.#rest, m.rest);
		this.#words();
	}
}
