// The details of one entry. All text of the traffic becomes text nodes.

import { node } from "./dom.js";
import { bytes } from "./list.js";

export class Details {
  #panel; #heading; #body; #go; #text = "";
  shown = 0;
  known = 0; // facts of entries behind that one were missing

  // closed() is told of the panel, go(n) opens another entry.
  constructor(panel, closed, go) {
    this.#go = go;
    this.#panel = panel;
    this.#heading = panel.querySelector("#heading");
    this.#body = panel.querySelector("#body");
    panel.querySelector("#close").onclick = () => {
      this.hide();
      closed();
    };
    panel.querySelector("#copy").onclick = (e) => {
      navigator.clipboard.writeText(this.#text);
      e.target.textContent = "Copied";
      setTimeout(() => { e.target.textContent = "Copy XML"; }, 1200);
    };
  }

  hide() {
    this.shown = 0;
    this.#panel.hidden = true;
  }

  show(entry) {
    this.shown = entry.row.n;
    this.known = entry.known;
    this.#panel.hidden = false;
    this.#heading.textContent = heading(entry.row);
    this.#text = entry.xml.map(([, text]) => text).join("");
    this.#panel.querySelector("#copy").hidden = !entry.xml.length;
    this.#body.replaceChildren(...contents(entry, this.#go));
    this.#body.scrollTop = 0;
  }
}

export function heading(row) {
  const where = { CS: "client → server", SC: "client ← server" }[row.dir] || row.kind || "";
  return `#${row.n}  ${where}${row.conn ? `, connection ${row.conn}` : ""}${row.size ? `, ${bytes(row.size)}` : ""}`;
}

// contents are the elements that show an entry; go(n) opens another one, where
// it is given.
export function contents({ row, fields, payloads, findings, related, later, xml, sent, cut, error }, go) {
  const summary = node("p", "summary", error || row.summary);
  const list = node("dl");
  const add = (name, value) => list.append(node("dt", "", name), node("dd", "", value));
  for (const [name, value] of fields) add(name, value);
  if (row.latency) add("latency", `${row.latency} ms`);
  for (const p of payloads) add(p.XEP || "payload", `${p.Name}  ${p.NS}`);
  for (const r of [...(related || []), ...(later || [])]) {
    const link = node(go ? "button" : "span", go ? "link" : "", `#${r.n}`);
    if (go) link.onclick = () => go(r.n);
    const dd = node("dd");
    dd.append(link);
    list.append(node("dt", "", r.kind), dd);
  }
  const out = [summary];
  for (const f of findings || []) {
    const p = node("p", `finding ${f.severity}`, `${f.text} `);
    p.append(node("small", "", `${f.severity} ${f.code}, ${f.ref}`));
    out.push(p);
  }
  out.push(list);
  if (xml.length) out.push(code(xml));
  if (cut) out.push(node("p", "", `${bytes(cut)} more are not shown here; xmpplens show prints all.`));
  if (sent?.length) out.push(node("h2", "", "sent on as"), code(sent));
  return out;
}

function code(tokens) {
  const pre = document.createElement("pre");
  for (const [cls, text] of tokens) pre.append(cls ? node("span", cls, text) : text);
  return pre;
}
