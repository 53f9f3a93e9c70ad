"""soak.py JID PASSWORD HOST:PORT CA SECONDS SEED: a slixmpp client with stream
management that talks to itself and its server all the time, over direct TLS."""
import asyncio, random, sys
import slixmpp

jid, password, addr, ca, seconds, seed = sys.argv[1:7]
host, port = addr.rsplit(":", 1)
chance = random.Random(int(seed))


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(jid, password)
        for plugin in ("xep_0030", "xep_0198", "xep_0199"):
            self.register_plugin(plugin)
        self.ca_certs = ca
        self.said = self.got = self.failed = 0
        self.why = ""
        self.end = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("message", self.message)
        self.add_event_handler("stream_error", lambda e: self.over("stream error %s" % e["condition"]))
        self.add_event_handler("disconnected", lambda e: self.over("disconnected"))

    def over(self, why):
        if not self.end.done():
            self.end.set_result(why)

    def message(self, m):
        self.got += 1

    async def ask(self, what):
        try:
            await what
        except Exception:
            self.failed += 1

    async def started(self, _):
        loop = asyncio.get_event_loop()
        until = loop.time() + float(seconds)
        self.send_presence()
        while loop.time() < until and not self.end.done():
            n = chance.random()
            if n < 0.6:
                self.said += 1
                self.send_message(mto=jid, mbody="message %d %s" % (self.said, "☃ <&> " * chance.randrange(30)), mtype="chat")
            elif n < 0.8:
                asyncio.ensure_future(self.ask(self["xep_0199"].send_ping(self.boundjid.domain, timeout=5)))
            elif n < 0.9:
                self.send_presence(pstatus="status %d" % self.said)
            else:
                asyncio.ensure_future(self.ask(self.get_roster(timeout=5)))
            await asyncio.sleep(chance.random() * 0.02)
        await asyncio.sleep(3)
        self.over("")


async def main():
    c = Client()
    c.connect((host, int(port)), use_ssl=True)
    why = await asyncio.wait_for(c.end, float(seconds) + 60)
    print("said", c.said, "got", c.got, "failed", c.failed, why)
    if not why:
        await c.disconnect()
    return why


sys.exit(1 if asyncio.get_event_loop().run_until_complete(main()) else 0)
