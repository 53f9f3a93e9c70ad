// The details of one entry: what is known of it, and its bytes in four ways. The
// server draws both; the page turns between pieces, opens the tree and copies.

import { $, draw } from "./dom.js";
import { roving } from "./explain.js";
import { grip } from "./grip.js";
import { tree } from "./tree.js";

const ways = ["pretty", "raw", "tree", "hex"];

export class Details {
	#do; #grow;
	#past = []; #now = -1; // entries that were shown
	#way = ways.find((way) => way === localStorage.getItem("tab")) || "pretty";
	#state = ""; // of what is drawn of the entry
	#seq = 0; // counts the pieces that were asked for
	#off = 0; #offs = []; // where the piece that is shown begins, and where those did from which people came
	#partner = 0; // the entry that this one belongs to
	#asked = 0; #closed = 0; // counts the entries that were asked for; those up to #closed come too late
	shown = 0;
	known = 0; // facts of entries behind that one were missing

	// closed() is told of the panel, go(n) opens another entry, ask() asks the server.
	constructor({ closed, go, ask }) {
		this.#do = { go, ask };
		$("ways").onclick = (e) => e.target.role === "tab" && this.choose(e.target.id.slice(4));
		$("ways").onkeydown = (e) => {
			const at = { ArrowRight: ways.indexOf(this.#way) + 1, ArrowLeft: ways.indexOf(this.#way) + 3, Home: 0, End: 3 }[e.key];
			if (at === undefined) return;
			this.choose(ways[at % 4]);
			$(`way-${this.#way}`).focus();
			e.preventDefault();
		};
		$("way").addEventListener("click", (e) => {
			const off = Number(e.target.dataset.off || NaN);
			if (off > 0) this.#offs.push(this.#off);
			if (off) this.#turn({ off: off > 0 ? off : this.#offs.pop() });
		});
		$("close").onclick = () => {
			this.hide();
			closed();
		};
		$("back").onclick = () => this.#walk(-1);
		$("forth").onclick = () => this.#walk(1);
		$("copies").onclick = ({ target: { dataset: { as } } }) => {
			if (!as) return;
			$("copies").hidePopover();
			if (as === "link") this.#put(location.href, `Copied the link to entry ${this.shown}`);
			else if (!ask({ op: "copy", n: this.shown, as })) this.#say("No connection: nothing was copied");
		};
		grip($("grip"), $("details"));
		roving($("way"));
		this.#grow = tree($("way"), (node, from) => this.#pull({ node, from }));
	}

	// keys registers the keys of the details.
	keys(keys) {
		for (const [names, help, run] of [
			[["1", "2", "3", "4"], "Pretty, raw, tree, hex", (e) => this.choose(ways[e.key - 1])],
			[["a"], "The answer, the request or what else belongs to it", () => this.#partner ? this.#do.go(this.#partner) : this.#say("Nothing belongs to this entry")],
			[["b", "Alt+ArrowLeft"], "Back to the entry before", () => this.#walk(-1)],
			[["Alt+ArrowRight"], "Forward again", () => this.#walk(1)],
		]) keys.add({ keys: names, group: "Details", help, when: () => this.shown > 0, run });
	}

	// look asks for an entry, by its number or its place in the list.
	look(of) { return this.#do.ask({ op: "entry", as: this.#way, seq: ++this.#asked, ...of }); }

	// late tells that the panel was closed since an entry was asked for.
	late(m) { return m.seq <= this.#closed; }

	#walk(by) {
		if (!this.#past[this.#now + by]) return;
		this.#now += by;
		this.#do.go(this.#past[this.#now]);
	}

	hide() {
		this.#closed = this.#asked;
		this.shown = 0;
		$("details").hidden = true;
	}

	// show shows an entry. The same one again brings only what became known of it.
	show(m) {
		const again = m.n === this.shown;
		const same = again && m.state === this.#state;
		this.shown = m.n;
		this.known = m.known;
		this.#state = m.state;
		if (!same) this.#seq++;
		this.#partner = m.partner;
		if (this.#past[this.#now] !== m.n) {
			this.#past = [...this.#past.slice(Math.max(0, this.#now - 100), this.#now + 1), m.n];
			this.#now = this.#past.length - 1;
		}
		$("details").hidden = false;
		$("back").disabled = this.#now < 1;
		$("forth").disabled = this.#now >= this.#past.length - 1;
		$("heading").textContent = m.heading;
		$("copy").hidden = $("ways").hidden = $("way").hidden = !m.leaf;
		for (const b of $("copies").querySelectorAll("[data-test]")) b.disabled = !m.whole;
		draw($("facts"), m.facts);
		if (same) return;
		if (!again) {
			this.#say("");
			$("body").scrollTop = 0;
		}
		this.choose(this.#way, m.leaf);
	}

	// choose shows the bytes in one of the ways, from the first piece on.
	choose(way, first) {
		this.#way = way;
		localStorage.setItem("tab", way);
		for (const tab of $("ways").children) {
			const on = tab.id === `way-${way}`;
			tab.ariaSelected = on;
			tab.tabIndex = on ? 0 : -1;
		}
		$("way").setAttribute("aria-labelledby", `way-${way}`);
		this.#offs = [];
		if (first?.as === way) this.#draw(first);
		else if (!$("way").hidden) this.#turn({});
	}

	// turn brings another piece to the screen.
	#turn(to) {
		this.#seq++;
		this.#pull(to);
	}

	#pull(piece) { this.#do.ask({ op: "piece", n: this.shown, as: this.#way, seq: this.#seq, draw: true, ...piece }); }

	// piece takes what was asked for.
	piece(m) {
		if (m.seq !== this.#seq) return;
		if (m.more) this.#grow(m);
		else this.#draw(m);
	}

	#draw(m) {
		const way = $("way"), held = way.contains(document.activeElement) && document.activeElement !== way;
		if (this.#off || m.off) $("body").scrollTop = Math.min($("body").scrollTop, $("ways").offsetTop);
		this.#off = m.off;
		draw(way, m.drawn);
		if (held && !way.contains(document.activeElement)) way.focus();
	}

	// copied takes the text of a copy.
	copied(m) {
		if (m.error) this.#say(m.error);
		else this.#put(m.text, m.said);
	}

	async #put(text, said) {
		try {
			await navigator.clipboard.writeText(text);
			this.#say(said);
		} catch {
			this.#say("The browser does not let this page write to the clipboard");
		}
	}

	#say(text) { $("copied").textContent = text; }
}
