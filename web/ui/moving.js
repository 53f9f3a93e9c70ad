// Moving about in the list: keys, a number to go to, what is new below, and which
// entries are marked.

import { $, many } from "./dom.js";

const calm = 10_000; // milliseconds between two announcements

export class Moving {
	#list; #ask; #seq = 0; #then = new Map();
	#paused = 0; #length = 0; #base = 0; // of the list when it stopped following, and of the recording when it was another
	#spoken = 0; #told = 0; #timer = 0; // when something was announced, how many entries there were
	#marks = new Set(); #start = "";

	// ask sends; details() opens or enters those of the chosen entry.
	constructor(list, { ask, keys, here, details }) {
		this.#list = list;
		this.#ask = ask;
		$("fresh").onclick = () => list.setFollow(true);
		$("goto").onsubmit = (e) => {
			e.preventDefault();
			$("goto").hidePopover();
			this.#go(Number($("gotoplace").value.replace(/\D/g, "")));
		};

		// run is told 1 for the first of two keys, or else -1. In the list: not where
		// the key has a use of its own.
		const add = (names, help, run, inList) => keys.add({ keys: names, group: "List", help, when: here, run: (e) =>
			(!inList || e.target === document.body || e.target.closest("#list") ? run(e.key === names[0] ? 1 : -1) : false) });
		const step = (by) => list.select(list.chosen ? list.chosen + by : list.upper);
		add(["j", "k"], "Next entry, and the one before", step);
		add(["ArrowDown", "ArrowUp"], "The same", step, true);
		add(["PageDown", "PageUp"], "A page down and up", (by) => list.select((list.chosen || list.upper) + by * (list.screen - 1)), true);
		add(["Home", "End"], "First and last", (by) => (by > 0 ? list.select(1) : this.#last()), true);
		add(["g"], "g g first; g and a number: that entry", () => addEventListener("keydown", (e) => { // the next key belongs to it
			if (e.key === "g") list.select(1);
			else if (/^\d$/.test(e.key)) this.#open(e.key);
			else return;
			e.preventDefault();
			e.stopPropagation();
		}, { capture: true, once: true }));
		add(["G"], "Last", () => this.#last());
		add([":"], "Go to an entry", () => this.#open(""));
		add(["f"], "Follow what comes, or stay", () => list.setFollow(!list.follow));
		add(["]", "["], "Next entry of the same connection, and the one before", (by) => this.#along(by));
		add(["m", "M"], "Mark an entry; go to the next mark", (by) => (by > 0 ? this.#mark() : this.#marked()));
		add(["Enter"], "Open the details, and go into them", details, true);
	}

	// n is the number of the chosen entry, or of the first on the screen.
	get #n() { return this.#list.row(this.#list.chosen || this.#list.upper)?.n; }

	#last() {
		this.#list.select(this.#list.total);
		this.#list.setFollow(true);
	}

	// find asks where an entry is, by its number n.
	find(what, then) {
		if (this.#ask({ op: "place", seq: ++this.#seq, ...what })) this.#then.set(this.#seq, then);
	}

	placed(m) {
		this.#then.get(m.seq)?.(m);
		this.#then.delete(m.seq);
	}

	#along(by) {
		const n = this.#n;
		if (n) this.find({ n, by }, (m) => (m.n ? this.#list.select(m.at) : this.say("No other entry of this connection.")));
	}

	#open(text) {
		$("goto").showPopover();
		$("gotoplace").value = text;
	}

	#go(n) {
		this.find({ n }, (m) => {
			if (!m.exact) this.say(m.at ? `Entry ${n.toLocaleString("en")} is not in the list; this is the nearest.` : "The list is empty.");
			this.#list.select(m.at, true);
		});
	}

	// Marks are kept in the browser, for each recording.
	#mark() {
		const n = this.#n;
		if (!n) return;
		if (!this.#marks.delete(n)) this.#marks.add(n);
		this.say(`Entry ${n} ${this.#marks.has(n) ? "" : "no longer "}marked.`);
		localStorage.setItem(`marks ${this.#start}`, JSON.stringify([...this.#marks]));
		this.#list.changed();
	}

	marked(n) { return this.#marks.has(n); }

	#marked() {
		const sorted = [...this.#marks].sort((a, b) => a - b);
		const to = sorted.find((m) => m > this.#n) || sorted[0];
		if (to) this.#go(to);
		else this.say("Nothing is marked yet: m marks an entry.");
	}

	// status is told how long the list is now. other: it is another one.
	status({ start, len, total, looked, done, reading }, other) {
		const now = performance.now();
		if (start !== this.#start) {
			this.#start = start;
			this.#marks = new Set(JSON.parse(localStorage.getItem(`marks ${start}`)));
			this.#spoken = now;
			this.#told = total;
		}
		if (other) this.#base = total;
		this.#length = len;
		if (reading || looked < this.#base || this.#paused > len) this.#paused = len;
		this.draw();
		// For those who hear the page: not every one, and not all the time.
		if (total > this.#told && now - this.#spoken > calm && !done) {
			$("spoken").textContent = many(total - this.#told, "new entry", "new entries");
			this.#spoken = now;
			this.#told = total;
		}
	}

	// draw shows how many entries have come since the list stands still.
	draw() {
		if (this.#list.follow) this.#paused = this.#length;
		const fresh = this.#length - this.#paused;
		$("fresh").hidden = !fresh || this.#list.head !== null;
		$("fresh").textContent = `↓ ${fresh.toLocaleString("en")} new`;
	}

	// say tells something that goes away again.
	say(text) {
		$("news").textContent = text;
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => { $("news").textContent = ""; }, 5000);
	}
}
