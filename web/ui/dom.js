// Elements, made by hand: text of the traffic becomes text nodes, never markup.

export const $ = (id) => document.getElementById(id);

export function node(name, cls = "", text = "") {
  const el = document.createElement(name);
  if (cls) el.className = cls;
  el.textContent = text;
  return el;
}

export const many = (n, one, more) => `${n.toLocaleString("en")} ${n === 1 ? one : more}`;
