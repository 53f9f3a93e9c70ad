// The tree of elements that the server drew: opened by pointer and by keys, and what
// is not in it yet is asked for when somebody opens it.

import { made } from "./dom.js";

// tree makes one of what comes into a view; ask(node, from) asks for what is inside an
// element. It returns what takes the answer.
export function tree(view, ask) {
	const focus = (li) => {
		for (const el of view.querySelectorAll("[role=tree] [tabindex='0']")) el.tabIndex = -1;
		li.tabIndex = 0;
		li.focus();
	};
	const toggle = (li, open = li.ariaExpanded !== "true") => {
		if (li.ariaExpanded) li.ariaExpanded = open;
		const more = li.dataset.more ? li : open && li.querySelector(":scope > ul > [data-more]:first-child");
		if (more) ask(...more.dataset.more.split(" ").map(Number));
	};
	view.addEventListener("click", (e) => {
		const li = e.target.closest("[role=treeitem]");
		if (!li || getSelection().type === "Range") return;
		focus(li);
		toggle(li);
	});
	view.addEventListener("keydown", (e) => {
		const li = e.target.closest("[role=treeitem]");
		if (!li || e.altKey || e.ctrlKey || e.metaKey) return;
		const seen = [...view.querySelectorAll("[role=treeitem]")].filter((el) => el.checkVisibility());
		const at = seen.indexOf(li), open = li.ariaExpanded;
		let to = { ArrowDown: seen[at + 1], ArrowUp: seen[at - 1], Home: seen[0], End: seen.at(-1) }[e.key];
		if (e.key === "ArrowRight" && open === "true") to = seen[at + 1];
		else if (e.key === "ArrowRight" && open) toggle(li, true);
		else if (e.key === "ArrowLeft" && open === "true") toggle(li, false);
		else if (e.key === "ArrowLeft") to = li.parentElement.closest("[role=treeitem]");
		else if (e.key === "Enter" || e.key === " ") toggle(li);
		else if (!/^(Arrow|Home|End)/.test(e.key)) return;
		if (to) focus(to);
		e.preventDefault();
		e.stopPropagation();
	});
	return (m) => {
		const more = view.querySelector(`[data-more="${m.more}"]`);
		if (!more) return;
		const held = more.contains(document.activeElement), items = m.drawn.map((item) => made(item));
		more.replaceWith(...items);
		if (held && items.length) focus(items[0]);
	};
}
