package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/proxy/proxytest"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// entries reads the recording of a program.
func (p *program) entries() ([]*timeline.Entry, *timeline.Folder) {
	p.t.Helper()
	var out []*timeline.Entry
	fold, _, err := walk(&streams{&p.out, &p.err}, p.file, func(e *timeline.Entry) { out = append(out, e.Clone()) })
	if err != nil {
		p.t.Fatal(err)
	}
	return out, fold
}

// check runs xmpplens check on the recording.
func (p *program) check(severity string) []located {
	p.t.Helper()
	out, err := xmpplens(p.t, "check", "--format=json", "--severity="+severity, p.file).Output()
	var found []located
	for l := range strings.Lines(string(out)) {
		var f located
		if err := json.Unmarshal([]byte(l), &f); err != nil {
			p.t.Fatal(err)
		}
		found = append(found, f)
	}
	if (err != nil) != (len(found) > 0) {
		p.t.Errorf("check: %v with %d findings", err, len(found))
	}
	return found
}

// healthy looks at the recording of a session in which all went well.
func (p *program) healthy(mechanism string) {
	t := p.t
	t.Helper()
	if found := p.check("error"); found != nil {
		t.Errorf("findings in a healthy session: %+v", found)
	}
	_, fold := p.entries()
	c := fold.Conn(1)
	var phases []string
	for _, s := range c.Phases {
		phases = append(phases, s.Phase)
		if s.Phase != track.PhaseClosed && s.End <= s.Start {
			t.Errorf("phase %+v takes no time", s)
		}
	}
	for _, want := range []string{"tcp", "stream", "tls", "sasl", "bind", "online"} {
		if !slices.Contains(phases, want) {
			t.Errorf("no phase %s in %v", want, phases)
		}
	}
	if c.Login.Mechanism != mechanism || c.Login.Result != "success" || c.Login.Iterations == "" || c.Login.User != "juliet" || c.SM != "enabled" {
		t.Errorf("login %+v, sm %s", c.Login, c.SM)
	}
	stats, err := xmpplens(t, "stats", p.file).Output()
	if err != nil || !strings.Contains(string(stats), mechanism+" as juliet, "+c.Login.Iterations+" iterations") {
		t.Errorf("%v: %s", err, stats)
	}
}

func TestLoginWithProsody(t *testing.T) {
	const host = "sha256.localhost"
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, host)
	server.Register(t, "juliet", host, "capulet")
	p := startProxy(t, "--server-ca", ca.File, server.Addr)
	if out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@"+host, "capulet"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.stop()
	p.healthy("SCRAM-SHA-256")
}

func TestLoginWithEjabberd(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	server := proxytest.StartEjabberd(t, ca, "localhost")
	server.Register(t, "juliet", "localhost", "capulet")
	p := startProxy(t, "--server-ca", ca.File, server.Addr)
	if out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@localhost", "capulet"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.stop()
	p.healthy("SCRAM-SHA-256")
	if s := p.show("--format=line"); !strings.Contains(s, "[changed by proxy] features: ") {
		t.Errorf("ejabberd offers channel binding, and nobody took it away:\n%s", s)
	}
}

// Each way in which a login fails has its own sentence.
func TestAuthDoctor(t *testing.T) {
	ca, server := prosody(t)
	for _, c := range []struct{ name, jid, password, want string }{
		{"wrong password", "juliet@localhost", "montague", "wrong password: the server does not accept the proof of juliet"},
		{"downgrade", "juliet@" + weak, "capulet", "downgrade detected: the client could bind to the channel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := startProxy(t, "--server-ca", ca.File, server.Addr)
			proxytest.Slixmpp(t, p.ca, p.addr, c.jid, c.password)
			p.stop()
			if found := p.check("error"); len(found) == 0 || found[0].Code != "login-failed" || !strings.HasPrefix(found[0].Text, c.want) {
				t.Errorf("%+v, want %s", found, c.want)
			}
			if s := p.show(); !strings.Contains(s, "login-failed: "+c.want) {
				t.Error(s)
			}
		})
	}
	t.Run("missing mechanism", func(t *testing.T) {
		p := startProxy(t, "--server-tls=off", "--client-tls=off", server.Addr)
		conn := dialed(t, p.addr)
		fmt.Fprintf(conn, "<stream:stream to='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
		var got buffer
		go got.read(conn) // ends with the connection
		p.wait("</stream:features>", got.String)
		fmt.Fprintf(conn, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='DIGEST-MD5'/>")
		p.wait("</failure>", got.String)
		conn.Close()
		p.stop()
		found := p.check("error")
		if i := slices.IndexFunc(found, func(f located) bool { return f.Code == "login-failed" }); i < 0 || !strings.HasPrefix(found[i].Text, "mechanism missing: the client tried DIGEST-MD5, the server offers ") {
			t.Errorf("%+v", found)
		}
	})
}

// A client that is cut off and resumes: the audit names the stanzas that were
// sent again, or that were lost because they were not.
func TestResumption(t *testing.T) {
	t.Parallel()
	t.Run("resends", func(t *testing.T) { testResumption(t, "--resend") })
	t.Run("forgets", func(t *testing.T) { testResumption(t) })
}

func testResumption(t *testing.T, flags ...string) {
	ca, server := prosody(t)
	gate := proxytest.NewGate(t, server.Addr)
	p := startProxy(t, "--server-ca", ca.File, gate.Addr)
	shut := make(chan struct{})
	go func() { // ends with the test at the latest
		defer close(shut)
		p.wait("presence available", p.out.String)
		time.Sleep(300 * time.Millisecond) // the acknowledgement of it passes
		gate.Shut()
	}()
	out, err := proxytest.SlixmppResumes(t, p.ca, p.addr, "juliet@localhost/balcony", "capulet", "romeo@localhost", flags...)
	if err != nil || !strings.Contains(out, "resumed") {
		t.Fatalf("%v: %s", err, out)
	}
	<-shut
	p.stop()
	entries, _ := p.entries()
	// What the client sent twice, by the bytes.
	first := make(map[string]int)
	want := make(map[int]int)
	resumed := false
	var named string
	for _, e := range entries {
		if e.Kind == "nonza" && e.Stanza.Name == "resumed" {
			resumed = true
			for _, f := range e.Facts.Findings {
				named += f.Text + "\n"
			}
		}
		if e.Dir != "CS" || e.Kind != "message" {
			continue
		}
		raw := string(e.Frame.Raw)
		if n, again := first[raw]; again {
			want[e.N] = n
		} else {
			first[raw] = e.N
		}
	}
	if !resumed {
		t.Fatalf("not resumed:\n%s", p.show("--format=line"))
	}
	got := make(map[int]int)
	for _, e := range entries {
		for _, r := range e.Facts.Related {
			if r.Kind == track.Resends && e.Dir == "CS" {
				got[e.N] = r.N
			}
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("sent again: %v, the bytes say %v", got, want)
	}
	for _, n := range want {
		if !strings.Contains(named, fmt.Sprintf("entry %d", n)) {
			t.Errorf("entry %d was sent again, the audit says\n%s", n, named)
		}
	}
	lost := slices.ContainsFunc(p.check("warning"), func(f located) bool { return f.Code == "sm-lost" })
	if resends := flags != nil; resends && len(want) != 5 || resends == lost {
		t.Errorf("%d messages were sent again, five had not arrived; said to be lost: %v", len(want), lost)
	}
	t.Logf("sent again: %v\n%s", want, named)
}

// With the password known, logins that are bound to the channel work, each leg
// with its own.
func TestAccount(t *testing.T) {
	t.Parallel()
	ca, server := prosody(t)
	passwords := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(passwords, []byte("# test accounts\njuliet@"+weak+" capulet\nromeo@"+host+" montague\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProxy(t, "--password-file", passwords, "--server-ca", ca.File, server.Addr)
	out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@"+weak, "capulet", "--to=juliet@"+weak, "--say=bound")
	if err != nil || !strings.Contains(out, "mechanism SCRAM-SHA-1-PLUS") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := proxytest.Slixmpp(t, p.ca, p.addr, "romeo@"+host, "montague"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	p.stop()
	s := p.show("--show-secrets")
	if !strings.Contains(s, "SCRAM-SHA-1-PLUS with the server, bound to its channel with tls-unique") || strings.Contains(s, "capulet\n") {
		t.Error(s)
	}
	if found := p.check("error"); found != nil {
		t.Errorf("%+v", found)
	}
	// A password that the client does not have.
	p = startProxy(t, "--password-file", passwords, "--server-ca", ca.File, server.Addr)
	if out, err := proxytest.Slixmpp(t, p.ca, p.addr, "romeo@"+host, "wrong"); err == nil {
		t.Errorf("logged in with a wrong password: %s", out)
	}
	p.wait("the client's proof is wrong", p.out.String)
}

func TestAccountWithEjabberd(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	server := proxytest.StartEjabberd(t, ca, "localhost")
	server.Register(t, "juliet", "localhost", "capulet")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("capulet\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ client, server, mechanism string }{
		{"1.2", "1.2", "SCRAM-SHA-256-PLUS"},
		{"1.2", "1.3", "SCRAM-SHA-256-PLUS"},
		{"1.3", "1.3", "SCRAM-SHA-256"}, // slixmpp binds with tls-unique, which TLS 1.3 does not have
	} {
		p := startProxy(t, "--account=juliet@localhost", "--password-file", password, "--client-tls-max="+c.client, "--server-tls-max="+c.server, "--server-ca", ca.File, server.Addr)
		out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@localhost", "capulet")
		if err != nil || !strings.Contains(out, "mechanism "+c.mechanism+"\n") {
			t.Errorf("TLS %s and %s: %v: %s", c.client, c.server, err, out)
		}
		p.stop()
	}
}

func TestComponent(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, "localhost", "play.localhost")
	server.Register(t, "juliet", "localhost", "capulet")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(proxytest.ComponentSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProxy(t, "--kind=component", "--secret-file", secret, server.Component)
	done := make(chan string, 1)
	go func() { // ends with the component, which has its own time limit
		out, err := proxytest.SlixmppComponent(t, p.addr, "play.localhost")
		done <- fmt.Sprint(out, err)
	}()
	p.wait("component handshake accepted", p.out.String)
	out, err := proxytest.Slixmpp(t, ca.File, server.Addr, "juliet@localhost/balcony", "capulet", "--to=play.localhost", "--say=what light", "--expect=1")
	if err != nil || !strings.Contains(out, "got you said: what light") {
		t.Errorf("%v: %s", err, out)
	}
	if s := <-done; !strings.Contains(s, "online") || !strings.HasSuffix(s, "<nil>") {
		t.Errorf("the component: %s", s)
	}
	p.stop()
	s := p.show()
	for _, want := range []string{"(component) from", "the handshake is right", "handshake hidden", `chat juliet@localhost → play.localhost: "what light"`, `you said: what light`} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%s", want, s)
		}
	}
	if found := p.check("warning"); found != nil {
		t.Errorf("%+v", found)
	}
}
