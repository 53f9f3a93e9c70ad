package session

import (
	"encoding/base64"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

var (
	frontLeg = map[string][]byte{"tls-exporter": []byte("front"), endPoint: []byte("front cert")}
	backLeg  = map[string][]byte{"tls-exporter": []byte("back"), endPoint: []byte("back cert")}
	juliet   = map[string]string{"juliet@capulet.example": "r0m30"}
)

// list writes an offer of both profiles.
func list(bindings []string, names ...string) string {
	m := "<mechanism>" + strings.Join(names, "</mechanism><mechanism>") + "</mechanism>"
	s := "<mechanisms xmlns='" + nsSASL + "'>" + m + "</mechanisms><authentication xmlns='" + nsSASL2 + "'>" + m +
		"<inline><sm xmlns='urn:xmpp:sm:3'/><bind xmlns='urn:xmpp:bind:0'/><fast xmlns='" + nsFAST + "'><mechanism>HT-SHA-256-NONE</mechanism><mechanism>HT-SHA-256-EXPR</mechanism></fast></inline></authentication>"
	if bindings != nil {
		s += "<sasl-channel-binding xmlns='" + nsBinding + "'><channel-binding type='" + strings.Join(bindings, "'/><channel-binding type='") + "'/></sasl-channel-binding>"
	}
	return s
}

// saslOf takes the SASL message out of an element of either profile.
func saslOf(t *testing.T, text string) string {
	t.Helper()
	if m := regexp.MustCompile(`<(?:initial-response|additional-data)>([^<]*)<`).FindStringSubmatch(text); m != nil {
		text = "<a>" + m[1] + "</a>"
	}
	m := regexp.MustCompile(`^<[^>]*>([^<]*)<`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%q is no SASL message", text)
	}
	b, err := base64.StdEncoding.DecodeString(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// peers are the two ends of a login: each proves itself to the proxy.
type peers struct {
	*bench
	ns     string
	client *scram.ClientConversation
	server *answerer
	end    string // the server's last message
}

func keysOf(t *testing.T, mechanism, user, password string) scram.StoredCredentials {
	t.Helper()
	c, err := hashOf(mechanism).NewClient(user, password, "")
	if err != nil {
		t.Fatal(err)
	}
	k, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt of the server", Iters: 4096})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// begin has the client say its first message and returns what the server gets.
func (p *peers) begin(mechanism, inline string, cb scram.ChannelBinding) string {
	c, err := hashOf(mechanism).NewClient("juliet", "r0m30", "")
	if err != nil {
		p.t.Fatal(err)
	}
	p.client = c.NewConversation()
	if cb.IsSupported() {
		p.client = c.NewConversationWithChannelBinding(cb)
	}
	first, _ := p.client.Step("")
	if p.ns == nsSASL2 {
		p.data(record.CS, "<authenticate xmlns='"+nsSASL2+"' mechanism='"+mechanism+"'><initial-response>"+encode(first)+"</initial-response>"+inline+"</authenticate>")
	} else {
		p.data(record.CS, "<auth xmlns='"+nsSASL+"' mechanism='"+mechanism+"'>"+encode(first)+"</auth>")
	}
	return p.take(Server)
}

// challenge has the server challenge, the client answer, and the server check
// what it gets.
func (p *peers) challenge(mechanism, upstream, extra string, cb scram.ChannelBinding) (challenge string) {
	t := p.t
	var err error
	if p.server, err = answer(hashOf(mechanism), keysOf(t, mechanism, "juliet", "r0m30"), saslOf(t, upstream), extra, cb); err != nil {
		t.Fatal(err)
	}
	p.data(record.SC, "<challenge xmlns='"+p.ns+"'>"+encode(p.server.challenge)+"</challenge>")
	challenge = saslOf(t, p.take(Client))
	proof, err := p.client.Step(challenge)
	if err != nil {
		t.Fatal(err)
	}
	p.data(record.CS, "<response xmlns='"+p.ns+"'>"+encode(proof)+"</response>")
	if p.end, err = p.server.check(saslOf(t, p.take(Server))); err != nil {
		t.Fatalf("the server does not accept: %v", err)
	}
	return challenge
}

func (p *peers) believes(text string) {
	p.t.Helper()
	if _, err := p.client.Step(saslOf(p.t, text)); err != nil || !p.client.Valid() {
		p.t.Errorf("the client does not accept %s: %v", text, err)
	}
}

// notes are the remarks so far.
func (b *bench) notes() string {
	var s strings.Builder
	for _, ev := range b.w.log[""] {
		if ev.E == record.EventNote {
			s.WriteString(ev.Level + ": " + ev.Text + " (" + ev.Hint + ")\n")
		}
	}
	return s.String()
}

func exporter(data string) scram.ChannelBinding {
	return scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: []byte(data)}
}

const inline = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>A &amp; B</software></user-agent><bind xmlns='urn:xmpp:bind:0'><tag>A</tag><enable xmlns='urn:xmpp:sm:3'/></bind><x:any xmlns:x='urn:any'>=</x:any>"

// A login on both legs in either profile, with the hash of the offer (XEP-0474)
// right on each: what the client is offered is not what the server offers.
func TestReauthBothProfiles(t *testing.T) {
	for _, ns := range []string{nsSASL, nsSASL2} {
		for _, extra := range []byte{0, 'h', 'd'} {
			t.Run(ns+string(extra), func(t *testing.T) {
				front := maps.Clone(frontLeg)
				delete(front, endPoint)
				p := &peers{bench: secured2(t, front, backLeg, juliet, list([]string{endPoint, "tls-exporter"}, "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "SCRAM-SHA3-512-PLUS")), ns: ns}
				shown := p.take(Client)
				if strings.Contains(shown, "SHA3") || strings.Contains(shown, endPoint) || strings.Contains(shown, "EXPR") || strings.Count(shown, "SCRAM-SHA-256-PLUS") != 2 || !strings.Contains(shown, "HT-SHA-256-NONE") {
					t.Errorf("the client is offered %s", shown)
				}
				p.take(Server)
				back := stanza.Offer{SASL1: []string{"SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "SCRAM-SHA3-512-PLUS"}, Bindings: []string{endPoint, "tls-exporter"}}
				back.SASL2 = back.SASL1
				seen := stanza.Offer{SASL1: back.SASL1[:2], SASL2: back.SASL1[:2], Bindings: back.Bindings[1:]}
				hash := func(o stanza.Offer) string {
					if extra == 0 {
						return ""
					}
					return string(extra) + "=" + o.Hash(extra, "SCRAM-SHA-256-PLUS", ns)
				}
				got := p.begin("SCRAM-SHA-256-PLUS", inline, exporter("front"))
				if ns == nsSASL2 && !strings.HasSuffix(got, "</initial-response>"+inline+"</authenticate>") {
					t.Errorf("the rest of the element: %s", got)
				}
				challenge := p.challenge("SCRAM-SHA-256", got, hash(back), exporter("back"))
				if !strings.HasSuffix(challenge, ",i=4096"+strings.TrimSuffix(","+hash(seen), ",")) {
					t.Errorf("the client is challenged with %s, want %s", challenge, hash(seen))
				}
				if ns == nsSASL {
					p.data(record.SC, "<success xmlns='"+ns+"'>"+encode(p.end)+"</success>")
					p.believes(p.take(Client))
					p.data(record.CS, streamCS)
					p.data(record.SC, streamSC+"<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>")
				} else {
					rest := "<authorization-identifier>juliet@capulet.example/A.1</authorization-identifier><bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='1'/></bound><token xmlns='urn:xmpp:fast:0' token='x'/></success><stream:features/><message/>"
					p.data(record.SC, "<success xmlns='"+ns+"'><additional-data>"+encode(p.end)+"</additional-data>"+rest)
					got := p.take(Client)
					p.believes(got)
					if !strings.HasSuffix(got, "</additional-data>"+rest) {
						t.Errorf("the rest of the element: %s", got)
					}
				}
				if p.s.Armed() {
					t.Error("still armed after the login")
				}
				p.w.compare(t)
			})
		}
	}
}

// What comes instead of success.
func TestReauthSASL2Ends(t *testing.T) {
	start := func(t *testing.T) *peers {
		p := &peers{bench: secured2(t, frontLeg, backLeg, juliet, list([]string{"tls-exporter"}, "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1")), ns: nsSASL2}
		p.take(Client)
		p.take(Server)
		p.challenge("SCRAM-SHA-1", p.begin("SCRAM-SHA-1-PLUS", "<resume xmlns='urn:xmpp:sm:3' previd='1' h='2'/>", exporter("front")), "", exporter("back"))
		return p
	}
	t.Run("resumed", func(t *testing.T) {
		p := start(t)
		p.data(record.SC, "<success xmlns='"+nsSASL2+"'><additional-data>"+encode(p.end)+"</additional-data><resumed xmlns='urn:xmpp:sm:3' previd='1' h='2'/></success><message/>")
		got := p.take(Client)
		p.believes(got)
		if p.s.Armed() || !strings.HasSuffix(got, "<message/>") {
			t.Errorf("armed %v: %s", p.s.Armed(), got)
		}
		p.w.compare(t)
	})
	t.Run("tasks", func(t *testing.T) {
		p := start(t)
		rest := "<tasks><task>TOTP-EXAMPLE</task></tasks></continue>"
		p.data(record.SC, "<continue xmlns='"+nsSASL2+"'><additional-data>"+encode(p.end)+"</additional-data>"+rest)
		got := p.take(Client)
		p.believes(got)
		if !strings.HasSuffix(got, rest) {
			t.Error(got)
		}
		for _, x := range []struct {
			d    record.Dir
			text string
		}{
			{record.CS, "<next xmlns='" + nsSASL2 + "' task='TOTP-EXAMPLE'><totp xmlns='urn:totp:example'>MQ==</totp></next>"},
			{record.SC, "<task-data xmlns='" + nsSASL2 + "'/>"},
			{record.CS, "<task-data xmlns='" + nsSASL2 + "'/>"},
			{record.SC, "<success xmlns='" + nsSASL2 + "'><authorization-identifier>juliet@capulet.example</authorization-identifier></success><stream:features/>"},
		} {
			p.data(x.d, x.text)
			if got := p.take(into(x.d)); got != x.text {
				t.Errorf("%s was sent as %s", x.text, got)
			}
		}
		if p.s.Armed() {
			t.Error("still armed")
		}
		p.w.compare(t)
	})
	t.Run("failure", func(t *testing.T) {
		p := start(t)
		text := "<failure xmlns='" + nsSASL2 + "'><account-disabled xmlns='" + nsSASL + "'/><why xmlns='urn:any'/><text>Ask the nurse.</text></failure>"
		p.data(record.SC, text)
		if got := p.take(Client); got != text {
			t.Error(got)
		}
		if n := p.notes(); !strings.Contains(n, "the server refused the proxy's own login as juliet with SCRAM-SHA-1-PLUS, bound to the proxy's channel with the server with tls-exporter: account-disabled") || strings.Contains(n, "because of the proxy") {
			t.Error(n)
		}
		// Nothing is left of it: the next login is a new one.
		if got := p.begin("SCRAM-SHA-1", "", scram.ChannelBinding{}); !strings.Contains(got, "mechanism='SCRAM-SHA-1-PLUS'") {
			t.Error(got)
		}
		p.w.compare(t)
	})
	t.Run("no proof", func(t *testing.T) {
		p := start(t)
		p.data(record.SC, "<success xmlns='"+nsSASL2+"'><authorization-identifier>juliet@capulet.example</authorization-identifier></success>")
		if got := p.take(Client); got != failureOf(nsSASL2, "not-authorized") {
			t.Error(got)
		}
		p.w.compare(t)
	})
	t.Run("abort", func(t *testing.T) {
		p := start(t)
		text := "<abort xmlns='" + nsSASL2 + "'/>"
		p.data(record.CS, text)
		failure := "<failure xmlns='" + nsSASL2 + "'><aborted xmlns='" + nsSASL + "'/></failure>"
		p.data(record.SC, failure)
		if a, b := p.take(Server), p.take(Client); a != text || b != failure {
			t.Errorf("%s %s", a, b)
		}
		p.w.compare(t)
	})
}

// The server may prove itself in a challenge, and say success without data.
func TestReauthProofInChallenge(t *testing.T) {
	p := &peers{bench: secured2(t, frontLeg, backLeg, juliet, list(nil, "SCRAM-SHA-1")), ns: nsSASL}
	p.take(Client)
	p.take(Server)
	p.challenge("SCRAM-SHA-1", p.begin("SCRAM-SHA-1", "", scram.ChannelBinding{}), "", scram.ChannelBinding{})
	p.data(record.SC, element("challenge", p.end))
	p.believes(p.take(Client))
	p.data(record.CS, "<response xmlns='"+nsSASL+"'/>")
	p.data(record.SC, "<success xmlns='"+nsSASL+"'/>")
	if a, b := p.take(Server), p.take(Client); a != "<response xmlns='"+nsSASL+"'/>" || b != "<success xmlns='"+nsSASL+"'/>" {
		t.Errorf("%s %s", a, b)
	}
	p.w.compare(t)
}

// A client that knows PLAIN only, and a server that wants SCRAM.
func TestReauthPlain(t *testing.T) {
	for _, ns := range []string{nsSASL, nsSASL2} {
		t.Run(ns, func(t *testing.T) {
			b := &bench{t: t, s: New(Config{Conn: 1, Domain: "upstream.test", Accounts: juliet, Mechanisms: []string{"PLAIN"}}), w: newWire()}
			b.secure(frontLeg, backLeg, list([]string{"tls-exporter"}, "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS"), streamCS)
			if shown := b.take(Client); strings.Count(shown, "<mechanism>PLAIN</mechanism>") != 2 || strings.Contains(shown, "SCRAM") {
				t.Errorf("the client is offered %s", shown)
			}
			b.take(Server)
			p := &peers{bench: b, ns: ns}
			auth := func(password string) {
				text := encode("\x00juliet\x00" + password)
				if ns == nsSASL2 {
					b.data(record.CS, "<authenticate xmlns='"+ns+"' mechanism='PLAIN'><initial-response>"+text+"</initial-response>"+inline+"</authenticate>")
				} else {
					b.data(record.CS, "<auth xmlns='"+ns+"' mechanism='PLAIN'>"+text+"</auth>")
				}
			}
			auth("wrong")
			if a, c := b.take(Server), b.take(Client); a != "" || c != failureOf(ns, "not-authorized") {
				t.Fatalf("%s %s", a, c)
			}
			auth("r0m30")
			got := b.take(Server)
			if !strings.Contains(got, "mechanism='SCRAM-SHA-256-PLUS'") || strings.Contains(got, encode("\x00juliet\x00r0m30")) || ns == nsSASL2 && !strings.HasSuffix(got, inline+"</authenticate>") {
				t.Fatal(got)
			}
			var err error
			if p.server, err = answer(scram.SHA256, keysOf(t, "SCRAM-SHA-256", "juliet", "r0m30"), saslOf(t, got), "", exporter("back")); err != nil {
				t.Fatal(err)
			}
			b.data(record.SC, "<challenge xmlns='"+ns+"'>"+encode(p.server.challenge)+"</challenge>")
			end, err := p.server.check(saslOf(t, b.take(Server)))
			if err != nil {
				t.Fatal(err)
			}
			want := "<success xmlns='" + ns + "'></success>"
			if ns == nsSASL2 {
				b.data(record.SC, "<success xmlns='"+ns+"'><additional-data>"+encode(end)+"</additional-data></success>")
			} else {
				b.data(record.SC, "<success xmlns='"+ns+"'>"+encode(end)+"</success>")
			}
			if got := b.take(Client); got != want {
				t.Errorf("the client is told %s", got)
			}
			b.w.compare(t)
		})
	}
}

// What a client says first is judged as a server has to.
func TestReauthRefusesFirst(t *testing.T) {
	for _, c := range []struct{ mechanism, message, want string }{
		{"SCRAM-SHA-1", "p=tls-exporter,,n=juliet,r=abc", "does not go with SCRAM-SHA-1"},
		{"SCRAM-SHA-1-PLUS", "n,,n=juliet,r=abc", "does not go with SCRAM-SHA-1-PLUS"},
		{"SCRAM-SHA-1-PLUS", "p=tls-unique,,n=juliet,r=abc", "the client binds with tls-unique, which its TLS connection does not have here"},
	} {
		b := secured2(t, frontLeg, backLeg, juliet, list([]string{"tls-exporter"}, "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"))
		b.take(Client)
		b.take(Server)
		b.data(record.CS, "<authenticate xmlns='"+nsSASL2+"' mechanism='"+c.mechanism+"'><initial-response>"+encode(c.message)+"</initial-response></authenticate>")
		if a, f := b.take(Server), b.take(Client); a != "" || !strings.HasPrefix(f, "<failure xmlns='"+nsSASL2+"'>") || !strings.Contains(b.notes(), c.want) {
			t.Errorf("%s: %s %s %s", c.message, a, f, b.notes())
		}
		b.w.compare(t)
	}
}

// A client that says it saw no channel binding where it was offered is let in,
// and told on.
func TestReauthDowngrade(t *testing.T) {
	b := secured2(t, frontLeg, backLeg, juliet, list([]string{"tls-exporter"}, "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"))
	b.take(Server)
	b.data(record.CS, "<auth xmlns='"+nsSASL+"' mechanism='SCRAM-SHA-1'>"+encode("y,,n=juliet,r=abc")+"</auth>")
	if got := b.take(Server); !strings.Contains(got, "SCRAM-SHA-1-PLUS") || !strings.Contains(b.notes(), "warning: the client says that it was offered no mechanism with channel binding") {
		t.Errorf("%s %s", got, b.notes())
	}
	b.w.compare(t)
}

// The authorisation identity of the client is the server's to judge.
func TestReauthAuthzid(t *testing.T) {
	b := secured2(t, frontLeg, backLeg, juliet, list(nil, "SCRAM-SHA-1"))
	b.take(Server)
	b.data(record.CS, "<auth xmlns='"+nsSASL+"' mechanism='SCRAM-SHA-1'>"+encode("n,a=juliet@capulet.example,n=juliet,r=abc")+"</auth>")
	if got := saslOf(t, b.take(Server)); !strings.HasPrefix(got, "n,a=juliet@capulet.example,n=juliet,r=") {
		t.Error(got)
	}
}

// Who cannot be known is treated as without --account, and SASL2 clients say who
// they are.
func TestReauthFrom(t *testing.T) {
	offer := list([]string{"tls-exporter"}, "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS")
	for from, keeps := range map[string]bool{"": true, "Juliet@capulet.example/x": true, "nurse@capulet.example": false} {
		b := &bench{t: t, s: New(Config{Conn: 1, Domain: "upstream.test", Accounts: juliet}), w: newWire()}
		b.secure(frontLeg, backLeg, offer, strings.Replace(streamCS, " to=", " from='"+from+"' to=", 1))
		if shown := b.take(Client); strings.Contains(shown, "PLUS") != keeps || strings.Contains(shown, "tls-exporter") != keeps {
			t.Errorf("%q is offered %s", from, shown)
		}
		b.w.compare(t)
	}
}

// The client's channel may have no type in common with the server's.
func TestReauthOtherBindings(t *testing.T) {
	b := secured2(t, map[string][]byte{"tls-unique": []byte("u"), endPoint: []byte("c")}, backLeg, juliet, list([]string{"tls-exporter"}, "SCRAM-SHA-1-PLUS"))
	if shown := b.take(Client); !strings.Contains(shown, "<sasl-channel-binding xmlns='"+nsBinding+"'><channel-binding type='tls-unique'/><channel-binding type='"+endPoint+"'/></sasl-channel-binding>") {
		t.Error(shown)
	}
	b.w.compare(t)
}

// Tokens: only those that are bound to nothing are offered.
func TestFAST(t *testing.T) {
	for offered, want := range map[string]string{
		"<mechanism>HT-SHA-256-NONE</mechanism><mechanism>HT-SHA-256-EXPR</mechanism>": "<inline><fast xmlns='" + nsFAST + "'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline>",
		"<mechanism>HT-SHA-256-ENDP</mechanism>":                                       "<inline></inline>",
	} {
		b := secured2(t, frontLeg, backLeg, nil, "<authentication xmlns='"+nsSASL2+"'><mechanism>PLAIN</mechanism><inline><fast xmlns='"+nsFAST+"'>"+offered+"</fast></inline></authentication>")
		if shown := b.take(Client); !strings.Contains(shown, want) {
			t.Error(shown)
		}
		b.data(record.CS, "<authenticate xmlns='"+nsSASL2+"' mechanism='PLAIN'><initial-response>"+encode("\x00a\x00b")+"</initial-response><request-token xmlns='"+nsFAST+"' mechanism='HT-SHA-256-EXPR'/></authenticate>")
		b.data(record.CS, "<authenticate xmlns='"+nsSASL2+"' mechanism='HT-SHA-256-ENDP'><initial-response>"+encode("juliet\x00b")+"</initial-response><fast xmlns='"+nsFAST+"'/></authenticate>")
		n := b.notes()
		for _, want := range []string{"asks for a token for HT-SHA-256-EXPR", "uses a token with HT-SHA-256-ENDP", "throw the token away"} {
			if !strings.Contains(n, want) {
				t.Errorf("nobody says %q:\n%s", want, n)
			}
		}
		b.w.compare(t)
	}
}

// A server with nothing but -PLUS: the sentence names the binding and the ways.
func TestOnlyPlus(t *testing.T) {
	b := secured2(t, frontLeg, backLeg, nil, list([]string{"tls-exporter"}, "SCRAM-SHA-256-PLUS"))
	if shown := b.take(Client); strings.Contains(shown, "<authentication") || !strings.Contains(shown, "<mechanisms xmlns='"+nsSASL+"'></mechanisms>") {
		t.Error(shown)
	}
	n := b.notes()
	for _, want := range []string{"the server has SCRAM-SHA-256-PLUS, HT-SHA-256-EXPR only", "with tls-exporter", "--account=JID --password-file=FILE", "--tap --keylog=FILE"} {
		if !strings.Contains(n, want) {
			t.Errorf("nobody says %q:\n%s", want, n)
		}
	}
	if strings.Contains(n, "--cert") {
		t.Errorf("--cert does not help with tls-exporter:\n%s", n)
	}
	b.w.compare(t)
}

// What a client bound to is named, whether the proxy logs in or not.
func TestBindingIsNamed(t *testing.T) {
	for _, c := range []struct {
		kind, data, want string
		accounts         map[string]string
	}{
		{"tls-exporter", "front", "the client bound to its TLS channel with the proxy (tls-exporter 66726f6e74); the server expects its own channel with the proxy (6261636b)", nil},
		{endPoint, "front cert", "the client bound to the certificate that it saw, which is the proxy's", nil},
		{"tls-exporter", "third", "the client bound to something else than its TLS channel on either leg: tls-exporter 7468697264", nil},
		{"tls-exporter", "third", "the client bound to something else than its TLS channel on either leg", juliet},
	} {
		p := &peers{bench: secured2(t, frontLeg, backLeg, c.accounts, list([]string{"tls-exporter", endPoint}, "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1")), ns: nsSASL2}
		p.take(Client)
		p.take(Server)
		got := p.begin("SCRAM-SHA-1-PLUS", "", scram.ChannelBinding{Type: scram.ChannelBindingType(c.kind), Data: []byte(c.data)})
		server, err := answer(scram.SHA1, keysOf(t, "SCRAM-SHA-1", "juliet", "r0m30"), saslOf(t, got), "", scram.ChannelBinding{Type: scram.ChannelBindingType(c.kind), Data: []byte("back")})
		if err != nil {
			t.Fatal(err)
		}
		p.data(record.SC, "<challenge xmlns='"+nsSASL2+"'>"+encode(server.challenge)+"</challenge>")
		proof, err := p.client.Step(saslOf(t, p.take(Client)))
		if err != nil {
			t.Fatal(err)
		}
		p.data(record.CS, "<response xmlns='"+nsSASL2+"'>"+encode(proof)+"</response>")
		if c.accounts == nil {
			p.data(record.SC, failureOf(nsSASL2, "not-authorized"))
		}
		if n := p.notes(); !strings.Contains(n, c.want) {
			t.Errorf("nobody says %q:\n%s", c.want, n)
		}
		p.w.compare(t)
	}
}

// A server that asks for more work than anybody would do.
func TestReauthIterations(t *testing.T) {
	b := secured2(t, frontLeg, backLeg, juliet, list(nil, "SCRAM-SHA-1"))
	b.take(Client)
	b.take(Server)
	b.data(record.CS, "<auth xmlns='"+nsSASL+"' mechanism='SCRAM-SHA-1'>"+encode("n,,n=juliet,r=abc")+"</auth>")
	first := saslOf(t, b.take(Server))
	b.data(record.SC, element("challenge", first[strings.Index(first, "r="):]+"x,s="+encode("salt")+",i=2000000000"))
	if !strings.Contains(b.notes(), "2000000000 iterations") || !strings.Contains(b.take(Server), "<abort") {
		t.Error(b.notes())
	}
	b.w.compare(t)
}

// The example of XEP-0474 §3.3: a challenge with the hash of the offer, and a
// client with an attribute of its own.
func TestExtendedVector(t *testing.T) {
	const challenge = "r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08="
	const final = "c=cD10bHMtZXhwb3J0ZXIsLFRISVMgSVMgRkFLRSBDQiBEQVRB,r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,x=19C6532F-1CF4-4A27-A18D-DC9CEA41BBB3,p=M/SIDjT+dfcxUh89jZEypRvFxB4="
	key, err := factors(challenge)
	if err != nil {
		t.Fatal(err)
	}
	c, err := scram.SHA1.NewClient("user", "pencil", "")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := c.GetStoredCredentialsWithError(key)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := readFirst("p=tls-exporter,,n=user,r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6")
	a := &answerer{hash: scram.SHA1, keys: keys, first: first, challenge: challenge, bound: []byte("THIS IS FAKE CB DATA"), extended: true}
	if v, err := a.check(final); err != nil || v != "v=MQrMPvv7yv4x4Cq4W4Ih25EqS2c=" {
		t.Errorf("%s, %v", v, err)
	}
	for name, wrong := range map[string]string{
		"proof":   strings.Replace(final, "p=M/", "p=N/", 1),
		"binding": strings.Replace(final, "VEE=", "VEI=", 1),
		"nonce":   strings.Replace(final, "r=12", "r=13", 1),
		"changed": strings.Replace(final, "x=19", "x=20", 1),
		"none":    "c=,r=,p=",
	} {
		if wrong != final {
			if _, err := a.check(wrong); err == nil {
				t.Errorf("a wrong %s is accepted", name)
			}
		}
	}
}
