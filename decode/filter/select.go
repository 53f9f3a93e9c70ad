package filter

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/antchfx/xpath"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// An XPath selects places in a stanza, with the prefixes that the xpath(…) of
// filters knows. Unlike there the places are spans of the bytes that came, so
// that they can be changed and nothing else is.
// It is safe for concurrent use.
type XPath struct {
	source string
	mu     sync.Mutex
	expr   *xpath.Expr // guarded by mu: it keeps where it is while it is evaluated
}

// CompileXPath reads an expression.
func CompileXPath(source string) (*XPath, error) {
	e, err := compileXPath(source, maps.Clone(prefixesOf))
	if err != nil {
		return nil, fmt.Errorf("xpath %q: %w (prefixes: %s)", source, err, strings.Join(slices.Sorted(maps.Keys(prefixesOf)), " "))
	}
	return &XPath{source: source, expr: e}, nil
}

// String returns the expression.
func (x *XPath) String() string { return x.source }

// A Place is what an XPath selects: an element, or an attribute of it, or a
// piece of its text.
type Place struct {
	Node *stanza.Node
	Attr *stanza.Attr     // nil: not an attribute
	Text *stanza.CharData // nil: not a text
}

// Value is the text of the place; of an element that of everything in it.
func (p Place) Value() string {
	switch {
	case p.Attr != nil:
		return p.Attr.Value
	case p.Text != nil:
		return p.Text.Value
	}
	return inner(p.Node)
}

func inner(n *stanza.Node) string {
	if len(n.Children) == 0 {
		return n.Text
	}
	// Text between children comes before them here: who needs the order asks
	// for text() of one element.
	var b strings.Builder
	b.WriteString(n.Text)
	for _, c := range n.Children {
		b.WriteString(inner(c))
	}
	return b.String()
}

// maxPlaces bounds what an expression selects of a hostile stanza.
const maxPlaces = 10_000

// Select returns the places in a stanza whose tree is root and whose bytes are
// raw, in the order of the document.
func (x *XPath) Select(root *stanza.Node, raw []byte) (out []Place) {
	if root == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	defer func() { // the library panics where a function gets what it cannot take
		if recover() != nil {
			out = nil
		}
	}()
	for it := x.expr.Select(newCursor(root, raw)); len(out) < maxPlaces && it.MoveNext(); {
		c, ok := it.Current().(*cursor)
		if !ok || c.at == nil {
			continue
		}
		p := Place{Node: c.at.element}
		switch {
		case c.attr >= 0:
			p.Attr = &c.at.element.Attrs[c.attr]
		case c.at.text != nil:
			p.Text = c.at.text
		}
		out = append(out, p)
	}
	return out
}

// Text returns what the expression yields as text: its value, or that of the
// first place; "" when there is none.
func (x *XPath) Text(root *stanza.Node, raw []byte) (text string) {
	if root == nil {
		return ""
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	defer func() {
		if recover() != nil {
			text = ""
		}
	}()
	switch v := x.expr.Evaluate(newCursor(root, raw)).(type) {
	case *xpath.NodeIterator:
		if v.MoveNext() {
			return v.Current().Value()
		}
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// leaf is an element or a piece of text among its siblings.
type leaf struct {
	element *stanza.Node // the element, or the one that a text is in
	text    *stanza.CharData
	up      *leaf
	kids    []*leaf // of an element
	index   int     // among up's kids
}

func grow(n *stanza.Node, raw []byte, up *leaf, index int) *leaf {
	l := &leaf{element: n, up: up, index: index}
	texts := n.CharData(raw)
	t := 0
	text := func() {
		l.kids = append(l.kids, &leaf{element: n, text: &texts[t], up: l, index: len(l.kids)})
		t++
	}
	for _, c := range n.Children {
		for t < len(texts) && texts[t].Start < c.Start {
			text()
		}
		l.kids = append(l.kids, grow(c, raw, l, len(l.kids)))
	}
	for t < len(texts) {
		text()
	}
	return l
}

// A cursor walks a tree for the library. at is nil above the first-level
// element, where its document would be.
type cursor struct {
	root *leaf
	at   *leaf
	attr int // -1: not on an attribute
}

func newCursor(n *stanza.Node, raw []byte) *cursor {
	return &cursor{root: grow(n, raw, nil, 0), attr: -1}
}

func (c *cursor) NodeType() xpath.NodeType {
	switch {
	case c.at == nil:
		return xpath.RootNode
	case c.attr >= 0:
		return xpath.AttributeNode
	case c.at.text != nil:
		return xpath.TextNode
	}
	return xpath.ElementNode
}

// qualified is the name of an attribute in its two parts.
func (c *cursor) qualified() (prefix, name string) {
	q := c.at.element.Attrs[c.attr].Name
	if p, n, ok := strings.Cut(q, ":"); ok {
		return p, n
	}
	return "", q
}

func (c *cursor) LocalName() string {
	switch {
	case c.at == nil || c.attr < 0 && c.at.text != nil:
		return ""
	case c.attr >= 0:
		_, name := c.qualified()
		return name
	}
	return c.at.element.Name
}

func (c *cursor) Prefix() string {
	switch {
	case c.at == nil || c.attr < 0 && c.at.text != nil:
		return ""
	case c.attr >= 0:
		prefix, _ := c.qualified()
		return prefix
	}
	return c.at.element.Prefix
}

// NamespaceURL is what the library compares for names with a prefix.
func (c *cursor) NamespaceURL() string {
	switch {
	case c.at == nil || c.attr < 0 && c.at.text != nil:
		return ""
	case c.attr >= 0:
		if prefix, _ := c.qualified(); prefix == "xml" {
			return nsXML
		}
		return ""
	}
	return c.at.element.NS
}

func (c *cursor) Value() string {
	switch {
	case c.at == nil:
		return inner(c.root.element)
	case c.attr >= 0:
		return c.at.element.Attrs[c.attr].Value
	case c.at.text != nil:
		return c.at.text.Value
	}
	return inner(c.at.element)
}

func (c *cursor) String() string { return c.Value() }

func (c *cursor) Copy() xpath.NodeNavigator { k := *c; return &k }

func (c *cursor) MoveToRoot() { c.at, c.attr = nil, -1 }

func (c *cursor) MoveToParent() bool {
	switch {
	case c.at == nil:
		return false
	case c.attr >= 0:
		c.attr = -1
		return true
	}
	c.at = c.at.up
	return true
}

func (c *cursor) MoveToNextAttribute() bool {
	if c.at == nil || c.at.text != nil || c.attr+1 >= len(c.at.element.Attrs) {
		return false
	}
	c.attr++
	return true
}

func (c *cursor) MoveToChild() bool {
	switch {
	case c.attr >= 0:
		return false
	case c.at == nil:
		c.at = c.root
		return true
	case len(c.at.kids) == 0:
		return false
	}
	c.at = c.at.kids[0]
	return true
}

func (c *cursor) beside(step int) bool {
	if c.attr >= 0 || c.at == nil || c.at.up == nil {
		return false
	}
	i := c.at.index + step
	if i < 0 || i >= len(c.at.up.kids) {
		return false
	}
	c.at = c.at.up.kids[i]
	return true
}

func (c *cursor) MoveToNext() bool     { return c.beside(1) }
func (c *cursor) MoveToPrevious() bool { return c.beside(-1) }

func (c *cursor) MoveToFirst() bool {
	if c.attr >= 0 || c.at == nil || c.at.up == nil || c.at.index == 0 {
		return false
	}
	c.at = c.at.up.kids[0]
	return true
}

func (c *cursor) MoveTo(other xpath.NodeNavigator) bool {
	o, ok := other.(*cursor)
	if !ok || o.root != c.root {
		return false
	}
	*c = *o
	return true
}
