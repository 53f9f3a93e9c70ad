// xmpp.mjs SERVICE JID PASSWORD TO TEXT: logs in with @xmpp/client, sends TEXT,
// waits for one message and logs out.
import { WebSocket } from "ws";
import { client, xml } from "@xmpp/client";

globalThis.WebSocket ??= WebSocket; // Node.js has one of its own since 22

const [service, address, password, to, text] = process.argv.slice(2);
const [username, domain] = address.split("@");
const xmpp = client({ service, domain, username, password, resource: "balcony", timeout: 20000 });
xmpp.reconnect.stop();

let ended = false;
function over(code, why) {
  if (ended) return;
  ended = true;
  console.log(why);
  process.exitCode = code;
  xmpp.stop().catch(() => {});
}

// 0.14 throws when something arrives after it has closed its stream.
process.on("uncaughtException", (err) => {
  over(1, String(err));
  process.exit();
});
xmpp.on("error", (err) => over(1, String(err)));
xmpp.on("stanza", (stanza) => {
  const body = stanza.is("message") && stanza.getChildText("body");
  if (body) over(0, "got " + body);
});
// It is online before it asks for stream management, and miscounts what comes in
// between: then its server ends the stream, sooner or later.
xmpp.on("element", (element) => {
  if (element.is("enabled", "urn:xmpp:sm:3") || element.is("failed", "urn:xmpp:sm:3")) setImmediate(converse);
});
async function converse() {
  await xmpp.send(xml("presence"));
  await xmpp.send(xml("message", { type: "chat", to }, xml("body", {}, text)));
}
setTimeout(() => over(1, "timeout"), 40000).unref();
await xmpp.start().catch((err) => over(1, String(err)));
