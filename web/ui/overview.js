// The overview: connections and how they stand, traffic over time, how long
// answers took, what was found. The server draws it.

import { draw, h } from "./dom.js";

const pace = 400; // milliseconds between two looks

export class Overview {
	#ask; #shown = false; #dirty = false; #waiting = 0; #version = ""; #by = "id"; #down = false;
	#parts = {}; #ends; #choose;
	#of = { from: 0, to: 0, length: 0 }; // what the chart shows, in seconds
	#range = null; // that was chosen
	#start = null; // where the pointer went down on the chart

	// ask(request) sends; only(term) shows the entries that match.
	constructor(box, { ask, only }) {
		this.#ask = ask;
		for (const name of ["known", "traffic", "brush", "conns", "latencies", "codes"]) box.append(this.#parts[name] = h(`section.${name}`, { tabIndex: name === "conns" ? 0 : -1 }));
		this.#ends = ["From", "To"].map((text, i) => h("input", { type: "range", max: 1000, value: 1000 * i, "aria-label": text, oninput: () => this.#choice(), onchange: () => this.#zoom() }));
		this.#choose = h("button", { onclick: () => {
			const [a, b] = this.#at();
			only(`t >= ${a.toFixed(3)}s and t <= ${(b + 0.001).toFixed(3)}s`);
		} });
		const whole = h("button", { onclick: () => {
			this.#ends.forEach((el, i) => { el.value = 1000 * i; });
			this.#zoom();
		} }, "All");
		this.#parts.brush.append(...this.#ends.map((el) => h("label", {}, el.ariaLabel, el)), this.#choose, whole);
		box.addEventListener("click", (e) => {
			const by = e.target.dataset.sort;
			if (!by) return;
			this.#down = by === this.#by && !this.#down;
			this.#by = by;
			this.#look();
		});
		this.#drag(this.#parts.traffic);
	}

	// drag lets a range be chosen on the chart.
	#drag(chart) {
		const time = (e) => {
			const at = chart.querySelector("svg").getBoundingClientRect();
			return this.#of.from + (Math.max(0, Math.min(1, (e.clientX - at.left) / at.width)) * (this.#of.to - this.#of.from));
		};
		const move = (e) => {
			if (this.#start === null) return;
			[this.#start, time(e)].sort((a, b) => a - b).forEach((t, i) => { this.#ends[i].value = (1000 * t) / this.#of.length; });
			this.#choice();
		};
		chart.onpointerdown = (e) => {
			if (e.button || !e.target.closest("svg")) return;
			chart.setPointerCapture(e.pointerId);
			this.#start = time(e);
			e.preventDefault();
		};
		chart.onpointermove = move;
		chart.onpointerup = (e) => {
			move(e);
			if (this.#start === null) return;
			this.#start = null;
			this.#zoom();
		};
		chart.onpointercancel = () => { this.#start = null; };
	}

	// at is what the ends stand at, in seconds.
	#at() { return this.#ends.map((el) => (el.value * this.#of.length) / 1000).sort((a, b) => a - b); }

	// choice shows what is being chosen.
	#choice() {
		const [a, b] = this.#at(), { from, to } = this.#of;
		for (const el of this.#ends) el.ariaValueText = `${((el.value * this.#of.length) / 1000).toFixed(2)} s`;
		this.#choose.textContent = `Show ${a.toFixed(2)} s to ${b.toFixed(2)} s`;
		const range = this.#parts.traffic.querySelector(".range"), wide = range?.ownerSVGElement.viewBox.baseVal.width;
		range?.setAttribute("x", (wide * (a - from)) / (to - from));
		range?.setAttribute("width", (wide * (b - a)) / (to - from));
	}

	#zoom() {
		const [a, b] = this.#at();
		this.#range = b > a && (a > 0 || b < this.#of.length) ? [a, b] : null;
		this.#look();
	}

	show() {
		this.#shown = true;
		this.#version = "";
		this.#look();
	}
	again() { if (this.#shown) this.show(); } // the connection is a new one
	hide() { this.#shown = false; }

	// changed tells that there may be more.
	changed() {
		this.#dirty = true;
		if (!this.#shown || this.#waiting) return;
		this.#waiting = setTimeout(() => {
			this.#waiting = 0;
			if (this.#dirty && this.#shown && this.#start === null) this.#look();
		}, pace);
	}

	#look() {
		this.#dirty = false;
		const [from, to] = this.#range || [0, 0];
		this.#ask({ op: "overview", drawn: true, version: this.#version, by: this.#by, down: this.#down, from, to });
	}

	answer(m) {
		this.#version = m.version;
		if (m.same || !this.#shown || this.#start !== null) return;
		const at = this.#range && this.#at();
		this.#of = m;
		if (at) this.#ends.forEach((el, i) => { el.value = (1000 * at[i]) / m.length; }); // it has become longer
		for (const [name, trees] of Object.entries(m.parts)) draw(this.#parts[name], trees);
		this.#choice();
		if (!this.#range) this.#parts.traffic.querySelector(".range").setAttribute("width", 0);
	}
}
