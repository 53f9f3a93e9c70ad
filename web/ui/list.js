// A list of very many rows. It holds those on the screen and some around them; the
// rest stays with the server. The layer of rows stands still in front of the
// scroller, whose height stands for all of them: browsers end near 17 million
// pixels, so a long list has less than a row's height for each, but at its ends.

import { $, h, within } from "./dom.js";

const page = 100; // rows in a request
const kept = 4000; // rows to remember
const around = 60; // rows around the screen that are asked for, too
const atOnce = 4; // requests on their way
const tallest = 6e6; // pixels; browsers allow some more
const ends = 24e3; // pixels at both ends of a long list that are as in a short one
const still = 150; // milliseconds without scrolling: it is over

const pageOf = (n) => Math.floor((n - 1) / page);

// ask(from, count) requests rows; choose(n) is told of a selection, follows(bool)
// when following goes on or off. A view says which columns a row has, and fills them.
export function longList(box, { view, ask, choose, follows }) {
	const [spacer, layer, header] = ["spacer", "rows", "columns"].map($);
	const headers = header ? 1 : 0;
	const rows = new Map(); // by place in the list, from 1
	const asked = new Set(); // pages on their way
	const drawn = []; // elements, reused; in their order
	let tall = 24, deep = 0; // pixels of a row, and of all that are on the screen
	let passed = 0; // rows in front of them
	let top = 0; // rows above the screen, with a fraction
	let set = -1; // scrollTop as it was last
	let byRows = false; // a wheel or a finger scrolls, and not to a place
	let held = false; // by a finger
	let timer = 0, queued = 0;

	const bar = () => header?.offsetHeight || 0;
	const pixels = () => Math.max(0, box.clientHeight - bar());
	const visible = () => pixels() / tall;
	const last = () => Math.max(0, list.total - visible());
	const height = () => Math.min(list.total * tall, tallest);
	const inside = (n, pixels) => n > top && n < top + pixels / tall + 0.1;
	const scaled = () => list.total * tall > tallest;
	const fit = () => { spacer.style.height = `${height() + bar()}px`; };

	// corners are where a row begins and ends to have less of the bar: in rows, and in
	// pixels.
	function corners() {
		const few = ends / tall, range = height() - pixels();
		return [[0, few, last() - few, last()], [0, ends, range - ends, range]];
	}

	// move puts the row number to at the upper edge.
	function move(to) {
		top = within(to, 0, last());
		box.scrollTop = scaled() ? along(top, ...corners()) : top * tall;
		set = box.scrollTop;
	}

	// stay moves a list that follows to its end, or to the playhead with some rows
	// around it. Another has the bar put right.
	function stay() {
		const { follow, head } = list;
		move(!follow ? top : head === null ? last() : Math.max(head - 0.75 * visible(), Math.min(top, head - 1 - 0.1 * visible())));
	}

	// What was chosen and on the screen is still there when that is less.
	function resized() {
		const { chosen } = list, seen = inside(chosen, deep);
		deep = pixels();
		view.fit?.(box.clientWidth);
		fit();
		stay();
		if (seen && !list.follow) move(near(chosen));
		draw();
	}

	// near is what has to be above the screen for a place to be on it.
	const near = (n) => within(top, n - visible(), n - 1);

	// Where the bar stands for more rows than it has pixels, a wheel or a finger still
	// moves by rows; the bar is put right when that is over.
	function scrolled() {
		const y = box.scrollTop, by = y - set;
		if (Math.abs(by) < 1) return; // our own doing
		set = y;
		top = within(!scaled() ? y / tall : byRows && Math.abs(by) < 3 * pixels() ? top + by / tall : along(y, ...corners().reverse()), 0, last());
		clearTimeout(timer);
		timer = setTimeout(() => {
			timer = 0;
			byRows = held;
			if (scaled()) move(top);
		}, still);
		if (by < 0 || list.head !== null) setFollow(false);
		else if (top >= last() - 0.5) setFollow(true);
		draw();
	}

	function draw() {
		queued ||= requestAnimationFrame(paint);
	}

	function paint() {
		queued = 0;
		const first = Math.floor(top);
		const count = within(Math.ceil(visible()) + 1, 0, list.total - first);
		reuse(first, count);
		layer.style.transform = `translateY(${(first - top) * tall}px)`;
		const wanted = new Set();
		const want = (n) => {
			const row = rows.get(n);
			if (!row || !row.sure && row.n <= list.known) wanted.add(pageOf(n));
			return row;
		};
		const { chosen, head } = list;
		let active = "";
		list.settled = true;
		drawn.forEach((el, i) => {
			const n = first + i + 1, row = want(n);
			list.settled &&= !!row;
			fill(el, n, row);
			if (n === chosen) active = el.id;
			el.ariaSelected = n === chosen;
			el.classList.toggle("ahead", head !== null && n > head);
			el.classList.toggle("head", n === head);
		});
		box.setAttribute("aria-activedescendant", active);
		if (count) for (const n of [first + count + around, first + 1 - around, first]) want(within(n, 1, list.total));
		for (const p of wanted) { // those on the screen first
			if (asked.size >= atOnce) break;
			if (!asked.has(p) && ask(p * page + 1, page)) asked.add(p);
		}
	}

	// reuse takes elements whose rows have left the screen for those that come.
	function reuse(first, count) {
		let by = first - passed;
		passed = first;
		if (Math.abs(by) < drawn.length) {
			for (; by > 0; by--) layer.append(drawn[0]), drawn.push(drawn.shift());
			for (; by < 0; by++) layer.prepend(drawn.at(-1)), drawn.unshift(drawn.pop());
		}
		while (drawn.length < count) drawn.push(layer.appendChild(h("div.row", { role: "row" }, ...view.columns.map((c, i) => h(`span.${c}`, { role: "gridcell", "aria-colindex": i + 1 })))));
		while (drawn.length > count) drawn.pop().remove();
	}

	function fill(el, n, row) {
		if (el.shown === row && el.n === n) return;
		// While it is played, a row stays until the next one is there: nothing flickers.
		if (!row && el.shown && list.head !== null && list.follow) return;
		Object.assign(el, { shown: row, n, id: `at-${n}` });
		el.dataset.at = n;
		el.setAttribute("aria-rowindex", n + headers);
		view.fill(el, row, list);
	}

	function setFollow(on) {
		if (on !== list.follow) {
			list.follow = on;
			follows(on);
		}
		if (on) stay();
		draw();
	}

	const list = {
		total: 0,
		known: 0, // entries whose facts are there
		chosen: 0,
		start: 0, // milliseconds
		follow: true,
		settled: true, // the rows on the screen are there
		head: null, // the place of the playhead, where one is: what follows is dimmed
		setFollow,

		reset() {
			rows.clear();
			top = list.total = list.known = list.chosen = 0;
			list.again();
		},

		// again asks for what was on its way when the connection was lost.
		again() {
			asked.clear();
			draw();
		},

		changed() {
			for (const el of drawn) el.n = 0; // is filled again
			draw();
		},

		// setTotal: rows that were shown without their facts are asked for again.
		setTotal(n, known = 0) {
			if (deep === pixels()) scrolled(); // a person was first, though the browser has not told yet
			list.total = n;
			list.known = known;
			box.setAttribute("aria-rowcount", n + headers);
			fit();
			if (!held && (list.follow || scaled() && !timer)) stay(); // a row has less of the bar
			draw();
		},

		// stale asks again for the row of an entry: something was said about it.
		stale(n) {
			for (const row of rows.values()) if (row.n === n) row.sure = false;
			draw();
		},

		add({ from, rows: more, known, error }) {
			asked.delete(pageOf(from));
			if (error) console.warn(error);
			more.forEach((r, i) => {
				r.sure = r.n <= known;
				rows.set(from + i, r);
				if (r.on) list.stale(r.on);
			});
			if (rows.size > kept) for (const n of rows.keys()) if (Math.abs(n - top) > kept / 2) rows.delete(n);
			draw();
		},

		row: (at) => rows.get(at),

		// upper is the first place that is whole on the screen, screen how many are.
		get upper() { return Math.min(Math.ceil(top) + 1, list.total); },
		get screen() { return Math.max(1, Math.floor(visible())); },

		// select chooses a place. reveal does not tell of it, and puts it in the middle
		// where it was not to be seen.
		select(n, middle = false) {
			list.reveal(n, middle);
			if (list.total) choose(list.chosen);
		},

		reveal(n, middle = true) {
			if (!list.total) return;
			list.chosen = n = within(n, 1, list.total);
			if (n < list.total && list.head === null) setFollow(false);
			if (near(n) !== top) move(middle ? n - list.screen / 2 : near(n));
			draw();
		},

		// lift puts a place at the upper edge.
		lift(n) {
			if (!list.follow) move(n - 1);
			draw();
		},

		// setHead puts the playhead behind a place, null takes it away. The list follows
		// it, unless it is to stay where it is.
		setHead(at, stays) {
			list.head = at;
			if (list.follow && !stays) stay();
			list.settled = false; // until it is painted
			draw();
		},

		unselect() {
			list.chosen = 0;
			draw();
		},

		// setView draws the rows another way. The chosen one, where it is on the screen,
		// stays where it is there, or else the first.
		setView(other, to) {
			const at = inside(list.chosen, deep) ? list.chosen : list.upper;
			const above = (at - 1 - top) * tall;
			for (const el of drawn.splice(0)) el.remove();
			view = other;
			tall = to;
			resized();
			if (!list.follow) move(at - 1 - Math.min(above, pixels() - tall) / tall);
		},
	};

	const hear = (name, run) => box.addEventListener(name, run, { passive: true });
	hear("wheel", (e) => {
		byRows = true;
		// Before the list moves, so that what comes meanwhile does not move it back.
		if (e.deltaY < 0 && list.follow && top > 0) setFollow(false);
	});
	for (const name of ["touchstart", "touchend", "touchcancel"]) hear(name, (e) => {
		byRows = true;
		held = e.touches.length > 0;
	});
	box.onscroll = scrolled;
	box.onpointerdown = (e) => {
		if (e.pointerType !== "mouse" || e.target !== box) return; // on the bar
		byRows = false;
		setFollow(false);
	};
	layer.onclick = (e) => {
		const row = e.target.closest(".row");
		if (row) list.select(Number(row.dataset.at));
	};
	new ResizeObserver(resized).observe(box);
	return list;
}

// along is where x is among other corners, between the same two.
function along(x, from, to) {
	const i = x < from[1] ? 0 : x < from[2] ? 1 : 2;
	return to[i] + ((x - from[i]) * (to[i + 1] - to[i])) / (from[i + 1] - from[i]);
}
