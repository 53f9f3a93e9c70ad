package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// The tests in this file log in in ways that no server of a distribution offers,
// through the program, with the server and the client of proxytest.

const capulet = "capulet.example"

// bindingServer offers what a test says to juliet, whose password is r0m30.
func bindingServer(t *testing.T, o proxytest.Offer) (*proxytest.CA, *proxytest.Server) {
	t.Helper()
	ca := proxytest.NewCA(t)
	o.Domain, o.Users = capulet, map[string]string{"juliet": "r0m30", "nurse": "anon"}
	return ca, proxytest.StartServer(t, ca, o)
}

// secret is a file with a password in it.
func secret(t *testing.T, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// way is how juliet logs in at the proxy.
func (p *program) way(w proxytest.Way) proxytest.Way {
	w.Addr, w.Roots = p.addr, proxytest.Pool(p.t, p.ca)
	if w.JID == "" {
		w.JID, w.Password = "juliet@"+capulet+"/balcony", "r0m30"
	}
	return w
}

// talks logs in, asks for a sign of life and logs out.
func talks(t *testing.T, w proxytest.Way) *proxytest.Client {
	t.Helper()
	c, err := proxytest.Connect(w)
	if err != nil {
		t.Fatalf("%s %s: %v", w.Mechanism, w.Binding, err)
	}
	if err := c.Ping(); err != nil {
		t.Errorf("%s %s: %v", w.Mechanism, w.Binding, err)
	}
	c.Close()
	return c
}

// A server with nothing but SCRAM-SHA-256-PLUS over tls-exporter, and a client
// that insists on it: interception says why it cannot work, re-authentication
// does it.
func TestOnlyExporter(t *testing.T) {
	insists := proxytest.Way{Mechanism: "SCRAM-SHA-256-PLUS", Binding: "tls-exporter", Offered: true}
	for _, sasl2 := range []bool{false, true} {
		insists.SASL2, insists.Bind2, insists.WantHash = sasl2, sasl2, true
		ca, server := bindingServer(t, proxytest.Offer{Mechanisms: []string{"SCRAM-SHA-256-PLUS"}, Bindings: []string{"tls-exporter"}, SASL2: true, Hash: true})
		p := startProxy(t, "--server-ca", ca.File, server.Addr)
		if _, err := proxytest.Connect(p.way(insists)); err == nil {
			t.Error("logged in through plain interception")
		}
		p.wait("no mechanism is left to offer to the client: the server has SCRAM-SHA-256-PLUS only, which bind the login to the TLS channel with tls-exporter, and client and server have different channels here", p.out.String)
		p.wait("--account=JID --password-file=FILE", p.out.String)
		p.stop()
		// A client that does not look at the offer, but at the offer's hash,
		// and one that looks at neither.
		p = startProxy(t, "--server-ca", ca.File, server.Addr)
		stubborn := insists
		stubborn.Offered, stubborn.SASL2 = false, false
		if _, err := proxytest.Connect(p.way(stubborn)); err == nil || !strings.Contains(err.Error(), "the offer was changed on its way") {
			t.Errorf("the client did not notice that the offer was changed: %v", err)
		}
		p.stop()
		if found := p.check("error"); !slices.ContainsFunc(found, func(f located) bool { return f.Code == "offer-changed" }) {
			t.Errorf("nobody says why: %+v", found)
		}
		ca2, forgetful := bindingServer(t, proxytest.Offer{Mechanisms: []string{"SCRAM-SHA-256-PLUS"}, Bindings: []string{"tls-exporter"}})
		p = startProxy(t, "--server-ca", ca2.File, forgetful.Addr)
		stubborn.WantHash = false
		if _, err := proxytest.Connect(p.way(stubborn)); err == nil {
			t.Error("logged in although it bound to another channel")
		}
		p.wait("the login failed because of the proxy: the client bound to its TLS channel with the proxy (tls-exporter ", p.out.String)
		p.stop()

		p = startProxy(t, "--account=juliet@"+capulet, "--password-file", secret(t, "r0m30"), "--server-ca", ca.File, server.Addr)
		talks(t, p.way(insists))
		late := insists
		late.Late = true
		talks(t, p.way(late))
		p.stop()
		logins := server.Logins()
		if l := logins[len(logins)-1]; l.Mechanism != "SCRAM-SHA-256-PLUS" || l.Binding != "tls-exporter" || l.Failure != "" || l.SASL2 != sasl2 {
			t.Errorf("the server saw %+v", l)
		}
		if found := p.check("warning"); found != nil {
			t.Errorf("%+v", found)
		}
		b, err := os.ReadFile(p.file)
		if err != nil || bytes.Contains(b, []byte("r0m30")) || strings.Contains(p.err.String(), "r0m30") {
			t.Errorf("the password is in the recording, or was said; %v", err)
		}
	}
}

// The same with a client that is not ours, which knows one mechanism only.
func TestOnlyExporterMellium(t *testing.T) {
	t.Parallel()
	ca, server := bindingServer(t, proxytest.Offer{Mechanisms: []string{"SCRAM-SHA-256-PLUS"}, Bindings: []string{"tls-exporter"}, Hash: true})
	connect := func(p *program) error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		me := jid.MustParse("juliet@" + capulet + "/balcony")
		config := &tls.Config{RootCAs: proxytest.Pool(t, p.ca), ServerName: capulet}
		s, err := xmpp.NewSession(ctx, me.Domain(), me, dialed(t, p.addr), 0, xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: []xmpp.StreamFeature{xmpp.StartTLS(config), xmpp.SASL("", "r0m30", sasl.ScramSha256Plus), xmpp.BindResource()}}
		}))
		if err != nil {
			return err
		}
		go s.Serve(nil) // ends with the session
		return s.Close()
	}
	p := startProxy(t, "--server-ca", ca.File, server.Addr)
	if err := connect(p); err == nil {
		t.Error("logged in through plain interception")
	}
	p.wait("the server has SCRAM-SHA-256-PLUS only, which bind the login to the TLS channel with tls-exporter", p.out.String)
	p.stop()
	p = startProxy(t, "--account=juliet@"+capulet, "--password-file", secret(t, "r0m30"), "--server-ca", ca.File, server.Addr)
	if err := connect(p); err != nil {
		t.Error(err)
	}
	p.stop()
	if l := server.Logins(); len(l) != 1 || l[0].Binding != "tls-exporter" || l[0].Failure != "" {
		t.Errorf("%+v", l)
	}
}

// Everything that the two legs may have in common, or not.
func TestAccountLegs(t *testing.T) {
	all := []string{"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS"}
	ca, server := bindingServer(t, proxytest.Offer{Mechanisms: all, Bindings: []string{"tls-server-end-point", "tls-exporter", "tls-unique"}, SASL2: true, Hash: true, FAST: []string{"HT-SHA-256-NONE", "HT-SHA-256-EXPR"}})
	password := secret(t, "r0m30")
	for _, versions := range [][2]string{{"1.2", "1.2"}, {"1.2", "1.3"}, {"1.3", "1.2"}, {"1.3", "1.3"}} {
		p := startProxy(t, "--client-tls-max="+versions[0], "--server-tls-max="+versions[1], "--account=juliet@"+capulet, "--password-file", password, "--server-ca", ca.File, server.Addr)
		bindings := []string{"tls-server-end-point", "tls-exporter"}
		if slices.Contains(versions[:], "1.2") { // the server's version is the client's limit
			bindings = []string{"tls-server-end-point", "tls-unique"}
		}
		for _, mechanism := range all {
			ways := []string{""}
			if strings.HasSuffix(mechanism, "-PLUS") {
				ways = bindings
			}
			for i, binding := range ways {
				sasl2 := i == 0
				talks(t, p.way(proxytest.Way{Mechanism: mechanism, Binding: binding, Offered: true, WantHash: true, SASL2: sasl2, Bind2: sasl2, SM: sasl2}))
				l := server.Logins()
				if l := l[len(l)-1]; l.Failure != "" || !strings.HasSuffix(l.Mechanism, "-PLUS") || l.Binding == "" {
					t.Errorf("TLS %v, %s %s: the server saw %+v", versions, mechanism, binding, l)
				}
			}
		}
		p.stop()
		if found := p.check("warning"); found != nil {
			t.Errorf("TLS %v: %+v", versions, found)
		}
	}
}

// Tokens that are bound to nothing work through the proxy, and so does a stream
// that is resumed within the login.
func TestTokenAndResumption(t *testing.T) {
	ca, server := bindingServer(t, proxytest.Offer{Mechanisms: []string{"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"}, Bindings: []string{"tls-exporter"}, SASL2: true, NoSASL1: true, FAST: []string{"HT-SHA-256-NONE", "HT-SHA-256-EXPR"}})
	p := startProxy(t, "--account=juliet@"+capulet, "--password-file", secret(t, "r0m30"), "--server-ca", ca.File, server.Addr)
	w := p.way(proxytest.Way{Mechanism: "SCRAM-SHA-1-PLUS", Binding: "tls-exporter", Offered: true, SASL2: true, Bind2: true, SM: true, RequestToken: "HT-SHA-256-NONE"})
	first, err := proxytest.Connect(w)
	if err != nil {
		t.Fatal(err)
	}
	first.Cut()
	w.Mechanism, w.Binding, w.Token, w.RequestToken, w.Resume = "HT-SHA-256-NONE", "", first.Token, "", first.SM
	again := talks(t, w)
	if !again.Resumed {
		t.Error("not resumed")
	}
	w.Mechanism, w.Binding = "HT-SHA-256-EXPR", "tls-exporter"
	if _, err := proxytest.Connect(w); err == nil || !strings.Contains(err.Error(), "not offered") {
		t.Errorf("a token that is bound to the channel: %v", err)
	}
	p.stop()
	s := p.show()
	if strings.Contains(s, first.Token) || !strings.Contains(s, "HT-SHA-256-EXPR removed") {
		t.Error(s)
	}
	if found := p.check("error"); found != nil {
		t.Errorf("%+v", found)
	}
}

// A client that knows PLAIN only, at a server that does not have it.
func TestPlainBecomesScram(t *testing.T) {
	ca, server := bindingServer(t, proxytest.Offer{Mechanisms: []string{"SCRAM-SHA-512-PLUS"}, Bindings: []string{"tls-exporter"}, SASL2: true})
	p := startProxy(t, "--mechanisms=PLAIN", "--account=juliet@"+capulet, "--password-file", secret(t, "r0m30"), "--server-ca", ca.File, server.Addr)
	talks(t, p.way(proxytest.Way{Mechanism: "PLAIN", Offered: true}))
	talks(t, p.way(proxytest.Way{Mechanism: "PLAIN", Offered: true, SASL2: true, Bind2: true}))
	_, err := proxytest.Connect(p.way(proxytest.Way{Mechanism: "PLAIN", JID: "juliet@" + capulet, Password: "montague"}))
	if err == nil || !strings.Contains(err.Error(), "not-authorized") {
		t.Errorf("a wrong password: %v", err)
	}
	p.stop()
	l := server.Logins()
	if len(l) != 2 || l[0].Mechanism != "SCRAM-SHA-512-PLUS" || l[0].Failure != "" || l[1].Failure != "" || !l[1].SASL2 {
		t.Errorf("%+v", l)
	}
	if s := p.show(); !strings.Contains(s, "PLAIN added") || strings.Contains(s, "r0m30") || strings.Contains(s, "montague") {
		t.Error(s)
	}
}

// Whose password is not known, and whose known password is not the server's.
func TestAccountFailures(t *testing.T) {
	ca, server := bindingServer(t, proxytest.Offer{Mechanisms: []string{"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"}, Bindings: []string{"tls-exporter"}, SASL2: true})
	p := startProxy(t, "--account=juliet@"+capulet, "--account=nurse@"+capulet, "--password-file", secret(t, "r0m30"), "--password-file", secret(t, "old"), "--server-ca", ca.File, server.Addr)
	for _, sasl2 := range []bool{false, true} {
		// Client and file agree, the server does not.
		_, err := proxytest.Connect(p.way(proxytest.Way{Mechanism: "SCRAM-SHA-1-PLUS", Binding: "tls-exporter", JID: "nurse@" + capulet, Password: "old", SASL2: sasl2}))
		if err == nil || !strings.Contains(err.Error(), "not-authorized: challenge proof invalid") {
			t.Errorf("%v", err)
		}
		_, err = proxytest.Connect(p.way(proxytest.Way{Mechanism: "SCRAM-SHA-1", JID: "nurse@" + capulet, Password: "anon", SASL2: sasl2}))
		if err == nil || !strings.Contains(err.Error(), "not-authorized") {
			t.Errorf("%v", err)
		}
		_, err = proxytest.Connect(p.way(proxytest.Way{Mechanism: "SCRAM-SHA-1-PLUS", Binding: "tls-exporter", JID: "tybalt@" + capulet, Password: "x", SASL2: sasl2}))
		if err == nil {
			t.Error("tybalt logged in")
		}
	}
	p.stop()
	s := p.show()
	for _, want := range []string{
		"the server refused the proxy's own login as nurse with SCRAM-SHA-1-PLUS, bound to the proxy's channel with the server with tls-exporter: not-authorized",
		"client and --password-file agree on the password",
		"the client's proof is wrong: it does not have the password of --password-file",
		"tybalt@capulet.example is not among the accounts whose password is known: its login with SCRAM-SHA-1-PLUS cannot work through the proxy",
	} {
		if !strings.Contains(s, want) {
			t.Errorf("nobody says %q:\n%s", want, s)
		}
	}
}

// The server's own certificate on the client leg: what is bound to it alone
// works, and nothing else is offered.
func TestOwnCertificate(t *testing.T) {
	ca, server := bindingServer(t, proxytest.Offer{Mechanisms: []string{"SCRAM-SHA-256-PLUS"}, Bindings: []string{"tls-exporter", "tls-server-end-point"}, SASL2: true, FAST: []string{"HT-SHA-256-ENDP", "HT-SHA-256-EXPR"}})
	cert, key := pemFiles(t, server.Cert)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		p := startProxy(t, "--cert", cert, "--key", key, "--server-ca", ca.File, server.Addr)
		for _, sasl2 := range []bool{false, true} {
			w := p.way(proxytest.Way{Mechanism: "SCRAM-SHA-256-PLUS", Binding: "tls-server-end-point", Offered: true, SASL2: sasl2, Bind2: sasl2, MaxTLS: version})
			w.Roots = ca.Pool()
			if sasl2 {
				w.RequestToken = "HT-SHA-256-ENDP"
			}
			c := talks(t, w)
			if slices.Contains(c.Bindings, "tls-exporter") {
				t.Errorf("offered bindings %v", c.Bindings)
			}
			if sasl2 {
				w.Mechanism, w.Token, w.RequestToken = "HT-SHA-256-ENDP", c.Token, ""
				talks(t, w)
			}
			w = p.way(proxytest.Way{Mechanism: "SCRAM-SHA-256-PLUS", Binding: "tls-exporter", MaxTLS: version})
			w.Roots = ca.Pool()
			if _, err := proxytest.Connect(w); err == nil {
				t.Error("logged in with tls-exporter")
			}
		}
		p.stop()
		s := p.show()
		for _, want := range []string{"channel binding with tls-exporter removed: only the certificate is the same on both legs", "only tls-server-end-point is the same with --cert", "HT-SHA-256-EXPR removed"} {
			if !strings.Contains(s, want) {
				t.Errorf("nobody says %q:\n%s", want, s)
			}
		}
	}
	// Another certificate than the server's.
	other := proxytest.NewCA(t)
	leaf, err := other.Leaf(capulet)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = pemFiles(t, *leaf)
	p := startProxy(t, "--cert", cert, "--key", key, "--server-ca", ca.File, server.Addr)
	w := p.way(proxytest.Way{Mechanism: "SCRAM-SHA-256-PLUS", Binding: "tls-server-end-point"})
	w.Roots = other.Pool()
	if _, err := proxytest.Connect(w); err == nil {
		t.Error("logged in")
	}
	p.wait("--cert is not the certificate that the server shows", p.out.String)
	p.wait("the login failed because of the proxy: the client bound to the certificate that it saw, which is the proxy's", p.out.String)
	p.stop()
}

// The proxy's own login over WebSocket.
func TestAccountOverWebSocket(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, host)
	server.Register(t, "juliet", host, "capulet")
	const path = "/xmpp-websocket"
	p := startProxy(t, "--account=juliet@localhost", "--password-file", secret(t, "capulet"), "--server-ca", ca.File, "wss://"+server.HTTPS+path)
	out, err := proxytest.XMPPJS(t, p.ca, "wss://localhost:"+portOf(p.addr)+path, "juliet@localhost", "capulet", "juliet@localhost/balcony", "O Romeo")
	if !strings.Contains(out, "got O Romeo") { // it may stumble over what still comes while it stops
		t.Errorf("%v: %.2000s", err, out)
	}
	p.stop()
	if s, want := p.show(), "the proxy logs in on each leg by itself (--account): SCRAM-SHA-1 with the server"; !strings.Contains(s, want) {
		t.Errorf("no %q in\n%.5000s", want, s)
	}
}

// pemFiles writes a certificate with its key as --cert and --key want them.
func pemFiles(t *testing.T, c tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var chain bytes.Buffer
	for _, b := range c.Certificate {
		pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: b})
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, b := range map[string][]byte{cert: chain.Bytes(), key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
