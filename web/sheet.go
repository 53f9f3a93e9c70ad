package web

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// This file draws an entry for the page: a sheet, with what is known of the entry,
// and leaves, which are pieces of it as its tabs show them.

// A sheet is an entry as the page shows it.
type sheet struct {
	Op      string `json:"op"`
	At      int    `json:"at"`
	Known   int    `json:"known"`
	N       int    `json:"n"`
	Seq     int    `json:"seq"` // of the request
	Heading string `json:"heading"`
	Facts   group  `json:"facts"`
	Leaf    *leaf  `json:"leaf,omitempty"`    // the first, nil = there are no bytes
	State   string `json:"state"`             // of what leaves show: while it is the same, they are
	Partner int    `json:"partner,omitempty"` // the entry that this one belongs to most
	Whole   bool   `json:"whole"`             // a whole element, of which a test can be made
}

// A leaf is a piece of an entry.
type leaf struct {
	Op    string `json:"op"`
	N     int    `json:"n"`
	As    string `json:"as"`
	Seq   int    `json:"seq"` // of the request
	Off   int    `json:"off"`
	More  string `json:"more,omitempty"` // it comes in the place of that item of the tree
	Drawn group  `json:"drawn"`
}

// whyID is in front of the ids of meanings.
const whyID = "why"

// sheet draws an entry, and the first piece of it.
func (p *page) sheet(d *details, as string) sheet {
	m := meaningsOf(d.Meanings, whyID)
	out := sheet{Op: "entry", At: d.At, Known: d.Known, N: d.Row.N, Heading: headingOf(d.Row), Facts: d.facts(m, true), Partner: d.partner(), Whole: d.Whole}
	if d.Size == 0 {
		return out
	}
	out.State = fmt.Sprint(d.Size, d.Row.Outcome, d.Change != nil)
	if d.Change != nil {
		out.State += fmt.Sprint(len(d.Change.Lines), d.Change.By, d.Change.Why)
	}
	var first leaf
	if as == "pretty" {
		first = p.first(d, m)
	} else {
		first = p.leaf(d.Row.N, as, 0, 0, 0)
	}
	out.Leaf = &first
	return out
}

// first draws the beginning of an entry with all that is told of it.
func (p *page) first(d *details, m meanings) leaf {
	o := piece{Op: "piece", N: d.Row.N, As: "pretty", Tokens: d.XML, masked: d.Masked}
	for _, t := range d.XML {
		o.Total += len(t[1])
	}
	if d.Cut > 0 {
		o.Next = o.Total
		o.Total += d.Cut
	}
	return o.leaf(d.pretty(m))
}

// leaf draws a piece, or the elements inside one of a tree.
func (p *page) leaf(n int, as string, off, node, from int) leaf {
	e, err := oneEntry(p.source, n)
	if err != nil {
		return (&piece{Op: "piece", N: n, As: as, Error: err.Error()}).leaf(nil)
	}
	if as == "pretty" && off <= 0 {
		d := p.server.entryOf(p.source, n)
		return p.first(&d, meaningsOf(d.Meanings, whyID))
	}
	o := p.server.pieceOf(e, as, off, node, from)
	var m meanings
	if as == "pretty" || as == "tree" {
		m = meaningsOf(stanza.Meanings(rootOf(e)), whyID)
	}
	var in group
	switch {
	case o.Error != "":
	case as == "pretty":
		in = group{el("pre", code(o.Tokens, m))}
	case as == "raw":
		in = group{el("pre.raw", code(o.Tokens, m))}
	case as == "hex":
		in = group{hexLines(o.Off, o.Groups)}
	case node > 0 || from > 0:
		return leaf{Op: o.Op, N: o.N, As: o.As, More: fmt.Sprint(node, " ", o.From), Drawn: o.Node.inside(m, o.From)}
	default:
		in = group{o.Node.tree(m)}
	}
	return o.leaf(in)
}

// leaf draws what is around a piece: what is to be known, and where to turn.
func (o *piece) leaf(in group) leaf {
	out := leaf{Op: o.Op, N: o.N, As: o.As, Off: o.Off, Drawn: group{}}
	if o.masked {
		out.Drawn = append(out.Drawn, el("p.hint", "Secrets are masked here and in copies; --show-secrets shows them."))
	}
	if o.Next > 0 || o.Off > 0 {
		end := cmp.Or(o.Next, o.Total)
		out.Drawn = append(out.Drawn, el("div.pager",
			el("span", fmt.Sprintf("Bytes %s to %s of %s; %s more", thousands(o.Off), thousands(end), thousands(o.Total), thousands(o.Total-end))),
			turning("Before", -1, o.Off == 0), turning("Next", o.Next, o.Next == 0)))
	}
	if o.Error != "" {
		out.Drawn = append(out.Drawn, el("p.hint", o.Error))
	}
	out.Drawn = append(out.Drawn, in...)
	return out
}

// turning draws a button that leads to another piece, by where it begins; -1 = to
// where the page came from.
func turning(text string, off int, no bool) drawn {
	a := attrs{"data-off": off, "data-key": text}
	if no {
		a["disabled"] = ""
	}
	return el("button", a, text)
}

// hexLines draws bytes in figures and as text, sixteen in a line.
func hexLines(off int, groups [][2]string) drawn {
	out := group{}
	for i := 0; i < len(groups); i += 2 {
		pair := [2][2]string{groups[i]}
		if i+1 < len(groups) {
			pair[1] = groups[i+1]
		}
		out = append(out, el("div", el("span.off", fmt.Sprintf("%08x", off+8*i)), "  ",
			el("span", padded(pair[0][0])), "  ", el("span", padded(pair[1][0])), "  ",
			el("span.chars", pair[0][1]), el("span.chars", pair[1][1])))
	}
	return el("pre.hex", attrs{"tabindex": 0}, out) // it may be wider than a small window
}

// padded is as wide as eight bytes in figures.
func padded(figures string) string {
	return figures + strings.Repeat(" ", max(0, 23-len([]rune(figures))))
}
