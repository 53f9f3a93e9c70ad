// Two recordings side by side, as the server draws them.

import { $, draw, put } from "./dom.js";
import "./explain.js";
import { longList } from "./list.js";
import "./theme.js";

let only; // the rows that differ
let look; // what the server drew first

// ask gets something of the comparison, which the address of the page names. It is
// of no use any more when other rows are shown meanwhile.
async function ask(what, about, use) {
	const before = only;
	try {
		const r = await fetch(`${what}${location.search || "?"}&all=${only ? 0 : 1}${about}`);
		if (!r.ok) throw new Error(await r.text());
		const m = await r.json();
		put("trouble", "");
		if (before === only) use(m);
	} catch (e) {
		put("trouble", e.message);
	}
}

const pairs = {
	columns: [],
	fill(el, row) {
		el.className = `row ${row ? row.look : "loading"}`;
		draw(el, row ? row.cells : ["…"]);
	},
};

const list = longList($("list"), {
	ask(from, count) {
		ask("diff/rows", `&from=${from}&count=${count}`, list.add);
		return true;
	},
	choose: (at) => ask("diff/entry", `&at=${at}`, (m) => {
		if (list.chosen !== at) return;
		$("details").hidden = false;
		$("heading").textContent = m.heading;
		draw($("body"), m.body);
		$("body").scrollTop = 0;
	}),
	follows() {},
	view: pairs,
});

const narrow = matchMedia("(max-width: 700px)");
narrow.onchange = () => list.setView(pairs, narrow.matches ? 44 : 24);
narrow.onchange();

function rows(differing) {
	only = differing;
	hide();
	list.reset();
	list.setFollow(false);
	list.setTotal(only ? look.differ : look.rows);
	$("empty").hidden = list.total > 0;
	$("only").ariaPressed = only;
	$("only").textContent = only ? look.only : look.all;
}

function hide() {
	$("details").hidden = true;
	list.unselect();
}

$("matters").onclick = (e) => {
	const at = Number(e.target.closest("[data-at]")?.dataset.at);
	if (!at) return;
	if (!only) rows(true);
	list.select(at);
};
$("only").onclick = () => rows(!only);
$("close").onclick = () => {
	hide();
	$("list").focus();
};
document.addEventListener("keydown", (e) => {
	if (e.ctrlKey || e.metaKey || e.altKey) return;
	if (e.key === "Escape" && !$("details").hidden) $("close").click();
	if (e.key === "d") $("only").click();
	const page = list.screen - 1;
	const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -list.total, End: list.total }[e.key];
	if (!by || !e.target.closest("#list")) return;
	e.preventDefault();
	list.select((list.chosen || list.upper - 1) + by);
});

ask("diff", "", (m) => {
	look = m;
	$("verdict").textContent = m.verdict;
	document.title = `${m.title} · xmpplens`;
	for (const id of ["sides", "matters"]) draw($(id), m[id]);
	rows(m.differ > 0);
	$("list").focus();
});
