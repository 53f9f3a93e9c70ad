package session

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/xmpplens/xmpplens/record"
)

const (
	streamCS = "<stream:stream to='capulet.example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	streamSC = "<stream:stream id='1' from='capulet.example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
)

// bench is a session between two ends that speak SCRAM.
type bench struct {
	t    *testing.T
	s    *Session
	w    *wire
	seen [2]int // by leg, of w.sent
}

func (b *bench) handle(in Input) { b.w.carryOut(b.t, b.s.Handle(in)) }

func (b *bench) data(d record.Dir, text string) {
	b.handle(Input{On: Data, Dir: d, Bytes: []byte(text)})
}

// take returns what reached a leg since the last call.
func (b *bench) take(l Leg) string {
	out := string(b.w.sent[l][b.seen[l]:])
	b.seen[l] = len(b.w.sent[l])
	return out
}

// secured begins a session whose legs are secured with the given bindings.
func secured2(t *testing.T, client, server map[string][]byte, accounts map[string]string, offer string) *bench {
	b := &bench{t: t, s: New(Config{Conn: 1, Domain: "upstream.test", Accounts: accounts}), w: newWire()}
	b.secure(client, server, offer, streamCS)
	return b
}

// secure brings a session to where the server offers a login; again is the
// client's stream header on the secured leg.
func (b *bench) secure(client, server map[string][]byte, offer, again string) {
	b.handle(Input{On: Accepted, Client: "c"})
	b.handle(Input{On: Dialed, Server: "s"})
	b.data(record.CS, streamCS)
	b.data(record.SC, streamSC+"<stream:features><starttls xmlns='"+nsTLS+"'/></stream:features>")
	b.data(record.CS, "<starttls xmlns='"+nsTLS+"'/>")
	b.data(record.SC, "<proceed xmlns='"+nsTLS+"'/>")
	b.handle(Input{On: Secured, Leg: Server, TLS: TLS{Version: "TLS 1.3", Verified: true, Bindings: server}})
	b.data(record.CS, "\x16\x03")
	b.handle(Input{On: Hello, Name: "capulet.example"})
	b.handle(Input{On: Secured, Leg: Client, TLS: TLS{Version: "TLS 1.3", Bindings: client}})
	b.data(record.CS, again)
	b.take(Client)
	b.data(record.SC, streamSC+"<stream:features>"+offer+"</stream:features>")
}

var content = regexp.MustCompile(`^<(\w+) [^>]*?(?:mechanism='([^']*)')?>([^<]*)</`)

// said takes a SASL element apart.
func said(t *testing.T, text string) (name, mechanism, message string) {
	t.Helper()
	m := content.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%q is no SASL message", text)
	}
	raw, err := base64.StdEncoding.DecodeString(m[3])
	if err != nil {
		t.Fatal(err)
	}
	return m[1], m[2], string(raw)
}

func element(name, message string) string {
	return "<" + name + " xmlns='" + nsSASL + "'>" + encode(message) + "</" + name + ">"
}

func TestReauth(t *testing.T) {
	front, back := map[string][]byte{"tls-exporter": []byte("front"), "tls-server-end-point": []byte("front cert")}, map[string][]byte{"tls-exporter": []byte("back"), "tls-server-end-point": []byte("back cert")}
	offerOf := func(names ...string) string {
		return "<mechanisms xmlns='" + nsSASL + "'><mechanism>" + strings.Join(names, "</mechanism><mechanism>") + "</mechanism></mechanisms><sasl-channel-binding xmlns='" + nsBinding + "'><channel-binding type='tls-exporter'/></sasl-channel-binding>"
	}
	accounts := map[string]string{"juliet@capulet.example": "r0m30"}
	for _, c := range []struct {
		hash                          scram.HashGeneratorFcn
		mechanism, upstream, password string
		offer                         []string
		fails                         bool
	}{
		{scram.SHA1, "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1-PLUS", "r0m30", []string{"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"}, false},
		{scram.SHA256, "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS", "r0m30", []string{"SCRAM-SHA-256-PLUS"}, false},
		{scram.SHA512, "SCRAM-SHA-512", "SCRAM-SHA-512", "r0m30", []string{"SCRAM-SHA-512"}, false},
		{scram.SHA1, "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "r0m30", []string{"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"}, false},
		{scram.SHA1, "SCRAM-SHA-1", "SCRAM-SHA-1", "wrong", []string{"SCRAM-SHA-1"}, true},
	} {
		t.Run(c.mechanism+" "+c.password, func(t *testing.T) {
			b := secured2(t, front, back, accounts, offerOf(c.offer...))
			if offered := b.take(Client); strings.Count(offered, "<mechanism>") != len(c.offer) {
				t.Fatalf("the client is offered %s", offered)
			}
			b.take(Server)

			// The client's end.
			client, err := c.hash.NewClient("juliet", c.password, "")
			if err != nil {
				t.Fatal(err)
			}
			cc := client.NewConversation()
			if strings.HasSuffix(c.mechanism, "-PLUS") {
				cc = client.NewConversationWithChannelBinding(scram.ChannelBinding{Type: "tls-exporter", Data: front["tls-exporter"]})
			}
			// The server's end.
			stored, err := c.hash.NewClient("juliet", "r0m30", "")
			if err != nil {
				t.Fatal(err)
			}
			server, err := c.hash.NewServer(func(string) (scram.StoredCredentials, error) {
				return stored.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt of the server", Iters: 4096})
			})
			if err != nil {
				t.Fatal(err)
			}
			sc := server.NewConversation()
			if strings.HasSuffix(c.upstream, "-PLUS") {
				sc = server.NewConversationWithChannelBindingRequired(scram.ChannelBinding{Type: "tls-exporter", Data: back["tls-exporter"]})
			}

			first, _ := cc.Step("")
			b.data(record.CS, fmt.Sprintf("<auth xmlns='%s' mechanism='%s'>%s</auth>", nsSASL, c.mechanism, encode(first)))
			_, mechanism, message := said(t, b.take(Server))
			if mechanism != c.upstream {
				t.Fatalf("with the server: %s, want %s", mechanism, c.upstream)
			}
			challenge, err := sc.Step(message)
			if err != nil {
				t.Fatal(err)
			}
			b.data(record.SC, element("challenge", challenge))
			_, _, message = said(t, b.take(Client))
			if !strings.Contains(message, ",i=4096") || !strings.Contains(message, "s="+encode("salt of the server")) {
				t.Errorf("the client is challenged with %s", message)
			}
			proof, err := cc.Step(message)
			if err != nil {
				t.Fatal(err)
			}
			b.data(record.CS, element("response", proof))
			if c.fails {
				if got := b.take(Server); got != "<abort xmlns='"+nsSASL+"'/>" {
					t.Errorf("the server is told %s", got)
				}
				if got := b.take(Client); !strings.Contains(got, "<not-authorized/>") {
					t.Errorf("the client is told %s", got)
				}
				b.data(record.SC, "<failure xmlns='"+nsSASL+"'><aborted/></failure>")
				if got := b.take(Client); got != "" {
					t.Errorf("the client hears of the abort: %s", got)
				}
				b.w.compare(t)
				return
			}
			_, _, message = said(t, b.take(Server))
			verifier, err := sc.Step(message)
			if err != nil || !sc.Valid() {
				t.Fatalf("the server does not accept: %v", err)
			}
			b.data(record.SC, element("success", verifier))
			_, _, message = said(t, b.take(Client))
			if _, err := cc.Step(message); err != nil || !cc.Valid() {
				t.Fatalf("the client does not accept: %v", err)
			}
			b.data(record.CS, streamCS)
			b.data(record.SC, streamSC+"<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>")
			if b.s.Armed() {
				t.Error("still armed after the login")
			}
			b.w.compare(t)
		})
	}
}

// A login of another account, or without SCRAM, passes as it is.
func TestReauthOthers(t *testing.T) {
	some := map[string][]byte{"tls-exporter": []byte("x")}
	for _, auth := range []string{
		"<auth xmlns='" + nsSASL + "' mechanism='SCRAM-SHA-1'>" + encode("n,,n=nurse,r=abc") + "</auth>",
		"<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>" + encode("\x00juliet\x00x") + "</auth>",
		"<auth xmlns='" + nsSASL + "' mechanism='SCRAM-SHA-1'>=</auth>",
		"<auth xmlns='" + nsSASL + "' mechanism='EXTERNAL'/>",
	} {
		b := secured2(t, some, some, map[string]string{"juliet@capulet.example": "x"}, "<mechanisms xmlns='"+nsSASL+"'><mechanism>PLAIN</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms>")
		b.take(Server)
		b.data(record.CS, auth)
		if got := b.take(Server); got != auth {
			t.Errorf("%s was sent as %s", auth, got)
		}
		b.w.compare(t)
	}
}

// A server that cannot prove that it knows the password is not believed.
func TestReauthFalseServer(t *testing.T) {
	some := map[string][]byte{"tls-exporter": []byte("x")}
	b := secured2(t, some, some, map[string]string{"juliet@capulet.example": "r0m30"}, "<mechanisms xmlns='"+nsSASL+"'><mechanism>SCRAM-SHA-1</mechanism></mechanisms>")
	b.take(Server)
	client, _ := scram.SHA1.NewClient("juliet", "r0m30", "")
	cc := client.NewConversation()
	first, _ := cc.Step("")
	b.data(record.CS, "<auth xmlns='"+nsSASL+"' mechanism='SCRAM-SHA-1'>"+encode(first)+"</auth>")
	_, _, message := said(t, b.take(Server))
	nonce := message[strings.Index(message, "r=")+2:]
	b.take(Client)
	b.data(record.SC, element("challenge", "r="+nonce+"xyz,s="+encode("salt")+",i=4096"))
	_, _, message = said(t, b.take(Client))
	proof, err := cc.Step(message)
	if err != nil {
		t.Fatal(err)
	}
	b.data(record.CS, element("response", proof))
	b.data(record.SC, element("success", "v="+encode("made up, twenty bytes")))
	if got := b.take(Client); !strings.Contains(got, "<not-authorized/>") {
		t.Errorf("the client is told %s", got)
	}
	b.w.compare(t)
}

// The examples of RFC 5802 §5 and RFC 7677 §3.
func TestScramVectors(t *testing.T) {
	for _, c := range []struct{ mechanism, nonce, serverNonce, salt, proof, signature string }{
		{"SCRAM-SHA-1", "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92", "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ="},
		{"SCRAM-SHA-256", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "W22ZaJ0SNY7soEsUEjb6gQ==", "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
	} {
		client, err := hashOf(c.mechanism).NewClient("user", "pencil", "")
		if err != nil {
			t.Fatal(err)
		}
		conv := client.WithNonceGenerator(func() string { return c.nonce }).NewConversation()
		if first, err := conv.Step(""); err != nil || first != "n,,n=user,r="+c.nonce {
			t.Errorf("%s: %s, %v", c.mechanism, first, err)
		}
		final, err := conv.Step("r=" + c.nonce + c.serverNonce + ",s=" + c.salt + ",i=4096")
		if err != nil || !strings.HasSuffix(final, ",p="+c.proof) {
			t.Errorf("%s: %s, %v", c.mechanism, final, err)
		}
		if _, err := conv.Step("v=" + c.signature); err != nil || !conv.Valid() {
			t.Errorf("%s: the signature is not accepted: %v", c.mechanism, err)
		}
	}
}
