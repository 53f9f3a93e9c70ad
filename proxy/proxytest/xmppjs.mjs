// A client that sends one message to itself.
import { WebSocket } from "ws";
import { client, xml } from "@xmpp/client";

globalThis.WebSocket ??= WebSocket; // Node.js has one of its own since 22

const [service, domain, username, password, text] = process.argv.slice(2);
const xmpp = client({ service, domain, resource: "balcony", username, password });
xmpp.on("error", (err) => {
  console.log(`error ${err}`);
  process.exit(1);
});
xmpp.on("stanza", async (stanza) => {
  const body = stanza.is("message") && stanza.getChildText("body");
  if (!body) return;
  console.log(`got ${body}`);
  await xmpp.stop();
});
xmpp.on("online", async (address) => {
  console.log(`online ${address}`);
  await xmpp.send(xml("presence"));
  await xmpp.send(xml("message", { type: "chat", to: address.toString() }, xml("body", {}, text)));
});
xmpp.start().catch((err) => {
  console.log(`error ${err}`);
  process.exit(1);
});
