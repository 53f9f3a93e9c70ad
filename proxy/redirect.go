package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/xmpplens/xmpplens/record"
)

// Where a server sends its clients somewhere else, the proxy goes with them: it
// listens for that target on one more port, and tells the client that address.

// MaxRedirects bounds the listeners that a server can make the proxy open.
const MaxRedirects = 32

// A door is where clients come in: a listener and what is behind it.
type door struct {
	ln    net.Listener
	up    Upstream
	front *front // serves HTTP; nil unless up is a WebSocket or BOSH endpoint
	socks bool   // clients say with SOCKS5 where they want to go
	named bool   // a server, or the client, named up: it is where clients go, whatever domain they want
}

// redirects are the doors that were opened on demand. All sessions share them;
// they are closed when the proxy ends.
type redirects struct {
	serve func(door)            // accepts clients until the listener is closed
	front func(Upstream) *front // for a WebSocket or BOSH endpoint

	mu     sync.Mutex
	open   map[string]door // guarded by mu; by address and upstream
	closed bool            // guarded by mu
	wg     sync.WaitGroup  // one for each door
}

var errEnding = errors.New("the proxy is about to end")

// at returns the door at an address of this machine (without port) for an
// upstream, and opens it if there is none.
func (t *redirects) at(ip string, up Upstream) (door, error) {
	key := ip + " " + strings.ToLower(up.String())
	if up.Web != "" {
		key = ip + " " + strings.ToLower(up.origin().String()) // whatever the path
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if d, ok := t.open[key]; ok {
		return d, nil
	}
	switch {
	case t.closed:
		return door{}, errEnding
	case len(t.open) >= MaxRedirects:
		return door{}, &hinted{fmt.Errorf("%d other addresses are mapped already", MaxRedirects), "start a proxy of its own for " + up.String()}
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		return door{}, err
	}
	d := door{ln: ln, up: up, named: true}
	if up.Web != "" {
		d.front = t.front(up)
	}
	if t.open == nil {
		t.open = make(map[string]door)
	}
	t.open[key] = d
	t.wg.Go(func() { t.serve(d) })
	return d, nil
}

// list returns the doors that are open.
func (t *redirects) list() []door {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []door
	for _, d := range t.open {
		out = append(out, d)
	}
	return out
}

// close ends accepting and waits until nobody does it any more.
func (t *redirects) close() {
	t.mu.Lock()
	t.closed = true
	for _, d := range t.open {
		d.ln.Close()
	}
	t.mu.Unlock()
	t.wg.Wait()
}

// closeFronts ends what serves HTTP, when nobody is accepted any more.
func (t *redirects) closeFronts() {
	for _, d := range t.list() {
		if d.front != nil {
			d.front.close()
		}
	}
}

// serveRedirect accepts the clients that were led to a target.
func (p *Proxy) serveRedirect(ctx, work context.Context, d door) {
	if err := p.acceptClients(ctx, work, d); err != nil {
		p.Log.Append(record.Event{E: record.EventNote, Level: "error", By: "proxy", Text: "clients that are sent to " + d.up.String() + " are not accepted any more: " + err.Error()})
	}
}

// parseRedirect reads what a server names: host, host:port or [IPv6]:port
// (RFC 6120 §4.9.3.19).
func parseRedirect(kind, name string) (Upstream, error) {
	if ip, err := netip.ParseAddr(name); err == nil { // IPv6, perhaps without its brackets
		return Upstream{Host: ip.String(), Port: serviceOf(kind).port}, nil
	}
	up, err := ParseUpstreamOf(kind, name)
	if err != nil || up.Any || strings.Contains(name, "://") {
		return Upstream{}, errors.New("it is not host:port (RFC 6120 §4.9.3.19)")
	}
	return up, nil
}

// lead finds the address at which the client of c reaches the host that its
// server named through the proxy; "" when the name leads to the proxy already.
func (c *conn) lead(name string) (string, error) {
	up, err := parseRedirect(c.p.Kind, name)
	if err != nil {
		return "", err
	}
	if c.door.socks {
		return "", nil // it asks here again
	}
	local, ok := c.legs[0].local().(*net.TCPAddr)
	if !ok || c.door.ln == nil {
		return "", errNoTCP
	}
	ip := local.AddrPort().Addr().Unmap().WithZone("").String()
	if c.isUpstream(name, up) {
		if c.led {
			return "", nil // it is led here again
		}
		return net.JoinHostPort(ip, strconv.Itoa(local.Port)), nil
	}
	port, err := c.p.wayTo(up, local, c.door)
	if port == 0 {
		return "", err
	}
	return net.JoinHostPort(ip, strconv.Itoa(port)), nil
}

// lead finds the URI at which the client of r reaches the WebSocket or BOSH
// endpoint that its server named (RFC 7395 §3.6.1, XEP-0124 §17.2) through the
// proxy; target itself when it leads there already.
func (f *front) lead(r *http.Request, target string) (string, error) {
	up, err := ParseUpstream(target)
	if err != nil || up.Web == "" {
		return "", errors.New("it is no URI of a WebSocket or BOSH endpoint (ws, wss, http, https)")
	}
	client := clientOf(r)
	own, secure := f.ownOrigin(r), client.tls != nil
	if strings.EqualFold(up.origin().String(), own) {
		return target, nil
	}
	local, ok := client.sock.conn.LocalAddr().(*net.TCPAddr)
	host := hostOf(r.Host)
	switch {
	case up.same(f.up): // at the address that it knows
		return up.at(r.Host, secure), nil
	case !ok || client.door.ln == nil:
		return "", errNoTCP
	case host == "":
		host = local.AddrPort().Addr().Unmap().WithZone("").String()
	}
	port, err := f.p.wayTo(up, local, client.door)
	if err != nil {
		return "", err
	}
	if port == 0 {
		return target, nil
	}
	return up.at(net.JoinHostPort(host, strconv.Itoa(port)), secure), nil
}

// hostOf takes the port off an authority.
func hostOf(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return strings.Trim(authority, "[]")
}

// at is the URI of an endpoint at another authority.
func (u Upstream) at(authority string, secure bool) string {
	scheme := "http"
	if strings.HasPrefix(u.Web, "ws") {
		scheme = "ws"
	}
	if secure {
		scheme += "s"
	}
	return scheme + "://" + authority + u.Path
}

var errNoTCP = &hinted{errors.New("the client is not connected by TCP, so there is no address to tell it"), "listen on a TCP port, too"}

// wayTo returns the port at which a client that came in by a door, at the address
// local, reaches up through the proxy; 0 when up is the proxy itself. A listener
// is opened where there is none.
func (p *Proxy) wayTo(up Upstream, local *net.TCPAddr, from door) (port int, err error) {
	if p.ProxyProtocol {
		return 0, &hinted{errors.New("the client comes through a balancer, which does not know the proxy's other ports"), "run the proxy without --proxy-protocol, and let the client connect to it"}
	}
	doors := slices.Concat(p.mains(), p.redirects.list())
	for _, d := range doors {
		if up.is(d.ln.Addr()) {
			return 0, nil
		}
	}
	for _, d := range doors {
		if a, ok := d.ln.Addr().(*net.TCPAddr); ok && d.up.same(up) && (a.IP.IsUnspecified() || a.IP.Equal(local.IP)) {
			return a.Port, nil
		}
	}
	bind := local.AddrPort().Addr().Unmap().WithZone("").String()
	if a, ok := from.ln.Addr().(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		bind = a.IP.String()
	}
	d, err := p.redirects.at(bind, up)
	if err != nil {
		return 0, err
	}
	return d.ln.Addr().(*net.TCPAddr).Port, nil
}

// isUpstream reports whether what a server named is where the connection goes.
func (c *conn) isUpstream(name string, up Upstream) bool {
	address := net.JoinHostPort(up.Host, strconv.Itoa(up.Port))
	switch {
	case c.dialled.up.same(up), address == c.dialled.target, address == c.legs[1].remote():
		return true
	}
	// Without a port it is the host, whatever its port is here.
	_, _, err := net.SplitHostPort(name)
	return err != nil && strings.EqualFold(up.Host, c.dialled.up.Host)
}

// same reports whether two upstreams are the same address, or origin.
func (u Upstream) same(v Upstream) bool {
	if u.Web != "" || v.Web != "" {
		return u.Web != "" && v.Web != "" && strings.EqualFold(u.origin().String(), v.origin().String())
	}
	return strings.EqualFold(u.Host, v.Host) && u.Port == v.Port && u.Service == v.Service && u.Any == v.Any
}

// mains are the doors that Serve was given.
func (p *Proxy) mains() []door {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.doors
}
