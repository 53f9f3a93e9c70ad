// The edge between the list and the details, to be dragged or moved by keys.

import { within } from "./dom.js";

const usual = 46; // percent

export function grip(handle, panel) {
	const narrow = matchMedia("(max-width: 700px)");
	const set = (percent) => {
		const share = Math.round(within(percent, 20, 80));
		panel.style.setProperty("--share", `${share}%`);
		handle.ariaValueNow = share;
		localStorage.setItem("share", share);
	};
	const turn = () => { handle.ariaOrientation = narrow.matches ? "horizontal" : "vertical"; };
	turn();
	narrow.onchange = turn;
	if (Number(localStorage.getItem("share"))) set(localStorage.getItem("share"));
	handle.onpointerdown = (e) => {
		handle.setPointerCapture(e.pointerId);
		e.preventDefault();
	};
	handle.onpointermove = (e) => {
		if (!handle.hasPointerCapture(e.pointerId)) return;
		const all = panel.parentElement.getBoundingClientRect();
		set(100 * (narrow.matches ? (all.bottom - e.clientY) / all.height : (all.right - e.clientX) / all.width));
	};
	handle.onkeydown = (e) => {
		const by = { ArrowLeft: 2, ArrowUp: 2, ArrowRight: -2, ArrowDown: -2, Home: -100, End: 100 }[e.key];
		if (!by || e.altKey) return;
		set(Number(handle.ariaValueNow) + by);
		e.preventDefault();
		e.stopPropagation();
	};
	handle.ondblclick = () => set(usual);
}
