// The connection to the server. It comes back by itself when it is lost: what
// the page shows is asked for by number, so nothing is missed meanwhile.

const silent = 11000; // milliseconds without a word, of which there is one in 5 seconds, until it counts as lost
const patience = 4000; // for an answer, and for a connection
const longest = 10000; // between two tries

export class Live {
	#socket = null;
	#up = false;
	#wait = 250;
	#retry = 0;
	#heard = 0; // when there was a word
	#ticked = 0;
	#due = 0; // when an answer must be there
	#handlers = new Map(); // by op
	ups = []; // called when there is a connection,
	downs = []; // when it is lost,
	refusals = []; // and with why when the server lets the page in no more

	constructor() {
		this.#connect();
		// After a sleep nobody knows whether the other side is still there.
		const look = () => {
			if (document.hidden) return;
			if (this.#up) this.#probe();
			else this.#soon(0);
		};
		for (const name of ["online", "focus", "pageshow"]) addEventListener(name, look);
		document.addEventListener("visibilitychange", look);
		addEventListener("offline", () => this.#up && this.#probe());
		setInterval(() => this.#tick(), 1000);
	}

	// on lets fn have the messages with an op.
	on(op, fn) { this.#handlers.set(op, [...(this.#handlers.get(op) || []), fn]); }

	#tick() {
		const now = performance.now();
		const slept = now - this.#ticked > 5000;
		this.#ticked = now;
		if (!this.#socket) return;
		if (slept && this.#up && !this.#due) this.#probe();
		else if (this.#due ? now > this.#due : now - this.#heard > silent) this.#lost();
	}

	#probe() {
		if (!this.#due && this.ask({ op: "beat" })) this.#due = performance.now() + patience;
	}

	#soon(wait) {
		if (this.#socket) return;
		clearTimeout(this.#retry);
		this.#retry = setTimeout(() => this.#connect(), wait);
	}

	#connect() {
		if (this.#socket) return;
		const socket = new WebSocket(`ws://${location.host}/live${location.search}`);
		this.#socket = socket;
		this.#due = performance.now() + patience;
		socket.onopen = () => {
			this.#up = true;
			this.#wait = 250;
			this.#due = 0;
			this.#heard = performance.now();
			for (const fn of this.ups) fn();
		};
		socket.onmessage = (e) => {
			this.#heard = performance.now();
			this.#due = 0;
			const m = JSON.parse(e.data);
			for (const fn of this.#handlers.get(m.op) || []) fn(m);
		};
		socket.onclose = () => this.#lost();
	}

	// lost gives a connection up without waiting for the other side, which may be
	// gone, and asks why where there was none.
	async #lost() {
		const socket = this.#socket;
		if (!socket) return;
		const never = !this.#up;
		this.#up = false;
		this.#socket = null;
		socket.onopen = socket.onmessage = socket.onclose = null;
		socket.close();
		if (!never) for (const fn of this.downs) fn();
		this.#soon(this.#wait * (0.8 + 0.4 * Math.random()));
		this.#wait = Math.min(this.#wait * 2, longest);
		if (!never) return;
		try {
			const r = await fetch(`api/status${location.search}`, { signal: AbortSignal.timeout(patience) });
			if (r.ok || this.#up) return;
			const why = await r.json();
			// Another try is for the person to make, by coming back to the page.
			if (r.status !== 503) clearTimeout(this.#retry);
			for (const fn of this.refusals) fn(r.status, why);
		} catch { /* nobody is there: another try comes by itself */ }
	}

	// ask sends a request; false when there is no connection.
	ask(request) {
		if (!this.#up || this.#socket.readyState !== WebSocket.OPEN) return false;
		this.#socket.send(JSON.stringify(request));
		return true;
	}
}
