package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// A server that sends its client to another one, and a client that goes there:
// both connections are in the recording.
func TestRedirectedClient(t *testing.T) {
	ca := proxytest.NewCA(t)
	first, second := proxytest.StartProsody(t, ca, host), proxytest.StartProsody(t, ca, host)
	for _, s := range []*proxytest.Prosody{first, second} {
		s.Register(t, "juliet", host, "capulet")
	}
	first.SendElsewhere(t, "error", second.Addr)
	second.SendElsewhere(t, "location", first.Addr)
	p := startProxy(t, "--server-ca", ca.File, first.Addr)
	out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@localhost/balcony", "capulet", "--follow")
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if !strings.Contains(out, "location "+p.addr+"\n") {
		t.Errorf("the client is to come back to %s:\n%s", p.addr, out)
	}
	p.stop()
	s := p.show("--format=line")
	for _, want := range []string{"connection 2 (c2s)", "connected to " + second.Addr, "see-other-host", first.Addr} {
		if !strings.Contains(s, want) {
			t.Errorf("the recording lacks %q", want)
		}
	}
	if strings.Contains(s, "past the proxy") {
		t.Error("the client escaped")
	}
	if t.Failed() {
		t.Log(s)
	}
}

// Profanity goes where it is sent by itself, with its own look at names and
// certificates.
func TestRedirectedProfanity(t *testing.T) {
	ca := proxytest.NewCA(t)
	first, second := proxytest.StartProsody(t, ca, host), proxytest.StartProsody(t, ca, host)
	for _, s := range []*proxytest.Prosody{first, second} {
		s.Register(t, "juliet", host, "capulet")
	}
	first.SendElsewhere(t, "error", second.Addr)
	p := startProxy(t, "--server-ca", ca.File, first.Addr)
	run := startProfanity(t, "juliet@localhost", p.addr, p.ca, "force", "/ping localhost")
	p.wait("iq result bind as juliet@localhost/balcony", p.out.String)
	run("send-keys", "/quit", "Enter")
	p.wait("connection 2 closed", p.out.String)
	p.stop()
	if s := p.show("--format=line"); !strings.Contains(s, "connected to "+second.Addr) || strings.Contains(s, "past the proxy") {
		t.Errorf("where did it go?\n%s", s)
	}
}

// haproxy in front, ejabberd behind, both with the PROXY protocol: recording and
// server name the client that haproxy had.
func TestBehindBalancer(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	server := proxytest.StartEjabberd(t, ca, host)
	server.Register(t, "juliet", host, "capulet")
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			p := startProxy(t, "--proxy-protocol", fmt.Sprintf("--send-proxy-protocol=v%d", version), "--server-ca", ca.File, server.Behind)
			c, err := proxytest.Connect(proxytest.Way{Addr: proxytest.Haproxy(t, p.addr, version), JID: "juliet@localhost/balcony", Password: "capulet",
				Roots: proxytest.Pool(t, p.ca), Mechanism: "SCRAM-SHA-256"})
			if err != nil {
				t.Fatal(err)
			}
			if got := server.Clients(t); !slices.Contains(got, c.Addr()) {
				t.Errorf("the client is %s, the server has %v", c.Addr(), got)
			}
			c.Close()
			p.stop()
			if s := p.show("--format=line"); !strings.Contains(s, "from "+c.Addr()+" to ") || !strings.Contains(s, fmt.Sprintf("PROXY protocol, version %d", version)) {
				t.Errorf("the recording does not know %s:\n%s", c.Addr(), s)
			}
		})
	}
}
