// The filter bar: what is typed becomes the filter of the list. The server draws
// what can stand at the caret, and where a mistake is.

import { address } from "./address.js";
import { $, draw, put } from "./dom.js";
import { named } from "./keys.js";
import { valueMenu } from "./values.js";

const remembered = 30; // filters

export class FilterBar {
	#live; #input = $("filter"); #list = $("names"); #active = null; #seq = 0; #waits = false; #late = null; #again = 0; #typing = 0; #asked = "";
	expression = ""; // of the list

	constructor(live, list) {
		const input = this.#input;
		this.#live = live;
		input.oninput = () => {
			this.#mark();
			this.#move(null);
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
			const option = e.target.closest("li");
			if (e.target.matches(".forget")) this.#forget(option);
			else if (option) this.#take(option);
		};
		$("unfilter").onclick = () => {
			this.put("");
			input.focus();
		};
		live.on("filter", (m) => this.#answer(m));
		live.on("complete", (m) => this.#offer(m));
		live.on("values", valueMenu(list, (what) => live.ask({ op: "values", draw: true, filter: this.expression, ...what })));
		address.on("filter", (text) => this.put(text));
		this.put(address.get("filter"));
	}

	// put shows a filter and sets it.
	put(text) {
		this.#input.value = text;
		this.#close();
		this.#mark();
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
		put("looking", this.expression && looked < total ? `${looked.toLocaleString("en")} of ${total.toLocaleString("en")} looked at` : "");
	}

	#answer({ expr, error, hint, column, echo }) {
		if (expr !== this.#asked) return; // to what stood there before
		this.#input.ariaInvalid = !!error;
		put("problem", error ? `At ${column + 1}: ${error}. ${hint}` : "");
		if (!error) this.expression = expr;
		this.#mark(echo);
	}

	// mark marks the place of a mistake under the text; without one, there is none.
	#mark(echo) {
		draw($("echo"), echo ? [this.#input.value.match(/^\s*/)[0], ...echo] : []);
		$("echo").scrollLeft = this.#input.scrollLeft;
	}

	get #history() { return JSON.parse(localStorage.getItem("filters") || "[]"); }
	set #history(all) { localStorage.setItem("filters", JSON.stringify(all.slice(0, remembered))); }

	#others(text) { return this.#history.filter((t) => t !== text); }

	#keep() {
		const text = this.expression;
		if (text && text === this.#input.value.trim()) this.#history = [text, ...this.#others(text)];
	}

	#forget(option) {
		this.#history = this.#others(option.dataset.text);
		option.remove();
		this.#shown();
	}

	// complete asks for what can stand where the caret is; between nothing, filters can
	// that were used before.
	#complete(text = this.#input.value.slice(0, this.#input.selectionStart), rest = this.#input.value.slice(text.length)) {
		clearTimeout(this.#again);
		this.#waits = this.#live.ask({ op: "complete", draw: true, seq: ++this.#seq, text, rest, past: this.#history });
	}

	#offer({ seq, options, more }) {
		if (seq !== this.#seq) return;
		const active = this.#active?.dataset.text;
		this.#waits = false;
		draw(this.#list, options);
		this.#shown([...this.#list.children].find((o) => o.dataset.text === active));
		if (more) this.#again = setTimeout(() => this.#list.hidden || this.#complete(), 200);
		const late = this.#late;
		this.#late = null;
		if (late) this.#key(late);
	}

	#shown(active = null) {
		this.#list.hidden = !this.#list.firstChild;
		this.#input.ariaExpanded = !this.#list.hidden;
		this.#move(active);
	}

	#close() {
		this.#seq++;
		this.#waits = this.#late = null;
		clearTimeout(this.#again);
		draw(this.#list, []);
		this.#shown();
	}

	#move(option) {
		this.#active = option;
		for (const o of this.#list.children) o.ariaSelected = o === option;
		option?.scrollIntoView({ block: "nearest" });
		this.#input.setAttribute("aria-activedescendant", option?.id || "");
	}

	#take({ dataset: { text, rest, past } }) {
		if (past !== undefined) return this.put(text);
		this.#input.value = text + rest;
		this.#input.setSelectionRange(text.length, text.length);
		this.#input.oninput();
	}

	#key(e) {
		if (e.isComposing) return;
		const { firstElementChild: first, lastElementChild: last } = this.#list, option = this.#active;
		const key = named(e);
		if (this.#waits && !this.#late && /^(Arrow(Down|Up)|Tab)$/.test(key)) this.#late = e; // what is there is of another text
		else if (key === "ArrowDown") first ? this.#move(option?.nextElementSibling || first) : this.#complete();
		else if (key === "ArrowUp") first ? this.#move(option?.previousElementSibling || last) : this.#complete("", "");
		else if (key === "Shift+Delete" && option?.matches("[data-past]")) this.#forget(option);
		else if (key === "Tab" ? first : key === "Enter" && option) this.#take(option || first);
		else if (e.key === "Enter") { // with Ctrl the text is taken as it is, and stays under the caret
			this.#close();
			this.set(this.#input.value.trim());
			this.#keep();
			if (key === "Enter") $("list").focus();
		} else if (e.key !== "Escape") return;
		else if (first) this.#close();
		else $("list").focus();
		e.preventDefault();
	}
}
