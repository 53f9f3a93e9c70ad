package tap_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/tap"
)

// suites12 are those of TLS 1.2 that both Go and the tap know.
var suites12 = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
}

// TestGo looks at crypto/tls talking to itself: versions, cipher suites,
// resumption, HelloRetryRequest, kinds of certificate.
func TestGo(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		suites := []uint16{0}
		if version == tls.VersionTLS12 {
			suites = suites12
		}
		for _, suite := range suites {
			for _, rsa := range []bool{false, true} {
				name := tls.CipherSuiteName(suite)
				if suite != 0 && strings.Contains(name, "ECDSA") == rsa {
					continue
				}
				for _, resumed := range []bool{false, true} {
					for _, retry := range []bool{false, true} {
						if retry && version == tls.VersionTLS12 {
							continue
						}
						t.Run(fmt.Sprintf("%s/%s/rsa=%v/resumed=%v/retry=%v", tls.VersionName(version), name, rsa, resumed, retry), func(t *testing.T) {
							testGo(t, version, suite, rsa, resumed, retry)
						})
					}
				}
			}
		}
	}
}

func testGo(t *testing.T, version, suite uint16, rsa, resumed, retry bool) {
	key := ecKey()
	if rsa {
		key = rsaKey()
	}
	cert := certificate(t, key)
	server := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: version, MaxVersion: version, NextProtos: []string{"xmpp-client"}}
	if retry {
		server.CurvePreferences = []tls.CurveID{tls.CurveP384} // the client sends no share of it
	}
	server.SetSessionTicketKeys([][32]byte{{1}})
	client := &tls.Config{InsecureSkipVerify: true, ServerName: "capulet.example", NextProtos: []string{"xmpp-client", "h2"}, MinVersion: version,
		MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	if suite != 0 {
		server.CipherSuites, client.CipherSuites = []uint16{suite}, []uint16{suite}
	}
	w, state, _ := talk(t, client, server, conversation)
	if resumed {
		first := w
		if w, state, _ = talk(t, client, server, conversation); !state.DidResume {
			t.Fatal("crypto/tls did not resume")
		}
		if version == tls.VersionTLS12 {
			// crypto/tls logs nothing of a session that it resumes; the
			// master secret is that of the first (RFC 5077 §3.1).
			f := bytes.Fields(first.keys.Bytes())
			fmt.Fprintf(&w.keys, "%s %x %s\n", f[0], w.pieces[0].b[11:43], f[2])
		}
	}
	for _, when := range []string{"before", "middle", "after"} {
		for _, chunk := range []int{0, 1, 1000} {
			s := look(t, w, when, chunk)
			checkTalk(t, s, conversation)
			if t.Failed() {
				t.Fatalf("keys %s, in chunks of %d", when, chunk)
			}
			n := s.session
			if n.Version != tls.VersionName(version) || n.Cipher != tls.CipherSuiteName(state.CipherSuite) || n.ALPN != "xmpp-client" || n.Name != "capulet.example" || n.Resumed != resumed {
				t.Errorf("session %+v", n)
			}
			if !slices.Equal(s.hello.Offered, []string{"xmpp-client", "h2"}) {
				t.Errorf("offered %v", s.hello.Offered)
			}
			if !s.closed[tap.Client] || len(s.alerts) > 0 {
				t.Errorf("closed %v, alerts %v", s.closed, s.alerts)
			}
			if retry != s.noticed("HelloRetryRequest") {
				t.Errorf("notices %q", s.notices)
			}
			if (when == "before") != (s.waiting == 0) {
				t.Errorf("keys %s, and told %d times to wait", when, s.waiting)
			}
			checkBindings(t, n, state, cert, resumed)
		}
	}
}

func checkBindings(t *testing.T, n *tap.Session, state tls.ConnectionState, cert tls.Certificate, resumed bool) {
	t.Helper()
	if !resumed {
		sum := sha256.Sum256(cert.Certificate[0])
		if !bytes.Equal(n.Bindings["tls-server-end-point"], sum[:]) || len(n.Chain) != 1 {
			t.Errorf("tls-server-end-point %x", n.Bindings["tls-server-end-point"])
		}
	}
	if state.Version == tls.VersionTLS12 {
		if !bytes.Equal(n.Bindings["tls-unique"], state.TLSUnique) {
			t.Errorf("tls-unique %x, want %x", n.Bindings["tls-unique"], state.TLSUnique)
		}
		want, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(n.Bindings["tls-exporter"], want) {
			t.Errorf("tls-exporter %x, want %x", n.Bindings["tls-exporter"], want)
		}
	}
}

func TestClientCertificate(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cert := certificate(t, ecKey())
		server := &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version, ClientAuth: tls.RequireAnyClientCert}
		client := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{certificate(t, rsaKey())}}
		w, _, _ := talk(t, client, server, conversation)
		s := look(t, w, "after", 0)
		checkTalk(t, s, conversation)
		if len(s.chain) != 1 {
			t.Fatalf("%s: the client's certificate was not seen", tls.VersionName(version))
		}
		if c, err := x509.ParseCertificate(s.chain[0]); err != nil || c.PublicKeyAlgorithm != x509.RSA {
			t.Errorf("%v %v", c, err)
		}
	}
}

// TestRefused has a client that does not trust the server: an alert ends the
// handshake.
func TestRefused(t *testing.T) {
	for version, want := range map[uint16]string{tls.VersionTLS12: "bad_certificate", tls.VersionTLS13: "bad_certificate"} {
		w := &wire{}
		a, b := loopback(t)
		c := tls.Client(&tapped{a, w, tap.Client}, &tls.Config{ServerName: "capulet.example", RootCAs: x509.NewCertPool(), KeyLogWriter: &w.keys, MaxVersion: version})
		s := tls.Server(&tapped{b, w, tap.Server}, &tls.Config{Certificates: []tls.Certificate{certificate(t, ecKey())}})
		var wg sync.WaitGroup
		wg.Go(func() { s.Handshake(); io.Copy(io.Discard, b); s.Close() })
		if err := c.Handshake(); err == nil {
			t.Fatal("trusted")
		}
		c.Close()
		wg.Wait()
		if got := look(t, w, "after", 0); len(got.alerts) == 0 || got.alerts[0] != "client "+want {
			t.Errorf("%s: alerts %v, errors %v", tls.VersionName(version), got.alerts, got.errs)
		}
	}
}

func goWire(t testing.TB, version uint16, turns []said) *wire {
	server := &tls.Config{Certificates: []tls.Certificate{certificate(t, ecKey())}, MaxVersion: version, MinVersion: version}
	w, _, _ := talk(t, &tls.Config{InsecureSkipVerify: true, ServerName: "capulet.example"}, server, turns)
	return w
}

// TestTrouble is what cannot be read, and why.
func TestTrouble(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		w := goWire(t, version, conversation)
		other := goWire(t, version, conversation)

		s := look(t, w, "never", 0)
		if s.waiting != 1 || s.errs[0] != tap.ErrNoKeys || s.errs[1] != tap.ErrNoKeys {
			t.Errorf("without keys: told %d times to wait, %v", s.waiting, s.errs)
		}
		if version == tls.VersionTLS12 && s.plain[0].Len()+s.plain[1].Len() > 0 {
			t.Error("plaintext without keys")
		}

		// The right random with the wrong secrets.
		wrong := &wire{pieces: w.pieces}
		mine, its := bytes.Split(w.keys.Bytes(), []byte("\n")), bytes.Split(other.keys.Bytes(), []byte("\n"))
		for i, line := range mine {
			if f := bytes.Fields(line); len(f) == 3 {
				fmt.Fprintf(&wrong.keys, "%s %s %s\n", f[0], f[1], bytes.Fields(its[i])[2])
			}
		}
		if s := look(t, wrong, "before", 0); !errors.Is(s.errs[0], tap.ErrDecrypt) || !errors.Is(s.errs[1], tap.ErrDecrypt) {
			t.Errorf("wrong secrets: %v", s.errs)
		}

		// More than may wait.
		d := tap.New()
		d.MaxBacklog = 10_000
		s = &seen{}
		for _, p := range w.pieces {
			d.Write(p.from, p.b, s.take)
			if d.Backlog() > d.MaxBacklog {
				t.Fatalf("%d bytes wait", d.Backlog())
			}
		}
		addKeys(t, d, w.keys.Bytes(), s)
		var full *tap.BacklogError
		if !errors.As(s.errs[0], &full) || !errors.As(s.errs[1], &full) {
			t.Errorf("too much: %v", s.errs)
		}

		// A byte that was changed on its way.
		broken := &wire{pieces: slices.Clone(w.pieces)}
		broken.keys.Write(w.keys.Bytes())
		last := &broken.pieces[len(broken.pieces)-2]
		last.b = bytes.Clone(last.b)
		last.b[len(last.b)-1] ^= 1
		if s := look(t, broken, "before", 0); !errors.Is(s.errs[last.from], tap.ErrDecrypt) || s.plain[0].Len() == 0 || s.plain[1].Len() == 0 {
			t.Errorf("changed: %v", s.errs)
		}
	}
	for _, c := range []struct {
		from  tap.Side
		bytes string
		want  error
	}{
		{tap.Client, "<stream:stream>", tap.ErrNotTLS},
		{tap.Client, "\x16\x02\x00", tap.ErrNotTLS},
		{tap.Client, "\x16\x03\x01\xff\xff", tap.ErrNotTLS},
		{tap.Client, "\x17\x03\x03\x00\x01x", tap.ErrNotTLS},
		{tap.Client, "\x16\x03\x03\x00\x04\x01\x00\x00\x00", tap.ErrHandshake},
		{tap.Client, "\x16\x03\x03\x00\x04\x14\x00\x00\x00", tap.ErrHandshake},
	} {
		var s seen
		tap.New().Write(c.from, []byte(c.bytes), s.take)
		if s.errs[c.from] != c.want {
			t.Errorf("%q: %v, want %v", c.bytes, s.errs[c.from], c.want)
		}
	}
}

// TestOld has a server that knows TLS 1.1 only, and one that wants CBC.
func TestOld(t *testing.T) {
	old := func(server *tls.Config, client *tls.Config) *seen {
		server.Certificates = []tls.Certificate{certificate(t, rsaKey())}
		client.InsecureSkipVerify = true
		w, _, _ := talk(t, client, server, conversation[:2])
		return look(t, w, "before", 0)
	}
	var version *tap.VersionError
	s := old(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, &tls.Config{MinVersion: tls.VersionTLS10})
	if !errors.As(s.errs[0], &version) || !strings.Contains(s.errs[1].Error(), "TLS 1.1") {
		t.Errorf("%v", s.errs)
	}
	var suite *tap.SuiteError
	s = old(&tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}, MaxVersion: tls.VersionTLS12}, &tls.Config{})
	if !errors.As(s.errs[0], &suite) || !strings.Contains(s.errs[1].Error(), "0xc013") {
		t.Errorf("%v", s.errs)
	}
}

func TestParseKey(t *testing.T) {
	random, secret := strings.Repeat("ab", 32), strings.Repeat("CD", 48)
	for _, c := range []struct {
		line, want string
		ok         bool
	}{
		{"CLIENT_RANDOM " + random + " " + secret, "", true},
		{"  SERVER_TRAFFIC_SECRET_0 " + random + " " + secret + "\r\n", "", true},
		{"# a comment", "", false},
		{"", "", false},
		{"ECH_SECRET " + random + " " + secret, "", false},
		{"RSA 0102 0304", "", false},
		{"CLIENT_RANDOM " + random, "followed by 1 fields", false},
		{"CLIENT_RANDOM " + random[1:] + " " + secret, "not 64 hexadecimal digits", false},
		{"CLIENT_RANDOM " + random + " " + secret[2:], "not 48 bytes", false},
		{"EXPORTER_SECRET " + random + " abcd", "neither 32 nor 48 bytes", false},
		{"EXPORTER_SECRET " + random + " zz", "invalid byte", false},
		{"CLIENT_RANDOM " + strings.Repeat("a", 600), "longer than", false},
	} {
		k, ok, err := tap.ParseKey([]byte(c.line))
		if ok != c.ok || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v %v %v", c.line, k, ok, err)
		}
		if ok && (k.Random.String() != random || len(k.Secret) != 48) {
			t.Errorf("%.60q: %v", c.line, k)
		}
	}
}
