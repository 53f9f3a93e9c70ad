// The details of one entry. All text of the traffic becomes text nodes.

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

  show({ row, known, fields, payloads, findings, related, later, xml, sent, cut, error }) {
    this.shown = row.n;
    this.known = known;
    this.#panel.hidden = false;
    const where = { CS: "client → server", SC: "client ← server" }[row.dir] || row.kind || "";
    this.#heading.textContent = `#${row.n}  ${where}${row.conn ? `, connection ${row.conn}` : ""}${row.size ? `, ${bytes(row.size)}` : ""}`;
    const summary = node("p", "summary", error || row.summary);
    const list = node("dl");
    const add = (name, value) => list.append(node("dt", "", name), node("dd", "", value));
    for (const [name, value] of fields) add(name, value);
    if (row.latency) add("latency", `${row.latency} ms`);
    for (const p of payloads) add(p.XEP || "payload", `${p.Name}  ${p.NS}`);
    for (const r of [...(related || []), ...(later || [])]) {
      const link = node("button", "link", `#${r.n}`);
      link.onclick = () => this.#go(r.n);
      const dd = node("dd");
      dd.append(link);
      list.append(node("dt", "", r.kind), dd);
    }
    this.#body.replaceChildren(summary);
    for (const f of findings || []) {
      const p = node("p", `finding ${f.severity}`, `${f.text} `);
      p.append(node("small", "", `${f.severity} ${f.code}, ${f.ref}`));
      this.#body.append(p);
    }
    this.#body.append(list);
    this.#text = xml.map(([, text]) => text).join("");
    this.#panel.querySelector("#copy").hidden = !xml.length;
    if (xml.length) this.#body.append(code(xml));
    if (cut) this.#body.append(node("p", "", `${bytes(cut)} more are not shown here; xmpplens show prints all.`));
    if (sent?.length) this.#body.append(node("h2", "", "sent on as"), code(sent));
    this.#body.scrollTop = 0;
  }
}

function node(name, cls = "", text = "") {
  const el = document.createElement(name);
  if (cls) el.className = cls;
  el.textContent = text;
  return el;
}

function code(tokens) {
  const pre = document.createElement("pre");
  for (const [cls, text] of tokens) pre.append(cls ? node("span", cls, text) : text);
  return pre;
}
