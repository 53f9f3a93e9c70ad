// The kinds of entries: how many there are of each, and which are hidden. Hiding is
// the server's, beside the filter, and stands in the address.

import { address } from "./address.js";
import { $, fill, h } from "./dom.js";

export class Kinds {
	hidden = new Set(address.get("hide").split(",").filter(Boolean));
	#hide; #chips = []; // in the order in which the server counts them

	// hide is told of the names.
	constructor(hide) { this.#hide = hide; }

	// know makes a chip for each kind that the server names.
	know(kinds) {
		this.#chips = kinds.map(([kind, title, words]) => h(`button.${kind}`, {
			"data-kind": kind,
			title: `${words}Click hides and shows, Shift and click shows nothing else`,
			onclick: (e) => this.#clicked(kind, e.shiftKey),
		}, h("span", null, title), h("b", null, "0")));
		$("kinds").replaceChildren(...this.#chips);
		this.#set([...this.hidden]);
		address.on("hide", (names) => this.#set(names.split(",")));
	}

	#clicked(kind, only) {
		const others = this.#chips.map((c) => c.dataset.kind).filter((k) => k !== kind);
		const hidden = [...this.hidden];
		if (only) this.#set(hidden.join() === others.join() ? [] : others);
		else this.#set(this.hidden.has(kind) ? hidden.filter((k) => k !== kind) : [...hidden, kind]);
	}

	#set(names) {
		const before = [...this.hidden].join();
		names = this.#chips.map((c) => c.dataset.kind).filter((k) => names.includes(k));
		this.hidden = new Set(names);
		for (const c of this.#chips) c.ariaPressed = !this.hidden.has(c.dataset.kind);
		address.set("hide", names.join());
		if (names.join() !== before) this.#hide(names);
	}

	count(counts) {
		this.#chips.forEach((c, i) => {
			fill(c.lastChild, counts[i].toLocaleString("en"));
			c.classList.toggle("none", !counts[i]);
		});
	}
}
