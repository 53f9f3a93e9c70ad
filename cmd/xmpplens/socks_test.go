package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// startSocks runs a proxy for clients with a proxy setting only, and returns the
// address of its listener.
func startSocks(t *testing.T, args ...string) (*program, string) {
	t.Helper()
	socks := fmt.Sprintf("127.0.0.1:%d", proxytest.Port(t))
	return startProxy(t, append([]string{"--listen-socks=" + socks}, args...)...), socks
}

// Gajim's library by SOCKS5 to two servers through one listener, with STARTTLS
// and direct TLS: the name that TLS is about is the account's domain.
func TestSocksClients(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, host, "capulet.example")
	ejabberd := proxytest.StartEjabberd(t, ca, "montague.example")
	server.Register(t, "juliet", host, "capulet")
	server.Register(t, "nurse", "capulet.example", "capulet")
	ejabberd.Register(t, "romeo", "montague.example", "montague")
	p, socks := startSocks(t, "--server-ca", ca.File, "--mechanisms=SCRAM-SHA-1,SCRAM-SHA-256,PLAIN")
	for _, c := range []struct {
		jid, password, addr string
		flags               []string
	}{
		{"juliet@localhost/balcony", "capulet", "localhost" + server.Addr[strings.LastIndexByte(server.Addr, ':'):], nil},
		{"nurse@capulet.example/house", "capulet", server.Direct, []string{"--direct", "--auth"}},
		{"romeo@montague.example/orchard", "montague", ejabberd.Addr, []string{"--auth"}},
	} {
		out, err := proxytest.Nbxmpp(t, c.jid, c.password, c.addr, socks, c.flags...)
		if err != nil || !strings.Contains(out, "online "+c.jid) || !strings.Contains(out, "pong") {
			t.Errorf("%s: %v: %s", c.jid, err, out)
		}
	}
	p.stop()
	s := p.show("--format=line")
	for _, want := range []string{"SOCKS5: the client asks for localhost:", "CN=capulet.example", "CN=montague.example", "CN=localhost", "connection 3 (c2s)"} {
		if !strings.Contains(s, want) {
			t.Errorf("the recording lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(s)
	}
}

// curl is a SOCKS client with answers that can be told apart.
func TestSocksAnswers(t *testing.T) {
	curl := proxytest.Need(t, "curl", "curl")
	p, socks := startSocks(t)
	for _, c := range []struct{ server, said string }{
		{fmt.Sprintf("127.0.0.1:%d", proxytest.Port(t)), "(5)"}, // refused
		{socks, "(2)"}, // the proxy itself
	} {
		out, err := exec.Command(curl, "-sS", "--max-time", "20", "--socks5-hostname", socks, "http://"+c.server+"/").CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.said) {
			t.Errorf("%s: %v: %s", c.server, err, out)
		}
	}
	p.stop()
	if s := p.show(); !strings.Contains(s, "connection refused") || !strings.Contains(s, "the proxy itself") {
		t.Errorf("the recording does not say why:\n%s", s)
	}
}
