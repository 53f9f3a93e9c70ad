// The kinds of entries: how many there are of each, and which are hidden. Hiding is
// the server's, beside the filter, and stands in the address.

import { address } from "./address.js";
import { $, draw, fill } from "./dom.js";

// hide is told of the names.
export function kindBar(hide) {
	const box = $("kinds");
	const all = () => [...box.children].map((c) => c.dataset.kind); // in the order in which the server counts them

	function set(names) {
		const before = [...bar.hidden].join();
		names = all().filter((k) => names.includes(k));
		bar.hidden = new Set(names);
		for (const c of box.children) c.ariaPressed = !names.includes(c.dataset.kind);
		address.set("hide", names.join());
		if (names.join() !== before) hide(names);
	}

	box.onclick = (e) => {
		const { kind } = e.target.closest("button")?.dataset || {};
		if (!kind) return;
		const others = all().filter((k) => k !== kind), hidden = [...bar.hidden];
		if (e.shiftKey) set(hidden.join() === others.join() ? [] : others);
		else set(bar.hidden.has(kind) ? hidden.filter((k) => k !== kind) : [...hidden, kind]);
	};

	const bar = {
		hidden: new Set(address.get("hide").split(",").filter(Boolean)),

		// know takes the chips that the server drew, one for each kind.
		know(chips) {
			draw(box, chips);
			set([...bar.hidden]);
			address.on("hide", (names) => set(names.split(",")));
		},

		count: (counts) => counts.forEach((n, i) => {
			fill(box.children[i].lastChild, n.toLocaleString("en"));
			box.children[i].classList.toggle("none", !n);
		}),
	};
	return bar;
}
