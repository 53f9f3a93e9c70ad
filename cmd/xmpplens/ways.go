package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/session"
)

// ways are the flags about how clients get here, and how the server is told of
// them.
type ways struct {
	ListenSocks       []string `name:"listen-socks" sep:"none" placeholder:"ADDR" help:"Address for clients with a setting for a SOCKS5 proxy, which name the server themselves; on loopback; may be given several times. UPSTREAM is not needed."`
	Transparent       bool     `help:"A firewall leads connections to --listen, whatever server they are for (Linux: nft redirect or tproxy). UPSTREAM is for those that are not led here."`
	ProxyProtocol     bool     `help:"Clients come through a balancer that tells who they are with the PROXY protocol."`
	SendProxyProtocol string   `enum:"v1,v2," default:"" placeholder:"v1|v2" help:"Tell the server who the client is with the PROXY protocol."`
}

// self reports whether clients say themselves where they want to go, so that an
// upstream is not needed.
func (w *ways) self() bool { return len(w.ListenSocks) > 0 || w.Transparent }

// configure sets what the flags say.
func (w *ways) configure(p *proxy.Proxy) (errs []error) {
	p.ProxyProtocol, p.Transparent = w.ProxyProtocol, w.Transparent
	switch w.SendProxyProtocol {
	case "v1":
		p.SendProxyProtocol = proxy.ProxyV1
	case "v2":
		p.SendProxyProtocol = proxy.ProxyV2
	}
	if w.SendProxyProtocol != "" && p.Upstream.Web != "" {
		errs = append(errs, errors.New("--send-proxy-protocol goes with TCP upstreams: requests of several clients share connections"))
	}
	if len(w.ListenSocks) > 0 && p.Kind == session.KindS2S {
		errs = append(errs, errors.New("--listen-socks goes with --kind=c2s: servers have no SOCKS setting"))
	}
	if w.Transparent && (w.ProxyProtocol || p.Upstream.Web != "" || p.Kind == session.KindS2S) {
		errs = append(errs, errors.New("--transparent does not go with --proxy-protocol, --kind=s2s, WebSocket and BOSH"))
	}
	return errs
}

// listen opens the addresses of --listen-socks.
func (w *ways) listen() ([]net.Listener, error) {
	var out []net.Listener
	for i, addr := range w.ListenSocks {
		ln, err := net.Listen("tcp", addr)
		if err == nil && !ln.Addr().(*net.TCPAddr).IP.IsLoopback() {
			ln.Close()
			err = fmt.Errorf("%s is not on loopback: whoever reaches a SOCKS listener can connect to anywhere", addr)
		}
		if err != nil {
			closeAll(out)
			return nil, &usageError{fmt.Errorf("listen for SOCKS: %w", err), "use --listen-socks=127.0.0.1:1080, with another port when that one is taken"}
		}
		w.ListenSocks[i] = ln.Addr().String() // the port that 0 became
		out = append(out, ln)
	}
	return out, nil
}
