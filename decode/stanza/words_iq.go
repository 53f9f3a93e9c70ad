package stanza

import (
	"cmp"
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
	kind := cmp.Or(s.Type, "without a type")
	if s.Error != nil {
		what := ""
		if len(n.Children) > 0 && n.Children[0].Name != "error" {
			what = "to " + s.subject(n.Children[0], "")
		}
		return join("iq error", s.Error.words(), what, who)
	}
	if len(n.Children) == 0 {
		return join("iq", kind, who)
	}
	return join("iq", kind, s.subject(n.Children[0], s.Type), who)
}

// subject names what an iq's payload is about. For results it adds what came.
func (s *Stanza) subject(c *Node, kind string) string {
	result := kind == "result"
	switch xep.Family(c.NS) {
	case "jabber:iq:roster":
		if items := children(c, "item"); len(items) == 1 && kind == "set" {
			if items[0].Attr("subscription") == "remove" {
				return "roster, remove " + items[0].Attr("jid")
			}
			return join("roster,", items[0].Attr("jid"), after("subscription ", items[0].Attr("subscription")))
		} else if result && len(items) > 0 {
			return "roster, " + count(len(items), "contact") + unit(", version", c.Attr("ver"), "")
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
			w := "archive, page ends"
			if c.Attr("complete") == "true" {
				w = "archive, complete"
			}
			return w + after(", ", page(c))
		case "prefs":
			return "archive preferences" + after(", default ", c.Attr("default"))
		}
		return archive(c)
	case "urn:xmpp:http:upload":
		if result || c.Name == "slot" {
			if g := c.Child("", "get"); g != nil {
				return "upload slot " + cmp.Or(g.Attr("url"), g.Text)
			}
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
	case "vcard-temp", "urn:ietf:params:xml:ns:vcard-4.0":
		w := "vcard"
		if f := c.Child("", "FN"); f != nil && f.Text != "" {
			w += " of " + Clean(f.Text, 60)
		}
		if p := c.Child("", "PHOTO"); p != nil {
			w += ", with a picture"
		}
		return w
	case "jabber:iq:register":
		switch {
		case c.Child("", "remove") != nil:
			return "registration, remove the account"
		case c.Child("", "registered") != nil:
			return "registration, registered already"
		}
		if u := c.Child("", "username"); u != nil && u.Text != "" {
			return "registration of " + Clean(u.Text, 60)
		}
		return "registration"
	case "jabber:iq:privacy":
		return "privacy lists" + after(", ", details(c, 0))
	case "http://jabber.org/protocol/si":
		return join("file offer", details(c, 0))
	case "http://jabber.org/protocol/bytestreams":
		return join("bytestream", c.Attr("sid")) + after(", ", tally(c))
	case "http://jabber.org/protocol/ibb":
		return join("in-band bytestream", c.Name, c.Attr("sid"), unit("sequence", c.Attr("seq"), ""), unit("block size", c.Attr("block-size"), ""))
	case "urn:xmpp:push":
		return join("push", c.Name, c.Attr("jid"), c.Attr("node"))
	case "urn:xmpp:extdisco":
		return join("external services", tallyOf(c, result))
	case "http://jabber.org/protocol/muc#unique":
		return join("unique room name", c.Text)
	case "jabber:iq:search":
		return "search" + after(", ", tally(c))
	case "jabber:iq:gateway":
		return join("gateway prompt", details(c, 0))
	case "jabber:iq:rpc":
		return join("remote call", details(c, 0))
	case "jabber:x:data":
		return form(c)
	case "urn:xmpp:bob":
		return join("bits of binary", c.Attr("cid"))
	case "urn:xmpp:mix:core":
		return join("mix", c.Name, c.Attr("channel"), tallyOf(c, true))
	case "jabber:iq:agents", "jabber:iq:browse":
		return join("old-style discovery", tallyOf(c, result))
	case "jabber:iq:private":
		if len(c.Children) > 0 {
			return "private storage " + c.Children[0].NS
		}
		return "private storage"
	case "jabber:iq:auth":
		return "old-style login"
	case "urn:xmpp:blocking":
		return join(c.Name, details(c, 0))
	case "urn:xmpp:carbons":
		return "carbons " + c.Name
	case "urn:xmpp:time":
		if t := c.Child("", "utc"); t != nil {
			w := "time " + t.Text
			if z := c.Child("", "tzo"); z != nil {
				w += " " + z.Text
			}
			return w
		}
		return "time"
	case "jabber:iq:last":
		return "last activity" + unit(",", c.Attr("seconds"), "s ago")
	case "urn:xmpp:jingle":
		return jingle(c)
	case "http://jabber.org/protocol/commands":
		return join("command", c.Attr("node"), c.Attr("status"))
	case "http://jabber.org/protocol/muc#admin":
		if items := children(c, "item"); len(items) == 1 && kind == "set" {
			i := items[0]
			return join("room admin,", cmp.Or(i.Attr("nick"), i.Attr("jid")), "becomes", cmp.Or(i.Attr("role"), i.Attr("affiliation")))
		}
		return "room admin" + after(", ", details(c, 0))
	case "http://jabber.org/protocol/muc#owner":
		if c.Child("", "destroy") != nil {
			return "room destroy"
		}
		if f := c.Child("jabber:x:data", "x"); f != nil && kind == "set" {
			return "room configuration, " + cmp.Or(f.Attr("type"), "form")
		}
		return "room configuration"
	}
	return s.byName(c)
}

// pubsub says which operation on which node is meant (XEP-0060).
func pubsub(c *Node, result bool) string {
	for _, x := range c.Children {
		node := x.Attr("node")
		items := len(children(x, "item"))
		switch x.Name {
		case "publish":
			w := join("publish to", node)
			if i := x.Child("", "item"); i != nil {
				w += after(", ", item(i))
			}
			return w
		case "retract":
			return join("withdraw from", node)
		case "items":
			if result {
				w := join(count(items, "item"), "of", node)
				if items == 1 {
					w += after(", ", item(x.Child("", "item")))
				}
				return w
			}
			return join("items of", node)
		case "publish-options", "options":
		default:
			return join("pubsub", x.Name, cmp.Or(node, details(x, 0)))
		}
	}
	return "pubsub"
}

// tallyOf counts what an answer brings.
func tallyOf(c *Node, result bool) string {
	if !result || len(c.Children) == 0 {
		return ""
	}
	return "(" + tally(c) + ")"
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
	case mechanism == "EXTERNAL":
		user = string(b)
	case strings.HasPrefix(mechanism, "SCRAM-"):
		for f := range strings.SplitSeq(string(b), ",") {
			if v, ok := strings.CutPrefix(f, "n="); ok {
				user = v
			}
		}
	}
	return after("as ", Clean(user, 60))
}
