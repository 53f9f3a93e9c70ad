// The player: a clock that runs over the recording. The server knows which entry
// is the last at a time and when the next one is; the page asks again when the
// clock has come there, so that a million entries play as ten do.

import { $, clock, draw, fill, put, within } from "./dom.js";

const longGap = 5; // seconds
const lead = 0.5; // seconds of the viewer's time in front of what comes behind a gap
const longFrame = 0.25; // seconds: more than that between two frames was no playing
const patience = 200; // milliseconds for rows to come before the list goes on
const mostSteps = 20; // of keys that wait for their answer
const calmBeat = 250; // milliseconds between two pictures for those who asked for less motion
const trackPace = 1000; // milliseconds until the track is drawn anew

export class Player {
	#do; #input = $("jump"); #track = $("track"); #scrub = $("scrub");
	#last = 0; // when the frame before was, in milliseconds,
	#beat = 0; // and the picture
	#seq = 0; // of the last seek,
	#asked = {}; // what it was
	#waiting = false; // for its answer
	#since = 0; // when that came
	#steps = []; // keys that were pressed meanwhile
	#timer = 0; // of the next track
	#tips = []; // what its columns stand for
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
		this.#scrub.oninput = () => {
			this.#settle();
			this.#to(Number(this.#scrub.value));
		};
		this.#track.onpointermove = (e) => { // what is under it
			const { left, width } = this.#track.getBoundingClientRect(), part = within((e.clientX - left) / width, 0, 0.9999), tip = $("tip");
			const words = this.#tips[Math.floor(part * this.#tips.length)];
			fill(tip, this.#clock(part * this.length) + (words ? ` · ${words}` : ""));
			tip.hidden = false;
			tip.style.left = `${within(part * width - tip.offsetWidth / 2, 0, width - tip.offsetWidth)}px`;
		};
		this.#track.onpointerleave = () => { $("tip").hidden = true; };
		new ResizeObserver(() => this.#density()).observe(this.#track);
		$("play").onclick = () => this.toggle();
		for (const el of document.querySelectorAll("[data-by]")) el.onclick = (e) => this.step(Number(el.dataset.by), "stanzas" in el.dataset || e.shiftKey);
		$("leave").onclick = () => this.close();
		this.#input.onkeydown = (e) => {
			if (e.key === "Enter") {
				this.#settle();
				this.#seek({ place: this.#input.value.trim() || "?", zone: new Date(this.start).getTimezoneOffset() }, true);
			}
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
		$("play").ariaLabel = "Pause";
		requestAnimationFrame(this.#tick);
	}

	#settle() {
		if (!this.playing) return;
		this.playing = false;
		$("play").ariaLabel = "Play";
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
		if (this.#waiting && this.#asked.stepped) { // one after another
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

	// drop gives up what is on its way.
	drop() {
		this.#seq++;
		this.#waiting = false;
		this.#steps = [];
	}

	// again asks for what was on its way when the connection was lost.
	again() {
		this.drop();
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
		else if (other || this.next < 0 && more && !(this.#waiting && this.#asked.stepped)) this.#seek({ n: this.n }); // a step's answer says it, too
		this.#timer ||= setTimeout(() => this.#density(), trackPace);
	}

	#edge() { this.#seek({ n: 2 ** 31 - 1 }); }

	#density() {
		clearTimeout(this.#timer);
		this.#timer = 0;
		if (this.on) this.#do.ask({ op: "density", draw: this.#track.clientWidth });
	}

	density(m) {
		this.length = Math.max(this.length, m.length);
		this.#tips = m.tips;
		draw($("picture"), [m.picture]);
		this.#draw(true);
	}

	#to(t) {
		this.t = t;
		this.#seek({ to: "time", t });
	}

	#seek(request, stepped = false) {
		this.#asked = { ...request, stepped };
		this.#waiting = this.#do.ask({ op: "head", seq: ++this.#seq, ...request });
	}

	head(m) {
		if (m.seq !== this.#seq) return;
		this.#waiting = false;
		const { stepped, place, to, at, n } = this.#asked;
		if (place) {
			this.#complain(m.error || "");
			if (m.error) return;
			this.#input.blur();
		}
		this.#since = performance.now();
		const moved = m.n !== this.n || stepped;
		if (to !== "time" && (stepped || at || n !== this.n)) this.t = m.t; // else only the entry was asked for
		Object.assign(this, { n: m.n, next: m.next, length: m.length });
		this.#do.moved(m, stepped);
		if (stepped) this.#say(m.none ? "there is no other" : m.n ? `entry ${m.n}` : "in front of the first entry");
		this.#draw(moved);
		const step = this.#steps.shift();
		if (step) this.step(...step);
	}

	#tick = (now) => {
		if (!this.playing || !this.on) return;
		requestAnimationFrame(this.#tick);
		const dt = this.#last ? Math.min((now - this.#last) / 1000, longFrame) : 0;
		this.#last = now;
		const pace = Number($("speed").value) || 1;
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
	};

	#clock(t) { return clock(this.start + t * 1000); }

	// draw shows where the playhead is: on each frame, or, for those who want
	// less motion, on a slow beat and when something changes.
	#draw(changed) {
		if (!changed && this.#calm.matches && performance.now() - this.#beat < calmBeat) return;
		this.#beat = performance.now();
		const stamp = this.#clock(this.t);
		if (this.#scrub.max !== String(this.length)) this.#scrub.max = this.length;
		Object.assign(this.#scrub, { value: this.t, ariaValueText: `${stamp}, entry ${this.n} of ${this.total}` });
		$("rest").style.left = `${100 * within(this.t / this.length || 0, 0, 1)}%`;
		if (document.activeElement !== this.#input && this.#input.value !== stamp) this.#input.value = stamp;
		fill($("where"), `${span(this.t)} of ${span(this.length)} · ${this.n.toLocaleString("en")} of ${this.total.toLocaleString("en")}`);
	}

	#say(text) { $("said").textContent = text; }

	#complain(text) {
		this.#input.ariaInvalid = !!text;
		put("wrong", text);
	}
}

// span puts a duration into words.
function span(s) {
	if (s < 60) return `${s.toFixed(s < 10 ? 2 : 1)} s`;
	const rest = new Date(s * 1000).toISOString(); // of a day
	return s < 3600 ? `${Number(rest.slice(14, 16))}${rest.slice(16, 19)} min` : `${Math.floor(s / 3600)}${rest.slice(13, 19)} h`;
}
