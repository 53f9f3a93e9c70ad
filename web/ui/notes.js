// Notes: what a person says about the chosen entry, or at the end of the recording
// when none is chosen. A note is an entry; it comes into the list as others do.

import { $, why } from "./dom.js";

const lookFor = 3000; // milliseconds in which the details are asked for again

// chosen() tells which entry is open: n and its heading and summary.
export function notesOf(ask, chosen) {
	let on = 0, until = 0, known = 0;

	$("note").onclick = () => {
		const { n, heading, summary } = chosen();
		on = n;
		$("noteon").textContent = n ? `Note on ${heading}` : "Note at the end of the recording";
		$("noteabout").textContent = n ? summary : "";
		$("notetext").value = $("notewrong").textContent = "";
		$("noting").showModal();
	};
	$("noteform").onsubmit = (e) => {
		e.preventDefault();
		const text = $("notetext").value.trim();
		if (!text) $("noting").close();
		else if (!ask({ op: "note", n: on, text })) $("notewrong").textContent = "the connection is lost; it comes back by itself";
	};
	$("notetext").onkeydown = (e) => {
		if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
		e.preventDefault();
		$("noteform").requestSubmit();
	};
	return {
		done(m) {
			if (m.error) return $("notewrong").textContent = why(m);
			until = performance.now() + lookFor;
			$("noting").close();
		},

		// fresh reports whether an entry that is open may have got a note.
		fresh(n, now) {
			const more = now !== known;
			known = now;
			return more && n === on && performance.now() < until;
		},
	};
}
