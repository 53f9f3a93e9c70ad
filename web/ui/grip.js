// The edge between the list and the details, to be dragged or moved by keys.

const least = 20;
const most = 80;

export function grip(handle, panel) {
	const narrow = matchMedia("(max-width: 700px)");
	let share = 46;
	const set = (percent) => {
		share = Math.round(Math.max(least, Math.min(most, percent)));
		panel.style.setProperty("--share", `${share}%`);
		handle.setAttribute("aria-valuenow", share);
		localStorage.setItem("share", share);
	};
	const turn = () => handle.setAttribute("aria-orientation", narrow.matches ? "horizontal" : "vertical");
	turn();
	narrow.onchange = turn;
	if (Number(localStorage.getItem("share"))) set(Number(localStorage.getItem("share")));
	handle.onpointerdown = (e) => {
		handle.setPointerCapture(e.pointerId);
		e.preventDefault();
	};
	handle.onpointermove = (e) => {
		if (!handle.hasPointerCapture(e.pointerId)) return;
		const all = panel.parentElement.getBoundingClientRect();
		set(narrow.matches ? (100 * (all.bottom - e.clientY)) / all.height : (100 * (all.right - e.clientX)) / all.width);
	};
	handle.onkeydown = (e) => {
		const by = { ArrowLeft: 2, ArrowUp: 2, ArrowRight: -2, ArrowDown: -2, Home: -100, End: 100 }[e.key];
		if (!by || e.altKey) return;
		set(share + by);
		e.preventDefault();
		e.stopPropagation();
	};
	handle.ondblclick = () => set(46);
}
