package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// The tests in this file use the program as its users do: in front of a real
// Prosody, with real clients.

// program is xmpplens as a process of its own.
type program struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err buffer
	addr     string // for clients
	ca       string // for clients to trust
	file     string // the recording
	done     chan error
}

// buffer collects output while it is looked at.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// xmpplens is the test binary under the program's name: see TestMain.
func xmpplens(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "xmpplens")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	return exec.Command(link, args...)
}

// startProxy runs xmpplens proxy with a recording.
func startProxy(t *testing.T, args ...string) *program {
	t.Helper()
	return startProxyAs(t, nil, args...)
}

// startProxyAs runs it with the attributes of a process, nil = the usual.
func startProxyAs(t *testing.T, attr *syscall.SysProcAttr, args ...string) *program {
	t.Helper()
	dir := t.TempDir()
	p := &program{t: t, addr: fmt.Sprintf("127.0.0.1:%d", proxytest.Port(t)), ca: filepath.Join(dir, "ca", "ca.pem"), file: filepath.Join(dir, "s.jsonl"), done: make(chan error, 1)}
	for i, a := range args {
		if file, ok := strings.CutPrefix(a, "--write="); ok {
			p.file, args[i] = file, "--format=line"
		}
	}
	base := []string{"proxy", "-l", p.addr, "--ca-dir", filepath.Dir(p.ca), "-w", p.file, "--web=127.0.0.1:0"}
	p.cmd = xmpplens(t, append(base, args...)...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = &p.out, &p.err, attr
	p.cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
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
	p.says(", server ")
	return p
}

// says waits until the program has said something on stderr.
func (p *program) says(text string) {
	p.t.Helper()
	p.wait(text, p.err.String)
}

func (p *program) wait(text string, where func() string) {
	p.t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(where(), text) {
			return
		}
	}
	p.t.Fatalf("never said: %s", text)
}

// stop ends the program as Ctrl-C does and returns its exit code.
func (p *program) stop() int {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		p.t.Fatal("does not end")
		return -1
	}
}

// show runs xmpplens show on the recording.
func (p *program) show(args ...string) string {
	p.t.Helper()
	out, err := xmpplens(p.t, append([]string{"show", p.file}, args...)...).Output()
	if err != nil {
		p.t.Fatalf("show %v: %v", args, err)
	}
	return string(out)
}

const (
	host = "localhost"
	weak = "tls12.localhost" // where Prosody offers channel binding
)

func prosody(t *testing.T) (*proxytest.CA, *proxytest.Prosody) {
	t.Helper()
	ca := proxytest.NewCA(t)
	p := proxytest.StartProsody(t, ca, host, weak)
	for _, h := range []string{host, weak} {
		p.Register(t, "juliet", h, "capulet")
		p.Register(t, "romeo", h, "montague")
	}
	return ca, p
}

func TestMainJob(t *testing.T) {
	ca, server := prosody(t)
	p := startProxy(t, "--server-ca", ca.File, server.Addr)

	got := make(chan string, 1)
	go func() { // ends with the client, which has its own time limit
		out, err := proxytest.Slixmpp(t, ca.File, server.Addr, "romeo@localhost/orchard", "montague", "--expect=1")
		got <- fmt.Sprint(out, err)
	}()
	proxytest.GoSendxmpp(t, p.ca, p.addr, "juliet@localhost", "capulet", "romeo@localhost", "Wherefore art thou <&> Romeo? ☃")
	if s := <-got; !strings.Contains(s, "got Wherefore art thou <&> Romeo? ☃") {
		t.Errorf("the message did not arrive: %s", s)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p.says("1 connection, ")
	for name, text := range map[string]string{"console": p.out.String(), "show": p.show()} {
		for _, want := range []string{"SASL login with PLAIN as juliet", "password hidden", "SASL success", "iq set bind", "presence available", `chat → romeo@localhost: "Wherefore art thou <&> Romeo? ☃"`, "server leg secured with TLS 1.3", "client leg secured"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", name, want, text)
			}
		}
		if strings.Contains(text, "AGp1bGlldABjYXB1bGV0") {
			t.Errorf("%s shows the password", name)
		}
	}
	lines := strings.Split(strings.TrimSpace(p.show("--format=json")), "\n")
	for i, l := range lines {
		var e struct {
			N    int
			Time time.Time
		}
		if err := json.Unmarshal([]byte(l), &e); err != nil || e.N != i+1 || e.Time.IsZero() {
			t.Fatalf("line %d: %v: %s", i+1, err, l)
		}
	}
	if len(lines) < 15 {
		t.Errorf("%d entries", len(lines))
	}
}

// What both legs carried, seen from outside, is what the recording says, byte
// for byte.
func TestBytes(t *testing.T) {
	ca, server := prosody(t)
	for _, c := range []struct {
		host     string
		flags    []string
		edited   bool
		starttls bool
	}{
		{host, nil, false, false},
		{weak, []string{"--mechanisms=PLAIN"}, true, false},
		{host, []string{"--server-tls=direct"}, false, true},
	} {
		t.Run(c.host+strings.Join(c.flags, ""), func(t *testing.T) {
			leaf, err := ca.Leaf(c.host)
			if err != nil {
				t.Fatal(err)
			}
			behind := proxytest.NewRelay(t, *leaf, server.Direct, ca.Pool(), c.host)
			p := startProxy(t, append(c.flags, "--server-ca", ca.File, "tls://"+behind.Addr)...)
			pool := proxytest.Pool(t, p.ca)
			front := proxytest.NewRelay(t, *leaf, p.addr, pool, c.host)
			addr, trust, flags := front.Addr, ca.File, []string{"--direct"}
			if c.starttls {
				addr, trust, flags = p.addr, p.ca, nil
			}
			jid := "juliet@" + c.host
			out, err := proxytest.Slixmpp(t, trust, addr, jid+"/balcony", "capulet", append(flags, "--to="+jid+"/balcony", "--say=O Romeo ☃ <&>", "--expect=1")...)
			if err != nil || !strings.Contains(out, "got O Romeo ☃ <&>") {
				t.Fatalf("%v: %s", err, out)
			}
			p.stop()
			same := func(what, got, want string) {
				t.Helper()
				if got != want || len(want) < 500 {
					t.Errorf("%s: %d bytes, want %d\n got %.3000q\nwant %.3000q", what, len(got), len(want), got, want)
				}
			}
			same("received from the server", p.show("--format=raw", "--dir=SC"), behind.SC())
			same("sent to the server", p.show("--format=raw", "--dir=CS", "--sent"), behind.CS())
			if c.starttls {
				return
			}
			same("received from the client", p.show("--format=raw", "--dir=CS"), front.CS())
			same("sent to the client", p.show("--format=raw", "--dir=SC", "--sent"), front.SC())
			if edited := front.SC() != behind.SC(); edited != c.edited {
				t.Errorf("edited: %v", edited)
			}
		})
	}
}

func TestChannelBinding(t *testing.T) {
	ca, server := prosody(t)
	p := startProxy(t, "--server-ca", ca.File, server.Addr)
	jid := "juliet@" + weak
	// It tries SCRAM first, which fails because of the proxy; some versions
	// then fall back to PLAIN by themselves.
	if out, err := proxytest.Slixmpp(t, p.ca, p.addr, jid, "capulet"); err == nil && !strings.Contains(out, "mechanism PLAIN") {
		t.Fatalf("logged in although the proxy had to take channel binding away: %s", out)
	}
	p.wait("the login failed because of the proxy", p.out.String)
	p.wait("SCRAM-SHA-1-PLUS removed", p.out.String)
	p.wait("--mechanisms=PLAIN", p.out.String)
	p.stop()

	p = startProxy(t, "--mechanisms=PLAIN", "--server-ca", ca.File, server.Addr)
	if out, err := proxytest.Slixmpp(t, p.ca, p.addr, jid, "capulet"); err != nil || !strings.Contains(out, "mechanism PLAIN") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestClearTextLook(t *testing.T) {
	ca, server := prosody(t)
	p := startProxy(t, "--client-tls=off", "--server-tls=starttls", "--server-ca", ca.File, server.Addr)
	if out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@localhost", "capulet"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.stop()
	if s := p.show(); !strings.Contains(s, "server leg secured") || strings.Contains(s, "client leg secured") {
		t.Error(s)
	}
}

func TestUntrustedServer(t *testing.T) {
	_, server := prosody(t)
	p := startProxy(t, server.Addr)
	if out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@localhost", "capulet"); err == nil {
		t.Fatalf("logged in: %s", out)
	}
	p.wait("TLS with the server: ", p.out.String)
	p.wait("--server-ca", p.out.String)
	p.stop()
	if s := p.show("--format=raw", "--dir=SC", "--sent"); !strings.HasSuffix(s, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>") {
		t.Errorf("the client was told %s", s)
	}

	p = startProxy(t, "--insecure", server.Addr)
	if out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@localhost", "capulet"); err != nil {
		t.Fatalf("--insecure: %v: %s", err, out)
	}
	p.wait("not verified", p.out.String)
}

// records serves a zone on loopback.
func records(t *testing.T, lines ...string) string {
	t.Helper()
	return serveZone(t, false, lines...)
}

// serveZone serves a zone whose answers claim to be signed, or not.
func serveZone(t *testing.T, signed bool, lines ...string) string {
	t.Helper()
	zone := make(map[string][]dns.RR)
	for _, l := range lines {
		rr, err := dns.NewRR(l)
		if err != nil {
			t.Fatal(err)
		}
		k := fmt.Sprint(strings.ToLower(rr.Header().Name), rr.Header().Rrtype)
		zone[k] = append(zone[k], rr)
	}
	started := make(chan struct{})
	s := &dns.Server{Addr: fmt.Sprintf("127.0.0.1:%d", proxytest.Port(t)), Net: "udp", NotifyStartedFunc: func() { close(started) }}
	s.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		m.AuthenticatedData = signed
		m.Answer = zone[fmt.Sprint(strings.ToLower(q.Question[0].Name), q.Question[0].Qtype)]
		if m.Answer == nil {
			m.Rcode = dns.RcodeNameError
		}
		w.WriteMsg(m)
	})
	go s.ListenAndServe() // ends with Shutdown
	t.Cleanup(func() { s.Shutdown() })
	<-started
	return s.Addr
}

func TestServiceRecords(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, "capulet.example")
	server.Register(t, "juliet", "capulet.example", "capulet")
	port := func(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
	dead := fmt.Sprint(proxytest.Port(t))
	resolver := records(t,
		"xmpp.capulet.example. A 127.0.0.1",
		"_xmpp-client._tcp.capulet.example. SRV 5 0 "+dead+" xmpp.capulet.example.",
		"_xmpp-client._tcp.capulet.example. SRV 10 50 "+port(server.Addr)+" xmpp.capulet.example.",
		"_xmpps-client._tcp.capulet.example. SRV 5 0 "+port(server.Direct)+" xmpp.capulet.example.")
	p := startProxy(t, "--resolver", resolver, "--server-ca", ca.File, "capulet.example")
	for _, flags := range [][]string{nil, {"--direct"}} {
		if out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@capulet.example", "capulet", flags...); err != nil {
			t.Errorf("%v: %v: %s", flags, err, out)
		}
	}
	p.stop()
	s := p.show("--format=line")
	for _, want := range []string{"127.0.0.1:" + port(server.Addr), "127.0.0.1:" + port(server.Direct), "xmpp.capulet.example:" + port(server.Addr) + " is choice 2 of 2 in DNS: "} {
		if !strings.Contains(s, want) {
			t.Errorf("never connected to %s:\n%s", want, s)
		}
	}

	p = startProxy(t, "--resolver", resolver, "nowhere.example")
	if out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@nowhere.example", "capulet"); err == nil || !strings.Contains(out, "remote-connection-failed") {
		t.Errorf("the client was not told: %v: %s", err, out)
	}
	p.wait("nowhere.example", p.out.String)
}
