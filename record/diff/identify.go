package diff

import (
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode/xep"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// aside are payloads that servers add to messages, which are not what a message
// is about.
var aside = []string{"urn:xmpp:sid", "urn:xmpp:delay", "jabber:x:delay", "urn:xmpp:hints", "urn:xmpp:occupant-id", "urn:xmpp:mam:tmp", "http://jabber.org/protocol/muc", "urn:xmpp:receipts", "urn:xmpp:chat-markers"}

// identify says which exchange it is that an entry begins.
func (r *reader) identify(u *unit, e *timeline.Entry, x *element, g *stage) {
	s := &e.Stanza
	what := []string{string(e.Dir), e.Kind, x.ns, x.name}
	from, to := r.place(s.From), r.place(s.To)
	switch e.Kind {
	case "iq":
		if s.Type == "get" || s.Type == "set" {
			u.flags |= isRequest
		}
		what = append(what, s.Type)
		if len(x.children) > 0 {
			p := x.children[0]
			what = append(what, xep.Family(p.ns), p.name)
			if len(p.children) > 0 && strings.HasPrefix(p.ns, "http://jabber.org/protocol/pubsub") {
				what = append(what, p.children[0].name, p.children[0].attr("node"))
			}
			if node := p.attr("node"); !strings.HasSuffix(node, anything) {
				what = append(what, node) // without a hash: that is the software's
			}
			if p.ns == nsInfo && s.Type == "get" {
				u.flags |= isOffer
			}
			if xep.Family(p.ns) == "urn:xmpp:ping" {
				u.flags |= isPing
			}
			u.sub = p.sum
		}
		if s.Type == "result" || s.Type == "error" {
			from, to = "", "" // nobody asked: what it says must do
		}
	case "message":
		if s.Type != "normal" {
			what = append(what, s.Type)
		}
		main := ""
		for _, c := range x.children {
			switch {
			case c.name == "body" && c.ns == x.ns:
				main, u.sub = "body", c.sum
			case main == "" && !slices.ContainsFunc(aside, func(ns string) bool { return strings.HasPrefix(c.ns, ns) }):
				main, u.sub = xep.Family(c.ns)+" "+c.name, c.sum
				if len(c.children) > 0 {
					main += " " + c.children[0].name + " " + c.children[0].attr("node")
				}
			}
		}
		what = append(what, main)
		u.flags |= isOrdered
	case "presence":
		what = append(what, s.Type)
		u.flags |= isOrdered
		u.sub = sumOf(x.text.same)
	case "header":
		what = append(what, g.name())
		from, to = "", ""
	case "nonza":
		if x.name == "features" {
			what = append(what, g.name())
			u.flags |= isOffer | isFeatures
			if g.secured {
				u.flags |= isSecured
			}
			if g.bound {
				u.flags |= isLoggedIn
			}
		}
		if s.Error != nil && x.name == "failure" {
			what[2] = xep.Family(x.ns)
		}
		u.sub = u.lead
	default:
		what = append(what, e.Frame.Part.String())
	}
	if e.Injected {
		what = append(what, "injected")
	}
	u.near = sumOf(append(what, r.sort(s.From), r.sort(s.To))...)
	u.key = sumOf(append(what, from, to)...)
}

// name says which of the streams of a connection it is.
func (g *stage) name() string {
	switch {
	case g.bound:
		return "after login"
	case g.secured:
		return "secured"
	}
	return "in the clear"
}

// place is an address as part of a key: the own one is none.
func (r *reader) place(address string) string {
	bare, _, _ := strings.Cut(strings.ToLower(address), "/")
	if bare == "" || bare == r.norm.account {
		return ""
	}
	return r.address(address)
}

// sort is what an address is, as part of a key for those who have another one.
func (r *reader) sort(address string) string {
	bare, _, _ := strings.Cut(strings.ToLower(address), "/")
	if bare == "" || bare == r.norm.account {
		return ""
	}
	if role := r.role[bare]; role == roleContact || role == roleRoom || role == roleAccount {
		return role
	}
	return r.canonical(bare)
}
