// Notes: what a person says about the chosen entry, or at the end of the recording
// when none is chosen. A note is an entry; it comes into the list as others do.

import { $, why } from "./dom.js";

const lookFor = 3000; // milliseconds in which the details are asked for again

export class Notes {
	#chosen; #on = 0; #until = 0; #known = 0;
	possible = false;

	// chosen() tells which entry is open: n and its heading and summary.
	constructor(ask, chosen) {
		this.#chosen = chosen;
		const keep = () => {
			const text = $("notetext").value.trim();
			if (!text) $("noting").close();
			else if (!ask({ op: "note", n: this.#on, text })) $("notewrong").textContent = "the connection is lost; it comes back by itself";
		};
		$("note").onclick = () => this.open();
		$("notecancel").onclick = () => $("noting").close();
		$("notekeep").onclick = keep;
		$("notetext").onkeydown = (e) => {
			if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
			e.preventDefault();
			keep();
		};
	}

	can(possible) {
		this.possible = possible;
		$("note").hidden = !possible;
	}

	open() {
		const { n, heading, summary } = this.#chosen();
		this.#on = n;
		$("noteon").textContent = n ? `Note on ${heading}` : "Note at the end of the recording";
		$("noteabout").textContent = n ? summary : "";
		$("notetext").value = $("notewrong").textContent = "";
		$("noting").showModal();
		$("notetext").focus();
	}

	done(m) {
		if (m.error) return $("notewrong").textContent = why(m);
		this.#until = performance.now() + lookFor;
		$("noting").close();
	}

	// fresh reports whether an entry that is open may have got a note.
	fresh(n, known) {
		const more = known !== this.#known;
		this.#known = known;
		return more && n === this.#on && performance.now() < this.#until;
	}
}
