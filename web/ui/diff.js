// Two recordings side by side. All text of the traffic becomes text nodes.

import { $, draw, node } from "./dom.js";
import "./explain.js";
import { longList } from "./list.js";
import "./theme.js";

const names = { "-": "minus", "+": "plus", "~": "tilde", "=": "same" };
const shown = { "-": "−", "+": "+", "~": "~", "=": "" };
const words = { "-": "only in A", "+": "only in B", "~": "differs", "=": "the same" };
let only = true; // the rows that differ
let generation = 0; // counts the lists
let overview;

// A comparison that was asked for in the viewer has a name.
const which = new URLSearchParams(location.search).get("cmp");

async function ask(path) {
	const r = await fetch(which ? `${path}${path.includes("?") ? "&" : "?"}cmp=${which}` : path);
	if (!r.ok) throw new Error(await r.text());
	$("trouble").hidden = true;
	return r.json();
}

function trouble(e) {
	$("trouble").hidden = false;
	$("trouble").textContent = e.message;
}

const pairs = {
	columns: ["n", "dir", "text", "sign", "n", "dir", "text"],
	fill(el, row) {
		const [na, da, a, sign, nb, db, b] = el.children;
		el.className = `row ${row ? names[row.sign] : "loading"}`;
		sign.textContent = row ? shown[row.sign] : "";
		sign.title = row ? words[row.sign] : "";
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
const fit = () => list.setTall(narrow.matches ? 44 : 24);
narrow.onchange = fit;

function rows() {
	generation++;
	hide();
	list.reset();
	list.setTotal(only ? overview.differ : overview.rows);
	list.setFollow(false);
	$("empty").hidden = list.total > 0;
	$("only").setAttribute("aria-pressed", only);
	$("only").textContent = only ? `Only differences: ${overview.differ.toLocaleString("en")}` : `All rows: ${overview.rows.toLocaleString("en")}`;
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
	$("heading").textContent = m.difference ? `${m.difference.class}, ${m.difference.phase}: ${words[m.sign]}` : words[m.sign];
	$("changes").replaceChildren(...(m.difference?.changes || []).map(change));
	draw($("a"), m.a);
	draw($("b"), m.b);
	$("body").scrollTop = 0;
}

// change is a place that differs, in a line.
function change(c) {
	const el = node("div", `change ${names[c.sign]}`);
	const text = node("span");
	text.append(node("code", "", c.path || "as a whole"), " ");
	if (c.a) text.append(node("code", "old", c.a));
	if (c.a && c.b) text.append(" → ");
	if (c.b) text.append(node("code", "new", c.b));
	const sign = node("span", "sign", shown[c.sign]);
	sign.title = words[c.sign];
	el.append(sign, text);
	return el;
}

function hide() {
	$("details").hidden = true;
	list.unselect();
}

function item(d) {
	const el = node("button", `item ${names[d.sign]}`);
	el.type = "button";
	const sign = node("span", "sign", shown[d.sign]);
	sign.title = words[d.sign];
	const what = node("span", "what", d.what);
	const brief = (c) => c.label || `${c.path}${c.a || c.b ? ": " : ""}${[c.a, c.b].filter(Boolean).join(" → ")}`;
	const more = d.changes.slice(0, 6).map((c) => `${shown[c.sign]} ${brief(c)}`);
	if (d.changes.length > 6) more.push(`${d.changes.length - 6} more`);
	if (more.length) what.append(node("small", "", more.join("; ")));
	el.append(sign, node("span", "class", d.class), what);
	el.disabled = !d.at;
	el.onclick = () => {
		if (!only) {
			only = true;
			rows();
		}
		list.select(d.at);
	};
	return el;
}

function side(id, s) {
	const name = node("b", "", id.toUpperCase());
	$(`side-${id}`).replaceChildren(name, [s.name, s.account || s.server, s.login].filter(Boolean).join(", "));
	$(`side-${id}`).title = $(`side-${id}`).textContent;
}

$("only").onclick = () => {
	only = !only;
	rows();
};
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
	overview = await ask("diff");
	$("verdict").textContent = overview.verdict;
	document.title = `${overview.a.name} · ${overview.b.name} · xmpplens`;
	side("a", overview.a);
	side("b", overview.b);
	$("pairs").textContent = overview.addresses.length ? "≙" : "";
	$("pairs").title = overview.addresses.map((p) => `${p.a} (${p.role}) ≙ ${p.b}`).join("\n");
	$("matters").replaceChildren(...overview.differences.map(item));
	if (overview.total > overview.differences.length) $("matters").append(node("p", "class", `${(overview.total - overview.differences.length).toLocaleString("en")} more; xmpplens diff lists them.`));
	only = overview.differ > 0;
	fit();
	rows();
	$("list").focus();
} catch (e) {
	trouble(e);
}
