// Package xep knows which specification a namespace comes from.
package xep

import (
	"slices"
	"strings"
)

//go:generate go run generate.go

// A Spec is an RFC or an XMPP extension protocol.
type Spec struct {
	ID     string // "XEP-0045" or "RFC 6120"
	Title  string
	Status string // "Draft" (which the XSF calls Stable today), "Final", "RFC", …
}

type entry struct {
	ns   string
	spec Spec
}

// Lookup returns the specification that defines a namespace. A namespace that
// differs from a known one only in its last version (urn:xmpp:sm:4 for
// urn:xmpp:sm:3) or in its fragment (…/disco#rsm) belongs to the same
// specification.
func Lookup(ns string) (Spec, bool) {
	if s, ok := exact(ns); ok {
		return s, true
	}
	if base, _, ok := strings.Cut(ns, "#"); ok {
		return exact(base)
	}
	at := strings.LastIndexByte(ns, ':')
	if at < 0 || !digits(ns[at+1:]) {
		return Spec{}, false
	}
	family := ns[:at+1]
	i, _ := slices.BinarySearchFunc(table[:], family, func(e entry, ns string) int { return strings.Compare(e.ns, ns) })
	if i < len(table) && strings.HasPrefix(table[i].ns, family) && digits(table[i].ns[len(family):]) {
		return table[i].spec, true
	}
	return exact(ns[:at])
}

func exact(ns string) (Spec, bool) {
	i, ok := slices.BinarySearchFunc(table[:], ns, func(e entry, ns string) int { return strings.Compare(e.ns, ns) })
	if !ok {
		return Spec{}, false
	}
	return table[i].spec, true
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
