package main

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/web"
)

// This file is what the controls show at the bottom: always what is armed and what is
// held, and how long.

// bottom draws how things stand. Without the status there is only what is asked, nil
// when nothing is.
func (c *controls) bottom(now time.Time, paint *palette, status bool) *bottom {
	var b bottom
	switch {
	case c.ask != nil:
		b.choice = append(b.choice, part{text: c.ask.text, tint: paint.conn})
		for i, ch := range c.ask.keys {
			if ch.text != "" {
				b.choice = append(b.choice, part{text: ch.text, rank: i})
			}
		}
		if b.input = c.ask.input; b.input == nil {
			b.choice = append(b.choice, part{text: "Esc", rank: 9})
		}
	case c.look != nil:
		if h := c.find(*c.look); h != nil {
			b.choice = c.choices(h, now, paint)
		}
	}
	if status {
		b.status = c.status(now, paint, len(b.choice) == 0)
	}
	if len(b.status)+len(b.choice) == 0 {
		return nil
	}
	return &b
}

// status says what is armed, what is held, and which keys there are.
func (c *controls) status(now time.Time, paint *palette, keys bool) (list []part) {
	if n := len(c.state.held); n > 0 {
		text := fmt.Sprintf("%d held, %s left", n, until(soonest(c.state.held), now))
		if c.look == nil {
			text += " (h)"
		}
		list = append(list, part{text: text, tint: paint.warn})
	}
	switch {
	case c.ending:
		list = append(list, part{text: "ending; q or Ctrl-C ends it at once", tint: paint.warn})
		keys = false
	case c.tap:
		list = append(list, part{text: "tap", tint: paint.dim})
	case c.state.armed == "":
		list = append(list, part{text: "nothing armed", tint: paint.dim})
	default:
		list = append(list, part{text: "armed: " + stanza.Clean(c.state.armed, maxReason), tint: paint.warn})
	}
	if c.filter != "" {
		list = append(list, part{text: "filter: " + stanza.Clean(c.filter, maxReason), rank: 1, tint: paint.conn})
	}
	if q := c.ask; q != nil && q.input != nil {
		list = append(list, part{text: "Enter sends", rank: 2, tint: paint.dim})
		if q.editor != nil {
			list = append(list, part{text: "Ctrl-O editor", rank: 3, tint: paint.dim})
		}
		list = append(list, part{text: "Esc gives up", rank: 2, tint: paint.dim})
	}
	if !keys {
		return list
	}
	for _, cmd := range commands {
		if cmd.useful == nil || cmd.useful(c) {
			list = append(list, part{text: cmd.short, rank: cmd.rank + 1, tint: paint.dim})
		}
	}
	return list
}

// choices are what can be done with a frame.
func (c *controls) choices(h *web.HeldFrame, now time.Time, paint *palette) []part {
	arrow, tint := "→", paint.cs
	if h.Dir == "SC" {
		arrow, tint = "←", paint.sc
	}
	list := []part{{text: fmt.Sprintf("#%d %s", h.Conn, arrow), tint: tint}}
	if len(c.state.held) > 1 {
		list = append(list, part{text: until(h, now), rank: 2, tint: paint.warn})
	}
	for _, d := range decisionKeys {
		if d.key == 'n' && len(c.state.held) < 2 || (d.key == 'A' || d.key == 'D') && h.Behind == 0 {
			continue
		}
		list = append(list, part{text: d.short, rank: d.rank})
	}
	return list
}

// aroundColumn cuts a line so that a column of it, in characters, can be seen, and
// returns the cell where that is then.
func aroundColumn(line string, column int) (cut string, cell int) {
	const before, behind = 40, 20 // characters
	r := []rune(line)
	column = min(column, len(r))
	from, to := max(column-before, 0), min(column+behind, len(r))
	head := stanza.Clean(string(r[from:column]), before)
	if from > 0 {
		head = "…" + head
	}
	tail := stanza.Clean(string(r[column:to]), behind)
	if to < len(r) {
		tail += "…"
	}
	return head + tail, runewidth.StringWidth(head)
}

// heldText describes a frame that is held, in one line.
func heldText(h *web.HeldFrame, now time.Time) string {
	arrow := "→"
	if h.Dir == "SC" {
		arrow = "←"
	}
	what := "an element"
	if f, ok := stanza.Alone(string(stanza.Mask([]byte(h.XML), stanza.SecretsAlone(h.XML)))); ok {
		what = stanza.Parse(f).Summary
	}
	text := fmt.Sprintf("held: #%d %s %s; by %s, for %s more", h.Conn, arrow, what, stanza.Clean(strings.TrimPrefix(h.By, "rule "), maxReason), until(h, now))
	if h.Behind > 0 {
		text += fmt.Sprintf("; behind it %s", waits(h.Behind))
	}
	return text
}

// waits says in words how much waits.
func waits(n int) string {
	if n == 1 {
		return "1 byte waits"
	}
	return size(int64(n)) + " wait"
}

// heldLines is a frame that is held, as it is printed.
func heldLines(h *web.HeldFrame, now time.Time, paint *palette, secrets bool, width int) string {
	var b strings.Builder
	b.WriteString(paint.warn.Sprint(wrap(heldText(h, now), width-1, 4)))
	f, ok := stanza.Alone(h.XML)
	o := stanza.PrettyOptions{Width: max(width, 40) - 4, Indent: "  "}
	if !secrets {
		o.Secrets = stanza.SecretsAlone(h.XML)
	}
	if !ok {
		return b.String() + "\n    " + stanza.Clean(string(stanza.Mask([]byte(h.XML), o.Secrets)), maxReason)
	}
	var text strings.Builder
	out := bufio.NewWriter(&text)
	w := &indenter{out: out, indent: "    ", start: true}
	stanza.Pretty(f, o, func(k stanza.Class, b []byte) { w.write(paint.class[k], b) })
	out.Flush()
	lines := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	for i, l := range lines {
		if i == maxShown {
			fmt.Fprintf(&b, "\n    %s", paint.dim.Sprintf("… %s more; e has them all", plural(len(lines)-i, "line")))
			break
		}
		b.WriteString("\n" + l)
	}
	return b.String()
}
