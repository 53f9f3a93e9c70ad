// The desk: here people decide about what is held, set breakpoints, switch rules,
// and write stanzas to be put into a session. The server draws what there is; what
// its buttons do stands in their attributes.

import { $, draw, h, why } from "./dom.js";

const slow = 120; // milliseconds without a key, until what is written is checked
const before = 300; // letters in front of the caret, to complete them
const remembered = 20; // stanzas that were sent

export class Desk {
	#to; #xml = $("xml"); #target = $("target"); #drawn = {};
	#doing = null; // the verdict that is written for; null = something is put in
	#sent = ""; // XML that was put in and is not answered yet
	#seq = 0; #typing = 0; #caret = 0; #from = 0;
	on = false; // it is on the screen

	// to has ask(request) and say(text).
	constructor(live, to) {
		this.#to = to;
		for (const op of ["desk", "check", "templates", "decide", "inject", "arm", "rules"]) live.on(op, (m) => this[`_${op}`](m));
		live.on("status", () => this.on && this.#look());
		$("desk").onclick = (e) => this.#clicked(e.target.closest("[data-op], [data-word]"));
		$("desk").onsubmit = (e) => {
			e.preventDefault();
			if (e.target.id === "arm") this.arm($("point").value);
			else this.#send();
		};
		$("unsend").onclick = () => this.#write(null, "");
		this.#target.onchange = () => this.#aimed();
		$("common").onchange = (e) => {
			if (e.target.value) this.#write(null, e.target.value);
			e.target.selectedIndex = 0;
		};
		this.#xml.oninput = this.#xml.onclick = () => this.#check();
		this.#xml.onkeydown = (e) => {
			if (!e.ctrlKey && !e.metaKey) return;
			if (e.key === "Enter") this.#send();
			else if (e.key === " ") this.#clicked($("words").firstChild);
			else return;
			e.preventDefault();
		};
		setInterval(() => this.on && this.#count(), 1000);
	}

	show() {
		this.on = true;
		this.#look();
		this.#check();
	}

	// first does what a button of the first frame that is held does.
	first(verdict) { $("held").firstElementChild?.querySelector(`[data-verdict="${verdict}"]`)?.click(); }

	arm(expr) { this.#to.ask({ op: "arm", expr, on: true }); }

	#look() { this.#to.ask({ op: "desk" }); }

	// put draws a part anew when it is another one than before.
	#put(id, trees) {
		const text = JSON.stringify(trees);
		if (this.#drawn[id] === text) return false;
		this.#drawn[id] = text;
		draw($(id), trees);
		return true;
	}

	_desk(m) {
		this.#put("held", m.held);
		this.#put("armed", m.armed);
		const to = this.#target.value;
		if (this.#put("target", m.targets)) {
			this.#target.value = to;
			if (!this.#target.value) this.#target.value = [...this.#target].find((o) => !o.disabled)?.value ?? "";
			if (this.#target.value !== to) this.#aimed();
		}
		this.#count();
	}

	// count says how long what is held still waits.
	#count() {
		for (const el of $("held").querySelectorAll("[data-until]")) el.textContent = `It passes by itself in ${Math.max(0, Math.round((el.dataset.until - Date.now()) / 1000))} s.`;
	}

	#clicked(el) {
		if (!el) return;
		const { op, word, conn, dir, offset, verdict, seconds, xml, expr, name } = el.dataset;
		if (word) {
			this.#xml.setRangeText(word, this.#from, this.#xml.selectionStart, "end");
			return this.#focus();
		}
		if (op === "arm") return this.#to.ask({ op, expr, on: false });
		if (op === "rules") return this.#to.ask({ op, name, on: el.checked });
		const of = { op, conn: Number(conn), dir, offset: Number(offset), verdict, seconds: Number(seconds || 0), all: "all" in el.dataset };
		if (xml === undefined) this.#to.ask(of);
		else this.#write(of, xml);
	}

	// write opens the editor, for a verdict or for something to put in.
	#write(doing, xml) {
		this.#doing = doing;
		$("composing").textContent = doing ? `${doing.verdict === "edit" ? "Edit" : "Answer"} what connection ${doing.conn} holds` : "Put something in";
		$("aim").hidden = $("swallowing").hidden = !!doing;
		$("unsend").hidden = !xml;
		this.#xml.value = xml;
		this.#focus();
	}

	#focus() {
		this.#xml.focus();
		this.#check();
	}

	#aimed() {
		const [conn, dir] = this.#target.value.split(" ");
		if (dir) this.#to.ask({ op: "templates", conn: Number(conn), dir });
		this.#check();
	}

	_templates(m) {
		draw($("common"), m.options);
		const sent = this.#history();
		if (sent.length) $("common").append(h("optgroup", { label: "Sent before" }, ...sent.map((xml) => h("option", { value: xml }, xml.replace(/\s+/g, " ").slice(0, 80)))));
	}

	#history() { return JSON.parse(sessionStorage.getItem("sent") || "[]"); }

	// what is to be done with what is written.
	#what() {
		const [conn, dir] = this.#target.value.split(" ");
		const put = { op: "inject", conn: Number(conn || 0), dir: dir || "", swallow: $("swallow").checked };
		return { ...(this.#doing || put), xml: this.#xml.value };
	}

	#check() {
		$("paper").classList.add("stale");
		clearTimeout(this.#typing);
		this.#typing = setTimeout(() => {
			const at = this.#caret = this.#xml.selectionStart;
			this.#to.ask({ ...this.#what(), op: "check", seq: ++this.#seq, before: this.#xml.value.slice(Math.max(0, at - before), at) });
		}, slow);
	}

	_check(m) {
		if (m.seq !== this.#seq) return;
		$("paper").classList.remove("stale");
		this.#from = this.#caret - m.part;
		draw($("colours"), m.drawn);
		this.#put("words", m.words);
		const wrong = this.#xml.value.trim() ? why(m) : "";
		this.#xml.ariaInvalid = !!wrong;
		$("checked").textContent = wrong;
	}

	#send() {
		const what = this.#what();
		this.#sent = what.xml;
		if (!this.#to.ask(what)) $("checked").textContent = "No connection: nothing was sent.";
	}

	_decide(m) {
		if (m.error) return this.#to.say(why(m));
		if (this.#doing && m.verdict !== "hold") this.#write(null, "");
		this.#look();
	}

	_inject(m) {
		if (m.error) return void ($("checked").textContent = why(m));
		sessionStorage.setItem("sent", JSON.stringify([this.#sent, ...this.#history().filter((x) => x !== this.#sent)].slice(0, remembered)));
		$("checked").textContent = `Sent ${new Date().toLocaleTimeString("en-GB")}.`;
		this.#aimed(); // with other ids
	}

	_arm(m) {
		if (m.error && !this.on) this.#to.say(why(m));
		$("armsaid").textContent = why(m);
		if (!m.error) $("point").value = "";
		this.#look();
	}

	_rules(m) {
		if (m.error) this.#to.say(why(m));
		this.#look();
	}
}
