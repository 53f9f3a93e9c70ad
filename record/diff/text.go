package diff

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// TextOptions are how a report is printed. The zero value is plain text of 80
// columns.
type TextOptions struct {
	Width int // 0 = 80
	// Paint colours a line by its sign, "" for headings; nil = no colours.
	Paint func(sign, line string) string
}

// signs are what differences begin with on a screen.
var signs = map[string]string{OnlyA: "−", OnlyB: "+", Changed: "~"}

// page prints lines of bounded width.
type page struct {
	out   *bufio.Writer
	width int
	paint func(sign, line string) string
}

// Text prints a report: the verdict, who stands for whom, what matters, the rest
// by phase.
func (r *Report) Text(w io.Writer, o TextOptions) error {
	p := &page{bufio.NewWriter(w), cmp.Or(o.Width, 80), o.Paint}
	if p.paint == nil {
		p.paint = func(_, line string) string { return line }
	}
	p.wrap("", "", "  ", strings.ToUpper(r.Verdict[:1])+r.Verdict[1:]+".")
	for _, s := range []struct {
		name string
		side *Side
	}{{"A", &r.A}, {"B", &r.B}} {
		text := fmt.Sprintf("%s: %s", s.side.Name, plural(s.side.Connections, "connection", "connections"))
		text += ", " + plural(s.side.Exchanges, "exchange", "exchanges")
		if s.side.Account != "" {
			text += ", " + s.side.Account
		} else if s.side.Server != "" {
			text += ", " + s.side.Server
		}
		if s.side.Login != "" {
			text += ", " + s.side.Login
		}
		p.wrap(s.name+"  ", "", "   ", text)
	}
	r.addresses(p)
	if r.Empty() {
		return p.out.Flush()
	}
	p.line("", "   − only in A   + only in B   ~ differs")
	var first, rest []*Difference
	for i := range r.List {
		if d := &r.List[i]; slices.Contains([]Class{Login, Connection, Error, Finding, Feature}, d.Class) {
			first = append(first, d)
		} else {
			rest = append(rest, d)
		}
	}
	if first != nil {
		p.line("", "")
		p.line("", "What matters")
		for _, d := range first {
			p.difference(d, r.several(), true)
		}
	}
	for _, phase := range append([]string{""}, phaseNames...) {
		head := false
		for _, d := range rest {
			if d.Phase != phase {
				continue
			}
			if !head {
				head = true
				p.line("", "")
				p.line("", "The rest: "+cmp.Or(phase, "everywhere"))
			}
			p.difference(d, r.several(), false)
		}
	}
	if r.LeftOut > 0 {
		p.line("", "")
		p.wrap("", "", "", fmt.Sprintf("%s more are not listed; compare one connection of each (--conn-a, --conn-b) or a part (-f).", plural(r.LeftOut, "difference", "differences")))
	}
	return p.out.Flush()
}

func (r *Report) several() bool { return r.A.Connections > 1 || r.B.Connections > 1 }

// shownPairs bounds the addresses on the screen; the JSON form has all.
const shownPairs = 6

func (r *Report) addresses(p *page) {
	if len(r.Addresses) == 0 {
		return
	}
	var l []string
	for i, a := range r.Addresses {
		if i == shownPairs {
			l = append(l, fmt.Sprintf("%d more", len(r.Addresses)-i))
			break
		}
		l = append(l, fmt.Sprintf("%s (%s) ≙ %s", clip(a.A), a.Role, clip(a.B)))
	}
	p.wrap("≙  ", "", "   ", strings.Join(l, ", "))
}

// difference prints one with what differs in it.
func (p *page) difference(d *Difference, several, brief bool) {
	head := d.What
	switch d.Class {
	case Login, Connection:
		head = string(d.Class) + ", " + d.Phase
		if d.Phase == "" {
			head = d.What
		}
	case Finding:
	case Error:
		if d.Sign != Changed {
			head = "fails only in " + map[string]string{OnlyA: "A", OnlyB: "B"}[d.Sign] + ": " + head
		} else {
			head = "fails otherwise: " + head
		}
	case Order:
		head = "out of order: " + head
	}
	if several && (d.Class == Login || d.Class == Connection) && d.Phase != "" {
		head += ", " + d.What
	}
	if at := place(d); at != "" {
		head += "  [" + at + "]"
	}
	p.wrap("  "+signs[d.Sign]+" ", d.Sign, "    ", head)
	if brief && d.Class == Feature {
		p.offers(d)
		return
	}
	for _, c := range d.Changes {
		p.change(c)
	}
	if d.LeftOut > 0 {
		p.line("", fmt.Sprintf("      … %d more", d.LeftOut))
	}
}

// place says which entries it is about.
func place(d *Difference) string {
	var l []string
	if len(d.EntriesA) > 0 {
		l = append(l, fmt.Sprintf("A #%d", d.EntriesA[0]))
	}
	if len(d.EntriesB) > 0 {
		l = append(l, fmt.Sprintf("B #%d", d.EntriesB[0]))
	}
	return strings.Join(l, " ")
}

func (p *page) change(c Change) {
	path := c.Path
	switch {
	case c.Path == "order":
		return
	case c.Sign == OnlyA && c.A != "":
		p.wrap("      − ", c.Sign, "          ", path+": "+c.A)
	case c.Sign == OnlyB && c.B != "":
		p.wrap("      + ", c.Sign, "          ", path+": "+c.B)
	case c.Sign == Changed:
		p.wrap("      ~ ", c.Sign, "          ", path+": "+cmp.Or(c.A, "(none)")+" → "+cmp.Or(c.B, "(none)"))
	default:
		p.wrap("      "+signs[c.Sign]+" ", c.Sign, "          ", path)
	}
}

// offers prints what is offered in one only, in few lines.
func (p *page) offers(d *Difference) {
	var only [2][]string
	for _, c := range d.Changes {
		if c.Label == "" {
			p.change(c)
			continue
		}
		side := 0
		if c.Sign == OnlyB {
			side = 1
		}
		only[side] = append(only[side], c.Label)
	}
	for side, l := range only {
		if l != nil {
			sign := []string{OnlyA, OnlyB}[side]
			p.wrap("      "+signs[sign]+" ", sign, "        ", strings.Join(l, ", "))
		}
	}
}

func (p *page) line(sign, text string) {
	fmt.Fprintln(p.out, p.paint(sign, runewidth.Truncate(text, p.width, "…")))
}

// wrap prints a text behind a head, in as many lines as it takes, which begin
// with indent. Words longer than a line are cut in pieces.
func (p *page) wrap(head, sign, indent, text string) {
	line := head
	empty := true
	flush := func() {
		fmt.Fprintln(p.out, p.paint(sign, strings.TrimRight(line, " ")))
		line, empty = indent, true
	}
	for _, w := range strings.Fields(text) {
		for {
			room := p.width - runewidth.StringWidth(line)
			if !empty {
				room--
			}
			if runewidth.StringWidth(w) <= room {
				break
			}
			if !empty {
				flush()
				continue
			}
			part := runewidth.Truncate(w, max(room, 2), "")
			if part == "" {
				break
			}
			line += part
			w = w[len(part):]
			flush()
		}
		if w == "" {
			continue
		}
		if !empty {
			line += " "
		}
		line += w
		empty = false
	}
	if !empty || line == head {
		flush()
	}
}
