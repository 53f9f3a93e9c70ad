// The way of a message: its stages in words, and in the ladder by numbers.

import { node } from "./dom.js";
import { short } from "./lanes.js";

const words = { delivers: "delivered", "carbon of": "carbon", "copy of": "archive copy", "receipt for": "receipt", refuses: "refused", resends: "sent again", answers: "answered", acks: "acknowledged", corrects: "corrected", "replies to": "reply", "reacts to": "reaction", marks: "marked" };

export class Way {
	#bar; #ladder; #choose; #stages = []; #now = -1;

	// choose(stage) shows one of them.
	constructor(bar, ladder, choose) {
		this.#bar = bar;
		this.#ladder = ladder;
		this.#choose = choose;
	}

	get on() { return !this.#bar.hidden; }

	close() {
		this.#bar.hidden = true;
		this.#stages = [];
		this.#ladder.way = new Map();
	}

	show({ n, stages, lanes, more }) {
		const ends = new Map(lanes.map((l) => [l.conn, l]));
		this.#stages = stages;
		this.#now = stages.findIndex((s) => s.n === n);
		this.#ladder.lanes.know(lanes);
		this.#ladder.way = new Map(stages.map((s, i) => [s.n, i + 1]));
		const text = node("p");
		stages.forEach((s, i) => {
			const l = ends.get(s.conn);
			const [from, to] = l ? (s.dir === "CS" ? [l.client, l.server] : [l.server, l.client]).map(short) : ["", ""];
			const what = s.is === "delivers" && l?.kind === "s2s" ? "passed on" : words[s.is] || s.is;
			const link = node("button", "link", `#${s.n}`);
			link.type = "button";
			link.onclick = () => this.#go(i);
			const about = stages.find((o) => o.n === s.about);
			const after = about ? ` (+${((s.t - about.t) * 1000).toFixed(1)} ms)` : "";
			const part = node("bdi", "", i ? `${what} ${from} → ${to} ` : `${what} by ${from} to ${to} `);
			text.append(i ? ", " : "", part, link, after, s.at ? "" : " (not in this list)");
		});
		if (stages.length < 2) text.append(" — nothing else in the recording belongs to it.");
		if (more) text.append(" …");
		const close = node("button", "", "✕");
		close.type = "button";
		close.setAttribute("aria-label", "Follow no longer");
		close.onclick = () => this.close();
		this.#bar.replaceChildren(text, close);
		this.#bar.hidden = !stages.length;
		this.#mark();
	}

	#mark() { this.#bar.querySelectorAll(".link").forEach((el, i) => el.classList.toggle("now", i === this.#now)); }

	#go(i) {
		this.#now = i;
		this.#mark();
		this.#choose(this.#stages[i]);
	}

	// step goes to the next stage, or the one before.
	step(by) {
		const i = this.#now + by;
		if (i >= 0 && i < this.#stages.length) this.#go(i);
	}
}
