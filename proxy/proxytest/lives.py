"""lives.py JID PASSWORD HOST:PORT CA OPTIONS: a slixmpp client that lives through what is
done to it, and says what it sees. OPTIONS (JSON): to, say (how many messages it sends),
retry (log in again after a failure), carbons, strict (it goes nowhere without its roster), until (texts: it ends when a line with each of
them was printed, in this order)."""
import asyncio, json, sys
import slixmpp

jid, password, addr, ca, options = sys.argv[1:6]
o = {"say": 0, "retry": False, "carbons": False, "strict": False, "until": [], "limit": 50, **json.loads(options)}
host, port = addr.rsplit(":", 1)


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(jid, password)
        for plugin in ("xep_0030", "xep_0198", "xep_0280"):
            self.register_plugin(plugin)
        self.ca_certs = ca
        self.left = list(o["until"])
        self.end = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("message", self.message)
        self.add_event_handler("message_error", lambda m: self.line("refused %s %s: %s" % (m["error"]["type"], m["error"]["condition"], m["body"] or m["id"])))
        self.add_event_handler("carbon_sent", lambda m: self.line("carbon " + m["carbon_sent"]["body"]))
        self.add_event_handler("failed_auth", lambda e: self.line("login failed: " + e["condition"]))
        self.add_event_handler("stream_error", lambda e: self.line("stream error " + e["condition"]))
        self.add_event_handler("disconnected", self.gone)

    def line(self, text):
        print(text, flush=True)
        if self.left and self.left[0] in text:
            self.left.pop(0)
        if not self.left and not self.end.done():
            self.end.set_result("")

    def gone(self, _):
        self.line("disconnected")
        if o["retry"] and not self.end.done():
            asyncio.get_event_loop().call_later(0.3, lambda: self.connect((host, int(port))))

    def message(self, m):
        if m["body"] and m["type"] != "error":
            self.line("got %d %s" % (len(m["body"]), m["body"][:40]))

    async def started(self, _):
        self.line("online")
        if o["carbons"]:
            await self["xep_0280"].enable()
            self.line("carbons on")
        roster = asyncio.ensure_future(self.fetch())
        await asyncio.sleep(0)  # it is asked for first
        if o["strict"]:
            await roster
        self.send_presence()
        for i in range(o["say"]):
            m = self.make_message(mto=o["to"], mbody="message %d" % (i + 1), mtype="chat")
            m["id"] = "message-%d" % (i + 1)
            m.send()

    async def fetch(self):
        try:
            await self.get_roster()
            self.line("roster")
        except Exception as e:
            self.line("no roster: " + type(e).__name__)
            if o["strict"]:
                self.disconnect()
                raise


async def main():
    c = Client()
    c.connect((host, int(port)))
    try:
        await asyncio.wait_for(c.end, o["limit"])
    except asyncio.TimeoutError:
        return "timeout, still waiting for %r" % c.left
    o["retry"] = False
    await c.disconnect()


why = asyncio.get_event_loop().run_until_complete(main())
print(why or "done")
sys.exit(1 if why else 0)
