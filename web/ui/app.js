import { Details } from "./details.js";
import { List } from "./list.js";
import { Live } from "./live.js";
import { Notes } from "./notes.js";
import { Player } from "./player.js";

const $ = (id) => document.getElementById(id);
let start = ""; // of the recording that is shown
let generation = 0; // of the filter that the list is of
let expression = ""; // the filter
let looked = 0; // entries that it has looked at

const live = new Live({
  message(m) {
    if (m.op === "status") status(m);
    if (m.op === "rows" && m.filter === generation) list.add(m);
    if (m.op === "entry") details.show(m);
    if (m.op === "filter") filtered(m);
    if (m.op === "hello") {
      notes.can(m.notes);
      $("keep").hidden = !m.keep;
    }
    if (m.op === "kept") {
      $("keep").textContent = m.error || `Kept: ${m.file}`;
      $("keep").disabled = false;
    }
    if (m.op === "noted") notes.done(m);
    if (m.op === "head") player.head(m);
    if (m.op === "density") player.density(m);
  },
  up() {
    generation = 0; // the server knows nothing of the list before
    if (expression) live.ask({ op: "filter", expr: expression });
    list.again();
    player.again();
  },
  down() { state("lost", "connection lost, trying again"); },
});

const list = new List($("list"), {
  ask: (from, count) => live.ask({ op: "rows", from, count }),
  choose: (at) => {
    live.ask({ op: "entry", at });
    if (player.on) player.at(at);
  },
  follows: () => button(),
});

const details = new Details($("details"), () => {
  list.unselect();
  $("list").focus();
}, (n) => {
  list.unselect();
  live.ask({ op: "entry", n });
});

const player = new Player($("player"), {
  ask: (request) => live.ask(request),
  ready: () => list.settled,
  moved: ({ n, at }, stepped) => {
    if (stepped && details.shown) list.chosen = at;
    list.setHead(at, !stepped && !player.playing && list.chosen === at);
    if (stepped && n && details.shown) live.ask({ op: "entry", n });
  },
  closed: () => {
    list.setHead(null);
    $("replay").setAttribute("aria-pressed", false);
    $("list").focus();
    button();
  },
});

const notes = new Notes($("noting"), $("note"), {
  ask: (request) => live.ask(request),
  chosen: () => ({ n: details.shown, at: list.chosen, heading: $("heading").textContent, summary: document.querySelector("#body .summary")?.textContent }),
});

$("keep").onclick = () => {
  if (live.ask({ op: "keep" })) {
    $("keep").textContent = "Keeping…";
    $("keep").disabled = true;
  }
};

function replay() {
  if (player.on) return player.close();
  list.setFollow(true);
  player.open(list.chosen);
  $("replay").setAttribute("aria-pressed", true);
  button();
}
$("replay").onclick = replay;

function status(m) {
  if (start && start !== m.start) { // another run: nothing of the old list holds
    list.reset();
    details.hide();
  }
  if (m.reading && !start) list.setFollow(false); // a long recording is shown from its beginning
  start = m.start;
  const other = m.filter !== generation || !!m.filter && m.looked !== looked;
  looked = m.looked;
  if (m.filter !== generation) {
    generation = m.filter;
    list.reset();
  }
  player.status(m, other);
  list.start = Date.parse(m.start);
  done = m.done;
  list.setTotal(m.len);
  list.setKnown(m.known);
  const late = details.shown && details.shown > details.known && details.shown <= m.known;
  if (late || details.shown && notes.fresh(details.shown, m.known)) live.ask({ op: "entry", n: details.shown });
  $("title").textContent = m.title;
  document.title = m.title ? `${m.title} · xmpplens` : "xmpplens";
  const many = (n, one, more) => `${n.toLocaleString("en")} ${n === 1 ? one : more}`;
  const part = m.filter && expression ? `${m.len.toLocaleString("en")} of ${many(m.looked, "entry", "entries")}` : many(m.total, "entry", "entries");
  $("counts").textContent = `${many(m.conns, "connection", "connections")}, ${part}`;
  document.body.classList.toggle("several", m.conns > 1);
  $("empty").hidden = m.len > 0;
  if (expression && m.total) $("empty").textContent = "Nothing matches the filter.";
  else if (m.done && !m.len) $("empty").textContent = "The recording has no entries.";
  $("trouble").hidden = !m.trouble?.length;
  $("trouble").textContent = (m.trouble || []).join("\n");
  if (m.reading) state("reading", "reading");
  else if (m.known < m.total) state("reading", `findings and latencies ${Math.floor((100 * m.known) / m.total)} %`);
  else if (m.done) state("done", "complete");
  else state("live", "live");
  button();
}

function filtered({ error, hint, column }) {
  $("filter").setAttribute("aria-invalid", !!error);
  $("problem").hidden = !error;
  $("problem").textContent = error ? `${error}, at ${column + 1}: ${hint}` : "";
}

// Completion is of the last word: the names of the language behind what is
// there already.
let names = [];
fetch("names").then((r) => r.json()).then((list) => { names = list; });

function complete() {
  const text = $("filter").value;
  const [, before, word] = text.match(/^(.*?)([\w.]*)$/s);
  const fitting = word ? names.filter((n) => n.Name.startsWith(word) && n.Name !== word).slice(0, 12) : [];
  $("names").replaceChildren(...fitting.map((n) => {
    const option = document.createElement("option");
    option.value = before + n.Name;
    option.label = n.Help;
    return option;
  }));
}

let typing;
$("filter").oninput = () => {
  complete();
  clearTimeout(typing);
  typing = setTimeout(() => {
    const text = $("filter").value.trim();
    if (text === expression) return;
    expression = text;
    live.ask({ op: "filter", expr: text });
  }, 250);
};

function state(name, text) {
  $("state").dataset.state = name;
  $("state").textContent = text;
}

let pausedAt = 0;
let done = false; // nothing more comes
function button() {
  const on = list.follow;
  $("follow").hidden = player.on ? on : done;
  if (on) pausedAt = list.total;
  const fresh = list.total - pausedAt;
  $("follow").setAttribute("aria-pressed", on);
  if (player.on) $("follow").textContent = "Follow";
  else $("follow").textContent = on ? "Pause" : fresh > 0 ? `Follow, ${fresh.toLocaleString("en")} new` : "Follow";
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
  if (e.target.closest("dialog")) return;
  if (e.target.id === "filter") {
    if (e.key === "Escape" || e.key === "Enter") $("list").focus();
    return;
  }
  if (e.key === "/" && !e.ctrlKey && !e.metaKey) {
    e.preventDefault();
    $("filter").focus();
    $("filter").select();
  }
  const forButton = e.key === " " || e.key === "Enter";
  if (e.target.closest("button, #gaps") && forButton) return;
  if (e.target.closest("select") && e.key !== "Escape") return;
  if (e.key === " " && !e.target.closest("#body")) {
    e.preventDefault();
    if (player.on) player.toggle();
    else list.setFollow(!list.follow);
  }
  if (e.key === "Escape" && details.shown) $("close").click();
  else if (e.key === "Escape" && player.on) player.close();
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const act = { p: replay };
  if (notes.possible) act.n = () => notes.open();
  if (player.on) {
    Object.assign(act, {
      ArrowLeft: () => player.step(-1, e.shiftKey), ArrowRight: () => player.step(1, e.shiftKey),
      "+": () => player.faster(1), "-": () => player.faster(-1), t: () => $("jump").focus(),
    });
  }
  if (act[e.key]) {
    e.preventDefault();
    act[e.key]();
  }
});
$("list").focus();
