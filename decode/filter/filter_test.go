package filter

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
)

const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"

func subject(xml string) *Subject {
	var d decode.Decoder
	d.Write([]byte(header + xml))
	d.Next()
	f, _ := d.Next()
	s := stanza.Parse(f)
	return &Subject{N: 7, Conn: 1, Dir: "CS", Frame: f, Stanza: &s, Facts: &track.Facts{Phase: "online"}, Outcome: "passed"}
}

func TestMatch(t *testing.T) {
	chat := subject(`<message type='chat' id='m1' from='juliet@capulet.example/balcony' to='romeo@montague.example'><body>Wherefore art thou &lt;Romeo&gt;?</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>`)
	roster := subject(`<iq type='result' id='r1'><query xmlns='jabber:iq:roster'><item jid='a@b'/><item jid='c@d'/></query></iq>`)
	roster.Facts = &track.Facts{Latency: 250 * time.Millisecond, HasLatency: true, Findings: []track.Finding{{Severity: track.Warning, Code: "iq-wrong-jid"}}}
	roster.Dir, roster.T = "SC", 90*time.Second
	muc := subject(`<presence to='room@rooms.e/x'><x xmlns='http://jabber.org/protocol/muc'/></presence>`)
	bad := subject(`<iq type='error' id='e'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
	ack := subject(`<a xmlns='urn:xmpp:sm:3' h='5'/>`)
	muc.Facts.Federated = true
	all := map[*Subject]string{chat: "chat", roster: "roster", muc: "muc", bad: "bad", ack: "ack"}
	for _, c := range []struct{ source, want string }{
		{"", "ack bad chat muc roster"},
		{"wherefore", "chat"},
		{"WHEREFORE ART", "chat"},
		{"romeo@montague.example", "chat"},
		{"<Romeo>", "error"},
		{`text("<Romeo>")`, "chat"},
		{"iq", "bad roster"},
		{"stanzas", "bad chat muc roster"},
		{"nonzas", "ack"},
		{"muc", "muc"},
		{"sm", "ack"},
		{"s2s", "muc"},
		{"dialback", ""},
		{"errors", "bad"},
		{"roster and iq", "roster"},
		{"iq and not errors", "roster"},
		{"!iq && stanzas", "chat muc"},
		{"slow>200ms", "roster"},
		{"slow > 1s", ""},
		{"latency >= 0.25", "roster"},
		{"t > 10s and t < 2m", "roster"},
		{"t >= 1.5m and t <= 90s", "roster"},
		{"iq and t<100ms", "bad"},
		{`type == "chat"`, "chat"},
		{`from.bare == "juliet@capulet.example"`, "chat"},
		{`to.domain == "rooms.e"`, "muc"},
		{`from.resource startsWith "bal"`, "chat"},
		{`to.local in ["romeo", "room"]`, "chat muc"},
		{`name matches "^m.*e$"`, "chat"},
		{`payload("jabber:iq:roster")`, "roster"},
		{`payload("query")`, "roster"},
		{`xep(45)`, "muc"},
		{`xep(198)`, "ack"},
		{`body contains "thou <R"`, "chat"},
		{`error == "forbidden"`, "bad"},
		{`dir == "SC"`, "roster"},
		{`conn == 1 and size > 150`, "chat"},
		{`kind == "nonza" or kind == "presence"`, "ack muc"},
		{`finding("iq-wrong-jid")`, "roster"},
		{`finding("warning")`, "roster"},
		{`findings`, "roster"},
		{`jid("romeo@montague.example")`, "chat"},
		{`jid("juliet@capulet.example")`, "chat"},
		{`match("h='[0-9]+'")`, "ack"},
		{`xpath("/message/body")`, "chat"},
		{`xpath("//roster:item[@jid='c@d']")`, "roster"},
		{`xpath("count(//roster:item) > 1")`, "roster"},
		{`xpath("/sm:a/@h")`, "ack"},
		{`phase == "online" and iq`, "bad"},
		{`outcome == "passed" and message`, "chat"},
		// What the closures do not know runs in expr's machine.
		{`len(body) > 10`, "chat"},
		{`lower(from.resource) == "balcony" and text("Wherefore")`, "chat"},
		{`(type == "chat" ? 1 : 2) == 1`, "chat"},
		{`xep(40+5)`, "muc"},
		{`from.bare`, "error"},
		{`message and unheard`, ""},
		{`message and wherefore`, "chat"},
	} {
		f, err := Compile(c.source)
		if err != nil {
			if c.want != "error" {
				t.Errorf("%s: %v", c.source, err)
			}
			continue
		}
		var got []string
		for _, name := range []string{"ack", "bad", "chat", "muc", "roster"} {
			for s, n := range all {
				if n == name && f.Match(s) {
					got = append(got, name)
				}
			}
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s: matches %q, want %q", c.source, g, c.want)
		}
	}
}

func TestRequired(t *testing.T) {
	for source, want := range map[string]string{
		"/message/body": "message body", "//roster:item[@jid='c@d']": "item jid", "//a[text()='x' and @b]": "a b", "//a | //b": "", "//a[not(b)]": "", "//a[@b or @c]": "", "ancestor::x/y": "x y", "count(//a) > 1": "",
	} {
		var got []string
		for _, n := range required(source) {
			got = append(got, string(n))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		source, msg, hint string
		column            int
	}{
		{`form == "a"`, "unknown name form", "did you mean from?", 0},
		{`iq and tipe == "get"`, "unknown name tipe", "did you mean type?", 7},
		{`iq and (`, "unexpected token", "", 7},
		{`type == 5`, "mismatched types", "", 5},
		{`match("[")`, "missing closing ]", "", 6},
		{`xpath("//[")`, "xpath", "", 6},
		{`xep("x")`, "cannot use string", "", 4},
		{`jid("a b@c")`, "not allowed", "", 4},
		{`frob("x")`, "unknown name frob", "", 0},
	} {
		_, err := Compile(c.source)
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", c.source, err)
			continue
		}
		if !strings.Contains(e.Msg, c.msg) || !strings.Contains(e.Hint(), c.hint) || e.Column != c.column {
			t.Errorf("%s: %q at %d, hint %q", c.source, e.Msg, e.Column, e.Hint())
		}
	}
}

func TestNames(t *testing.T) {
	for _, n := range Names() {
		name, _, _ := strings.Cut(n.Name, "(")
		if _, ok := kindOf(name); !ok || n.Help == "" {
			t.Errorf("%q is in the help, but not in the language", n.Name)
		}
	}
	if len(Names()) != len(strs)+len(nums)+len(words)+len(calls) {
		t.Errorf("%d names have help, there are %d", len(Names()), len(strs)+len(nums)+len(words)+len(calls))
	}
}

func TestNoAllocation(t *testing.T) {
	s := subject(`<iq type='get' id='1' from='juliet@capulet.example/balcony' to='romeo@montague.example'><query xmlns='jabber:iq:roster'/></iq>`)
	for _, source := range []string{`iq and type == "get"`, `from.bare == "juliet@capulet.example"`, `size > 100 and roster`, `payload("jabber:iq:roster")`, `slow > 200ms`, `to.domain in ["a", "b"]`} {
		f, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { f.Match(s) }); n != 0 {
			t.Errorf("%s: %v allocations", source, n)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{`iq and type == "get"`, "slow > 200ms", `xpath("/a")`, "(((", `"`, "from.bare", "a b c", `not x or y in ["a"]`, "1m2s3ms"} {
		f.Add(s)
	}
	s := subject(`<message><body>x</body></message>`)
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) > 1000 {
			return
		}
		if f, err := Compile(source); err == nil {
			f.Match(s)
		} else if err.Error() == "" {
			t.Error("an error without words")
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	s := subject(`<message type='chat' id='m1' from='juliet@capulet.example/balcony' to='romeo@montague.example'><body>Wherefore art thou Romeo?</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>`)
	for _, source := range []string{`iq and type == "get"`, `from.bare == "juliet@capulet.example"`, `text("mercutio")`, `body contains "Mercutio"`, `len(body) > 10`, `xpath("/message/body")`} {
		b.Run(strings.ReplaceAll(source, " ", "_"), func(b *testing.B) {
			f, err := Compile(source)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				f.Match(s)
			}
		})
	}
}

// Filters know whether they look at facts: with a subject without Facts, those
// that do not cannot fail.
func TestNeedsFacts(t *testing.T) {
	for source, want := range map[string]bool{"": false, "iq": false, "wherefore": false, `iq and from.bare == "a@b"`: false, "message and not text(\"slow\")": false,
		"slow > 200ms": true, "errors": true, "not findings": true, `finding("iq-missing-id")`: true, `phase == "online"`: true, "iq and (latency > 1 or muc)": true, "s2s": true} {
		f, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		if f.NeedsFacts() != want {
			t.Errorf("%q: %v", source, !want)
		}
	}
	// No name is forgotten.
	for _, n := range Names() {
		name, _, isCall := strings.Cut(n.Name, "(")
		if factual[name] {
			continue
		}
		s := &Subject{Stanza: new(stanza.Stanza)}
		switch {
		case isCall:
			arg := "1"
			if m, err := calls[name].build(arg); err == nil {
				m(s)
			}
		case words[name] != nil:
			words[name](s)
		case strs[name] != nil:
			strs[name](s)
		default:
			nums[name](s)
		}
	}
}
