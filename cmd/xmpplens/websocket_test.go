package main

import (
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// XMPP over WebSocket (RFC 7395), with real clients and servers.

// @xmpp/client in front of Prosody and ejabberd, in the clear and over TLS on
// each leg.
func TestWebSocket(t *testing.T) {
	ca := proxytest.NewCA(t)
	prosody := proxytest.StartProsody(t, ca, host)
	prosody.Register(t, "juliet", host, "capulet")
	ejabberd := proxytest.StartEjabberd(t, ca, host)
	ejabberd.Register(t, "juliet", host, "capulet")
	port := func(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
	for name, c := range map[string]struct{ upstream, scheme, path string }{
		"prosody ws to ws":    {"ws://" + prosody.HTTP, "ws", "/xmpp-websocket"},
		"prosody wss to ws":   {"ws://" + prosody.HTTP, "wss", "/xmpp-websocket"},
		"prosody ws to wss":   {"wss://" + prosody.HTTPS, "ws", "/xmpp-websocket"},
		"prosody wss to wss":  {"wss://" + prosody.HTTPS, "wss", "/xmpp-websocket"},
		"ejabberd ws to ws":   {"ws://" + ejabberd.HTTP, "ws", "/ws"},
		"ejabberd wss to wss": {"wss://localhost:" + port(ejabberd.HTTPS), "wss", "/ws"},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t, "--server-ca", ca.File, c.upstream+c.path)
			text := "O Romeo ☃ <&> " + strings.Repeat("wherefore ", 10_000)
			out, err := proxytest.XMPPjs(t, p.ca, c.scheme+"://localhost:"+port(p.addr)+c.path, host, "juliet", "capulet", text)
			if err != nil || !strings.Contains(out, "got "+text) || !strings.Contains(out, "online juliet@localhost/balcony") {
				t.Fatalf("%v: %.2000s", err, out)
			}
			p.stop()
			s := p.show()
			for _, want := range []string{"over WebSocket", "SASL success", "[online]", "iq set bind", `"O Romeo ☃ <&>`, "stream end"} {
				if !strings.Contains(s, want) {
					t.Errorf("no %q in\n%.5000s", want, s)
				}
			}
			if secure := strings.Contains(s, "client leg secured"); secure != (c.scheme == "wss") {
				t.Errorf("client leg secured: %v", secure)
			}
			if secure := strings.Contains(s, "server leg secured"); secure != strings.HasPrefix(c.upstream, "wss") {
				t.Errorf("server leg secured: %v", secure)
			}
			if out, err := xmpplens(t, "check", "--severity=error", p.file).CombinedOutput(); err != nil && !onlyClear(string(out)) {
				t.Errorf("check: %v: %s", err, out)
			}
		})
	}
}

// onlyClear reports whether nothing was found but a login in the clear.
func onlyClear(found string) bool {
	return strings.Count(found, ": error ") == strings.Count(found, ": error sasl-clear:")
}
