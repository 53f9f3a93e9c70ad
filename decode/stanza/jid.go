package stanza

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
)

// A JID is an address as in RFC 7622 §3: [local@]domain[/resource]. The zero
// value is no address.
type JID struct{ Local, Domain, Resource string }

// maxPart bounds each part of a JID in bytes (RFC 7622 §3.2 to §3.4).
const maxPart = 1023

// SplitJID cuts an address at its separators, without any check: what stands
// behind the first / is the resource, what stands before the first @ the local
// part (RFC 7622 §3.2).
func SplitJID(s string) JID {
	var j JID
	s, j.Resource, _ = strings.Cut(s, "/")
	if local, domain, ok := strings.Cut(s, "@"); ok {
		j.Local, s = local, domain
	}
	j.Domain = s
	return j
}

// ParseJID parses, checks and normalises an address: the local part by the
// PRECIS profile UsernameCaseMapped without the characters that RFC 7622 §3.3.1
// excludes, the resource by OpaqueString, the domain by IDNA 2008.
func ParseJID(s string) (JID, error) {
	j := SplitJID(s)
	bare, resource, hasResource := strings.Cut(s, "/")
	fail := func(part string, err error) (JID, error) {
		return JID{}, fmt.Errorf("stanza: address %q: %s: %w (RFC 7622)", s, part, err)
	}
	if !utf8.ValidString(s) {
		return fail("text", errors.New("not UTF-8"))
	}
	var err error
	if strings.Contains(bare, "@") {
		if strings.ContainsAny(j.Local, "\"&'/:<>@ ") {
			return fail("local part", errors.New("has a character that is not allowed"))
		}
		if j.Local, err = precis.UsernameCaseMapped.String(j.Local); err != nil {
			return fail("local part", err)
		}
		if err := bounded(j.Local); err != nil {
			return fail("local part", err)
		}
	}
	if j.Domain, err = domain(j.Domain); err != nil {
		return fail("domain", err)
	}
	if hasResource {
		if j.Resource, err = precis.OpaqueString.String(resource); err != nil {
			return fail("resource", err)
		}
		if err := bounded(j.Resource); err != nil {
			return fail("resource", err)
		}
	}
	return j, nil
}

func bounded(s string) error {
	switch {
	case s == "":
		return errors.New("empty")
	case len(s) > maxPart:
		return fmt.Errorf("%d bytes, more than %d", len(s), maxPart)
	}
	return nil
}

// profile checks and maps domains (RFC 7622 §3.2): U-labels, lower case.
var profile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.Transitional(false))

func domain(s string) (string, error) {
	s = strings.TrimSuffix(s, ".")
	if err := bounded(s); err != nil {
		return "", err
	}
	if v6, ok := strings.CutPrefix(s, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(v6, "]"))
		if err != nil || !a.Is6() || !strings.HasSuffix(v6, "]") {
			return "", errors.New("no IPv6 address in the brackets")
		}
		return "[" + a.String() + "]", nil
	}
	u, err := profile.ToUnicode(s)
	if err != nil {
		return "", err
	}
	return u, nil
}

// Bare returns the address without resource.
func (j JID) Bare() JID { return JID{Local: j.Local, Domain: j.Domain} }

// String returns the address as it is written in a stanza.
func (j JID) String() string {
	s := j.Domain
	if j.Local != "" {
		s = j.Local + "@" + s
	}
	if j.Resource != "" {
		s += "/" + j.Resource
	}
	return s
}
