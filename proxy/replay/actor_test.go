package replay

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// stage is an actor with a clock.
type stage struct {
	t   *testing.T
	a   *actor
	now time.Duration
}

func newStage(t *testing.T, r *tape, pace Pace) *stage {
	t.Helper()
	s := r.load(t, Options{Side: record.CS})
	wall, err := time.Parse(time.RFC3339, "2026-12-25T10:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	return &stage{t: t, a: newActor(s, s.Sessions[0], stanza.SplitJID("julia@verona.example/tomb"), nil, pace, 0, wall)}
}

// pass lets time pass and returns what the client says.
func (g *stage) pass(d time.Duration) string {
	end := g.now + d
	for at, ok := g.a.due(); ok && at <= end; at, ok = g.a.due() {
		g.now = max(g.now, at)
		g.a.tick(g.now)
	}
	g.now = end
	return string(g.a.take())
}

func (g *stage) hear(text string) string {
	g.t.Helper()
	g.a.hear(g.now, element(g.t, text))
	return string(g.a.take())
}

func (g *stage) ends() string {
	var b strings.Builder
	for _, d := range g.a.finish(g.now, nil).Differences {
		fmt.Fprintf(&b, "%s %d %v %s\n", d.Kind, d.N, d.Fails, d.Text)
	}
	return b.String()
}

// idOf finds the id of what was said.
func idOf(said string) string {
	_, rest, _ := strings.Cut(said, " id='")
	id, _, _ := strings.Cut(rest, "'")
	return id
}

func TestActor(t *testing.T) {
	tape := newTape().online(1).say(1, "+1", "→"+roster, "←"+rosterIs, "→<presence/>", "←"+whisper("wherefore"), "→"+strings.Replace(with(romeo, "here"), "'romeo@montague.example'", "'romeo@montague.example/orchard'", 1), "→</stream:stream>", "←</stream:stream>")
	answer := func(id, typ, inside string) string {
		return "<iq type='" + typ + "' id='" + id + "' to='julia@verona.example/tomb'>" + inside + "</iq>"
	}
	g := newStage(t, tape, Pace{Speed: 1, Patience: 5 * time.Second})
	if s := g.pass(900 * time.Millisecond); s != "" {
		t.Errorf("too early: %s", s)
	}
	asked := g.pass(200 * time.Millisecond)
	id := idOf(asked)
	if !strings.Contains(asked, "jabber:iq:roster") || id == "" || id == "r1" {
		t.Errorf("asked %s", asked)
	}
	if s := g.pass(time.Second); s != "" {
		t.Errorf("it did not wait: %s", s)
	}
	if s := g.hear(answer(id, "result", "<query xmlns='jabber:iq:roster'/>")) + g.pass(time.Second); s != "<presence/>" {
		t.Errorf("said %s", s)
	}
	// A ping that was not recorded, and the message from another resource.
	if s := g.hear("<iq type='get' id='p' from='verona.example'><ping xmlns='urn:xmpp:ping'/></iq>"); !strings.Contains(s, "id='p' to='verona.example' type='result'") {
		t.Errorf("ping: %s", s)
	}
	s := g.hear("<message type='chat' from='romeo@montague.example/garden' to='julia@verona.example/tomb'><body>wherefore</body></message>") + g.pass(time.Second)
	if !strings.Contains(s, "to='romeo@montague.example/garden'") || !strings.HasSuffix(s, "</stream:stream>") || !g.a.closing {
		t.Errorf("said %s", s)
	}
	if d := g.ends(); d != "" {
		t.Error(d)
	}

	for inside, want := range map[[2]string]string{
		{"error", "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"}: "answer 13 true ← iq error",
		{"result", "<query xmlns='urn:other'/>"}: "answer 13 true ← iq result",
		{"result", ""}:                           "answer 13 true ← iq result",
		{"", ""}:                                 "missing 13 true ← iq result roster",
	} {
		g := newStage(t, tape, Pace{Patience: 5 * time.Second})
		id := idOf(g.pass(0))
		if inside[0] != "" {
			g.hear(answer(id, inside[0], inside[1]))
		}
		g.pass(20 * time.Second)
		d := g.ends()
		if !strings.HasPrefix(d, want) || !strings.Contains(d, `missing 15 true ← chat romeo@montague.example → juliet@capulet.example: "wherefore" never came`) || strings.Count(d, "\n") != 2 {
			t.Errorf("%v: %s", inside, d)
		}
	}
}

func TestActorIsAsked(t *testing.T) {
	g := newStage(t, newTape().online(1).say(1, "→<presence/>", "←<iq type='get' id='v1' from='capulet.example' to='"+capulet+"'><query xmlns='jabber:iq:version'/></iq>", "→<iq type='result' id='v1' to='capulet.example'><query xmlns='jabber:iq:version'><name>x</name></query></iq>"), Pace{Patience: time.Second})
	g.pass(0)
	got := g.hear("<iq type='get' id='LIVE' from='verona.example' to='julia@verona.example/tomb'><query xmlns='jabber:iq:version'/></iq>") + g.pass(0)
	if !strings.Contains(got, "<iq type='result' id='LIVE' to='verona.example'><query xmlns='jabber:iq:version'><name>x</name>") {
		t.Errorf("said %s", got)
	}
	if d := g.ends(); d != "" {
		t.Error(d)
	}
}

func TestActorManagesTheStream(t *testing.T) {
	g := newStage(t, newTape().online(1).say(1, `→<enable xmlns='urn:xmpp:sm:3'/>`, `←<enabled xmlns='urn:xmpp:sm:3'/>`, "→"+with(romeo, "a"), `→<r xmlns='urn:xmpp:sm:3'/>`, `←<a xmlns='urn:xmpp:sm:3' h='1'/>`, "←"+whisper("b")), Pace{Patience: time.Second})
	if s := g.pass(0); !strings.Contains(s, "<enable") || !strings.Contains(s, "<body>a</body>") || !strings.HasSuffix(s, "<r xmlns='urn:xmpp:sm:3'/>") {
		t.Errorf("said %s", s)
	}
	g.hear("<enabled xmlns='urn:xmpp:sm:3'/>")
	if s := g.hear(whisper("b")); s != "<a xmlns='urn:xmpp:sm:3' h='1'/></stream:stream>" {
		t.Errorf("said %s", s)
	}
	if d := g.ends(); d != "" {
		t.Error(d)
	}
}

// A part of a recording has answers to what is not asked in it.
func TestAPart(t *testing.T) {
	tape := newTape().online(1).say(1, "→"+roster, "←<iq type='get' id='v1' from='capulet.example'><query xmlns='jabber:iq:version'/></iq>", "←"+rosterIs, "→<iq type='result' id='v1' to='capulet.example'/>", "←"+whisper("then"), "→"+with(romeo, "now"))
	o := Options{FromN: 14}
	s := tape.load(t, o)
	if got := steps(s); strings.Contains(got, "get") || !strings.Contains(got, "0 ← iq result roster") {
		t.Fatal(got)
	}
	g := newGame(t, s, capulet, Strict, Pace{})
	if !strings.Contains(string(g.p.Take()), "then") {
		t.Error("it waits for an answer that nobody asks for")
	}
	g.hear(with(romeo, "now"))
	if d := g.ends(); d != "" || !g.p.Complete() {
		t.Error(d)
	}
	o.Side = record.CS
	s = tape.load(t, o)
	st := &stage{t: t, a: newActor(s, s.Sessions[0], stanza.SplitJID(capulet), nil, Pace{Patience: time.Second}, 0, time.Now())}
	st.pass(0)
	if said := st.hear(whisper("then")) + st.pass(0); !strings.Contains(said, "now") {
		t.Errorf("said %s", said)
	}
	if d := st.ends(); d != "" {
		t.Error(d)
	}
}
