// The filter bar: what is typed becomes the filter of the list, with completion of
// names and of values that the recording has.

import { address } from "./address.js";
import { $, h } from "./dom.js";
import { openMenu, valuesTo } from "./values.js";

const remembered = 30; // filters
const operators = [["==", "is"], ["!=", "is not"], ["contains", "has in it"], ["startsWith", "begins with"], ["endsWith", "ends with"], ["matches", "fits a regular expression"], ["in", 'is one of ["…", "…"]']];
const joints = [["and", "both"], ["or", "one of both"], ["not", "the others"]];
const texts = /^(name|type|id|(from|to)(\.\w+)?|ns|lang|kind|summary|dir|phase|outcome|body|error)$/;
const behind = /(?:\b(payload|finding|jid|xep)\(\s*|\b([\w.]+)\s*(?:==|!=|contains|startsWith|endsWith|in\s*\[(?:[^\]]*,)?)\s*)("?)([^"]*)$/; // a value is due

export class FilterBar {
	#live; #input = $("filter"); #list = $("names"); #options = []; #active = -1; #names = []; #due = []; #seq = 0; #again = 0; #typing = 0; #point = []; #asked = "";
	expression = ""; // of the list

	constructor(live, list) {
		const input = this.#input;
		this.#live = live;
		fetch("names").then((r) => r.json()).then((all) => { this.#names = all.map((n) => [n.Name, n.Help]); });
		input.oninput = () => {
			this.#look();
			this.#complete();
			clearTimeout(this.#typing);
			this.#typing = setTimeout(() => this.set(input.value.trim()), 250);
		};
		input.onkeydown = (e) => this.#key(e);
		input.onscroll = () => { $("echo").scrollLeft = input.scrollLeft; };
		input.onblur = () => {
			this.#close();
			this.#keep();
		};
		this.#list.onpointerdown = (e) => {
			e.preventDefault(); // the input keeps the focus
			const option = this.#options[[...this.#list.children].indexOf(e.target.closest("li"))];
			if (e.target.matches(".forget")) this.#forget(option.text);
			else if (option) this.#take(option);
		};
		$("unfilter").onclick = () => {
			this.put("");
			input.focus();
		};
		live.on("filter", (m) => this.#answer(m));
		live.on("complete", (m) => this.#values(m));
		live.on("values", (m) => m.values.length && openMenu(list, m.values, ...this.#point));
		live.on("refine", (m) => (m.error ? this.#answer({ error: m.error, hint: "write it by hand", column: 0 }) : this.put(m.expr)));
		valuesTo((how, field, value) => live.ask({ op: "refine", filter: this.expression, how, field, value }));
		list.addEventListener("contextmenu", (e) => {
			const row = e.target.closest(".row[data-at]") || list.querySelector("[aria-selected=true]");
			if (!row) return;
			e.preventDefault();
			const { left, bottom } = row.getBoundingClientRect();
			this.#point = e.button < 0 || !e.clientX ? [left + 60, bottom] : [e.clientX, e.clientY]; // by a key, or with the mouse
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
		if (this.expression) this.#live.ask({ op: "filter", expr: this.expression });
		if (this.expression !== this.#asked) this.#live.ask({ op: "filter", expr: this.#asked });
	}

	// status tells how far a filter has looked.
	status({ looked, total }) {
		$("looking").hidden = !this.expression || looked >= total;
		$("looking").textContent = `${looked.toLocaleString("en")} of ${total.toLocaleString("en")} looked at`;
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
		$("echo").replaceChildren(...(column < 0 ? [] : [text.slice(0, at), h("mark", {}, word)]));
		$("echo").scrollLeft = this.#input.scrollLeft;
	}

	get #history() { return JSON.parse(localStorage.getItem("filters") || "[]"); }
	set #history(all) { localStorage.setItem("filters", JSON.stringify(all.slice(0, remembered))); }

	#keep() {
		const text = this.expression;
		if (text && text === this.#input.value.trim()) this.#history = [text, ...this.#history.filter((t) => t !== text)];
	}

	#forget(text) {
		this.#history = this.#history.filter((t) => t !== text);
		this.#show(this.#options.filter((o) => o.text !== text));
	}

	#past(part) { return this.#history.filter((t) => t.includes(part) && t !== part).map((text) => ({ text, label: text, help: "used before", past: true })); }

	// complete offers what can stand where the caret is.
	#complete() {
		clearTimeout(this.#again);
		const all = this.#input.value, text = all.slice(0, this.#input.selectionStart), rest = all.slice(text.length);
		const value = text.match(behind);
		this.#seq++;
		if (value && (value[1] || texts.test(value[2]) || value[2] === "conn")) {
			this.#due = [text, rest, value];
			this.#live.ask({ op: "complete", seq: this.#seq, field: value[1] === "jid" ? "from.bare" : value[1] || value[2], part: value[4] });
			return;
		}
		const [, before, word] = text.match(/^(.*?)([\w.]*)$/s);
		const of = before.match(/([\w.]+)\s+$/)?.[1];
		let can = [];
		if (/["\])]$/.test(before) || before.split('"').length % 2 === 0) can = []; // behind a text, or in one
		else if (texts.test(of)) can = operators;
		else if (of && !joints.some(([j]) => j === of) || /["\])]\s+$/.test(before)) can = joints;
		else if (word || before.trim()) can = [...this.#names, ...joints];
		this.#show([...can.filter(([n]) => n.startsWith(word) && n !== word).slice(0, 40).map(([n, help]) => {
			const open = n.replace(/\(.*$/, n.startsWith("xep") ? "(" : '("'); // functions as far as their argument
			return { text: before + open + (open === n ? " " : ""), label: n, help, rest };
		}), ...(all.trim() ? this.#past(all.trim()).slice(0, 5) : [])]);
	}

	#values({ seq, values, more }) {
		if (seq !== this.#seq) return;
		const [text, rest, [, call, field, quote, part]] = this.#due;
		const before = text.slice(0, text.length - quote.length - part.length);
		const active = this.#options[this.#active]?.label;
		this.#show(values.filter((v) => v !== part).map((v) => ({
			text: `${before}${call === "xep" || field === "conn" ? v : JSON.stringify(v)}${call ? ")" : ""} `, label: v, help: "", rest: rest.replace(/^"?\)?/, ""),
		})));
		const still = this.#options.findIndex((o) => o.label === active);
		if (still >= 0) this.#move(still);
		if (more) this.#again = setTimeout(() => this.#list.hidden || this.#complete(), 200);
	}

	#show(options) {
		this.#options = options;
		this.#active = -1;
		this.#list.replaceChildren(...options.map((o, i) => h("li", { id: `name-${i}`, role: "option", "aria-selected": "false" },
			h("bdi", {}, o.label), h("small", {}, o.help), !!o.past && h("span.forget", { title: "Forget it (Shift+Delete)", "aria-hidden": "true" }, "✕"))));
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
		if (past) return this.put(text);
		this.#input.value = text + rest;
		this.#input.setSelectionRange(text.length, text.length);
		this.#input.oninput();
	}

	#key(e) {
		if (e.isComposing) return;
		const n = this.#options.length, option = this.#options[this.#active];
		const key = e.ctrlKey || e.metaKey || e.altKey ? `Ctrl+${e.key}` : e.shiftKey ? `Shift+${e.key}` : e.key;
		if (key === "ArrowDown" && n) this.#move((this.#active + 1) % n);
		else if (key === "ArrowDown") this.#complete();
		else if (key === "ArrowUp" && n) this.#move((this.#active > 0 ? this.#active : n) - 1);
		else if (key === "ArrowUp") this.#show(this.#past(""));
		else if (key === "Shift+Delete" && option?.past) this.#forget(option.text);
		else if (key === "Tab" && n) this.#take(option || this.#options[0]);
		else if (key === "Enter" && option) this.#take(option);
		else if (e.key === "Enter") { // with Ctrl the text is taken as it is, and stays under the caret
			this.#close();
			this.set(this.#input.value.trim());
			this.#keep();
			if (key === "Enter") $("list").focus();
		} else if (e.key !== "Escape") return;
		else if (n) this.#close();
		else $("list").focus();
		e.preventDefault();
	}
}
