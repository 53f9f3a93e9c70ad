package main

import (
	"errors"

	"github.com/xmpplens/xmpplens/proxy"
)

// ways are the flags about how clients get here, and how the server is told of
// them.
type ways struct {
	ProxyProtocol     bool   `help:"Clients come through a balancer that tells who they are with the PROXY protocol."`
	SendProxyProtocol string `enum:"v1,v2," default:"" placeholder:"v1|v2" help:"Tell the server who the client is with the PROXY protocol."`
}

// configure sets what the flags say.
func (w *ways) configure(p *proxy.Proxy) (errs []error) {
	p.ProxyProtocol = w.ProxyProtocol
	switch w.SendProxyProtocol {
	case "v1":
		p.SendProxyProtocol = proxy.ProxyV1
	case "v2":
		p.SendProxyProtocol = proxy.ProxyV2
	}
	if w.SendProxyProtocol != "" && p.Upstream.Web != "" {
		errs = append(errs, errors.New("--send-proxy-protocol goes with TCP upstreams: requests of several clients share connections"))
	}
	return errs
}
