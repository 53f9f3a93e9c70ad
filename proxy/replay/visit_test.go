package replay

import (
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode"
)

// house is a host with one session.
type house struct {
	s      *Session
	player *Player
}

func (h *house) preview(string) *Session       { return h.s }
func (h *house) match(string, string) *Session { return h.s }
func (h *house) claim(string, string) *Session { return h.s }
func (h *house) begin(p *Player)               { h.player = p }
func (h *house) resume(id, user string) *Player {
	if h.player != nil && h.player.man.id == id {
		return h.player
	}
	return nil
}

func newVisit(s *Script) (*visit, *house) {
	h := &house{s: s.Sessions[0]}
	return &visit{host: h, script: s, guard: &Passwords{}, expect: Subset}, h
}

// talk lets a client say something, in one stream or several.
func talk(v *visit, dec *decode.Decoder, text string) string {
	dec.Write([]byte(text))
	for f, ok := dec.Next(); ok; f, ok = dec.Next() {
		v.hear(0, time.Unix(0, 0), f)
		if v.restart || v.startTLS {
			rest := append([]byte(nil), dec.Unread()...)
			dec.Reset(0)
			dec.Write(rest)
			v.restart = false
		}
	}
	return string(v.take())
}

func TestVisit(t *testing.T) {
	s := newTape().online(1).say(1, "→"+roster, "←"+rosterIs).load(t, Options{})
	v, h := newVisit(s)
	var dec decode.Decoder
	expect := func(got string, want ...string) {
		t.Helper()
		(&game{t: t}).expect(got, want...)
	}
	open := header + "to='Capulet.Example'>"
	got := talk(v, &dec, open)
	expect(got, "from='capulet.example'", "<mechanism>PLAIN</mechanism>")
	if strings.Contains(got, "starttls") || strings.Contains(got, "'s1'") {
		t.Errorf("it was recorded without TLS, under another id: %s", got)
	}
	expect(talk(v, &dec, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>x</auth>"), "<failure", "<invalid-mechanism")
	expect(talk(v, &dec, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%%</auth>"), "<incorrect-encoding")
	expect(talk(v, &dec, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AA8AeA==</auth>"), "<malformed-request")
	expect(talk(v, &dec, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>"), "<challenge")
	expect(talk(v, &dec, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AHJvbWVvAHg=</response>"), "<success")
	expect(talk(v, &dec, open), "<stream:features>", "<bind", "urn:xmpp:sm:3", "ver='v'")
	expect(talk(v, &dec, "<iq type='get' id='early'><query xmlns='jabber:iq:roster'/></iq>"), "id='early'", "not-allowed")
	expect(talk(v, &dec, "<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"), "id='b1'", "<jid>romeo@capulet.example/balcony</jid>")
	expect(talk(v, &dec, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"), "id='r' to='romeo@capulet.example/balcony'")
	expect(talk(v, &dec, "</stream:stream>"), "</stream:stream>")
	if !v.closing || h.player.Finish(0).Failed() {
		t.Errorf("%+v", h.player.res)
	}

	v, _ = newVisit(s)
	v.wanted = []string{"ANONYMOUS"}
	dec = decode.Decoder{}
	talk(v, &dec, open)
	expect(talk(v, &dec, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>"), "<success")
	talk(v, &dec, open)
	expect(talk(v, &dec, "<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>"), "@capulet.example/r</jid>")

	// What is no XML ends the stream.
	v, _ = newVisit(s)
	dec = decode.Decoder{}
	talk(v, &dec, open)
	expect(talk(v, &dec, "<iq no:prefix='1'/>"), "<not-well-formed", "</stream:stream>")
	if !v.closing {
		t.Error("it goes on")
	}

	v, _ = newVisit(s)
	dec = decode.Decoder{}
	expect(talk(v, &dec, strings.Replace(header, "jabber:client", "jabber:\xff\x01client", 1)+">"), "<not-well-formed")

	// Too many logins.
	v, _ = newVisit(s)
	dec = decode.Decoder{}
	talk(v, &dec, open)
	got = talk(v, &dec, strings.Repeat("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='X'/>", 10))
	if strings.Count(got, "<failure") != maxTries || !strings.HasSuffix(got, "</stream:stream>") {
		t.Error(got)
	}
}

// Whatever a client says: no panic, no endless work, no more memory than what
// it said allows, and what is answered is XML.
func FuzzVisit(f *testing.F) {
	s := newTape().online(1).say(1, "→"+roster, "←"+rosterIs, "←"+whisper("one"), `→<enable xmlns='urn:xmpp:sm:3' resume='true'/>`, `←<enabled xmlns='urn:xmpp:sm:3' id='SM1' resume='true' max='60'/>`,
		"→"+with(romeo, "a"), "←"+strings.Replace(with(disco, "q"), "capulet.example'", capulet+"' from='capulet.example'", 1), "←"+whisper("two")).load(f, Options{})
	open := header + "to='capulet.example'>"
	login := open + "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>" + open + "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
	for _, in := range []string{login, login + roster + with(romeo, "x") + "<enable xmlns='urn:xmpp:sm:3' resume='1'/><r xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='1'/>", open + "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AGEAYg==</initial-response><bind xmlns='urn:xmpp:bind:0'><tag>t</tag><enable xmlns='urn:xmpp:sm:3' resume='1'/></bind></authenticate>" + roster,
		strings.Replace(header, "jabber:client", "jabber:\xff\x01", 1) + ">", login + "<iq type='result' id='q'/><message to=\"'&lt;@x/'\" type='groupchat'><body>&#x0;</body></message>", open + "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + open} {
		f.Add(in, true)
	}
	f.Fuzz(func(t *testing.T, in string, sasl2 bool) {
		v, h := newVisit(s)
		v.sasl2 = sasl2
		var dec decode.Decoder
		out := talk(v, &dec, in)
		if h.player != nil {
			for range 50 {
				at, ok := h.player.Next()
				if !ok {
					break
				}
				h.player.Tick(at)
			}
			out += string(v.take())
			h.player.Finish(0)
			if n := len(h.player.w.ids); n > maxIDs {
				t.Errorf("%d ids", n)
			}
		}
		if len(out) > 40*len(in)+100_000 {
			t.Errorf("%d bytes for %d", len(out), len(in))
		}
		// Streams one after another, as the client would read them.
		var back decode.Decoder
		for _, part := range strings.SplitAfter(out, "<?xml version='1.0'?>") {
			back.Reset(0)
			back.Write([]byte(strings.TrimSuffix(part, "<?xml version='1.0'?>")))
			for f, ok := back.Next(); ok; f, ok = back.Next() {
				if f.Kind == decode.Junk || f.Kind == decode.Element && f.Err != nil && f.Stream != nil {
					t.Fatalf("said %s: %v", f.Raw, f.Err)
				}
			}
		}
	})
}

// A recorded stanza that was well-formed is so when it is said anew, whatever
// stands in it and whatever the live addresses are.
func FuzzRewrite(f *testing.F) {
	f.Add(rosterIs, capulet, "a&b@c.example/<'\">", "r1")
	f.Add("<message to='"+capulet+"'><x:y xmlns:x='u' x:id='1'>a@b</x:y><t xml:lang='e'><![CDATA[x@y]]></t></message>", "x@y/z", "q@w/e", "1")
	f.Fuzz(func(t *testing.T, recorded, from, to, id string) {
		var d decode.Decoder
		d.Write([]byte(header + ">" + recorded))
		s := newTape().online(1).load(t, Options{})
		w := rewriter{names: Names{From: splitJID(from), To: splitJID(to)}, shift: time.Hour}
		for fr, ok := d.Next(); ok; fr, ok = d.Next() {
			if fr.Kind != decode.Element || fr.Err != nil || fr.Part != decode.Whole || !legal(from+to+id) {
				continue
			}
			at, err := s.store.add(fr.Raw)
			if err != nil {
				t.Fatal(err)
			}
			fr, root, err := s.frame(piece{at, int32(len(fr.Raw)), fr.Stream})
			if err != nil {
				continue
			}
			w.learn(root, root)
			w.learnID(root.Attr("id"), id)
			got := w.live(fr, root, id)
			var back decode.Decoder
			back.Write([]byte(header + ">"))
			back.Next()
			back.Write(got)
			b, ok := back.Next()
			if !ok || b.Kind != decode.Element || b.Err != nil || len(b.Raw) != len(got) {
				t.Fatalf("%s became %s: %v", fr.Raw, got, b.Err)
			}
		}
	})
}
