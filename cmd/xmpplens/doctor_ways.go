package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
)

// This file judges: which way of looking works with what a server offers, and
// how a client may get past the proxy.

// escapes are the ways in which a client finds the server without the proxy,
// when the proxy stands only in one of them.
func escapes(z zone, m hostMeta) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if len(z.clients) > 1 {
		say("%s in DNS beside %s: a client takes the next when one does not answer. A hosts line or a redirect must cover all of them: %s.", plural(len(z.clients)-1, "more STARTTLS target"), z.clients[0], strings.Join(z.clients[1:], ", "))
	}
	if len(z.direct) > 0 {
		say("direct TLS at %s: many clients prefer it to STARTTLS. The proxy takes both at one address, but it must stand there, too.", strings.Join(z.direct, ", "))
	}
	if len(z.quic) > 0 || m.quic {
		say("QUIC (XEP-0467) is offered, over UDP: xmpplens does not see it. Block UDP to the server, then clients fall back to TCP.")
	}
	for _, e := range m.endpoints {
		if !e.Works {
			continue
		}
		say("%s: what looks into host-meta goes there. For such a client: xmpplens proxy %s", e.URL, word(e.URL))
	}
	if m.direct {
		say("host-meta.json names direct TLS by address (XEP-0487): a client that reads it asks no DNS.")
	}
	return out
}

// verdicts are the ways of looking. pinned are the kinds of pinned certificates.
func verdicts(offers []*offering, pinned []string, target string) []way {
	var logins, bindings []string
	secure := false
	for _, o := range offers {
		logins = append(logins, o.logins()...)
		bindings = append(bindings, o.Bindings...)
		secure = secure || o.state != nil
	}
	plus := func(m string) bool { return strings.HasSuffix(m, "-PLUS") }
	scram := func(m string) bool { return strings.HasPrefix(m, "SCRAM-") }
	binds := slices.ContainsFunc(logins, plus)
	free := slices.ContainsFunc(logins, func(m string) bool { return !plus(m) && m != "EXTERNAL" })
	plain := slices.Contains(logins, "PLAIN")
	proxy := "xmpplens proxy "

	look := way{Way: "intercept", Works: "yes", Why: "nothing that is offered is bound to the TLS channel", Command: proxy + target}
	switch {
	case len(logins) == 0:
		look.Works, look.Why = "partly", "no login is offered here, so nothing is known about it"
	case !free:
		look.Works, look.Why = "no", "every login that is offered is bound to the TLS channel, which ends at the proxy"
	case binds && plain:
		look.Works, look.Why, look.Command = "partly", "a client that could bind to the channel is refused when it says so; with PLAIN alone it logs in", proxy+"--mechanisms=PLAIN "+target
	case binds:
		look.Works, look.Why = "partly", "a client that could bind to the channel is refused when it says so, and PLAIN is not offered"
	}
	if len(pinned) > 0 && secure {
		look.Why += "; a client that checks " + strings.Join(pinned, " or ") + " refuses the certificate"
		if look.Works == "yes" {
			look.Works = "partly"
		}
	}

	again := way{Way: "re-authenticate", Works: "yes", Why: "each side has its own login, bound to its own channel; the password of a test account is needed", Command: proxy + "--account=JID --password-file=FILE " + target}
	if !plain && !slices.ContainsFunc(logins, scram) {
		again.Works, again.Why = "no", "neither SCRAM nor PLAIN is offered"
	} else if len(pinned) > 0 {
		again.Works, again.Why = "partly", again.Why+"; a client that checks "+strings.Join(pinned, " or ")+" refuses the certificate"
	}

	own := way{Way: "own certificate", Works: "no", Why: "there is no TLS", Command: proxy + "--cert=FILE --key=FILE " + target}
	switch {
	case !secure:
	case slices.Contains(bindings, "tls-server-end-point"):
		own.Works, own.Why = "yes", "with the server's certificate and key, for clients that bind with tls-server-end-point; also where certificates are pinned"
	case binds && len(bindings) > 0:
		own.Works, own.Why = "partly", "with the server's certificate and key, where certificates are pinned; the server binds with "+strings.Join(unique(bindings), ", ")+", which the certificate does not help"
	case binds:
		own.Works, own.Why = "partly", "with the server's certificate and key, for clients that bind with tls-server-end-point: the server does not say whether it does"
	default:
		own.Works, own.Why = "yes", "with the server's certificate and key: no client needs to trust an authority"
	}

	tap := way{Way: "tap", Works: "yes", Why: "nothing is altered, every login works, pinned certificates too; the client, or the server, must log its TLS keys (doctor CLIENT says how)", Command: proxy + "--tap --keylog=FILE " + target}
	switch {
	case !secure:
		tap.Works, tap.Why = "no", "there is no TLS: plain interception shows all"
	case slices.ContainsFunc(offers, (*offering).unreadable):
		tap.Works, tap.Why = "partly", "the server negotiates ciphers that cannot be read along: TLS 1.3, or TLS 1.2 with ECDHE and GCM or ChaCha20, can"
	}
	return []way{look, again, own, tap}
}

// unreadable reports whether TLS is one that tap cannot decrypt.
func (o *offering) unreadable() bool {
	if o.state == nil || o.state.Version >= tls.VersionTLS13 {
		return false
	}
	return !strings.HasPrefix(o.Cipher, "TLS_ECDHE_") || strings.Contains(o.Cipher, "_CBC_")
}

func unique(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// split is net.SplitHostPort for what is known to be right.
func split(addr string) (host, port string) {
	host, port, _ = net.SplitHostPort(addr)
	return host, port
}
