"""resume.py JID PASSWORD HOST:PORT CA TO [--resend]: sends five messages with
stream management, loses its connection right after, and resumes.

slixmpp 1.8 forgets what was not acknowledged when it asks to resume, and so
loses it; with --resend it keeps it, as XEP-0198 §5 wants."""
import asyncio, sys
import slixmpp
from slixmpp.plugins.xep_0198 import stanza, stream_management

if "--resend" in sys.argv:
    outgoing = stream_management.XEP_0198._handle_outgoing

    def keeping(self, s):
        if isinstance(s, stanza.Resume):
            self.enabled_out = True
            return s
        return outgoing(self, s)

    stream_management.XEP_0198._handle_outgoing = keeping

jid, password, addr, ca, to = sys.argv[1:6]
host, port = addr.rsplit(":", 1)


class Client(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__(jid, password)
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0198")
        self.ca_certs = ca
        self.end = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("session_resumed", self.resumed)
        self.add_event_handler("disconnected", self.again)
        self.add_event_handler("failed_all_auth", lambda e: self.over("no login"))

    def again(self, _):
        if not self.end.done():
            self.connect((host, int(port)))

    def over(self, why):
        if not self.end.done():
            self.end.set_result(why)

    async def started(self, _):
        await self.get_roster()
        self.send_presence()
        await asyncio.sleep(1.5)
        for i in range(5):
            self.send_message(mto=to, mbody="message %d" % i, mtype="chat")
        await asyncio.sleep(0.05)
        self.transport.abort()  # no goodbye, no acknowledgement

    async def resumed(self, _):
        print("resumed", flush=True)
        await asyncio.sleep(1)
        self.over("")


async def main():
    c = Client()
    c.connect((host, int(port)))
    try:
        why = await asyncio.wait_for(c.end, 30)
    except asyncio.TimeoutError:
        why = "timeout"
    if not why:
        c.auto_reconnect = False
        await c.disconnect()
    return why


why = asyncio.get_event_loop().run_until_complete(main())
if why:
    print(why)
    sys.exit(1)
