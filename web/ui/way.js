// The way of a message: its stages in words, and in the ladder by numbers.

import { draw } from "./dom.js";

export class Way {
	#bar; #ladder; #links = []; #now = -1;

	constructor(bar, ladder) {
		this.#bar = bar;
		this.#ladder = ladder;
		bar.onclick = ({ target }) => {
			if (target.dataset.go) this.#mark(target.dataset.go);
			else if (target.localName === "button") this.close();
		};
	}

	get on() { return !this.#bar.hidden; }

	close() {
		this.#bar.hidden = true;
		this.#ladder.way = new Map();
	}

	show({ n, text }) {
		draw(this.#bar, text);
		this.#links = [...this.#bar.querySelectorAll("[data-go]")];
		this.#bar.hidden = !this.#links.length;
		this.#ladder.way = new Map(this.#links.map((el, i) => [Number(el.dataset.go), i + 1]));
		this.#mark(n);
	}

	#mark(n) {
		this.#now = this.#links.findIndex((el) => el.dataset.go == n);
		this.#links.forEach((el, i) => { el.ariaCurrent = i === this.#now ? "step" : null; });
	}

	// step goes to the next stage, or the one before.
	step(by) { this.#links[this.#now + by]?.click(); }
}
