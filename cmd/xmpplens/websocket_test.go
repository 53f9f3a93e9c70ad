package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// XMPP over WebSocket (RFC 7395), with real clients and servers.

// @xmpp/client in front of Prosody and ejabberd, in the clear and over TLS on
// each leg.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	prosody := proxytest.StartProsody(t, ca, host)
	prosody.Register(t, "juliet", host, "capulet")
	ejabberd := proxytest.StartEjabberd(t, ca, host)
	ejabberd.Register(t, "juliet", host, "capulet")
	for name, c := range map[string]struct{ upstream, scheme, path string }{
		"prosody ws to ws":    {"ws://" + prosody.HTTP, "ws", "/xmpp-websocket"},
		"prosody wss to ws":   {"ws://" + prosody.HTTP, "wss", "/xmpp-websocket"},
		"prosody ws to wss":   {"wss://" + prosody.HTTPS, "ws", "/xmpp-websocket"},
		"prosody wss to wss":  {"wss://" + prosody.HTTPS, "wss", "/xmpp-websocket"},
		"ejabberd ws to ws":   {"ws://" + ejabberd.HTTP, "ws", "/ws"},
		"ejabberd wss to wss": {"wss://localhost:" + portOf(ejabberd.HTTPS), "wss", "/ws"},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t, "--server-ca", ca.File, c.upstream+c.path)
			text := "O Romeo ☃ <&> " + strings.Repeat("wherefore ", 10_000)
			out, err := proxytest.XMPPJS(t, p.ca, c.scheme+"://localhost:"+portOf(p.addr)+c.path, "juliet@localhost", "capulet", "juliet@localhost/balcony", text)
			if err != nil || !strings.Contains(out, "got "+text) {
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
			p.finds("sasl-clear")
		})
	}
}

// The password is known: over WebSocket, too, each leg has a login of its own,
// whose messages are framed anew.
func TestWebSocketReauthenticates(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, host)
	server.Register(t, "juliet", host, "capulet")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("capulet\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProxy(t, "--server-ca", ca.File, "--account=juliet@localhost", "--password-file", file, "wss://"+server.HTTPS+"/xmpp-websocket")
	out, err := proxytest.XMPPJS(t, p.ca, "wss://localhost:"+portOf(p.addr)+"/xmpp-websocket", "juliet@localhost", "capulet", "juliet@localhost/balcony", "O Romeo")
	if err != nil || !strings.Contains(out, "got O Romeo") {
		t.Fatalf("%v: %.2000s", err, out)
	}
	p.stop()
	s := p.show()
	for _, want := range []string{"(--account)", "with the server", "SASL success", "[online]"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%.8000s", want, s)
		}
	}
}

// Strophe.js in a real browser, on a page that comes through the proxy itself.
func TestWebSocketInBrowser(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, host)
	server.Register(t, "juliet", host, "capulet")
	proxytest.InstallStrophe(t, server.Files)
	for page, c := range map[string]struct{ upstream, service string }{
		"http":  {"ws://" + server.HTTP, "ws"},
		"https": {"wss://" + server.HTTPS, "wss"},
	} {
		t.Run(page, func(t *testing.T) {
			p := startProxy(t, "--server-ca", ca.File, c.upstream+"/xmpp-websocket")
			own := "localhost:" + portOf(p.addr)
			q := url.Values{"service": {c.service + "://" + own + "/xmpp-websocket"}, "jid": {"juliet@localhost/balcony"}, "password": {"capulet"}, "text": {"O Romeo ☃ <&>"}}
			said := proxytest.Browse(t, page+"://"+own+"/strophe.html?"+q.Encode(), `document.getElementById("said").textContent.includes("gone")`)
			if !strings.Contains(said, "online juliet@localhost/balcony") || !strings.Contains(said, "got O Romeo ☃ <&>") {
				t.Errorf("the page says %s", said)
			}
			p.stop()
			s := p.show("--all")
			for _, want := range []string{"GET /strophe.umd.min.js → 200", "permessage-deflate", "over WebSocket", "SASL success", "[online]", "chat → juliet@localhost: \"O Romeo ☃ <&>\"", "stream end", "WebSocket closed by the "} {
				if !strings.Contains(s, want) {
					t.Errorf("no %q in\n%.8000s", want, s)
				}
			}
			if page == "https" {
				p.finds()
			} else {
				p.finds("sasl-clear")
			}
		})
	}
}

// The same at ejabberd, from a page of another origin.
func TestWebSocketInBrowserWithEjabberd(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	server := proxytest.StartEjabberd(t, ca, host)
	server.Register(t, "juliet", host, "capulet")
	files := t.TempDir()
	proxytest.InstallStrophe(t, files)
	pages := httptest.NewServer(http.FileServer(http.Dir(files)))
	defer pages.Close()
	p := startProxy(t, "--server-ca", ca.File, "wss://localhost:"+portOf(server.HTTPS)+"/ws")
	q := url.Values{"service": {"ws://localhost:" + portOf(p.addr) + "/ws"}, "jid": {"juliet@localhost/balcony"}, "password": {"capulet"}, "text": {"O Romeo ☃ <&>"}}
	said := proxytest.Browse(t, pages.URL+"/strophe.html?"+q.Encode(), `document.getElementById("said").textContent.includes("gone")`)
	if !strings.Contains(said, "online juliet@localhost/balcony") || !strings.Contains(said, "got O Romeo ☃ <&>") {
		t.Errorf("the page says %s", said)
	}
	p.stop()
	s := p.show("--all")
	for _, want := range []string{"over WebSocket", "SASL success", "[online]", "chat → juliet@localhost: \"O Romeo ☃ <&>\"", "stream end"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%.8000s", want, s)
		}
	}
	p.finds("sasl-clear")
}

// finds runs xmpplens check: no error may be found but those allowed.
func (p *program) finds(allowed ...string) {
	p.t.Helper()
	out, _ := xmpplens(p.t, "check", "--severity=error", "--format=json", p.file).Output()
	for line := range strings.Lines(string(out)) {
		var f struct{ Code, Text string }
		if err := json.Unmarshal([]byte(line), &f); err != nil || !slices.Contains(allowed, f.Code) {
			p.t.Errorf("found: %v: %s", err, line)
		}
	}
}
