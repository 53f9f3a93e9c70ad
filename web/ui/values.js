// Values of entries as parts of filters: a menu over a value, with the mouse and
// with the keyboard.

import { h } from "./dom.js";

const hows = [["only", "Only these", "="], ["not", "Not these", "≠"], ["or", "Add: or", "+"]];
const menu = h("div", { id: "valuemenu", popover: "auto", role: "menu", "aria-label": "Filter by" });
let add; // (how, field, value), of the filter bar

export function valuesTo(fn) { add = fn; }

// What the server drew with data-field, a name of the filter language, opens the
// menu for its text.
for (const kind of ["click", "keydown"]) document.addEventListener(kind, (e) => {
	const el = e.target.closest?.("[data-field]");
	if (!el || (e.key ? e.key !== "Enter" && e.key !== " " : !getSelection().isCollapsed)) return;
	e.preventDefault();
	openMenu(el, [[el.dataset.field, el.textContent]]);
});

// openMenu shows the menu at an element, or at a point of it.
export function openMenu(el, all, x, y) {
	const several = all.length > 1;
	menu.replaceChildren(...all.map(([field, value]) => {
		const text = value.slice(0, 200), name = `${field} ${text}`;
		return h("div", { role: "group", "aria-label": name }, h("span.of", {}, h("b", {}, field), " ", h("bdi", {}, text)), ...hows.map(([how, word, sign]) => h("button", {
			tabIndex: -1, title: word, role: "menuitem", "aria-label": `${word}: ${name}`,
			onclick: () => {
				menu.hidePopover();
				add(how, field, value.slice(0, 4000));
			},
		}, several ? sign : word)));
	}));
	menu.classList.toggle("lines", several);
	document.body.append(menu);
	menu.showPopover();
	const at = el.getBoundingClientRect();
	menu.style.left = `${Math.max(6, Math.min(x ?? at.left, innerWidth - menu.offsetWidth - 6))}px`;
	menu.style.top = `${Math.max(6, Math.min(y ?? at.bottom + 2, innerHeight - menu.offsetHeight - 6))}px`;
	menu.querySelector("button").focus();
}

menu.onkeydown = (e) => {
	const items = [...menu.querySelectorAll("button")];
	const at = items.indexOf(document.activeElement), line = menu.matches(".lines") ? 3 : 1;
	const to = { ArrowDown: at + line, ArrowUp: at - line, ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[e.key];
	if (e.key === "Tab") menu.hidePopover();
	else if (to === undefined) return;
	else items.at(to % items.length).focus();
	e.preventDefault();
};
