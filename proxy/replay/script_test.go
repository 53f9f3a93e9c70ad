package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

const (
	capulet  = "juliet@capulet.example/balcony"
	header   = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' `
	begun    = "2026-11-25T10:00:00Z"
	roster   = `<iq type='get' id='r1'><query xmlns='jabber:iq:roster'/></iq>`
	rosterIs = `<iq type='result' id='r1' to='` + capulet + `'><query xmlns='jabber:iq:roster'><item jid='romeo@montague.example'/><item jid='nurse@capulet.example'/></query></iq>`
)

// A tape writes recordings.
type tape struct {
	b bytes.Buffer
	t float64
}

func (r *tape) event(c int, more map[string]any) {
	ev := map[string]any{"t": r.t, "c": c}
	for k, v := range more {
		ev[k] = v
	}
	b, err := json.Marshal(ev)
	if err != nil {
		panic(err)
	}
	r.b.Write(append(b, '\n'))
	r.t += 0.001
}

func newTape() *tape {
	r := new(tape)
	fmt.Fprintf(&r.b, "{\"xmpplens\":1,\"time\":%q,\"tool\":\"test\"}\n", begun)
	return r
}

// say takes lines: → or ← with what is said, or +1.5 for seconds that pass.
func (r *tape) say(c int, lines ...string) *tape {
	for _, l := range lines {
		switch {
		case strings.HasPrefix(l, "→"):
			r.event(c, map[string]any{"e": "data", "d": "CS", "s": strings.TrimSpace(strings.TrimPrefix(l, "→"))})
		case strings.HasPrefix(l, "←"):
			r.event(c, map[string]any{"e": "data", "d": "SC", "s": strings.TrimSpace(strings.TrimPrefix(l, "←"))})
		default:
			var d float64
			if _, err := fmt.Sscanf(l, "+%g", &d); err != nil {
				panic(l)
			}
			r.t += d
		}
	}
	return r
}

const (
	plain     = `<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>`
	postLogin = `<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/><c xmlns='http://jabber.org/protocol/caps' node='n' hash='sha-1' ver='v'/></stream:features>`
)

// online logs in: nothing of it is a step.
func (r *tape) online(c int) *tape {
	r.event(c, map[string]any{"e": "open", "kind": "c2s"})
	return r.say(c, "→"+header+`to='capulet.example'>`, "←"+header+`from='capulet.example' id='s1'>`+plain,
		`→<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldAB4</auth>`, `←<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`,
		"→"+header+`to='capulet.example'>`, "←"+header+`from='capulet.example' id='s2'>`+postLogin,
		`→<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>balcony</resource></bind></iq>`,
		`←<iq type='result' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>`+capulet+`</jid></bind></iq>`)
}

func (r *tape) load(t testing.TB, o Options) *Script {
	t.Helper()
	s, err := r.try(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (r *tape) try(o Options) (*Script, error) {
	reader, err := record.Read(bytes.NewReader(r.b.Bytes()))
	if err != nil {
		return nil, err
	}
	return Load(context.Background(), reader, o)
}

// steps are the script's steps in short.
func steps(s *Script) string {
	var b strings.Builder
	for _, sess := range s.Sessions {
		fmt.Fprintf(&b, "%s %v\n", sess.Account, sess.Conns)
		for i := range sess.Steps {
			st := &sess.Steps[i]
			fmt.Fprintf(&b, "%d %s", i, s.Summary(st))
			if st.Pair >= 0 {
				fmt.Fprintf(&b, " ↔ %d", st.Pair)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

func TestLoad(t *testing.T) {
	r := newTape().online(1).say(1, "→"+roster, "→<iq type='get' id='p' to='capulet.example'><ping xmlns='urn:xmpp:ping'/></iq>", "←"+rosterIs, "←<iq type='result' id='p' from='capulet.example'/>",
		`→<enable xmlns='urn:xmpp:sm:3' resume='true'/>`, `←<enabled xmlns='urn:xmpp:sm:3' id='SM1' resume='true' max='60'/>`, `→<presence id='p1'/>`, `→<r xmlns='urn:xmpp:sm:3'/>`,
		`←<a xmlns='urn:xmpp:sm:3' h='3'/>`, `←<message id='m1' from='romeo@montague.example'><body>lost</body></message><r xmlns='urn:xmpp:sm:3'/>`)
	r.event(1, map[string]any{"e": "close", "by": "client"})
	// The stream is resumed; what was not acknowledged comes again.
	r.event(2, map[string]any{"e": "open", "kind": "c2s"})
	r.say(2, "→"+header+`to='capulet.example'>`, "←"+header+`from='capulet.example' id='s1'>`+plain,
		`→<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldAB4</auth>`, `←<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`,
		"→"+header+`to='capulet.example'>`, "←"+header+`from='capulet.example' id='s2'>`+postLogin,
		`→<resume xmlns='urn:xmpp:sm:3' previd='SM1' h='1'/>`, `←<resumed xmlns='urn:xmpp:sm:3' previd='SM1' h='2'/><message id='m1' from='romeo@montague.example'><body>lost</body></message>`,
		`→<presence id='p1'/>`, `→<message id='m2' to='romeo@montague.example'><body>here again</body></message>`, `→</stream:stream>`, `←</stream:stream>`)
	// Nobody's.
	r.event(3, map[string]any{"e": "open", "kind": "s2s"})
	r.say(3, "→"+header+">")
	s := r.load(t, Options{})
	want := `juliet@capulet.example/balcony [1 2]
0 → iq get roster ↔ 1
1 ← iq result roster, 2 contacts → juliet@capulet.example ↔ 0
2 → sm enable, to be resumable
3 → presence available
4 → sm asks for an acknowledgement
5 ← message from romeo@montague.example: "lost"
6 ← sm asks for an acknowledgement
7 → message → romeo@montague.example: "here again"
8 → stream end
`
	if got := steps(s); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "kind s2s") {
		t.Errorf("%q", s.Notes)
	}
	if s = r.load(t, Options{FromN: 20, ToN: 29}); len(s.Sessions[0].Steps) == 0 || len(s.Sessions[0].Steps) > 5 {
		t.Errorf("a part: %s", steps(s))
	}
	if _, err := r.try(Options{Conn: 3}); !errors.Is(err, ErrNothing) {
		t.Errorf("connection 3: %v", err)
	}
	if _, err := newTape().try(Options{}); !errors.Is(err, ErrNothing) {
		t.Errorf("nothing: %v", err)
	}
}

// What the proxy changed is what the client got.
func TestLoadTakesWhatTheClientGot(t *testing.T) {
	r := newTape().online(1)
	at := int64(0)
	for line := range strings.Lines(r.b.String()) {
		var ev struct{ D, S string }
		json.Unmarshal([]byte(line), &ev)
		if ev.D == "SC" {
			at += int64(len(ev.S))
		}
	}
	said := `<message id='1' from='romeo@montague.example'><body>no</body></message>`
	r.event(1, map[string]any{"e": "edit", "d": "SC", "o": at, "n": len(said), "s": strings.Replace(said, "no", "yes", 1), "by": "rule"})
	r.say(1, "←"+said)
	for side, want := range map[record.Dir]string{record.SC: `"yes"`, record.CS: `"no"`} {
		if got := steps(r.load(t, Options{Side: side})); !strings.Contains(got, want) {
			t.Errorf("%s: %s", side, got)
		}
	}
}

func TestStoreSpillsOver(t *testing.T) {
	var s store
	piece := bytes.Repeat([]byte("x"), inMemory/2)
	var at []int64
	for i := range 4 {
		piece[0] = byte(i)
		a, err := s.add(piece)
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, a)
	}
	if s.file == nil {
		t.Fatal("all of it is in memory")
	}
	for i, a := range at {
		b, err := s.get(a, len(piece))
		if err != nil || b[0] != byte(i) || len(b) != len(piece) {
			t.Errorf("%d: %v", i, err)
		}
	}
	name := s.file.Name()
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("the file is left")
	}
}

// element makes a live frame.
func element(t testing.TB, text string) decode.Frame {
	t.Helper()
	var d decode.Decoder
	d.Write([]byte(header + ">" + text))
	for {
		f, ok := d.Next()
		if !ok {
			t.Fatalf("no element: %s", text)
		}
		if f.Kind == decode.Element {
			return f
		}
	}
}

// game is a Player with a clock.
type game struct {
	t   *testing.T
	p   *Player
	now time.Duration
}

func newGame(t *testing.T, s *Script, live string, expect Expect, pace Pace) *game {
	wall, err := time.Parse(time.RFC3339, "2026-12-25T10:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	g := &game{t: t}
	g.p = newPlayer(s, s.Sessions[0], stanza.SplitJID(live), nil, expect, pace, 0, wall)
	g.p.Tick(0)
	return g
}

// hear lets the client say something and returns what it hears at once.
func (g *game) hear(text string) string {
	g.t.Helper()
	g.p.Hear(g.now, element(g.t, text))
	return string(g.p.Take())
}

// pass lets time pass.
func (g *game) pass(d time.Duration) string {
	end := g.now + d
	for at, ok := g.p.Next(); ok && at <= end; at, ok = g.p.Next() {
		g.now = max(g.now, at)
		g.p.Tick(g.now)
	}
	g.now = end
	return string(g.p.Take())
}

func (g *game) expect(got string, want ...string) {
	g.t.Helper()
	if len(want) == 0 && got != "" {
		g.t.Errorf("said %s", got)
	}
	for _, w := range want {
		i := strings.Index(got, w)
		if i < 0 {
			g.t.Errorf("%q lacks %q", got, w)
			continue
		}
		got = got[i+len(w):]
	}
}

// ends returns the differences, one a line.
func (g *game) ends() string {
	var b strings.Builder
	r := g.p.Finish(g.now)
	for _, d := range r.Differences {
		fmt.Fprintf(&b, "%s %d %v %s\n", d.Kind, d.N, d.Fails, d.Text)
	}
	return b.String()
}
