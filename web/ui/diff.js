// Two recordings side by side. The server draws what is not a row.

import { $, draw, put } from "./dom.js";
import "./explain.js";
import { longList } from "./list.js";
import "./theme.js";

const signs = { "-": ["minus", "−", "only in A"], "+": ["plus", "+", "only in B"], "~": ["tilde", "~", "differs"], "=": ["same", "", "the same"] };
let only = true; // the rows that differ
let generation = 0; // counts the lists
let look;

// A comparison that was asked for in the viewer has a name.
const which = new URLSearchParams(location.search).get("cmp");

async function ask(path) {
	const r = await fetch(which ? `${path}${path.includes("?") ? "&" : "?"}cmp=${which}` : path);
	if (!r.ok) throw new Error(await r.text());
	put("trouble", "");
	return r.json();
}

const trouble = (e) => put("trouble", e.message);

const pairs = {
	columns: ["n", "dir", "text", "sign", "n", "dir", "text"],
	fill(el, row) {
		const [na, da, a, sign, nb, db, b] = el.children;
		const [name, text, title] = row ? signs[row.sign] : ["loading", "", ""];
		el.className = `row ${name}`;
		sign.textContent = text;
		sign.title = title;
		for (const [e, n, dir, text] of [[row?.a, na, da, a], [row?.b, nb, db, b]]) {
			n.textContent = e ? e.n : "";
			dir.textContent = { CS: "→", SC: "←" }[e?.dir] || "";
			dir.className = `dir from-${e?.dir || ""}`;
			text.textContent = e ? e.summary : row ? "" : "…";
			text.className = `text ${e?.level === "error" ? "failing" : ""}`;
		}
	},
};

const list = longList($("list"), {
	ask(from, count) {
		const mine = generation;
		ask(`diff/rows?from=${from}&count=${count}${only ? "" : "&all=1"}`).then((m) => {
			if (mine === generation) list.add(m);
		}, trouble);
		return true;
	},
	choose: (at) => details(at),
	follows() {},
	view: pairs,
});
list.follow = false;

const narrow = matchMedia("(max-width: 700px)");
const fit = () => list.setView(pairs, narrow.matches ? 44 : 24);
narrow.onchange = fit;

function rows(differing) {
	only = differing;
	generation++;
	hide();
	list.reset();
	list.setTotal(only ? look.differ : look.rows);
	list.setFollow(false);
	$("empty").hidden = list.total > 0;
	$("only").ariaPressed = only;
	$("only").textContent = only ? look.only : look.all;
}

async function details(at) {
	let m;
	try {
		m = await ask(`diff/entry?at=${at}${only ? "" : "&all=1"}`);
	} catch (e) {
		return trouble(e);
	}
	if (list.chosen !== at) return; // another one was chosen meanwhile
	$("details").hidden = false;
	$("heading").textContent = m.heading;
	for (const id of ["changes", "a", "b"]) draw($(id), m[id]);
	$("body").scrollTop = 0;
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
	if (!e.target.closest("#list")) return;
	const from = list.chosen, full = list.screen - 1;
	const to = {
		ArrowDown: from + 1, j: from + 1, ArrowUp: from - 1, k: from - 1, Home: 1, End: list.total,
		PageDown: (from || list.upper) + full, PageUp: (from || list.upper) - full,
	}[e.key];
	if (to === undefined) return;
	e.preventDefault();
	list.select(from || /[PHE]/.test(e.key) ? to : list.upper);
});

try {
	look = await ask("diff");
	$("verdict").textContent = look.verdict;
	document.title = `${look.title} · xmpplens`;
	for (const id of ["sides", "matters"]) draw($(id), look[id]);
	fit();
	rows(look.differ > 0);
	$("list").focus();
} catch (e) {
	trouble(e);
}
