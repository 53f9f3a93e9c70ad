#!/usr/bin/python3
"""Romeo and Juliet talk through a proxy: the conversation of `xmpplens demo`.

usage: demo.py HOST PORT CA.pem

Wants a Prosody with the hosts montague.example and capulet.example (users
romeo and juliet, password "demo"), a muc component rooms.montague.example and
an http_file_share component upload.montague.example. See record.sh."""
import asyncio, base64, ssl, sys
import slixmpp

host, port, ca = sys.argv[1], int(sys.argv[2]), sys.argv[3]
PNG = base64.b64decode(b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid):
        super().__init__(jid, "demo")
        for p in ("xep_0030", "xep_0045", "xep_0054", "xep_0084", "xep_0085", "xep_0092", "xep_0115", "xep_0163", "xep_0184", "xep_0198", "xep_0199", "xep_0203", "xep_0280", "xep_0313", "xep_0363"):
            self.register_plugin(p)
        self.ca_certs = ca
        self.auto_authorize = self.auto_subscribe = None
        self.auto_reconnect = False
        self.ready = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("failed_all_auth", lambda e: self.ready.set_exception(Exception("no login")))

    async def started(self, _):
        await self.get_roster()
        self.send_presence()
        self.ready.set_result(True)

    def say(self, to, text, state="active"):
        m = self.make_message(mto=to, mbody=text, mtype="chat")
        m["chat_state"] = state
        m["request_receipt"] = True
        m.send()

    def typing(self, to):
        m = self.make_message(mto=to, mtype="chat")
        m["chat_state"] = "composing"
        m.send()


async def main():
    pause = asyncio.sleep
    romeo, juliet = Client("romeo@montague.example/orchard"), Client("juliet@capulet.example/balcony")
    R, J, room = "romeo@montague.example", "juliet@capulet.example", "verona@rooms.montague.example"
    romeo.connect((host, port))
    await romeo.ready
    await pause(1.2)
    await romeo["xep_0030"].get_info(jid="montague.example")
    await pause(0.8)
    juliet.connect((host, port))
    await juliet.ready
    await pause(1.0)

    # A subscription, both ways.
    romeo.send_presence(pto=J, ptype="subscribe", pstatus="I would I were thy bird.")
    await pause(1.4)
    juliet.send_presence(pto=R, ptype="subscribed")
    juliet.send_presence(pto=R, ptype="subscribe")
    await pause(1.2)
    romeo.send_presence(pto=J, ptype="subscribed")
    await pause(1.2)

    # The balcony.
    juliet.typing(R)
    await pause(1.2)
    juliet.say(R, "O Romeo, Romeo! wherefore art thou Romeo? Deny thy father and refuse thy name.")
    await pause(1.8)
    romeo.say(J, "Shall I hear more, or shall I speak at this?")
    await pause(1.4)
    juliet.say(R, "Art thou not Romeo, and a Montague?")
    await pause(1.2)
    romeo.typing(J)
    await pause(1.0)
    romeo.say(J, "Neither, fair maid, if either thee dislike.")
    await pause(1.4)

    # A room.
    await juliet["xep_0045"].join_muc_wait(room, "juliet")
    await pause(0.6)
    form = await juliet["xep_0045"].get_room_config(room)
    form.reply()
    await juliet["xep_0045"].set_room_config(room, form)
    await pause(0.8)
    await romeo["xep_0045"].join_muc_wait(room, "romeo")
    await pause(0.9)
    juliet.send_message(mto=room, mbody="What's in a name? That which we call a rose by any other name would smell as sweet.", mtype="groupchat")
    await pause(1.6)
    romeo.send_message(mto=room, mbody="Call me but love, and I'll be new baptized 🌹", mtype="groupchat")
    await pause(1.2)

    # A file, an avatar, the archive.
    await romeo["xep_0363"].request_slot("upload.montague.example", "balcony.jpg", 48213, "image/jpeg")
    await pause(1.2)
    av = romeo["xep_0084"]
    await av.publish_avatar(PNG)
    await av.publish_avatar_metadata({"id": av.generate_id(PNG), "type": "image/png", "bytes": len(PNG)})
    await pause(1.2)
    await juliet["xep_0092"].get_version("capulet.example")
    await pause(0.6)
    async for _ in juliet["xep_0313"].iterate(with_jid=slixmpp.JID(R), rsm={"max": 3}, total=3):
        pass
    await pause(1.0)

    # Errors: a person who is not there, a query that nobody answers.
    romeo.say("rosaline@capulet.example", "One fairer than my love? The all-seeing sun ne'er saw her match.")
    await pause(1.0)
    try:
        await romeo["xep_0030"].get_info(jid="tybalt@capulet.example/tomb", timeout=3)
    except slixmpp.exceptions.IqError:
        pass
    await pause(1.0)

    juliet.send_presence(pshow="away", pstatus="the nurse calls")
    await pause(1.4)
    juliet.say(R, "Good night, good night! Parting is such sweet sorrow.")
    await pause(1.4)
    romeo.say(J, "Sleep dwell upon thine eyes, peace in thy breast!")
    await pause(1.2)
    juliet["xep_0045"].leave_muc(room, "juliet", "the lark sings")
    await pause(0.8)
    await juliet.disconnect()
    await pause(1.0)
    await romeo.disconnect()
    await pause(0.3)


asyncio.get_event_loop().run_until_complete(main())
