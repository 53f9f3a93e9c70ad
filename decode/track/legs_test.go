package track

import (
	"slices"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

const sasl2 = "xmlns='urn:xmpp:sasl:2'"

// offerOf writes SASL2 features, and hashOf their hash in a challenge.
func offerOf(names ...string) string {
	return "<stream:features><authentication " + sasl2 + "><mechanism>" + strings.Join(names, "</mechanism><mechanism>") + "</mechanism></authentication></stream:features>"
}

func challengeOf(mechanism string, names ...string) string {
	o := stanza.Offer{SASL2: names}
	return "<challenge " + sasl2 + ">" + b64("r=ab,s=YQ==,i=4096,h="+o.Hash('h', mechanism, "urn:xmpp:sasl:2")) + "</challenge>"
}

func authOf(mechanism, first string) string {
	return "<authenticate " + sasl2 + " mechanism='" + mechanism + "'><initial-response>" + b64(first) + "</initial-response></authenticate>"
}

// The hash of the offer is checked on each leg.
func TestOfferHash(t *testing.T) {
	all, some := []string{"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"}, []string{"SCRAM-SHA-1"}
	first := authOf("SCRAM-SHA-1", "n,,n=juliet,r=a")
	for _, c := range []struct {
		name                       string
		offer, auth, challenge, is string
	}{
		{"as it is", offerOf(all...), first, challengeOf("SCRAM-SHA-1", all...), ""},
		{"without hash", offerOf(all...) + " => " + offerOf(some...), first, "<challenge " + sasl2 + ">" + b64("r=ab,s=YQ==,i=4096") + "</challenge>", ""},
		{"changed by the proxy", offerOf(all...) + " => " + offerOf(some...), first, challengeOf("SCRAM-SHA-1", all...), "offer-changed"},
		{"changed before", offerOf(some...), first, challengeOf("SCRAM-SHA-1", all...), "offer-hash"},
		{"each leg its own", offerOf(all...) + " => " + offerOf(some...), first + " => " + authOf("SCRAM-SHA-1-PLUS", "p=tls-exporter,,n=juliet,r=a"), challengeOf("SCRAM-SHA-1", all...) + " => " + challengeOf("SCRAM-SHA-1", some...), ""},
		{"wrong for the client", offerOf(all...) + " => " + offerOf(some...), first + " => " + first, challengeOf("SCRAM-SHA-1", all...) + " => " + challengeOf("SCRAM-SHA-1", all...), "offer-changed"},
	} {
		s := newScript().play("open", "secure client", "CS "+open, "SC "+answer, "SC "+c.offer, "CS "+c.auth, "SC "+c.challenge)
		codes := s.codes(1)
		if c.is == "" && (slices.Contains(codes, "offer-hash") || slices.Contains(codes, "offer-changed")) || c.is != "" && !slices.Contains(codes, c.is) {
			t.Errorf("%s: %v, want %s", c.name, codes, c.is)
		}
	}
}

// A login that the proxy does itself is judged by what it said to the server.
func TestLoginOnEachLeg(t *testing.T) {
	start := func(lines ...string) *script {
		return newScript().play(append([]string{"open", "secure client", "CS " + open, "SC " + answer, "SC " + offerOf("SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"),
			"CS " + authOf("SCRAM-SHA-1-PLUS", "p=tls-unique,,n=juliet,r=a") + " => " + authOf("SCRAM-SHA-1-PLUS", "p=tls-exporter,,n=juliet,r=b")}, lines...)...)
	}
	response := "CS <response " + sasl2 + ">" + b64("c=biws,r=abcd,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=") + "</response>"
	failure := func(condition string) string {
		return "<failure " + sasl2 + "><" + condition + " " + sasl + "/><text>no</text></failure>"
	}
	for want, lines := range map[string][]string{
		"wrong password: client and --password-file agree on it, the server does not accept the proof of juliet (SCRAM-SHA-1-PLUS, bound to its channel with tls-exporter)": {response + " => " + response[3:], "SC " + failure("not-authorized")},
		"the server refused the proxy's login as juliet with SCRAM-SHA-1-PLUS, bound to its channel with tls-exporter: account-disabled (the server says \"no\")":           {"SC " + failure("account-disabled")},
	} {
		s := start(lines...)
		if f, _ := s.finding("login-failed"); !strings.HasPrefix(f.Text, want) {
			t.Errorf("%s", f.Text)
		}
	}
	s := start()
	if l := s.t.Conn(1).Login; l.Binding != "tls-unique" || l.Server == nil || l.Server.Binding != "tls-exporter" {
		t.Errorf("%+v", l)
	}
	// The answer to the proxy's own abort is nobody's failure.
	s = start("SC " + failure("aborted") + " => ")
	if f, _ := s.finding("login-failed"); f.Code != "" {
		t.Errorf("%+v", f)
	}
}

// Stream management that comes with the login (XEP-0198 §9).
func TestInlineManagement(t *testing.T) {
	auth := func(inline string) string {
		return "<authenticate " + sasl2 + " mechanism='PLAIN'><initial-response>" + b64("\x00juliet\x00x") + "</initial-response>" + inline + "</authenticate>"
	}
	begin := func(id string) []string {
		return []string{id + " open", id + " secure client", id + " CS " + open, id + " SC " + answer, id + " SC " + offerOf("PLAIN")}
	}
	s := newScript().play(begin("1")...)
	s.play("1 CS "+auth("<bind xmlns='urn:xmpp:bind:0'><enable "+sm+" resume='true'/></bind>"),
		"1 SC <success "+sasl2+"><authorization-identifier>"+jid+"</authorization-identifier><bound xmlns='urn:xmpp:bind:0'><enabled "+sm+" id='x' resume='true'/></bound></success><stream:features/>",
		"1 CS <message to='a@b.example'><body>one</body></message>", "1 CS <message to='a@b.example'><body>two</body></message>", "1 close")
	if c := s.t.Conn(1); c.SM != "enabled" || c.Bound.String() != jid {
		t.Errorf("%+v", c)
	}
	from := s.n + 1
	s.play(begin("2")...)
	s.play("2 CS "+auth("<resume "+sm+" previd='x' h='0'/>"),
		"2 SC <success "+sasl2+"><authorization-identifier>juliet@capulet.example</authorization-identifier><resumed "+sm+" previd='x' h='1'/></success>",
		"2 CS <message to='a@b.example'><body>two</body></message>")
	if f, _ := s.finding("sm-resend"); !strings.Contains(f.Text, "the client has to send 1 stanza again") {
		t.Errorf("%+v", f)
	}
	if c := s.t.Conn(2); c.SM != "resumed" || slices.Contains(s.codes(from), "stanza-before-bind") {
		t.Errorf("%+v %v", c, s.codes(from))
	}
	s.play(begin("3")...)
	s.play("3 CS "+auth("<resume "+sm+" previd='y' h='0'/><bind xmlns='urn:xmpp:bind:0'><enable "+sm+"/></bind>"),
		"3 SC <success "+sasl2+"><authorization-identifier>"+jid+"</authorization-identifier><failed "+sm+"><item-not-found "+stanzas+"/></failed><bound xmlns='urn:xmpp:bind:0'><enabled "+sm+"/></bound></success>")
	if f, _ := s.finding("sm-resume-refused"); !strings.Contains(f.Text, "item-not-found") || s.t.Conn(3).SM != "enabled" {
		t.Errorf("%+v %s", f, s.t.Conn(3).SM)
	}
}
