// A list of very many rows. It holds those on the screen and some around them; the
// rest stays with the server. The layer of rows stands still in front of the
// scroller, whose height stands for all of them: browsers end near 17 million
// pixels, so a long list has less than a row's height for each, but at its ends.

import { h, within } from "./dom.js";

export { bytes, clock } from "./dom.js";

const page = 100; // rows in a request
const kept = 4000; // rows to remember
const ahead = 60; // rows around the screen that are asked for, too
const atOnce = 4; // requests on their way
const tallest = 6e6; // pixels; browsers allow some more
const ends = 24e3; // pixels at both ends of a long list that are as in a short one
const still = 150; // milliseconds without scrolling: it is over

const pageOf = (n) => Math.floor((n - 1) / page);

export class List {
	#box; #on; #spacer; #layer; #head; #view;
	#tall = 24; // pixels of a row
	#rows = new Map(); // by place in the list, from 1
	#asked = new Set(); // pages on their way
	#drawn = []; // elements, reused; in their order
	#first = 0; // the row in front of them
	#top = 0; // number of rows above the screen, with a fraction
	#set = -1; // scrollTop as it was last
	#by = false; // a wheel or a finger scrolls: by rows, and not to a place
	#held = false; // by a finger
	#timer = 0; #queued = false;
	total = 0;
	known = 0; // entries whose facts are there
	chosen = 0;
	start = 0; // milliseconds
	follow = true;
	settled = true; // the rows on the screen are there
	head = null; // the place of the playhead, where one is: what follows is dimmed

	// ask(from, count) requests rows; choose(n) is told of a selection, follows(bool)
	// when following goes on or off. A view says which columns a row has, and fills
	// them.
	constructor(box, { view, ...on }) {
		this.#box = box;
		this.#view = view;
		this.#on = on;
		this.#spacer = box.querySelector("#spacer");
		this.#layer = box.querySelector("#rows");
		this.#head = box.querySelector("#columns");
		const hear = (name, run) => box.addEventListener(name, run, { passive: true });
		hear("scroll", () => this.#scrolled());
		hear("wheel", (e) => {
			this.#by = true;
			// Before the list moves, so that what comes meanwhile does not move it back.
			if (e.deltaY < 0 && this.follow && this.#top > 0) this.setFollow(false);
		});
		for (const name of ["touchstart", "touchmove", "touchend", "touchcancel"]) hear(name, () => {
			this.#by = true;
			this.#held = name === "touchstart" || name === "touchmove";
		});
		hear("pointerdown", (e) => {
			if (e.pointerType !== "mouse" || e.target !== box) return; // on the bar
			this.#by = false;
			this.setFollow(false);
		});
		this.#layer.onclick = (e) => {
			const row = e.target.closest(".row");
			if (row) this.select(Number(row.dataset.at));
		};
		new ResizeObserver(() => this.#resized()).observe(box);
	}

	reset() {
		this.#rows.clear();
		this.#top = this.total = this.known = this.chosen = 0;
		this.again();
	}

	// again asks for what was on its way when the connection was lost.
	again() {
		this.#asked.clear();
		this.draw();
	}

	changed() {
		for (const el of this.#drawn) el.n = 0;
		this.draw();
	}

	// setTotal: rows that were shown without their facts are asked for again.
	setTotal(n, known = 0) {
		this.total = n;
		this.known = known;
		this.#box.setAttribute("aria-rowcount", n + (this.#head ? 1 : 0));
		this.#fit();
		if (!this.#held && (this.follow || this.#scaled && !this.#timer)) this.#stay(); // a row has less of the bar
		this.draw();
	}

	// stale asks again for the row of an entry: something was said about it.
	stale(n) {
		for (const row of this.#rows.values()) if (row.n === n) row.sure = false;
		this.draw();
	}

	setFollow(on) {
		if (on !== this.follow) {
			this.follow = on;
			this.#on.follows(on);
		}
		if (on) this.#stay();
		this.draw();
	}

	add({ from, rows, known, error }) {
		this.#asked.delete(pageOf(from));
		if (error) console.warn(error);
		rows.forEach((r, i) => {
			r.sure = r.n <= known;
			this.#rows.set(from + i, r);
			if (r.on) this.stale(r.on);
		});
		if (this.#rows.size > kept) for (const n of this.#rows.keys()) if (Math.abs(n - this.#top) > kept / 2) this.#rows.delete(n);
		this.draw();
	}

	row(at) { return this.#rows.get(at); }

	// upper is the first place that is whole on the screen, screen how many are.
	get upper() { return Math.min(Math.ceil(this.#top) + 1, this.total); }
	get screen() { return Math.max(1, Math.floor(this.#visible)); }

	// select chooses a place. reveal does not tell of it, and puts it in the middle
	// where it was not to be seen.
	select(n, middle = false) {
		this.reveal(n, middle);
		if (this.total) this.#on.choose(this.chosen);
	}

	reveal(n, middle = true) {
		if (!this.total) return;
		this.chosen = n = within(n, 1, this.total);
		if (n < this.total && this.head === null) this.setFollow(false);
		const top = within(this.#top, n - this.#visible, n - 1);
		if (top !== this.#top) this.#move(middle ? n - this.#visible / 2 : top);
		this.draw();
	}

	// lift puts a place at the upper edge.
	lift(n) {
		if (!this.follow) this.#move(n - 1);
		this.draw();
	}

	// setHead puts the playhead behind a place, null takes it away. The list follows
	// it, unless it is to stay where it is.
	setHead(at, stay) {
		this.head = at;
		if (this.follow && !stay) this.#stay();
		this.settled = false; // until it is painted
		this.draw();
	}

	unselect() {
		this.chosen = 0;
		this.draw();
	}

	get #bar() { return this.#head?.offsetHeight || 0; }
	get #window() { return Math.max(0, this.#box.clientHeight - this.#bar); }
	get #visible() { return this.#window / this.#tall; }
	get #last() { return Math.max(0, this.total - this.#visible); }
	get #height() { return Math.min(this.total * this.#tall, tallest); }
	get #scaled() { return this.total * this.#tall > tallest; }

	#fit() { this.#spacer.style.height = `${this.#height + this.#bar}px`; }

	#resized() {
		this.#view.fit?.(this.#box.clientWidth);
		this.#fit();
		this.#stay();
		this.draw();
	}

	// corners are where a row begins and ends to have less of the bar: in rows, and in
	// pixels.
	get #corners() {
		const rows = ends / this.#tall, range = this.#height - this.#window;
		return [[0, rows, this.#last - rows, this.#last], [0, ends, range - ends, range]];
	}

	// stay moves a list that follows to its end, or to the playhead with some rows
	// around it. Another has the bar put right.
	#stay() {
		let top = this.#top;
		if (this.follow) top = this.head === null ? this.#last : Math.max(this.head - 0.75 * this.#visible, Math.min(top, this.head - 1 - 0.1 * this.#visible));
		this.#move(top);
	}

	// move puts the row number top at the upper edge.
	#move(top) {
		this.#top = within(top, 0, this.#last);
		const [rows, pixels] = this.#corners;
		this.#box.scrollTop = this.#scaled ? along(this.#top, rows, pixels) : this.#top * this.#tall;
		this.#set = this.#box.scrollTop;
	}

	// Where the bar stands for more rows than it has pixels, a wheel or a finger still
	// moves by rows; the bar is put right when that is over.
	#scrolled() {
		const y = this.#box.scrollTop, by = y - this.#set;
		if (Math.abs(by) < 1) return; // our own doing
		this.#set = y;
		const [rows, pixels] = this.#corners;
		const byRows = this.#by && Math.abs(by) < 3 * this.#window;
		const top = !this.#scaled ? y / this.#tall : byRows ? this.#top + by / this.#tall : along(y, pixels, rows);
		this.#top = within(top, 0, this.#last);
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => {
			this.#timer = 0;
			this.#by = this.#held;
			if (this.#scaled) this.#move(this.#top);
		}, still);
		if (by < 0 || this.head !== null) this.setFollow(false);
		else if (this.#top >= this.#last - 0.5) this.setFollow(true);
		this.draw();
	}

	draw() {
		if (this.#queued) return;
		this.#queued = true;
		requestAnimationFrame(() => {
			this.#queued = false;
			this.#paint();
		});
	}

	#paint() {
		const first = Math.floor(this.#top);
		const count = within(Math.ceil(this.#visible) + 1, 0, this.total - first);
		this.#reuse(first, count);
		this.#layer.style.transform = `translateY(${(first - this.#top) * this.#tall}px)`;
		const wanted = new Set();
		const want = (n) => {
			const row = this.#rows.get(n);
			if (!row || !row.sure && row.n <= this.known) wanted.add(pageOf(n));
			return row;
		};
		this.settled = true;
		let active = "";
		this.#drawn.forEach((el, i) => {
			const n = first + i + 1, row = want(n);
			if (!row) this.settled = false;
			this.#fill(el, n, row);
			if (n === this.chosen) active = el.id;
			el.ariaSelected = n === this.chosen;
			el.classList.toggle("ahead", this.head !== null && n > this.head);
			el.classList.toggle("head", n === this.head);
		});
		this.#box.setAttribute("aria-activedescendant", active);
		if (count) for (const n of [first + count + ahead, first + 1 - ahead, first]) want(within(n, 1, this.total));
		for (const p of wanted) { // those on the screen first
			if (this.#asked.size >= atOnce) break;
			if (!this.#asked.has(p) && this.#on.ask(p * page + 1, page)) this.#asked.add(p);
		}
	}

	// reuse takes elements whose rows have left the screen for those that come.
	#reuse(first, count) {
		const drawn = this.#drawn;
		let by = first - this.#first;
		this.#first = first;
		if (Math.abs(by) < drawn.length) {
			for (; by > 0; by--) this.#layer.append(drawn[0]), drawn.push(drawn.shift());
			for (; by < 0; by++) this.#layer.prepend(drawn.at(-1)), drawn.unshift(drawn.pop());
		}
		while (drawn.length < count) drawn.push(this.#layer.appendChild(blank(this.#view.columns)));
		while (drawn.length > count) drawn.pop().remove();
	}

	#fill(el, n, row) {
		const before = this.#rows.get(n - 1);
		if (el.shown === row && el.n === n && el.before === before) return;
		// While it is played, a row stays until the next one is there: nothing flickers.
		if (!row && el.shown && this.head !== null && this.follow) return;
		Object.assign(el, { shown: row, n, before, id: `at-${n}` });
		el.dataset.at = n;
		el.setAttribute("aria-rowindex", n + (this.#head ? 1 : 0));
		this.#view.fill(el, row, { start: this.start, before });
	}

	setTall(tall) { this.setView(this.#view, tall); }

	// setView draws the rows another way. The chosen one, where it is on the screen,
	// stays about where it is there, or else the first.
	setView(view, tall) {
		const at = within(this.chosen, this.upper, this.#top + this.screen) === this.chosen ? this.chosen : this.upper;
		const above = (at - 1 - this.#top) / this.#visible;
		for (const el of this.#drawn.splice(0)) el.remove();
		this.#view = view;
		this.#tall = tall;
		this.#resized();
		if (!this.follow) this.#move(at - 1 - above * this.#visible);
	}
}

// along is where x is among other corners, between the same two.
function along(x, from, to) {
	const i = x < from[1] ? 0 : x < from[2] ? 1 : 2;
	return to[i] + ((x - from[i]) * (to[i + 1] - to[i])) / (from[i + 1] - from[i]);
}

const blank = (columns) => h("div.row", { role: "row" }, ...columns.map((c, i) => h(`span.${c}`, { role: "gridcell", "aria-colindex": i + 1 })));
