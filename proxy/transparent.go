package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Connections that a firewall leads here, whatever server they are for
// (--transparent), tell by themselves where they were to go: the kernel
// remembers the address that a redirection replaced (SO_ORIGINAL_DST), and with
// TPROXY the socket has it as its own.

var errLoop = &hinted{errors.New("the proxy's own connection to the server was led back to the proxy"),
	"leave its user out of the rule: nft … meta skuid != USER …, iptables … -m owner ! --uid-owner USER …"}

// arriveTransparent finds out where the client wanted to go. A connection that
// was not led here goes to the upstream.
func (c *conn) arriveTransparent() (string, error) {
	nc := c.legs[0].socket.Load().conn
	to, how, err := originalTarget(nc, c.door.ln.Addr())
	switch {
	case err == nil && c.p.near.has(nc.RemoteAddr(), to.String()):
		return errLoop.hint, errLoop
	case err != nil:
		return "", fmt.Errorf("where the client wanted to go is not known: %w", err)
	case how == "" && c.p.Upstream.Any:
		return "the client connected to the proxy itself: it goes to the domain that it names", nil
	case how == "":
		return "the client connected to the proxy itself: it goes to " + c.p.Upstream.String(), nil
	}
	c.goTo(Upstream{Host: to.Addr().String(), Port: int(to.Port())})
	c.led = true
	return fmt.Sprintf("the client wanted to go to %s (%s)", to, how), nil
}

// nearEnds are the proxy's own ends of server legs: a client that comes from one
// of them is the proxy itself.
type nearEnds struct {
	mu   sync.Mutex
	ends map[string]bool // guarded by mu; addresses
	// dials are the connections under way, to which address. guarded by mu;
	// the channel is closed when the end is known or there is none.
	dials map[chan struct{}]string
}

// dial connects by f, and keeps the near end until forget.
func (n *nearEnds) dial(to string, f func() (dialled, error)) (dialled, error) {
	done := make(chan struct{})
	n.mu.Lock()
	if n.ends == nil {
		n.ends, n.dials = make(map[string]bool), make(map[chan struct{}]string)
	}
	n.dials[done] = to
	n.mu.Unlock()
	d, err := f()
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		n.ends[d.conn.LocalAddr().String()] = true
	}
	delete(n.dials, done)
	close(done)
	return d, err
}

func (n *nearEnds) forget(a net.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.ends, a.String())
}

// has reports whether a client that wants to go to an address comes from a near
// end. Connections to there that are under way are waited for: the kernel
// completes them before anybody accepts them.
func (n *nearEnds) has(client net.Addr, to string) bool {
	n.mu.Lock()
	var wait []chan struct{}
	for done, address := range n.dials {
		if address == to {
			wait = append(wait, done)
		}
	}
	n.mu.Unlock()
	timer := time.NewTimer(loopWait)
	defer timer.Stop()
	for _, done := range wait {
		select {
		case <-done:
		case <-timer.C:
			wait = nil
		}
		if wait == nil {
			break
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ends[client.String()]
}

// loopWait bounds how long a client waits until it is known not to be the proxy
// itself.
const loopWait = 2 * time.Second

// isAt reports whether an address is one that a listener has.
func isAt(at netip.AddrPort, listener net.Addr) bool {
	ln, ok := listener.(*net.TCPAddr)
	return ok && int(at.Port()) == ln.Port && (ln.IP.IsUnspecified() || ln.AddrPort().Addr().Unmap() == at.Addr().Unmap())
}
