package main

import (
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
