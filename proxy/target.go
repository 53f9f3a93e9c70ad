package proxy

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/xmpplens/xmpplens/proxy/session"
)

// This file chooses the server by the domain that the client names.

// A service is what a kind of session looks for in DNS, and the ports that are
// usual for it.
type service struct {
	name, direct     string // of SRV records (RFC 6120 §3.2.1, XEP-0368 §2); "" = there are none
	port, directPort int
}

func serviceOf(kind string) service {
	switch kind {
	case session.KindS2S:
		return service{"xmpp-server", "xmpps-server", 5269, 5270}
	case session.KindComponent:
		return service{"", "", 5347, 5347}
	}
	return service{"xmpp-client", "xmpps-client", 5222, 5223}
}

// ParseTarget reads where a domain's server is: DOMAIN=UPSTREAM, with what
// ParseUpstreamOf takes for the kind of session.
func ParseTarget(kind, s string) (domain string, u Upstream, err error) {
	domain, rest, ok := strings.Cut(s, "=")
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if !ok || domain == "" || rest == "" || rest == "*" || strings.ContainsAny(domain, "*/@: ") {
		return "", u, &hinted{fmt.Errorf("proxy: target %q: not DOMAIN=HOST:PORT", s), "say which domain is where: example.org=127.0.0.1:5269, example.org=tls://127.0.0.1:5270"}
	}
	u, err = ParseUpstreamOf(kind, rest)
	if err == nil && u.Web != "" {
		err = &hinted{fmt.Errorf("proxy: target %q: a server that is reached over HTTP is an upstream of its own", s), "use DOMAIN=HOST:PORT or DOMAIN=tls://HOST:PORT"}
	}
	return domain, u, err
}

// upstreamOf returns where the server of a domain is.
func (p *Proxy) upstreamOf(domain string) (Upstream, error) {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if u, ok := p.Domains[domain]; ok {
		return u, nil
	}
	if !p.Upstream.Any {
		return p.Upstream, nil
	}
	if domain == "" {
		return Upstream{}, &hinted{errors.New("proxy: nobody said which domain is meant: the stream header has no to, TLS no server name"), "give the upstream as HOST:PORT"}
	}
	u, err := ParseUpstreamOf(p.Kind, domain)
	if err != nil || strings.ContainsAny(domain, "/*") || strings.Contains(domain, ":") && net.ParseIP(strings.Trim(domain, "[]")) == nil {
		return Upstream{}, &hinted{fmt.Errorf("proxy: %q is no domain to connect to", domain), "give its server with --target=DOMAIN=HOST:PORT"}
	}
	return u, nil
}

var errItself = errors.New("that is the proxy itself")

// notItself keeps the proxy from connecting to its own listener, which would go
// on without end: where servers find each other through it, DNS names it.
func (p *Proxy) notItself(_, addr string, _ syscall.RawConn) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil // a name of another network
	}
	for _, a := range p.own {
		tcp, ok := a.(*net.TCPAddr)
		if ok && strconv.Itoa(tcp.Port) == port && reaches(net.ParseIP(host), tcp.IP) {
			return errItself
		}
	}
	return nil
}

// reaches reports whether connecting to ip ends at what listens on another.
func reaches(ip, listens net.IP) bool {
	if !listens.IsUnspecified() || ip == nil {
		return ip.Equal(listens)
	}
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	local, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range local {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
			return true
		}
	}
	return false
}
