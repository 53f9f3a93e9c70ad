package track

import (
	"slices"
	"strings"
	"testing"
)

const (
	peerOpen   = "<stream:stream from='a.example' to='b.example' xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	peerAnswer = "<stream:stream from='b.example' to='a.example' id='s1' xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	backOpen   = "<stream:stream from='b.example' to='a.example' xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	backAnswer = "<stream:stream from='a.example' to='b.example' id='s2' xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	sent       = "CS <db:result from='a.example' to='b.example'>k1</db:result>"
	valid      = "SC <db:result from='b.example' to='A.example' type='valid'/>"
	hello      = "CS <message from='x@a.example/r' to='y@b.example'/>"
	bidi       = "CS <bidi xmlns='urn:xmpp:bidi'/>"
)

// peers plays the beginning of a stream between servers, over TLS.
func peers() *script {
	return newScript().play("open", "CS "+peerOpen, "SC "+peerAnswer+"<stream:features><starttls "+tls+"/></stream:features>", "CS <starttls "+tls+"/>", "SC <proceed "+tls+"/>", "secure server", "secure client",
		"CS "+peerOpen, "SC "+peerAnswer+"<stream:features><mechanisms "+sasl+"><mechanism>EXTERNAL</mechanism></mechanisms></stream:features>")
}

func phasesOf(c *Conn) string {
	var out []string
	for _, p := range c.Phases {
		out = append(out, p.Phase)
	}
	return strings.Join(out, " ")
}

// The four steps of XEP-0220 §2, two of them on a second connection.
func TestDialbackAcrossConnections(t *testing.T) {
	s := peers().play(sent)
	key := s.n
	s.play("2 open", "2 CS "+backOpen, "2 SC "+backAnswer, "2 CS <db:verify from='b.example' to='a.example' id='s1'>k1</db:verify>")
	question := s.n
	if !slices.Contains(s.last().Related, Relation{Verifies, key}) || s.last().Phase != PhaseDialback {
		t.Errorf("the question: %+v, want that it verifies entry %d", s.last(), key)
	}
	s.play("2 SC <db:verify from='a.example' to='b.example' id='s1' type='valid'/>")
	answer := s.n
	if !slices.Contains(s.last().Related, Relation{Answers, question}) {
		t.Errorf("the answer: %+v, want entry %d", s.last(), question)
	}
	s.play(valid)
	if f := s.last(); !slices.Contains(f.Related, Relation{Answers, key}) || !slices.Contains(f.Related, Relation{RestsOn, answer}) || f.Phase != PhaseOnline || !f.Federated {
		t.Errorf("the result: %+v, want entries %d and %d", f, key, answer)
	}
	if got := phasesOf(s.t.Conn(1)); got != "tcp stream tls stream dialback online" {
		t.Errorf("phases %s", got)
	}
	if p := s.t.Conn(1).Phases; p[len(p)-1].Detail != "a.example → b.example, by dialback" {
		t.Errorf("%+v", p[len(p)-1])
	}
	if got := s.play(hello).codes(1); got != nil {
		t.Errorf("findings %v", got)
	}
}

func TestExternal(t *testing.T) {
	s := peers().play("CS <auth "+sasl+" mechanism='EXTERNAL'>"+b64("a.example")+"</auth>", "SC <success "+sasl+"/>", "CS "+peerOpen, "SC "+peerAnswer+"<stream:features/>", hello)
	if got := s.codes(1); got != nil {
		t.Errorf("findings %v", got)
	}
	if got := phasesOf(s.t.Conn(1)); got != "tcp stream tls stream sasl online" {
		t.Errorf("phases %s", got)
	}
	if p := s.t.Conn(1).Phases; p[len(p)-1].Detail != "a.example, by EXTERNAL" {
		t.Errorf("%+v", p[len(p)-1])
	}
}

// An iq is answered on the connection of the other direction.
func TestIQAcrossConnections(t *testing.T) {
	s := peers().play(sent, valid, "2 open", "2 CS "+backOpen, "2 SC "+backAnswer, "2 CS <db:result from='b.example' to='a.example'>k2</db:result>", "2 SC <db:result from='a.example' to='b.example' type='valid'/>",
		"CS <iq type='get' id='1' from='x@a.example/r' to='b.example'>"+ping+"</iq>")
	n := s.n
	s.play("2 CS <iq type='result' id='1' from='b.example' to='x@a.example/r'/>")
	if f := s.last(); !slices.Contains(f.Related, Relation{Answers, n}) || !f.HasLatency || f.Findings != nil {
		t.Errorf("%+v, want entry %d", f, n)
	}
	if got := s.play("close", "2 close").codes(1); !slices.Equal(got, []string{"stream-not-closed", "stream-not-closed"}) {
		t.Errorf("findings %v", got)
	}
}

func TestFindingsBetweenServers(t *testing.T) {
	failure := "SC <failure " + sasl + "><not-authorized/></failure>"
	external := "CS <auth " + sasl + " mechanism='EXTERNAL'>=</auth>"
	back := "SC <message from='y@b.example' to='x@a.example/r'/>"
	const (
		rooms      = "SC <db:result from='rooms.b.example' to='a.example'>k</db:result>"
		roomsValid = "CS <db:result from='a.example' to='rooms.b.example' type='valid'/>"
		toRooms    = "CS <message from='x@a.example/r' to='y@rooms.b.example'/>"
	)
	for _, c := range []struct {
		code      string
		hit, miss []string
	}{
		{"dialback-invalid", []string{sent, "SC <db:result from='b.example' to='a.example' type='invalid'/>"}, []string{sent, valid}},
		{"dialback-invalid", []string{"CS <db:verify from='a.example' to='b.example' id='9'>k</db:verify>", "SC <db:verify from='b.example' to='a.example' id='9' type='invalid'/>"},
			[]string{"CS <db:verify from='a.example' to='b.example' id='9'>k</db:verify>", "SC <db:verify from='b.example' to='a.example' id='9' type='valid'/>"}},
		{"dialback-error", []string{sent, "SC <db:result from='b.example' to='a.example' type='error'><error type='cancel'><remote-server-not-found " + stanzas + "/></error></db:result>"}, []string{sent, valid}},
		{"dialback-unanswered", []string{sent, "close"}, []string{sent, valid, "close"}},
		{"dialback-unasked", []string{"SC <db:result from='c.example' to='a.example' type='valid'/>"}, []string{sent, valid}},
		{"dialback-unasked", []string{sent, "SC <db:result from='b.example' to='other.example' type='valid'/>"}, []string{sent, valid}},
		{"dialback-missing-address", []string{"CS <db:result to='b.example'>k</db:result>"}, []string{sent}},
		{"dialback-key", []string{sent, "2 CS " + backOpen, "2 CS <db:verify from='b.example' to='a.example' id='s1'>k2</db:verify>"}, []string{sent, "2 CS " + backOpen, "2 CS <db:verify from='b.example' to='a.example' id='s1'>k1</db:verify>"}},
		{"dialback-key", []string{sent, "2 CS " + backOpen, "2 CS <db:verify from='b.example' to='a.example' id='s1'>k2</db:verify>"}, []string{sent, "2 CS " + backOpen, "2 CS <db:verify from='b.example' to='a.example' id='other'>k2</db:verify>"}},
		{"external-refused", []string{external, failure}, []string{external, "SC <success " + sasl + "/>"}},
		{"login-failed", []string{"CS <auth " + sasl + " mechanism='PLAIN'>=</auth>", failure}, []string{external, failure}},
		{"stanza-missing-address", []string{sent, valid, "CS <message from='x@a.example'/>"}, []string{sent, valid, hello}},
		{"stanza-missing-address", []string{sent, valid, "CS <presence to='y@b.example'/>"}, []string{sent, valid, hello}},
		{"stanza-before-auth", []string{sent, hello}, []string{sent, valid, hello}},
		{"from-not-authorised", []string{sent, valid, "CS <message from='x@c.example' to='y@b.example'/>"}, []string{sent, valid, "CS <db:result from='c.example' to='b.example'>k</db:result>", "SC <db:result from='b.example' to='c.example' type='valid'/>", "CS <message from='x@c.example' to='y@b.example'/>"}},
		{"from-not-authorised", []string{sent, valid, "CS <message from='x@a.example' to='y@rooms.b.example'/>"}, []string{sent, valid, hello}},
		{"from-not-authorised", []string{external, "SC <success " + sasl + "/>", "CS <message from='x@c.example' to='y@b.example'/>"}, []string{external, "SC <success " + sasl + "/>", hello}},
		{"from-not-authorised", []string{bidi, sent, valid, "SC <message from='y@b.example' to='x@other.example'/>"}, []string{bidi, sent, valid, back}},
		{"from-not-authorised", []string{bidi, external, "SC <success " + sasl + "/>", "SC <message from='y@b.example' to='x@other.example'/>"}, []string{bidi, external, "SC <success " + sasl + "/>", back}},
		{"from-not-authorised", []string{sent, valid, rooms, roomsValid, toRooms}, []string{bidi, sent, valid, rooms, roomsValid, toRooms}},
		{"bidi-off", []string{sent, valid, back}, []string{bidi, sent, valid, back}},
		{"bidi-late", []string{sent, valid, bidi}, []string{bidi, sent, valid}},
		{"bidi-late", []string{external, "SC <success " + sasl + "/>", bidi}, []string{bidi, external, "SC <success " + sasl + "/>"}},
		{"stream-missing-from", []string{"2 CS <stream:stream to='b.example' xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"}, []string{"2 CS " + peerOpen}},
	} {
		hit := peers()
		from := hit.n + 1
		hit.play(c.hit...)
		n := 0
		for _, g := range hit.codes(from) {
			if g == c.code {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: %d times in %v of %.300q", c.code, n, hit.codes(from), c.hit)
		}
		miss := peers()
		from = miss.n + 1
		if got := miss.play(c.miss...).codes(from); slices.Contains(got, c.code) {
			t.Errorf("%s: also in the near miss %.300q", c.code, c.miss)
		}
	}
	// What the proxy saw of the certificate is named.
	s := peers()
	s.t.Secured(1, "client", "the certificate of the connecting server is not trusted: signed by unknown authority", s.at)
	s.play(external, failure)
	if f, _ := s.finding("external-refused"); !strings.Contains(f.Text, "proof of a.example: the certificate of the connecting server is not trusted: signed by unknown authority") {
		t.Errorf("%+v", f)
	}
	s = peers().play("CS <db:result from='a.example' to='b.example'>k1</db:result>", "SC <db:result from='b.example' to='a.example' type='error'><error type='cancel'><policy-violation "+stanzas+"/></error></db:result>")
	if f, _ := s.finding("dialback-error"); !strings.Contains(f.Text, "policy-violation (it demands TLS first)") {
		t.Errorf("%+v", f)
	}
}

// What strangers say does not fill the memory.
func TestDialbackIsBounded(t *testing.T) {
	s := peers()
	long := strings.Repeat("x", 10_000)
	for i := range 3 * maxPairs {
		s.play("CS <db:result from='a" + strings.Repeat("a", i%50) + string(rune('a'+i%26)) + ".example' to='b" + strings.Repeat("b", i/50) + ".example'>" + long + "</db:result>")
		if i > 100 {
			delete(s.facts, s.n-100)
			delete(s.texts, s.n-100)
		}
	}
	if n := len(s.t.Conn(1).fed.asked[CS]); n > maxPairs {
		t.Errorf("%d requests are remembered", n)
	}
	for k := range s.t.keys.young {
		if len(k) > 5*(maxPart+1) {
			t.Fatalf("a key of %d bytes is remembered", len(k))
		}
	}
}
