// Files: save the recording, open another one, compare two. A file may be dropped
// anywhere on the page; it is sent to the viewer, which keeps it while a page
// shows it.

import { bytes } from "./list.js";
import { $, node } from "./dom.js";
import { notice } from "./notice.js";

export class Files {
	#filter; #rec = ""; #request = null; #compares = false; #deep = 0;

	// filter() tells what the list is filtered by.
	constructor(filter) {
		this.#filter = filter;
		$("save").onclick = () => this.#ask();
		$("saveform").onsubmit = (e) => {
			e.preventDefault();
			this.#save($("saveform").elements.form.value);
		};
		$("savecancel").onclick = () => $("saving").close();
		$("saving").addEventListener("close", () => this.#request?.abort());
		for (const [id, compares] of [["open", false], ["compare", true]]) {
			$(id).onclick = () => {
				this.#compares = compares;
				$("menu").hidePopover();
				$("pick").click();
			};
		}
		$("pick").onchange = () => {
			this.#send([...$("pick").files], this.#compares);
			$("pick").value = "";
		};
		$("stop").onclick = () => this.#request?.abort();
		this.#dropping();
	}

	// can tells what is possible here, and which recording is shown.
	can({ files, rec }) {
		this.#rec = rec;
		this.possible = files;
		for (const id of ["save", "open", "compare"]) $(id).hidden = !files;
		$("first").hidden = !rec;
	}

	#dropping() {
		const drop = $("drop");
		const has = (e) => this.possible && e.dataTransfer?.types.includes("Files");
		const over = (on) => {
			drop.hidden = !on;
			if (!on) this.#deep = 0;
		};
		addEventListener("dragenter", (e) => {
			if (!has(e)) return;
			e.preventDefault();
			this.#deep++;
			over(true);
		});
		addEventListener("dragleave", (e) => has(e) && --this.#deep <= 0 && over(false));
		addEventListener("dragover", (e) => {
			if (!has(e)) return;
			e.preventDefault();
			for (const zone of drop.children) zone.classList.toggle("over", zone === e.target.closest("#drop > *"));
		});
		addEventListener("drop", (e) => {
			if (!has(e)) return;
			e.preventDefault();
			over(false);
			this.#send([...e.dataTransfer.files], !!e.target.closest?.("#dropcompare"));
		});
	}

	// send opens files, or compares what is shown with them.
	async #send(files, compares) {
		if (!files.length || this.#request) return;
		const total = files.reduce((n, f) => n + f.size, 0);
		const name = files.length === 1 ? files[0].name : `${files[0].name} and ${files.length - 1} more`;
		const say = (text, part) => {
			$("sent").textContent = text;
			$("sentbar").value = part;
		};
		$("sending").hidden = false;
		say(`${name}: sending`, 0);
		try {
			const opened = await this.#upload(files, (n) => say(n < total ? `${name}: ${bytes(n)} of ${bytes(total)} sent` : `${name}: reading`, total ? n / total : 1));
			if (!compares) return location.assign(opened.url);
			say(`${name}: comparing`, 1);
			const r = await this.#post("api/compare", { a: this.#rec, b: opened.rec });
			const m = await r.json();
			if (!r.ok) throw m;
			location.assign(m.url);
		} catch (e) {
			if (e.name !== "AbortError") wrong(e);
		} finally {
			$("sending").hidden = true;
			this.#request = null;
		}
	}

	#upload(files, progress) {
		const form = new FormData();
		for (const f of files) form.append("file", f, f.name);
		const x = new XMLHttpRequest();
		this.#request = x;
		return new Promise((resolve, reject) => {
			x.upload.onprogress = (e) => progress(e.loaded);
			x.onload = () => {
				const m = JSON.parse(x.responseText);
				if (x.status === 200) resolve(m);
				else reject(m);
			};
			x.onerror = () => reject({ error: "The connection was lost.", hint: "drop the file again" });
			x.onabort = () => reject(new DOMException("", "AbortError"));
			x.open("POST", "api/open");
			x.send(form);
		});
	}

	#post(path, body) {
		const c = new AbortController();
		this.#request = c;
		return fetch(path, { method: "POST", body: JSON.stringify(body), signal: c.signal });
	}

	#ask() {
		$("saved").textContent = "";
		$("saveform").querySelector("[type=submit]").disabled = false;
		$("saving").showModal();
	}

	// save has the file made, saying how far that is, and then downloads it.
	async #save(form) {
		const step = form === "0" ? (m) => `Step ${m.pass} of 3: ` : () => "";
		const button = $("saveform").querySelector("[type=submit]");
		button.disabled = true;
		$("saved").textContent = "Saving…";
		try {
			const r = await this.#post("api/save", { rec: this.#rec, exact: form === "1", page: form === "2", filter: form === "2" ? this.#filter() : "" });
			if (!r.ok) throw await r.json();
			let rest = "";
			for await (const text of r.body.pipeThrough(new TextDecoderStream())) {
				const lines = (rest + text).split("\n");
				rest = lines.pop();
				for (const m of lines.map((l) => JSON.parse(l))) {
					if (m.error) throw m;
					if (m.url) this.#download(m);
					else $("saved").textContent = `${step(m)}${bytes(m.bytes)} read`;
				}
			}
		} catch (e) {
			if (e.name !== "AbortError") $("saved").textContent = said(e);
		} finally {
			button.disabled = false;
			this.#request = null;
		}
	}

	#download({ url, name, size }) {
		const a = node("a");
		a.href = url;
		a.download = name;
		a.click();
		$("saving").close();
		notice(`Saved: ${name}, ${bytes(size)}.`);
	}
}

const said = ({ error, hint, message }) => `${error || message}${hint ? ` (${hint})` : ""}`;
const wrong = (e) => notice(said(e), { bad: true });
