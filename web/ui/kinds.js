// The kinds of entries: how many there are of each, and which are hidden. Hiding is
// the server's, beside the filter, and stands in the address.

import { address } from "./address.js";
import { hueOf } from "./columns.js";
import { fill, node } from "./dom.js";

// In the order in which the server counts them.
const kinds = [
	["message", "Messages"], ["presence", "Presence"], ["iq", "IQ"], ["typing", "Typing", "chat states without a text"],
	["stream", "Streams", "stream headers, features, login, what is broken"], ["connection", "Connections", "opened, secured, closed"],
	["ack", "Acks", "<r/> and <a/> of stream management"], ["keepalive", "Keepalives", "white space, ping and pong of WebSocket"],
	["transport", "BOSH", "bodies and requests"], ["note", "Notes"],
];

export class Kinds {
	#chips = new Map();
	#hide; // told of the names
	hidden = new Set();

	constructor(bar, hide) {
		this.#hide = hide;
		for (const [name, title, words = ""] of kinds) {
			const chip = node("button", hueOf(name));
			const count = node("b", "", "0");
			chip.type = "button";
			chip.dataset.kind = name;
			chip.append(node("span", "", title), count);
			chip.title = `${words ? `${words}. ` : ""}Click hides and shows, Shift and click shows nothing else`;
			chip.onclick = (e) => this.#clicked(name, e.shiftKey);
			this.#chips.set(name, { chip, count });
			bar.append(chip);
		}
		address.on("hide", (names) => this.#set(names.split(",")));
		this.#set(address.get("hide").split(","));
	}

	#clicked(name, only) {
		const others = kinds.map(([k]) => k).filter((k) => k !== name);
		const alone = others.every((k) => this.hidden.has(k)) && !this.hidden.has(name);
		if (only) return this.#set(alone ? [] : others);
		this.#set(this.hidden.has(name) ? [...this.hidden].filter((k) => k !== name) : [...this.hidden, name]);
	}

	#set(names) {
		names = kinds.map(([k]) => k).filter((k) => names.includes(k));
		const other = names.join() !== [...this.hidden].join();
		this.hidden = new Set(names);
		for (const [name, { chip }] of this.#chips) chip.setAttribute("aria-pressed", !this.hidden.has(name));
		address.set("hide", names.join());
		if (other) this.#hide(names);
	}

	// count shows how many there are, in the order of the kinds.
	count(counts) {
		[...this.#chips.values()].forEach(({ chip, count }, i) => {
			fill(count, counts[i].toLocaleString("en"));
			chip.classList.toggle("none", !counts[i]);
		});
	}
}
