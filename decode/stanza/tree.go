package stanza

import (
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
	decls map[string]string
	up    *Node
}

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
	attr := ""
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
			n := &Node{Start: p.start, End: len(f.Raw), InnerEnd: len(f.Raw), up: at}
			if at != nil {
				at.Children = append(at.Children, n)
			} else {
				root = n
			}
			at = n
		case pName:
			if at != nil && !closing {
				at.Prefix, at.Name = split(string(text))
			}
		case pAttr:
			attr = string(text)
		case pValue:
			if at == nil || closing {
				continue
			}
			end := p.end
			if len(text) > 1 && text[len(text)-1] == text[0] {
				end--
			}
			v := unescape(f.Raw[p.start+1 : max(end, p.start+1)])
			switch prefix, ok := strings.CutPrefix(attr, "xmlns"); {
			case ok && (prefix == "" || prefix[0] == ':'):
				if at.decls == nil {
					at.decls = make(map[string]string)
				}
				at.decls[strings.TrimPrefix(prefix, ":")] = v
			default:
				at.Attrs = append(at.Attrs, Attr{attr, v, p.start + 1, end})
			}
		case pClose:
			if at == nil {
				continue
			}
			if !closing {
				at.NS = at.lookup(at.Prefix, f.Stream)
				at.InnerStart = p.end
			}
			if closing || len(text) == 2 {
				at.End = p.end
				if !closing {
					at.InnerEnd = p.end
				}
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
	for n := at; n != nil; n = n.up { // cut short inside a tag
		if n.NS == "" {
			n.NS = n.lookup(n.Prefix, f.Stream)
		}
	}
	fillText(root, f.Raw)
	return root, nil
}

// fillText joins each element's own character data.
func fillText(root *Node, raw []byte) {
	todo := []*Node{root}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], n.Children...)
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
}

func split(q string) (prefix, name string) {
	if p, n, ok := strings.Cut(q, ":"); ok {
		return p, n
	}
	return "", q
}

func (n *Node) lookup(prefix string, s *decode.Stream) string {
	for at := n; at != nil; at = at.up {
		if uri, ok := at.decls[prefix]; ok {
			return uri
		}
	}
	uri, _ := s.Lookup(prefix)
	return uri
}
