package diff

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// script makes a recording: lines of "C text", "S text", "secure", "close WHO"
// or "+DURATION", which lets time pass. A new connection begins with "open".
func script(t testing.TB, domain, lines string) *record.Reader {
	t.Helper()
	var out bytes.Buffer
	fmt.Fprintln(&out, `{"xmpplens":1,"time":"2026-01-02T03:04:05Z","tool":"test"}`)
	at, conn := time.Duration(0), 0
	put := func(format string, args ...any) {
		fmt.Fprintf(&out, `{"t":%.6f,"c":%d,`+format+"}\n", append([]any{at.Seconds(), conn}, args...)...)
		at += time.Millisecond
	}
	data := func(d, s string) {
		b, _ := json.Marshal(s)
		put(`"e":"data","d":"%s","s":%s`, d, b)
	}
	for l := range strings.Lines(lines) {
		l = strings.TrimSpace(strings.ReplaceAll(l, "DOMAIN", domain))
		switch what, rest, _ := strings.Cut(l, " "); {
		case l == "":
		case what == "open":
			conn++
			put(`"e":"open","kind":"c2s","client":"192.0.2.1:%d","server":"%s:5222"`, 4000+conn, domain)
		case what == "C":
			data("CS", rest)
		case what == "S":
			data("SC", rest)
		case what == "note":
			b, _ := json.Marshal(rest)
			put(`"e":"note","level":"error","text":%s`, b)
		case what == "secure":
			put(`"e":"secure","leg":"server","version":"TLS 1.3"`)
		case what == "close":
			put(`"e":"close","by":"%s"`, rest)
		case strings.HasPrefix(what, "+"):
			d, err := time.ParseDuration(what[1:])
			if err != nil {
				t.Fatal(err)
			}
			at += d
		default:
			t.Fatalf("what is %q?", l)
		}
	}
	r, err := record.Read(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// login is a session until it is online, with what comes.
func login(rest string) string {
	const header = "<stream:stream to='DOMAIN' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	const answer = "<stream:stream id='x' from='DOMAIN' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	return `open
		C ` + header + `
		S ` + answer + `<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>
		C <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldABjYXB1bGV0</auth>
		S <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
		C ` + header + `
		S ` + answer + `<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>
		C <iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>
		S <iq type='result' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>juliet@DOMAIN/balcony</jid></bind></iq>
		` + rest
}

func compared(t testing.TB, a, b *record.Reader, o Options) *Report {
	t.Helper()
	rep, err := Compare(context.Background(), a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	mirror, err := Compare(context.Background(), b, a, o)
	if err != nil {
		t.Fatal(err)
	}
	same := func(rep, mirror *Report) {
		t.Helper()
		x, _ := json.Marshal(rep.unordered())
		y, _ := json.Marshal(mirror.mirrored().unordered())
		if !bytes.Equal(x, y) {
			t.Errorf("the comparison is not antisymmetric:\n%s\n%s", x, y)
		}
	}
	same(rep, mirror)
	return rep
}

// mirrored exchanges the sides of a report.
func (r *Report) mirrored() *Report {
	r.flip()
	for i, p := range r.Addresses {
		r.Addresses[i] = Pair{p.Role, p.B, p.A}
	}
	return r
}

// unordered is what a report says without its order and its words.
func (r *Report) unordered() any {
	var l []string
	for _, d := range r.List {
		d.Changes = slices.Clone(d.Changes)
		slices.SortFunc(d.Changes, func(a, b Change) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		d.What = ""
		l = append(l, fmt.Sprint(d.Class, d.Sign, d.ConnA, d.ConnB, d.EntriesA, d.EntriesB, d.Changes, d.LeftOut, d.what, d.seconds))
	}
	slices.Sort(l)
	var pairs []string
	for _, p := range r.Addresses {
		pairs = append(pairs, p.A+" "+p.B)
	}
	slices.Sort(pairs)
	return []any{l, pairs, r.Same, r.Counts, r.A, r.B, r.LeftOut}
}

// brief is a difference in a few words.
func brief(d Difference) string {
	var l []string
	for _, c := range d.Changes {
		l = append(l, strings.TrimSpace(c.Sign+" "+c.Path))
	}
	return strings.Join(append([]string{string(d.Class) + " " + d.Sign}, l...), "; ")
}

func briefs(r *Report) []string {
	l := []string{}
	for _, d := range r.List {
		l = append(l, brief(d))
	}
	return l
}

// Every pair says the same to those who know the protocol.
func TestNoDifference(t *testing.T) {
	for _, c := range []struct{ name, a, b string }{
		{"ids", "C <iq type='get' id='1' to='DOMAIN'><ping xmlns='x'/></iq>\nS <iq type='result' id='1'/>", "C <iq type='get' id='zz' to='DOMAIN'><ping xmlns='x'/></iq>\nS <iq type='result' id='zz'/>"},
		{"order of attributes, quotes", "C <message to='romeo@DOMAIN' type='chat'><body>a</body></message>", `C <message type="chat" to="romeo@DOMAIN"><body>a</body></message>`},
		{"prefixes", "C <message to='romeo@DOMAIN'><x xmlns='urn:a'><y/></x></message>", "C <message to='romeo@DOMAIN'><p:x xmlns:p='urn:a'><p:y/></p:x></message>"},
		{"white space between elements", "C <message><a xmlns='u'><b/><c/></a></message>", "C <message> <a xmlns='u'> <b/> <c/> </a> </message>"},
		{"order of features", "S <iq type='result' id='9'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='server' type='im'/><feature var='a'/><feature var='b'/></query></iq>",
			"S <iq type='result' id='9'><query xmlns='http://jabber.org/protocol/disco#info'><feature var='b'/><feature var='a'/><identity type='im' category='server'/></query></iq>"},
		{"order of contacts", "S <iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='romeo@DOMAIN'/><item jid='nurse@DOMAIN'/></query></iq>\n+5s", "S <iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='nurse@DOMAIN'/><item jid='romeo@DOMAIN'/></query></iq>\n+5s"},
		{"order of presences", "S <presence from='romeo@DOMAIN/a'/>\nS <presence from='nurse@DOMAIN/b'/>", "S <presence from='nurse@DOMAIN/c'/>\nS <presence from='romeo@DOMAIN/d'/>"},
		{"asynchronous pushes", "C <iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>\nS <iq type='result' id='1'/>\nS <presence from='romeo@DOMAIN/a'/>", "C <iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>\nS <presence from='romeo@DOMAIN/a'/>\nS <iq type='result' id='1'/>"},
		{"time stamps, ids of the archive", "S <message from='romeo@DOMAIN/x'><body>a</body><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/><stanza-id xmlns='urn:xmpp:sid:0' by='juliet@DOMAIN' id='17'/></message>",
			"S <message from='romeo@DOMAIN/y'><body>a</body><delay xmlns='urn:xmpp:delay' stamp='2027-01-01T00:00:00.123Z'/><stanza-id xmlns='urn:xmpp:sid:0' by='juliet@DOMAIN' id='18'/></message>"},
		{"keepalives", "C  \nC <iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>\nS <iq type='result' id='p'/>\nS <r xmlns='urn:xmpp:sm:3'/>\nC <a xmlns='urn:xmpp:sm:3' h='1'/>", ""},
		{"numbers of stream management", "C <enable xmlns='urn:xmpp:sm:3' resume='true'/>\nS <enabled xmlns='urn:xmpp:sm:3' id='a' max='600' resume='true'/>", "C <enable xmlns='urn:xmpp:sm:3' resume='true'/>\nS <enabled xmlns='urn:xmpp:sm:3' id='b' max='300' resume='true'/>"},
		{"addresses that say the default", "C <iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>\nS <iq type='result' id='1' to='juliet@DOMAIN/balcony' from='juliet@DOMAIN'><query xmlns='jabber:iq:roster'/></iq>", "C <iq type='get' id='1' from='juliet@DOMAIN/balcony'><query xmlns='jabber:iq:roster'/></iq>\nS <iq type='result' id='1'><query xmlns='jabber:iq:roster'/></iq>"},
		{"the server answers for itself", "C <iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>\nS <iq type='result' id='1' from='DOMAIN'><query xmlns='jabber:iq:roster'/></iq>", "C <iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>\nS <iq type='result' id='1'><query xmlns='jabber:iq:roster'/></iq>"},
		{"languages that say the default", "S <message from='romeo@DOMAIN' xml:lang='en'><body>a</body></message>", "S <message from='romeo@DOMAIN'><body xml:lang='en'>a</body></message>"},
		{"ports and random names in a slot", "S <message><x xmlns='u' url='https://upload.DOMAIN:5281/f/Q2w3e4r5t6z7u8/a.png'/></message>", "S <message><x xmlns='u' url='https://upload.DOMAIN/f/a1b2c3d4e5f6g7/a.png'/></message>"},
		{"hash of entity capabilities", "S <presence from='romeo@DOMAIN/a'><c xmlns='http://jabber.org/protocol/caps' node='n' hash='sha-1' ver='aaa='/></presence>", "S <presence from='romeo@DOMAIN/b'><c xmlns='http://jabber.org/protocol/caps' node='n' hash='sha-1' ver='bbb='/></presence>"},
		{"what comes back with an error", "C <iq type='get' id='1' to='romeo@DOMAIN'><q xmlns='u'/></iq>\nS <iq type='error' id='1' from='romeo@DOMAIN'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
			"C <iq type='get' id='1' to='romeo@DOMAIN'><q xmlns='u'/></iq>\nS <iq type='error' id='1' from='romeo@DOMAIN'><q xmlns='u'/><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>he is away</text></error></iq>"},
		{"what crosses the end", "C </stream:stream>\nS <presence from='romeo@DOMAIN/x'/>\nS </stream:stream>\nclose client", "C </stream:stream>\nS </stream:stream>\nclose client"},
		{"asked just before the end", "S <iq type='get' id='v' from='romeo@DOMAIN/x'><query xmlns='jabber:iq:version'/></iq>\nC <iq type='result' id='v' to='romeo@DOMAIN/x'><query xmlns='jabber:iq:version'/></iq>\nC </stream:stream>", "S <iq type='get' id='v' from='romeo@DOMAIN/x'><query xmlns='jabber:iq:version'/></iq>\nC </stream:stream>"},
		{"asked just before the recording ends", "C <presence/>\nC <iq type='get' id='v' to='romeo@DOMAIN/x'><query xmlns='jabber:iq:version'/></iq>\nS <iq type='result' id='v' from='romeo@DOMAIN/x'><query xmlns='jabber:iq:version'/></iq>", "C <presence/>\nC <iq type='get' id='v' to='romeo@DOMAIN/x'><query xmlns='jabber:iq:version'/></iq>"},
		{"resources elsewhere", "S <iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='romeo@other.example/one'/></query></iq>\n+5s", "S <iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='romeo@other.example/two'/></query></iq>\n+5s"},
		{"contacts by name before order", "S <presence from='romeo@DOMAIN/a'><show>away</show></presence>\nS <presence from='nurse@DOMAIN/b'/>", "S <presence from='nurse@DOMAIN/c'/>\nS <presence from='romeo@DOMAIN/d'><show>away</show></presence>"},
		{"a question about a hash", "S <iq type='get' id='v'><query xmlns='http://jabber.org/protocol/disco#info' node='http://x.example#abcdefghijklmnopqrst='/></iq>\nC <iq type='result' id='v'/>", "S <iq type='get' id='w'><query xmlns='http://jabber.org/protocol/disco#info' node='http://x.example#0123456789abcdefghij='/></iq>\nC <iq type='result' id='w'/>"},
		{"secrets", "C <iq type='set' id='1'><query xmlns='jabber:iq:register'><username>juliet</username><password>one</password></query></iq>\n+5s", "C <iq type='set' id='1'><query xmlns='jabber:iq:register'><username>juliet</username><password>other</password></query></iq>\n+5s"},
		{"other names of the server", "C <presence to='garden@conference.DOMAIN/juliet'><x xmlns='http://jabber.org/protocol/muc'/></presence>", "C <presence to='garden@conference.DOMAIN/juliet'><x xmlns='http://jabber.org/protocol/muc'/></presence>"},
		{"contacts with other names", "C <message to='romeo@DOMAIN'><body>a</body></message>", "C <message to='paris@DOMAIN'><body>a</body></message>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := script(t, "capulet.example", login(c.a)), script(t, "verona.test", login(c.b))
			rep := compared(t, a, b, Options{Rows: true})
			if slices.ContainsFunc(rep.Rows, func(r Row) bool { return r.Sign != '=' }) {
				t.Errorf("rows %v", rep.Rows)
			}
			if !rep.Empty() {
				var out strings.Builder
				rep.Text(&out, TextOptions{})
				t.Errorf("%q\n%s", briefs(rep), &out)
			}
		})
	}
}

// And these do not.
func TestDifferences(t *testing.T) {
	const ask = "C <iq type='get' id='1' to='DOMAIN'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>\n"
	info := func(features string) string {
		return ask + "S <iq type='result' id='1' from='DOMAIN'><query xmlns='http://jabber.org/protocol/disco#info'>" + features + "</query></iq>"
	}
	const refused = ask + "S <iq type='error' id='1' from='DOMAIN'><error type='cancel'><feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
	msg := func(body string) string {
		return "\nS <message from='romeo@DOMAIN/x' type='chat'><body>" + body + "</body></message>"
	}
	for _, c := range []struct {
		name, a, b string
		want       []string
		o          Options
	}{
		{name: "a missing feature", a: info("<feature var='a'/><feature var='b'/>"), b: info("<feature var='a'/><feature var='c'/>"), want: []string{"feature ~; - answer/query/feature[b]; + answer/query/feature[c]"}},
		{name: "an error", a: info("<feature var='a'/>"), b: refused, want: []string{"error +; ~ outcome"}},
		{name: "no answer", a: info(""), b: ask + "+3s\nC <presence/>", want: []string{"error +; ~ outcome", "extra +"}},
		{name: "a missing message", a: msg("one") + msg("two") + msg("three"), b: msg("one") + msg("three"), want: []string{"missing -"}},
		{name: "another body", a: msg("one") + msg("two"), b: msg("one") + msg("zwei"), want: []string{"different ~; ~ message/body"}},
		{name: "the order of messages of one sender", a: msg("one") + msg("two") + msg("three"), b: msg("two") + msg("three") + msg("one"), want: []string{"order ~; ~ order"}},
		{name: "two that change places", a: msg("one") + msg("two"), b: msg("two") + msg("one"), want: []string{"order ~; ~ order"}},
		{name: "a message is missing where all get an id", a: msg("one") + msg("two") + msg("three"),
			b:    strings.ReplaceAll(msg("one")+msg("three"), "</body>", "</body><x xmlns='u'/>"),
			want: []string{"different ~; + message/x", "different ~; + message/x", "missing -"}},
		{name: "one contact of several", a: "S <iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='romeo@DOMAIN' subscription='both'/><item jid='nurse@DOMAIN' subscription='both'/></query></iq>\n+5s\nC <iq type='result' id='r'/>",
			b:    "S <iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='nurse@DOMAIN' subscription='both'/><item jid='romeo@DOMAIN' subscription='to'/></query></iq>\n+5s\nC <iq type='result' id='r'/>",
			want: []string{"different ~; ~ iq/query/item[romeo@capulet.example]@subscription"}},
		{name: "the software of a server", a: "S <iq type='get' id='v'><query xmlns='http://jabber.org/protocol/disco#info' node='http://a.example#abcdefghijklmnopqrst='/></iq>\nC <iq type='result' id='v'/>", b: "S <iq type='get' id='v'><query xmlns='http://jabber.org/protocol/disco#info' node='http://b.example#abcdefghijklmnopqrst='/></iq>\nC <iq type='result' id='v'/>", want: []string{"feature ~; ~ iq/query@node"}},
		{name: "an attribute", a: "S <presence from='romeo@DOMAIN/x'><show>away</show><x xmlns='u' a='1'/></presence>", b: "S <presence from='romeo@DOMAIN/x'><show>dnd</show><x xmlns='u' a='1' b='2'/></presence>", want: []string{"different ~; ~ presence/show; + presence/x@b"}},
		{name: "a nickname", a: "S <message type='groupchat' from='garden@conference.DOMAIN/romeo'><body>a</body></message>", b: "S <message type='groupchat' from='garden@conference.DOMAIN/paris'><body>a</body></message>", want: []string{"different ~; ~ message@from"}},
		{name: "a finding", a: "C <iq type='get' to='DOMAIN' id='1'><a xmlns='u'/></iq>\n+5s\n", b: "C <iq type='get' to='DOMAIN'><a xmlns='u'/></iq>\n+5s\n", want: []string{"finding +"}},
		{name: "what the proxy says", a: "", b: "note TLS with DOMAIN:5222 failed", want: []string{"finding +"}},
		{name: "what the proxy says of both", a: "note TLS with DOMAIN:5222 failed", b: "note TLS with DOMAIN:5269 failed", want: []string{}},
		{name: "who ends the stream", a: "C </stream:stream>\nS </stream:stream>\nclose client", b: "S </stream:stream>\nC </stream:stream>\nclose server", want: []string{"connection ~; ~ end"}},
		{name: "a second connection", a: "", b: "close client\n" + login("close client"), want: []string{"connection ~; ~ end", "connection +"}},
		{name: "time", a: info(""), b: strings.Replace(info(""), "\nS", "\n+900ms\nS", 1), o: Options{Slower: 3}, want: []string{"slower ~; ~ latency"}},
		{name: "time that nobody asked for", a: info(""), b: strings.Replace(info(""), "\nS", "\n+900ms\nS", 1), want: []string{}},
		{name: "time below the floor", a: info(""), b: strings.Replace(info(""), "\nS", "\n+100ms\nS", 1), o: Options{Slower: 3}, want: []string{}},
		{name: "namespaces", a: "C <message to='romeo@DOMAIN'><x xmlns='urn:a:1'/></message>", b: "C <message to='romeo@DOMAIN'><x xmlns='urn:a:2'/></message>", want: []string{"different ~; ~ message/x"}},
		{name: "broken XML", a: "C <presence/>", b: "C <presence></wrong>", want: []string{"finding +", "missing -", "extra +"}},
		{name: "a receipt", a: "C <message to='romeo@DOMAIN' id='m'><body>a</body><request xmlns='urn:xmpp:receipts'/></message>\nS <message from='romeo@DOMAIN/x' id='n'><received xmlns='urn:xmpp:receipts' id='m'/></message>", b: "C <message to='romeo@DOMAIN' id='m'><body>a</body><request xmlns='urn:xmpp:receipts'/></message>", want: []string{"different ~; - receipt"}},
		{name: "a mechanism", a: "", b: "close client\nopen\nC <stream:stream to='DOMAIN' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>", want: []string{"connection ~; ~ end", "connection +"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := script(t, "capulet.example", login(c.a)), script(t, "verona.test", login(c.b))
			rep := compared(t, a, b, c.o)
			got := briefs(rep)
			slices.Sort(got)
			slices.Sort(c.want)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if rep.Empty() != (len(c.want) == 0) || rep.Empty() != strings.HasPrefix(rep.Verdict, "no difference") {
				t.Errorf("verdict %q", rep.Verdict)
			}
		})
	}
}

// A difference is told in terms of A, whichever of the two that is.
func TestTermsOfA(t *testing.T) {
	one := login("C <message to='romeo@DOMAIN'><x xmlns='u'><item jid='romeo@DOMAIN' a='1'/><item jid='nurse@DOMAIN'/></x></message>")
	two := strings.Replace(one, "a='1'", "a='2'", 1)
	for _, flip := range []bool{false, true} {
		x, y, a, b := one, two, "1", "2"
		if flip {
			x, y, a, b = two, one, "2", "1"
		}
		rep := compared(t, script(t, "capulet.example", x), script(t, "verona.test", y), Options{})
		if len(rep.List) != 1 || len(rep.List[0].Changes) != 1 {
			t.Fatal(briefs(rep))
		}
		d := rep.List[0]
		if !strings.Contains(d.What, "capulet.example") || d.Changes[0].Path != "message/x/item[romeo@capulet.example]@a" || d.Changes[0].A != a || d.Changes[0].B != b {
			t.Errorf("flipped %v: %+v", flip, d)
		}
	}
}

func TestLoginThatFails(t *testing.T) {
	works := login("")
	at := strings.Index(works, "S <success")
	fails := works[:at] + "S <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>\nS </stream:stream>\nclose server"
	rep := compared(t, script(t, "capulet.example", works), script(t, "verona.test", fails), Options{})
	if !strings.HasPrefix(rep.Verdict, "the login works in A and not in B (not-authorized)") {
		t.Error(rep.Verdict)
	}
	var out strings.Builder
	rep.Text(&out, TextOptions{})
	for _, l := range strings.Split(out.String(), "\n") {
		if n := len([]rune(l)); n > 80 {
			t.Errorf("%d columns: %s", n, l)
		}
	}
	if first := strings.Index(out.String(), "− result"); first < 0 {
		if first = strings.Index(out.String(), "result: success → not-authorized"); first < 0 || strings.Count(out.String()[:first], "\n") > 12 {
			t.Errorf("the login is not on the first screen:\n%s", &out)
		}
	}
}

// What is in testdata is the same as itself, and comparisons of any two are
// mirror images.
func TestRecordings(t *testing.T) {
	files, err := filepath.Glob("../../testdata/recordings/*.jsonl")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	open := func(name string) *record.Reader {
		r, err := record.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	for i, x := range files {
		a, b := open(x), open(x)
		if rep := compared(t, a, b, Options{Slower: 3, Rows: true}); !rep.Empty() || rep.Same == 0 || len(rep.Rows) < rep.Same {
			t.Errorf("%s: %v", x, briefs(rep))
		}
		for _, y := range files[i+1:] {
			compared(t, a, open(y), Options{Slower: 3, Rows: true})
		}
	}
}

func TestIgnore(t *testing.T) {
	a := login("S <presence from='romeo@DOMAIN/x'><x xmlns='urn:a' v='1'/></presence>")
	b := login("S <presence from='romeo@DOMAIN/x'><x xmlns='urn:a' v='2'/></presence>")
	for _, c := range []struct {
		words string
		empty bool
	}{{"", false}, {"differents", true}, {"online", true}, {"@v", true}, {"urn:a", true}, {"@w,tls,urn:b,findings", false}} {
		g, err := ParseIgnore(strings.Split(c.words, ","))
		if err != nil {
			t.Fatal(err)
		}
		if rep := compared(t, script(t, "x.example", a), script(t, "x.example", b), Options{Ignore: g}); rep.Empty() != c.empty {
			t.Errorf("%q: %v", c.words, briefs(rep))
		}
	}
	if _, err := ParseIgnore([]string{"fetures"}); err == nil || !strings.Contains(err.(*IgnoreError).Hint(), "feature") {
		t.Error(err)
	}
}

func TestRandom(t *testing.T) {
	for in, want := range map[string]string{
		"at 2026-01-02T03:04:05.678Z or 20020910T23:08:25": "at {time} or {time}",
		"x 3f2504e0-4f89-11d3-9a0c-0305e82c3301 y":         "x {id} y",
		"9f86d081884c7d65":                          "{hex}",
		"SCRAM-SHA-256-PLUS":                        "SCRAM-SHA-256-PLUS",
		"eu.siacs.conversations.axolotl.devicelist": "eu.siacs.conversations.axolotl.devicelist",
		"a word that is longer than 16 characters":  "a word that is longer than 16 characters",
		"": "",
	} {
		if got := random(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestNames(t *testing.T) {
	var n names
	n.init()
	n.token = map[string]string{"localhost": "‹S›", "alice@localhost": "‹A›", "garden@conference.localhost": "‹G›"}
	n.role["garden@conference.localhost"] = roleRoom
	n.domains = []string{"localhost"}
	for in, want := range map[string]string{
		"alice@localhost":                "‹A›",
		"Alice@LOCALHOST/phone":          "‹A›/…",
		"bob@localhost":                  "bob@‹S›",
		"conference.localhost":           "conference.‹S›",
		"notlocalhost":                   "notlocalhost",
		"garden@conference.localhost/me": "‹G›/me",
	} {
		if got := n.address(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"see xmpp:alice@localhost/x, at LocalHost:5222.": "see xmpp:‹A›/…, at ‹S›:….",
		"localhost.example and mylocalhost":              "localhost.example and mylocalhost",
		"https://upload.localhost/a":                     "https://upload.‹S›/a",
	} {
		if got := n.within(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// The longest run that keeps its order stays, however long the sequence is.
func TestOutside(t *testing.T) {
	if got := outside([]int32{2, 3, 1, 4}); !reflect.DeepEqual(got, []int{2}) {
		t.Error(got)
	}
	var long []int32
	for i := range 100_000 {
		long = append(long, int32(i^1))
	}
	if got := outside(long); len(got) != 50_000 {
		t.Error(len(got))
	}
}

func TestManyDifferences(t *testing.T) {
	var a, b strings.Builder
	for i := range 3 * MaxDetailed {
		fmt.Fprintf(&a, "S <message from='romeo@DOMAIN/x'><body>%d</body></message>\n", i)
	}
	rep := compared(t, script(t, "x.example", login(a.String())), script(t, "x.example", login(b.String())), Options{})
	if len(rep.List) != MaxDetailed || rep.LeftOut != 2*MaxDetailed || rep.Counts[Missing] != 3*MaxDetailed {
		t.Errorf("%d listed, %d left out, %v", len(rep.List), rep.LeftOut, rep.Counts)
	}
	var out bytes.Buffer
	if err := rep.Text(&out, TextOptions{}); err != nil || !strings.Contains(out.String(), "4000 differences more are not listed") {
		t.Error(err)
	}
}

// Whatever is said, it is the same as itself, and comparisons are mirror images.
func FuzzCompare(f *testing.F) {
	for _, s := range [][2]string{
		{"<presence from='romeo@x.example/a'/>", "<presence from='nurse@x.example/b'><show>away</show></presence>"},
		{"<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info' node='a'/></iq>", "<iq type='error' id='b'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"},
		{"<message type='groupchat' from='garden@c.x.example/a'><body>2026-01-01T00:00:00Z</body></message></stream:stream>", "<message><body>a</body><a/><a/></message><message><body>b</body></message></a>"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		line := func(s string) string { return login("S " + strings.NewReplacer("\n", " ", "\r", " ").Replace(s)) }
		x, y := script(t, "x.example", line(a)), script(t, "x.example", line(b))
		compared(t, x, y, Options{Slower: 2, Rows: true})
		if rep := compared(t, x, script(t, "x.example", line(a)), Options{Rows: true}); !rep.Empty() {
			t.Errorf("not the same as itself: %v", briefs(rep))
		}
	})
}
