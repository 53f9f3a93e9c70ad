// Moving about in the list: keys, a number to go to, what is new below, and which
// entries are marked.

import { $, fill, many, put } from "./dom.js";

const calm = 10_000; // milliseconds between two announcements

// ask sends; details() opens or enters those of the chosen entry.
export function moves(list, { ask, keys, when, details }) {
	const then = new Map();
	let seq = 0, timer = 0, start = "";
	let paused = 0, length = 0, base = 0; // of the list when it stopped following, and of the recording when it was another
	let spoken = 0, told = 0; // when something was announced, how many entries there were
	let marks = new Set();

	const here = () => list.chosen || list.upper;
	// number is that of the chosen entry, or of the first on the screen.
	const number = () => list.row(here())?.n;

	// say tells something that goes away again.
	function say(text) {
		fill($("news"), text);
		clearTimeout(timer);
		if (text) timer = setTimeout(say, 5000, "");
	}

	// find asks where an entry is, by its number n.
	function find(what, run) {
		if (ask({ op: "place", seq: ++seq, ...what })) then.set(seq, run);
	}

	const go = (n, by = 0) => find({ n, by }, ({ at, says }) => {
		if (says) say(says);
		if (at) list.select(at, !by);
	});
	const step = (by) => list.select(list.chosen ? list.chosen + by : list.upper);

	function end(by) {
		list.select(by > 0 ? 1 : list.total);
		if (by < 0) list.setFollow(true);
	}

	function open(text) {
		$("goto").showPopover();
		$("gotoplace").value = text;
	}

	// Marks are kept in the browser, for each recording.
	function mark() {
		const n = number();
		if (!n) return;
		if (!marks.delete(n)) marks.add(n);
		say(`Entry ${n} ${marks.has(n) ? "" : "no longer "}marked.`);
		localStorage.setItem(`marks ${start}`, JSON.stringify([...marks]));
		list.changed();
	}

	function toMark() {
		const sorted = [...marks].sort((a, b) => a - b), to = sorted.find((m) => m > number()) || sorted[0];
		if (to) go(to);
		else say("Nothing is marked yet: m marks an entry.");
	}

	// draw shows how many entries have come since the list stands still.
	function draw() {
		if (list.follow) paused = length;
		const fresh = list.head === null && length - paused;
		put("fresh", fresh ? `↓ ${fresh.toLocaleString("en")} new` : "");
	}

	// status is told how long the list is now. other: it is another one.
	function status(m, other) {
		const now = performance.now();
		if (m.start !== start) {
			start = m.start;
			marks = new Set(JSON.parse(localStorage.getItem(`marks ${start}`)));
			spoken = now;
			told = m.total;
		}
		if (other) base = m.total;
		length = m.len;
		if (m.reading || m.looked < base || paused > length) paused = length;
		draw();
		// For those who hear the page: not every one, and not all the time.
		if (m.total > told && now - spoken > calm && !m.done) {
			$("spoken").textContent = many(m.total - told, "new entry", "new entries");
			spoken = now;
			told = m.total;
		}
	}

	$("fresh").onclick = () => list.setFollow(true);
	$("goto").onsubmit = (e) => {
		e.preventDefault();
		$("goto").hidePopover();
		go(Number($("gotoplace").value.replace(/\D/g, "")));
	};

	// run is told 1 for the first of two keys, or else -1. In the list: not where the
	// key has a use of its own.
	for (const [names, help, run, inList] of [
		[["j", "k"], "Next entry, and the one before", step],
		[["ArrowDown", "ArrowUp"], "The same", step, true],
		[["PageDown", "PageUp"], "A page down and up", (by) => list.select(here() + by * (list.screen - 1)), true],
		[["Home", "End"], "First and last", end, true],
		[["g"], "g g first; g and a number: that entry", () => addEventListener("keydown", (e) => { // the next key belongs to it
			if (e.key === "g") list.select(1);
			else if (/^\d$/.test(e.key)) open(e.key);
			else return;
			e.preventDefault();
			e.stopPropagation();
		}, { capture: true, once: true })],
		[["G"], "Last", () => end(-1)],
		[[":"], "Go to an entry", () => open("")],
		[["f"], "Follow what comes, or stay", () => list.setFollow(!list.follow)],
		[["]", "["], "Next entry of the same connection, and the one before", (by) => number() && go(number(), by)],
		[["m", "M"], "Mark an entry; go to the next mark", (by) => (by > 0 ? mark() : toMark())],
		[["Enter"], "Open the details, and go into them", details, true],
	]) keys.add({ keys: names, group: "List", help, when, run: (e) => (!inList || e.target === document.body || e.target.closest("#list") ? run(e.key === names[0] ? 1 : -1) : false) });

	function placed(m) {
		then.get(m.seq)?.(m);
		then.delete(m.seq);
	}

	return { find, placed, marked: (n) => marks.has(n), status, draw };
}
