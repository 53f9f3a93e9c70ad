// The views of a recording, one of which is on the screen: each has a section and
// a tab.

import { address } from "./address.js";
import { h } from "./dom.js";

export class Views {
	#bar; #all = new Map();
	name = ""; // of the view on the screen

	constructor(bar) {
		this.#bar = bar;
		bar.onkeydown = (e) => {
			const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
			if (!by) return;
			const names = [...this.#all.keys()];
			const next = names[(names.indexOf(this.name) + by + names.length) % names.length];
			this.show(next);
			this.#all.get(next).tab.focus();
			e.stopPropagation();
		};
		address.on("view", (name) => this.show(name));
	}

	// add makes a view of a section; show() and hide() are told when it comes and
	// goes. The first one is that of a page that says nothing else.
	add(name, title, section, { show = () => {}, hide = () => {} } = {}) {
		const tab = h("button", { id: `tab-${name}`, role: "tab", "aria-controls": section.id, onclick: () => this.show(name) }, title);
		this.#bar.append(tab);
		this.#bar.hidden = this.#all.size < 1;
		this.#all.set(name, { tab, section, show, hide });
	}

	// show brings a view to the screen; one that is not there is the first one.
	show(name) {
		if (!this.#all.has(name)) [name] = this.#all.keys();
		if (name === this.name) return;
		const before = this.#all.get(this.name);
		this.name = name;
		for (const [n, { tab, section }] of this.#all) {
			section.hidden = section !== this.#all.get(name).section; // two may share one
			tab.ariaSelected = n === name;
			tab.tabIndex = n === name ? 0 : -1;
		}
		const first = this.#all.keys().next().value;
		address.set("view", name === first ? "" : name);
		document.body.dataset.view = name;
		before?.hide();
		this.#all.get(name).show();
	}
}
