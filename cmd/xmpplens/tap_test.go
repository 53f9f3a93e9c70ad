package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// The tests in this file look through a tap: TLS goes from real clients to real servers,
// the secrets come out of a key log, and not one byte differs on the two sides of the
// program.

// tapped is a tap with a wire on either side.
type tapped struct {
	*program
	near, far *proxytest.Wire // between client and program, program and server
	keys      string
}

func startTap(t *testing.T, server string) *tapped {
	t.Helper()
	p := &tapped{keys: filepath.Join(t.TempDir(), "keys.log")}
	p.far = proxytest.NewWire(t, server)
	p.program = startProxy(t, "--tap", "--keylog", p.keys, p.far.Addr)
	p.near = proxytest.NewWire(t, p.addr)
	p.says("tap: nothing is altered")
	return p
}

// same checks that what went in came out, and stops the program.
func (p *tapped) same(t *testing.T) {
	t.Helper()
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && !bytes.Equal(p.near.SC(), p.far.SC()); time.Sleep(10 * time.Millisecond) {
	}
	if len(p.near.CS()) < 500 || !bytes.Equal(p.near.CS(), p.far.CS()) || !bytes.Equal(p.near.SC(), p.far.SC()) {
		t.Errorf("the client sent %d bytes, %d arrived; the server sent %d, %d arrived", len(p.near.CS()), len(p.far.CS()), len(p.far.SC()), len(p.near.SC()))
	}
}

func (p *tapped) shows(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("it lacks %q:\n%s", w, text)
		}
	}
}

func TestTapSlixmpp(t *testing.T) {
	ca := proxytest.NewCA(t)
	login := func(t *testing.T, server, jid, password, mechanism string, want []string, flags ...string) {
		p := startTap(t, server)
		t.Setenv("SSLKEYLOGFILE", p.keys)
		out, err := proxytest.Slixmpp(t, ca.File, p.near.Addr, jid, password, flags...)
		if err != nil || !strings.Contains(out, "mechanism "+mechanism+"\n") {
			t.Fatalf("%v: %s", err, out)
		}
		p.same(t)
		for _, text := range []string{p.out.String(), p.show("--format=line"), p.show()} {
			p.shows(t, text, append(want, "secured from the client to the server, past the proxy", "SASL login with "+mechanism, "SASL success", "iq set bind", "presence available", "iq result roster", "sent close_notify")...)
		}
		if s := p.show("--format=raw"); !strings.Contains(s, "jabber:iq:roster") {
			t.Errorf("the plaintext is not there: %.200q", s)
		}
		if s := p.show("--format=json"); strings.Contains(s, "waiting for keys") || strings.Contains(s, "junk") {
			t.Errorf("something is odd: %s", s)
		}
	}
	t.Run("prosody", func(t *testing.T) {
		server := proxytest.StartProsody(t, ca, host, weak)
		server.Register(t, "juliet", weak, "capulet")
		server.Register(t, "juliet", host, "capulet")
		login(t, server.Addr, "juliet@"+weak, "capulet", "SCRAM-SHA-1-PLUS", []string{"TLS 1.2", "tls-unique", "STARTTLS"})
		login(t, server.Addr, "juliet@"+host, "capulet", "SCRAM-SHA-1", []string{"TLS 1.3", "tls-exporter"})
		login(t, server.Direct, "juliet@"+host, "capulet", "SCRAM-SHA-1", []string{"TLS 1.3", "tls-exporter"}, "--direct")
	})
	t.Run("ejabberd", func(t *testing.T) {
		server := proxytest.StartEjabberd(t, ca, host)
		server.Register(t, "juliet", host, "capulet")
		login(t, server.Addr, "juliet@"+host, "capulet", "SCRAM-SHA-256-PLUS", []string{"TLS 1.3", "tls-exporter"})
		login(t, server.Direct, "juliet@"+host, "capulet", "SCRAM-SHA-256-PLUS", []string{"TLS 1.3"}, "--direct")
	})
}

// exporterOnly is a server that wants the login bound with tls-exporter.
func exporterOnly(t *testing.T, ca *proxytest.CA) *proxytest.Server {
	return proxytest.StartServer(t, ca, proxytest.Offer{Domain: host, Users: map[string]string{"juliet": "capulet"},
		Mechanisms: []string{"SCRAM-SHA-256-PLUS"}, Bindings: []string{"tls-exporter"}})
}

// logIn is a client that insists on it.
func logIn(t *testing.T, ca *proxytest.CA, addr, keys string) {
	t.Helper()
	log, err := os.OpenFile(keys, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c, err := proxytest.Connect(proxytest.Way{Addr: addr, JID: "juliet@localhost/balcony", Password: "capulet", Roots: ca.Pool(),
		Mechanism: "SCRAM-SHA-256-PLUS", Binding: "tls-exporter", Offered: true, KeyLog: log})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestTapExporter(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := exporterOnly(t, ca)
	p := startTap(t, server.Addr)
	logIn(t, ca, p.near.Addr, p.keys)
	if l := server.Logins(); len(l) != 1 || l[0].Binding != "tls-exporter" || l[0].Failure != "" {
		t.Fatalf("logins: %+v", l)
	}
	p.same(t)
	p.shows(t, p.show(), "SASL login with SCRAM-SHA-256-PLUS", "SASL success", "secured from the client to the server, past the proxy, with TLS 1.3")
	if s := p.show("--format=json"); strings.Contains(s, `"severity":"error"`) || strings.Contains(s, "sasl-clear") {
		t.Errorf("a finding: %s", s)
	}
}

// TestTapLate has keys that come when the session is over.
func TestTapLate(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := exporterOnly(t, ca)
	p := startTap(t, server.Addr)
	keys := filepath.Join(t.TempDir(), "elsewhere.log")
	logIn(t, ca, p.near.Addr, keys)
	p.wait("closed by the", p.out.String) // with its note, after a while
	p.same(t)
	text := p.show()
	p.shows(t, text, "waiting for keys of client random ", "does not exist yet", "SSLKEYLOGFILE", "STARTTLS proceed")
	if strings.Contains(text, "SASL") {
		t.Fatalf("the login is readable without keys:\n%s", text)
	}
	if n := strings.Count(text, "waiting for keys"); n != 1 {
		t.Errorf("%d times it waits", n)
	}
	want := []string{"secured from the client to the server", "SASL login with SCRAM-SHA-256-PLUS", "SASL success", "connection 1 closed by"}
	p.shows(t, p.show("--keylog", keys), want...)
	raw := p.show("--keylog", keys, "--format=raw", "--dir=CS")
	if n := strings.Count(raw, "<stream:stream"); n != 3 || !strings.Contains(raw, "<starttls") || !strings.Contains(raw, "<auth") {
		t.Errorf("raw: %q", raw)
	}

	readable := filepath.Join(t.TempDir(), "readable.jsonl")
	if out, err := xmpplens(t, "import", p.file, "--keylog", keys, "-w", readable).CombinedOutput(); err != nil {
		t.Fatalf("import: %v: %s", err, out)
	}
	show := func(args ...string) string {
		out, err := xmpplens(t, append([]string{"show"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	// The entries are those of show --keylog, with their times.
	if a, b := show(readable, "--format=json"), p.show("--keylog", keys, "--format=json"); a != b {
		t.Errorf("imported:\n%s\nshown:\n%s", a, b)
	}
	if a, b := show(readable), show(readable, "--keylog", keys); a != b {
		t.Errorf("what was read is read again:\n%s", b)
	}
	// What was received stands in the data, what was on the wire in the TLS events.
	var times []float64
	for line := range strings.Lines(readFile(t, readable)) {
		var ev struct {
			T float64
			E string
		}
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatal(err)
		}
		times = append(times, ev.T)
	}
	if !slices.IsSorted(times) || times[len(times)-1] == 0 {
		t.Errorf("times %v", times)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTapWrongPassword has a login that fails, and not because of the program.
func TestTapWrongPassword(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := exporterOnly(t, ca)
	p := startTap(t, server.Addr)
	var keys bytes.Buffer
	_, err := proxytest.Connect(proxytest.Way{Addr: p.near.Addr, JID: "juliet@localhost", Password: "montague", Roots: ca.Pool(),
		Mechanism: "SCRAM-SHA-256-PLUS", Binding: "tls-exporter", KeyLog: &keys})
	if err == nil {
		t.Fatal("logged in")
	}
	if err := os.WriteFile(p.keys, keys.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	p.wait("closed by the", p.out.String)
	p.same(t)
	text := p.show("--format=json")
	p.shows(t, text, "wrong password, or a binding mismatch", "TLS goes through untouched")
	if strings.Contains(text, "different channels") {
		t.Error(fmt.Sprint("interception is blamed: ", text))
	}
}

// TestImportRefuses is what cannot be imported.
func TestImportRefuses(t *testing.T) {
	dir := t.TempDir()
	const empty = `{"xmpplens":1,"time":"2026-11-25T10:00:00Z","tool":"x"}` + "\n"
	keys := filepath.Join(dir, "keys.log")
	if err := os.WriteFile(keys, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]string{
		"\x0a\x0d\x0d\x0a\x1c\x00": "the capture ends inside a section header",
		"\xd4\xc3\xb2\xa1\x02\x00": "the capture ends inside its header",
		"\x28\xb5\x2f\xfd":         "cannot be read",
		"":                         "is empty",
		"CLIENT_RANDOM":            "is neither a recording nor anything else that is known",
		empty:                      "there are no TLS records",
	} {
		file := filepath.Join(dir, "input")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := xmpplens(t, "import", file, "--keylog", keys, "-w", filepath.Join(dir, "out.jsonl"))
		out, _ := cmd.CombinedOutput()
		if s := string(out); !strings.Contains(s, want) || !strings.Contains(s, "hint: ") || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%q: exit code %d, %s", content, cmd.ProcessState.ExitCode(), s)
		}
	}
	file := filepath.Join(dir, "input")
	if err := os.WriteFile(file, []byte(empty), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--keylog is missing", []string{"import", file, "-w", file + ".out"}},
		{"does not exist", []string{"import", file, "--keylog", keys + "x", "-w", file + ".out"}},
		{"--follow and --keylog do not go together", []string{"show", "-F", "--keylog", keys, file}},
	} {
		cmd := xmpplens(t, c.args...)
		out, _ := cmd.CombinedOutput()
		if !strings.Contains(string(out), c.want) || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%v: exit code %d, %s", c.args, cmd.ProcessState.ExitCode(), out)
		}
	}
}

// TestTapGo has a Go program whose keys are logged, in front of real servers.
func TestTapGo(t *testing.T) {
	ca := proxytest.NewCA(t)
	login := func(t *testing.T, server string, w proxytest.Way, want ...string) {
		p := startTap(t, server)
		keys, err := os.OpenFile(p.keys, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer keys.Close()
		w.Addr, w.Password, w.Roots, w.KeyLog, w.Offered = p.near.Addr, "capulet", ca.Pool(), keys, true
		c, err := proxytest.Connect(w)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		p.wait("closed by the", p.out.String)
		p.same(t)
		p.shows(t, p.show("--format=line"), append(want, "SASL login with "+w.Mechanism, "SASL success", "iq result bind")...)
	}
	t.Run("prosody", func(t *testing.T) {
		server := proxytest.StartProsody(t, ca, host, weak)
		server.Register(t, "juliet", weak, "capulet")
		login(t, server.Addr, proxytest.Way{JID: "juliet@" + weak + "/balcony", Mechanism: "SCRAM-SHA-1-PLUS", Binding: "tls-unique"}, "TLS 1.2")
	})
	t.Run("ejabberd", func(t *testing.T) {
		server := proxytest.StartEjabberd(t, ca, host)
		server.Register(t, "juliet", host, "capulet")
		login(t, server.Addr, proxytest.Way{JID: "juliet@" + host + "/balcony", Mechanism: "SCRAM-SHA-256-PLUS", Binding: "tls-unique", MaxTLS: tls.VersionTLS12}, "TLS 1.2")
	})
}
