package stanza

import (
	"bytes"
	"errors"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
)

// A Node is an element of a frame.
type Node struct {
	Prefix, Name, NS string
	Attrs            []Attr // without namespace declarations
	Children         []*Node
	Text             string // the element's own character data, references resolved

	// Start and End are the byte span of the whole element in the frame's
	// Raw; InnerStart and InnerEnd that of its content, empty for <a/>.
	Start, End, InnerStart, InnerEnd int

	texts []piece // its own character data, as spans
	decls []decl
	many  map[string]string // the same, when they are more than few
	up    *Node
	text  [1]piece // room for texts: there is seldom more than one
}

// decl is a namespace declaration.
type decl struct{ prefix, uri string }

// An Attr is an attribute with its value's span, without quotes.
type Attr struct {
	Name, Value string // Name with its prefix
	Start, End  int
}

// Attr returns the value of an attribute, "" when there is none.
func (n *Node) Attr(name string) string {
	if n == nil {
		return ""
	}
	for i := range n.Attrs {
		if n.Attrs[i].Name == name {
			return n.Attrs[i].Value
		}
	}
	return ""
}

// Child returns the first child with the given name, in any namespace when ns
// is empty; nil when there is none.
func (n *Node) Child(ns, name string) *Node {
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		if c.Name == name && (ns == "" || c.NS == ns) {
			return c
		}
	}
	return nil
}

// errNoElement says that a frame has no element that could be read.
var errNoElement = errors.New("stanza: the frame is no element")

// maxNodes bounds a tree: a hostile stanza of a million elements is
// not worth one.
const maxNodes = 100_000

// Tree parses a frame that is an element or a stream header. Unfinished
// elements are closed where the frame ends; the error is set when there is none
// at all.
func Tree(f decode.Frame) (*Node, error) {
	var root, at *Node
	var closing, skip bool
	nodes := 0
	var attr []byte
	var room []Node // nodes and attributes are allocated some at a time
	var attrs []Attr
	for p := range pieces(f.Raw) {
		text := f.Raw[p.start:p.end]
		switch p.kind {
		case pOpen:
			closing = len(text) == 2
			if closing {
				if at != nil {
					at.InnerEnd = p.start
				}
				continue
			}
			if nodes++; nodes > maxNodes || root != nil && at == nil {
				skip = true
				break
			}
			if len(room) == 0 {
				room = make([]Node, min(max(4, nodes), 64))
			}
			n := &room[0]
			room = room[1:]
			*n = Node{Start: p.start, End: len(f.Raw), InnerEnd: len(f.Raw), up: at}
			n.texts = n.text[:0]
			if len(attrs) == 0 {
				attrs = make([]Attr, 8)
			}
			n.Attrs = attrs[:0]
			if at != nil {
				at.Children = append(at.Children, n)
			} else {
				root = n
			}
			at = n
		case pName:
			if at != nil && !closing {
				at.Prefix, at.Name = split(text)
			}
		case pAttr:
			attr = text
		case pValue:
			if at == nil || closing {
				continue
			}
			end := p.end
			if len(text) > 1 && text[len(text)-1] == text[0] {
				end--
			}
			v := unescape(f.Raw[p.start+1 : max(end, p.start+1)])
			switch prefix, ok := bytes.CutPrefix(attr, []byte("xmlns")); {
			case ok && (len(prefix) == 0 || prefix[0] == ':'):
				at.declare(word(bytes.TrimPrefix(prefix, []byte(":"))), v)
			default:
				at.Attrs = append(at.Attrs, Attr{word(attr), v, p.start + 1, end})
			}
		case pClose:
			if at == nil {
				continue
			}
			if !closing {
				at.NS = at.lookup(at.Prefix, f.Stream)
				at.InnerStart = p.end
				attrs = at.ownAttrs(attrs)
			}
			if closing || len(text) == 2 {
				at.End = p.end
				if !closing {
					at.InnerEnd = p.end
				}
				at.fillText(f.Raw)
				at = at.up
			}
			closing = false
		case pText, pCDATA:
			if at != nil {
				at.texts = append(at.texts, p)
			}
		}
		if skip {
			break
		}
	}
	if root == nil || root.Name == "" {
		return nil, errNoElement
	}
	for n := at; n != nil; n = n.up { // cut short
		if n.NS == "" {
			n.NS = n.lookup(n.Prefix, f.Stream)
		}
		n.ownAttrs(nil)
		n.fillText(f.Raw)
	}
	return root, nil
}

// ownAttrs ends the attributes of a node, which were put into room, and returns
// what is left of it.
func (n *Node) ownAttrs(room []Attr) []Attr {
	k := len(n.Attrs)
	if k == 0 {
		n.Attrs = nil
		return room
	}
	n.Attrs = n.Attrs[:k:k]
	if len(room) >= k && &room[0] == &n.Attrs[0] {
		return room[k:]
	}
	return room
}

// few is how many declarations are looked through. A hostile tag has ten
// thousands of them.
const few = 8

func (n *Node) declare(prefix, uri string) {
	n.decls = append(n.decls, decl{prefix, uri})
	switch {
	case n.many != nil:
		n.many[prefix] = uri
	case len(n.decls) > few:
		n.many = make(map[string]string)
		for _, d := range n.decls {
			n.many[d.prefix] = d.uri
		}
	}
}

func (n *Node) declared(prefix string) (uri string, ok bool) {
	if n.many != nil {
		uri, ok = n.many[prefix]
		return uri, ok
	}
	for i := len(n.decls) - 1; i >= 0; i-- {
		if n.decls[i].prefix == prefix {
			return n.decls[i].uri, true
		}
	}
	return "", false
}

// fillText joins the element's own character data.
func (n *Node) fillText(raw []byte) {
	if len(n.texts) == 1 && n.texts[0].kind == pText {
		n.Text = unescape(raw[n.texts[0].start:n.texts[0].end])
		return
	}
	var b strings.Builder
	for _, p := range n.texts {
		t := raw[p.start:p.end]
		if p.kind == pCDATA {
			s := strings.TrimPrefix(string(t), "<![CDATA[")
			b.WriteString(strings.TrimSuffix(s, "]]>"))
		} else {
			b.WriteString(unescape(t))
		}
	}
	n.Text = b.String()
}

func split(q []byte) (prefix, name string) {
	if p, n, ok := bytes.Cut(q, []byte(":")); ok {
		return word(p), word(n)
	}
	return "", word(q)
}

func (n *Node) lookup(prefix string, s *decode.Stream) string {
	for at := n; at != nil; at = at.up {
		if uri, ok := at.declared(prefix); ok {
			return uri
		}
	}
	uri, _ := s.Lookup(prefix)
	return uri
}
