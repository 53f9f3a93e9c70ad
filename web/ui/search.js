// Text search in the entries of the list. The server looks at some of them for each
// request and says where to go on: to the next hit from the chosen entry, and from
// the first entry on to count them all.

import { address } from "./address.js";
import { $ } from "./dom.js";

const most = 10000; // hits that are counted

export function search(ask, list, keys) {
	const box = $("find"), input = $("findtext"), said = box.querySelector("output");
	let text = "", hits, at, busy, seq = 0; // where counting goes on
	let want, word, fresh = false, turns = 0; // the hit that is looked for, and how it was found

	// again forgets what was found, and what is on its way.
	function again() {
		hits = [];
		at = 1;
		busy = want = null;
		word = "";
		seq++;
	}

	function more() {
		say();
		if (text && !busy && at <= list.total && hits.length < most) busy = ask({ op: "search", text, at, most: 1000, seq });
	}

	function answer(m) {
		if (m.seq === seq) {
			hits.push(...m.hits);
			at = m.next || m.len + 1;
			busy = false;
		} else if (m.seq === want?.seq) found(m);
		more();
	}

	const look = (at) => ask({ op: "search", text, at, by: want.by, most: 1, seq: want.seq });

	// step goes to the next hit, or by -1 to the one before; same = or to this one.
	function step(by, same = 0) {
		if (!text) return open();
		const from = list.chosen || list.upper;
		want = { by, from: from - by * same, seq: -++turns };
		look(from + by - by * same);
	}

	function found({ hits: [hit], next }) {
		const { by, from, round } = want;
		if (!hit && (next || !round)) {
			want.round ||= !next; // from the other end
			return look(next || (by > 0 ? 1 : list.total));
		}
		want = null;
		if (!hit) return;
		word = by * (hit - from) > 0 ? "" : by > 0 ? ", from the top" : ", from the end";
		fresh = true;
		list.select(hit);
	}

	// say tells which hit is chosen, of how many: + stands for those that are not counted yet.
	function say() {
		const n = hits.length, rest = at <= list.total, which = hits.indexOf(list.chosen) + 1;
		said.ariaBusy = rest;
		said.textContent = text && (n || rest ? `${which ? `${which} of ` : ""}${n}${rest ? `+ (${Math.floor((100 * (at - 1)) / list.total)} %)` : ""}${which ? word : ""}` : "not found");
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
		again();
		if (text && then) step(...then);
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
