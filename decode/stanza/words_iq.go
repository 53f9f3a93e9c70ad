package stanza

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/xmpplens/xmpplens/decode/xep"
)

// iq says what a request asks for, or what an answer brings.
func (s *Stanza) iq(n *Node) string {
	who := route(s.From, s.To)
	if s.From != "" && s.To != "" {
		who = " " + who // apart from the words
	}
	kind := orElse(s.Type, "without a type")
	if s.Error != nil {
		what := ""
		if len(n.Children) > 0 && n.Children[0].Name != "error" {
			what = "to " + subject(n.Children[0], "")
		}
		return join("iq error", s.Error.words(), what, who)
	}
	if len(n.Children) == 0 {
		return join("iq", kind, who)
	}
	return join("iq", kind, subject(n.Children[0], s.Type), who)
}

// subject names what an iq's payload is about. For results it adds what came.
func subject(c *Node, kind string) string {
	result := kind == "result"
	ns := c.NS
	family := ns
	if at := strings.LastIndexByte(ns, ':'); at > 0 && strings.Trim(ns[at+1:], "0123456789") == "" {
		family = ns[:at]
	}
	switch family {
	case "jabber:iq:roster":
		if items := children(c, "item"); len(items) == 1 && kind == "set" {
			if items[0].Attr("subscription") == "remove" {
				return "roster, remove " + items[0].Attr("jid")
			}
			return join("roster,", items[0].Attr("jid"), after("subscription ", items[0].Attr("subscription")))
		} else if result && len(items) > 0 {
			return "roster, " + count(len(items), "contact")
		}
		return "roster"
	case "urn:ietf:params:xml:ns:xmpp-bind":
		if j := c.Child("", "jid"); j != nil {
			return "bind as " + j.Text
		}
		if r := c.Child("", "resource"); r != nil && r.Text != "" {
			return "bind resource " + r.Text
		}
		return "bind"
	case "urn:ietf:params:xml:ns:xmpp-session":
		return "session"
	case "http://jabber.org/protocol/disco#info":
		w := join("disco#info", c.Attr("node"))
		if result {
			w += ", " + count(len(children(c, "feature")), "feature")
			if ids := children(c, "identity"); len(ids) > 0 {
				w += fmt.Sprintf(", %s/%s", ids[0].Attr("category"), ids[0].Attr("type"))
			}
		}
		return w
	case "http://jabber.org/protocol/disco#items":
		w := join("disco#items", c.Attr("node"))
		if result {
			w += ", " + count(len(children(c, "item")), "item")
		}
		return w
	case "http://jabber.org/protocol/pubsub", "http://jabber.org/protocol/pubsub#owner":
		return pubsub(c, result)
	case "urn:xmpp:mam":
		switch c.Name {
		case "fin":
			if c.Attr("complete") == "true" {
				return "archive, complete"
			}
			return "archive, page ends"
		case "prefs":
			return "archive preferences"
		}
		return "archive"
	case "urn:xmpp:http:upload":
		if result || c.Name == "slot" {
			return "upload slot"
		}
		return join("upload slot for", quote(c.Attr("filename"), 60), unit("of", c.Attr("size"), "bytes"))
	case "urn:xmpp:ping":
		return "ping"
	case "jabber:iq:version":
		if name := c.Child("", "name"); result && name != nil {
			w := name.Text
			if v := c.Child("", "version"); v != nil {
				w += " " + v.Text
			}
			return "version, " + w
		}
		return "version"
	case "vcard-temp":
		return "vcard"
	case "jabber:iq:register":
		return "registration"
	case "jabber:iq:private":
		if len(c.Children) > 0 {
			return "private storage " + c.Children[0].NS
		}
		return "private storage"
	case "jabber:iq:auth":
		return "old-style login"
	case "urn:xmpp:blocking":
		return c.Name
	case "urn:xmpp:carbons":
		return "carbons " + c.Name
	case "urn:xmpp:time":
		return "time"
	case "jabber:iq:last":
		return "last activity"
	case "urn:xmpp:jingle":
		return join("jingle", c.Attr("action"))
	case "http://jabber.org/protocol/commands":
		return join("command", c.Attr("node"), c.Attr("status"))
	case "http://jabber.org/protocol/muc#admin":
		if items := children(c, "item"); len(items) == 1 && kind == "set" {
			i := items[0]
			return join("room admin,", orElse(i.Attr("nick"), i.Attr("jid")), "becomes", orElse(i.Attr("role"), i.Attr("affiliation")))
		}
		return "room admin"
	case "http://jabber.org/protocol/muc#owner":
		if c.Child("", "destroy") != nil {
			return "room destroy"
		}
		if f := c.Child("jabber:x:data", "x"); f != nil && kind == "set" {
			return "room configuration, " + orElse(f.Attr("type"), "form")
		}
		return "room configuration"
	}
	if spec, ok := xep.Lookup(ns); ok {
		return join(c.Name, "("+spec.Title+", "+spec.ID+")")
	}
	return join(c.Name, ns)
}

// pubsub says which operation on which node is meant (XEP-0060).
func pubsub(c *Node, result bool) string {
	for _, x := range c.Children {
		node := x.Attr("node")
		items := len(children(x, "item"))
		switch x.Name {
		case "publish":
			return join("publish to", node)
		case "retract":
			return join("withdraw from", node)
		case "items":
			if result {
				return join(count(items, "item"), "of", node)
			}
			return join("items of", node)
		case "publish-options", "options":
		default:
			return join("pubsub", x.Name, node)
		}
	}
	return "pubsub"
}

func children(n *Node, name string) []*Node {
	var l []*Node
	for _, c := range n.Children {
		if c.Name == name {
			l = append(l, c)
		}
	}
	return l
}

// asUser names the user of a login where the mechanism shows it.
func asUser(mechanism, text string) string {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return ""
	}
	user := ""
	switch {
	case mechanism == "PLAIN":
		if p := strings.Split(string(b), "\x00"); len(p) == 3 {
			user = p[1]
		}
	case strings.HasPrefix(mechanism, "SCRAM-"):
		for f := range strings.SplitSeq(string(b), ",") {
			if v, ok := strings.CutPrefix(f, "n="); ok {
				user = v
			}
		}
	}
	return after("as ", clean(user, 60))
}
