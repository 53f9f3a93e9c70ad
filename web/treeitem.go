package web

import (
	"fmt"
	"strings"
)

// This file draws branches as the items of a tree. What is not in an answer has an
// item in its place, whose data-more says what to ask for: the element, and from
// which of the elements inside it on.

const unfoldedLevels = 3 // levels of a tree that are open at once

// tree draws the whole.
func (b *branch) tree(m meanings) drawn {
	root := b.item(m, "", 1)
	root[1].(attrs)["tabindex"] = 0
	return el("ul.tree", attrs{"role": "tree", "aria-label": "Elements"}, root)
}

// inside draws the elements in it, of which there are from in front of those.
func (b *branch) inside(m meanings, from int) group {
	level := b.depth + 2
	out := group{}
	for _, c := range b.In {
		out = append(out, c.item(m, b.NS, level))
	}
	if from += len(b.In); from < b.Kids {
		out = append(out, el("li.more", treeitem(level, attrs{"data-more": fmt.Sprint(b.ID, " ", from)}), thousands(b.Kids-from)+" more elements: show the next"))
	}
	return out
}

// treeitem adds what every item has.
func treeitem(level int, a attrs) attrs {
	a["role"], a["aria-level"], a["tabindex"] = "treeitem", level, -1
	return a
}

// item draws an element and what is inside; ns is the namespace around it.
func (b *branch) item(m meanings, ns string, level int) drawn {
	line := group{m.name("span.element", b.Name, b.NS, nil)}
	local := b.Name[strings.LastIndexByte(b.Name, ':')+1:]
	said := b.NS == ns
	for _, a := range b.Attrs {
		what := "bdi.value"
		switch {
		case a.Masked:
			what = "bdi.masked"
		case strings.HasPrefix(a.Name, "xmlns"):
			what = "bdi.ns"
			said = said || a.Value == b.NS
		}
		line = append(line, " ", m.name("span.attr", a.Name, local+" "+a.Name, nil), "=", el(what, `"`+a.Value+`"`))
	}
	if b.More > 0 {
		line = append(line, fmt.Sprintf(" and %s more attributes", thousands(b.More)))
	}
	if !said {
		in := "in no namespace"
		if b.NS != "" {
			in = "in " + b.NS
		}
		line = append(line, " ", el("span.ns", in))
	}
	if b.Mask != "" {
		line = append(line, " ", el("span.masked", b.Mask))
	}
	if strings.TrimSpace(b.Text) != "" {
		line = append(line, " ", el("bdi.text", b.Text))
	}
	if b.Cut > 0 {
		line = append(line, el("span.hint", fmt.Sprintf(" … %s bytes more", thousands(b.Cut))))
	}
	size := thousands(b.Size) + " B"
	var kids drawn
	a := treeitem(level, attrs{})
	if b.Kids > 0 {
		size = thousands(b.Kids) + " inside, " + size
		a["aria-expanded"] = fmt.Sprint(level <= unfoldedLevels && len(b.In) > 0)
		kids = el("ul", attrs{"role": "group"}, b.inside(m, 0))
	}
	return el("li", a, el("div", line, " ", el("small", size)), kids)
}
