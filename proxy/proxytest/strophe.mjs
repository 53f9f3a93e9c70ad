// A client over BOSH: it logs in, sends text to its own address if there is any,
// waits for a message and logs out.
import { JSDOM } from "jsdom";

const [service, jid, password, text] = process.argv.slice(2);
const { window } = new JSDOM("", { url: service });
globalThis.window = window;
globalThis.document = window.document;
globalThis.XMLHttpRequest = window.XMLHttpRequest;
globalThis.DOMParser = window.DOMParser;
globalThis.XMLSerializer = window.XMLSerializer;
const { Strophe, $msg, $pres } = await import("strophe.js");

const connection = new Strophe.Connection(service, { keepalive: false });
connection.addHandler((stanza) => {
  console.log(`got ${stanza.getElementsByTagName("body")[0]?.textContent}`);
  connection.disconnect("done");
  return false;
}, null, "message", "chat");
connection.connect(jid, password, (status, condition) => {
  switch (status) {
    case Strophe.Status.CONNECTED:
      console.log(`online ${connection.jid}`);
      connection.send($pres());
      if (text) connection.send($msg({ to: connection.jid, type: "chat" }).c("body").t(text));
      break;
    case Strophe.Status.CONNFAIL:
    case Strophe.Status.AUTHFAIL:
    case Strophe.Status.ERROR:
      console.log(`failed ${condition}`);
      process.exit(1);
      break;
    case Strophe.Status.DISCONNECTED:
      process.exit(0);
  }
});
