package rule

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

func clockAt(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

func seenIn(d record.Dir, f decode.Frame) session.Seen {
	return session.Seen{Dir: d, Frame: f, Authenticated: true}
}

func setOf(t testing.TB, lines ...string) *Set {
	t.Helper()
	s := &Set{Seed: 1}
	for _, l := range lines {
		r, err := ParseLine(l)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		if err := s.Add("test", r); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// words says a plan in one line.
func words(p session.Plan) string {
	var out []string
	for _, step := range p {
		switch s := step.(type) {
		case session.Drop:
			out = append(out, "drop")
		case session.Hold:
			out = append(out, fmt.Sprint("hold ", s.Limit))
		case session.Delay:
			out = append(out, fmt.Sprint("delay ", s.For))
		case session.Edit:
			out = append(out, "edit "+string(s.Bytes))
		case session.Corrupt:
			out = append(out, fmt.Sprintf("corrupt %q", s.Bytes))
		case session.Answer:
			out = append(out, "answer "+string(s.Bytes))
		case session.Inject:
			out = append(out, fmt.Sprintf("inject %s %s %v", s.Dir, s.Bytes, s.After))
		case session.Duplicate:
			out = append(out, fmt.Sprint("duplicate ", s.N))
		case session.Reorder:
			out = append(out, fmt.Sprint("reorder ", s.N, " ", s.Limit))
		case session.Freeze:
			out = append(out, "freeze")
		case session.Truncate:
			out = append(out, fmt.Sprint("truncate ", s.N, " ", s.Cut))
		case session.Cut:
			out = append(out, fmt.Sprint("cut ", s.Manner, " ", s.Leg, " ", s.Condition))
		case session.Throttle:
			out = append(out, fmt.Sprint("throttle ", s.Dir, " ", s.Rate))
		case session.Note:
			out = append(out, "note "+s.Text)
		case session.StopRecording:
			out = append(out, "stop")
		default:
			out = append(out, fmt.Sprintf("%T", step))
		}
	}
	return strings.Join(out, "; ")
}

const get = `<iq type='get' id='r1' from='a@b/c' to='d'><query xmlns='jabber:iq:roster'/></iq>`

func TestJudge(t *testing.T) {
	for _, c := range []struct{ rule, xml, want string }{
		{"drop if iq", get, "drop"},
		{"drop if message", get, ""},
		{"hold 5s if roster", get, "hold 5s"},
		{"delay 2s and duplicate 2 if iq", get, "delay 2s; duplicate 2"},
		{"set /iq/@type to set and remove //roster:query if iq", get, `edit <iq type='set' id='r1' from='a@b/c' to='d'><query xmlns='jabber:iq:roster'/></iq>; edit <iq type='set' id='r1' from='a@b/c' to='d'></iq>`},
		{"remove //nothing if iq", get, ""},
		{"remove /iq if iq", get, "note rule remove /iq if iq could not edit: remove /iq: the stanza would not be well-formed: it does not end"},
		{"answer service-unavailable if iq", get, `answer <iq type='error' id='r1' from='d' to='a@b/c'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`},
		{"answer forbidden type wait text 'a<b' if iq", get, `answer <iq type='error' id='r1' from='d' to='a@b/c'><error type='wait'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>a&lt;b</text></error></iq>`},
		{"answer result \"<q of='${from.bare}'/>\" if iq", get, `answer <iq type='result' id='r1' from='d' to='a@b/c'><q of='a@b'/></iq>`},
		{"answer result '' if iq", `<iq type='set' id='1'/>`, `answer <iq type='result' id='1'/>`},
		{"answer forbidden name x if iq", `<iq type='result' id='1'/>`, `note rule x could not answer: an answer must not be answered (RFC 6120 §8.3.1); it passes`},
		{"answer temporary-auth-failure if sasl", `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AA==</auth>`, `answer <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><temporary-auth-failure/></failure>`},
		{"answer temporary-auth-failure if sasl", `<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>`, `answer <failure xmlns='urn:xmpp:sasl:2'><temporary-auth-failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>`},
		{"answer item-not-found if sm", `<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>`, `answer <failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`},
		{"send client xml '<presence from=\"${to}\"/>' in 1s if iq", get, `inject SC <presence from="d"/> 1s`},
		{"cut rst if iq", get, "cut rst client "},
		{"cut stream-error condition reset leg server if iq", get, "cut stream-error server reset"},
		{"cut tls-alert if iq", get, "cut tls-alert client "},
		{"freeze if iq", get, "freeze"},
		{"truncate 10 then rst if iq", get, "truncate 10 rst"},
		{"truncate if iq", `<iq id='12'/>`, "truncate 6 fin"},
		{"throttle 1.5kB/s if iq", get, "throttle CS 1500"},
		{"reorder 2 within 3s if iq", get, "reorder 2 3s"},
		{"note 'it is ${name} ${count}' and stop recording if iq", get, "note it is iq 1; stop"},
	} {
		j := setOf(t, c.rule).Judge(1, clockAt(0))
		if got := words(j.Judge(seenIn(record.CS, frame(t, c.xml)))); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.rule, got, c.want)
		}
	}
}

// plans are what a judge says of the same frame again and again.
func plans(j session.Judge, f decode.Frame, n int) string {
	out := ""
	for range n {
		if words(j.Judge(seenIn(record.CS, f))) == "" {
			out += "."
		} else {
			out += "x"
		}
	}
	return out
}

func TestCounting(t *testing.T) {
	f := frame(t, get)
	for rule, want := range map[string]string{
		"drop limit 2 if iq":                 "xx........",
		"drop after 3 if iq":                 "...xxxxxxx",
		"drop every 3 if iq":                 "..x..x..x.",
		"drop after 1 every 2 limit 2 if iq": "..x.x.....",
		"drop probability 0 if iq":           "..........",
	} {
		s := setOf(t, rule)
		if got := plans(s.Judge(1, clockAt(0)), f, 10); got != want {
			t.Errorf("%s: %s, not %s", rule, got, want)
		}
		if st := s.List()[0]; st.Matched != 10 || int(st.Fired) != strings.Count(want, "x") {
			t.Errorf("%s: %+v", rule, st)
		}
	}
	s := setOf(t, "drop limit 1 if iq")
	if got := plans(s.Judge(1, nil), f, 2) + plans(s.Judge(2, nil), f, 2); got != "x..." {
		t.Errorf("limit: %s", got)
	}
	s = setOf(t, "drop limit 1 per connection if iq")
	if got := plans(s.Judge(1, nil), f, 2) + plans(s.Judge(2, nil), f, 2); got != "x.x." {
		t.Errorf("limit per connection: %s", got)
	}
	s = setOf(t, "drop between 1s 2s if iq")
	for at, want := range map[time.Duration]string{0: ".", time.Second: "x", 3 * time.Second: "."} {
		if got := plans(s.Judge(1, clockAt(at)), f, 1); got != want {
			t.Errorf("at %v: %s", at, got)
		}
	}
}

// The same seed and the same traffic have the same fate, whatever other
// connections do meanwhile.
func TestChance(t *testing.T) {
	f := frame(t, get)
	fate := func(seed uint64, conn int, noise bool) string {
		s := setOf(t, "drop probability 0.5 name x if iq")
		s.Seed = seed
		j := s.Judge(conn, nil)
		if noise {
			plans(s.Judge(9, nil), f, 17)
		}
		return plans(j, f, 60)
	}
	a := fate(7, 1, false)
	if b := fate(7, 1, true); a != b {
		t.Errorf("%s\n%s", a, b)
	}
	if a == fate(8, 1, false) || a == fate(7, 2, false) || !strings.Contains(a, ".") || !strings.Contains(a, "x") {
		t.Errorf("no chance: %s", a)
	}
}

// Rules come and go, and are switched, while sessions go on.
func TestSet(t *testing.T) {
	f := frame(t, get)
	var on []int
	s := &Set{Changed: func(n int) { on = append(on, n) }}
	j := s.Judge(1, nil)
	step := func(want string) {
		t.Helper()
		if got := plans(j, f, 1); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	step(".")
	pause, err := Pause("pause", "iq")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add("pause", pause); err != nil {
		t.Fatal(err)
	}
	step("x")
	s.Switch("pause", false)
	step(".")
	s.Switch("pause", true)
	step("x")
	if s.Add("other", pause) == nil || s.Switch("nobody", true) == nil || s.Remove("nobody") == nil {
		t.Error("a name that is taken, and names that are not there")
	}
	s.Remove("pause")
	step(".")
	if want := []int{1, 0, 1, 0}; !reflect.DeepEqual(on, want) {
		t.Errorf("on: %v", on)
	}
	file := func(text string) {
		t.Helper()
		rules, err := Parse("f", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Replace("f", rules); err != nil {
			t.Fatal(err)
		}
	}
	file("rules: [{name: a, when: iq, do: drop, limit: 1}, {name: b, when: iq, do: drop, enabled: false}]")
	step("x")
	step(".")
	file("rules: [{name: a, when: iq, do: drop, limit: 1}, {name: c, when: message, do: drop}]")
	step(".") // it keeps its count
	file("rules: [{name: a, when: iq and true, do: drop, limit: 1}]")
	step("x")
}

func TestFirstDecides(t *testing.T) {
	f := frame(t, get)
	s := setOf(t, "note one if iq", "set /iq/@type to set continue if iq", "set /iq/@id to z if iq", "drop if iq")
	want := `note one; edit <iq type='set' id='r1' from='a@b/c' to='d'><query xmlns='jabber:iq:roster'/></iq>; edit <iq type='set' id='z' from='a@b/c' to='d'><query xmlns='jabber:iq:roster'/></iq>`
	if got := words(s.Judge(1, nil).Judge(seenIn(record.CS, f))); got != want {
		t.Errorf("%s", got)
	}
	seen := seenIn(record.CS, f)
	seen.Fixed = true
	if got := words(s.Judge(1, nil).Judge(seen)); got != "note one" {
		t.Errorf("of a frame that cannot be touched: %s", got)
	}
}

// Rules on what entries mean together see the connection from its beginning.
func TestFacts(t *testing.T) {
	s := setOf(t, "drop if slow > 2s")
	now := time.Duration(0)
	j := s.Judge(1, func() time.Duration { return now })
	ask := func(d record.Dir, xml string) string { return words(j.Judge(seenIn(d, frame(t, xml)))) }
	ask(record.CS, "<iq type='get' id='1' to='x'><query xmlns='jabber:iq:roster'/></iq>")
	ask(record.CS, "<iq type='get' id='2' to='x'><query xmlns='jabber:iq:roster'/></iq>")
	now = time.Second
	if got := ask(record.SC, "<iq type='result' id='1' from='x'/>"); got != "" {
		t.Errorf("after one second: %s", got)
	}
	now = 3 * time.Second
	if got := ask(record.SC, "<iq type='result' id='2' from='x'/>"); got != "drop" {
		t.Errorf("after three seconds: %q", got)
	}
}

// Sessions ask at the same time. The race detector looks on.
func TestManySessions(t *testing.T) {
	s := setOf(t, `set /iq/@id to y probability 0.5 if iq and xpath("//roster:query")`, `drop limit 5 if iq and len(id) > 1`)
	var wg sync.WaitGroup
	for conn := range 8 {
		wg.Go(func() {
			j := s.Judge(conn, nil)
			for range 50 {
				j.Judge(seenIn(record.CS, frame(t, get)))
			}
		})
	}
	for range 20 {
		s.Switch(s.List()[0].Name, false)
		s.Switch(s.List()[0].Name, true)
	}
	wg.Wait()
}

// What does not match costs no allocation beyond the addresses in the start tag.
func BenchmarkNoMatch(b *testing.B) {
	s := setOf(b, `drop if ns == "urn:xmpp:sm:3" and name == "a"`, `delay 2s if iq and type == "result" and roster`)
	j := s.Judge(1, nil)
	f := frame(b, `<message type='chat' id='m1' from='juliet@capulet.example/balcony' to='romeo@montague.example'><body>`+strings.Repeat("Wherefore ", 70)+`</body></message>`)
	b.ReportAllocs()
	b.SetBytes(int64(len(f.Raw)))
	for b.Loop() {
		if j.Judge(seenIn(record.CS, f)) != nil {
			b.Fatal("it matched")
		}
	}
}
