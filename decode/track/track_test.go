package track

import (
	"encoding/base64"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

const (
	open    = "<stream:stream to='capulet.example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	answer  = "<stream:stream from='capulet.example' id='1' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	sasl    = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
	tls     = "xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
	sm      = "xmlns='urn:xmpp:sm:3'"
	jid     = "juliet@capulet.example/balcony"
	roster  = "<query xmlns='jabber:iq:roster'/>"
	ping    = "<ping xmlns='urn:xmpp:ping'/>"
	stanzas = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
)

// script plays lines on a tracker. A line begins with CS or SC and has XML
// behind it, with " => " in front of what was sent instead, or is one of "open", "secure client", "close"; a number in front
// is the connection. Each line takes a second.
type script struct {
	t     Tracker
	decs  map[string]*decode.Decoder
	n     int
	at    time.Duration
	facts map[int]Facts
	texts map[int]string
}

func newScript() *script {
	return &script{decs: make(map[string]*decode.Decoder), facts: make(map[int]Facts), texts: make(map[int]string)}
}

func (s *script) play(lines ...string) *script {
	for _, l := range lines {
		s.at += time.Second
		id := 1
		if l[0] >= '1' && l[0] <= '9' {
			id, l = int(l[0]-'0'), l[2:]
		}
		word, rest, _ := strings.Cut(l, " ")
		switch word {
		case "open":
			s.add(l, s.t.Open(id, s.at))
		case "secure":
			for k := range s.decs {
				if strings.HasPrefix(k, fmt.Sprint(id)) && (strings.HasSuffix(k, "CS") == (rest == "client")) {
					delete(s.decs, k)
				}
			}
			s.add(l, s.t.Secured(id, rest, "", s.at))
		case "answered":
			rid, err := strconv.ParseInt(rest, 10, 64)
			if err != nil {
				panic(err)
			}
			s.t.Answered(id, rid)
		case "close":
			s.add(l, s.t.Close(id, s.at, "client", ""))
		case "wait":
			d, err := time.ParseDuration(rest)
			if err != nil {
				panic(err)
			}
			s.at += d
		case "CS", "SC":
			dir := CS
			if word == "SC" {
				dir = SC
			}
			key := fmt.Sprint(id, word)
			dec := s.decs[key]
			if dec == nil {
				dec = &decode.Decoder{MaxFrame: 1 << 20, BOSH: true}
				s.decs[key] = dec
			}
			rest, sent, edited := strings.Cut(rest, " => ")
			dec.Write([]byte(rest))
			for f, ok := dec.Next(); ok; f, ok = dec.Next() {
				st := stanza.Parse(f)
				s.add(string(f.Raw), s.t.Frame(Frame{Conn: id, Dir: dir, N: s.n + 1, At: s.at, Frame: f, Stanza: &st, Edited: edited, Sent: []byte(sent)}))
			}
		default:
			panic(l)
		}
	}
	return s
}

func (s *script) add(text string, f Facts) {
	s.n++
	s.facts[s.n], s.texts[s.n] = f, text
}

// codes lists the findings from an entry on, without those of the login.
func (s *script) codes(from int) []string {
	var out []string
	for n := from; n <= s.n; n++ {
		for _, f := range s.facts[n].Findings {
			out = append(out, f.Code)
		}
	}
	return out
}

func (s *script) last() Facts { return s.facts[s.n] }

func (s *script) finding(code string) (Finding, int) {
	for n := 1; n <= s.n; n++ {
		for _, f := range s.facts[n].Findings {
			if f.Code == code {
				return f, n
			}
		}
	}
	return Finding{}, 0
}

// login is a session up to the bound resource.
func login() *script {
	return newScript().play("open", "CS "+open, "SC "+answer+"<stream:features><starttls "+tls+"/></stream:features>", "CS <starttls "+tls+"/>", "SC <proceed "+tls+"/>",
		"secure server", "secure client", "CS "+open, "SC "+answer+"<stream:features><mechanisms "+sasl+"><mechanism>PLAIN</mechanism></mechanisms></stream:features>",
		"CS <auth "+sasl+" mechanism='PLAIN'>"+b64("\x00juliet\x00secret")+"</auth>", "SC <success "+sasl+"/>", "CS "+open, "SC "+answer+"<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>",
		"CS <iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "SC <iq type='result' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>"+jid+"</jid></bind></iq>")
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestPhases(t *testing.T) {
	s := login().play("CS <presence/>", "CS </stream:stream>", "SC </stream:stream>", "close")
	if c := s.codes(1); c != nil {
		t.Errorf("findings %v in a healthy session", c)
	}
	c := s.t.Conn(1)
	var phases []string
	for i, p := range c.Phases {
		phases = append(phases, p.Phase)
		if i > 0 && c.Phases[i-1].End != p.Start || p.Start < 0 {
			t.Errorf("phase %v does not follow %v", p, c.Phases[i-1])
		}
	}
	if got := strings.Join(phases, " "); got != "tcp stream tls stream sasl bind online closing closed" {
		t.Errorf("phases %s", got)
	}
	if c.Bound.String() != jid || c.Login.User != "juliet" || c.Login.Result != "success" || c.Login.Mechanism != "PLAIN" {
		t.Errorf("%+v", c)
	}
}

// Each finding has a hit and a near miss.
func TestFindings(t *testing.T) {
	other := "<iq type='result' id='1'><query xmlns='jabber:iq:version'/></iq>"
	carbon := func(from string) string {
		return "SC <message from='" + from + "'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' id='x'/></forwarded></received></message>"
	}
	enable := []string{"CS <enable " + sm + "/>", "SC <enabled " + sm + "/>"}
	for _, c := range []struct {
		code      string
		hit, miss []string
	}{
		{"xml-forbidden", []string{"CS <message><body>&nbsp;</body></message>"}, []string{"CS <message><body>&amp;</body></message>"}},
		{"xml-not-well-formed", []string{"CS <message><body></message>"}, []string{"CS <message><body/></message>"}},
		{"xml-encoding", []string{"CS <message><body>\xff</body></message>"}, []string{"CS <message><body>\u00ff</body></message>"}},
		{"attribute-twice", []string{"CS <message id='1' id='2'/>"}, []string{"CS <message id='1' to='a@b'/>"}},
		{"prefix-undeclared", []string{"CS <message><x:y/></message>"}, []string{"CS <message><x:y xmlns:x='z'/></message>"}},
		{"stream-version", []string{"CS <stream:stream to='a' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"}, []string{"CS " + open}},
		{"stream-namespace", []string{"CS <stream:stream to='a' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"}, []string{"CS " + open}},
		{"stream-missing-to", []string{"CS <stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"}, []string{"CS " + open}},
		{"stream-missing-from", []string{"SC <stream:stream id='1' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"}, []string{"SC " + answer}},
		{"stream-missing-id", []string{"SC <stream:stream from='a' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"}, []string{"SC " + answer}},
		{"iq-missing-id", []string{"CS <iq type='get'>" + ping + "</iq>"}, []string{"CS <iq type='get' id='1'>" + ping + "</iq>"}},
		{"iq-payloads", []string{"CS <iq type='get' id='1'/>"}, []string{"CS <iq type='get' id='1'>" + ping + "</iq>"}},
		{"iq-payloads", []string{"CS <iq type='set' id='1'>" + ping + ping + "</iq>"}, []string{"SC <iq type='get' id='1'>" + ping + "</iq>", "CS <iq type='result' id='1'/>"}},
		{"iq-type", []string{"CS <iq type='put' id='1'>" + ping + "</iq>"}, []string{"CS <iq type='set' id='1'>" + ping + "</iq>"}},
		{"iq-other-payload", []string{"CS <iq type='get' id='1'>" + roster + "</iq>", "SC " + other}, []string{"CS <iq type='get' id='1'><query xmlns='jabber:iq:version'/></iq>", "SC " + other}},
		{"iq-unanswered", []string{"CS <iq type='get' id='1'>" + ping + "</iq>", "CS </stream:stream>", "SC </stream:stream>", "close"}, []string{"CS <iq type='get' id='1'>" + ping + "</iq>", "SC <iq type='result' id='1'/>", "CS </stream:stream>", "SC </stream:stream>", "close"}},
		{"iq-unanswered", []string{"CS <iq type='get' id='1'>" + ping + "</iq>", "wait 61s", "CS <presence/>"}, []string{"CS <iq type='get' id='1'>" + ping + "</iq>", "wait 50s", "CS <presence/>"}},
		{"iq-answered-twice", []string{"CS <iq type='get' id='1'>" + ping + "</iq>", "SC <iq type='result' id='1'/>", "SC <iq type='result' id='1'/>"}, []string{"CS <iq type='get' id='1'>" + ping + "</iq>", "SC <iq type='result' id='1'/>"}},
		{"iq-unasked", []string{"SC <iq type='result' id='9'/>"}, []string{"CS <iq type='get' id='9'>" + ping + "</iq>", "SC <iq type='result' id='9'/>"}},
		{"iq-wrong-jid", []string{"CS <iq type='get' id='1' to='romeo@montague.example/x'>" + ping + "</iq>", "SC <iq type='result' id='1' from='tybalt@capulet.example/x'/>"},
			[]string{"CS <iq type='get' id='1'>" + ping + "</iq>", "SC <iq type='result' id='1' from='juliet@capulet.example'/>"}},
		{"iq-id-reused", []string{"CS <iq type='get' id='1'>" + ping + "</iq>", "CS <iq type='get' id='1'>" + ping + "</iq>"}, []string{"CS <iq type='get' id='1'>" + ping + "</iq>", "SC <iq type='result' id='1'/>", "CS <iq type='get' id='1'>" + ping + "</iq>"}},
		{"jid-invalid", []string{"CS <message to='a b@c'/>"}, []string{"CS <message to='a@b/c d'/>"}},
		{"from-not-bound", []string{"CS <message from='romeo@montague.example' to='a@b'/>"}, []string{"CS <message from='Juliet@capulet.example/balcony' to='a@b'/>"}},
		{"presence-missing-to", []string{"CS <presence type='subscribe'/>"}, []string{"CS <presence type='unavailable'/>"}},
		{"presence-type", []string{"CS <presence type='away'/>"}, []string{"CS <presence type='probe' to='a@b'/>"}},
		{"message-type", []string{"CS <message type='sms' to='a@b'/>"}, []string{"CS <message type='headline' to='a@b'/>"}},
		{"message-missing-to", []string{"CS <message type='groupchat'/>"}, []string{"CS <message type='groupchat' to='r@c'/>"}},
		{"error-for-error", []string{"SC <message type='error' id='1'><error><gone " + stanzas + "/></error></message>", "CS <message type='error' id='1'/>"}, []string{"SC <message id='1'/>", "CS <message type='error' id='1'/>"}},
		{"error-condition", []string{"CS <iq type='get' id='1'>" + ping + "</iq>", "SC <iq type='error' id='1'><error/></iq>"}, []string{"CS <iq type='get' id='1'>" + ping + "</iq>", "SC <iq type='error' id='1'><error><gone " + stanzas + "/></error></iq>"}},
		{"stream-error", []string{"SC <stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"}, []string{"SC <message/>"}},
		{"stream-limit", []string{"SC <stream:features><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>20000</max-bytes></limits></stream:features>", "CS <message><body>" + strings.Repeat("x", 20_000) + "</body></message>"},
			[]string{"SC <stream:features><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>20000</max-bytes></limits></stream:features>", "SC <message><body>" + strings.Repeat("x", 20_000) + "</body></message>"}},
		{"stanza-oversized", []string{"CS <message><body>" + strings.Repeat("x", 270_000) + "</body></message>"}, []string{"CS <message><body>" + strings.Repeat("x", 200_000) + "</body></message>"}},
		{"xep-outdated", []string{"CS <iq type='get' id='1'><query xmlns='jabber:iq:privacy'/></iq>"}, []string{"CS <iq type='get' id='1'><query xmlns='jabber:iq:version'/></iq>"}},
		{"carbon-stranger", []string{carbon("mallory@evil.example")}, []string{carbon("juliet@capulet.example")}},
		{"mam-unasked", []string{"SC <message><result xmlns='urn:xmpp:mam:2' queryid='q'/></message>"}, []string{"CS <iq type='set' id='1'><query xmlns='urn:xmpp:mam:2' queryid='q'/></iq>", "SC <message><result xmlns='urn:xmpp:mam:2' queryid='q'/></message>"}},
		{"stream-not-closed", []string{"CS </stream:stream>", "close"}, []string{"CS </stream:stream>", "SC </stream:stream>", "close"}},
		{"stream-ended", []string{"CS </stream:stream>", "CS <a " + sm + " h='0'/>", "SC </stream:stream>", "close"}, []string{"CS <a " + sm + " h='0'/>", "CS </stream:stream>", "SC </stream:stream>", "close"}},
		{"sm-h-ahead", slices.Concat(enable, []string{"CS <message/>", "SC <a " + sm + " h='2'/>"}), slices.Concat(enable, []string{"CS <message/>", "SC <a " + sm + " h='1'/>"})},
		{"sm-h-back", slices.Concat(enable, []string{"CS <message/>", "CS <message/>", "SC <a " + sm + " h='2'/>", "SC <a " + sm + " h='1'/>"}), slices.Concat(enable, []string{"CS <message/>", "SC <a " + sm + " h='1'/>", "SC <a " + sm + " h='1'/>"})},
		{"sm-missing-h", slices.Concat(enable, []string{"SC <a " + sm + "/>"}), slices.Concat(enable, []string{"SC <a " + sm + " h='0'/>"})},
		{"sm-unanswered", slices.Concat(enable, []string{"CS <r " + sm + "/>", "close"}), slices.Concat(enable, []string{"CS <r " + sm + "/>", "SC <a " + sm + " h='0'/>", "close"})},
		{"sm-unacknowledged", slices.Concat(enable, []string{"CS <message/>", "close"}), slices.Concat(enable, []string{"CS <message/>", "SC <a " + sm + " h='1'/>", "close"})},
	} {
		hit := login()
		from := hit.n + 1
		hit.play(c.hit...)
		got := hit.codes(from)
		n := 0
		for _, g := range got {
			if g == c.code {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: %d times in %v of %.200q", c.code, n, got, c.hit)
		}
		if f, _ := hit.finding(c.code); f.Text == "" || f.Ref == "" || f.Severity == "" {
			t.Errorf("%+v", f)
		}
		miss := login()
		from = miss.n + 1
		if got := miss.play(c.miss...).codes(from); slices.Contains(got, c.code) {
			t.Errorf("%s: also in the near miss %.200q", c.code, c.miss)
		}
	}
}

func TestFindingsOfLogin(t *testing.T) {
	clear := []string{"open", "CS " + open, "SC " + answer + "<stream:features><starttls " + tls + "/><mechanisms " + sasl + "><mechanism>PLAIN</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms></stream:features>"}
	auth := "CS <auth " + sasl + " mechanism='PLAIN'>" + b64("\x00u\x00p") + "</auth>"
	bindable := slices.Concat(clear, []string{auth, "SC <success " + sasl + "/>", "CS " + open, "SC " + answer})
	for _, c := range []struct {
		code      string
		hit, miss []string
	}{
		{"sasl-clear", slices.Concat(clear, []string{auth}), slices.Concat(clear, []string{"CS <starttls " + tls + "/>", "SC <proceed " + tls + "/>", "secure server", "secure client", "CS " + open, auth})},
		{"stanza-before-auth", slices.Concat(clear, []string{"CS <message/>"}), slices.Concat(clear, []string{"CS <iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>"})},
		{"stanza-before-bind", slices.Concat(bindable, []string{"CS <message/>"}), slices.Concat(bindable, []string{"CS <iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"})},
		{"presence-before-bind", slices.Concat(bindable, []string{"CS <presence type='unavailable'/>"}), slices.Concat(bindable, []string{"CS <presence/>"})},
		{"data-after-proceed", slices.Concat(clear, []string{"CS <starttls " + tls + "/>", "SC <proceed " + tls + "/><message/>"}), slices.Concat(clear, []string{"CS <starttls " + tls + "/>", "SC <proceed " + tls + "/>", "secure client", "SC " + answer})},
		{"data-after-proceed", slices.Concat(clear, []string{"CS <starttls " + tls + "/><message/>"}), slices.Concat(clear, []string{"CS <starttls " + tls + "/>", "SC <failure " + tls + "/>", "CS " + auth[3:]})},
		{"blank-in-tls", slices.Concat(clear, []string{"CS <starttls " + tls + "/>", "SC  "}), slices.Concat(clear, []string{"SC  "})},
		{"blank-in-sasl", slices.Concat(clear, []string{auth, "CS  "}), slices.Concat(clear, []string{auth, "SC <success " + sasl + "/>", "CS  "})},
		{"sm-resume-refused", slices.Concat(bindable, []string{"CS <resume " + sm + " previd='x' h='0'/>", "SC <failed " + sm + "><item-not-found " + stanzas + "/></failed>"}), bindable},
	} {
		if got := newScript().play(c.hit...).codes(1); !slices.Contains(got, c.code) {
			t.Errorf("%s: not in %v of %q", c.code, got, c.hit[2:])
		}
		if got := newScript().play(c.miss...).codes(1); slices.Contains(got, c.code) {
			t.Errorf("%s: also in the near miss %q", c.code, c.miss[2:])
		}
	}
}

func TestAuthDoctor(t *testing.T) {
	offer := func(m ...string) string {
		return "SC <stream:features><mechanisms " + sasl + "><mechanism>" + strings.Join(m, "</mechanism><mechanism>") + "</mechanism></mechanisms></stream:features>"
	}
	scram := func(mech, gs2 string) []string {
		return []string{"CS <auth " + sasl + " mechanism='" + mech + "'>" + b64(gs2+"n=juliet,r=abc") + "</auth>", "SC <challenge " + sasl + ">" + b64("r=abcd,s=c2FsdA==,i=4096") + "</challenge>",
			"CS <response " + sasl + ">" + b64("c=biws,r=abcd,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=") + "</response>"}
	}
	fail := func(condition string) string {
		return "SC <failure " + sasl + "><" + condition + "/></failure>"
	}
	for _, c := range []struct {
		name  string
		lines []string
		want  string
		ref   string
	}{
		{"password", slices.Concat([]string{offer("SCRAM-SHA-1")}, scram("SCRAM-SHA-1", "n,,"), []string{fail("not-authorized")}), "wrong password: the server does not accept the proof of juliet", "RFC 6120 §6.5.10"},
		{"plain", []string{offer("PLAIN"), "CS <auth " + sasl + " mechanism='PLAIN'>" + b64("\x00juliet\x00x") + "</auth>", fail("not-authorized")}, "wrong password", "RFC 6120 §6.5.10"},
		{"downgrade", slices.Concat([]string{offer("SCRAM-SHA-1", "SCRAM-SHA-1-PLUS")}, scram("SCRAM-SHA-1", "y,,")[:1], []string{fail("malformed-request")}), "downgrade detected", "RFC 5802 §6"},
		{"binding", slices.Concat([]string{offer("SCRAM-SHA-1", "SCRAM-SHA-1-PLUS")}, scram("SCRAM-SHA-1-PLUS", "p=tls-exporter,,"), []string{fail("not-authorized")}), "binding mismatch: SCRAM-SHA-1-PLUS is bound to the TLS channel with tls-exporter", "RFC 5802 §6"},
		{"mechanism", []string{offer("SCRAM-SHA-256"), "CS <auth " + sasl + " mechanism='DIGEST-MD5'/>", fail("invalid-mechanism")}, "mechanism missing: the client tried DIGEST-MD5, the server offers SCRAM-SHA-256", "RFC 6120 §6.5.7"},
		{"disabled", []string{offer("PLAIN"), "CS <auth " + sasl + " mechanism='PLAIN'>" + b64("\x00juliet\x00x") + "</auth>", fail("account-disabled")}, "the account is disabled", "RFC 6120 §6.5.2"},
	} {
		s := newScript().play(slices.Concat([]string{"open", "secure client", "CS " + open, "SC " + answer}, c.lines)...)
		f, _ := s.finding("login-failed")
		if !strings.HasPrefix(f.Text, c.want) || f.Ref != c.ref || f.Severity != Error {
			t.Errorf("%s: %+v, want %s (%s)", c.name, f, c.want, c.ref)
		}
		if strings.Contains(fmt.Sprint(s.t.Conn(1).Login), "v0X8v3Bz2T0CJGbJQyF0X") {
			t.Errorf("%s: the proof is kept", c.name)
		}
	}
	s := newScript().play(slices.Concat([]string{"open", "CS " + open, "SC " + answer, offer("SCRAM-SHA-1")}, scram("SCRAM-SHA-1", "n,,"))...)
	if l := s.t.Conn(1).Login; l.Iterations != "4096" || l.GS2 != "n" || l.User != "juliet" {
		t.Errorf("%+v", l)
	}
}

// Where the proxy put a stanza in, or took one out, an h is right when what it was
// corrected to is.
func TestCorrectedCounters(t *testing.T) {
	begin := []string{"CS <enable " + sm + "/>", "SC <enabled " + sm + "/>", "CS <message/>", "SC <message/>"}
	for h, wrong := range map[string]bool{"'2'/> => <a " + sm + " h='1'/>": false, "'2'/>": true, "'1'/> => <a " + sm + " h='2'/>": true} {
		s := login().play(begin...).play("CS <a " + sm + " h=" + h)
		if _, n := s.finding("sm-h-ahead"); n > 0 != wrong {
			t.Errorf("h=%s: %d findings", h, n)
		}
	}
}

func TestLedger(t *testing.T) {
	s := login().play("CS <iq type='get' id='r1'>" + roster + "</iq>")
	n := s.n
	s.play("wait 250ms", "SC <iq type='result' id='r1'>"+roster+"</iq>")
	f := s.last()
	if !f.HasLatency || f.Latency != 2250*time.Millisecond || !slices.Contains(f.Related, Relation{Answers, n}) || f.Findings != nil {
		t.Errorf("%+v", f)
	}
	// The other way round.
	s.play("SC <iq type='get' id='p1' from='capulet.example'>"+ping+"</iq>", "CS <iq type='result' id='p1' to='capulet.example'/>")
	if f := s.last(); !f.HasLatency || f.Findings != nil {
		t.Errorf("%+v", f)
	}
}

func TestManagement(t *testing.T) {
	s := login().play("CS <enable "+sm+" resume='true'/>", "SC <enabled "+sm+" id='s1' resume='true'/>",
		"CS <message id='1'/>", "CS <message id='2'/>", "SC <message id='a'/>", "SC <message id='b'/>")
	second, b := s.n-2, s.n
	s.play("SC <a " + sm + " h='1'/>")
	if !slices.Contains(s.last().Related, Relation{Acks, second - 1}) {
		t.Errorf("the acknowledgement: %+v, want entry %d", s.last(), second-1)
	}
	s.play("close")
	// The client had got one of the two, and sends the second of its own again.
	s.play("2 open", "2 secure client", "2 CS "+open, "2 SC "+answer, "2 CS <auth "+sasl+" mechanism='PLAIN'>"+b64("\x00juliet\x00secret")+"</auth>", "2 SC <success "+sasl+"/>", "2 CS "+open, "2 SC "+answer,
		"2 CS <resume "+sm+" previd='s1' h='1'/>", "2 SC <resumed "+sm+" previd='s1' h='1'/>")
	text := fmt.Sprint(s.last().Findings)
	if !strings.Contains(text, fmt.Sprintf("the client has to send 1 stanza again: entry %d", second)) || !strings.Contains(text, fmt.Sprintf("the server has to send 1 stanza again: entry %d", b)) {
		t.Errorf("%s", text)
	}
	s.play("2 CS <message id='2'/>")
	if !slices.Contains(s.last().Related, Relation{Resends, second}) || s.last().Findings != nil {
		t.Errorf("%+v, want entry %d again", s.last(), second)
	}
	s.play("2 SC <message id='b'/>")
	if !slices.Contains(s.last().Related, Relation{Resends, b}) {
		t.Errorf("%+v", s.last())
	}
	s.play("2 SC <a "+sm+" h='2'/>", "2 CS <a "+sm+" h='2'/>", "2 CS </stream:stream>", "2 SC </stream:stream>", "2 close")
	if _, n := s.finding("sm-h-ahead"); n != 0 {
		t.Error("the counters go wrong after the resumption")
	}
	if s.last().Findings != nil {
		t.Errorf("%+v", s.last())
	}
}

func TestLostAndDoubled(t *testing.T) {
	start := func() *script {
		return login().play("CS <enable "+sm+" resume='true'/>", "SC <enabled "+sm+" id='s1' resume='true'/>", "CS <message id='0'/>", "SC <a "+sm+" h='1'/>", "CS <message id='1'/>", "CS <message id='2'/>", "close",
			"2 open", "2 CS "+open, "2 SC "+answer, "2 CS <resume "+sm+" previd='s1' h='0'/>", "2 SC <resumed "+sm+" previd='s1' h='1'/>")
	}
	if s := start().play("2 CS <message id='2'/>"); !slices.Contains(s.codes(1), "sm-lost") {
		t.Errorf("one was left out: %v", s.codes(1))
	}
	if s := start().play("2 close"); !slices.Contains(s.codes(1), "sm-lost") {
		t.Errorf("nothing was sent again: %v", s.codes(1))
	}
	if s := start().play("2 CS <message id='0'/>"); !slices.Contains(s.codes(1), "sm-doubled") {
		t.Errorf("one was acknowledged: %v", s.codes(1))
	}
	if s := start().play("2 CS <message id='1'/>", "2 CS <message id='2'/>"); slices.Contains(s.codes(1), "sm-doubled") || slices.Contains(s.codes(1), "sm-lost") {
		t.Errorf("all as it should be: %v", s.codes(1))
	}
	// @xmpp/client says when it sent a message first.
	s := login().play("CS <enable "+sm+" resume='true'/>", "SC <enabled "+sm+" id='s1' resume='true'/>", "CS <message id='1'><body>one</body></message>", "close",
		"2 open", "2 CS "+open, "2 SC "+answer, "2 CS <resume "+sm+" previd='s1' h='0'/>", "2 SC <resumed "+sm+" previd='s1' h='0'/>",
		"2 CS <message id='1'><body>one</body><delay xmlns='urn:xmpp:delay' from='juliet@capulet.example' stamp='2026-11-25T22:53:52Z'/></message>", "2 close")
	if slices.Contains(s.codes(1), "sm-lost") {
		t.Errorf("with the time when it was sent first: %v", s.codes(1))
	}
}

func TestCorrelation(t *testing.T) {
	s := login().play("CS <message id='m1' to='romeo@montague.example' type='chat'><body>x</body><origin-id xmlns='urn:xmpp:sid:0' id='o1'/></message>")
	m := s.n
	for _, c := range []struct{ line, kind string }{
		{"SC <message><received xmlns='urn:xmpp:receipts' id='m1'/></message>", Receipt},
		{"SC <message><displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/></message>", Marks},
		{"CS <message id='m2'><body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/></message>", Corrects},
		{"SC <message><reactions xmlns='urn:xmpp:reactions:0' id='o1'/></message>", Reacts},
		{"SC <message><reply xmlns='urn:xmpp:reply:0' id='m1'/></message>", Replies},
		{"SC <message from='juliet@capulet.example'><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' id='m1'/></forwarded></sent></message>", Carbon},
		{"SC <message><result xmlns='urn:xmpp:mam:2' id='s1'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><origin-id xmlns='urn:xmpp:sid:0' id='o1'/></message></forwarded></result></message>", Archived},
		{"SC <message type='error' id='m1'><error type='cancel'><gone " + stanzas + "/></error></message>", Refuses},
	} {
		if s.play(c.line); !slices.Contains(s.last().Related, Relation{c.kind, m}) {
			t.Errorf("%s: %v, want %s %d", c.line, s.last().Related, c.kind, m)
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	var d decode.Decoder
	d.Write([]byte(open + "<message type='chat' id='abc' from='juliet@capulet.example/balcony' to='romeo@montague.example'><body>Art thou not Romeo?</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>"))
	d.Next()
	f, _ := d.Next()
	s := stanza.Parse(f)
	var t Tracker
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		t.Frame(Frame{Conn: 1, Dir: SC, N: n, Frame: f, Stanza: &s})
	}
}

// A recording of many connections, one after another, is not kept in memory.
func TestClosedConnectionsAreSmall(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var tr Tracker
	s := stanza.Stanza{Kind: "iq", Name: "iq", NS: "jabber:client"}
	before := heap()
	const conns, queries = 200, 1000
	for c := 1; c <= conns; c++ {
		tr.Open(c, 0)
		for i := range queries {
			s.ID, s.Type = fmt.Sprintf("%d-%d-and-a-long-id", c, i), "get"
			tr.Frame(Frame{Conn: c, Dir: CS, N: i, Frame: decode.Frame{Kind: decode.Element}, Stanza: &s})
			s.Type = "result"
			if f := tr.Frame(Frame{Conn: c, Dir: SC, N: i, Frame: decode.Frame{Kind: decode.Element}, Stanza: &s}); !f.HasLatency {
				t.Fatalf("%+v", f)
			}
		}
		tr.Close(c, 0, "client", "")
	}
	if grown := (heap() - before) / conns; grown > 10_000 {
		t.Errorf("%d bytes for a connection with %d queries", grown, queries)
	}
	runtime.KeepAlive(&tr)
}
