// Light or dark: as the system says, until the button has been pressed.

import { $ } from "./dom.js";

const look = document.documentElement.dataset;
if (localStorage.getItem("theme")) look.theme = localStorage.getItem("theme");
$("theme").onclick = () => {
	const dark = look.theme ? look.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
	localStorage.setItem("theme", look.theme = dark ? "light" : "dark");
};
