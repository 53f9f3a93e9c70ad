// Text search in the entries of the list, from the chosen one on and around to it. The
// server looks at some of them for each request and says where to go on.

import { address } from "./address.js";
import { $ } from "./dom.js";

const most = 10000; // hits that are counted

export function search(ask, list, keys) {
	const box = $("find"), input = $("findtext"), said = box.querySelector("output");
	let text = "", seq = 0, fresh = false, busy, first, tail, head, hits, want, word;
	const here = () => list.chosen || list.upper || 1;
	const left = () => Math.max(0, list.total - tail) + first - 1 - head;

	// again forgets what was found, and what is on its way.
	function again(then) {
		first = here();
		tail = first - 1; // it was looked from first to tail,
		head = busy = 0; // and then from 1 to head
		hits = [];
		word = "";
		want = then;
		seq++;
	}

	function more() {
		say();
		const at = (tail < list.total ? tail : head) + 1;
		if (text && left() && !busy && (want || hits.length < most) && ask({ op: "search", text, at, most: 1000, seq })) busy = at;
	}

	function answer(m) {
		if (m.seq !== seq) return;
		const to = m.next ? m.next - 1 : m.len, late = busy >= first;
		if (late) tail = to;
		else head = Math.min(to, first - 1);
		hits.push(...m.hits.filter((n) => late || n < first));
		busy = 0;
		if (want) step(...want);
		more();
	}

	// step goes to the next hit, or by -1 to the one before, as soon as it is found.
	function step(by, same = 0) {
		if (!text) return open();
		const at = here();
		const order = (n) => by * ((n - first + list.total) % list.total); // in which they are looked at
		const ahead = hits.toSorted((a, b) => order(a) - order(b));
		const hit = ahead.find((n) => order(n) - order(at) + same > 0) || !left() && ahead[0];
		want = hit || !left() ? null : [by, same];
		if (hit) {
			word = by * (hit - at) + same > 0 ? "" : by > 0 ? ", from the top" : ", from the end";
			fresh = true;
			list.select(hit);
		}
		more();
	}

	// say tells which hit is chosen, of how many: + stands for those that are not counted yet.
	function say() {
		const n = hits.length, rest = left();
		const which = hits.includes(list.chosen) ? `${hits.filter((n) => n <= list.chosen).length} of ` : "";
		said.setAttribute("aria-busy", !!rest);
		said.textContent = text && (n || rest ? which + n + (rest ? `+ (${Math.floor(100 - (100 * rest) / list.total)} %)` : "") + (which && word) : "not found");
	}

	// draw marks the text where it is on the screen.
	function draw() {
		const marks = new Highlight();
		const pattern = RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");
		for (const el of text ? [$("rows"), $("body")] : []) {
			for (const walk = document.createTreeWalker(el, NodeFilter.SHOW_TEXT); walk.nextNode();) {
				const node = walk.currentNode;
				for (const { index, 0: { length } } of node.data.matchAll(pattern)) {
					marks.add(new StaticRange({ startContainer: node, startOffset: index, endContainer: node, endOffset: index + length }));
					if (fresh && $("way").contains(node)) fresh = node.parentElement.scrollIntoView({ block: "nearest" });
				}
			}
		}
		CSS.highlights.set("hit", marks);
	}

	function begin(what, then) {
		address.set("search", text = what);
		if (text) box.hidden = false;
		again(then);
		more();
		draw();
	}
	const put = (what) => begin(input.value = what);

	function open() {
		box.hidden = false;
		input.select();
	}

	function close() {
		put("");
		box.hidden = true;
		$("list").focus();
	}

	const turn = (e) => step(e.shiftKey ? -1 : 1);
	input.oninput = () => begin(input.value, [1, 1]);
	input.onkeydown = (e) => { if (e.key === "Enter" && !e.isComposing) turn(e); };
	$("findback").onclick = () => step(-1);
	$("findnext").onclick = () => step(1);
	$("findclose").onclick = close;
	for (const [names, help, run] of [[["Ctrl+f"], "Search the entries of the list", open], [["F3", "Shift+F3"], "Next hit, and the one before", turn], [["Escape"], "", () => (box.hidden ? false : close())]]) {
		keys.add({ keys: names, group: help && "Page", help, run });
	}
	const drawn = new MutationObserver(draw); // runs before the next frame
	for (const id of ["rows", "body"]) drawn.observe($(id), { childList: true, characterData: true, subtree: true });
	address.on("search", put);
	put(address.get("search"));
	return { again, answer, more };
}
