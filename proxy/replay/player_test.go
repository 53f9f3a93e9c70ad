package replay

import (
	"strings"
	"testing"
	"time"
)

const (
	disco    = `<iq type='get' id='%' to='capulet.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`
	discoIs  = `<iq type='result' id='%' from='capulet.example' to='` + capulet + `'><query xmlns='http://jabber.org/protocol/disco#info'><feature var='?'/></query></iq>`
	romeo    = `<message id='m1' type='chat' to='romeo@montague.example'><body>%</body></message>`
	whispers = `<message id='m9' type='chat' from='romeo@montague.example/orchard' to='` + capulet + `'><body>?</body></message>`
)

func with(s string, id string) string    { return strings.Replace(s, "%", id, 1) }
func and(s, id, what string) string      { return strings.Replace(with(s, id), "?", what, 1) }
func whisper(what string) string         { return strings.Replace(whispers, "?", what, 1) }
func once(t *testing.T, r *tape) *Script { t.Helper(); return r.load(t, Options{}) }

func TestAnswersComeWhenAsked(t *testing.T) {
	s := once(t, newTape().online(1).say(1, "→"+roster, "+0.5", "←"+rosterIs, "→"+with(disco, "d1"), "←"+and(discoIs, "d1", "first"), "→"+with(disco, "d2"), "←"+and(discoIs, "d2", "second")))
	g := newGame(t, s, capulet, Subset, Pace{Speed: 1})
	// In another order, with other ids.
	g.expect(g.hear(with(disco, "x1")))
	g.expect(g.pass(10*time.Millisecond), "id='x1'", "first")
	g.expect(g.hear(strings.Replace(roster, "r1", "x2", 1)))
	g.expect(g.pass(400 * time.Millisecond))
	g.expect(g.pass(200*time.Millisecond), "id='x2'", "romeo@montague.example")
	g.hear(with(disco, "x3"))
	g.expect(g.pass(time.Second), "id='x3'", "second")
	if d := g.ends(); d != "" {
		t.Error(d)
	}
	// Once more: the last one.
	g = newGame(t, s, capulet, Subset, Pace{})
	g.hear(roster)
	g.expect(g.hear(with(disco, "1")), "first")
	g.expect(g.hear(with(disco, "2")), "second")
	g.expect(g.hear(with(disco, "3")), "id='3'", "second")
	if d := g.ends(); !strings.HasPrefix(d, "extra 16 false") {
		t.Error(d)
	}
}

func TestWhatTheRecordingLacks(t *testing.T) {
	s := once(t, newTape().online(1).say(1, "→"+roster, "→<iq type='get' id='v' to='capulet.example'><query xmlns='jabber:iq:version'/></iq>", "←"+rosterIs, "→"+with(disco, "d9")))
	for expect, fails := range map[Expect]string{Subset: "false", Strict: "true"} {
		g := newGame(t, s, capulet, expect, Pace{})
		g.expect(g.hear(roster), "roster")
		g.expect(g.hear(`<iq type='get' id='1' to='capulet.example'><query xmlns='jabber:iq:version'/></iq>`), "id='1' from='capulet.example' to='"+capulet+"'", "service-unavailable")
		g.expect(g.hear(`<iq type='set' id='2' to='rooms.capulet.example'><x xmlns='urn:new'/></iq>`), "id='2'", "service-unavailable")
		g.expect(g.hear(`<iq type='get' id='3'><ping xmlns='urn:xmpp:ping'/></iq>`), "type='result' id='3'")
		g.expect(g.hear(with(romeo, "hello")))
		g.expect(g.hear(with(disco, "4")), "service-unavailable")
		got := g.ends()
		for _, want := range []string{"unanswered 13 true → iq get", "extra 0 " + fails + " → iq set", "extra 0 " + fails + " → chat", "unanswered 15 false → iq get disco#info"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", expect, want, got)
			}
		}
	}
}

func TestPushesComeInTheirPlace(t *testing.T) {
	s := once(t, newTape().online(1).say(1, "+1", "←"+whisper("early"), "→<presence/>", "→"+with(romeo, "a"), "←"+whisper("behind a"), "+3", "←"+whisper("later"), "→"+with(romeo, "b"), "←"+whisper("behind b")))
	g := newGame(t, s, capulet, Subset, Pace{Speed: 1})
	g.expect(g.pass(900 * time.Millisecond))
	g.expect(g.pass(200*time.Millisecond), "early")
	g.expect(g.hear(with(romeo, "a")))
	g.expect(g.pass(time.Hour))
	g.expect(g.hear("<presence/>"))
	g.expect(g.pass(10*time.Millisecond), "behind a")
	g.expect(g.pass(2 * time.Second))
	g.expect(g.pass(2*time.Second), "later")
	g.expect(g.hear(with(romeo, "b"))+g.pass(time.Second), "behind b")
	if d := g.ends(); d != "" || !g.p.Complete() {
		t.Error(d)
	}
}

func TestAnswersKeepTheirPlaceAmongPushes(t *testing.T) {
	query := `<iq type='set' id='q' to='juliet@capulet.example'><query xmlns='urn:xmpp:mam:2' queryid='f27'/></iq>`
	found := `<message id='1' to='` + capulet + `'><result xmlns='urn:xmpp:mam:2' queryid='f27' id='28482'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-11-25T09:00:00Z'/><message xmlns='jabber:client'><body>juliet@capulet.example</body></message></forwarded></result></message>`
	s := once(t, newTape().online(1).say(1, "→"+query, "←"+found, "←<iq type='result' id='q'><fin xmlns='urn:xmpp:mam:2'/></iq>"))
	g := newGame(t, s, "julia@verona.example/tomb", Subset, Pace{})
	g.expect(g.hear(`<iq type='set' id='live' to='julia@verona.example'><query xmlns='urn:xmpp:mam:2' queryid='mine'/></iq>`),
		"to='julia@verona.example/tomb'", "queryid='mine'", "stamp='2026-12-25T08:59:59Z'", "<body>juliet@capulet.example</body>", "id='live'", "<fin")
	if d := g.ends(); d != "" {
		t.Error(d)
	}
}

func TestOrder(t *testing.T) {
	tape := newTape().online(1).say(1, "→"+roster, "←"+rosterIs, "→"+with(disco, "d"), "←"+and(discoIs, "d", "x"), "→"+with(romeo, "one"), "→"+with(romeo, "two"),
		`→<message type='chat' to='nurse@capulet.example' id='n'><body>three</body></message>`)
	s := once(t, tape)
	say := func(expect Expect, what ...string) string {
		g := newGame(t, s, capulet, expect, Pace{})
		for _, w := range what {
			g.hear(w)
		}
		return g.ends()
	}
	nurse := `<message type='chat' to='nurse@capulet.example' id='n'><body>three</body></message>`
	one, two := with(romeo, "one"), with(romeo, "two")
	if d := say(Subset, nurse, with(disco, "1"), one, roster, two); d != "" {
		t.Errorf("order that is free: %s", d)
	}
	if d := say(Subset, roster, with(disco, "1"), two, one, nurse); strings.Count(d, "\n") != 1 || !strings.HasPrefix(d, `order 16 true → chat → romeo@montague.example: "one" came behind entry 17`) {
		t.Errorf("messages in the wrong order: %s", d)
	}
	if d := say(Strict, roster, with(disco, "1"), one, two, nurse); d != "" {
		t.Errorf("strict: %s", d)
	}
	if d := say(Strict, with(disco, "1"), roster, one, two, nurse); strings.Count(d, "\n") != 1 || !strings.HasPrefix(d, "order 12 true → iq get roster") {
		t.Errorf("strict, another order: %s", d)
	}
	if d := say(Subset, roster, one, nurse); strings.Count(d, "missing") != 2 || !strings.Contains(d, `missing 17 true → chat → romeo@montague.example: "two" never came`) {
		t.Errorf("missing: %s", d)
	}
}

func TestMoodsAreFree(t *testing.T) {
	s := once(t, newTape().online(1).say(1, `→<active xmlns='urn:xmpp:csi:0'/>`, `→<message to='romeo@montague.example' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`, "→"+with(romeo, "a")))
	for expect, want := range map[Expect]int{Subset: 0, Strict: 2} {
		g := newGame(t, s, capulet, expect, Pace{})
		g.hear(with(romeo, "a"))
		if d := g.ends(); strings.Count(d, "missing") != want {
			t.Errorf("%s: %s", expect, d)
		}
	}
}

func TestPatience(t *testing.T) {
	s := once(t, newTape().online(1).say(1, "+2", "→"+with(romeo, "a"), "→"+with(disco, "d"), "←"+and(discoIs, "d", "x"), "←"+whisper("one"), "→<presence/>", "←"+whisper("two")))
	g := newGame(t, s, capulet, Subset, Pace{Speed: 1, Patience: 5 * time.Second})
	g.expect(g.pass(6 * time.Second))
	// Two steps are given up, and the one behind "one", which has no patience
	// left to wait for.
	g.expect(g.pass(2*time.Second), "one", "two")
	g.expect(g.hear("<presence/>"))
	g.expect(g.hear(with(disco, "late"))+g.pass(time.Second), "id='late'")
	if d := g.ends(); strings.Count(d, "\n") != 1 || !strings.HasPrefix(d, "missing 12 true") {
		t.Error(d)
	}
	g = newGame(t, s, capulet, Subset, Pace{Speed: 1})
	g.expect(g.pass(24 * time.Hour))
	if _, ok := g.p.Next(); ok {
		t.Error("it waits for the clock")
	}
}

func TestTheClientAnswers(t *testing.T) {
	ask := `<iq type='get' id='%' from='capulet.example' to='` + capulet + `'><query xmlns='jabber:iq:version'/></iq>`
	s := once(t, newTape().online(1).say(1, "→<presence/>", "←"+with(ask, "v1"), `→<iq type='result' id='v1' to='capulet.example'><query xmlns='jabber:iq:version'/></iq>`, "←"+whisper("thanks")))
	for answer, want := range map[string]string{
		`<iq type='result' id='v1'><query xmlns='jabber:iq:version'/></iq>`:       "",
		`<iq type='error' id='v1'/>`:                                              "answer 14 true",
		`<iq type='result' id='other'><query xmlns='jabber:iq:version'/></iq>`:    "extra 0 false",
		`<iq type='result' id='v1' from='x'/><iq type='result' id='v1' from=''/>`: "",
	} {
		g := newGame(t, s, capulet, Subset, Pace{})
		g.expect(g.hear("<presence/>"), "id='v1'")
		got := g.hear(answer)
		d := g.ends()
		if !strings.HasPrefix(d, want) || want == "" && (d != "" || !strings.Contains(got, "thanks")) {
			t.Errorf("%s: %s", answer, d)
		}
	}
}

func TestRoomsEchoWithTheLiveID(t *testing.T) {
	s := once(t, newTape().online(1).say(1, `→<message type='groupchat' id='g1' to='verona@rooms.capulet.example'><body>hi</body><origin-id xmlns='urn:xmpp:sid:0' id='g1'/></message>`,
		`←<message type='groupchat' id='g1' from='verona@rooms.capulet.example/juliet' to='`+capulet+`'><body>hi</body><origin-id xmlns='urn:xmpp:sid:0' id='g1'/><x jid='xmpp:verona@rooms.capulet.example?join' domain='capulet.example'/></message>`))
	g := newGame(t, s, "julia@verona.example/tomb", Subset, Pace{})
	g.expect(g.hear(`<message type='groupchat' id='LIVE' to='verona@rooms.verona.example'><body>hi</body></message>`),
		"id='LIVE' from='verona@rooms.verona.example/juliet' to='julia@verona.example/tomb'", "origin-id xmlns='urn:xmpp:sid:0' id='LIVE'", "xmpp:verona@rooms.verona.example?join")
	if d := g.ends(); d != "" {
		t.Error(d)
	}
}

func TestStreamManagement(t *testing.T) {
	s := once(t, newTape().online(1).say(1, `→<enable xmlns='urn:xmpp:sm:3' resume='true'/>`, `←<enabled xmlns='urn:xmpp:sm:3' id='old' resume='true' max='60'/>`, "→"+with(romeo, "a"),
		"←"+whisper("one"), "←<r xmlns='urn:xmpp:sm:3'/>", "←"+whisper("two"), "→"+with(romeo, "b"), "←"+whisper("three")))
	g := newGame(t, s, capulet, Subset, Pace{})
	g.expect(g.hear(`<enable xmlns='urn:xmpp:sm:3' resume='1'/>`), "<enabled xmlns='urn:xmpp:sm:3' id='", "resume='true' max='60'")
	id := g.p.man.id
	if id == "" || id == "old" {
		t.Fatalf("id %q", id)
	}
	g.expect(g.hear(with(romeo, "a")), "one", "<r xmlns='urn:xmpp:sm:3'/>", "two")
	g.expect(g.hear(`<r xmlns='urn:xmpp:sm:3'/>`), "<a xmlns='urn:xmpp:sm:3' h='1'/>")
	g.expect(g.hear(`<a xmlns='urn:xmpp:sm:3' h='1'/>`))
	// The connection is lost with "two", and with what was said then.
	text, ok := g.p.resume(g.now, mustTree(t, `<resume xmlns='urn:xmpp:sm:3' previd='`+id+`' h='1'/>`))
	if !ok || !strings.HasPrefix(text, "<resumed xmlns='urn:xmpp:sm:3' previd='"+id+"' h='1'/>") || !strings.Contains(text, "two") || strings.Contains(text, "one") {
		t.Errorf("resumed: %s", text)
	}
	g.expect(g.hear(with(romeo, "b")), "three")
	if d := g.ends(); d != "" {
		t.Error(d)
	}
	// More than there was.
	g = newGame(t, s, capulet, Subset, Pace{})
	g.hear(`<enable xmlns='urn:xmpp:sm:3'/>`)
	g.expect(g.hear(`<a xmlns='urn:xmpp:sm:3' h='7'/>`), "handled-count-too-high", "</stream:stream>")
	if d := g.ends(); !strings.Contains(d, "broken 0 true the client acknowledges 7 of 0") {
		t.Error(d)
	}
}

func TestTheServerEnds(t *testing.T) {
	s := once(t, newTape().online(1).say(1, "→<presence/>", `←<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>`))
	g := newGame(t, s, capulet, Subset, Pace{})
	g.expect(g.hear("<presence/>"), "<conflict", "</stream:stream>")
	if !g.p.closing {
		t.Error("it goes on")
	}
	if d := g.ends(); d != "" {
		t.Error(d)
	}
}
