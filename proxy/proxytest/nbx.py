"""nbx.py JID PASSWORD HOST:PORT SOCKS-HOST:PORT [--direct] [--auth] [--to JID --say TEXT]

nbxmpp, which Gajim is made of, through a SOCKS5 proxy if one is named: logs in,
pings its server, logs out. With --to it sends a message instead and waits for
one.
"""
import argparse, sys
from gi.repository import GLib
from nbxmpp.client import Client
from nbxmpp.const import ConnectionProtocol, ConnectionType, Mode
from nbxmpp.protocol import JID, Message, Presence
from nbxmpp.structs import ProxyData, StanzaHandler

p = argparse.ArgumentParser()
p.add_argument("jid")
p.add_argument("password")
p.add_argument("addr")
p.add_argument("socks")
p.add_argument("--direct", action="store_true")
p.add_argument("--auth", action="store_true")
p.add_argument("--to")
p.add_argument("--say")
a = p.parse_args()
jid = JID.from_string(a.jid)
loop = GLib.MainLoop()
code = 1

c = Client()
c.set_domain(jid.domain)
c.set_username(jid.localpart)
c.set_password(a.password)
c.set_resource(jid.resource)
c.set_mode(Mode.CLIENT)
c.set_ignore_tls_errors(True)  # GLib knows the system's authorities only
kind = ConnectionType.DIRECT_TLS if a.direct else ConnectionType.START_TLS
c.set_connection_types([kind])
c.set_custom_host(a.addr, ConnectionProtocol.TCP, kind)
if a.socks:
    c.set_proxy(ProxyData("socks5", a.socks, "any" if a.auth else None, "body" if a.auth else None))


def ponged(task):
    global code
    task.finish()
    print("pong", flush=True)
    code = 0
    c.disconnect()


def heard(client, stanza, properties):
    global code
    if stanza.getBody():
        print("got", stanza.getBody(), flush=True)
        code = 0
        c.disconnect()


def connected(client, _):
    print("online", client.get_bound_jid(), flush=True)
    if a.to:
        client.register_handler(StanzaHandler(name="message", callback=heard))
        client.send_stanza(Presence())
        client.send_stanza(Message(to=a.to, body=a.say, typ="chat"))
        return
    client.get_module("Ping").ping(JID.from_string(jid.domain), callback=ponged)


def over(client, signal, *args):
    print(signal, client.get_error(), flush=True)
    loop.quit()


def late():
    print("timeout", flush=True)
    loop.quit()


c.subscribe("connected", connected)
c.subscribe("connection-failed", over)
c.subscribe("disconnected", over)
GLib.timeout_add_seconds(30, late)
c.connect()
loop.run()
sys.exit(code)
