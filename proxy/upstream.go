package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// An Upstream is where the server leg goes.
type Upstream struct {
	Host    string // domain, host name or address literal
	Port    int    // 0 when Service
	Direct  bool   // TLS from the first byte (XEP-0368)
	Service bool   // Host is a domain, found by its SRV records (RFC 6120 §3.2)
	Any     bool   // the domain that the client names, found by its SRV records; nothing else is set

	// Web says that XMPP is spoken over HTTP: ws, wss (WebSocket, RFC 7395),
	// http or https (BOSH, XEP-0124); "" = not. Path is that of the
	// endpoint, as in the URL, with its query.
	Web, Path string
}

// ParseUpstream reads a domain (SRV look-up), host:port, tls://host:port, the URL of a
// WebSocket or BOSH endpoint, or * for the domain that each client names.
func ParseUpstream(s string) (Upstream, error) { return ParseUpstreamOf("", s) }

// ParseUpstreamOf is ParseUpstream with the ports that are usual for a kind of
// session.
func ParseUpstreamOf(kind, s string) (Upstream, error) {
	if s == "*" {
		return Upstream{Any: true}, nil
	}
	usual := serviceOf(kind)
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		scheme, rest = "", s
	}
	switch scheme {
	case "", "xmpp", "tls", "xmpps":
	case "ws", "wss", "http", "https":
		return parseEndpoint(s)
	default:
		return Upstream{}, &hinted{fmt.Errorf("proxy: upstream %q: unknown scheme %q", s, scheme), upstreamForms}
	}
	direct := scheme == "tls" || scheme == "xmpps"
	bad := func(why string) (Upstream, error) {
		return Upstream{}, &hinted{fmt.Errorf("proxy: upstream %q: %s", s, why), upstreamForms}
	}
	if rest == "" || strings.ContainsAny(rest, "/@ ?#") {
		return bad("not a domain and not host:port")
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		literal := strings.Trim(rest, "[]")
		_, ip := netip.ParseAddr(literal)
		if ip != nil && strings.Contains(rest, ":") {
			return bad("not a domain and not host:port")
		}
		switch {
		case direct:
			return Upstream{Host: literal, Port: usual.directPort, Direct: true}, nil
		case ip == nil, usual.name == "":
			return Upstream{Host: literal, Port: usual.port}, nil
		}
		return Upstream{Host: strings.TrimSuffix(rest, "."), Service: true}, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return bad(fmt.Sprintf("port %q is not between 1 and 65535", port))
	}
	if host == "" {
		return bad("the host is missing")
	}
	return Upstream{Host: host, Port: int(n), Direct: direct}, nil
}

// parseEndpoint reads the URL of a WebSocket or BOSH endpoint.
func parseEndpoint(s string) (Upstream, error) {
	bad := func(why string) (Upstream, error) {
		return Upstream{}, &hinted{fmt.Errorf("proxy: upstream %q: %s", s, why), upstreamForms}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		var reason *url.Error
		if errors.As(err, &reason) {
			err = reason.Err
		}
		return bad(err.Error())
	case u.Hostname() == "":
		return bad("the host is missing")
	case u.User != nil:
		return bad("a user has no place in it")
	case u.Fragment != "":
		return bad("a fragment has no place in it")
	}
	up := Upstream{Host: u.Hostname(), Web: u.Scheme, Direct: u.Scheme == "wss" || u.Scheme == "https", Path: u.RequestURI(), Port: 80}
	if up.Direct {
		up.Port = 443
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return bad(fmt.Sprintf("port %q is not between 1 and 65535", port))
		}
		up.Port = int(n)
	}
	return up, nil
}

// origin is where requests to the upstream go, and what they say that they
// come from: http or https with the host, and the port unless it is the usual.
func (u Upstream) origin() *url.URL {
	o := &url.URL{Scheme: "http", Host: u.authority()}
	if u.Direct {
		o.Scheme = "https"
	}
	return o
}

// authority is host and port as the Host header has them.
func (u Upstream) authority() string {
	if u.Direct && u.Port == 443 || !u.Direct && u.Port == 80 {
		if strings.Contains(u.Host, ":") {
			return "[" + u.Host + "]"
		}
		return u.Host
	}
	return net.JoinHostPort(u.Host, strconv.Itoa(u.Port))
}

func (u Upstream) String() string {
	switch {
	case u.Any:
		return "*"
	case u.Web != "":
		return u.Web + "://" + u.authority() + u.Path
	case u.Service:
		return u.Host
	}
	s := net.JoinHostPort(u.Host, strconv.Itoa(u.Port))
	if u.Direct {
		s = "tls://" + s
	}
	return s
}

// is reports whether the upstream is plainly the address itself, which would
// connect the proxy with itself without end.
func (u Upstream) is(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || u.Service || u.Any || u.Port != tcp.Port {
		return false
	}
	ip := net.ParseIP(u.Host)
	return ip != nil && ip.Equal(tcp.IP) || strings.EqualFold(u.Host, "localhost") && tcp.IP.IsLoopback()
}

const upstreamForms = "use DOMAIN, HOST:PORT, tls://HOST:PORT, ws(s)://HOST/PATH (WebSocket) or http(s)://HOST/PATH (BOSH)"

// hinted is an error with its remedy.
type hinted struct {
	error
	hint string
}

func (e *hinted) Unwrap() error { return e.error }

// Hint returns what to do about the error.
func (e *hinted) Hint() string { return e.hint }

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// A dialled is a connection to the server.
type dialled struct {
	conn    net.Conn
	up      Upstream
	direct  bool   // TLS from the first byte is to be used with it
	target  string // host:port, as DNS or the user named it
	instead string // why it is not the first choice of DNS; "" when it is
}

// Dial connects to the server of a domain as the server leg is connected: where
// Domains says, else where Upstream does. direct asks for TLS from the first
// byte; the answer says whether it is to be used with the address found. Only
// Upstream, Domains, Kind and Resolver are used.
func (p *Proxy) Dial(ctx context.Context, domain string, direct bool) (net.Conn, bool, error) {
	u, err := p.upstreamOf(domain)
	if err != nil {
		return nil, false, err
	}
	d, err := p.dial(ctx, u, direct)
	return d.conn, d.direct, err
}

func (p *Proxy) dial(ctx context.Context, u Upstream, direct bool) (dialled, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	if !u.Service {
		return p.dialAny(ctx, u, u.Direct || direct, []string{net.JoinHostPort(u.Host, strconv.Itoa(u.Port))})
	}
	service := serviceOf(p.Kind)
	if direct {
		targets, err := p.Targets(ctx, service.direct, u.Host)
		if err != nil {
			return dialled{}, err
		}
		if len(targets) > 0 {
			return p.dialAny(ctx, u, true, targets)
		}
	}
	targets, err := p.Targets(ctx, service.name, u.Host)
	if err != nil {
		return dialled{}, err
	}
	if len(targets) == 0 {
		targets = []string{net.JoinHostPort(u.Host, strconv.Itoa(service.port))} // RFC 6120 §3.2.2
	}
	return p.dialAny(ctx, u, false, targets)
}

// Targets returns the addresses of a domain's service (xmpp-client, xmpps-client,
// xmpp-server, xmpps-server) in the order in which they are to be tried, by
// priority and weight (RFC 2782); none when the domain does not have the
// service in DNS.
func (p *Proxy) Targets(ctx context.Context, service, domain string) ([]string, error) {
	_, records, err := p.resolver().LookupSRV(ctx, service, "tcp", ServerName(domain))
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil, nil
	}
	if err != nil && len(records) == 0 {
		return nil, &hinted{fmt.Errorf("proxy: look up _%s._tcp.%s: %w", service, domain, err),
			"check the domain and the network, give HOST:PORT instead, or another DNS server with --resolver=ADDR"}
	}
	var list []string
	for _, r := range records {
		if r.Target == "." {
			return nil, &hinted{fmt.Errorf("proxy: %s says in DNS that it has no %s service", domain, service),
				"give HOST:PORT when you know better"}
		}
		list = append(list, net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port))))
	}
	return list, nil
}

func (p *Proxy) resolver() *net.Resolver {
	if p.Resolver != nil {
		return p.Resolver
	}
	return net.DefaultResolver
}

// ResolverAt returns a resolver that asks the DNS server at addr (host or
// host:port) and nothing else.
func ResolverAt(addr string) *net.Resolver {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(strings.Trim(addr, "[]"), "53")
	}
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}}
}

// dialAny connects to the first target that answers.
func (p *Proxy) dialAny(ctx context.Context, u Upstream, direct bool, targets []string) (dialled, error) {
	var errs []error
	for i, t := range targets {
		c, err := p.dialHost(ctx, t)
		if err == nil {
			d := dialled{conn: c, up: u, direct: direct, target: t}
			if i > 0 {
				d.instead = fmt.Sprintf("%s is choice %d of %d in DNS: %s", t, i+1, len(targets), oneLine(errs))
			}
			return d, nil
		}
		errs = append(errs, err)
	}
	err := errs[0]
	if len(errs) > 1 {
		err = errors.New(oneLine(errs))
	}
	return dialled{}, &hinted{err, hintOf(errs[0])}
}

func oneLine(errs []error) string {
	return strings.ReplaceAll(errors.Join(errs...).Error(), "\n", "; ")
}

func (p *Proxy) dialHost(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Resolver: p.Resolver, Control: p.notItself}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		return c, nil
	}
	hint := "check host and port, and that the server is running"
	var dns *net.DNSError
	switch {
	case errors.Is(err, errItself):
		hint = "say where the domain's server is with --target=DOMAIN=HOST:PORT, or ask a DNS server that knows it with --resolver=ADDR"
	case errors.Is(err, syscall.ECONNREFUSED):
		hint = "nothing listens at " + addr + ": is the server running, is the port right?"
	case errors.As(err, &dns):
		hint = "check the name, or ask another DNS server with --resolver=ADDR"
	case errors.Is(err, context.DeadlineExceeded):
		hint = "a firewall may drop the connection; check host and port"
	}
	return nil, &hinted{fmt.Errorf("proxy: connect to the server: %w", err), hint}
}
