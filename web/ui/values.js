// Values of entries as parts of filters: a menu over a value, with the mouse and
// with the keyboard.

import { node } from "./dom.js";

let add = null; // (how, field, value), of the filter bar
const menu = node("div");
menu.id = "valuemenu";
menu.popover = "auto";
menu.setAttribute("role", "menu");
menu.setAttribute("aria-label", "Filter by");
let from = null;

export function valuesTo(fn) { add = fn; }

// valueMenu makes an element open the menu for its value; field is a name of the
// filter language.
export function valueMenu(el, field, value) {
	if (!add || !value) return;
	el.classList.add("filterable");
	el.tabIndex = 0;
	el.setAttribute("role", "button");
	el.setAttribute("aria-haspopup", "menu");
	el.onclick = (e) => {
		if (getSelection().isCollapsed) openMenu(el, [[field, value]]);
		e.stopPropagation();
	};
	el.onkeydown = (e) => {
		if (e.key !== "Enter" && e.key !== " ") return;
		openMenu(el, [[field, value]]);
		e.preventDefault();
		e.stopPropagation();
	};
}

// openMenu shows the menu at an element, or at a point of it.
export function openMenu(el, all, x, y) {
	from = el;
	menu.replaceChildren(...all.map(([field, value]) => {
		const group = node("div");
		group.setAttribute("role", "group");
		group.setAttribute("aria-label", `${field} ${value.slice(0, 200)}`);
		const text = node("bdi", "", value.slice(0, 200));
		text.dir = "auto";
		const line = node("span", "of");
		line.append(node("b", "", field), " ", text);
		group.append(line);
		for (const [how, word, sign] of [["only", "Only these", "="], ["not", "Not these", "≠"], ["or", "Add: or", "+"]]) {
			const b = node("button", "", all.length > 1 ? sign : word);
			b.type = "button";
			b.tabIndex = -1;
			b.title = word;
			b.setAttribute("role", "menuitem");
			b.setAttribute("aria-label", `${word}: ${field} ${value.slice(0, 200)}`);
			b.onclick = () => {
				menu.hidePopover();
				add(how, field, value.slice(0, 4000));
			};
			group.append(b);
		}
		return group;
	}));
	menu.classList.toggle("lines", all.length > 1);
	document.body.append(menu);
	menu.showPopover();
	const at = el.getBoundingClientRect();
	const own = menu.getBoundingClientRect();
	menu.style.left = `${Math.max(6, Math.min(x ?? at.left, innerWidth - own.width - 6))}px`;
	menu.style.top = `${Math.max(6, Math.min(y ?? at.bottom + 2, innerHeight - own.height - 6))}px`;
	menu.querySelector("button")?.focus();
}

menu.onkeydown = (e) => {
	const items = [...menu.querySelectorAll("button")];
	const line = menu.classList.contains("lines") ? 3 : 1;
	const by = { ArrowDown: line, ArrowUp: -line, ArrowRight: 1, ArrowLeft: -1 }[e.key];
	const at = items.indexOf(document.activeElement);
	const to = e.key === "Home" ? 0 : e.key === "End" ? items.length - 1 : by && (at + by + items.length) % items.length;
	if (e.key === "Tab") menu.hidePopover();
	else if (to === undefined) return;
	else items[to].focus();
	e.preventDefault();
};
menu.addEventListener("toggle", (e) => {
	if (e.newState === "closed" && (document.activeElement === document.body || menu.contains(document.activeElement))) from?.focus();
});
