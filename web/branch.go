package web

import (
	"errors"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// branch is an element of a tree, with as much of what is inside as fits.
type branch struct {
	ID    int        `json:"id"` // the place of its first byte
	Name  string     `json:"name"`
	NS    string     `json:"ns"`
	Attrs []leafAttr `json:"attrs,omitempty"`
	Text  string     `json:"text,omitempty"`
	Mask  string     `json:"mask,omitempty"` // stands for what is secret inside
	Cut   int        `json:"cut,omitempty"`  // bytes of the text that are not shown
	More  int        `json:"more,omitempty"` // attributes that are not shown
	Size  int        `json:"size"`           // bytes
	Kids  int        `json:"kids"`           // elements inside
	In    []*branch  `json:"in,omitempty"`   // the first of them
	depth int        // below the root, which has 0
}

type leafAttr struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Masked bool   `json:"masked,omitempty"`
}

const (
	maxBranches = 300     // elements in one answer
	maxLeaf     = 4 << 10 // bytes of a text or of a value
	maxAttrs    = 50      // of an element
	maxAbreast  = 100     // elements of one parent in one answer
	maxBelow    = 12      // levels in one answer
)

var errNoTree = errors.New("no such element")

// branchOf returns the element that begins at a place, 0 for the whole, with the
// elements inside from number from on.
func branchOf(f decode.Frame, spans []stanza.Span, at, from int) (*branch, error) {
	root, err := stanza.Tree(f)
	if err != nil {
		return nil, err
	}
	n, depth := root, 0
	for at > 0 && n.Start != at {
		var next *stanza.Node
		for _, c := range n.Children {
			if c.Start <= at && at < c.End {
				next = c
				break
			}
		}
		if next == nil {
			return nil, errNoTree
		}
		n = next
		depth++
	}
	left := maxBranches
	return grow(n, f, spans, from, depth, depth+maxBelow, &left), nil
}

// grow makes a branch of an element. Depth is bounded: what is below deepest is
// asked for when somebody opens it.
func grow(n *stanza.Node, f decode.Frame, spans []stanza.Span, from, depth, deepest int, left *int) *branch {
	*left--
	b := &branch{ID: n.Start, Name: n.Name, NS: n.NS, Size: n.End - n.Start, Kids: len(n.Children), depth: depth}
	if n.Prefix != "" {
		b.Name = n.Prefix + ":" + n.Name
	}
	b.Name = stanza.Clean(b.Name, 200)
	hidden := func(start, end int) string {
		for _, s := range spans {
			if s.Start < end && start < s.End {
				return s.Mask
			}
		}
		return ""
	}
	attr := func(a stanza.Attr, secret string) {
		if len(b.Attrs) == maxAttrs {
			b.More++
			return
		}
		value, _ := short(a.Value)
		if secret != "" {
			value = secret
		}
		b.Attrs = append(b.Attrs, leafAttr{stanza.Clean(a.Name, 200), value, secret != ""})
	}
	for _, a := range n.Declared() {
		attr(a, "")
	}
	for _, a := range n.Attrs {
		attr(a, hidden(a.Start, max(a.End, a.Start+1)))
	}
	if n.InnerStart < n.InnerEnd && (len(n.Children) == 0 || covers(spans, n.InnerStart, n.InnerEnd)) {
		if b.Mask = hidden(n.InnerStart, n.InnerEnd); b.Mask != "" {
			b.Kids = 0
			return b
		}
	}
	b.Text, b.Cut = short(n.Text)
	if depth == deepest {
		return b
	}
	for i := from; i < len(n.Children) && i < from+maxAbreast && *left > 0; i++ {
		b.In = append(b.In, grow(n.Children[i], f, spans, 0, depth+1, deepest, left))
	}
	return b
}

// covers tells whether a secret has all from start to end.
func covers(spans []stanza.Span, start, end int) bool {
	for _, s := range spans {
		if s.Start <= start && end <= s.End {
			return true
		}
	}
	return false
}

// short cuts a long text.
func short(s string) (text string, cut int) {
	if len(s) <= maxLeaf {
		return stanza.Clean(s, len(s)), 0
	}
	end := maxLeaf
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return stanza.Clean(s[:end], end), len(s) - end
}
