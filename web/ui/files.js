// Files: save the recording, open another one, compare two. A file may be dropped
// anywhere on the page; it is sent to the viewer, which keeps it while a page
// shows it.

import { $, bytes, h, why } from "./dom.js";
import { notice } from "./notice.js";

export class Files {
	#filter; #rec = ""; #request = null; #compares = false;

	// filter() tells what the list is filtered by.
	constructor(filter) {
		this.#filter = filter;
		$("save").onclick = () => {
			$("saved").textContent = "";
			$("savego").disabled = false;
			$("saving").showModal();
		};
		$("saveform").onsubmit = (e) => {
			e.preventDefault();
			this.#save($("saveform").elements.form.value);
		};
		$("savecancel").onclick = () => $("saving").close();
		$("saving").onclose = $("stop").onclick = () => this.#request?.abort();
		for (const id of ["open", "compare"]) $(id).onclick = () => {
			this.#compares = id === "compare";
			$("pick").click();
		};
		$("pick").onchange = () => {
			this.#send([...$("pick").files], this.#compares);
			$("pick").value = "";
		};
		const on = (name, run) => addEventListener(name, (e) => {
			if (!this.possible || !e.dataTransfer?.types.includes("Files")) return;
			e.preventDefault();
			run(e);
		});
		const over = (e) => {
			$("drop").hidden = false;
			for (const zone of $("drop").children) zone.classList.toggle("over", zone.contains(e.target));
		};
		on("dragenter", over);
		on("dragover", over);
		on("dragleave", (e) => { $("drop").hidden = !e.relatedTarget; });
		on("drop", (e) => {
			$("drop").hidden = true;
			this.#send([...e.dataTransfer.files], $("dropcompare").contains(e.target));
		});
	}

	// can tells what is possible here, and which recording is shown.
	can({ files, rec }) {
		this.#rec = rec;
		this.possible = files;
		for (const id of ["save", "open", "compare"]) $(id).hidden = !files;
		$("first").hidden = !rec;
	}

	// send opens files, or compares what is shown with them.
	async #send(files, compares) {
		if (!files.length || this.#request) return;
		const total = files.reduce((n, f) => n + f.size, 0);
		const name = files[0].name + (files.length > 1 ? ` and ${files.length - 1} more` : "");
		const say = (text, part) => {
			$("sent").textContent = `${name}: ${text}`;
			$("sentbar").value = part;
		};
		$("sending").hidden = false;
		say("sending", 0);
		try {
			const opened = await this.#upload(files, (n) => say(n < total ? `${bytes(n)} of ${bytes(total)} sent` : "reading", total ? n / total : 1));
			if (!compares) return location.assign(opened.url);
			say("comparing", 1);
			const r = await this.#post("api/compare", { a: this.#rec, b: opened.rec });
			location.assign((await r.json()).url);
		} catch (e) {
			if (e.name !== "AbortError") notice(why(e), { bad: true });
		} finally {
			$("sending").hidden = true;
			this.#request = null;
		}
	}

	#upload(files, progress) {
		const form = new FormData();
		for (const f of files) form.append("file", f, f.name);
		const x = this.#request = new XMLHttpRequest();
		return new Promise((resolve, reject) => {
			x.upload.onprogress = (e) => progress(e.loaded);
			x.onload = () => (x.status === 200 ? resolve : reject)(JSON.parse(x.responseText));
			x.onerror = () => reject({ error: "The connection was lost.", hint: "drop the file again" });
			x.onabort = () => reject({ name: "AbortError" });
			x.open("POST", "api/open");
			x.send(form);
		});
	}

	async #post(path, body) {
		const { signal } = this.#request = new AbortController();
		const r = await fetch(path, { method: "POST", body: JSON.stringify(body), signal });
		if (!r.ok) throw await r.json();
		return r;
	}

	// save has the file made, saying how far that is, and then downloads it.
	async #save(form) {
		$("savego").disabled = true;
		$("saved").textContent = "Saving…";
		try {
			const r = await this.#post("api/save", { rec: this.#rec, exact: form === "exact", page: form === "page", filter: form === "page" ? this.#filter() : "" });
			let rest = "";
			for await (const text of r.body.pipeThrough(new TextDecoderStream())) {
				const lines = (rest + text).split("\n");
				rest = lines.pop();
				for (const m of lines.map((l) => JSON.parse(l))) {
					if (m.error) throw m;
					if (m.url) {
						h("a", { href: m.url, download: m.name }).click();
						$("saving").close();
						notice(`Saved: ${m.name}, ${bytes(m.size)}.`);
					} else $("saved").textContent = `${form ? "" : `Step ${m.pass} of 3: `}${bytes(m.bytes)} read`;
				}
			}
		} catch (e) {
			if (e.name !== "AbortError") $("saved").textContent = why(e);
		} finally {
			$("savego").disabled = false;
			this.#request = null;
		}
	}
}
