// The bytes of an entry in four ways: pretty, raw, as a tree and in hexadecimal.

import { node } from "./dom.js";
import { explain, meaningOf, reference } from "./explain.js";

const count = (n) => n.toLocaleString("en");

// pager says which piece of a long frame is shown, and leads to the others.
export function pager(m, before, go) {
	if (!m.next && !m.off) return [];
	const bar = node("div", "pager");
	const button = (text, next, off) => {
		const b = node("button", "", text);
		b.type = "button";
		b.disabled = off;
		b.onclick = () => go(next);
		bar.append(b);
	};
	const end = m.next || m.total;
	bar.append(node("span", "", `Bytes ${count(m.off)} to ${count(end)} of ${count(m.total)}; ${count(m.total - end)} more`));
	button("Before", false, !before);
	button("Next", true, !m.next);
	return [bar];
}

// code is coloured XML, with the meanings of its names.
export function code(tokens, meanings) {
	const pre = node("pre");
	let element = "";
	for (const [cls, text] of tokens) {
		if (!cls) {
			pre.append(text);
			continue;
		}
		const span = node("span", cls, text);
		if (cls === "element") element = text.replace(/^.*:/, "");
		if (cls === "attr") explain(span, meaningOf(meanings, `${element} ${text}`));
		if (cls === "ns") explain(span, meaningOf(meanings, text.slice(1, -1)));
		pre.append(span);
	}
	pre.querySelector(".why")?.setAttribute("tabindex", 0);
	return pre;
}

// pretty shows the XML, what the proxy made of it, and what is folded in it.
export function pretty(entry, tokens, all) {
	const out = [];
	if (all && entry.change) out.push(...changed(entry.change));
	out.push(code(tokens, entry.meanings));
	if (all) out.push(...(entry.unfolded || []).map(fold));
	return out;
}

const signs = { "+": "ins", "-": "del", "=": "span" };

// changed shows what was received and what was sent on, line by line.
function changed({ how, by, why, lines, cut }) {
	const title = { edited: "What the proxy changed", injected: "Put in by the proxy, received from nobody", dropped: "Taken out by the proxy, not sent on" }[how];
	const pre = node("pre", "change");
	lines.forEach(({ sign, tokens }, i) => {
		const near = sign !== "=" || lines.slice(Math.max(0, i - 3), i + 4).some((l) => l.sign !== "=");
		if (!near) {
			if (i && !pre.lastChild?.matches?.(".skip")) pre.append(node("span", "skip", "⋯"));
			return;
		}
		const line = node(signs[sign], "", { "+": "+ ", "-": "− ", "=": "  " }[sign]);
		for (const [cls, text] of tokens) line.append(cls ? node("span", cls, text) : text);
		pre.append(line);
	});
	const out = [node("h2", "", title || how), node("p", "", [by && `by ${by}`, why].filter(Boolean).join(": ")), pre];
	if (cut) out.push(node("p", "hint", `${count(cut)} more lines are not shown`));
	out.push(node("h2", "", how === "edited" ? "As it was received" : "XML"));
	return out;
}

// fold shows something in another form than XML.
function fold({ what, rows, head, text, ref }) {
	const el = node("details", "fold");
	el.open = !text || text.length < 2000;
	el.append(node("summary", "", what));
	if (ref) el.appendChild(node("p", "hint")).append(reference(ref));
	if (rows?.length) {
		const table = node("table");
		if (head) {
			const tr = table.createTHead().insertRow();
			for (const h of head) tr.append(node("th", "", h));
		}
		const body = table.createTBody();
		for (const row of rows) {
			const tr = body.insertRow();
			row.forEach((cell, i) => {
				const td = node(i || head ? "td" : "th", "", cell);
				td.dir = "auto";
				tr.append(td);
			});
		}
		el.append(table);
	}
	if (text) el.append(node("pre", "", text));
	return el;
}

// raw shows bytes as they are.
export function raw(tokens) {
	const pre = code(tokens || []);
	pre.classList.add("raw");
	return pre;
}

// hex shows bytes in figures and as text, so many groups of eight in a line.
export function hex({ off, groups }, per) {
	const pre = node("pre", "hex");
	for (let i = 0; i < (groups || []).length; i += per) {
		const line = node("div");
		const part = groups.slice(i, i + per);
		const figures = part.map(([figures]) => figures.padEnd(23)).join("  ");
		line.append(node("span", "off", (off + 8 * i).toString(16).padStart(8, "0")), `  ${figures.padEnd(per * 25 - 2)}  `,
			node("span", "chars", part.map(([, text]) => text).join("")));
		pre.append(line);
	}
	return pre;
}

// A Tree shows elements, and gets what is inside when somebody opens them.
export class Tree {
	#items = new Map(); #meanings; #ask;
	element = node("ul", "tree");

	constructor(root, meanings, ask) {
		this.#meanings = meanings;
		this.#ask = ask;
		this.element.setAttribute("role", "tree");
		this.element.setAttribute("aria-label", "Elements");
		this.element.append(this.#item(root, "", 1));
		this.element.firstChild.tabIndex = 0;
		this.element.onkeydown = (e) => this.#key(e);
		this.element.onclick = (e) => {
			const item = e.target.closest("[role=treeitem]");
			if (!item || getSelection().type === "Range") return;
			this.#focus(item);
			this.#toggle(item);
		};
	}

	// grow takes more of what is inside an element.
	grow({ node: b, from }) {
		const item = this.#items.get(b.id);
		if (!item || item.have !== from) return;
		const held = item.more?.contains(document.activeElement);
		item.more?.remove();
		this.#fill(item, b);
		if (held) this.#focus(item.group.children[from]);
	}

	#item(b, ns, level) {
		const li = node("li");
		li.setAttribute("role", "treeitem");
		li.setAttribute("aria-level", level);
		li.tabIndex = -1;
		const line = node("div");
		const name = node("span", "element", b.name);
		explain(name, meaningOf(this.#meanings, b.ns));
		line.append(name);
		for (const a of b.attrs || []) {
			const key = node("span", "attr", a.name);
			explain(key, meaningOf(this.#meanings, `${b.name.replace(/^.*:/, "")} ${a.name}`));
			const value = node("bdi", a.masked ? "masked" : a.name.startsWith("xmlns") ? "ns" : "value", `"${a.value}"`);
			line.append(" ", key, "=", value);
		}
		if (b.more) line.append(` and ${count(b.more)} more attributes`);
		if (b.ns !== ns && !(b.attrs || []).some((a) => a.name.startsWith("xmlns") && a.value === b.ns)) line.append(" ", node("span", "ns", `in ${b.ns || "no namespace"}`));
		if (b.mask) line.append(" ", node("span", "masked", b.mask));
		if (b.text?.trim()) line.append(" ", node("bdi", "text", b.text));
		if (b.cut) line.append(node("span", "hint", ` … ${count(b.cut)} bytes more`));
		line.append(" ", node("small", "", `${b.kids ? `${count(b.kids)} inside, ` : ""}${count(b.size)} B`));
		li.append(line);
		if (b.kids) {
			const group = node("ul");
			group.setAttribute("role", "group");
			li.append(group);
			const item = { li, group, have: 0, kids: b.kids, ns: b.ns, id: b.id, level, more: null };
			this.#items.set(b.id, item);
			this.#fill(item, b);
			li.setAttribute("aria-expanded", level < 4 && item.have > 0);
		}
		li.dataset.id = b.id;
		return li;
	}

	#fill(item, b) {
		for (const c of b.in || []) item.group.append(this.#item(c, item.ns, item.level + 1));
		item.have += (b.in || []).length;
		item.more = null;
		if (item.have >= item.kids) return;
		item.more = node("li", "more", `${count(item.kids - item.have)} more elements: show the next`);
		item.more.setAttribute("role", "treeitem");
		item.more.setAttribute("aria-level", item.level + 1);
		item.more.tabIndex = -1;
		item.more.dataset.of = item.id;
		item.group.append(item.more);
	}

	#toggle(li, open) {
		if (li.dataset.of) return this.#ask(Number(li.dataset.of), this.#items.get(Number(li.dataset.of)).have);
		if (!li.hasAttribute("aria-expanded")) return;
		const to = open ?? li.getAttribute("aria-expanded") !== "true";
		li.setAttribute("aria-expanded", to);
		const item = this.#items.get(Number(li.dataset.id));
		if (to && !item.have) this.#ask(item.id, 0);
	}

	#focus(li) {
		for (const el of this.element.querySelectorAll("[tabindex='0']")) el.tabIndex = -1;
		li.tabIndex = 0;
		li.focus();
	}

	#key(e) {
		const li = e.target.closest("[role=treeitem]");
		if (!li || e.altKey || e.ctrlKey || e.metaKey) return;
		const seen = [...this.element.querySelectorAll("[role=treeitem]")].filter((el) => el.checkVisibility());
		const at = seen.indexOf(li);
		const open = li.getAttribute("aria-expanded");
		const up = li.parentElement.closest("[role=treeitem]");
		let to = null;
		if (e.key === "ArrowDown") to = seen[at + 1];
		else if (e.key === "ArrowUp") to = seen[at - 1];
		else if (e.key === "Home") [to] = seen;
		else if (e.key === "End") to = seen.at(-1);
		else if (e.key === "ArrowRight" && open === "false") this.#toggle(li, true);
		else if (e.key === "ArrowRight" && open) to = seen[at + 1];
		else if (e.key === "ArrowLeft" && open === "true") this.#toggle(li, false);
		else if (e.key === "ArrowLeft") to = up;
		else if (e.key === "Enter" || e.key === " ") this.#toggle(li);
		else return;
		if (to) this.#focus(to);
		e.preventDefault();
		e.stopPropagation();
	}
}
