package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// A tap sees that a server sends its client elsewhere, and cannot change it: it
// says so.
func TestTapElsewhere(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, host)
	server.Register(t, "juliet", host, "capulet")
	p := startTap(t, server.Addr)
	t.Setenv("SSLKEYLOGFILE", p.keys)
	server.SendElsewhere(t, "location", "b.example:5299")
	out, err := proxytest.Slixmpp(t, ca.File, p.near.Addr, "juliet@localhost/balcony", "capulet", "--follow")
	if err != nil || !strings.Contains(out, "location b.example:5299\n") {
		t.Errorf("%v: %s", err, out)
	}
	server.SendElsewhere(t, "error", "b.example:5299")
	proxytest.Slixmpp(t, ca.File, p.near.Addr, "juliet@localhost/balcony", "capulet") // is sent away
	p.same(t)
	s := p.show()
	for _, want := range []string{"the server sends the client to b.example:5299 (see-other-host)", "the server sends the client to b.example:5299 (the location of stream management)"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%s", want, s)
		}
	}
}

// Clients that come to a tap by SOCKS5 name their server themselves. GnuTLS logs
// its secrets, too.
func TestTapSocks(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, host)
	server.Register(t, "juliet", host, "capulet")
	keys := filepath.Join(t.TempDir(), "keys.log")
	p, socks := startSocks(t, "--tap", "--keylog", keys)
	t.Setenv("SSLKEYLOGFILE", keys)
	for _, way := range []struct {
		addr  string
		flags []string
	}{{server.Addr, nil}, {server.Direct, []string{"--direct"}}} {
		out, err := proxytest.Nbxmpp(t, "juliet@localhost/balcony", "capulet", way.addr, socks, way.flags...)
		if err != nil || !strings.Contains(out, "online juliet@localhost/balcony") || !strings.Contains(out, "pong") {
			t.Errorf("%v: %s", err, out)
		}
	}
	p.stop()
	s := p.show("--format=line")
	for _, want := range []string{"SOCKS5: the client asks for " + server.Addr, "SOCKS5: the client asks for " + server.Direct} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, want := range []string{"secured from the client to the server, past the proxy", "SASL success", "iq set bind", "iq get ping"} {
		if n := strings.Count(s, want); n != 2 {
			t.Errorf("%q %d times", want, n)
		}
	}
	if t.Failed() {
		t.Log(s)
	}
}

// A component in front of a tap has no TLS: it is read as it is.
func TestTapComponent(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, host, "play.localhost")
	server.Register(t, "juliet", host, "capulet")
	p := startProxy(t, "--tap", "--keylog", filepath.Join(t.TempDir(), "keys.log"), "--kind=component", server.Component)
	done := make(chan string, 1)
	go func() { // ends with the component, which has its own time limit
		out, err := proxytest.SlixmppComponent(t, p.addr, "play.localhost")
		done <- fmt.Sprint(out, err)
	}()
	p.wait("component handshake accepted", p.out.String)
	if out, err := proxytest.Slixmpp(t, ca.File, server.Addr, "juliet@localhost/balcony", "capulet", "--to=play.localhost", "--say=what light", "--expect=1"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if s := <-done; !strings.Contains(s, "online") || !strings.HasSuffix(s, "<nil>") {
		t.Errorf("the component: %s", s)
	}
	p.stop()
	s := p.show()
	for _, want := range []string{"(component) from", "handshake hidden", `chat juliet@localhost → play.localhost: "what light"`, "you said: what light"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%s", want, s)
		}
	}
}
