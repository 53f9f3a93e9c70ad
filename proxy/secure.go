package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/xdg-go/scram"
	"golang.org/x/net/idna"

	"github.com/xmpplens/xmpplens/proxy/mitmca"
	"github.com/xmpplens/xmpplens/proxy/session"
)

// secure does the TLS handshake that the session asks for and answers it.
func (c *conn) secure(ctx context.Context, e *session.Effect) {
	l := &c.legs[e.Leg]
	sock := l.socket.Load()
	var tc *tls.Conn
	check := new(verdict)
	if e.Leg == session.Client {
		sock.pre = append([]byte(nil), e.Unread...)
		tc = tls.Server(sock, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return c.answerHello(ctx, hello)
		}})
	} else {
		cfg := c.p.serverTLS(e.Name, e.ALPN, check)
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return c.p.show(e.From, check), nil
		}
		tc = tls.Client(sock, cfg)
	}
	limit, cancel := context.WithTimeout(ctx, handshakeLimit)
	err := tc.HandshakeContext(limit)
	cancel()
	if err != nil {
		hint, err := explainTLS(err, e.Leg, check)
		c.handle(ctx, session.Input{On: session.TLSFailed, Leg: e.Leg, Err: err, Hint: hint})
		return
	}
	l.wmu.Lock()
	l.tls = tc
	l.wmu.Unlock()
	l.reader.tls = tc
	state := tc.ConnectionState()
	if c.p.Kind == session.KindS2S && e.Leg == session.Client {
		check.problem = c.p.checkPeer(state)
	}
	info := describe(state, check)
	if c.p.Kind == session.KindS2S {
		introduce(&info, state, check)
	}
	info.Bindings = c.bindings(e.Leg, state)
	c.handle(ctx, session.Input{On: session.Secured, Leg: e.Leg, TLS: info})
}

var errNoCertificate = errors.New("no certificate for the client")

// answerHello asks the session what to present; in between it may dial the
// server and do the handshake there.
func (c *conn) answerHello(ctx context.Context, hello *tls.ClientHelloInfo) (*tls.Config, error) {
	c.cert = nil
	c.handle(ctx, session.Input{On: session.Hello, Name: hello.ServerName, ALPN: hello.SupportedProtos})
	if c.cert == nil {
		return nil, errNoCertificate
	}
	return c.cert, nil
}

// certificate makes the configuration of the client leg.
func (p *Proxy) certificate(e *session.Effect) *tls.Config {
	leaf := p.leaf(e.Name)
	if leaf == nil {
		return nil
	}
	highest := p.ClientTLSMax
	if e.Max == tls.VersionName(tls.VersionTLS12) {
		highest = tls.VersionTLS12
	}
	ask := tls.NoClientCert
	if e.Ask {
		ask = tls.RequestClientCert
	}
	return &tls.Config{
		ClientAuth:   ask,
		MaxVersion:   highest,
		Certificates: []tls.Certificate{*leaf},
		NextProtos:   e.ALPN,
		// A ticket could never be used: the configuration, with its ticket
		// keys, lives as long as the connection.
		SessionTicketsDisabled: true,
	}
}

// leaf returns the certificate that is shown for a domain: the user's own, or
// one that the authority makes; nil when there is none. Between servers both
// legs show one, each for another domain.
func (p *Proxy) leaf(domain string) *tls.Certificate {
	if own := p.Certificate; own != nil && (p.Kind != session.KindS2S || own.Leaf != nil && session.Covers(mitmca.Domains(own.Leaf), domain)) {
		return own
	}
	if p.CA == nil {
		return nil
	}
	mint := p.CA.Leaf
	if p.Kind == session.KindS2S {
		mint = p.CA.PeerLeaf
	}
	leaf, err := mint(domain)
	if err != nil {
		return nil
	}
	return leaf
}

// bindings computes the channel bindings of a leg (RFC 5929, RFC 9266).
func (c *conn) bindings(l session.Leg, state tls.ConnectionState) map[string][]byte {
	b := make(map[string][]byte)
	if state.Version >= tls.VersionTLS13 || state.TLSUnique != nil { // TLS 1.2 wants the extended master secret
		if key, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32); err == nil {
			b["tls-exporter"] = key
		}
	}
	if state.Version <= tls.VersionTLS12 && len(state.TLSUnique) > 0 {
		b["tls-unique"] = state.TLSUnique
	}
	peer := state
	if l == session.Client && c.cert != nil {
		if own, err := x509.ParseCertificate(c.cert.Certificates[0].Certificate[0]); err == nil {
			peer.PeerCertificates = []*x509.Certificate{own}
		}
	}
	if cb, err := scram.NewTLSServerEndpointBinding(&peer); err == nil {
		b["tls-server-end-point"] = cb.Data
	}
	return b
}

// A verdict is what a handshake found out about certificates.
type verdict struct {
	problem string
	shown   string // the own certificate, where the server asked for one
}

// serverTLS makes the configuration of the server leg. The certificate is
// always checked; with Insecure a bad one is reported and accepted.
func (p *Proxy) serverTLS(domain string, alpn []string, v *verdict) *tls.Config {
	name := ServerName(domain)
	return &tls.Config{
		ServerName:         name,
		NextProtos:         alpn,
		MaxVersion:         p.ServerTLSMax,
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(cs tls.ConnectionState) error {
			err := p.verify(cs, name)
			if err != nil {
				v.problem = plainReason(err)
				if p.Insecure {
					return nil
				}
			}
			return err
		},
	}
}

// ServerName is a domain as TLS and certificates know it: in ASCII.
func ServerName(domain string) string {
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return ascii
	}
	return domain
}

// Verify checks the certificate of a server against its name (see ServerName);
// roots may be nil for the system's.
func Verify(cs tls.ConnectionState, name string, roots *x509.CertPool) error {
	opts := x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: x509.NewCertPool()}
	if ip := net.ParseIP(name); ip != nil {
		opts.DNSName = "[" + name + "]" // x509's form for address literals
	}
	for _, cert := range cs.PeerCertificates[1:] {
		opts.Intermediates.AddCert(cert)
	}
	_, err := cs.PeerCertificates[0].Verify(opts)
	return err
}

// plainReason drops the package prefix of crypto/x509.
func plainReason(err error) string { return strings.TrimPrefix(err.Error(), "x509: ") }

func explainTLS(err error, l session.Leg, v *verdict) (hint string, _ error) {
	var record tls.RecordHeaderError
	switch {
	case l == session.Client:
		return "", err
	case v.problem != "":
		hint = "give the authority of the server with --server-ca=FILE, or accept any certificate with --insecure"
		var host x509.HostnameError
		if errors.As(err, &host) && net.ParseIP(strings.Trim(host.Host, "[]")) != nil {
			hint = "no domain was named before TLS, so that the certificate was checked for the address: give UPSTREAM by the name that the certificate is for, or with the domain as --target=DOMAIN=tls://HOST:PORT"
		} else if errors.As(err, &host) {
			hint = "the certificate is for another name: check the domain of the client's account, or accept it with --insecure"
		}
		return hint, fmt.Errorf("the certificate is not trusted: %s", v.problem)
	case errors.As(err, &record):
		return "is the port one for direct TLS? Try --server-tls=starttls or off", fmt.Errorf("the server does not speak TLS here: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return "", fmt.Errorf("no TLS handshake within %s", handshakeLimit)
	case isEOF(err):
		return "the server's log tells why", errors.New("the server closed the connection during the handshake")
	}
	return "", err
}

func describe(cs tls.ConnectionState, v *verdict) session.TLS {
	t := session.TLS{
		Version: tls.VersionName(cs.Version),
		Cipher:  tls.CipherSuiteName(cs.CipherSuite),
		ALPN:    cs.NegotiatedProtocol,
		Problem: v.problem,
	}
	if len(cs.PeerCertificates) > 0 {
		leaf := cs.PeerCertificates[0]
		t.Peer = leaf.Subject.String()
		if t.Peer == "" {
			t.Peer = strings.Join(leaf.DNSNames, ", ")
		}
		t.Verified = v.problem == ""
	}
	return t
}
