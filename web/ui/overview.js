// The overview: connections and how they stand, traffic over time, how long
// answers took, what was found.

import { many, node, svg } from "./dom.js";

const pace = 400; // milliseconds between two looks
const columns = { id: "Connection", kind: "Kind", phase: "Phase", jid: "Address", tls: "TLS", mechanism: "Login", since: "Since", stanzas: "Stanzas → ←", bytes: "Bytes → ←", unacked: "Unacked", rtt: "RTT", unanswered: "Unanswered", findings: "Findings" };
const signs = { error: "✖", warning: "▲", note: "ℹ" };

const ms = (ns) => ns >= 1e9 ? `${(ns / 1e9).toFixed(1)} s` : `${(ns / 1e6).toFixed(ns < 1e7 ? 2 : 0)} ms`;
const bytes = (n) => n >= 1e6 ? `${(n / 1e6).toFixed(1)} MB` : n >= 1e3 ? `${(n / 1e3).toFixed(1)} kB` : `${n} B`;

export class Overview {
	#box; #to; #shown = false; #dirty = false; #waiting = 0; #version = ""; #by = "id"; #down = false; #range = null;

	// to has ask(request), filter(term) and open(entry).
	constructor(box, to) {
		this.#box = box;
		this.#to = to;
		for (const name of ["known", "traffic", "brush", "conns", "latencies", "codes"]) box.append(node("section", name));
		const brush = box.querySelector(".brush");
		const ends = ["From", "To"].map((text) => {
			const label = node("label", "", text);
			const input = node("input");
			Object.assign(input, { type: "range", min: 0, max: 1000, value: text === "To" ? 1000 : 0 });
			label.append(input);
			return [label, input];
		});
		const end = () => this.#length || 0;
		const choose = node("button", "", "Show these entries");
		const at = () => ends.map(([, i]) => (i.value * end()) / 1000).sort((a, b) => a - b);
		for (const [, input] of ends) input.oninput = () => {
			const [a, b] = at();
			input.setAttribute("aria-valuetext", `${((input.value * end()) / 1000).toFixed(2)} s`);
			choose.textContent = `Show ${a.toFixed(2)} s to ${b.toFixed(2)} s`;
		};
		for (const [, input] of ends) input.onchange = () => {
			const [a, b] = at();
			this.#range = b > a && (a > 0 || b < end()) ? [a, b] : null;
			this.#look();
		};
		choose.onclick = () => {
			const [a, b] = at();
			to.filter(`t >= ${a.toFixed(3)}s and t <= ${(b + 0.001).toFixed(3)}s`);
		};
		brush.append(...ends.map(([l]) => l), choose);
	}

	#length = 0;

	show() { this.#shown = true; this.#version = ""; this.#look(); }
	again() { if (this.#shown) this.show(); } // the connection is a new one
	hide() { this.#shown = false; }

	// changed tells that there may be more.
	changed() { this.#dirty = true; this.#soon(); }

	#soon() {
		if (!this.#shown || this.#waiting) return;
		this.#waiting = setTimeout(() => { this.#waiting = 0; if (this.#dirty && this.#shown) this.#look(); }, pace);
	}

	#look() {
		this.#dirty = false;
		const [from, to] = this.#range || [0, 0];
		this.#to.ask({ op: "overview", version: this.#version, by: this.#by, down: this.#down, from, to });
	}

	answer(m) {
		this.#version = m.version;
		if (m.same || !this.#shown) return;
		const put = (name, ...what) => this.#box.querySelector(`.${name}`).replaceChildren(...what);
		this.#length = m.traffic.End / 1e9;
		put("known", node("p", "", m.known < m.total ? `Latencies and findings of the first ${m.known.toLocaleString("en")} of ${many(m.total, "entry", "entries")}.` : many(m.total, "entry", "entries")));
		put("traffic", node("h2", "", "Traffic: above the line the client's, below it the server's"), this.#bars(m.traffic));
		const focus = document.activeElement?.dataset?.key;
		put("conns", node("h2", "", m.all > m.conns.length ? `The first ${m.conns.length} of ${many(m.all, "connection", "connections")}, as they are sorted` : many(m.all, "connection", "connections")), this.#table(m.conns));
		put("latencies", node("h2", "", "How long answers took"), ...m.latencies.map((l) => this.#latency(l)));
		put("codes", node("h2", "", m.codes.length ? "Findings" : "No findings"), ...m.codes.map((c) => {
			const p = node("p", "", `${signs[c.severity]} ${c.severity} `);
			p.append(this.#link(`code ${c.code}`, c.code, () => this.#to.filter(`finding(${JSON.stringify(c.code)})`)), ` ${c.Count} × · `, this.#link(`first ${c.code}`, `first #${c.First}`, () => this.#to.open(c.First)), " · ", this.#link(`last ${c.code}`, `last #${c.Last}`, () => this.#to.open(c.Last)));
			return p;
		}));
		if (focus) this.#box.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus();
	}

	#link(key, text, fn) {
		const b = node("button", "link", text);
		b.dataset.key = key;
		b.onclick = fn;
		return b;
	}

	#bars(t) {
		const bins = t.Bins || [];
		const most = Math.max(1, ...bins.map((b) => Math.max(b.CS, b.SC)));
		const sum = (k) => bins.reduce((n, b) => n + b[k], 0);
		const el = svg("svg", { viewBox: `0 0 ${Math.max(bins.length, 1)} 100`, preserveAspectRatio: "none", role: "img", "aria-label": `${many(sum("CS"), "entry", "entries")} of the client, ${sum("SC")} of the server, ${((t.Width * bins.length) / 1e9).toFixed(2)} seconds from ${(t.From / 1e9).toFixed(2)} s on, up to ${most} at a time` });
		bins.forEach((b, i) => {
			if (b.CS) el.append(svg("rect", { class: "cs", x: i, y: 50 - (48 * b.CS) / most, width: 0.8, height: (48 * b.CS) / most }));
			if (b.SC) el.append(svg("rect", { class: "sc", x: i, y: 50, width: 0.8, height: (48 * b.SC) / most }));
		});
		return el;
	}

	#table(conns) {
		const table = node("table");
		const head = node("tr");
		for (const [key, text] of Object.entries(columns)) {
			const th = node("th");
			th.setAttribute("aria-sort", key !== this.#by ? "none" : this.#down ? "descending" : "ascending");
			th.append(this.#link(`sort ${key}`, text + (key !== this.#by ? "" : this.#down ? " ▼" : " ▲"), () => {
				this.#down = key === this.#by && !this.#down;
				this.#by = key;
				this.#look();
			}));
			head.append(th);
		}
		table.append(head);
		for (const c of conns) {
			const s = c.State;
			const b = s.Bound;
			const tr = node("tr", c.Closed ? "closed" : "");
			const first = node("td");
			first.append(this.#link(`conn ${c.ID}`, `${c.ID}`, () => this.#to.filter(`conn == ${c.ID}`)));
			tr.append(first);
			const jid = b.Domain ? `${b.Local ? `${b.Local}@` : ""}${b.Domain}${b.Resource ? `/${b.Resource}` : ""}` : c.Client;
			const tls = [...new Set(c.TLS.filter(Boolean))].join(" / ");
			const found = ["note", "warning", "error"].map((k, i) => c.Findings[i] ? `${signs[k]} ${c.Findings[i]}` : "").filter(Boolean).reverse().join(" ");
			for (const text of [`${c.Kind}${c.Transport ? ` ${c.Transport}` : ""}`, s.Phase, jid, tls && `${tls} ${c.Cipher[0] || c.Cipher[1]}`, s.Mechanism, `+${(c.Since / 1e9).toFixed(1)} s`, c.Stanzas.join(" "), c.Bytes.map(bytes).join(" "),
				s.SM ? `${s.Unacked.join(" ")} (h ${s.Acked.join(" ")})${s.Resumable ? " resumable" : ""}` : "", c.RTT ? `${c.Pinged ? "" : "~"}${ms(c.RTT)}` : "", `${s.Unanswered[0] + s.Unanswered[1] || ""}`, found]) {
				const td = node("td", "", text);
				td.dir = "auto";
				tr.append(td);
			}
			table.append(tr);
		}
		return table;
	}

	#latency(l) {
		const box = node("div", "latency");
		const words = `${l.Count} × · p50 ${ms(l.P50)} · p95 ${ms(l.P95)} · max ${ms(l.Max)}`;
		const name = node("bdi", "", l.NS ? `${l.XEP} ${l.Title || l.NS}` : "no payload");
		const most = Math.max(...l.Steps.map((s) => s.N));
		const el = svg("svg", { viewBox: `0 0 ${l.Steps.length} 20`, preserveAspectRatio: "none", role: "img", "aria-label": words });
		l.Steps.forEach((s, i) => el.append(svg("rect", { class: "cs", x: i, y: 20 - (20 * s.N) / most, width: 0.8, height: (20 * s.N) / most })));
		const slow = node("span", "", " slowest ");
		l.Slowest.forEach((s) => slow.append(this.#link(`slow ${s.N}`, `#${s.N}`, () => this.#to.open(s.N)), " "));
		box.append(name, el, node("span", "", words), slow);
		return box;
	}
}
