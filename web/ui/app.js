// The page: it makes the parts and tells them of each other.

import { address } from "./address.js";
import { columnView } from "./columns.js";
import { Details } from "./details.js";
import { Desk } from "./desk.js";
import { $, put } from "./dom.js";
import { filesOf } from "./files.js";
import { FilterBar } from "./filterbar.js";
import { Keys } from "./keys.js";
import { kindBar } from "./kinds.js";
import { Ladder, tall } from "./ladder.js";
import { longList } from "./list.js";
import { Live } from "./live.js";
import { moves } from "./moving.js";
import { comebacks, notice } from "./notice.js";
import { notesOf } from "./notes.js";
import { Overview } from "./overview.js";
import { Player } from "./player.js";
import { search } from "./search.js";
import "./theme.js";
import { Views } from "./views.js";
import { Way } from "./way.js";

let start = ""; // of the recording that is shown
let generation = 0; // of the filter that the list is of
let looked = 0; // entries that it has looked at
let upper = 0; // the entry that was the first on the screen before the list was another one
let done = false; // nothing more comes
let behind = Number(address.get("behind")) || 0; // the list starts behind this entry

const live = new Live();
const ask = (request) => live.ask(request);
const keys = new Keys($("help"));
const views = new Views($("views"));

const columns = columnView();
const list = longList($("list"), {
	ask: (from, count) => ask({ op: "rows", draw: true, from, count }),
	choose: (at) => {
		details.look({ at });
		if (player.on) player.at(at);
	},
	follows: button,
	view: columns,
});
columns.changed = () => list.changed();
live.on("rows", (m) => m.filter === generation && list.add(m));
const ladder = new Ladder($("list"), list, ask);
const way = new Way($("journey"), ladder);
live.on("ladder", (m) => m.filter === generation && ladder.add(m));
live.on("follow", (m) => way.show(m));
const drawn = (view, pixels) => () => {
	$("list").classList.toggle("ladder", view === ladder);
	list.setView(view, pixels);
	$("list").focus();
};
views.add("list", "List", $("listview"), { show: drawn(columns, 24), hide: () => way.close() });
views.add("ladder", "Ladder", $("listview"), { show: drawn(ladder, tall), hide: () => way.close() });

const kinds = kindBar((classes) => ask({ op: "hide", classes }));

const moving = moves(list, {
	ask,
	keys,
	when: () => views.name === "list" || views.name === "ladder",
	details: () => (details.shown ? $("body").focus() : list.select(list.chosen || list.upper)),
});
columns.marked = moving.marked;
live.on("place", moving.placed);

const details = new Details({
	closed: () => {
		list.unselect();
		address.set("entry", "");
		$("list").focus();
	},
	go: open,
	ask,
});
details.keys(keys);
live.on("piece", (m) => details.piece(m));
live.on("copy", (m) => details.copied(m));
live.on("entry", (m) => {
	if (details.late(m)) return;
	details.show(m);
	address.set("entry", m.n);
});

// open shows the details of an entry, and the entry itself where it is in the list.
function open(n) {
	list.unselect();
	player.drop(); // a step would have another one shown
	details.look({ n });
	moving.find({ n }, ({ at, exact }) => {
		if (exact) list.reveal(at);
		if (exact && player.on) player.at(at);
	});
}

// only filters the list by a term.
function only(term) {
	filter.put(term);
	if (views.name !== "ladder") views.show("list");
}

// What the server drew says where it leads.
document.addEventListener("click", (e) => {
	const { go, term, hold } = e.target.closest?.("[data-go], [data-term], [data-hold]")?.dataset || {};
	if (go) open(Number(go));
	if (hold) desk.arm(hold);
	if (term) only(term);
});
address.on("entry", (n) => {
	if (Number(n) && Number(n) !== details.shown) open(Number(n));
});

const overview = new Overview($("overview"), ask, only);
views.add("overview", "Overview", $("overview"), { show: () => overview.show(), hide: () => overview.hide() });
live.on("overview", (m) => overview.answer(m));
live.on("status", () => overview.changed());
live.ups.push(() => overview.again());

const player = new Player({
	ask,
	ready: () => list.settled,
	moved: ({ n, at }, stepped) => {
		if (stepped && details.shown) list.chosen = at;
		list.setHead(at, !stepped && !player.playing && list.chosen === at);
		if (stepped && n && details.shown) details.look({ n });
	},
	closed: () => {
		list.setHead(null);
		$("replay").ariaPressed = false;
		$("list").focus();
		button();
	},
});
live.on("head", (m) => player.head(m));
live.on("density", (m) => player.density(m));

const notes = notesOf(ask, () => ({ n: details.shown, heading: $("heading").textContent, summary: document.querySelector("#body .summary")?.textContent }));
live.on("noted", (m) => {
	notes.done(m);
	list.stale(details.shown);
});

const desk = new Desk(live, { ask, say: (text) => notice(text, { bad: true }) });
const wanted = address.get("view");
let intercepts = false; // sessions go on here

live.on("hello", (m) => {
	if (m.live && !intercepts) {
		intercepts = true;
		views.add("desk", "Intercept", $("desk"), { show: () => desk.show(), hide: () => { desk.on = false; } });
		if (wanted === "desk") views.show("desk");
	}
	kinds.know(m.kinds);
	columns.know(m);
	$("note").hidden = !m.notes;
	files(m);
	$("keep").hidden = !m.keep;
});

const filter = new FilterBar(live, $("list"));
const files = filesOf(() => filter.expression);
comebacks(live);
live.ups.push(() => {
	generation = 0; // the server knows nothing of the list before
	if (behind) ask({ op: "clear", n: behind });
	filter.again();
	if (kinds.hidden.size) ask({ op: "hide", classes: [...kinds.hidden] });
	list.again();
	ladder.reset();
	found.again();
	player.again();
});
live.downs.push(() => state("lost", "connection lost, trying again"));
live.refusals.push((status) => status !== 503 && state("lost", "shut out"));

function clear(n) {
	if (ask({ op: "clear", n })) list.setFollow(true);
}
live.on("cleared", (m) => {
	const before = behind;
	behind = m.behind;
	address.set("behind", behind || "");
	$("unclear").hidden = !behind;
	if (behind > before) notice("Cleared; the recording keeps all.", { actions: [["Undo", () => clear(before)]] });
});
$("arms").onclick = () => views.show("desk");
$("clear").onclick = () => clear(-1);
$("unclear").onclick = () => clear(0);

const keep = (text, busy) => Object.assign($("keep"), { textContent: text, disabled: busy });
$("keep").onclick = () => ask({ op: "keep" }) && keep("Keeping…", true);
live.on("kept", (m) => keep(m.error || `Kept: ${m.file}`, false));
// What is chosen in the menu closes it, but for what is said on the button itself.
$("menu").onclick = (e) => e.target.id !== "keep" && $("menu").hidePopover();

function replay() {
	if (player.on) return player.close();
	list.setFollow(true);
	player.open(list.chosen);
	$("replay").ariaPressed = true;
	button();
}
$("replay").onclick = replay;

live.on("status", (m) => {
	if (start && start !== m.start) { // another run: nothing of the old list holds
		list.reset();
		found.again();
		details.hide();
		if (behind) clear(0);
	}
	if (m.reading && !start) list.setFollow(false); // a long recording is shown from its beginning
	start = m.start;
	const other = m.filter !== generation || !!m.filter && m.looked !== looked;
	looked = m.looked;
	const another = m.filter !== generation;
	if (another) {
		upper = list.follow ? 0 : list.row(list.upper)?.n || upper;
		generation = m.filter;
		ladder.reset();
		way.close();
		list.reset();
		found.again();
	}
	player.status(m, other);
	filter.status(m);
	list.start = Date.parse(m.start);
	done = m.done;
	list.setTotal(m.len, m.known);
	found.more();
	kinds.count(m.classes);
	moving.status(m, another);
	if (upper && m.looked >= upper) { // what was on the screen is there again
		moving.find({ n: upper }, ({ at }) => list.lift(at));
		if (details.shown) moving.find({ n: details.shown }, ({ at, exact }) => exact && list.reveal(at));
		upper = 0;
	}
	const late = details.shown && details.shown > details.known && details.shown <= m.known;
	if (late || details.shown && notes.fresh(details.shown, m.known)) details.look({ n: details.shown });
	put("arms", m.says.armed).title = m.armed;
	$("title").textContent = m.title;
	document.title = (m.held ? `(${m.held}) ` : "") + (m.title ? `${m.title} · xmpplens` : "xmpplens");
	$("counts").textContent = m.says.counts;
	document.body.classList.toggle("several", m.conns > 1);
	put("empty", m.says.empty);
	put("trouble", (m.trouble || []).join("\n"));
	state(m.says.state, m.says.word);
	button();
});

function state(name, text) {
	$("state").dataset.state = name;
	$("state").textContent = text;
}

function button() {
	const on = list.follow;
	$("follow").hidden = player.on ? on : done;
	$("follow").ariaPressed = on;
	$("follow").textContent = on && !player.on ? "Pause" : "Follow";
	moving.draw();
}

$("follow").onclick = () => list.setFollow(!list.follow);

$("keylisted").onclick = () => keys.list();

// What follows is listed by ? in this order.
for (const [group, names, help, run, when] of [
	["Page", ["/"], "Filter", () => { $("filter").focus(); $("filter").select(); }],
	["Page", [" "], "Pause or follow; play or pause", (e) => {
		if (e.target.closest("#body")) return false;
		if (player.on) player.toggle();
		else list.setFollow(!list.follow);
	}],
	["Page", ["Escape"], "Close the details, then the player", () => {
		if (details.shown) $("close").click();
		else if (player.on) player.close();
	}],
	["", ["Escape"], "", () => way.close(), () => way.on],
	["Page", ["n"], "Write a note", () => $("note").click(), () => !$("note").hidden],
	["Page", ["C"], "Clear the list", () => clear(-1)],
	["Page", ["s", "o"], "Save; open a recording", (e) => $(e.key === "s" ? "save" : "open").click(), () => !$("open").hidden],
	["Intercept", ["i"], "Write a stanza and put it in", () => {
		views.show("desk");
		$("xml").focus();
	}, () => intercepts],
	["Intercept", ["H"], "Hold what the filter matches", () => desk.arm(filter.expression || "stanzas"), () => intercepts],
	["Intercept", ["P", "D", "E"], "Pass, drop or edit what is held first", (e) => desk.first({ P: "pass", D: "drop", E: "edit" }[e.key]), () => desk.on],
	["Ladder", ["l"], "Follow the chosen message on its way, or no longer", () => {
		if (way.on) return way.close();
		views.show("ladder");
		ask({ op: "follow", n: list.row(list.chosen).n, draw: true });
	}, () => list.row(list.chosen)],
	["Ladder", [".", ","], "Next stage of the way, and the one before", (e) => way.step(e.key === "." ? 1 : -1), () => way.on],
	["Player", ["p"], "Play back", replay],
	["Player", ["ArrowLeft", "ArrowRight", "Shift+ArrowLeft", "Shift+ArrowRight"], "Entry before and next; stanza", (e) => player.step(e.key === "ArrowLeft" ? -1 : 1, e.shiftKey), () => player.on],
	["Player", ["+", "-"], "Faster and slower", (e) => player.faster(e.key === "+" ? 1 : -1), () => player.on],
	["Player", ["t"], "Jump to a time or an entry", () => $("jump").focus(), () => player.on],
]) keys.add({ keys: names, group, help, run, when });

const found = search(ask, list, keys);
live.on("search", (m) => m.filter === generation && found.answer(m));

views.show(address.get("view"));
if (address.get("entry")) live.ups.push(function once() {
	live.ups.splice(live.ups.indexOf(once), 1);
	open(Number(address.get("entry")) || 1);
});
