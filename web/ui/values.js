// The menu of the values of an entry, or of one that was drawn with data-field, a
// name of the filter language. The server draws the filters that can be made of it.

import { draw, h, within } from "./dom.js";

// ask asks for the menu, and is answered with show.
export function valueMenu(list, ask) {
	const menu = document.body.appendChild(h("div", { id: "valuemenu", popover: "auto", role: "menu", ariaLabel: "Filter by" }));
	let x, y;

	function open(e, left, top, what) {
		e.preventDefault();
		[x, y] = [left, top];
		ask(what);
	}

	for (const kind of ["click", "keydown"]) document.addEventListener(kind, (e) => {
		const el = e.target.closest?.("[data-field]");
		if (!el || (e.key ? e.key !== "Enter" && e.key !== " " : !getSelection().isCollapsed)) return;
		const { left, bottom } = el.getBoundingClientRect();
		open(e, left, bottom + 2, { field: el.dataset.field, value: el.textContent });
	});
	list.addEventListener("contextmenu", (e) => {
		const row = e.target.closest(".row[data-at]") || list.querySelector("[aria-selected=true]");
		if (!row) return;
		const { left, bottom } = row.getBoundingClientRect(), key = e.button < 0 || !e.clientX;
		open(e, key ? left + 60 : e.clientX, key ? bottom : e.clientY, { at: Number(row.dataset.at) });
	});
	menu.onclick = (e) => e.target.closest("button") && menu.hidePopover(); // app.js does the rest
	menu.onkeydown = (e) => {
		const items = [...menu.querySelectorAll("button")];
		const at = items.indexOf(document.activeElement), line = menu.children.length > 1 ? items.length / menu.children.length : 1;
		const to = { ArrowDown: at + line, ArrowUp: at - line, ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[e.key];
		if (e.key === "Tab") menu.hidePopover();
		else if (to === undefined) return;
		else items.at(to % items.length).focus();
		e.preventDefault();
	};

	return function show(m) {
		if (!m.menu.length) return;
		draw(menu, m.menu);
		menu.showPopover();
		menu.style.left = `${within(x, 6, innerWidth - menu.offsetWidth - 6)}px`;
		menu.style.top = `${within(y, 6, innerHeight - menu.offsetHeight - 6)}px`;
		menu.querySelector("button").focus();
	};
}
