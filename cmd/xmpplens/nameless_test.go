package main

import (
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// slixmpp says no name in direct TLS (SNI). With the server's address alone nobody
// knows then which domain its certificate must be for: the hint says what to
// give, and that works.
func TestDirectNameless(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, "capulet.example")
	server.Register(t, "nurse", "capulet.example", "capulet")
	login := func(args ...string) (string, string, error) {
		p := startProxy(t, append(args, "--server-ca", ca.File)...)
		out, err := proxytest.Slixmpp(t, p.ca, p.addr, "nurse@capulet.example/house", "capulet", "--direct")
		p.stop()
		return p.show(), out, err
	}
	s, _, err := login("tls://" + server.Direct)
	if err == nil || !strings.Contains(s, "--target=DOMAIN=tls://HOST:PORT") {
		t.Errorf("%v, and no hint in\n%s", err, s)
	}
	s, out, err := login("--target=capulet.example=tls://" + server.Direct)
	if err != nil || !strings.Contains(s, "iq result roster") {
		t.Errorf("%v: %s\n%s", err, out, s)
	}
}
