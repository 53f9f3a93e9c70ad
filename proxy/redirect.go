package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
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
	socks bool // clients say with SOCKS5 where they want to go
	named bool // a server, or the client, named up: it is where clients go, whatever domain they want
}

// redirects are the doors that were opened on demand. All sessions share them;
// they are closed when the proxy ends.
type redirects struct {
	serve func(door) // accepts clients until the listener is closed

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
		return "", &hinted{errors.New("the client is not connected by TCP, so there is no address to tell it"), "listen on a TCP port, too"}
	}
	ip := local.AddrPort().Addr().Unmap().WithZone("").String()
	if c.isUpstream(name, up) {
		if c.led {
			return "", nil // it is led here again
		}
		return net.JoinHostPort(ip, strconv.Itoa(local.Port)), nil
	}
	if c.p.ProxyProtocol {
		return "", &hinted{errors.New("the client comes through a balancer, which does not know the proxy's other ports"), "run the proxy without --proxy-protocol, and let the client connect to it"}
	}
	doors := slices.Concat(c.p.mains(), c.p.redirects.list())
	for _, d := range doors {
		if up.is(d.ln.Addr()) {
			return "", nil
		}
	}
	for _, d := range doors {
		if a, ok := d.ln.Addr().(*net.TCPAddr); ok && d.up.same(up) && (a.IP.IsUnspecified() || a.IP.Equal(local.IP)) {
			return net.JoinHostPort(ip, strconv.Itoa(a.Port)), nil
		}
	}
	bind := ip
	if a, ok := c.door.ln.Addr().(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		bind = a.IP.String()
	}
	d, err := c.p.redirects.at(bind, up)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(ip, strconv.Itoa(d.ln.Addr().(*net.TCPAddr).Port)), nil
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

// same reports whether two upstreams are the same address.
func (u Upstream) same(v Upstream) bool {
	return strings.EqualFold(u.Host, v.Host) && u.Port == v.Port && u.Service == v.Service && u.Any == v.Any
}

// mains are the doors that Serve was given.
func (p *Proxy) mains() []door {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.doors
}
