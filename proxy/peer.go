package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/xmpplens/xmpplens/proxy/mitmca"
	"github.com/xmpplens/xmpplens/proxy/session"
)

// This file is about the certificates of servers that talk to servers
// (RFC 6120 §13.7, XEP-0178 §3): each side asks for the other's.

// chain checks who signed a certificate, not for whom.
func chain(cs tls.ConnectionState, roots *x509.CertPool) error {
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(),
		// Servers show the same certificate in both roles.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, cert := range cs.PeerCertificates[1:] {
		opts.Intermediates.AddCert(cert)
	}
	_, err := cs.PeerCertificates[0].Verify(opts)
	return err
}

// checkPeer says what is wrong with the certificate of a server that connects;
// "" when nothing is, or when it showed none. Whether the name is the right one
// is for the session to say.
func (p *Proxy) checkPeer(cs tls.ConnectionState) string {
	if len(cs.PeerCertificates) == 0 {
		return ""
	}
	if err := chain(cs, p.ServerCA); err != nil {
		return plainReason(err)
	}
	return ""
}

// verify checks the certificate of the server leg. Between servers it may name
// the domain in the ways of XMPP, too.
func (p *Proxy) verify(cs tls.ConnectionState, name string) error {
	err := Verify(cs, name, p.ServerCA)
	var host x509.HostnameError
	if p.Kind == session.KindS2S && errors.As(err, &host) && session.Covers(mitmca.Domains(cs.PeerCertificates[0]), name) {
		return chain(cs, p.ServerCA)
	}
	return err
}

// show returns the certificate for a server that asks for one: that of the
// domain which connects, or an empty one.
func (p *Proxy) show(from string, v *verdict) *tls.Certificate {
	leaf := (*tls.Certificate)(nil)
	if from != "" && p.Kind == session.KindS2S {
		leaf = p.leaf(from)
	}
	if leaf == nil {
		return new(tls.Certificate)
	}
	v.shown = from + ", made by the proxy's authority"
	if leaf == p.Certificate {
		v.shown = from + ", that of --cert"
	}
	return leaf
}

// introduce adds what servers are told of each other.
func introduce(t *session.TLS, cs tls.ConnectionState, v *verdict) {
	t.Shown = v.shown
	if len(cs.PeerCertificates) == 0 {
		return
	}
	t.Names = mitmca.Domains(cs.PeerCertificates[0])
	t.Peer += " for " + strings.Join(t.Names, ", ")
	if len(t.Names) == 0 {
		t.Peer = strings.TrimSuffix(t.Peer, " for ") + " for no domain"
	}
}
