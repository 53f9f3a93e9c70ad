package main

import (
	"net/url"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// XMPP over BOSH (XEP-0124), with real clients and servers.

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// strophe.js in Node.js in front of Prosody and ejabberd, in the clear and over
// TLS on each leg.
func TestBOSH(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	prosody := proxytest.StartProsody(t, ca, host)
	prosody.Register(t, "juliet", host, "capulet")
	ejabberd := proxytest.StartEjabberd(t, ca, host)
	ejabberd.Register(t, "juliet", host, "capulet")
	for name, c := range map[string]struct{ upstream, scheme, path string }{
		"prosody http to http":    {"http://" + prosody.HTTP, "http", "/http-bind"},
		"prosody https to http":   {"http://" + prosody.HTTP, "https", "/http-bind"},
		"prosody http to https":   {"https://" + prosody.HTTPS, "http", "/http-bind"},
		"prosody https to https":  {"https://" + prosody.HTTPS, "https", "/http-bind"},
		"ejabberd http to http":   {"http://" + ejabberd.HTTP, "http", "/bosh"},
		"ejabberd https to https": {"https://localhost:" + portOf(ejabberd.HTTPS), "https", "/bosh"},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t, "--server-ca", ca.File, c.upstream+c.path)
			text := "O Romeo ☃ <&> " + strings.Repeat("wherefore ", 10_000)
			out, err := proxytest.Strophe(t, p.ca, c.scheme+"://localhost:"+portOf(p.addr)+c.path, "juliet@localhost/balcony", "capulet", text)
			if err != nil || !strings.Contains(out, "got "+text) || !strings.Contains(out, "online juliet@localhost/balcony") {
				t.Fatalf("%v: %.2000s", err, out)
			}
			p.stop()
			overBOSH(t, p)
			s := p.show()
			if secure := strings.Contains(s, "client leg secured"); secure != (c.scheme == "https") {
				t.Errorf("client leg secured: %v", secure)
			}
			if secure := strings.Contains(s, "server leg secured"); secure != strings.HasPrefix(c.upstream, "https") {
				t.Errorf("server leg secured: %v", secure)
			}
		})
	}
}

// A poll that waits is answered when there is something to tell, and nothing cuts
// it before.
func TestBOSHPoll(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	prosody := proxytest.StartProsody(t, ca, host)
	prosody.Register(t, "juliet", host, "capulet")
	prosody.Register(t, "romeo", host, "montague")
	p := startProxy(t, "--format=line", "--all", "http://"+prosody.HTTP+"/http-bind")
	done := make(chan string, 1)
	go func() { // ends with the client
		out, err := proxytest.Strophe(t, "", "http://localhost:"+portOf(p.addr)+"/http-bind", "juliet@localhost/balcony", "capulet", "")
		if err != nil {
			out = err.Error() + ": " + out
		}
		done <- out
	}()
	p.wait("presence available from", p.out.String)
	p.wait("→ BOSH poll", p.out.String)
	proxytest.GoSendxmpp(t, ca.File, prosody.Addr, "romeo@localhost", "montague", "juliet@localhost", "O speak again, bright angel!")
	if out := <-done; !strings.Contains(out, "got O speak again, bright angel!") {
		t.Fatal(out)
	}
	p.stop()
	if s := p.show(); !strings.Contains(s, `"O speak again, bright angel!"`) || !strings.Contains(s, "connection 1 closed by the client") || strings.Contains(s, "connection 2") {
		t.Errorf("%s", s)
	}
	if out, err := xmpplens(t, "check", "--severity=error", p.file).CombinedOutput(); err != nil {
		t.Errorf("check: %v: %s", err, out)
	}
}

// overBOSH checks that a recording shows one whole session.
func overBOSH(t *testing.T, p *program) {
	t.Helper()
	s := p.show()
	for _, want := range []string{"connection 1 (c2s)", "over BOSH", "→ BOSH session asked → localhost", "← BOSH session ", "SASL success", "→ BOSH stream restart", "iq set bind", "[online]", `"O Romeo ☃ <&>`, "→ BOSH session ends", "connection 1 closed by the client"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%.5000s", want, s)
		}
	}
	if strings.Contains(s, "connection 2") || strings.Contains(s, "BOSH poll") || strings.Contains(s, "end of a BOSH body") {
		t.Errorf("too much in\n%.5000s", s)
	}
	p.finds("sasl-clear")
}

// strophe.js in a real browser: in a page of the same origin, and, at ejabberd,
// in one of another origin, which asks first (CORS).
func TestBOSHInBrowser(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	prosody := proxytest.StartProsody(t, ca, host)
	prosody.Register(t, "juliet", host, "capulet")
	proxytest.InstallStrophe(t, prosody.Files)
	ejabberd := proxytest.StartEjabberd(t, ca, host)
	ejabberd.Register(t, "juliet", host, "capulet")
	login := func(t *testing.T, page, service string) {
		t.Helper()
		query := url.Values{"service": {service}, "jid": {"juliet@localhost/balcony"}, "password": {"capulet"}, "text": {"O Romeo ☃ <&>"}}
		said := proxytest.Browse(t, page+"/strophe.html?"+query.Encode(), "document.getElementById('said').textContent.includes('gone')")
		if !strings.Contains(said, "online juliet@localhost/balcony") || !strings.Contains(said, "got O Romeo ☃ <&>") {
			t.Fatalf("the page says %s", said)
		}
	}
	p := startProxy(t, "--server-ca", ca.File, "http://"+prosody.HTTP+"/http-bind")
	origin := "http://localhost:" + portOf(p.addr)
	t.Run("prosody", func(t *testing.T) {
		login(t, origin, origin+"/http-bind")
	})
	t.Run("ejabberd", func(t *testing.T) {
		q := startProxy(t, "--server-ca", ca.File, "https://localhost:"+portOf(ejabberd.HTTPS)+"/bosh")
		login(t, origin, "https://localhost:"+portOf(q.addr)+"/bosh")
		q.stop()
		overBOSH(t, q)
		if out, err := xmpplens(t, "show", "--all", "--format=line", q.file).Output(); err != nil || !strings.Contains(string(out), "OPTIONS /bosh") {
			t.Errorf("no preflight in %s", out)
		}
	})
	p.stop()
	overBOSH(t, p)
}
