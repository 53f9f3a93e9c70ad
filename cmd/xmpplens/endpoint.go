package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/proxy"
)

// checkEndpoint tells which flags do not go with an UPSTREAM that is the URL of
// a WebSocket or BOSH endpoint.
func (c *proxyCmd) checkEndpoint(p *proxy.Proxy) []error {
	web := p.Upstream.Web
	if web == "" {
		return nil
	}
	var errs []error
	for _, wrong := range []struct {
		is  bool
		why string
	}{
		{c.ServerTLS != "mirror", "--server-tls does not go with " + web + "://, which says it already"},
		{c.ClientTLS == "starttls", "--client-tls=starttls does not go with " + web + "://: there is no STARTTLS in HTTP; use mirror, off or direct"},
		{c.Kind != "c2s", "--kind=" + c.Kind + " does not go with " + web + "://, which is for clients"},
		{len(p.Domains) > 0, "--target does not go with " + web + "://, which is one server"},
	} {
		if wrong.is {
			errs = append(errs, errors.New(wrong.why))
		}
	}
	return errs
}

// clientAddresses is where clients connect, as they are to be told.
func (c *proxyCmd) clientAddresses(p *proxy.Proxy) string {
	web := p.Upstream.Web
	if web == "" {
		return strings.Join(c.Listen, ", ")
	}
	scheme := "http" // TLS is answered, too
	if strings.HasPrefix(web, "ws") {
		scheme = "ws"
	}
	if c.ClientTLS == "direct" {
		scheme += "s"
	}
	list := slices.Clone(c.Listen)
	for i, addr := range list {
		if !strings.HasPrefix(addr, "unix:") {
			list[i] = scheme + "://" + addr + p.Upstream.Path
		}
	}
	return strings.Join(list, ", ")
}
