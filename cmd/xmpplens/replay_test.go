package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// The tests in this file record sessions of real clients with a real Prosody,
// play them to the same clients without it, and to a server without the client.

// recordThrough is a session of juliet's with Prosody, through the proxy.
func recordThrough(t *testing.T, ca *proxytest.CA, server string, client func(*program)) string {
	t.Helper()
	p := startProxy(t, "--server-ca", ca.File, server)
	client(p)
	if code := p.stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	return p.file
}

// goodNight is slixmpp's session: roster, presence, a message, disco#info; with
// a message for it in between.
func goodNight(t *testing.T, p *program, password string, flags ...string) string {
	t.Helper()
	out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@localhost/balcony", password, append(flags, "--to=romeo@localhost", "--say=Good night", "--expect=1")...)
	if err != nil || !strings.Contains(out, "got O speak again") {
		t.Errorf("%v: %s", err, out)
	}
	return out
}

// verona is a Prosody with both of them.
func verona(t *testing.T) (*proxytest.CA, *proxytest.Prosody) {
	t.Helper()
	ca := proxytest.NewCA(t)
	p := proxytest.StartProsody(t, ca, host)
	for _, user := range []string{"juliet", "romeo"} {
		p.Register(t, user, host, "capulet")
	}
	return ca, p
}

// attend lets romeo be there and speak when he is spoken to. What it returns
// waits for that.
func attend(t *testing.T, addr string) func() {
	t.Helper()
	r := signIn(t, addr, "romeo")
	heard := make(chan error, 1)
	go func() { // ends with the connection, which has a deadline
		if r.err = r.await("Good night"); r.err == nil {
			r.say("<message type='chat' to='juliet@localhost'><body>O speak again</body></message>", "")
		}
		heard <- r.err
	}()
	return func() {
		t.Helper()
		if err := <-heard; err != nil {
			t.Errorf("romeo heard nothing: %v", err)
		}
		r.conn.Close()
	}
}

func recordedNight(t *testing.T) string {
	t.Helper()
	ca, server := verona(t)
	return recordThrough(t, ca, server.Addr, func(p *program) {
		answered := attend(t, server.Addr)
		goodNight(t, p, "capulet")
		answered()
	})
}

// startReplay runs xmpplens replay server.
func startReplay(t *testing.T, file string, args ...string) *program {
	t.Helper()
	dir := t.TempDir()
	p := &program{t: t, addr: fmt.Sprintf("127.0.0.1:%d", proxytest.Port(t)), ca: filepath.Join(dir, "ca", "ca.pem"), file: file, done: make(chan error, 1)}
	p.cmd = xmpplens(t, append([]string{"replay", "server", file, "-l", p.addr, "--ca-dir", filepath.Dir(p.ca), "--timeout=60s"}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }() // ends with the process
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("xmpplens said\n%s\nand printed\n%.20000s", p.err.String(), p.out.String())
		}
	})
	p.says("clients at ")
	return p
}

// ended waits until everything was played, checks the exit code and returns the
// report.
func (p *program) ended(code int) string {
	p.t.Helper()
	<-p.done
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit code %d, want %d", got, code)
	}
	return p.out.String()
}

// without writes the recording anew without the stanzas that chosen matches.
func without(t *testing.T, file, chosen string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stanza := regexp.MustCompile(chosen)
	var out strings.Builder
	n := 0
	for line := range strings.Lines(string(b)) {
		var ev map[string]any
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatal(err)
		}
		if s, ok := ev["s"].(string); ok && ev["e"] == "data" && stanza.MatchString(s) {
			n++
			ev["s"] = stanza.ReplaceAllString(s, "")
			b, err := json.Marshal(ev)
			if err != nil {
				t.Fatal(err)
			}
			line = string(b) + "\n"
		}
		out.WriteString(line)
	}
	if n != 1 {
		t.Fatalf("%d matches of %s in %s", n, chosen, b)
	}
	cut := filepath.Join(t.TempDir(), "cut.jsonl")
	if err := os.WriteFile(cut, []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return cut
}

func TestReplayToGoSendxmpp(t *testing.T) {
	ca, server := prosody(t)
	say := func(p *program, password string, flags ...string) {
		proxytest.GoSendxmpp(t, p.ca, p.addr, "juliet@localhost", password, "romeo@localhost", "Wherefore art thou?", flags...)
	}
	file := recordThrough(t, ca, server.Addr, func(p *program) { say(p, "capulet") })
	for _, flags := range [][]string{nil, {"--speed=0", "--expect=strict"}} {
		p := startReplay(t, file, flags...)
		say(p, "whatever")
		if out := p.ended(0); !strings.Contains(out, "replay: as recorded") {
			t.Errorf("%v: %s", flags, out)
		}
	}
}

func TestReplayToSlixmpp(t *testing.T) {
	t.Parallel()
	file := recordedNight(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, mechanism string
		flags           []string
		direct          bool
	}{
		{"no password", "PLAIN", nil, false},
		{"at once", "PLAIN", []string{"--speed=0"}, false},
		{"direct TLS", "PLAIN", nil, true},
		{"SHA-1", "SCRAM-SHA-1", []string{"--password-file", password}, false},
		{"SHA-256", "SCRAM-SHA-256", []string{"--password-file", password, "--mechanisms=SCRAM-SHA-256"}, false},
		{"SHA-512", "SCRAM-SHA-512", []string{"--password-file", password, "--mechanisms=SCRAM-SHA-512,PLAIN"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := startReplay(t, file, c.flags...)
			var flags []string
			if c.direct {
				flags = append(flags, "--direct")
			}
			if out := goodNight(t, p, "secret", flags...); !strings.Contains(out, "mechanism "+c.mechanism) {
				t.Errorf("not with %s: %s", c.mechanism, out)
			}
			p.ended(0)
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		p := startReplay(t, file, "--password-file", password, "--timeout=3s")
		if out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@localhost", "wrong"); err == nil || !strings.Contains(out, "no login") {
			t.Errorf("%v: %s", err, out)
		}
		if out := p.ended(3); !strings.Contains(out, "nobody came for session 1, juliet@localhost/balcony") {
			t.Error(out)
		}
	})
	t.Run("an answer is missing", func(t *testing.T) {
		cut := without(t, file, `<iq [^>]*type='result'[^>]*><query xmlns='http://jabber.org/protocol/disco#info'.*?</iq>`)
		junit := filepath.Join(t.TempDir(), "junit.xml")
		p := startReplay(t, cut, "--junit", junit)
		// It takes the error, as any client does.
		proxytest.Slixmpp(t, p.ca, p.addr, "juliet@localhost/balcony", "secret", "--to=romeo@localhost", "--say=Good night", "--expect=1")
		out := p.ended(3)
		if !regexp.MustCompile(`unanswered entry \d+: → iq get disco#info .*has no answer in the recording`).MatchString(out) {
			t.Error(out)
		}
		b, err := os.ReadFile(junit)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Suites []struct {
				Tests    int `xml:"tests,attr"`
				Failures int `xml:"failures,attr"`
			} `xml:"testsuite"`
		}
		if err := xml.Unmarshal(b, &doc); err != nil || len(doc.Suites) != 1 || doc.Suites[0].Failures != 1 || doc.Suites[0].Tests < 4 {
			t.Errorf("%v: %s", err, b)
		}
	})
	t.Run("the client says less", func(t *testing.T) {
		p := startReplay(t, file, "--patience=200ms")
		if out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@localhost/balcony", "secret", "--expect=1"); err != nil {
			t.Errorf("it did not go on without the message: %v: %s", err, out)
		}
		if out := p.ended(3); !regexp.MustCompile(`! missing +entry \d+: → .*"Good night" never came`).MatchString(out) {
			t.Error(out)
		}
	})
	t.Run("another domain", func(t *testing.T) {
		p := startReplay(t, file)
		out, err := proxytest.Slixmpp(t, p.ca, p.addr, "julia@verona.example/tomb", "secret", "--to=romeo@verona.example", "--say=Good night", "--expect=1")
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		p.ended(0)
	})
}

// What was recorded with Prosody is asked of ejabberd, which is another server
// and says so.
func TestReplayToEjabberd(t *testing.T) {
	t.Parallel()
	file := recordedNight(t)
	ca := proxytest.NewCA(t)
	server := proxytest.StartEjabberd(t, ca, host)
	for _, user := range []string{"juliet", "romeo"} {
		server.Register(t, user, host, "capulet")
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("juliet@localhost capulet\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{server.Addr, "tls://" + strings.Replace(server.Direct, "127.0.0.1", host, 1)} {
		answered := attend(t, server.Addr)
		cmd := xmpplens(t, "replay", "client", file, addr, "--account=juliet@localhost/window", "--password-file", password, "--server-ca", ca.File, "--timeout=50s")
		out, err := cmd.CombinedOutput()
		answered()
		if err != nil || !strings.Contains(string(out), "as juliet@localhost/window: 4 of 4 recorded stanzas came") {
			t.Errorf("%s: %v: %s", addr, err, out)
		}
	}
}

// What was recorded over WebSocket and BOSH is played over TCP.
func TestReplayOverTCP(t *testing.T) {
	t.Parallel()
	ca, server := verona(t)
	file := recordThrough(t, ca, "ws://"+server.HTTP+"/xmpp-websocket", func(p *program) {
		out, err := proxytest.XMPPJS(t, p.ca, "ws://localhost:"+portOf(p.addr)+"/xmpp-websocket", "juliet@localhost", "capulet", "juliet@localhost/balcony", "O me")
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	})
	p := startReplay(t, file, "--speed=0")
	out, err := proxytest.XMPPJS(t, p.ca, "xmpp://localhost:"+portOf(p.addr), "juliet@localhost", "whatever", "juliet@localhost/balcony", "O me")
	if err != nil || !strings.Contains(out, "got O me") {
		t.Errorf("%v: %s", err, out)
	}
	if out := p.ended(0); !strings.Contains(out, "connection 1 was WebSocket: it is played over TCP") {
		t.Error(out)
	}

	file = recordThrough(t, ca, "http://"+server.HTTP+"/http-bind", func(p *program) {
		out, err := proxytest.Strophe(t, p.ca, "http://localhost:"+portOf(p.addr)+"/http-bind", "juliet@localhost/balcony", "capulet", "O me")
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	})
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("capulet"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := xmpplens(t, "replay", "client", file, server.Addr, "--account=romeo@localhost", "--password-file", password, "--server-ca", ca.File, "--timeout=50s", "--speed=0")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "connection 1 was BOSH") || !strings.Contains(string(out), "as romeo@localhost/balcony") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestReplayToServer(t *testing.T) {
	t.Parallel()
	file := recordedNight(t)
	ca, server := verona(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("capulet\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	play := func(args ...string) (string, int) {
		cmd := xmpplens(t, append([]string{"replay", "client", file, server.Addr, "--account=juliet@localhost", "--password-file", password, "--server-ca", ca.File, "--speed=0", "--patience=5s", "--timeout=50s"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	answered := attend(t, server.Addr)
	out, code := play()
	answered()
	if code != 0 || !strings.Contains(out, "replay: as recorded") {
		t.Errorf("exit code %d: %s", code, out)
	}
	// Now he says nothing.
	out, code = play("--patience=300ms")
	if code != 3 || !regexp.MustCompile(`missing +entry \d+: ← .*"O speak again`).MatchString(out) {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code = play("--account=nobody@localhost"); code != 1 || !strings.Contains(out, "not-authorized") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// Both sides of a recording meet each other: a person's own, and one that was
// made fit for sharing.
func TestReplayMeetsItself(t *testing.T) {
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join(dir, "shared.jsonl")
	if out, err := xmpplens(t, "redact", "../../testdata/recordings/demo.jsonl", "-o", shared).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, file := range []string{"../../testdata/recordings/demo.jsonl", shared} {
		for _, conn := range []string{"--conn=1", "--conn=2"} {
			p := startReplay(t, file, conn, "--speed=0", "--expect=strict", "--password-file", password)
			account := regexp.MustCompile(`session of (\S+), connection`).FindStringSubmatch(p.err.String())[1]
			cmd := xmpplens(t, "replay", "client", file, p.addr, conn, "--speed=0", "--account", account, "--password-file", password, "--server-ca", p.ca, "--timeout=50s")
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), ": 34 of 34 recorded stanzas came, 24 stanzas said") {
				t.Errorf("%s %s: %v: %s", file, conn, err, out)
			}
			if out := p.ended(0); !strings.Contains(out, ": 24 of 24 recorded stanzas came, 34 stanzas said") {
				t.Errorf("%s %s: %s", file, conn, out)
			}
		}
	}
}

// Load on a real server, with numbered accounts.
func TestReplayLoad(t *testing.T) {
	t.Parallel()
	ca, server := verona(t)
	file := recordThrough(t, ca, server.Addr, func(p *program) {
		if out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@localhost/balcony", "capulet"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	})
	var accounts strings.Builder
	for i := 1; i <= 5; i++ {
		user := fmt.Sprintf("user%d", i)
		server.Register(t, user, host, "pw"+user)
		fmt.Fprintf(&accounts, "%s@localhost pw%s\n", user, user)
	}
	passwords := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(passwords, []byte(accounts.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := xmpplens(t, "replay", "client", file, server.Addr, "--count=5", "--loop", "--timeout=3s", "--speed=0", "--account=user%d@localhost", "--password-file", passwords, "--server-ca", ca.File)
	out, err := cmd.CombinedOutput()
	if err != nil || !regexp.MustCompile(`\d+ sessions in \d+\.\d s: .*answers after \S+ \(median\), \S+ \(95 %\), \S+ \(longest\)\nreplay: as recorded`).Match(out) {
		t.Errorf("%v: %s\n%s", err, strings.Join(regexp.MustCompile(`(?m)^(! .*|replay: .*|\d+ sessions .*)$`).FindAllString(string(out), 20), "\n"), out[max(0, len(out)-500):])
	}
	for i := 1; i <= 5; i++ {
		if !strings.Contains(string(out), fmt.Sprintf("as user%d@localhost/balcony: 3 of 3", i)) {
			t.Errorf("user%d did not play: %.3000s", i, out)
		}
	}
}
