// Moving about in the list: keys, a number to go to, what is new below, and which
// entries are marked.

import { $, many } from "./dom.js";

const calm = 10_000; // milliseconds between two announcements
const mostMarks = 500;

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
			this.#go($("gotoplace").value);
		};
		$("goto").onkeydown = (e) => e.key === "Escape" && this.#close();
		$("gotoplace").onblur = () => this.#close();

		const add = (names, help, run) => keys.add({ keys: names, group: "List", help, when: here, run });
		const inside = (run) => (e) => (e.target === document.body || e.target.closest("#list") ? run(e) : false);
		const by = (n) => list.select(list.chosen ? list.chosen + n : list.upper);
		add(["j", "k"], "Next entry, and the one before", (e) => by(e.key === "j" ? 1 : -1));
		add(["ArrowDown", "ArrowUp"], "The same", inside((e) => by(e.key === "ArrowDown" ? 1 : -1)));
		add(["PageDown", "PageUp"], "A page down and up", inside((e) => list.select((list.chosen || list.upper) + (list.screen - 1) * (e.key === "PageDown" ? 1 : -1))));
		add(["Home", "End"], "First and last", inside((e) => (e.key === "Home" ? list.select(1) : this.#last())));
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
		add(["]", "["], "Next entry of the same connection, and the one before", (e) => this.#along(e.key === "]" ? 1 : -1));
		add(["m", "M"], "Mark an entry; go to the next mark", (e) => (e.key === "m" ? this.#mark() : this.#marked()));
		add(["Enter"], "Open the details, and go into them", inside(() => details()));
	}

	#last() {
		this.#list.select(this.#list.total);
		this.#list.setFollow(true);
	}

	// find asks where an entry is, by its number n.
	find(what, then) {
		if (this.#ask({ op: "place", seq: ++this.#seq, ...what })) this.#then.set(this.#seq, then);
	}

	placed(m) {
		const then = this.#then.get(m.seq);
		this.#then.delete(m.seq);
		then?.(m);
	}

	#along(by) {
		const n = this.#list.row(this.#list.chosen || this.#list.upper)?.n;
		if (n) this.find({ n, by }, (m) => (m.n ? this.#list.select(m.at) : this.say("No other entry of this connection.")));
	}

	#open(text) {
		$("goto").hidden = false;
		$("gotoplace").value = text;
		$("gotoplace").focus();
	}

	#close() {
		if ($("goto").hidden) return;
		$("goto").hidden = true;
		$("gotoplace").setAttribute("aria-invalid", false);
		if (document.activeElement === $("gotoplace") || document.activeElement === document.body) $("list").focus();
	}

	#go(text) {
		const n = Number(text.replace(/[\s#,]/g, ""));
		if (!(n > 0)) {
			$("gotoplace").setAttribute("aria-invalid", true);
			return this.say("Write the number of an entry.");
		}
		this.#close();
		this.find({ n }, (m) => {
			if (!m.at) return this.say("The list is empty.");
			if (!m.exact) this.say(`Entry ${n.toLocaleString("en")} is not in the list; this is the nearest.`);
			this.#list.reveal(m.at);
			this.#list.select(m.at);
		});
	}

	// Marks are kept in the browser, for each recording.
	#mark() {
		const n = this.#list.row(this.#list.chosen || this.#list.upper)?.n;
		if (!n) return;
		if (!this.#marks.delete(n) && this.#marks.size < mostMarks) this.#marks.add(n);
		this.say(this.#marks.has(n) ? `Entry ${n} marked.` : `Entry ${n} no longer marked.`);
		const all = JSON.parse(localStorage.getItem("marks") || "[]").filter(([start]) => start !== this.#start);
		if (this.#marks.size) all.push([this.#start, [...this.#marks]]);
		localStorage.setItem("marks", JSON.stringify(all.slice(-20)));
		this.#list.changed();
	}

	marked(n) { return this.#marks.has(n); }

	#marked() {
		const n = this.#list.row(this.#list.chosen || this.#list.upper)?.n || 0;
		const sorted = [...this.#marks].sort((a, b) => a - b);
		const to = sorted.find((m) => m > n) || sorted[0];
		if (!to) return this.say("Nothing is marked yet: m marks an entry.");
		this.find({ n: to }, (m) => (m.exact ? (this.#list.reveal(m.at), this.#list.select(m.at)) : this.say(`The marked entry ${to} is not in the list.`)));
	}

	// status is told how long the list is now. other: it is another one.
	status({ start, len, total, looked, done, reading }, other) {
		if (start !== this.#start) {
			this.#start = start;
			this.#marks = new Set(JSON.parse(localStorage.getItem("marks") || "[]").find(([s]) => s === start)?.[1]);
			this.#told = total;
		}
		if (other) this.#base = total;
		this.#length = len;
		if (this.#list.follow || reading || looked < this.#base || this.#paused > len) this.#paused = len;
		this.draw();
		// For those who hear the page: not every one, and not all the time.
		if (total > this.#told && performance.now() - this.#spoken > calm && !done) {
			if (this.#spoken) $("spoken").textContent = many(total - this.#told, "new entry", "new entries");
			this.#spoken = performance.now();
			this.#told = total;
		}
	}

	// draw shows how many entries have come since the list stands still.
	draw() {
		if (this.#list.follow) this.#paused = this.#length;
		const fresh = this.#length - this.#paused;
		$("fresh").hidden = this.#list.follow || fresh < 1 || this.#list.head !== null;
		if (fresh > 0) $("fresh").textContent = `↓ ${fresh.toLocaleString("en")} new`;
	}

	// say tells something that goes away again.
	say(text) {
		$("news").textContent = text;
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => { $("news").textContent = ""; }, 5000);
	}
}
