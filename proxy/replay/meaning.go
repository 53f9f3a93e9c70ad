package replay

import (
	"hash/fnv"
	"io"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// meaning is what a stanza is recognised by: kind, type, peer (as role names it,
// but without the resource, which is another one every time) and payload. Two
// stanzas with the same meaning are told apart by their detail alone, which is
// preferred but not demanded.
func meaning(root *stanza.Node, peer string) string {
	if peer != "/" {
		peer, _, _ = strings.Cut(peer, "/")
	}
	kind := root.Name
	switch kind {
	case "message", "presence", "iq":
	default:
		return "nonza|" + root.NS + " " + root.Name
	}
	typ := root.Attr("type")
	if kind == "message" && typ == "normal" {
		typ = "" // RFC 6121 §5.2.2
	}
	return kind + "|" + typ + "|" + peer + "|" + payload(root)
}

// payload names what a stanza carries.
func payload(root *stanza.Node) string {
	if root.Name == "presence" {
		if root.Child("http://jabber.org/protocol/muc", "x") != nil {
			return "muc"
		}
		return ""
	}
	best, rank := "", 0
	for _, c := range root.Children {
		name, r := c.NS+" "+c.Name, 2
		switch {
		case c.Name == "error":
			continue
		case c.Name == "encrypted":
			r = 5
		case c.Name == "body" && root.Name == "message":
			name, r = "body", 4
		case c.Name == "subject" && root.Name == "message":
			name, r = "subject", 3
		case c.NS == nsStates || c.Name == "thread" || root.Name == "message" && accompanies[c.Name]:
			r = 1
		}
		if r > rank {
			best, rank = name, r
			if root.Name == "iq" {
				best += inner(c)
			}
		}
	}
	return best
}

// accompanies are payloads of messages that come along with others.
var accompanies = map[string]bool{"request": true, "markable": true, "origin-id": true, "stanza-id": true, "delay": true, "store": true,
	"no-store": true, "no-copy": true, "no-permanent-store": true, "private": true, "encryption": true, "nick": true, "x": true}

// inner is what tells queries in one namespace apart: the node, and what is
// done to it.
func inner(c *stanza.Node) string {
	s := ""
	for n := c; n != nil; {
		if node := n.Attr("node"); node != "" {
			s += " " + node
		}
		if len(n.Children) == 0 || n != c {
			break
		}
		n = n.Children[0]
		s += " " + n.Name
	}
	return s
}

// volatile are attributes that differ from run to run.
var volatile = map[string]bool{"id": true, "queryid": true, "sid": true, "sessionid": true, "ver": true, "stamp": true, "xml:lang": true, "to": true, "from": true, "seq": true}

// detail is a hash of what a stanza says beyond its meaning.
func detail(root *stanza.Node, peer string) uint64 {
	h := fnv.New64a()
	if root.Name != "message" || root.Attr("type") == "groupchat" {
		_, nick, _ := strings.Cut(peer, "/") // of a room's occupant
		io.WriteString(h, nick)
	}
	var walk func(n *stanza.Node, deep int)
	walk = func(n *stanza.Node, deep int) {
		if deep > 50 || accompanies[n.Name] && deep == 1 || n.NS == nsStates {
			return
		}
		io.WriteString(h, "<"+n.NS+" "+n.Name)
		var attrs []string
		for _, a := range n.Attrs {
			if !volatile[a.Name] && !strings.Contains(a.Value, "@") {
				attrs = append(attrs, a.Name+"="+a.Value)
			}
		}
		slices.Sort(attrs)
		io.WriteString(h, strings.Join(attrs, " ")+">")
		if len(n.Children) == 0 && !strings.Contains(n.Text, "@") {
			io.WriteString(h, n.Text)
		}
		for _, c := range n.Children {
			walk(c, deep+1)
		}
	}
	walk(root, 0)
	return h.Sum64()
}

// A weight is how much a step of the client's counts.
type weight uint8

const (
	must weight = iota // what follows waits for it, and without it something is missing
	may                // only asserted when the expectation is strict: what hangs on moods and timers
	free               // never: stream management counts for itself
)

func weigh(root *stanza.Node) weight {
	if isSM(root.NS) {
		return free
	}
	if root.NS == nsCSI {
		return may
	}
	if root.Name == "message" && len(root.Children) > 0 && !slices.ContainsFunc(root.Children, func(c *stanza.Node) bool {
		return c.NS != nsStates && !accompanies[c.Name] && c.Name != "thread"
	}) {
		return may // typing notifications
	}
	return must
}

// ordered names the group in which the order of what a client says is not free:
// messages to one receiver, presence to one (RFC 6120 §10.1). "" where it is free.
func ordered(root *stanza.Node, peer string) string {
	switch root.Name {
	case "presence":
		return "presence " + peer
	case "message":
		if p := payload(root); p == "body" || p == "subject" || strings.HasSuffix(p, " encrypted") {
			bare, _, _ := strings.Cut(peer, "/")
			return "message " + bare
		}
	}
	return ""
}
