package tap_test

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/tap"
)

// The tests in this file have OpenSSL on both ends: its cipher suites, its key updates,
// its early data.

const limit = 20 * time.Second

// openssl is a pair of s_server and s_client with a tap between.
type openssl struct {
	t              *testing.T
	dir            string
	wire           *wire
	listens        string
	server, client *process
	conns          sync.WaitGroup
}

// process is one of them.
type process struct {
	t   *testing.T
	in  io.WriteCloser
	mu  sync.Mutex
	out bytes.Buffer
	end chan struct{}
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) says(text string) {
	p.t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		found := strings.Contains(p.out.String(), text)
		p.mu.Unlock()
		if found {
			return
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.t.Fatalf("never said %q:\n%s", text, p.out.String())
}

// forget makes says look at what comes from now on.
func (p *process) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Reset()
}

func (p *process) say(text string) { io.WriteString(p.in, text) }

func (o *openssl) start(args ...string) *process {
	o.t.Helper()
	p := &process{t: o.t, end: make(chan struct{})}
	cmd := exec.Command("openssl", args...)
	cmd.Stdout, cmd.Stderr = p, p
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		o.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	go func() { // ends with the process
		cmd.Wait()
		close(p.end)
	}()
	o.t.Cleanup(func() {
		p.in.Close()
		cmd.Process.Kill()
		<-p.end
	})
	return p
}

func newOpenSSL(t *testing.T, key crypto.Signer, serverArgs ...string) *openssl {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		const missing = "needs openssl: apt-get install openssl"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	o := &openssl{t: t, dir: t.TempDir()}
	cert := certificate(t, key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	if err := os.WriteFile(o.file("both.pem"), both, 0o600); err != nil {
		t.Fatal(err)
	}
	o.server = o.start(append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", o.file("both.pem"), "-key", o.file("both.pem")}, serverArgs...)...)
	return o
}

func (o *openssl) file(name string) string { return filepath.Join(o.dir, name) }

// addr is where the server listens.
func (o *openssl) addr() string {
	if o.listens == "" {
		o.server.says("\nACCEPT 127.0.0.1:")
		o.server.mu.Lock()
		defer o.server.mu.Unlock()
		_, rest, _ := strings.Cut(o.server.out.String(), "\nACCEPT ")
		o.listens, _, _ = strings.Cut(rest, "\n")
	}
	return o.listens
}

// dial connects a client with the server, by way of a new wire.
func (o *openssl) dial(clientArgs ...string) {
	o.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		o.t.Fatal(err)
	}
	w := &wire{}
	o.wire = w
	addr := o.addr()
	o.conns.Go(func() {
		defer ln.Close()
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		s, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer s.Close()
		var wg sync.WaitGroup
		// What was kept is kept before it is passed on: the order is true.
		wg.Go(func() { io.Copy(&tapped{s, w, tap.Client}, bufio.NewReader(c)); s.(*net.TCPConn).CloseWrite() })
		wg.Go(func() { io.Copy(&tapped{c, w, tap.Server}, bufio.NewReader(s)); c.(*net.TCPConn).CloseWrite() })
		wg.Wait()
	})
	o.client = o.start(append([]string{"s_client", "-connect", ln.Addr().String(), "-servername", "capulet.example", "-keylogfile", o.file("keys.log")}, clientArgs...)...)
}

// end closes the client and returns what went over the wire.
func (o *openssl) end() *wire {
	o.t.Helper()
	o.client.say("Q\n")
	select {
	case <-o.client.end:
	case <-time.After(limit):
		o.t.Fatal("s_client does not end")
	}
	o.conns.Wait()
	b, err := os.ReadFile(o.file("keys.log"))
	if err != nil {
		o.t.Fatal(err)
	}
	o.wire.keys.Write(b)
	return o.wire
}

func TestOpenSSL(t *testing.T) {
	for _, c := range []struct {
		version, suite string
		rsa            bool
	}{
		{"-tls1_3", "TLS_AES_128_GCM_SHA256", false}, {"-tls1_3", "TLS_AES_256_GCM_SHA384", true}, {"-tls1_3", "TLS_CHACHA20_POLY1305_SHA256", false},
		{"-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256", false}, {"-tls1_2", "ECDHE-ECDSA-AES256-GCM-SHA384", false}, {"-tls1_2", "ECDHE-ECDSA-CHACHA20-POLY1305", false},
		{"-tls1_2", "ECDHE-RSA-AES256-GCM-SHA384", true}, {"-tls1_2", "ECDHE-RSA-CHACHA20-POLY1305", true}, {"-tls1_2", "DHE-RSA-AES128-GCM-SHA256", true},
		{"-tls1_2", "DHE-RSA-CHACHA20-POLY1305", true}, {"-tls1_2", "AES256-GCM-SHA384", true},
	} {
		for _, resumed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%s/resumed=%v", c.version[1:], c.suite, resumed), func(t *testing.T) {
				key := ecKey()
				if c.rsa {
					key = rsaKey()
				}
				suites := "-cipher"
				if c.version == "-tls1_3" {
					suites = "-ciphersuites"
				}
				o := newOpenSSL(t, key, c.version, suites, c.suite)
				session := o.file("session.pem")
				o.dial(c.version, "-sess_out", session)
				o.talk()
				if resumed {
					o.end()
					o.dial(c.version, "-sess_in", session)
					o.talk()
				}
				w := o.end()
				for _, when := range []string{"before", "middle", "after"} {
					s := look(t, w, when, 7)
					checkTalk(t, s, opensslTalk)
					if s.session.Resumed != resumed || !s.closed[tap.Client] || !strings.HasPrefix(s.session.Version, "TLS 1.") {
						t.Errorf("session %+v, closed %v", s.session, s.closed)
					}
					if len(s.session.Bindings["tls-exporter"]) != 32 {
						t.Errorf("bindings %v", s.session.Bindings)
					}
				}
			})
		}
	}
}

var opensslTalk = []said{{tap.Client, "wherefore\n"}, {tap.Server, "a rose\n"}}

// talk says a line each way; the server's tickets come before its line.
func (o *openssl) talk() {
	o.t.Helper()
	o.client.says("Verify return code")
	o.client.say("wherefore\n")
	o.server.says("wherefore\n")
	o.server.say("a rose\n")
	o.client.says("a rose\n")
	o.server.forget() // the next client's words are to be told from these
}

func TestOpenSSLKeyUpdate(t *testing.T) {
	o := newOpenSSL(t, ecKey(), "-tls1_3")
	o.dial("-tls1_3")
	o.talk()
	o.client.say("K\n") // both sides change their keys
	o.client.says("KEYUPDATE")
	o.client.say("more\n")
	o.server.says("more\n")
	before := o.wire.len()
	o.server.say("k\n") // the server's only; it says nothing
	for end := time.Now().Add(limit); o.wire.len() == before && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	o.server.say("sweet\n")
	o.client.says("sweet\n")
	o.client.forget()
	o.client.say("k\n")
	o.client.says("KEYUPDATE")
	o.client.say("last\n")
	o.server.says("last\n")
	w := o.end()
	for _, when := range []string{"before", "middle", "after"} {
		s := look(t, w, when, 1)
		checkTalk(t, s, append(append([]said(nil), opensslTalk...), said{tap.Client, "more\n"}, said{tap.Server, "sweet\n"}, said{tap.Client, "last\n"}))
		if n := strings.Count(strings.Join(s.notices, "\n"), "KeyUpdate"); n < 3 {
			t.Errorf("%d key updates: %q", n, s.notices)
		}
	}
}

func TestOpenSSLRetry(t *testing.T) {
	o := newOpenSSL(t, ecKey(), "-tls1_3", "-groups", "P-384")
	o.dial("-tls1_3", "-groups", "X25519:P-384")
	o.talk()
	s := look(t, o.end(), "after", 1)
	checkTalk(t, s, opensslTalk)
	if !s.noticed("HelloRetryRequest") {
		t.Errorf("notices %q", s.notices)
	}
}

// TestOpenSSLEarly has early data that the server takes, and early data that it refuses.
func TestOpenSSLEarly(t *testing.T) {
	const early = "good morrow\n"
	for _, how := range []string{"accepted", "another hello", "played back"} {
		t.Run(how, func(t *testing.T) {
			accepted := how == "accepted"
			args := []string{"-tls1_3", "-early_data"}
			if how == "another hello" {
				// Tickets for early data, and none taken: the groups force another hello.
				args = append(args, "-groups", "P-384")
			}
			o := newOpenSSL(t, ecKey(), args...)
			session, data := o.file("session.pem"), o.file("early")
			if err := os.WriteFile(data, []byte(early), 0o600); err != nil {
				t.Fatal(err)
			}
			o.dial("-tls1_3", "-sess_out", session)
			o.talk()
			o.end()
			o.dial("-tls1_3", "-sess_in", session, "-early_data", data)
			if how == "played back" {
				// The server takes a ticket's early data once.
				o.server.says(early)
				o.talk()
				o.end()
				o.dial("-tls1_3", "-sess_in", session, "-early_data", data)
			}
			if accepted {
				o.server.says(early)
			}
			o.talk()
			w := o.end()
			turns := opensslTalk
			if accepted {
				turns = append([]said{{tap.Client, early}}, said{tap.Client, "wherefore\n"}, said{tap.Server, "a rose\n"})
			}
			for _, when := range []string{"before", "middle", "after"} {
				s := look(t, w, when, 1)
				want := texts(turns)
				for side := range want {
					if got := s.plain[side].String(); got != want[side] || s.errs[side] != nil {
						t.Errorf("keys %s: %s said %q: %v", when, tap.Side(side), got, s.errs[side])
					}
				}
				if accepted && !s.noticed("early data (0-RTT) of the client was accepted") {
					t.Errorf("notices %q", s.notices)
				}
			}
		})
	}
}

// TestOpenSSLRenegotiation has a client of TLS 1.2 that makes another handshake inside the
// first.
func TestOpenSSLRenegotiation(t *testing.T) {
	o := newOpenSSL(t, ecKey(), "-tls1_2", "-client_renegotiation")
	o.dial("-tls1_2", "-legacy_renegotiation")
	o.talk()
	o.client.say("R\n")
	o.client.says("RENEGOTIATING")
	for end := time.Now().Add(limit); strings.Count(o.keys(), "CLIENT_RANDOM") < 2 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	o.client.say("more\n")
	o.server.says("more\n")
	w := o.end()
	for _, when := range []string{"before", "middle", "after"} {
		s := look(t, w, when, 1)
		checkTalk(t, s, append(append([]said(nil), opensslTalk...), said{tap.Client, "more\n"}))
		if !s.noticed("renegotiation") {
			t.Errorf("notices %q", s.notices)
		}
	}
}

// keys returns the key log so far.
func (o *openssl) keys() string {
	b, _ := os.ReadFile(o.file("keys.log"))
	return string(b)
}
