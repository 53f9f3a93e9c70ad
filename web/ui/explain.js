// What names in the traffic mean, in a bubble on hover and on focus. The pointer
// may go into it, and Esc takes it away (WCAG 1.4.13). The server drew the texts,
// hidden; the data-why of a name is the id of its text.

import { $, h, within } from "./dom.js";

const bubble = h("div", { id: "meaning", role: "tooltip", popover: "manual" });
let of = null;
let timer = 0;

// roving makes the explained names of an element one stop of Tab, with arrows
// between them.
export function roving(el) {
	el.addEventListener("keydown", (e) => {
		const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
		if (!by || e.altKey || e.target.closest("[role=tree]") || e.target !== el && !e.target.dataset.why) return;
		const all = [...el.querySelectorAll("[data-why]")];
		if (!all.length) return;
		all.at((all.indexOf(e.target) + (by < 0 && e.target === el ? 0 : by)) % all.length).focus();
		e.preventDefault();
	});
}

function show(el) {
	clearTimeout(timer);
	const text = $(el.dataset.why);
	if (of === el || !text) return;
	hide();
	of = el;
	bubble.append(...text.cloneNode(true).childNodes);
	document.body.append(bubble);
	bubble.showPopover();
	place();
	el.setAttribute("aria-describedby", "meaning");
}

function place() {
	const at = of.getBoundingClientRect(), { width, height } = bubble.getBoundingClientRect();
	bubble.style.left = `${within(at.left, 8, innerWidth - width - 8)}px`;
	bubble.style.top = `${Math.max(4, at.bottom + height + 8 < innerHeight ? at.bottom + 2 : at.top - height - 2)}px`;
}

function hide() {
	clearTimeout(timer);
	of?.removeAttribute("aria-describedby");
	of = null;
	bubble.remove();
	bubble.replaceChildren();
}

document.addEventListener("pointerover", (e) => {
	const el = e.target.closest?.("[data-why]");
	if (el) show(el);
	else if (of) {
		clearTimeout(timer);
		if (!bubble.contains(e.target) && of !== document.activeElement) timer = setTimeout(hide, 250);
	}
});
document.addEventListener("focusin", (e) => {
	if (e.target.dataset.why) show(e.target);
	else if (!bubble.contains(e.target)) hide();
});
document.addEventListener("scroll", (e) => {
	if (!of || !e.target.contains(of)) return; // a list that follows scrolls all the time
	if (of === document.activeElement) place(); // focus scrolls to what it is given to
	else hide();
}, { capture: true, passive: true });
document.addEventListener("keydown", (e) => {
	if (e.key !== "Escape" || !of) return;
	hide();
	e.preventDefault();
	e.stopPropagation();
}, true);
