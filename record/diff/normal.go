package diff

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/xep"
	"github.com/xmpplens/xmpplens/record"
)

// element is an element in terms of both recordings.
type element struct {
	ns, name string
	attrs    []value // sorted by name
	text     value
	children []*element
	ordered  bool   // the order of the children means something
	sum      uint64 // of all of it but the order of children
}

// value is a text as it is compared and as it is shown.
type value struct{ name, same, shown string }

// any is what a value is compared as that is chosen anew each time.
const anything = "…"

const (
	nsSASL   = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsStream = "http://etherx.jabber.org/streams"
	nsRSM    = "http://jabber.org/protocol/rsm"
	nsCaps   = "http://jabber.org/protocol/caps"
	nsInfo   = "http://jabber.org/protocol/disco#info"
	nsBind   = "urn:ietf:params:xml:ns:xmpp-bind"
	nsXHTML  = "http://www.w3.org/1999/xhtml"
)

// volatile are attributes whose values are chosen anew each time, wherever they
// stand.
var volatile = map[string]bool{"id": true, "sid": true, "rid": true, "queryid": true, "ver": true, "stamp": true, "h": true, "max": true,
	"location": true, "previd": true, "resumeid": true, "expiry": true, "token": true, "nonce": true, "cid": true, "port": true, "key": true, "seconds": true, "ack": true, "time": true}

// kept are exceptions: namespace family, element and attribute.
var kept = map[string]bool{"urn:xmpp:bookmarks conference id": true, "jabber:iq:privacy item value": true}

// volatileText are elements whose text is chosen anew each time: namespace
// family and name, or * for all.
var volatileText = map[string]bool{nsSASL + " *": true, "urn:xmpp:sasl *": true, nsRSM + " first": true, nsRSM + " last": true, nsRSM + " after": true,
	nsRSM + " before": true, nsBind + " resource": true, "urn:xmpp:hashes *": true, "urn:xmpp:time utc": true, "jabber:server:dialback *": true, "jabber:component:accept handshake": true,
	"eu.siacs.conversations.axolotl *": true, "urn:xmpp:omemo *": true, "http://jabber.org/protocol/muc#unique unique": true, "jabber:server handshake": true,
	"urn:xmpp:fast token": true, "vcard-temp:x:update photo": true}

// normaliser makes elements out of frames.
type normaliser struct {
	*names
	ignore  *Ignore
	shown   bool // keep what is shown, too
	secrets []stanza.Span
	dir     record.Dir
	account string // of the connection, bare
	buf     []byte
}

// element returns the frame's element, nil where it has none. The addresses of a
// stanza are those that hold where none is said.
func (n *normaliser) element(f decode.Frame, s *stanza.Stanza, dir record.Dir) *element {
	root := s.Root()
	if f.Kind == decode.Header || root == nil {
		root, _ = stanza.Tree(f)
	}
	if root == nil {
		return nil
	}
	n.secrets, n.dir = stanza.Secrets(f), dir
	e := n.node(root, 0)
	if e.attr("type") == "error" && s.Error != nil {
		e.refusal()
	}
	e.attrs = slices.DeleteFunc(e.attrs, func(v value) bool {
		switch v.name {
		case "id", "xml:lang":
			return true
		case "from", "to":
			return n.usual(v.name, attr(root, v.name), s)
		case "type":
			return v.same == "normal" && e.name == "message"
		}
		return false
	})
	n.hash(e)
	return e
}

// refusal leaves of a stanza error what it means: what it refuses may come back
// with it or not, and the text is for people (RFC 6120 §8.3.1).
func (e *element) refusal() {
	e.children = slices.DeleteFunc(e.children, func(c *element) bool { return c.name != "error" })
	for _, c := range e.children {
		c.children = slices.DeleteFunc(c.children, func(c *element) bool { return c.name == "text" })
		c.attrs = slices.DeleteFunc(c.attrs, func(v value) bool { return v.name == "by" })
	}
}

func attr(n *stanza.Node, name string) string { return strings.ToLower(n.Attr(name)) }

// usual reports whether an address says what holds anyway.
func (n *normaliser) usual(name, address string, s *stanza.Stanza) bool {
	bare, _, _ := strings.Cut(address, "/")
	role := n.role[bare]
	mine := (name == "from") == (n.dir == record.CS) // the client's own side
	switch {
	case role == roleAccount && bare == n.account:
		return true // its own bare address is what a client means that says none, and where it gets what is for it
	case s.Kind == "header", s.Kind == "iq" && (s.Type == "result" || s.Type == "error"):
		return !mine && role == roleServer
	}
	return false
}

// node normalises an element and what is in it. The depth is bounded by the
// decoder.
func (n *normaliser) node(x *stanza.Node, depth int) *element {
	e := &element{ns: x.NS, name: x.Name, ordered: x.NS == nsXHTML}
	family := xep.Family(x.NS)
	for _, a := range x.Attrs {
		if n.ignore.attrs[a.Name] || a.Name == "xml:lang" && depth > 0 && (a.Value == "en" || a.Value == "") {
			continue
		}
		v := value{name: a.Name}
		switch {
		case n.secret(a.Start):
			v.same, a.Value = anything, "(hidden)"
		case (volatile[a.Name] || n.inNS(family, x, a.Name)) && !kept[family+" "+x.Name+" "+a.Name]:
			v.same = anything
		case a.Name == "from", a.Name == "to", a.Name == "jid":
			v.same = n.address(a.Value)
		case a.Name == "node":
			v.same = n.text(nodeName(a.Value), false)
		case a.Name == "var", a.Name == "xmlns", a.Name == "ns":
			v.same = a.Value
		default:
			v.same = n.text(a.Value, true)
		}
		if n.shown {
			v.shown = a.Value
		}
		e.attrs = append(e.attrs, v)
	}
	slices.SortFunc(e.attrs, func(a, b value) int { return strings.Compare(a.name, b.name) })
	for _, c := range x.Children {
		if !n.ignore.namespaces[c.NS] {
			e.children = append(e.children, n.node(c, depth+1))
		}
	}
	text := x.Text
	if x.Name != "body" || len(x.Children) > 0 {
		text = strings.TrimSpace(text)
	}
	switch {
	case text == "":
	case n.secret(x.InnerStart):
		e.text = value{same: anything, shown: "(hidden)"}
		return e
	case volatileText[family+" *"] && !offered(x.Name) || volatileText[family+" "+x.Name]:
		e.text.same = anything
	case x.Name == "jid":
		e.text.same = n.address(text)
	default:
		e.text.same = n.text(text, true)
	}
	if n.shown && text != "" {
		e.text.shown = text
	}
	return e
}

// offered are elements of the login whose text is not a secret nor random.
func offered(name string) bool {
	return name == "mechanism" || name == "text" || name == "authorization-identifier" || name == "software" || name == "device"
}

// inNS tells attributes that are chosen anew in one namespace only.
func (n *normaliser) inNS(family string, x *stanza.Node, name string) bool {
	switch name {
	case "resource":
		return true
	case "hash":
		return family != nsCaps && x.Name != "hash"
	}
	return false
}

func (n *normaliser) secret(at int) bool {
	for _, s := range n.secrets {
		if at >= s.Start && at < s.End {
			return true
		}
	}
	return false
}

// nodeName is a node of service discovery without the hash of entity
// capabilities.
func nodeName(s string) string {
	if head, tail, ok := strings.Cut(s, "#"); ok && len(tail) >= 16 {
		return head + "#" + anything
	}
	return s
}

// maxNormal bounds the texts in which addresses and the like are looked for.
const maxNormal = 64 << 10

// text replaces what is chosen anew each time.
func (n *normaliser) text(s string, urls bool) string {
	if len(s) > maxNormal {
		return s
	}
	s = n.within(s)
	if urls && (strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")) && !strings.ContainsAny(s, " \t\n") {
		return url(s)
	}
	return random(s)
}

// hash computes the sums, from the leaves to the root.
func (n *normaliser) hash(e *element) uint64 {
	sums := make([]uint64, len(e.children))
	for i, c := range e.children {
		sums[i] = n.hash(c)
	}
	if !e.ordered {
		slices.Sort(sums)
	}
	b := n.buf[:0]
	put := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	put(e.ns)
	put(e.name)
	b = binary.AppendUvarint(b, uint64(len(e.attrs)))
	for _, a := range e.attrs {
		put(a.name)
		put(a.same)
	}
	put(e.text.same)
	for _, s := range sums {
		b = binary.LittleEndian.AppendUint64(b, s)
	}
	n.buf = b
	e.sum = sum(b)
	return e.sum
}

// sum is a hash that nobody can make collide on purpose within reason.
func sum(b []byte) uint64 {
	h := sha256.Sum256(b)
	return binary.LittleEndian.Uint64(h[:8])
}

func sumOf(parts ...string) uint64 {
	var b []byte
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return sum(b)
}

// other is an element for what is none: junk, parts, comments.
func (n *normaliser) other(f decode.Frame) *element {
	e := &element{name: f.Kind.String()}
	if f.Part != decode.Whole {
		e.attrs = []value{{"part", f.Part.String(), f.Part.String()}}
	}
	text := string(bytes.TrimSpace(f.Raw))
	e.text = value{same: text, shown: text}
	if len(stanza.Secrets(f)) > 0 || len(text) > 2000 {
		e.text.shown = "(not shown)"
	}
	n.hash(e)
	return e
}

// key of a child among its siblings: what it is, and what of.
func (e *element) key() string {
	for _, name := range []string{"var", "jid", "node", "mechanism", "nick", "code", "namespace"} {
		if v := e.attr(name); v != "" {
			return v
		}
	}
	if c, t := e.attr("category"), e.attr("type"); c != "" {
		return c + "/" + t
	}
	return cmp.Or(e.attr("name"), "")
}

func (e *element) attr(name string) string {
	for i := range e.attrs {
		if e.attrs[i].name == name {
			return e.attrs[i].same
		}
	}
	return ""
}
