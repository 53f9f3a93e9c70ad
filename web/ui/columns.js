// The columns of the list, which the server draws: which there are and how wide. Narrow
// screens take some away. What a person chooses is kept in the browser.

import { $, clock, draw, fill, made, within } from "./dom.js";

const gap = 8, sides = 27; // pixels, as in list.css
const least = 16, most = 400; // pixels of a column

export function columnView() {
	const header = $("columns"), menu = $("columnmenu");
	const kept = { off: {}, widths: {}, time: "clock", hue: "kind", ...JSON.parse(localStorage.getItem("columns")) };
	let wide = 0, heads = []; // that of the summary says no width: it has what is left

	const width = (c) => within(kept.widths[c.className] || c.dataset.width, least, most);

	// know takes what the server drew, once.
	function know(m) {
		if (heads.length) return;
		heads = m.columns.map((c) => made(c));
		header.prepend(...heads);
		draw(menu, m.menu);
		view.columns = heads.map((c) => c.className);
		fit(wide);
	}

	// fit takes away what has no room in so many pixels.
	function fit(pixels) {
		wide = pixels;
		if (!heads.length) return;
		const here = heads.filter((c) => c.dataset.width && !kept.off[c.className]).sort((a, b) => b.dataset.keep - a.dataset.keep);
		const room = () => here.reduce((left, c) => left - width(c) - gap, wide - sides);
		while (here.length > 2 && room() < Math.min(260, 50 + 0.3 * wide)) here.pop();
		for (const c of heads) c.hidden = c.dataset.width && !here.includes(c);
		$("list").style.setProperty("--columns", heads.filter((c) => !c.hidden).map((c) => (c.dataset.width ? `${width(c)}px` : "minmax(0, 1fr)")).join(" "));
		heads[1].firstChild.data = menu.querySelector(`[value=${kept.time}]`).parentNode.textContent;
		view.changed();
	}

	function keep(change) {
		localStorage.setItem("columns", JSON.stringify(Object.assign(kept, change)));
		fit(wide);
	}

	const widen = (id, to) => keep({ widths: { ...kept.widths, [id]: Math.round(to) } });

	// A grip changes the width with the pointer, the menu by key.
	header.onpointerdown = (e) => {
		if (!e.target.matches(".grip")) return;
		e.preventDefault();
		e.target.setPointerCapture(e.pointerId);
	};
	header.onpointermove = ({ target: grip, pointerId, clientX }) => {
		if (!grip.hasPointerCapture(pointerId)) return;
		const by = clientX - grip.getBoundingClientRect().x - 4, c = grip.parentNode;
		widen(c.className, width(c) + (c.matches(".text ~ *") ? -by : by));
	};

	menu.onbeforetoggle = () => {
		for (const el of menu.querySelectorAll("input")) {
			const { of } = el.dataset;
			if (el.type === "range") el.value = width(heads.find((c) => c.className === of));
			else el.checked = of ? !kept.off[of] : kept[el.name] === el.value;
		}
	};
	menu.oninput = ({ target: { type, name, value, checked, dataset: { of } } }) => {
		if (type === "range") widen(of, value);
		else keep(of ? { off: { ...kept.off, [of]: !checked } } : { [name]: value });
	};

	// show puts an entry into the cells of a row.
	function show(el, row, { start }) {
		el.className = row ? `row ${row.look} ${row[kept.hue] || ""} by-${kept.hue}` : "row loading";
		const cells = el.children, [, , , dir, , text, , codes] = cells;
		if (row) row.cells[1] = row[kept.time] ?? clock(start + row.t * 1000);
		heads.forEach((c, i) => {
			cells[i].hidden = c.hidden;
			if (i !== 5) fill(cells[i], row?.cells[i] || "");
		});
		if (!row) return fill(text, "…");
		dir.title = row.tip;
		if (row.code[0] && !codes.hidden) draw(codes, row.code);
		const tags = [...(view.marked(row.n) ? [["span.mark", { title: "marked (m)" }, "★"]] : []), ...row.tags, ...(codes.hidden ? row.code : [])];
		if (tags[0]) draw(text, [...tags, row.summary]);
		else fill(text, row.summary);
	}

	// changed and marked are set by those who draw, and who know of an entry.
	const view = { columns: [], changed() {}, marked() {}, know, fit, fill: show };
	return view;
}
