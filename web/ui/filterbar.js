// The filter bar: what is typed becomes the filter of the list, with completion of
// names and of values that the recording has.

import { address } from "./address.js";
import { $, node } from "./dom.js";
import { openMenu, valuesTo } from "./values.js";

const longest = 3000; // characters: the server reads requests up to a size
const remembered = 30; // filters
const operators = [["==", "is"], ["!=", "is not"], ["contains", "has in it"], ["startsWith", "begins with"], ["endsWith", "ends with"], ["matches", "fits a regular expression"], ["in", 'is one of ["…", "…"]']];
const joints = [["and", "both"], ["or", "one of both"], ["not", "the others"]];
const texts = /^(name|type|id|(from|to)(\.\w+)?|ns|lang|kind|summary|dir|phase|outcome|body|error)$/;
const behind = /(?:\b(payload|finding|jid|xep)\(\s*|\b([\w.]+)\s*(?:==|!=|contains|startsWith|endsWith|in\s*\[(?:[^\]]*,)?)\s*)("?)([^"]*)$/; // a value is due
const key = "filters";

export class FilterBar {
	#live; #input = $("filter"); #list = $("names"); #options = []; #active = -1; #names = []; #seq = 0; #again = 0; #typing = 0; #before = null; #asked = "";
	expression = ""; // of the list

	constructor(live, list) {
		this.#live = live;
		this.#input.maxLength = longest;
		fetch("names").then((r) => r.json()).then((all) => { this.#names = all; });
		this.#input.oninput = () => {
			this.#look();
			this.#complete();
			clearTimeout(this.#typing);
			this.#typing = setTimeout(() => this.set(this.#input.value.trim()), 250);
		};
		this.#input.onkeydown = (e) => this.#key(e);
		this.#input.onscroll = () => { $("echo").scrollLeft = this.#input.scrollLeft; };
		this.#input.onblur = () => {
			this.#close();
			this.#keep();
		};
		this.#list.onpointerdown = (e) => {
			e.preventDefault(); // the input keeps the focus
			const el = e.target.closest("[role=option]");
			if (!el) return;
			if (e.target.closest(".forget")) this.#forget(this.#options[el.dataset.i].text);
			else this.#take(this.#options[el.dataset.i]);
		};
		$("unfilter").onclick = () => {
			this.put("");
			this.#input.focus();
		};
		live.on("filter", (m) => this.#answer(m));
		live.on("complete", (m) => this.#values(m));
		live.on("values", (m) => m.values.length && openMenu(list, m.values, ...(this.#before || [])));
		live.on("refine", (m) => (m.error ? this.#answer({ error: m.error, hint: "write it by hand", column: 0 }) : this.put(m.expr)));
		valuesTo((how, field, value) => live.ask({ op: "refine", filter: this.expression, how, field, value }));
		list.addEventListener("contextmenu", (e) => {
			const row = e.target.closest(".row[data-at]") || list.querySelector("[aria-selected=true]");
			if (!row) return;
			e.preventDefault();
			this.#before = [e.clientX, e.clientY];
			if (e.button < 0 || !e.clientX) this.#before = [row.getBoundingClientRect().left + 60, row.getBoundingClientRect().bottom];
			live.ask({ op: "values", at: Number(row.dataset.at) });
		});
		address.on("filter", (text) => this.put(text));
		this.put(address.get("filter"));
	}

	// put shows a filter and sets it.
	put(text) {
		this.#input.value = text;
		this.#close();
		this.#look();
		this.set(text.trim());
	}

	// set asks for a filter; the list is of it when the server could read it.
	set(text) {
		clearTimeout(this.#typing);
		if (text === this.#asked) return;
		this.#asked = text;
		address.set("filter", text);
		this.#live.ask({ op: "filter", expr: text });
	}

	// again tells a server that knows nothing yet.
	again() {
		if (this.#asked) this.#live.ask({ op: "filter", expr: this.expression || this.#asked });
		if (this.expression && this.expression !== this.#asked) this.#live.ask({ op: "filter", expr: this.#asked });
	}

	// status tells how far a filter has looked.
	status(m) {
		const busy = this.expression && m.looked < m.total;
		$("looking").hidden = !busy;
		if (busy) $("looking").textContent = `${m.looked.toLocaleString("en")} of ${m.total.toLocaleString("en")} looked at`;
	}

	#answer({ expr, error, hint, column }) {
		if (expr !== undefined && expr !== this.#asked) return; // to what stood there before
		this.#input.setAttribute("aria-invalid", !!error);
		$("problem").hidden = !error;
		$("problem").textContent = error ? `At ${column + 1}: ${error}. ${hint}` : "";
		if (!error) this.expression = expr;
		this.#look(error ? column : -1);
	}

	// look marks the place of a mistake under the text; without one, there is none.
	#look(column = -1) {
		const text = this.#input.value;
		$("unfilter").hidden = !text;
		const lead = text.length - text.trimStart().length;
		const at = lead + [...text.trimStart()].slice(0, column).join("").length;
		const [word] = text.slice(at).match(/^[\w.]+|^[^]/u) || [" "];
		$("echo").replaceChildren(...(column < 0 ? [] : [text.slice(0, at), node("mark", "", word)]));
		$("echo").scrollLeft = this.#input.scrollLeft;
	}

	get #history() {
		try { return JSON.parse(localStorage.getItem(key)).filter((t) => typeof t === "string"); } catch { return []; }
	}

	#keep() {
		const text = this.expression;
		if (text && text === this.#input.value.trim()) localStorage.setItem(key, JSON.stringify([text, ...this.#history.filter((t) => t !== text)].slice(0, remembered)));
	}

	#forget(text) {
		localStorage.setItem(key, JSON.stringify(this.#history.filter((t) => t !== text)));
		this.#show(this.#options.filter((o) => !o.past || o.text !== text));
	}

	#past(part) { return this.#history.filter((t) => t.includes(part) && t !== part).map((text) => ({ text, label: text, help: "used before", past: true })); }

	// complete offers what can stand where the caret is.
	#complete() {
		clearTimeout(this.#again);
		const caret = this.#input.selectionStart;
		const text = this.#input.value.slice(0, caret);
		const rest = this.#input.value.slice(caret);
		const value = text.match(behind);
		this.#seq++;
		if (value && (value[1] || texts.test(value[2]) || value[2] === "conn")) {
			this.#live.ask({ op: "complete", seq: this.#seq, field: value[1] === "jid" ? "from.bare" : value[1] || value[2], part: value[4] });
			return;
		}
		const [, before, word] = text.match(/^(.*?)([\w.]*)$/s);
		const of = before.match(/([\w.]+)\s+$/)?.[1];
		const offer = (all) => all.filter(([n]) => n.startsWith(word) && n !== word).map(([n, help]) => {
			const open = n.replace(/\(.*$/, n.startsWith("xep") ? "(" : '("'); // functions as far as their argument
			return { text: before + open + (open === n ? " " : ""), label: n, help, rest };
		});
		const names = this.#names.map((n) => [n.Name, n.Help]);
		let all = [];
		if ((before.split('"').length - 1) % 2) all = []; // in a text
		else if (of && texts.test(of) && !before.match(/["\])]\s*$/)) all = offer(operators);
		else if (of && !joints.some(([j]) => j === of) || /["\])]\s+$/.test(before)) all = offer(joints);
		else if (word || before.trim()) all = offer([...names, ...joints]);
		this.#show([...all.slice(0, 40), ...(this.#input.value.trim() ? this.#past(this.#input.value.trim()).slice(0, 5) : [])]);
	}

	#values({ seq, values, more }) {
		if (seq !== this.#seq || document.activeElement !== this.#input) return;
		const caret = this.#input.selectionStart;
		const text = this.#input.value.slice(0, caret);
		const value = text.match(behind);
		if (!value) return;
		const number = value[1] === "xep" || value[2] === "conn";
		const close = value[1] ? ")" : "";
		const before = text.slice(0, text.length - value[3].length - value[4].length);
		const rest = this.#input.value.slice(caret).replace(/^"?\)?/, "");
		const active = this.#options[this.#active]?.label;
		this.#show(values.filter((v) => v !== value[4]).map((v) => ({ text: `${before}${number ? v : JSON.stringify(v)}${close} `, label: v, help: "", rest })));
		const still = this.#options.findIndex((o) => o.label === active);
		if (still >= 0) this.#move(still);
		if (more) this.#again = setTimeout(() => this.#list.hidden || this.#complete(), 200);
	}

	#show(options) {
		this.#options = options;
		this.#active = -1;
		this.#list.replaceChildren(...options.map((o, i) => {
			const el = node("li");
			el.id = `name-${i}`;
			el.dataset.i = i;
			el.setAttribute("role", "option");
			el.setAttribute("aria-selected", false);
			const label = node("bdi", "", o.label);
			el.append(label, node("small", "", o.help));
			if (o.past) {
				const x = node("span", "forget", "✕");
				x.title = "Forget it (Shift+Delete)";
				x.setAttribute("aria-hidden", true);
				el.append(x);
			}
			return el;
		}));
		this.#list.hidden = !options.length;
		this.#input.setAttribute("aria-expanded", !!options.length);
		this.#input.removeAttribute("aria-activedescendant");
	}

	#close() {
		this.#seq++;
		clearTimeout(this.#again);
		this.#show([]);
	}

	#move(i) {
		this.#list.children[this.#active]?.setAttribute("aria-selected", false);
		this.#active = i;
		const el = this.#list.children[i];
		el.setAttribute("aria-selected", true);
		el.scrollIntoView({ block: "nearest" });
		this.#input.setAttribute("aria-activedescendant", el.id);
	}

	#take({ text, rest = "", past }) {
		this.#input.value = text + rest;
		this.#input.setSelectionRange(text.length, text.length);
		this.#look();
		if (past) {
			this.#close();
			this.set(text);
		} else this.#input.oninput();
	}

	#key(e) {
		if (e.isComposing) return;
		const n = this.#options.length;
		const plain = !e.ctrlKey && !e.metaKey && !e.altKey && !e.shiftKey;
		if (e.key === "ArrowDown" && plain) {
			if (n) this.#move((this.#active + 1) % n);
			else this.#complete();
		} else if (e.key === "ArrowUp" && plain) {
			if (n) this.#move((this.#active < 0 ? n : this.#active + n) - 1 < 0 ? n - 1 : ((this.#active < 0 ? n : this.#active + n) - 1) % n);
			else if (this.#history.length) this.#show(this.#past(""));
		} else if (e.key === "Delete" && e.shiftKey && this.#options[this.#active]?.past) {
			this.#forget(this.#options[this.#active].text);
		} else if (e.key === "Tab" && plain && n) {
			this.#take(this.#options[Math.max(this.#active, 0)]);
		} else if (e.key === "Enter" && plain && this.#active >= 0) {
			this.#take(this.#options[this.#active]);
		} else if (e.key === "Enter") { // with Ctrl the text is taken as it is, and stays under the caret
			this.#close();
			this.set(this.#input.value.trim());
			this.#keep();
			if (plain) $("list").focus();
		} else if (e.key === "Escape") {
			if (n) this.#close();
			else $("list").focus();
		} else return;
		e.preventDefault();
		e.stopPropagation();
	}
}
