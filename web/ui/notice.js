// A line at the top of the page that says what happened, with something to do
// about it; it goes by itself unless it matters.

import { $, h, many, why } from "./dom.js";

const stays = 10000; // milliseconds

let timer;

// notice says a text. bad makes it stay until it is closed; actions are [label, fn].
export function notice(text, { bad = false, actions = [] } = {}) {
	const box = $("notice");
	clearTimeout(timer);
	const close = () => { box.hidden = true; };
	const button = (label, does, name) => h("button", { "aria-label": name || null, onclick: () => { close(); does?.(); } }, label);
	box.replaceChildren(h("span", { dir: "auto" }, text), ...actions.map(([label, does]) => button(label, does)), button("✕", null, "Close"));
	box.classList.toggle("bad", bad);
	box.hidden = !text;
	if (!bad) timer = setTimeout(close, stays);
}

// comebacks says once what came while there was no connection, and whether it is
// still the same recording.
export function comebacks(live) {
	let start = "", total = 0, lost = false;
	live.downs.push(() => { lost = !!start; });
	live.on("status", (m) => {
		if (lost && (m.start !== start || !m.reading && m.total >= total || m.done)) {
			lost = false;
			if (m.start !== start) notice(`Another recording began at ${new Date(m.start).toLocaleTimeString("en-GB")}. What was shown before is not there any more.`, { bad: true });
			else notice(`Reconnected, ${m.total > total ? many(m.total - total, "entry", "entries") : "nothing"} came meanwhile.`);
		}
		if (lost) return;
		start = m.start;
		total = m.total;
	});
	live.refusals.push((status, e) => notice(
		/40[13]/.test(status) ? "The viewer was started again and has another token: open the URL that xmpplens printed. What is shown here is what was there before." : why(e),
		{ bad: true, actions: status === 404 ? [["The first recording", () => location.assign("/")]] : [] },
	));
}
