// The details of one entry: what is known of it, and its bytes in four ways. All
// text of the traffic becomes text nodes.

import { bytes, node } from "./dom.js";
import { meaningOf, reference, roving } from "./explain.js";
import { grip } from "./grip.js";
import { hex, pager, pretty, raw, Tree } from "./tabs.js";

const ways = { pretty: "Pretty", raw: "Raw", tree: "Tree", hex: "Hex" };
const partners = ["answers", "answered by", "refuses", "refused by", "acks", "acknowledged by"];

export class Details {
	#panel; #body; #tabs; #view; #said; #entry = null; #piece = null; #tree = null;
	#offs = []; // where the pieces in front of the one that is shown began
	#past = []; #now = -1; // entries that were shown
	#way = ways[localStorage.getItem("tab")] ? localStorage.getItem("tab") : "pretty";
	#per = 2; // groups of eight bytes in a line of hex
	#do;
	values = null; // (element, field, value): lets the person filter by a value
	shown = 0;
	known = 0; // facts of entries behind that one were missing

	// closed() is told of the panel, go(n) opens another entry, ask() asks the server.
	constructor(panel, { closed, go, ask }) {
		this.#do = { go, ask };
		this.#panel = panel;
		const $ = (id) => panel.querySelector(`#${id}`);
		this.#body = $("body");
		this.#tabs = $("ways");
		this.#view = $("way");
		this.#said = $("copied");
		for (const [way, title] of Object.entries(ways)) {
			const tab = node("button", "", title);
			tab.type = "button";
			tab.id = `way-${way}`;
			tab.setAttribute("role", "tab");
			tab.setAttribute("aria-controls", "way");
			tab.onclick = () => this.choose(way);
			this.#tabs.append(tab);
		}
		this.#tabs.onkeydown = (e) => {
			const all = Object.keys(ways);
			const at = { ArrowRight: all.indexOf(this.#way) + 1, ArrowLeft: all.indexOf(this.#way) + 3, Home: 0, End: 3 }[e.key];
			if (at === undefined) return;
			this.choose(all[at % 4]);
			$(`way-${this.#way}`).focus();
			e.preventDefault();
		};
		$("close").onclick = () => {
			this.hide();
			closed();
		};
		$("back").onclick = () => this.#turn(-1);
		$("forth").onclick = () => this.#turn(1);
		$("copies").onbeforetoggle = () => {
			const at = $("copy").getBoundingClientRect();
			$("copies").style.inset = `${at.bottom + 2}px ${Math.max(4, innerWidth - at.right)}px auto auto`;
		};
		for (const b of panel.querySelectorAll("#copies button")) b.onclick = () => {
			$("copies").hidePopover();
			if (b.dataset.as === "link") this.#put(location.href, `Copied the link to entry ${this.shown}`);
			else if (!ask({ op: "copy", n: this.shown, as: b.dataset.as })) this.#say("No connection: nothing was copied");
		};
		grip($("grip"), panel);
		roving(this.#view);
		new ResizeObserver(() => {
			const per = this.#view.clientWidth < 535 ? 1 : 2;
			if (per === this.#per) return;
			this.#per = per;
			if (this.#way === "hex") this.#draw();
		}).observe(this.#view);
	}

	// keys registers the keys of the details.
	keys(keys) {
		const add = (k, help, run) => keys.add({ keys: k, group: "Details", help, when: () => this.shown > 0, run });
		add(["1", "2", "3", "4"], "Pretty, raw, tree, hex", (e) => this.choose(Object.keys(ways)[e.key - 1]));
		add(["a"], "The answer, the request or what else belongs to it", () => {
			const links = this.#entry.links || [];
			const to = partners.map((kind) => links.find((l) => l.kind === kind)).find(Boolean) || links[0];
			if (to) this.#do.go(to.n);
			else this.#say("Nothing belongs to this entry");
		});
		add(["b", "Alt+ArrowLeft"], "Back to the entry before", () => this.#turn(-1));
		add(["Alt+ArrowRight"], "Forward again", () => this.#turn(1));
	}

	#turn(by) {
		if (!this.#past[this.#now + by]) return;
		this.#now += by;
		this.#do.go(this.#past[this.#now]);
	}

	hide() {
		this.shown = 0;
		this.#entry = null;
		this.#panel.hidden = true;
	}

	// show shows an entry. The same one again brings only what became known of it.
	show(entry) {
		const again = entry.row.n === this.shown;
		const same = again && JSON.stringify([this.#entry.xml, this.#entry.change]) === JSON.stringify([entry.xml, entry.change]);
		this.shown = entry.row.n;
		this.known = entry.known;
		this.#entry = entry;
		if (this.#past[this.#now] !== this.shown) {
			this.#past = [...this.#past.slice(Math.max(0, this.#now - 100), this.#now + 1), this.shown];
			this.#now = this.#past.length - 1;
		}
		const $ = (id) => this.#panel.querySelector(`#${id}`);
		this.#panel.hidden = false;
		$("back").disabled = this.#now < 1;
		$("forth").disabled = this.#now >= this.#past.length - 1;
		$("heading").textContent = heading(entry.row);
		$("copy").hidden = !entry.xml.length;
		for (const b of this.#panel.querySelectorAll("#copies [data-test]")) b.disabled = !entry.whole;
		$("facts").replaceChildren(...facts(entry, this.#do.go, this.values));
		this.#tabs.hidden = this.#view.hidden = !entry.xml.length;
		if (!again) this.#say("");
		if (same) return;
		if (!again) this.#body.scrollTop = 0;
		this.choose(this.#way);
	}

	// choose shows the bytes in one of the ways.
	choose(way) {
		this.#way = way;
		localStorage.setItem("tab", way);
		for (const tab of this.#tabs.children) {
			const on = tab.id === `way-${way}`;
			tab.setAttribute("aria-selected", on);
			tab.tabIndex = on ? 0 : -1;
		}
		this.#view.setAttribute("aria-labelledby", `way-${way}`);
		this.#offs = [];
		this.#piece = way === "pretty" ? first(this.#entry) : null;
		this.#tree = null;
		if (this.#piece || !this.#entry.xml.length) this.#draw();
		else this.#pull(0);
	}

	#pull(off) { this.#do.ask({ op: "piece", n: this.shown, as: this.#way, off }); }

	// piece takes what was asked for.
	piece(m) {
		if (m.n !== this.shown || m.as !== this.#way) return;
		if (m.as === "tree" && this.#tree && !m.error) return this.#tree.grow(m);
		this.#piece = m;
		this.#draw();
	}

	#draw() {
		const m = this.#piece;
		if (!m) return this.#view.replaceChildren();
		const out = [];
		if (this.#entry.masked) out.push(node("p", "hint", "Secrets are masked here and in copies; --show-secrets shows them."));
		const pages = pager(m, this.#offs.length, (next) => {
			if (next) this.#offs.push(m.off);
			this.#pull(next ? m.next : this.#offs.pop());
		});
		out.push(...pages);
		if (m.error) out.push(node("p", "hint", m.error));
		else if (m.as === "tree") {
			this.#tree = new Tree(m.node, this.#entry.meanings, (id, from) => this.#do.ask({ op: "piece", n: this.shown, as: "tree", node: id, from }));
			out.push(this.#tree.element);
		} else if (m.as === "hex") out.push(hex(m, this.#per));
		else if (m.as === "raw") out.push(raw(m.tokens));
		else out.push(...pretty(this.#entry, m.tokens, !m.off));
		if (pages.length) this.#body.scrollTop = Math.min(this.#body.scrollTop, this.#tabs.offsetTop);
		const held = this.#view.contains(document.activeElement) && document.activeElement !== this.#view;
		this.#view.replaceChildren(...out);
		if (held) this.#view.focus();
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

	#say(text) { this.#said.textContent = text; }
}

const first = ({ row, xml, cut }) => {
	const size = xml.reduce((n, [, text]) => n + new TextEncoder().encode(text).length, 0);
	return xml.length ? { n: row.n, as: "pretty", off: 0, next: cut ? size : 0, total: size + (cut || 0), tokens: xml } : null;
};

export function heading(row) {
	const where = { CS: "client → server", SC: "client ← server" }[row.dir] || row.kind || "";
	return `#${row.n}  ${where}${row.conn ? `, connection ${row.conn}` : ""}${row.size ? `, ${bytes(row.size)}` : ""}`;
}

// gap says a time between two entries.
function gap(s) {
	const t = Math.abs(s);
	const text = t < 1 ? `${(t * 1000).toFixed(t < 0.01 ? 2 : 0)} ms` : t < 120 ? `${t.toFixed(2)} s` : `${Math.round(t / 60)} min`;
	return `${text} ${s < 0 ? "before" : "later"}`;
}

const filters = { type: "type", id: "id", from: "from", to: "to", namespace: "ns", phase: "phase", outcome: "outcome" };

// facts are what is known of an entry.
function facts({ row, fields, payloads, findings, links, meanings, error }, go, values) {
	const summary = node("p", "summary", error || row.summary);
	summary.dir = "auto";
	const out = [summary];
	for (const f of findings || []) {
		const p = node("p", `finding ${f.severity}`, `${f.text} `);
		const small = node("small", "", `${f.severity} ${f.code}, `);
		small.append(reference(f.ref));
		p.append(small);
		out.push(p);
	}
	const add = (list, name, value) => {
		const pair = node("div");
		const dd = node("dd");
		const text = dd.appendChild(node("span", "", value)); // it may become a button, which a dd may not
		text.dir = "auto";
		pair.append(node("dt", "", name), dd);
		list.append(pair);
		return text;
	};
	const pairs = node("dl", "pairs");
	for (const [name, value] of fields) {
		const dd = add(pairs, name, value);
		if (values && filters[name]) values(dd, filters[name], value);
	}
	if (row.latency) add(pairs, "latency", `${row.latency} ms`);
	for (const p of payloads) {
		const m = meaningOf(meanings, p.NS);
		const dd = add(pairs, p.XEP || "payload", m ? p.Name : `${p.Name} ${p.NS}`);
		if (!m) continue;
		dd.append(node("small", "", ` ${m.text.split(",")[0]}`));
		dd.title = p.NS;
		if (m.ref) dd.parentNode.previousSibling.replaceChildren(reference(m.ref));
	}
	out.push(pairs);
	const lines = node("dl", "links");
	for (const l of links || []) {
		const link = node(go ? "button" : "span", go ? "link" : "", `#${l.n}`);
		if (go) link.onclick = () => go(l.n);
		const dd = add(lines, l.kind, "");
		dd.append(link, l.summary ? ` ${gap(l.after)}: ` : "", node("bdi", "", l.summary || ""));
		dd.title = l.summary || "";
	}
	out.push(lines);
	return out;
}

// contents are the elements that show an entry without tabs.
export function contents(entry) {
	const out = facts(entry, null, null);
	if (entry.xml.length) out.push(...pretty(entry, entry.xml, true));
	if (entry.cut) out.push(node("p", "", `${bytes(entry.cut)} more are not shown here; xmpplens show prints all.`));
	return out;
}
