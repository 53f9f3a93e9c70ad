package web

import (
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file draws the XML of an entry, what the proxy made of it, and what is folded
// in it in other forms than XML.

// code draws coloured XML, with the meanings of its names.
func code(tokens []timeline.Token, m meanings) group {
	out, element, stop := group{}, "", true
	for _, t := range tokens {
		what, text := "span."+t[0], t[1]
		switch t[0] {
		case "":
			out = append(out, text)
			continue
		case "element":
			element = text[strings.LastIndexByte(text, ':')+1:]
		case "attr":
			out = append(out, m.name(what, text, element+" "+text, &stop))
			continue
		case "ns":
			out = append(out, m.name(what, text, strings.Trim(text, `"'`), &stop))
			continue
		}
		out = append(out, el(what, text))
	}
	return out
}

// pretty draws the beginning of an entry, which is all of nearly every one.
func (d *details) pretty(m meanings) group {
	out := d.Change.draw()
	out = append(out, el("pre", code(d.XML, m)))
	for _, u := range d.Unfolded {
		out = append(out, fold(u))
	}
	return out
}

const aroundChange = 3 // lines that are the same, shown on each side of those that differ

// draw shows what was received and what was sent on, line by line.
func (c *change) draw() group {
	if c == nil {
		return nil
	}
	title := map[string]string{"edited": "What the proxy changed", "injected": "Put in by the proxy, received from nobody", "dropped": "Taken out by the proxy, not sent on"}[c.How]
	said := c.Why
	if c.By != "" {
		said = strings.TrimSuffix("by "+c.By+": "+c.Why, ": ")
	}
	below := "XML"
	if c.How == "edited" {
		below = "As it was received"
	}
	near := make([]bool, len(c.Lines))
	for i, l := range c.Lines {
		if l.Sign == "=" {
			continue
		}
		for k := max(0, i-aroundChange); k <= min(i+aroundChange, len(near)-1); k++ {
			near[k] = true
		}
	}
	lines := group{}
	for i, l := range c.Lines {
		switch {
		case near[i]:
			lines = append(lines, l.draw())
		case i == 0 || near[i-1]:
			lines = append(lines, el("span.skip", "⋯"))
		}
	}
	out := group{el("h2", title), el("p", said), el("pre.edits", lines)}
	if c.Cut > 0 {
		out = append(out, el("p.hint", thousands(c.Cut)+" more lines are not shown"))
	}
	return append(out, el("h2", below))
}

func (l *changeLine) draw() drawn {
	out := group{map[string]string{"+": "+ ", "-": "− ", "=": "  "}[l.Sign]}
	for _, t := range l.Tokens {
		out = append(out, colour(t))
	}
	return el(map[string]string{"+": "ins", "-": "del", "=": "span"}[l.Sign], out)
}

const openFold = 2000 // bytes of a text that is shown at once

// fold draws something in another form than XML.
func fold(u stanza.Unfolded) drawn {
	out := group{el("summary", u.What)}
	if len(u.Text) < openFold {
		out = append(group{attrs{"open": ""}}, out...)
	}
	if u.Ref != "" {
		out = append(out, el("p.hint", reference(u.Ref)))
	}
	if len(u.Rows) > 0 {
		var head drawn
		if len(u.Head) > 0 {
			head = el("thead", tableRow("th", u.Head, false))
		}
		body := group{}
		for _, r := range u.Rows {
			body = append(body, tableRow("td", r, head == nil))
		}
		out = append(out, el("table", head, el("tbody", body)))
	}
	if u.Text != "" {
		out = append(out, el("pre", u.Text))
	}
	return el("details.fold", out)
}

// tableRow draws a row, the first cell of which may be a name for the others.
func tableRow(what string, cells []string, named bool) drawn {
	out := group{}
	for i, c := range cells {
		cell := what
		if named && i == 0 {
			cell = "th"
		}
		out = append(out, el(cell, attrs{"dir": "auto"}, c))
	}
	return el("tr", out)
}
