package stanza

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/xmpplens/xmpplens/decode/xep"
)

// This file has words for payloads that occur in several kinds of stanza.

// telling are the attributes that say most about an element, in the order in
// which they are shown.
var telling = []string{"action", "type", "node", "sid", "rid", "name", "var", "jid", "nick", "id", "uri", "url", "code", "status", "state", "value", "reason",
	"subscription", "affiliation", "role", "feature", "profile", "algo", "hash", "seqnr", "h", "host", "port", "from", "to", "stamp", "start", "end", "version", "xmlns"}

// maxDetails bounds what is said of one element.
const maxDetails = 3

// byName says of what this package has no words for which specification it
// belongs to and what stands out in it: attributes, text, children.
func (s *Stanza) byName(n *Node) string {
	what := join(n.Name, n.NS)
	if spec, ok := xep.Lookup(n.NS); ok {
		what = join(n.Name, "("+spec.Title+", "+spec.ID+")")
		if spec.Family {
			what = join(n.Name, "("+spec.Title+", "+spec.ID+", namespace "+n.NS+" is not known)")
		}
	}
	d := details(n, 0)
	if d == "" {
		s.Generic = true
		return what
	}
	return what + ": " + d
}

// details lists what stands out in an element, and nothing of what is masked.
func details(n *Node, depth int) string {
	var parts []string
	for _, name := range telling {
		if v := n.Attr(name); v != "" && len(parts) < maxDetails {
			parts = append(parts, name+" "+Clean(v, 60))
		}
	}
	if secretNames[n.Name] && len(n.secrets(nil)) > 0 {
		return strings.Join(parts, ", ")
	}
	if text := strings.TrimSpace(n.Text); text != "" && len(n.Children) == 0 {
		parts = append(parts, quote(text, 60))
	}
	switch {
	case len(n.Children) == 0 || depth > 2:
	case len(n.Children) == 1:
		c := n.Children[0]
		parts = append(parts, join(c.Name, details(c, depth+1)))
	default:
		parts = append(parts, tally(n))
	}
	return strings.Join(parts, ", ")
}

// tally counts the children by name: 3 item, group.
func tally(n *Node) string {
	var names []string
	counts := make(map[string]int)
	for _, c := range n.Children {
		if counts[c.Name]++; counts[c.Name] == 1 {
			names = append(names, c.Name)
		}
	}
	more := ""
	if len(names) > 5 {
		more = fmt.Sprintf(" and %d more", len(names)-5)
		names = names[:5]
	}
	for i, name := range names {
		if counts[name] > 1 {
			names[i] = fmt.Sprintf("%d × %s", counts[name], name)
		}
	}
	return strings.Join(names, ", ") + more
}

// omemo says who encrypted for whom (XEP-0384): key exchange tells that a
// session is being built, no payload that only keys are sent.
func omemo(n *Node) string {
	h := n.Child("", "header")
	keys, fresh, jids := 0, 0, 0
	var count1 func(*Node)
	count1 = func(h *Node) {
		for _, k := range h.Children {
			switch k.Name {
			case "keys":
				jids++
				count1(k)
			case "key":
				keys++
				if v := cmp.Or(k.Attr("prekey"), k.Attr("kex")); v == "true" || v == "1" {
					fresh++
				}
			}
		}
	}
	w := "encrypted with OMEMO"
	if h != nil {
		count1(h)
		w += fmt.Sprintf(" by device %s for %s", cmp.Or(h.Attr("sid"), "?"), count(keys, "device"))
		if jids > 0 {
			w += " of " + count(jids, "account")
		}
	}
	if fresh > 0 {
		w += fmt.Sprintf(", %d with key exchange", fresh)
	}
	if p := n.Child("", "payload"); p == nil {
		w += ", keys only"
	} else {
		w += fmt.Sprintf(", %d bytes", len(strings.TrimSpace(p.Text))*3/4)
	}
	return w
}

// jingle says what is negotiated (XEP-0166 §7).
func jingle(n *Node) string {
	w := join("jingle", n.Attr("action"), unit("session", n.Attr("sid"), ""))
	for _, c := range n.Children {
		if c.Name != "content" {
			if c.Name == "reason" && len(c.Children) > 0 {
				w += ", reason " + c.Children[0].Name
			} else if c.NS != n.NS {
				w += ", " + c.Name
			}
			continue
		}
		var parts []string
		for _, x := range c.Children {
			kind := strings.TrimPrefix(strings.TrimPrefix(x.NS, "urn:xmpp:jingle:apps:"), "urn:xmpp:jingle:transports:")
			switch x.Name {
			case "description":
				parts = append(parts, join(kind, x.Attr("media"), unit("", fmt.Sprint(len(children(x, "payload-type"))), "codecs")))
			case "transport":
				parts = append(parts, join("over", kind, unit("", fmt.Sprint(len(children(x, "candidate"))), "candidates")))
			}
		}
		w += ", content " + join(c.Attr("name"), strings.Join(parts, " "))
	}
	return w
}

// form says what a data form is about (XEP-0004, XEP-0068).
func form(n *Node) string {
	kind, fields := "", 0
	for _, f := range children(n, "field") {
		if f.Attr("var") == "FORM_TYPE" {
			if v := f.Child("", "value"); v != nil {
				kind = v.Text
			}
			continue
		}
		fields++
	}
	w := join("form", cmp.Or(n.Attr("type"), "of no type"), kind)
	if t := n.Child("", "title"); t != nil && t.Text != "" {
		w += " " + quote(t.Text, 60)
	}
	if items := len(children(n, "item")); items > 0 {
		return w + ", " + count(items, "item")
	}
	return w + ", " + count(fields, "field")
}

// page says which part of a result is asked for or came (XEP-0059).
func page(n *Node) string {
	set := n.Child("http://jabber.org/protocol/rsm", "set")
	if set == nil {
		return ""
	}
	text := func(name string) string {
		if c := set.Child("", name); c != nil {
			return strings.TrimSpace(c.Text)
		}
		return ""
	}
	w := join(unit("at most", text("max"), ""), unit("after", text("after"), ""), unit("before", text("before"), ""), unit("from index", text("index"), ""))
	if set.Child("", "before") != nil && text("before") == "" {
		w = join(w, "the last ones")
	}
	if text("count") != "" {
		w = join(w, text("count"), "in all")
	}
	return w
}

// archive says what is asked of an archive (XEP-0313 §4).
func archive(n *Node) string {
	w := "archive"
	if f := n.Child("jabber:x:data", "x"); f != nil {
		for _, x := range children(f, "field") {
			if v := x.Child("", "value"); v != nil && x.Attr("var") != "FORM_TYPE" {
				w += fmt.Sprintf(", %s %s", x.Attr("var"), Clean(v.Text, 60))
			}
		}
	}
	return w + after(", ", page(n))
}

// content of an item, for what is published under a node (XEP-0060, XEP-0163).
func item(n *Node) string {
	if len(n.Children) == 0 {
		return ""
	}
	c := n.Children[0]
	switch c.NS {
	case "urn:xmpp:avatar:metadata":
		if i := c.Child("", "info"); i != nil {
			return join("avatar", i.Attr("type"), unit("", i.Attr("bytes"), "bytes"), i.Attr("id"))
		}
		return "no avatar any more"
	case "urn:xmpp:avatar:data":
		return fmt.Sprintf("avatar of %d bytes", len(strings.TrimSpace(c.Text))*3/4)
	case "http://jabber.org/protocol/nick":
		return "nickname " + quote(c.Text, 60)
	case "urn:xmpp:bookmarks:1", "urn:xmpp:bookmarks:0":
		return "bookmark " + join(n.Attr("id"), c.Attr("name"))
	case "storage:bookmarks":
		return "bookmarks: " + tally(c)
	case "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2", "urn:xmpp:omemo:1":
		switch c.Name {
		case "list", "devices":
			return "OMEMO devices: " + count(len(children(c, "device")), "device")
		case "bundle":
			return "OMEMO bundle"
		}
	case "jabber:x:data":
		return form(c)
	}
	return join(c.Name, details(c, 1))
}
