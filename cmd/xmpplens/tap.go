package main

import (
	"errors"
	"fmt"

	"github.com/xmpplens/xmpplens/proxy"
)

// tap makes a tap of the proxy, when --tap is given, and returns what does not go with
// it: a tap changes nothing and has no part in TLS.
func (c *proxyCmd) tap(p *proxy.Proxy) (errs []error) {
	if !c.Tap {
		if c.Keylog != "" {
			errs = append(errs, errors.New("--keylog goes with --tap: without it TLS ends at the proxy"))
		}
		return errs
	}
	const ends, alters = "TLS does not end at the proxy", "nothing is altered"
	for _, f := range []struct {
		given     bool
		name, why string
	}{
		{len(c.Account) > 0, "--account", alters},
		{len(c.Account) == 0 && len(c.PasswordFile) > 0, "--password-file", alters},
		{len(c.Mechanisms) > 0, "--mechanisms", alters},
		{c.Compression != "strip", "--compression=" + c.Compression, alters},
		{c.Cert != "" || c.Key != "", "--cert and --key", ends},
		{c.ClientTLS != "mirror", "--client-tls=" + c.ClientTLS, ends},
		{c.ServerTLS != "mirror", "--server-tls=" + c.ServerTLS, ends},
		{c.ClientTLSMax != "", "--client-tls-max", ends},
		{c.ServerTLSMax != "", "--server-tls-max", ends},
		{c.ServerCA != "", "--server-ca", "the client checks the server's certificate itself"},
		{c.Insecure, "--insecure", "the client checks the server's certificate itself"},
		{len(c.Target) > 0 || p.Upstream.Any && !(c.Upstream == "" && c.self()), "--target and *", "the domain may be known inside TLS only; name one upstream"},
		{c.SecretFile != "", "--secret-file", "a handshake is checked where TLS ends"},
		{p.Upstream.Web != "", p.Upstream.Web + "://", "only streams over TCP are read"},
		{c.Kind == "s2s", "--kind=s2s", "it is for clients and components"},
	} {
		if f.given {
			errs = append(errs, fmt.Errorf("--tap and %s do not go together: %s", f.name, f.why))
		}
	}
	if c.Keylog == "" {
		return append(errs, errors.New("--tap needs --keylog=FILE: the file that SSLKEYLOGFILE names in the client's environment; it need not be there yet"))
	}
	keys, err := proxy.NewKeyLog(c.Keylog)
	if err != nil {
		return append(errs, fmt.Errorf("--keylog: %w", err))
	}
	p.KeyLog = keys
	return errs
}
