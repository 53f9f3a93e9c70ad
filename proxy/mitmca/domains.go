package mitmca

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// Domains returns the domains that a certificate of a server is for: DNS names,
// XmppAddr, and SRVName of the service between servers (RFC 6120 §13.7.1.2).
func Domains(cert *x509.Certificate) []string {
	var list []string
	add := func(n string) {
		if n != "" && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	for _, n := range cert.DNSNames {
		add(n)
		if u, err := idna.Lookup.ToUnicode(n); err == nil {
			add(u)
		}
	}
	for _, e := range cert.Extensions {
		if !e.Id.Equal(oidSubjectAltName) {
			continue
		}
		var all []asn1.RawValue
		if _, err := asn1.Unmarshal(e.Value, &all); err != nil {
			continue
		}
		for _, raw := range all {
			add(otherName(raw))
		}
	}
	return list
}

// otherName reads an XmppAddr or SRVName, "" for other names.
func otherName(raw asn1.RawValue) string {
	if raw.Class != asn1.ClassContextSpecific || raw.Tag != 0 {
		return ""
	}
	var id asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(raw.Bytes, &id)
	if err != nil {
		return ""
	}
	var outer, text asn1.RawValue
	if _, err := asn1.Unmarshal(rest, &outer); err != nil {
		return ""
	}
	if _, err := asn1.Unmarshal(outer.Bytes, &text); err != nil {
		return ""
	}
	s := string(text.Bytes)
	switch {
	case id.Equal(oidXMPPAddr) && !strings.Contains(s, "@"):
		return s
	case id.Equal(oidSRVName):
		for _, service := range []string{"_xmpp-server.", "_xmpps-server."} {
			if domain, ok := strings.CutPrefix(s, service); ok {
				return domain
			}
		}
	}
	return ""
}
