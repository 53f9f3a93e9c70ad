package proxytest

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
)

// The server and the client of tests against each other, without a proxy.
func TestServer(t *testing.T) {
	ca := NewCA(t)
	o := Offer{Domain: "capulet.example", Users: map[string]string{"juliet": "r0m30"}, SASL2: true, Hash: true,
		Mechanisms: []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "PLAIN"},
		Bindings:   []string{"tls-server-end-point", "tls-exporter", "tls-unique"}, FAST: []string{"HT-SHA-256-NONE", "HT-SHA-256-EXPR"}}
	s := StartServer(t, ca, o)
	for _, c := range []struct {
		way  Way
		want string // part of the error
	}{
		{Way{Mechanism: "PLAIN"}, ""},
		{Way{Mechanism: "SCRAM-SHA-1", WantHash: true}, ""},
		{Way{Mechanism: "SCRAM-SHA-256-PLUS", Binding: "tls-exporter", Offered: true}, ""},
		{Way{Mechanism: "SCRAM-SHA-512-PLUS", Binding: "tls-server-end-point", SASL2: true, Bind2: true}, ""},
		{Way{Mechanism: "SCRAM-SHA-256-PLUS", Binding: "tls-unique", MaxTLS: tls.VersionTLS12}, ""},
		{Way{Mechanism: "SCRAM-SHA-256", SawNone: true}, "server-does-support-channel-binding"},
		{Way{Mechanism: "SCRAM-SHA-1-PLUS", Binding: "tls-exporter", Offered: true}, "not offered"},
		{Way{Mechanism: "SCRAM-SHA-256", Password: "wrong", SASL2: true}, "not-authorized: invalid-proof"},
		{Way{Mechanism: "PLAIN", Password: "wrong"}, "not-authorized"},
	} {
		w := c.way
		w.Addr, w.JID, w.Roots = s.Addr, "juliet@capulet.example/balcony", ca.Pool()
		if w.Password == "" {
			w.Password = "r0m30"
		}
		client, err := Connect(w)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: %v", c.way, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", c.way, err)
			continue
		}
		if err := client.Ping(); err != nil || !strings.HasPrefix(client.JID, "juliet@capulet.example/balcony") {
			t.Errorf("%+v: %s, %v", c.way, client.JID, err)
		}
		client.Close()
	}
	if l := s.Logins(); len(l) != 8 || l[2].Binding != "tls-exporter" || l[2].Version != tls.VersionTLS13 {
		t.Errorf("%+v", l)
	}
}

// Tokens, messages, and a stream that is resumed inline.
func TestServerSASL2(t *testing.T) {
	ca := NewCA(t)
	s := StartServer(t, ca, Offer{Domain: "capulet.example", Users: map[string]string{"juliet": "r0m30"}, SASL2: true, NoSASL1: true, Direct: true,
		Mechanisms: []string{"SCRAM-SHA-1"}, Bindings: []string{"tls-exporter"}, FAST: []string{"HT-SHA-256-EXPR"}})
	w := Way{Addr: s.Addr, JID: "juliet@capulet.example/balcony", Password: "r0m30", Roots: ca.Pool(), Direct: true, Mechanism: "SCRAM-SHA-1", SASL2: true, Bind2: true, SM: true, RequestToken: "HT-SHA-256-EXPR"}
	one, err := Connect(w)
	if err != nil {
		t.Fatal(err)
	}
	w.Mechanism, w.Binding, w.Token, w.RequestToken = "HT-SHA-256-EXPR", "tls-exporter", one.Token, ""
	two, err := Connect(w)
	if err != nil {
		t.Fatal(err)
	}
	two.Send("<message to='" + one.JID + "'><body>what light</body></message>")
	if m, err := one.Next(); err != nil || m.Child("", "body").Text != "what light" {
		t.Fatalf("%+v, %v", m, err)
	}
	one.Cut()
	w.Resume = one.SM
	again, err := Connect(w)
	if err != nil || !again.Resumed {
		t.Fatalf("%+v, %v", again, err)
	}
	if m, err := again.Next(); err != nil || m.Child("", "body").Text != "what light" {
		t.Errorf("%+v, %v", m, err)
	}
	two.Close()
	again.Close()
	w.Token = "made up"
	var refused *LoginError
	if _, err := Connect(w); !errors.As(err, &refused) || refused.Condition != "not-authorized" {
		t.Errorf("%v", err)
	}
}

// The example of XEP-0474 §3.3.
func TestOfferHash(t *testing.T) {
	if got := OfferHash("SCRAM-SHA-1-PLUS", []string{"SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"}, []string{"tls-server-end-point", "tls-exporter"}); got != "G6k/rBLDqgOhRRaCuuatSDFkJ08=" {
		t.Error(got)
	}
}
