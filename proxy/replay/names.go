package replay

import (
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// Names leads from recorded addresses to live ones: the account's own, its
// domain with everything below (rooms.example.org), and others that are named.
type Names struct {
	From, To stanza.JID        // the account with its resource, recorded and live
	Others   map[string]string // bare addresses or domains, recorded to live
}

// maxAddress bounds what can be an address (RFC 7622 §3.1).
const maxAddress = 3071

// same reports whether nothing has to be changed.
func (n *Names) same() bool { return n.From == n.To && len(n.Others) == 0 }

// Live returns the live address for a recorded one.
func (n *Names) Live(s string) string {
	if len(s) > maxAddress {
		return s
	}
	j := stanza.SplitJID(s)
	bare := j.Bare().String()
	for from, to := range n.Others {
		if strings.EqualFold(from, bare) {
			return join(to, j.Resource)
		}
	}
	return lead(j, n.From, n.To)
}

// Recorded returns the recorded address for a live one.
func (n *Names) Recorded(s string) string {
	if len(s) > maxAddress {
		return s
	}
	j := stanza.SplitJID(s)
	bare := j.Bare().String()
	for from, to := range n.Others {
		if strings.EqualFold(to, bare) {
			return join(from, j.Resource)
		}
	}
	return lead(j, n.To, n.From)
}

func join(bare, resource string) string {
	if resource == "" {
		return bare
	}
	return bare + "/" + resource
}

func lead(j, from, to stanza.JID) string {
	if from.Domain == "" {
		return j.String()
	}
	switch {
	case strings.EqualFold(j.Domain, from.Domain):
		if from.Local != "" && strings.EqualFold(j.Local, from.Local) {
			j.Local = to.Local
			if j.Resource == from.Resource {
				j.Resource = to.Resource
			}
		}
		j.Domain = to.Domain
	case len(j.Domain) > len(from.Domain) && strings.EqualFold(j.Domain[len(j.Domain)-len(from.Domain)-1:], "."+from.Domain):
		j.Domain = j.Domain[:len(j.Domain)-len(from.Domain)] + to.Domain
	}
	return j.String()
}

// peer names who a live stanza is for, or from, in recorded terms: the account
// itself is "", however it is written, and its own full address "/".
func (n *Names) peer(live string) string { return role(n.Recorded(live), n.From) }

// role names a recorded address.
func role(recorded string, own stanza.JID) string {
	j := stanza.SplitJID(recorded)
	if strings.EqualFold(j.Bare().String(), own.Bare().String()) {
		switch j.Resource {
		case "":
			return ""
		case own.Resource:
			return "/"
		}
	}
	return join(strings.ToLower(j.Bare().String()), j.Resource)
}
