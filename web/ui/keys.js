// The keys of the page. Each is registered here, so that ? can list them all.

import { h } from "./dom.js";

const names = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", " ": "Space", Escape: "Esc", PageUp: "Page ↑", PageDown: "Page ↓" };

export const named = (e) => `${e.ctrlKey || e.metaKey ? "Ctrl+" : ""}${e.altKey ? "Alt+" : ""}${e.shiftKey && e.key.length > 1 ? "Shift+" : ""}${e.key}`;

export class Keys {
	#all = []; #dialog;

	constructor(dialog) {
		this.#dialog = dialog;
		document.addEventListener("keydown", (e) => this.#pressed(e));
		for (const el of document.querySelectorAll("dialog [data-close]")) el.onclick = () => el.closest("dialog").close();
		this.add({ keys: ["?"], group: "Page", help: "List the keys", run: () => this.list() });
	}

	// add registers keys: "j", "Shift+ArrowLeft", "Ctrl+f" (⌘ counts as Ctrl).
	// They count while when() holds, and nobody types; run(event) may answer false,
	// for "not mine". Those without run are only listed. Of two, the latter goes first.
	add({ keys, group, help, when = () => true, run }) { this.#all.unshift({ keys, group, help, when, run }); }

	#pressed(e) {
		if (e.isComposing || e.defaultPrevented || e.target.closest("dialog, [popover]:popover-open")) return;
		if (e.target.closest("input:not([type=range], [type=checkbox]), textarea, select, [contenteditable]") && !/^(Escape|F3)$/.test(e.key) && !(e.ctrlKey || e.metaKey)) return;
		if (e.target.closest("button, a, summary, [type=checkbox], [role=option]") && (e.key === " " || e.key === "Enter")) return;
		const key = named(e);
		for (const k of this.#all) {
			if (!k.run || !k.keys.includes(key) || !k.when() || k.run(e) === false) continue;
			e.preventDefault();
			return;
		}
	}

	list() {
		const groups = Object.groupBy(this.#all.toReversed(), (k) => k.group);
		this.#dialog.querySelector("#keylist").replaceChildren(...Object.entries(groups).filter(([group]) => group).map(([group, keys]) => h("section", {}, h("h3", {}, group), h("dl", {}, ...keys.flatMap((k) => [
			h("dt", {}, ...k.keys.map((key) => h("kbd", {}, (key === "+" ? [key] : key.split("+")).map((part) => names[part] || part).join(" ")))),
			h("dd", {}, k.help),
		])))));
		this.#dialog.showModal();
	}
}
