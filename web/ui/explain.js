// What names in the traffic mean, in a bubble on hover and on focus. The pointer
// may go into it, and Esc takes it away (WCAG 1.4.13).

import { node } from "./dom.js";

const meanings = new WeakMap();
const bubble = node("div");
bubble.id = "meaning";
bubble.setAttribute("role", "tooltip");
bubble.popover = "manual";
let of = null;
let timer = 0;

export const meaningOf = (all, key) => (all && Object.hasOwn(all, key) ? all[key] : null);

// explain gives an element a meaning, when there is one.
export function explain(el, meaning) {
	if (!meaning) return;
	meanings.set(el, meaning);
	el.classList.add("why");
	el.tabIndex = -1;
}

// reference is the name of a section as a link to its text.
export function reference(ref) {
	const out = node("span");
	let at = 0;
	for (const m of (ref || "").matchAll(/(RFC |XEP-)(\d{4})(?: §(\d[\d.]*\d|\d))?/g)) {
		const a = node("a", "", m[0]);
		a.href = m[1] === "RFC " ? `https://www.rfc-editor.org/rfc/rfc${m[2]}${m[3] ? `#section-${m[3]}` : ""}` : `https://xmpp.org/extensions/xep-${m[2]}.html`;
		a.rel = "noreferrer noopener";
		a.target = "_blank";
		out.append(ref.slice(at, m.index), a);
		at = m.index + m[0].length;
	}
	out.append((ref || "").slice(at));
	return out;
}

// roving makes the explained names of an element one stop of Tab, with arrows
// between them.
export function roving(el) {
	el.addEventListener("keydown", (e) => {
		const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
		if (!by || e.altKey || e.target.closest("[role=tree]") || e.target !== el && !meanings.has(e.target)) return;
		const all = [...el.querySelectorAll(".why")];
		if (!all.length) return;
		all[(all.indexOf(e.target) + (by < 0 && e.target === el ? 0 : by) + all.length) % all.length].focus();
		e.preventDefault();
	});
}

function show(el) {
	clearTimeout(timer);
	if (of === el) return;
	hide();
	of = el;
	const { text, ref } = meanings.get(el);
	if (ref) bubble.append(reference(ref), ": ");
	bubble.append(text);
	(el.closest("dialog") || document.body).append(bubble);
	bubble.showPopover();
	const at = el.getBoundingClientRect();
	const own = bubble.getBoundingClientRect();
	const below = at.bottom + own.height + 8 < innerHeight;
	bubble.style.left = `${Math.max(8, Math.min(at.left, innerWidth - own.width - 8))}px`;
	bubble.style.top = `${Math.max(4, below ? at.bottom + 2 : at.top - own.height - 2)}px`;
	el.setAttribute("aria-describedby", "meaning");
}

function hide() {
	clearTimeout(timer);
	of?.removeAttribute("aria-describedby");
	of = null;
	if (bubble.isConnected) bubble.remove();
	bubble.replaceChildren();
}

document.addEventListener("pointerover", (e) => {
	const el = e.target.closest?.(".why");
	if (el && meanings.has(el)) show(el);
	else if (of && bubble.contains(e.target)) clearTimeout(timer);
	else if (of && of !== document.activeElement) {
		clearTimeout(timer);
		timer = setTimeout(hide, 250);
	}
});
document.addEventListener("focusin", (e) => {
	if (meanings.has(e.target)) show(e.target);
	else if (!bubble.contains(e.target)) hide();
});
document.addEventListener("scroll", () => of && hide(), { capture: true, passive: true });
document.addEventListener("keydown", (e) => {
	if (e.key !== "Escape" || !of) return;
	hide();
	e.preventDefault();
	e.stopPropagation();
}, true);
