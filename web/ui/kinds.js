// The kinds of entries: how many there are of each, and which are hidden. Hiding is
// the server's, beside the filter, and stands in the address.

import { address } from "./address.js";
import { $, fill, h } from "./dom.js";

// hide is told of the names.
export function kindBar(hide) {
	let chips = []; // in the order in which the server counts them

	function set(names) {
		const before = [...bar.hidden].join();
		names = chips.map((c) => c.dataset.kind).filter((k) => names.includes(k));
		bar.hidden = new Set(names);
		for (const c of chips) c.ariaPressed = !names.includes(c.dataset.kind);
		address.set("hide", names.join());
		if (names.join() !== before) hide(names);
	}

	function clicked(kind, only) {
		const others = chips.map((c) => c.dataset.kind).filter((k) => k !== kind);
		const hidden = [...bar.hidden];
		if (only) set(hidden.join() === others.join() ? [] : others);
		else set(bar.hidden.has(kind) ? hidden.filter((k) => k !== kind) : [...hidden, kind]);
	}

	const bar = {
		hidden: new Set(address.get("hide").split(",").filter(Boolean)),

		// know makes a chip for each kind that the server names.
		know(kinds) {
			chips = kinds.map(([kind, text, title]) => h(`button.${kind}`, { "data-kind": kind, title, onclick: (e) => clicked(kind, e.shiftKey) }, h("span", null, text), h("b", null, "0")));
			$("kinds").replaceChildren(...chips);
			set([...bar.hidden]);
			address.on("hide", (names) => set(names.split(",")));
		},

		count: (counts) => chips.forEach((c, i) => {
			fill(c.lastChild, counts[i].toLocaleString("en"));
			c.classList.toggle("none", !counts[i]);
		}),
	};
	return bar;
}
