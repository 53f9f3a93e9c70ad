// Files: save the recording, open another one, compare two. A file may be dropped
// anywhere on the page; it is sent to the viewer, which keeps it while a page
// shows it.

import { $, draw, h, why } from "./dom.js";
import { notice } from "./notice.js";

// filter() tells what the list is filtered by. The answer takes what the server says of
// itself: what is possible, and which recording is shown.
export function filesOf(filter) {
	let rec = ""; // which recording is shown
	let request = null; // on its way

	// post has a request answered. sent(bytes) tells how much of it has gone, said how
	// far the answer is, which comes in lines; the last one counts.
	function post(path, body, { sent, said } = {}) {
		const x = request = new XMLHttpRequest();
		const line = (at) => JSON.parse(x.responseText.split("\n").at(at) || "{}");
		return new Promise((resolve, reject) => {
			x.upload.onprogress = (e) => sent?.(e.loaded);
			x.onprogress = () => said?.(line(-2));
			x.onload = () => (line(-2).error ? reject : resolve)(line(-2));
			x.onerror = () => reject({ error: "The connection was lost.", hint: "try it again" });
			x.onabort = () => reject({});
			x.open("POST", path);
			x.send(body);
		}).finally(() => { request = null; });
	}

	// send opens recordings, or compares what is shown with them.
	async function send(recordings, comparing) {
		if (!recordings.length || request) return;
		const total = recordings.reduce((n, f) => n + f.size, 0), mb = (n) => (n / 1e6).toFixed(1);
		const name = recordings[0].name + (recordings.length > 1 ? ` and ${recordings.length - 1} more` : "");
		const say = (text, part) => {
			$("sent").textContent = `${name}: ${text}`;
			$("sentbar").value = part;
		};
		$("sending").hidden = false;
		say("sending", 0);
		const form = new FormData();
		for (const f of recordings) form.append("file", f);
		try {
			let to = await post("api/open", form, { sent: (n) => say(n < total ? `${mb(n)} of ${mb(total)} MB sent` : "reading", n / total || 1) });
			if (comparing) {
				say("comparing", 1);
				to = await post("api/compare", JSON.stringify({ a: rec, b: to.rec }));
			}
			location.assign(to.url);
		} catch (e) {
			notice(why(e), { bad: true });
		}
		$("sending").hidden = true;
	}

	$("save").onclick = () => {
		$("saved").textContent = "";
		$("saving").showModal();
	};
	$("saveform").onsubmit = async (e) => {
		e.preventDefault();
		const said = (m) => { $("saved").textContent = m.said; };
		said({ said: "Saving…" });
		$("savego").disabled = true;
		try {
			const form = $("saveform").elements.form.value;
			const m = await post("api/save", JSON.stringify({ rec, [form]: true, filter: form === "page" ? filter() : "" }), { said });
			h("a", { href: m.url, download: m.name }).click();
			$("saving").close();
			notice(m.said);
		} catch (e) {
			$("saved").textContent = why(e);
		}
		$("savego").disabled = false;
	};
	$("saving").onclose = $("stop").onclick = () => request?.abort();
	for (const id of ["open", "compare"]) $(id).onclick = () => {
		$("pick").value = "";
		$("pick").onchange = () => send([...$("pick").files], id === "compare");
		$("pick").click();
	};
	for (const name of ["dragenter", "dragover", "dragleave", "drop"]) addEventListener(name, (e) => {
		if ($("open").hidden || !e.dataTransfer?.types.includes("Files")) return;
		e.preventDefault();
		$("drop").hidden = name === "drop" || name === "dragleave" && !e.relatedTarget;
		for (const zone of $("drop").children) zone.classList.toggle("over", zone.contains(e.target));
		if (name === "drop") send([...e.dataTransfer.files], $("dropcompare").contains(e.target));
	});

	return (m) => {
		rec = m.rec;
		for (const id of ["save", "open", "compare"]) $(id).hidden = !m.files;
		$("first").hidden = !rec;
		if (!$("forms").firstChild) draw($("forms"), m.forms);
	};
}
