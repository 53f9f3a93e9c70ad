"""component.py JID SECRET HOST:PORT: an external component that answers one
message with the same text."""
import asyncio, sys
import slixmpp

jid, secret, addr = sys.argv[1:4]
host, port = addr.rsplit(":", 1)
end = asyncio.get_event_loop().create_future()
c = slixmpp.ComponentXMPP(jid, secret, host, int(port))


def message(m):
    m.reply("you said: " + m["body"]).send()
    asyncio.get_event_loop().call_later(0.3, lambda: end.done() or end.set_result(""))


c.add_event_handler("session_start", lambda e: print("online", flush=True))
c.add_event_handler("message", message)
c.add_event_handler("stream_error", lambda e: end.done() or end.set_result("stream error: %s" % e["condition"]))
c.connect()


async def main():
    try:
        why = await asyncio.wait_for(end, 30)
    except asyncio.TimeoutError:
        why = "timeout"
    await c.disconnect()
    return why


why = asyncio.get_event_loop().run_until_complete(main())
if why:
    print(why)
    sys.exit(1)
