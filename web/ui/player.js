// The player: a clock that runs over the recording. The server knows which entry
// is the last at a time and when the next one is; the page asks again when the
// clock has come there, so that a million entries play as ten do.

import { $, clock, fill, two, within } from "./dom.js";
import { Track } from "./track.js";

const longGap = 5; // seconds
const lead = 0.5; // seconds of the viewer's time in front of what comes behind a gap
const longFrame = 0.25; // seconds: more than that between two frames was no playing
const patience = 200; // milliseconds for rows to come before the list goes on
const mostSteps = 20; // of keys that wait for their answer
const calmBeat = 0.25; // seconds between two pictures for those who asked for less motion

export class Player {
	#do; #since = 0; #track; #input = $("jump");
	#last = 0; // when the picture before was, in milliseconds
	#beat = 0;
	#seq = 0; // of the last seek
	#waiting = false; // for its answer
	#steps = []; // keys that were pressed meanwhile
	#stepped = false; // it was a step or a jump,
	#jumping = false; // a jump
	#keepTime = false; // the playhead is where it is, only the entry is asked for
	#fresh = 0; // when the density was asked for
	#timer = 0;
	#calm = matchMedia("(prefers-reduced-motion: reduce)");
	on = false;
	playing = false;
	start = 0; // of the recording, in milliseconds
	live = false;
	t = 0; // the playhead, in seconds
	n = 0; // the last entry in front of it
	next = -1; // when the next is
	length = 0;
	total = 0; // entries

	// ask(request) sends, moved(head, stepped) is told where the playhead is,
	// closed() that the list is whole again; ready() tells that the rows of the last
	// move are on the screen.
	constructor(handlers) {
		this.#do = handlers;
		this.#track = new Track((t) => {
			this.#settle();
			this.#to(t);
		}, (t) => this.#clock(t), () => this.#density());
		$("play").onclick = () => this.toggle();
		for (const el of document.querySelectorAll("[data-by]")) el.onclick = (e) => this.step(Number(el.dataset.by), "stanzas" in el.dataset || e.shiftKey);
		$("leave").onclick = () => this.close();
		this.#input.onkeydown = (e) => {
			if (e.key === "Enter") this.#jump();
			if (e.key === "Escape") this.#input.blur();
			e.stopPropagation();
		};
		this.#input.onfocus = () => this.#input.select();
		this.#input.onblur = () => {
			this.#complain("");
			this.#draw(true);
		};
		$("speed").value = localStorage.getItem("speed") || "1";
		$("speed").onchange = () => localStorage.setItem("speed", $("speed").value);
	}

	get speed() { return Number($("speed").value) || 1; }

	// faster takes the next speed (1), or the one before (-1).
	faster(by) {
		const el = $("speed");
		el.selectedIndex = within(el.selectedIndex + by, 0, el.options.length - 1);
		el.onchange();
		this.#say(`${el.value} times as fast`);
	}

	// open shows the player: at a place of the list, at the end of what is live,
	// else at the beginning, and playing.
	open(at) {
		this.on = true;
		$("player").hidden = false;
		this.#density();
		if (at) this.#seek({ at }, true);
		else if (this.live) this.#edge();
		else this.#to(0);
		if (!at) this.#run();
		this.#draw(true);
	}

	close() {
		this.pause();
		this.on = false;
		$("player").hidden = true;
		this.#do.closed();
	}

	toggle() {
		if (this.playing) return this.pause();
		if (this.t >= this.length && !this.live) this.#to(0);
		this.#run();
	}

	#run() {
		this.playing = true;
		this.#last = 0;
		this.#label();
		requestAnimationFrame((now) => this.#tick(now));
	}

	#settle() {
		if (!this.playing) return;
		this.playing = false;
		this.#label();
		this.#draw(true);
	}

	pause() {
		if (!this.playing) return;
		this.#settle();
		this.#say(`paused at entry ${this.n}`);
	}

	// step goes to the next entry (1), or the one before (-1), or to a stanza.
	step(by, stanzas) {
		this.#settle();
		if (this.#waiting && this.#stepped) { // one after another
			if (this.#steps.length < mostSteps) this.#steps.push([by, stanzas]);
			return;
		}
		this.#seek({ n: this.n, by, stanzas }, true);
	}

	// at puts the playhead behind a place of the list, because it was chosen.
	at(at) {
		this.#settle();
		this.#seek({ at });
	}

	// again asks for what was on its way when the connection was lost.
	again() {
		this.#waiting = false;
		this.#steps = [];
		if (this.on) {
			this.#density();
			this.#seek({ n: this.n });
		}
	}

	// status is told that there is more, or another list.
	status({ start, done, total }, other) {
		this.start = Date.parse(start);
		this.live = !done;
		const more = total !== this.total;
		this.total = total;
		if (!this.on) return;
		if (more && this.playing && this.t >= this.length) this.#edge();
		else if (other || this.next < 0 && more && !(this.#waiting && this.#stepped)) this.#seek({ n: this.n }); // a step's answer says it, too
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#density(), Math.max(0, this.#fresh + 1000 - performance.now()));
	}

	#edge() { this.#seek({ n: 2 ** 31 - 1 }); }

	#density() {
		this.#fresh = performance.now();
		if (this.on) this.#do.ask({ op: "density", draw: this.#track.wide });
	}

	density(m) {
		this.length = Math.max(this.length, m.length);
		this.#track.show(m);
		this.#draw(true);
	}

	#to(t) {
		this.t = t;
		this.#seek({ to: "time", t });
	}

	#seek(request, stepped = false) {
		this.#stepped = stepped;
		this.#jumping = "place" in request;
		this.#waiting = this.#do.ask({ op: "head", seq: ++this.#seq, ...request });
		this.#keepTime = request.to === "time" || !stepped && !request.at && request.n === this.n;
	}

	head(m) {
		if (m.seq !== this.#seq) return;
		this.#waiting = false;
		if (this.#jumping) {
			this.#complain(m.error || "");
			if (m.error) return;
			this.#input.blur();
		}
		this.#since = performance.now();
		const stepped = this.#stepped;
		const moved = m.n !== this.n || stepped;
		Object.assign(this, { n: m.n, next: m.next, length: m.length });
		if (!this.#keepTime) this.t = m.t;
		this.#do.moved(m, stepped);
		if (stepped) this.#say(m.none ? "there is no other" : m.n ? `entry ${m.n}` : "in front of the first entry");
		this.#draw(moved);
		const step = this.#steps.shift();
		if (step) this.step(...step);
	}

	#tick(now) {
		if (!this.playing || !this.on) return;
		requestAnimationFrame((now) => this.#tick(now));
		const dt = this.#last ? Math.min((now - this.#last) / 1000, longFrame) : 0;
		this.#last = now;
		const pace = this.speed;
		this.t = Math.min(this.t + dt * pace, Math.max(this.length, this.t));
		const gap = this.next - this.t;
		if (gap > Math.max(longGap, lead * pace) && !this.#waiting && $("gaps").checked) {
			this.t = this.next - lead * pace;
			this.#say(`${span(gap - lead * pace)} without entries skipped`);
		}
		// Where very much happens the list goes on when there is something to see.
		const seen = this.#do.ready() || now - this.#since > patience;
		if (this.next >= 0 && this.t >= this.next && !this.#waiting && seen) this.#to(this.t);
		if (this.next < 0 && !this.#waiting && !this.live) {
			this.t = Math.max(this.t, this.length);
			this.#settle();
			this.#say("the end");
		}
		this.#draw(false);
	}

	#clock(t) { return clock(this.start + t * 1000); }

	// draw shows where the playhead is: on each frame, or, for those who want
	// less motion, on a slow beat and when something changes.
	#draw(changed) {
		if (!changed && this.#calm.matches && performance.now() - this.#beat < calmBeat * 1000) return;
		this.#beat = performance.now();
		const stamp = this.#clock(this.t);
		this.#track.move(this.t, this.length, `${stamp}, entry ${this.n} of ${this.total}`);
		if (document.activeElement !== this.#input && this.#input.value !== stamp) this.#input.value = stamp;
		fill($("where"), `${span(this.t)} of ${span(this.length)} · ${this.n.toLocaleString("en")} of ${this.total.toLocaleString("en")}`);
	}

	#label() {
		$("play").ariaLabel = this.playing ? "Pause" : "Play";
		$("play").classList.toggle("on", this.playing);
	}

	#say(text) { $("said").textContent = text; }

	#jump() {
		this.#settle();
		this.#seek({ place: this.#input.value.trim() || "?", zone: new Date(this.start).getTimezoneOffset() }, true);
	}

	#complain(text) {
		this.#input.ariaInvalid = !!text;
		Object.assign($("wrong"), { hidden: !text, textContent: text });
	}
}

// span puts a duration into words.
function span(s) {
	if (s < 60) return `${s.toFixed(s < 10 ? 2 : 1)} s`;
	const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60, rest = two(Math.floor(s % 60));
	return h ? `${h}:${two(m)}:${rest} h` : `${m}:${rest} min`;
}
