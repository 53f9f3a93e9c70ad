// Text search in the entries of the list, from the chosen one on and around to it. The
// server looks at some of them for each request and says where to go on.

import { address } from "./address.js";
import { $, h } from "./dom.js";

const most = 10000; // hits that are counted

export class Search {
	#live; #list; #said = h("output", { role: "status" }); #text = ""; #seq = 0; #busy; #filter; #start; #hits; #first; #tail; #head; #want; #word; #fresh;

	constructor(live, list, keys) {
		this.#live = live;
		this.#list = list;
		const button = (text, title, onclick) => h("button", { title, "aria-label": title, onclick }, text);
		$("find").append(this.#said, button("↑", "Previous (Shift+F3)", () => this.#step(-1)), button("↓", "Next (F3)", () => this.#step(1)), button("✕", "Close (Esc)", () => this.#close()));
		$("findtext").oninput = () => this.#begin($("findtext").value, [1, 1]);
		$("findtext").onkeydown = (e) => { if (e.key === "Enter" && !e.isComposing) this.#step(e.shiftKey ? -1 : 1); };
		const add = (keys_, help, run, when) => keys.add({ keys: keys_, group: help && "Page", help, run, when });
		add(["Ctrl+f"], "Search the entries of the list", () => this.#open());
		add(["F3", "Shift+F3"], "Next hit, and the one before", (e) => this.#step(e.shiftKey ? -1 : 1));
		add(["Escape"], "", () => this.#close(), () => !$("find").hidden);
		live.on("search", (m) => this.#answer(m));
		live.on("status", ({ filter, start }) => {
			if (filter !== this.#filter || start !== this.#start) this.#again();
			this.#filter = filter;
			this.#start = start;
			this.#more();
		});
		live.ups.push(() => this.#again());
		const drawn = new MutationObserver(() => this.#draw()); // runs before the next frame
		for (const id of ["rows", "body"]) drawn.observe($(id), { childList: true, characterData: true, subtree: true });
		address.on("search", (text) => this.#begin($("findtext").value = text));
		this.#begin($("findtext").value = address.get("search"));
	}

	#open() {
		$("find").hidden = false;
		$("findtext").select();
	}

	#close() {
		this.#begin($("findtext").value = "");
		$("find").hidden = true;
		$("list").focus();
	}

	#begin(text, want) {
		this.#text = text;
		address.set("search", text);
		if (text) $("find").hidden = false;
		this.#again(want);
		this.#more();
		this.#draw();
	}

	// again forgets what was found, and what is on its way.
	#again(want) {
		this.#first = this.#at;
		this.#tail = this.#first - 1; // it was looked from first to tail,
		this.#head = 0; // and then from 1 to head
		this.#hits = [];
		this.#busy = 0;
		this.#word = "";
		this.#want = want;
		this.#seq++;
	}

	get #at() { return this.#list.chosen || this.#list.upper || 1; }
	get #left() { return Math.max(0, this.#list.total - this.#tail) + this.#first - 1 - this.#head; }

	#more() {
		this.#say();
		if (!this.#text || !this.#left || this.#busy || !this.#want && this.#hits.length >= most) return;
		const at = (this.#tail < this.#list.total ? this.#tail : this.#head) + 1;
		if (this.#live.ask({ op: "search", text: this.#text, at, most: 1000, seq: this.#seq })) this.#busy = at;
	}

	#answer({ seq, filter, hits, next, len }) {
		if (seq !== this.#seq || filter !== this.#filter) return;
		const to = next ? next - 1 : len;
		const late = this.#busy >= this.#first;
		if (late) this.#tail = to;
		else this.#head = Math.min(to, this.#first - 1);
		this.#hits.push(...hits.filter((n) => late || n < this.#first));
		this.#busy = 0;
		if (this.#want) this.#step(...this.#want);
		this.#more();
	}

	// step goes to the next hit, or by -1 to the one before, as soon as it is found.
	#step(by, same = 0) {
		if (!this.#text) return this.#open();
		const total = this.#list.total, at = this.#at;
		const order = (n) => (n - this.#first + total) % total; // in which they are looked at
		const ahead = this.#hits.toSorted((a, b) => by * (order(a) - order(b)));
		const hit = ahead.find((n) => by * (order(n) - order(at)) + same > 0) || !this.#left && ahead[0];
		this.#want = hit || !this.#left ? null : [by, same];
		if (hit) {
			this.#word = by * (hit - at) + same > 0 ? "" : by > 0 ? ", from the top" : ", from the end";
			this.#fresh = true;
			this.#list.select(hit);
		}
		this.#more();
	}

	// say tells which hit is chosen, of how many: + stands for those that are not counted yet.
	#say() {
		const n = this.#hits.length, left = this.#left, { total, chosen } = this.#list;
		const which = this.#hits.includes(chosen) ? `${this.#hits.filter((n) => n <= chosen).length} of ` : "";
		this.#said.setAttribute("aria-busy", !!left);
		this.#said.textContent = !this.#text ? "" : left ? `${which}${n}+ (${Math.floor(100 - (100 * left) / total)} %)` : n ? which + n + (which && this.#word) : "not found";
	}

	// draw marks the text where it is on the screen.
	#draw() {
		const marks = new Highlight();
		const text = RegExp(this.#text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");
		for (const el of this.#text ? [$("rows"), $("body")] : []) {
			for (const walk = document.createTreeWalker(el, NodeFilter.SHOW_TEXT); walk.nextNode();) {
				const node = walk.currentNode;
				for (const m of node.data.matchAll(text)) {
					marks.add(new StaticRange({ startContainer: node, startOffset: m.index, endContainer: node, endOffset: m.index + m[0].length }));
					if (this.#fresh && $("way").contains(node)) this.#fresh = node.parentElement.scrollIntoView({ block: "nearest" });
				}
			}
		}
		CSS.highlights.set("hit", marks);
	}
}
