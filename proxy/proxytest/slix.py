"""slix.py JID PASSWORD HOST:PORT CA [--direct] [--to JID --say TEXT] [--online FILE] [--expect N] [--debug]"""
import argparse, asyncio, logging, sys
import slixmpp

p = argparse.ArgumentParser()
p.add_argument("jid")
p.add_argument("password")
p.add_argument("addr")
p.add_argument("ca")
p.add_argument("--direct", action="store_true")
p.add_argument("--follow", action="store_true")
p.add_argument("--debug", action="store_true", help="log what is said")
p.add_argument("--to")
p.add_argument("--say")
p.add_argument("--online", help="a file to make when the server has seen the presence")
p.add_argument("--expect", type=int, default=0)
a = p.parse_args()
if a.debug:
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)-8s %(name)s: %(message)s")
host, port = a.addr.rsplit(":", 1)


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(a.jid, a.password)
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0198")
        self.ca_certs = a.ca
        self.auto_reconnect = False
        self.left = a.expect
        self.end = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("message", self.message)
        self.add_event_handler("failed_all_auth", lambda e: self.over("no login"))
        self.add_event_handler("connection_failed", lambda e: self.over("no connection: %s" % e))
        self.add_event_handler("ssl_invalid_chain", lambda e: self.over("certificate: %s" % e))
        if a.follow:
            # slixmpp 1.8 goes to the port that is usual, not to the one named.
            self.max_redirects = -1
            self.elsewhere = None
            self.add_event_handler("stream_error", self.told)
            self.add_event_handler("disconnected", self.follow)
        else:
            self.add_event_handler("stream_error", lambda e: self.over("stream error: %s" % e["condition"]))
            self.add_event_handler("disconnected", lambda e: self.over("disconnected"))
        self.add_event_handler("sm_enabled", lambda e: print("location", e["location"], flush=True))

    def told(self, e):
        if e["condition"] == "see-other-host":
            host, port = e["see_other_host"].rsplit(":", 1)
            self.elsewhere = (host.strip("[]"), int(port))
            print("sent to", e["see_other_host"], flush=True)

    def follow(self, _):
        if self.elsewhere:
            self.connect(self.elsewhere)
            self.elsewhere = None
        else:
            self.over("disconnected")

    def over(self, why):
        if not self.end.done():
            self.end.set_result(why)

    def message(self, m):
        print("got", m["body"], flush=True)
        self.left -= 1
        if self.left == 0:
            self.over("")

    async def started(self, _):
        print("mechanism", self.plugin["feature_mechanisms"].mech.name, flush=True)
        await self.get_roster()
        self.send_presence()
        if a.to:
            self.send_message(mto=a.to, mbody=a.say, mtype="chat")
        await self["xep_0030"].get_info(jid=self.boundjid.domain)
        if a.online:
            open(a.online, "w").close()
        if self.left <= 0:
            self.over("")


async def main():
    c = Client()
    c.connect((host, int(port)), use_ssl=a.direct)
    try:
        why = await asyncio.wait_for(c.end, 30)
    except asyncio.TimeoutError:
        why = "timeout"
    if not why:
        await c.disconnect()
    return why


why = asyncio.get_event_loop().run_until_complete(main())
if why:
    print(why)
    sys.exit(1)
