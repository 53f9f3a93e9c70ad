// The lanes of the ladder: who talks, and where each of them stands. Ends of
// connections that are the same address or the same domain share a lane.

import { node } from "./dom.js";

const roomy = 150, cramped = 76; // pixels between two lanes, on a wide and a narrow screen
const narrow = 560;

export class Lanes {
	#head; #box; #changed; #conns = new Map(); #shown = new Set(); #width = 0; #hidden = new Set(); #pinned = new Set(); #by = new Map();
	all = []; // in their order, with x
	left = 0; // behind the times
	small = false; // the screen
	wide = 0; // pixels of all
	proxy = 0;

	constructor(box, changed) {
		this.#box = box;
		this.#changed = changed;
		this.#head = box.querySelector("#columns").appendChild(node("div", "lanes"));
		this.#head.setAttribute("role", "columnheader");
	}

	know(lanes) { for (const l of lanes) this.#conns.set(l.conn, l); }

	fit(width) {
		this.#width = width;
		this.#layout();
	}

	// show gives lanes to connections, and tells whether that changes anything.
	show(conns) {
		this.#shown = conns;
		const before = this.all.map((l) => `${l.key} ${l.x}`).join();
		this.#layout();
		return before !== this.all.map((l) => `${l.key} ${l.x}`).join();
	}

	// of returns the lanes of a connection.
	of(conn) { return this.#by.get(conn); }

	#layout() {
		const found = new Map();
		const add = (key, name, side, conn) => {
			const l = found.get(key) || { key, name, side, conns: [] };
			l.conns.push(conn);
			if (side === "server" && l.side === "peer") l.side = side;
			return found.set(key, l).get(key);
		};
		const conns = [...this.#shown, ...this.#pinned].filter((c, i, list) => list.indexOf(c) === i).map((c) => this.#conns.get(c)).filter(Boolean).sort((a, b) => a.conn - b.conn);
		this.#by.clear();
		for (const c of conns) {
			const server = add(`s ${c.server}`, c.server, "server", c.conn);
			const client = c.kind === "s2s" || c.kind === "component" ? add(`s ${c.client}`, c.client, "peer", c.conn) : add(`c ${c.client}`, c.client, "client", c.conn);
			this.#by.set(c.conn, { client, server });
		}
		const all = [...found.values()].filter((l) => !this.#hidden.has(l.key));
		const proxy = { key: "proxy", name: "proxy", side: "proxy", conns: [] };
		// The ends of one connection are never on one side alone, unless a server is between.
		const right = all.filter((l) => l.side === "server");
		this.all = [...all.filter((l) => l.side !== "server"), proxy, ...right];
		const small = this.small = this.#width < narrow;
		const edge = small ? 40 : 80;
		this.left = small ? 66 : 104;
		const room = this.#width - this.left - 2 * edge;
		const gap = Math.max(small ? cramped : roomy, room / Math.max(1, this.all.length - 1));
		this.all.forEach((l, i) => { l.x = Math.round(this.left + edge + i * gap); });
		this.proxy = proxy.x;
		for (const ends of this.#by.values()) for (const l of [ends.client, ends.server]) if (l.x === undefined || this.#hidden.has(l.key)) l.x = proxy.x;
		this.wide = Math.max(this.#width, Math.round(this.left + 2 * edge + (this.all.length - 1) * gap));
		this.#box.style.setProperty("--wide", `${this.wide}px`);
		this.#draw(gap);
	}

	#draw(gap) {
		const cells = this.all.map((l) => {
			const cell = node("div", `lanename ${l.side}`);
			const half = Math.min(gap / 2, this.wide - l.x) - 3;
			cell.style.left = `${l.x - half}px`;
			cell.style.width = `${2 * half}px`;
			const name = node(l.side === "proxy" ? "span" : "button", "", short(l.name));
			name.title = `${l.name}${l.conns.length ? `, connection ${l.conns.map((c) => `#${c}`).join(" ")}` : ""}`;
			cell.append(name);
			if (l.side === "proxy") return cell;
			const pinned = l.conns.some((c) => this.#pinned.has(c));
			name.type = "button";
			name.setAttribute("aria-pressed", pinned);
			name.setAttribute("aria-label", `Keep the lane of ${short(l.name)}`);
			name.onclick = () => this.#toggle(() => l.conns.forEach((c) => (pinned ? this.#pinned.delete(c) : this.#pinned.add(c))));
			const hide = node("button", "hide", "✕");
			hide.type = "button";
			hide.setAttribute("aria-label", `Hide the lane of ${l.name}`);
			hide.onclick = () => this.#toggle(() => this.#hidden.add(l.key));
			const sub = node("small", "", l.conns.slice(0, 3).map((c) => `#${c}`).join(" ") + (l.conns.length > 3 ? " …" : ""));
			cell.append(hide, sub);
			return cell;
		});
		const corner = node("div", "corner");
		if (this.#hidden.size) {
			const back = node("button", "", `${this.#hidden.size} hidden`);
			back.type = "button";
			back.title = "Show all lanes";
			back.onclick = () => this.#toggle(() => this.#hidden.clear());
			corner.append(back);
		}
		this.#head.replaceChildren(corner, ...cells);
	}

	#toggle(change) {
		change();
		this.#layout();
		this.#changed();
	}
}

// short leaves the domain of a full address out: romeo/orchard.
export const short = (name) => name.replace(/^([^@/]+)@[^/]+\/(.+)$/s, "$1/$2");
