package proxy

import (
	"net"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/session"
)

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]string{
		"A.example=127.0.0.1:5269":      "a.example 127.0.0.1:5269",
		"a.example.=tls://[::1]:5270":   "a.example tls://[::1]:5270",
		"a.example=127.0.0.1":           "a.example 127.0.0.1:5269",
		"a.example=tls://b.example":     "a.example tls://b.example:5270",
		"a.example=b.example":           "a.example b.example",
		"a.example":                     "!",
		"=127.0.0.1:5269":               "!",
		"a.example=":                    "!",
		"a.example=*":                   "!",
		"*=127.0.0.1:5269":              "!",
		"juliet@a.example=127.0.0.1:52": "!",
		"a.example=127.0.0.1:0":         "!",
		"a.example=wss://b.example/ws":  "!",
	} {
		domain, u, err := ParseTarget(session.KindS2S, in)
		got := domain + " " + u.String()
		if err != nil {
			got = "!"
			if hintOf(err) == "" {
				t.Errorf("%s: no hint: %v", in, err)
			}
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", in, got, err, want)
		}
	}
}

func TestUpstreamOf(t *testing.T) {
	up, _ := ParseUpstream("127.0.0.1:5222")
	own, _ := ParseUpstream("127.0.0.1:5333")
	domains := map[string]Upstream{"a.example": own}
	for _, c := range []struct {
		p            *Proxy
		domain, want string
	}{
		{&Proxy{Upstream: up, Domains: domains}, "A.Example.", "127.0.0.1:5333"},
		{&Proxy{Upstream: up, Domains: domains}, "b.example", "127.0.0.1:5222"},
		{&Proxy{Upstream: up, Domains: domains}, "", "127.0.0.1:5222"},
		{&Proxy{Upstream: Upstream{Any: true}, Domains: domains}, "a.example", "127.0.0.1:5333"},
		{&Proxy{Upstream: Upstream{Any: true}}, "b.example", "b.example"},
		{&Proxy{Upstream: Upstream{Any: true}, Kind: session.KindS2S}, "127.0.0.1", "127.0.0.1:5269"},
		{&Proxy{Upstream: Upstream{Any: true}, Kind: session.KindS2S}, "[::1]", "[::1]:5269"},
		{&Proxy{Upstream: Upstream{Any: true}, Kind: session.KindComponent}, "play.example", "play.example:5347"},
		{&Proxy{Upstream: Upstream{Any: true}}, "", "!"},
		{&Proxy{Upstream: Upstream{Any: true}}, "b.example:22", "!"},
		{&Proxy{Upstream: Upstream{Any: true}}, "tls://b.example", "!"},
		{&Proxy{Upstream: Upstream{Any: true}}, "*", "!"},
	} {
		u, err := c.p.upstreamOf(c.domain)
		got := u.String()
		if err != nil {
			got = "!"
		}
		if got != c.want {
			t.Errorf("%+v %q: %s (%v), want %s", c.p.Upstream, c.domain, got, err, c.want)
		}
	}
}

func TestUpstreamOfKind(t *testing.T) {
	for _, c := range []struct{ kind, in, want string }{
		{session.KindS2S, "a.example", "a.example"},
		{session.KindS2S, "tls://a.example", "tls://a.example:5270"},
		{session.KindComponent, "a.example", "a.example:5347"},
		{"c2s", "192.0.2.1", "192.0.2.1:5222"},
	} {
		u, err := ParseUpstreamOf(c.kind, c.in)
		got := u.String()
		if err != nil {
			got = "!"
		}
		if got != c.want {
			t.Errorf("%s %s: %s (%v), want %s", c.kind, c.in, got, err, c.want)
		}
	}
}

func TestNotItself(t *testing.T) {
	p := &Proxy{own: []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5269}, &net.TCPAddr{IP: net.IPv6unspecified, Port: 5270}, &net.UnixAddr{Name: "x"}}}
	for addr, want := range map[string]bool{
		"127.0.0.1:5269": true, "127.0.0.2:5269": false, "127.0.0.1:5222": false, "[::1]:5269": false,
		"127.0.0.1:5270": true, "[::1]:5270": true, "192.0.2.1:5270": false,
	} {
		if got := p.notItself("tcp", addr, nil) != nil; got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p = &Proxy{own: []net.Addr{ln.Addr()}}
	if p.Upstream, err = ParseUpstream(ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Dial(t.Context(), "a.example", false); err == nil || !strings.Contains(err.Error(), "the proxy itself") || !strings.Contains(hintOf(err), "--target") {
		t.Errorf("%v (%s)", err, hintOf(err))
	}
}
