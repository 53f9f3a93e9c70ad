package mitmca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// Leaf returns a certificate for domain with its key and chain. It is minted
// at the first call and kept; shortly before it expires a new one is made.
func (a *Authority) Leaf(domain string) (*tls.Certificate, error) { return a.leaf(domain, true) }

// PeerLeaf is Leaf for a server that shows its certificate to another server. It
// does not name the domain as XmppAddr: ejabberd's xmpp library (1.6 to 1.10 at
// least) crashes on that when it checks a certificate for SASL EXTERNAL. DNS name
// and SRVName are enough for servers (RFC 6120 §13.7.1.2.1).
func (a *Authority) PeerLeaf(domain string) (*tls.Certificate, error) { return a.leaf(domain, false) }

func (a *Authority) leaf(domain string, addr bool) (*tls.Certificate, error) {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if domain == "" {
		domain = "localhost"
	}
	key := domain
	if !addr {
		key = "peer " + domain // no domain has a blank
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.leaves[key]; c != nil && time.Until(c.Leaf.NotAfter) > 24*time.Hour {
		return c, nil
	}
	c, err := a.mint(domain, addr)
	if err != nil {
		return nil, err
	}
	if a.leaves == nil || len(a.leaves) >= maxNames {
		// Names come from clients: an endless supply of them must not
		// fill the memory. Minting takes well under a millisecond.
		a.leaves = make(map[string]*tls.Certificate)
	}
	a.leaves[key] = c
	return c, nil
}

func (a *Authority) mint(domain string, addr bool) (*tls.Certificate, error) {
	names, err := subjectAltNames(domain, addr)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("mitmca: make a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:    serial(),
		Subject:         pkix.Name{CommonName: cut(domain, 64)}, // X.520's upper bound
		NotBefore:       now.Add(-24 * time.Hour),
		NotAfter:        now.AddDate(0, 0, leafDays-1),
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		ExtraExtensions: []pkix.Extension{names},
		AuthorityKeyId:  a.cert.SubjectKeyId,
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("mitmca: sign a certificate for %q: %w", domain, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("mitmca: read back the certificate for %q: %w", domain, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

func cut(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidXMPPAddr       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5} // RFC 6120 §13.7.1.4
	oidSRVName        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 7} // RFC 4985
)

// subjectAltNames names the domain as clients may look for it
// (RFC 6120 §13.7.1.2): DNS name, SRVName of the client and server services
// and, where wanted, XmppAddr; an address literal as iPAddress besides.
func subjectAltNames(domain string, addr bool) (pkix.Extension, error) {
	var names []asn1.RawValue
	other := func(oid asn1.ObjectIdentifier, tag int, s string) error {
		id, err := asn1.Marshal(oid)
		if err != nil {
			return err
		}
		inner, err := asn1.Marshal(asn1.RawValue{Tag: tag, Bytes: []byte(s)})
		if err != nil {
			return err
		}
		value, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: inner})
		if err != nil {
			return err
		}
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: append(id, value...)})
		return nil
	}
	if ip := net.ParseIP(strings.Trim(domain, "[]")); ip != nil {
		if v4 := ip.To4(); v4 != nil {
			ip = v4
		}
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 7, Bytes: ip})
	} else {
		ascii, err := idna.Lookup.ToASCII(domain)
		if err != nil {
			// Test domains have underscores and worse; what is ASCII is
			// taken as it is.
			for _, r := range domain {
				if r <= ' ' || r > '~' {
					return pkix.Extension{}, fmt.Errorf("mitmca: %q is no domain name: %w", domain, err)
				}
			}
			ascii = domain
		}
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(ascii)})
		for _, service := range []string{"_xmpp-client.", "_xmpps-client.", "_xmpp-server.", "_xmpps-server."} {
			if err := other(oidSRVName, asn1.TagIA5String, service+ascii); err != nil {
				return pkix.Extension{}, fmt.Errorf("mitmca: encode SRVName: %w", err)
			}
		}
	}
	if addr {
		if err := other(oidXMPPAddr, asn1.TagUTF8String, domain); err != nil {
			return pkix.Extension{}, fmt.Errorf("mitmca: encode XmppAddr: %w", err)
		}
	}
	der, err := asn1.Marshal(names)
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("mitmca: encode the names of %q: %w", domain, err)
	}
	return pkix.Extension{Id: oidSubjectAltName, Value: der}, nil
}
