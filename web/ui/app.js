import { Details } from "./details.js";
import { List } from "./list.js";
import { Live } from "./live.js";

const $ = (id) => document.getElementById(id);
let start = ""; // of the recording that is shown

const live = new Live({
  message(m) {
    if (m.op === "status") status(m);
    if (m.op === "rows") list.add(m);
    if (m.op === "entry" && m.row.n === list.chosen) details.show(m);
  },
  up() {
    list.again();
    if (list.chosen) live.ask({ op: "entry", n: list.chosen });
  },
  down() { state("lost", "connection lost, trying again"); },
});

const list = new List($("list"), {
  ask: (from, count) => live.ask({ op: "rows", from, count }),
  choose: (n) => live.ask({ op: "entry", n }),
  follows: () => button(),
});

const details = new Details($("details"), () => {
  list.unselect();
  $("list").focus();
});

function status(m) {
  if (start && start !== m.start) { // another run: nothing of the old list holds
    list.reset();
    details.hide();
  }
  start = m.start;
  list.start = Date.parse(m.start);
  list.setTotal(m.len);
  $("title").textContent = m.title;
  document.title = m.title ? `${m.title} · xmpplens` : "xmpplens";
  const many = (n, one, more) => `${n.toLocaleString("en")} ${n === 1 ? one : more}`;
  $("counts").textContent = `${many(m.conns, "connection", "connections")}, ${many(m.len, "entry", "entries")}`;
  document.body.classList.toggle("several", m.conns > 1);
  $("empty").hidden = m.len > 0;
  if (m.done && !m.len) $("empty").textContent = "The recording has no entries.";
  $("trouble").hidden = !m.trouble?.length;
  $("trouble").textContent = (m.trouble || []).join("\n");
  $("follow").hidden = m.done;
  if (m.done) state("done", "complete");
  else state("live", "live");
  button();
}

function state(name, text) {
  $("state").dataset.state = name;
  $("state").textContent = text;
}

let pausedAt = 0;
function button() {
  const on = list.follow;
  if (on) pausedAt = list.total;
  const fresh = list.total - pausedAt;
  $("follow").setAttribute("aria-pressed", on);
  $("follow").textContent = on ? "Pause" : fresh > 0 ? `Follow, ${fresh.toLocaleString("en")} new` : "Follow";
}

$("follow").onclick = () => list.setFollow(!list.follow);

$("theme").onclick = () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
};
if (localStorage.getItem("theme")) document.documentElement.dataset.theme = localStorage.getItem("theme");

document.addEventListener("keydown", (e) => {
  if (e.target.closest("button") && e.key !== "Escape") return;
  if (e.key === " " && !e.target.closest("#body")) {
    e.preventDefault();
    list.setFollow(!list.follow);
  }
  if (e.key === "Escape" && details.shown) $("close").click();
});
$("list").focus();
