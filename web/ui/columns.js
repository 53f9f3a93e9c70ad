// The columns of the list: what is in them, which there are and how wide. Narrow
// screens take some away. What a person chooses is kept in the browser.

import { $, bytes, clock, fill, h, within } from "./dom.js";

// Name, title, width, which go last where there is no room, and the word for it. The
// summary has what is left.
const columns = [
	["n", "No.", 62, 5, "Number"],
	["time", "Time", 94, 9],
	["conn", "Conn", 40, 7, "Connection"],
	["dir", "⇄", 16, 10, "Direction"],
	["kind", "Kind", 76, 6],
	["text", "Summary"],
	["xep", "XEP", 72, 1],
	["codes", "Findings", 130, 2],
	["took", "Latency", 66, 4],
	["size", "Size", 62, 3],
].map(([id, title, width, keep, words = title]) => ({ id, title, width, keep, words }));
const gap = 8, sides = 27; // pixels, as in list.css
const least = 16, most = 400; // pixels of a column

const times = { clock: "Time of day", start: "Since start", before: "Since previous" };
const hues = { kind: "Kind", conn: "Connection", none: "None" };

// since is a time without a date.
function since(s) {
	const days = Math.floor(s / 86400);
	return `+${days ? `${days} d ` : ""}${new Date(s * 1000).toISOString().slice(11, 23).replace(/^[0:]{1,7}/, "")}`;
}

export function columnView() {
	const kept = { off: {}, widths: {}, time: "clock", hue: "kind", ...JSON.parse(localStorage.getItem("columns")) };
	let wide = 0;

	const width = (c) => within(kept.widths[c.id] || c.width, least, most);

	// fit takes away what has no room in so many pixels.
	function fit(pixels) {
		wide = pixels;
		const here = columns.filter((c) => c.width && !kept.off[c.id]).sort((a, b) => b.keep - a.keep);
		const room = () => here.reduce((left, c) => left - width(c) - gap, wide - sides);
		while (here.length > 2 && room() < Math.min(260, 50 + 0.3 * wide)) here.pop();
		columns.forEach((c, i) => { $("columns").children[i].hidden = c.gone = c.width && !here.includes(c); });
		$("list").style.setProperty("--columns", columns.filter((c) => !c.gone).map((c) => (c.width ? `${width(c)}px` : "minmax(0, 1fr)")).join(" "));
		$("columns").querySelector(".time").firstChild.data = times[kept.time];
		view.changed();
	}

	function keep(change) {
		localStorage.setItem("columns", JSON.stringify(Object.assign(kept, change)));
		fit(wide);
	}

	const widen = (c, to) => keep({ widths: { ...kept.widths, [c.id]: Math.round(to) } });

	// grip changes the width with the pointer, the menu by key. It is on the side of
	// the summary, which gives way.
	function grip(c, left) {
		const el = h(left ? "i.grip.left" : "i.grip", {
			onpointerdown: (e) => {
				e.preventDefault();
				el.setPointerCapture(e.pointerId);
			},
			onpointermove: (e) => {
				const by = e.clientX - el.getBoundingClientRect().x - 4;
				if (el.hasPointerCapture(e.pointerId)) widen(c, width(c) + (left ? -by : by));
			},
		});
		return el;
	}

	function menu() {
		const line = (type, name, text, checked, change) => h("label", null, h("input", { type, name, checked, onchange: (e) => change(e.target.checked) }), text);
		const group = (title, lines) => h("fieldset", null, h("legend", null, title), ...lines);
		const choice = (title, key, all) => group(title, Object.entries(all).map(([value, text]) => line("radio", key, text, kept[key] === value, () => keep({ [key]: value }))));
		$("columnmenu").replaceChildren(
			group("Columns and their widths", columns.filter((c) => c.width).map((c) => h("div.wide", null,
				line("checkbox", `col-${c.id}`, c.words, !kept.off[c.id], (on) => keep({ off: { ...kept.off, [c.id]: !on } })),
				h("input", { type: "range", ariaLabel: `Width of ${c.words}`, min: least, max: 240, step: 2, value: width(c), oninput: (e) => widen(c, e.target.value) })))),
			choice("Time", "time", times),
			choice("Colour by", "hue", hues));
	}

	// show puts an entry into the cells of a row.
	function show(el, row, { start, before }) {
		const says = row ? {
			n: row.n,
			time: kept.time === "clock" ? clock(start + row.t * 1000) : kept.time === "start" ? since(row.t) : before && since(Math.max(0, row.t - before.t)),
			conn: row.conn && `#${row.conn}`,
			dir: row.sign,
			kind: row.kind,
			xep: row.xeps?.map((x) => x.slice(4)).join(" "),
			took: row.latency && `${row.latency.toFixed(row.latency < 10 ? 1 : 0)} ms`,
			size: row.size && bytes(row.size),
		} : { text: "…" };
		el.className = "row loading";
		columns.forEach((c, i) => {
			el.children[i].hidden = c.gone;
			fill(el.children[i], says[c.id] || "");
		});
		if (!row) return;
		const hue = { kind: row.class, conn: row.conn && `hue${(row.conn - 1) % 7}` }[kept.hue] || "";
		const alike = row.kind === "secure" || row.kind === "note" ? row.kind : "";
		el.className = `row ${row.dir || "about"} ${row.level || ""} ${alike} ${row.quiet ? "quiet" : ""} ${hue} by-${kept.hue}`;
		const [, , , dir, , text, , codes] = el.children;
		dir.title = { CS: "client to server", SC: "server to client" }[row.dir] || row.kind;
		const words = row.codes?.join(" ");
		const code = words && h("span.code", { title: words }, `${{ error: "✖", warning: "▲" }[row.level] || "•"} ${words}`);
		if (code && !codes.hidden) codes.replaceChildren(code);
		text.replaceChildren(...[
			view.marked(row.n) && h("span.mark", { title: "marked (m)" }, "★"),
			row.noted && h("span.noted", { title: "has a note" }, "◆"),
			row.outcome && h("span.tag", null, row.outcome),
			codes.hidden && code,
			row.summary,
		].filter(Boolean));
	}

	columns.forEach((c, i) => $("columns").append(h(`span.${c.id}`, { role: "columnheader", "aria-colindex": i + 1, ariaLabel: c.words, title: c.words }, c.title, c.width ? grip(c, i > 5) : null)));
	$("columnmenu").onbeforetoggle = (e) => e.newState === "open" && menu();

	// changed and marked are set by those who draw, and who know of an entry.
	const view = { columns: columns.map((c) => c.id), changed() {}, marked() {}, fit, fill: show };
	return view;
}
