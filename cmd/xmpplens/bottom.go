package main

import (
	"strings"

	"github.com/fatih/color"
	"github.com/mattn/go-runewidth"
)

// A bottom is what stands at the end of the terminal, below what is printed: a
// line that says how things stand, and one with what is asked or can be chosen. It is
// pure.
type bottom struct {
	status []part
	choice []part // none = nothing is asked
	input  *typed // behind the choice
}

// A part is a piece of a line. When there is not enough room, those with the highest
// rank go first; those of rank 0 stay, and are cut.
type part struct {
	text string
	rank int
	tint *color.Color // nil = none
}

const partsApart = "  "

// drawnBottom is a bottom as it goes to the terminal.
type drawnBottom struct {
	lines  []string
	cells  []int // that each line takes
	cursor int   // cell of the last line where the cursor is; -1 = behind its end
}

// draw draws it for a terminal of so many columns.
func (b *bottom) draw(width int) (d drawnBottom) {
	room := max(width-1, 1) // in the last column terminals break lines, or do not
	d.cursor = -1
	add := func(line string, cells int) {
		d.lines, d.cells = append(d.lines, line), append(d.cells, cells)
	}
	if len(b.status) > 0 {
		add(drawParts(b.status, room))
	}
	switch {
	case b.input != nil:
		least := min(room/3, 30) // of the room is for what is typed
		label, cells := drawParts(b.choice, room-least)
		if label != "" {
			label, cells = label+" ", cells+1
		}
		text, cursor := b.input.view(room - cells)
		add(label+text, cells+runewidth.StringWidth(text))
		d.cursor = cells + cursor
	case len(b.choice) > 0:
		add(drawParts(b.choice, room))
	}
	return d
}

// drawParts puts parts into one line.
func drawParts(parts []part, room int) (line string, cells int) {
	worst := 0
	for _, p := range parts {
		worst = max(worst, p.rank)
	}
	for ; worst > 0 && widthOf(parts, worst) > room; worst-- {
	}
	var b strings.Builder
	for _, p := range parts {
		if p.rank > worst || p.text == "" {
			continue
		}
		if b.Len() > 0 {
			if cells+len(partsApart) >= room {
				break
			}
			b.WriteString(partsApart)
			cells += len(partsApart)
		}
		text := runewidth.Truncate(p.text, room-cells, "…")
		cells += runewidth.StringWidth(text)
		if p.tint != nil {
			text = p.tint.Sprint(text)
		}
		b.WriteString(text)
	}
	return b.String(), cells
}

// widthOf is what the parts take whose rank is at most worst.
func widthOf(parts []part, worst int) (n int) {
	for _, p := range parts {
		if p.rank > worst || p.text == "" {
			continue
		}
		if n > 0 {
			n += len(partsApart)
		}
		n += runewidth.StringWidth(p.text)
	}
	return n
}
