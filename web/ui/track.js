// The track of the player: how much there is at each time of the recording. The
// server draws it, as wide as the page has room.

import { $, draw, within } from "./dom.js";

export class Track {
	#box = $("track"); #input = $("scrub"); #stamp; #length = 0; #tips = [];

	// seek(t) is told where the person wants to be; stamp(t) puts a time into words;
	// fresh() asks for the picture.
	constructor(seek, stamp, fresh) {
		this.#stamp = stamp;
		this.#input.oninput = () => seek(Number(this.#input.value));
		this.#box.onpointermove = (e) => this.#point(e);
		this.#box.onpointerleave = () => { $("tip").hidden = true; };
		new ResizeObserver(fresh).observe(this.#box);
	}

	get wide() { return this.#box.clientWidth; }

	show({ picture, tips }) {
		this.#tips = tips;
		draw($("picture"), [picture]);
	}

	// move puts the playhead at t.
	move(t, length, text) {
		this.#length = length;
		if (this.#input.max !== String(length)) this.#input.max = length;
		this.#input.value = t;
		this.#input.ariaValueText = text;
		$("rest").style.left = `${length ? Math.min(100, (100 * t) / length) : 0}%`;
	}

	// point tells what is under the pointer.
	#point(e) {
		const box = this.#box.getBoundingClientRect();
		const part = within((e.clientX - box.left) / box.width, 0, 1);
		const words = this.#tips[Math.min(Math.floor(part * this.#tips.length), this.#tips.length - 1)];
		const tip = Object.assign($("tip"), { textContent: this.#stamp(part * this.#length) + (words && ` · ${words}`), hidden: !this.#tips.length });
		const wide = tip.offsetWidth;
		tip.style.left = `${within(part * box.width - wide / 2, 0, box.width - wide)}px`;
	}
}
