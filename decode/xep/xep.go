// Package xep knows which specification a namespace comes from.
package xep

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:generate go run generate.go

// A Spec is an RFC or an XMPP extension protocol.
type Spec struct {
	ID     string // "XEP-0045" or "RFC 6120"
	Title  string
	Status string // Experimental, Stable, Final, Deferred, Deprecated, Obsolete, …; RFC
	// Family says that the namespace itself is not in the table, but others
	// of its family are: another version, or another fragment.
	Family bool
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
	family := func(s Spec, ok bool) (Spec, bool) {
		s.Family = ok
		return s, ok
	}
	if base, _, ok := strings.Cut(ns, "#"); ok {
		return family(exact(base))
	}
	at := strings.LastIndexByte(ns, ':')
	if at < 0 || !digits(ns[at+1:]) {
		return Spec{}, false
	}
	prefix := ns[:at+1]
	i, _ := slices.BinarySearchFunc(table[:], prefix, func(e entry, ns string) int { return strings.Compare(e.ns, ns) })
	if i < len(table) && strings.HasPrefix(table[i].ns, prefix) && digits(table[i].ns[len(prefix):]) {
		return family(table[i].spec, true)
	}
	return family(exact(ns[:at]))
}

// byNS has the table for look-ups, which each payload of each stanza needs.
var byNS = sync.OnceValue(func() map[string]Spec {
	m := make(map[string]Spec, len(table))
	for i := range table {
		m[table[i].ns] = table[i].spec
	}
	return m
})

func exact(ns string) (Spec, bool) {
	s, ok := byNS()[ns]
	return s, ok
}

// All yields all namespaces that are known.
func All() iter.Seq[string] { return maps.Keys(byNS()) }

// Family returns a namespace without its version: urn:xmpp:sm for urn:xmpp:sm:3.
func Family(ns string) string {
	if at := strings.LastIndexByte(ns, ':'); at > 0 && strings.Trim(ns[at+1:], "0123456789") == "" {
		return ns[:at]
	}
	return ns
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Namespaces returns the specification with the given number, which may be
// written 45, 0045, XEP-0045, RFC6120 or "RFC 6120", and its namespaces. A
// number alone is a XEP's, unless it has no such XEP and is an RFC's.
func Namespaces(number string) (Spec, []string, bool) {
	n := strings.ToUpper(strings.ReplaceAll(number, " ", ""))
	var ids []string
	switch {
	case strings.HasPrefix(n, "RFC") && digits(n[3:]):
		ids = []string{"RFC " + n[3:]}
	case digits(strings.TrimPrefix(n, "XEP-")):
		n = strings.TrimPrefix(n, "XEP-")
		ids = []string{"XEP-" + strings.Repeat("0", max(0, 4-len(n))) + n, "RFC " + n}
	}
	for _, id := range ids {
		var spec Spec
		var names []string
		for _, e := range table {
			if e.spec.ID == id {
				spec, names = e.spec, append(names, e.ns)
			}
		}
		if names != nil {
			return spec, names, true
		}
	}
	return Spec{}, nil, false
}
