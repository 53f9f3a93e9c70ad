// Notes: what a person says about the chosen entry, or at the end of the recording
// when none is chosen. A note is an entry; it comes into the list as others do.

const lookFor = 3000; // milliseconds in which the details are asked for again

export class Notes {
	#dialog; #button; #ask; #chosen; #on = 0; #until = 0; #known = 0;
	possible = false;

	// chosen() tells which entry is open: n and its heading and summary.
	constructor(dialog, button, { ask, chosen }) {
		this.#dialog = dialog;
		this.#button = button;
		this.#ask = ask;
		this.#chosen = chosen;
		button.onclick = () => this.open();
		const $ = (id) => dialog.querySelector(`#${id}`);
		$("notecancel").onclick = () => dialog.close();
		$("notekeep").onclick = () => this.#keep();
		$("notetext").onkeydown = (e) => {
			if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
			e.preventDefault();
			this.#keep();
		};
	}

	can(possible) {
		this.possible = possible;
		this.#button.hidden = !possible;
	}

	open() {
		const { n, heading, summary } = this.#chosen();
		this.#on = n;
		const $ = (id) => this.#dialog.querySelector(`#${id}`);
		$("noteon").textContent = n ? `Note on ${heading}` : "Note at the end of the recording";
		$("noteabout").textContent = n ? summary : "";
		$("noteabout").hidden = !n;
		$("notetext").value = "";
		this.#wrong("");
		this.#dialog.showModal();
		$("notetext").focus();
	}

	#keep() {
		const text = this.#dialog.querySelector("#notetext").value.trim();
		if (!text) return this.#dialog.close();
		if (!this.#ask({ op: "note", n: this.#on, text })) this.#wrong("the connection is lost; it comes back by itself");
	}

	done({ error, hint }) {
		if (error) return this.#wrong(hint ? `${error}: ${hint}` : error);
		this.#until = performance.now() + lookFor;
		this.#dialog.close();
	}

	// fresh reports whether an entry that is open may have got a note.
	fresh(n, known) {
		const more = known !== this.#known;
		this.#known = known;
		return more && n === this.#on && performance.now() < this.#until;
	}

	#wrong(text) {
		const el = this.#dialog.querySelector("#notewrong");
		el.hidden = !text;
		el.textContent = text;
	}
}
