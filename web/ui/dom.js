// Elements, made by hand: text of the traffic becomes text nodes, never markup.

export const $ = (id) => document.getElementById(id);

// h makes an element: h("p.finding.error", { title, onclick }, "text", child, …).
// What is no property of it becomes an attribute; null and false are left out.
export function h(what, props, ...children) {
	const [name, ...classes] = what.split(".");
	const el = document.createElement(name);
	if (classes.length) el.className = classes.join(" ");
	for (const [key, value] of Object.entries(props || {})) {
		if (key in el) el[key] = value;
		else if (value !== null && value !== false) el.setAttribute(key, value);
	}
	el.append(...children.filter((c) => c !== null && c !== false));
	return el;
}

// made makes what the server drew: a text, or [what, {attributes}, …inside].
export function made(tree, space = "http://www.w3.org/1999/xhtml") {
	if (!Array.isArray(tree)) return document.createTextNode(tree);
	const [what, ...inside] = tree;
	const [name, ...classes] = what.split(".");
	if (name === "svg") space = "http://www.w3.org/2000/svg";
	const el = document.createElementNS(space, name);
	if (classes.length) el.setAttribute("class", classes.join(" "));
	if (inside[0]?.constructor === Object) for (const [k, v] of Object.entries(inside.shift())) el.setAttribute(k, v);
	el.append(...inside.map((part) => made(part, space)));
	return el;
}

// draw puts what the server drew in the place of what an element has. What has
// the focus keeps it, known by its data-key.
export function draw(el, trees) {
	const key = el.contains(document.activeElement) && document.activeElement.dataset.key;
	el.replaceChildren(...trees.map((tree) => made(tree)));
	if (key) el.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

// why says what went wrong, and what to do about it.
export const why = ({ error, hint, message }) => `${error || message || ""}${hint ? ` (${hint})` : ""}`;

// put shows a text, or nothing where there is none.
export const put = (id, text) => Object.assign($(id), { textContent: text, hidden: !text });

export const within = (n, least, most) => Math.max(least, Math.min(n, most));

export const many = (n, one, more) => `${n.toLocaleString("en")} ${n === 1 ? one : more}`;

// fill puts a text into an element, without a new node where there is one.
export function fill(el, text) {
	const only = el.firstChild;
	if (only && only === el.lastChild && only.nodeType === Node.TEXT_NODE) only.data = text;
	else el.textContent = text;
}

export function clock(ms) {
	const d = new Date(ms), padded = (n, to = 2) => String(n).padStart(to, "0");
	return `${padded(d.getHours())}:${padded(d.getMinutes())}:${padded(d.getSeconds())}.${padded(d.getMilliseconds(), 3)}`;
}
