package track

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// cs and sc are BOSH wrappers with the given attributes.
func cs(attrs string, content ...string) string { return "CS " + wrapper(attrs, content) }
func sc(attrs string, content ...string) string { return "SC " + wrapper(attrs, content) }

func wrapper(attrs string, content []string) string {
	tag := "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:stream='http://etherx.jabber.org/streams' xmlns:xmpp='urn:xmpp:xbosh' " + attrs
	if len(content) == 0 {
		return tag + "/>"
	}
	return tag + ">" + strings.Join(content, "") + "</body>"
}

// boshLogin is a session over BOSH up to the bound resource; the next rid is 14.
func boshLogin() *script {
	return newScript().play("open", "secure client", cs("rid='10' to='capulet.example' wait='60' hold='1' xmpp:version='1.0'"), "answered 10",
		sc("sid='s' wait='60' hold='1' requests='2' inactivity='30' polling='5'", "<stream:features><mechanisms "+sasl+"><mechanism>PLAIN</mechanism></mechanisms></stream:features>"),
		cs("rid='11' sid='s'", "<auth "+sasl+" mechanism='PLAIN'>"+b64("\x00juliet\x00secret")+"</auth>"), "answered 11", sc("", "<success "+sasl+"/>"),
		cs("rid='12' sid='s' to='capulet.example' xmpp:restart='true'"), "answered 12", sc("", "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"),
		cs("rid='13' sid='s'", "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"), "answered 13",
		sc("", "<iq xmlns='jabber:client' type='result' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>"+jid+"</jid></bind></iq>"))
}

// A session over BOSH goes through the phases of one over TCP, and a healthy one
// has no findings.
func TestBOSHPhases(t *testing.T) {
	s := boshLogin().play(cs("rid='14' sid='s'"), "answered 14", sc("", "<message/>"), "wait 6s", cs("rid='15' sid='s'"), cs("rid='16' sid='s'", "<presence/>"), "answered 15", sc(""),
		cs("rid='17' sid='s' pause='60'"), "answered 16", sc(""), "answered 17", sc(""), "wait 50s", cs("rid='18' sid='s' type='terminate'", "<presence type='unavailable'/>"), "answered 18", sc("type='terminate'"), "close")
	if got := s.codes(1); got != nil {
		t.Errorf("findings %v in a healthy session", got)
	}
	c := s.t.Conn(1)
	var phases []string
	for _, p := range c.Phases {
		phases = append(phases, p.Phase)
	}
	if got := strings.Join(phases, " "); got != "tcp stream sasl bind online closing closed" || c.Bound.String() != jid {
		t.Errorf("phases %s, bound %s", got, c.Bound)
	}
}

// Each finding has a hit and a near miss.
func TestBOSHFindings(t *testing.T) {
	poll := func(n int) string { return cs(fmt.Sprintf("rid='%d' sid='s'", n)) }
	polling := func(wait string, content ...string) []string {
		return []string{"open", cs("rid='1' to='capulet.example' wait='0' hold='0'"), "answered 1", sc("sid='s' polling='5' requests='1'"), "wait 10s", poll(2), "answered 2", sc("", content...), wait, poll(3)}
	}
	const k1, k2, k3 = "d033e22ae348aeb5660fc2140aec35850c4da997", "admin", "nimda" // the first is the SHA-1 of the second
	keyed := func(attrs string) []string {
		return []string{"open", cs("rid='1' to='capulet.example' newkey='" + k1 + "'"), "answered 1", sc("sid='s'"), cs("rid='2' sid='s' " + attrs)}
	}
	for _, c := range []struct {
		code      string
		login     bool
		hit, miss []string
	}{
		{"bosh-rid", true, []string{poll(15)}, []string{poll(14)}},
		{"bosh-rid", true, []string{cs("sid='s'")}, []string{cs("rid='014' sid='s'")}},
		{"bosh-rid", true, []string{cs("rid='9007199254740992' sid='s'")}, []string{poll(14)}},
		{"bosh-repeated", true, []string{poll(13)}, []string{poll(14), "answered 14", "wait 5s", poll(15)}},
		{"bosh-requests", true, []string{cs("rid='14' sid='s'", "<r/>"), cs("rid='15' sid='s'", "<r/>"), cs("rid='16' sid='s'", "<r/>")}, []string{cs("rid='14' sid='s'", "<r/>"), cs("rid='15' sid='s'", "<r/>"), cs("rid='16' sid='s' type='terminate'")}},
		{"bosh-requests", true, []string{poll(14), "wait 6s", poll(15), "wait 6s", cs("rid='16' sid='s'", "<r/>")}, []string{poll(14), "wait 6s", poll(15), "wait 6s", "answered 14", cs("rid='16' sid='s'", "<r/>")}},
		{"bosh-polling", true, []string{poll(14), poll(15)}, []string{poll(14), cs("rid='15' sid='s'", "<r/>")}},
		{"bosh-polling", true, []string{poll(14), poll(15)}, []string{poll(14), "answered 14", sc(""), poll(15)}},
		{"bosh-polling", false, polling("wait 0s"), polling("wait 5s")},
		{"bosh-polling", false, polling("wait 0s"), polling("wait 0s", "<message/>")}, // there may be more
		{"bosh-terminated", true, []string{sc("type='terminate' condition='policy-violation'")}, []string{sc("type='terminate'")}},
		{"bosh-key", false, keyed(""), keyed("key='" + k2 + "'")},
		{"bosh-key", false, keyed("key='" + k3 + "'"), keyed("key='" + k2 + "' newkey='x'")},
	} {
		start := func() *script {
			if c.login {
				return boshLogin()
			}
			return newScript()
		}
		hit := start().play(c.hit...)
		if got := hit.codes(1); len(got) != 1 || got[0] != c.code {
			t.Errorf("%s: %v in %.300q", c.code, got, c.hit)
		}
		if f, _ := hit.finding(c.code); f.Text == "" || !strings.HasPrefix(f.Ref, "XEP-0124 §") || f.Severity == "" {
			t.Errorf("%+v", f)
		}
		if got := start().play(c.miss...).codes(1); slices.Contains(got, c.code) {
			t.Errorf("%s: also in the near miss %.300q: %v", c.code, c.miss, got)
		}
	}
}
