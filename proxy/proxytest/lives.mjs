// lives.mjs SERVICE JID PASSWORD OPTIONS: a client made with @xmpp/client that lives
// through what is done to it, and says what it sees. OPTIONS (JSON): to, say (how many
// messages it sends), pause (ms between them), timeout (ms without an acknowledgement
// after which it gives a connection up), patience (ms that it waits for the end of a stream or
// socket), until (texts: it ends when a line with each of
// them was printed, in this order).
import { WebSocket } from "ws";
import { client, xml } from "@xmpp/client";

globalThis.WebSocket ??= WebSocket;

const [service, address, password, options] = process.argv.slice(2);
const o = { say: 0, pause: 50, until: [], ...JSON.parse(options) };
const [username, domain] = address.split("@");
const xmpp = client({ service, domain, username, password, resource: "balcony", timeout: o.patience ?? 20000 });
xmpp.reconnect.delay = 300;
const sm = xmpp.streamManagement;
if (o.timeout) {
  sm.timeout = o.timeout;
  sm.requestAckInterval = o.timeout;
}

let left = [...o.until];
let ended = false;
function say(line) {
  console.log(line);
  if (left.length > 0 && line.includes(left[0])) left.shift();
  if (left.length === 0) over(0, "done");
}
function over(code, why) {
  if (ended) return;
  ended = true;
  console.log(why);
  process.exitCode = code;
  xmpp.reconnect.stop();
  xmpp.stop().catch(() => {});
  setTimeout(() => process.exit(), 1000).unref();
}

process.on("uncaughtException", (err) => say("uncaught " + err));
process.on("unhandledRejection", (err) => say("rejected " + err));
xmpp.on("error", (err) => say("error " + (err.condition ?? err.code ?? err.message)));
xmpp.on("disconnect", () => say("disconnected"));
xmpp.on("online", (jid) => say("online " + jid));
sm?.on("resumed", () => say("resumed"));
sm?.on("ack", (s) => s.getChildText("body") && say("acknowledged " + s.getChildText("body")));
sm?.on("fail", (s) => {
  const body = s.getChildText("body");
  if (!body) return;
  say("failed " + body);
  lost.push(body);
});
xmpp.on("stanza", (stanza) => {
  const body = stanza.is("message") && stanza.getChildText("body");
  if (stanza.attrs.type === "error") say("refused " + stanza.getChild("error").children.map((c) => c.name).join(" "));
  else if (body) say("got " + body.length + " " + body.slice(0, 40));
});
let lost = [];
let begun = false;
const wait = (ms) => new Promise((r) => setTimeout(r, ms));
const send = (text) => xmpp.send(xml("message", { type: "chat", to: o.to, id: text.replaceAll(" ", "-") }, xml("body", {}, text)));
xmpp.on("element", (element) => {
  if (element.is("enabled", "urn:xmpp:sm:3")) {
    say("managed");
    setImmediate(converse);
  }
  if (element.is("failed", "urn:xmpp:sm:3")) say("not resumed");
});
async function converse() {
  try {
    await xmpp.send(xml("presence"));
    const again = lost;
    lost = [];
    for (const text of again) await send(text);
    if (begun) return;
    begun = true;
    for (let i = 1; i <= o.say; i++) {
      while (xmpp.status !== "online" && !ended) await wait(20);
      await send("message " + i).catch(() => {});
      await wait(o.pause);
    }
  } catch (err) {
    say("send: " + err);
  }
}
setTimeout(() => over(1, "timeout, still waiting for " + JSON.stringify(left)), o.limit ?? 50000).unref();
async function start() {
  try {
    await xmpp.start();
  } catch (err) {
    say("start: " + (err.condition ?? err));
    if (o.retry && !ended) {
      xmpp.reconnect.stop();
      await xmpp.stop().catch(() => {});
      await wait(300);
      return start();
    }
  }
}
await start();
