package stanza

// This file has words for what servers say to servers.

const (
	nsDialback = "jabber:server:dialback" // XEP-0220
	nsBidi     = "urn:xmpp:bidi"          // XEP-0288
)

// dialback says which of its four steps a nonza is (XEP-0220 §2).
func dialback(n *Node, e *Error) string {
	who := route(n.Attr("from"), n.Attr("to"))
	answer := n.Attr("type")
	switch {
	case n.Name == "result" && answer == "":
		return join("dialback key", who)
	case n.Name == "verify" && answer == "":
		return join("dialback: is this key right?", who)
	case answer == "error":
		return join("dialback", n.Name, "error", who) + after(": ", e.words())
	}
	return join("dialback", n.Name, answer, who)
}
