package stanza

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/xmpplens/xmpplens/decode/xep"
)

// words says in one line what an element is about.
func (s *Stanza) words(n *Node) string {
	switch s.Kind {
	case "message":
		return s.message(n)
	case "presence":
		return s.presence(n)
	case "iq":
		return s.iq(n)
	}
	return s.nonza(n)
}

// join puts what there is of the parts into one line.
func join(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p)
	}
	return b.String()
}

func (s *Stanza) message(n *Node) string {
	kind := cmp.Or(s.Type, "normal")
	from := s.From
	who := route(from, s.To)
	if kind == "groupchat" {
		if j := SplitJID(from); j.Resource != "" { // in a room the resource is who speaks
			who = join(j.Resource, "in", j.Bare().String())
		}
	}
	if kind == "normal" {
		kind = "message"
	}
	if s.Error != nil {
		return join("error", s.Error.words(), "for a message", who)
	}
	text := s.content(n, 0)
	if text == "" {
		for _, c := range n.Children {
			if c.NS != n.NS {
				text = s.byName(c)
				break
			}
		}
	}
	s.Generic = s.Generic || text == ""
	return join(kind, who) + after(": ", text)
}

func after(sep, s string) string {
	if s == "" {
		return ""
	}
	return sep + s
}

// unit is empty without a number.
func unit(before, n, unit string) string {
	if n == "" {
		return ""
	}
	return join(before, n, unit)
}

// content says what a message carries. Forwarded messages nest: depth is
// bounded.
func (s *Stanza) content(n *Node, depth int) string {
	if depth < 3 {
		for _, c := range n.Children {
			fwd := c.Child("urn:xmpp:forward:0", "forwarded")
			if fwd == nil {
				continue
			}
			inner := fwd.Child("", "message")
			text := ""
			if inner != nil {
				text = join(cmp.Or(inner.Attr("type"), "message"), route(inner.Attr("from"), inner.Attr("to"))) + after(": ", s.content(inner, depth+1))
			}
			switch {
			case strings.HasPrefix(c.NS, "urn:xmpp:carbons:"):
				return "carbon of what was " + c.Name + after(", ", text)
			case strings.HasPrefix(c.NS, "urn:xmpp:mam:"):
				return "from the archive" + after(", ", text)
			}
			return "forwarded" + after(", ", text)
		}
	}
	var parts []string
	body := ""
	for _, c := range n.Children {
		if c.Name == "body" && (c.NS == n.NS || c.NS == "") && body == "" {
			body = c.Text
		}
	}
	for _, c := range n.Children {
		if w := part(c, n); w != "" {
			parts = append(parts, w)
		}
	}
	if body != "" {
		parts = append([]string{quote(body, 160)}, parts...)
	}
	return strings.Join(parts, ", ")
}

// part says what a child of a message is, "" where it does not matter in one
// line.
func part(c, message *Node) string {
	base := xep.Family(c.NS)
	switch {
	case c.Name == "subject" && c.NS == message.NS:
		return "subject " + quote(c.Text, 80)
	case c.NS == "http://jabber.org/protocol/chatstates":
		return c.Name
	case base == "urn:xmpp:receipts" && c.Name == "received":
		return join("receipt for", c.Attr("id"))
	case base == "urn:xmpp:chat-markers" && c.Name != "markable":
		return c.Name + " " + c.Attr("id")
	case base == "urn:xmpp:message-correct":
		return "corrects " + c.Attr("id")
	case base == "urn:xmpp:message-retract", base == "urn:xmpp:message-moderate":
		return "retracts " + c.Attr("id")
	case base == "urn:xmpp:reactions":
		var r []string
		for _, x := range c.Children {
			r = append(r, x.Text)
		}
		return join("reacts", strings.Join(r, " "), "to", c.Attr("id"))
	case base == "urn:xmpp:reply":
		return "in reply to " + c.Attr("id")
	case base == "urn:xmpp:attention":
		return "asks for attention"
	case base == "urn:xmpp:jingle-message":
		return "call: " + c.Name
	case base == "urn:xmpp:mam" && c.Name == "fin":
		return "end of the archive page"
	case strings.HasPrefix(base, "eu.siacs.conversations.axolotl"), base == "urn:xmpp:omemo":
		if c.Name == "encrypted" {
			return omemo(c)
		}
	case base == "urn:xmpp:openpgp", c.NS == "jabber:x:encrypted":
		return "encrypted with OpenPGP"
	case c.NS == "jabber:x:conference":
		return "invitation to " + c.Attr("jid")
	case c.NS == "jabber:x:oob":
		if u := c.Child("", "url"); u != nil && message.Child("", "body") == nil {
			return "link " + quote(u.Text, 80)
		}
	case c.NS == "urn:xmpp:delay":
		return "sent " + c.Attr("stamp")
	case c.NS == "http://jabber.org/protocol/pubsub#event":
		return event(c)
	case c.NS == "http://jabber.org/protocol/muc#user":
		if i := c.Child("", "invite"); i != nil {
			return join("invitation", route(i.Attr("from"), i.Attr("to")))
		}
		return statuses(c)
	case c.NS == "jabber:x:data" && message.Child("", "body") == nil:
		return form(c)
	case c.NS == "http://jabber.org/protocol/pubsub":
		return pubsub(c, false)
	case c.NS == "jabber:x:event" && len(c.Children) > 0:
		return "event " + tally(c)
	case base == "urn:xmpp:spoiler":
		return "spoiler " + quote(c.Text, 40)
	case c.NS == "http://jabber.org/protocol/nick":
		return "nickname " + quote(c.Text, 40)
	case c.Name == "thread" && c.NS == message.NS && len(message.Children) == 1:
		return "thread " + c.Text
	}
	return ""
}

// event says what a publish-subscribe notification is about (XEP-0060 §7.1.2).
func event(c *Node) string {
	for _, x := range c.Children {
		node := x.Attr("node")
		switch x.Name {
		case "items":
			n, gone := 0, 0
			for _, i := range x.Children {
				if i.Name == "retract" {
					gone++
				} else {
					n++
				}
			}
			if gone > 0 {
				return fmt.Sprintf("%s withdrawn from %s", count(gone, "item"), node)
			}
			w := fmt.Sprintf("%s published to %s", count(n, "item"), node)
			if n == 1 {
				w += after(", ", item(x.Children[0]))
			}
			return w
		default:
			return join("node", node+":", x.Name)
		}
	}
	return "publish-subscribe event"
}

func count(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

// statuses lists the status codes of a room (XEP-0045 §15.6).
func statuses(c *Node) string {
	var codes []string
	for _, x := range c.Children {
		if x.Name == "status" && x.Attr("code") != "" {
			codes = append(codes, x.Attr("code")+meaning(x.Attr("code")))
		}
	}
	if codes == nil {
		return ""
	}
	return "status " + strings.Join(codes, ", ")
}

func meaning(code string) string {
	switch code {
	case "100":
		return " (addresses visible)"
	case "104":
		return " (configuration changed)"
	case "110":
		return " (self)"
	case "170":
		return " (logged)"
	case "201":
		return " (room created)"
	case "210":
		return " (nick changed by the room)"
	case "301":
		return " (banned)"
	case "303":
		return " (new nick)"
	case "307":
		return " (kicked)"
	case "321":
		return " (affiliation changed)"
	case "322":
		return " (room is members-only)"
	case "332":
		return " (service shuts down)"
	case "333":
		return " (left on error)"
	}
	return ""
}

func (s *Stanza) presence(n *Node) string {
	who := route(s.From, s.To)
	muc := n.Child("http://jabber.org/protocol/muc#user", "x")
	if s.Error != nil {
		return join("error", s.Error.words(), "for presence", who)
	}
	if muc != nil {
		from := SplitJID(s.From)
		what := "is in"
		if s.Type == "unavailable" {
			what = "left"
		}
		w := join("presence", from.Resource, what, from.Bare().String())
		if i := muc.Child("", "item"); i != nil {
			w += fmt.Sprintf(", %s and %s", cmp.Or(i.Attr("role"), "no role"), cmp.Or(i.Attr("affiliation"), "no affiliation"))
		}
		return w + after(", ", statuses(muc))
	}
	if n.Child("http://jabber.org/protocol/muc", "x") != nil {
		j := SplitJID(s.To)
		return join("presence joins", j.Bare().String(), "as", j.Resource)
	}
	what := cmp.Or(s.Type, "available")
	status := ""
	for _, c := range n.Children {
		switch {
		case c.NS != n.NS:
		case c.Name == "show" && s.Type == "":
			what = cmp.Or(strings.TrimSpace(c.Text), what)
		case c.Name == "status" && status == "" && c.Text != "":
			status = quote(c.Text, 120)
		}
	}
	if p := n.Child(n.NS, "priority"); p != nil && strings.TrimSpace(p.Text) != "0" && s.Type == "" {
		what += unit(", priority", Clean(strings.TrimSpace(p.Text), 10), "")
	}
	if i := n.Child("", "idle"); i != nil {
		what += ", idle since " + i.Attr("since")
	}
	return join("presence", what, status, who)
}

func (s *Stanza) nonza(n *Node) string {
	e := s.Error
	switch n.NS {
	case nsStreams:
		if n.Name == "features" {
			return features(n)
		}
		if n.Name == "error" {
			return "stream error " + e.words()
		}
	case "urn:ietf:params:xml:ns:xmpp-framing":
		switch to := n.Attr("see-other-uri"); {
		case n.Name == "open":
			return join("stream", route(s.From, s.To))
		case n.Name == "close" && to != "":
			return join("stream end, go to", to)
		case n.Name == "close":
			return "stream end"
		}
	case "urn:ietf:params:xml:ns:xmpp-tls":
		switch n.Name {
		case "starttls":
			return "STARTTLS asked"
		case "proceed":
			return "STARTTLS proceeds"
		case "failure":
			return "STARTTLS refused"
		}
	case nsSASL, nsSASL2:
		return sasl(n, e)
	case "urn:xmpp:sm:2", "urn:xmpp:sm:3":
		return management(n, e)
	case "urn:xmpp:csi:0":
		return "client is " + n.Name
	case "http://jabber.org/protocol/compress":
		return join("compression:", n.Name)
	case nsCompAcc:
		if n.Name == "handshake" {
			if n.Text == "" {
				return "component handshake accepted"
			}
			return "component handshake"
		}
	case nsBOSH:
		if n.Name == "uri" {
			return "BOSH goes on at " + quote(strings.TrimSpace(n.Text), 200)
		}
	case nsDialback:
		return dialback(n, e)
	case nsBidi:
		return "bidi: the stream is to be used both ways"
	}
	return s.byName(n)
}

// features lists what a server offers.
func features(n *Node) string {
	var parts []string
	for _, c := range n.Children {
		switch {
		case c.Name == "starttls":
			w := "STARTTLS"
			if c.Child("", "required") != nil {
				w += " required"
			}
			parts = append(parts, w)
		case c.Name == "mechanisms" || c.NS == nsSASL2 && c.Name == "authentication":
			w := []string{"SASL"}
			if c.NS == nsSASL2 {
				w[0] = "SASL2"
			}
			for _, m := range c.Children {
				if m.Name == "mechanism" {
					w = append(w, strings.TrimSpace(m.Text))
				}
			}
			parts = append(parts, strings.Join(w, " "))
		case c.Name == "sasl-channel-binding":
			w := []string{"channel binding"}
			for _, b := range c.Children {
				w = append(w, b.Attr("type"))
			}
			parts = append(parts, strings.Join(w, " "))
		case c.Name == "bind":
			parts = append(parts, "bind")
		case c.Name == "sm":
			parts = append(parts, "stream management")
		case c.Name == "c":
			parts = append(parts, "caps")
		case c.Name == "ver":
			parts = append(parts, "roster versions")
		case c.Name == "sub":
			parts = append(parts, "pre-approval")
		default:
			parts = append(parts, c.Name)
		}
	}
	if parts == nil {
		return "features: none"
	}
	return "features: " + strings.Join(parts, ", ")
}

// sasl says which step of a login a nonza is (RFC 6120 §6.4, XEP-0388).
func sasl(n *Node, e *Error) string {
	v := "SASL"
	if n.NS == nsSASL2 {
		v = "SASL2"
	}
	switch n.Name {
	case "auth", "authenticate":
		m := n.Attr("mechanism")
		text := n.Text
		if c := n.Child(nsSASL2, "initial-response"); c != nil {
			text = c.Text
		}
		return join(v, "login with", cmp.Or(m, "no mechanism"), asUser(m, text)) + inline(n)
	case "challenge", "response", "abort":
		return v + " " + n.Name
	case "success":
		if c := n.Child(nsSASL2, "authorization-identifier"); c != nil {
			return v + " success, logged in as " + c.Text + inline(n)
		}
		return v + " success"
	case "failure":
		return v + " failure " + e.words()
	}
	return v + " " + n.Name
}

// inline lists what is done together with a SASL2 login (XEP-0388 §2.4).
func inline(n *Node) string {
	w := ""
	for _, c := range n.Children {
		switch {
		case c.NS == "urn:xmpp:bind:0" && c.Name == "bind":
			w += ", bind"
			if t := c.Child("", "tag"); t != nil {
				w += " " + t.Text
			}
			for _, f := range c.Children {
				if f.Name != "tag" {
					w += " with " + f.Name
				}
			}
		case c.NS == "urn:xmpp:bind:0":
			w += ", " + c.Name
		case c.NS == nsFAST && c.Name == "request-token":
			w += ", asks for a FAST token for " + c.Attr("mechanism")
		case c.NS == nsFAST && c.Name == "token":
			w += ", new FAST token until " + c.Attr("expiry")
		case c.NS == nsFAST:
			w += ", with a FAST token"
		case strings.HasPrefix(c.NS, "urn:xmpp:sm:"):
			w += ", " + management(c, &Error{})
		}
	}
	return w
}

// management says what a nonza of stream management does (XEP-0198).
func management(n *Node, e *Error) string {
	switch n.Name {
	case "r":
		return "sm asks for an acknowledgement"
	case "a":
		return "sm acknowledges " + n.Attr("h")
	case "enable":
		if r := n.Attr("resume"); r == "true" || r == "1" {
			return "sm enable, to be resumable"
		}
		return "sm enable"
	case "enabled":
		if r := n.Attr("resume"); r == "true" || r == "1" {
			return join("sm enabled, can be resumed", unit("within", n.Attr("max"), "s"))
		}
		return "sm enabled"
	case "resume", "resumed":
		return join("sm", n.Name, "after", n.Attr("h"))
	case "failed":
		return "sm failed " + e.words()
	}
	return "sm " + n.Name
}
