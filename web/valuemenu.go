package web

import (
	"strings"

	"github.com/xmpplens/xmpplens/decode/filter"
)

// shownValue is how much of a value the menu shows, in characters; usedValue how
// much of it goes into a filter.
const (
	shownValue = 200
	usedValue  = 4000
)

// hows are the ways to add a value to a filter: in words, and as a sign where there
// are several values.
var hows = []struct{ how, word, sign string }{{filter.Only, "Only these", "="}, {filter.Not, "Not these", "≠"}, {filter.Or, "Add: or", "+"}}

// menu answers with the menu of values, drawn.
type menu struct {
	Op   string `json:"op"`
	Menu group  `json:"menu"`
}

// menuOf draws the values of an entry, each with the filters that it makes of the
// one that is there.
func (p *page) menuOf(values [][2]string, source string) menu {
	out := menu{"values", group{}}
	_, err := p.intercepts()
	live := err == nil // what matches can be held
	if len(source) > maxFilter {
		return out
	}
	for _, f := range values {
		field, value := f[0], string([]rune(f[1])[:min(usedValue, len([]rune(f[1])))])
		text := string([]rune(value)[:min(shownValue, len([]rune(value)))])
		name := field + " " + text
		buttons := group{}
		for _, h := range hows {
			says := h.word
			if len(values) > 1 {
				says = h.sign
			}
			a := attrs{"tabindex": -1, "title": h.word, "role": "menuitem", "aria-label": h.word + ": " + name}
			clause, err := filter.Clause(field, value)
			expr := ""
			if err == nil {
				expr, err = filter.Refine(source, h.how, clause)
			}
			if err == nil {
				a["data-term"] = expr
			} else {
				a["disabled"], a["title"] = "", strings.TrimPrefix(err.Error(), "filter: ")+": write it by hand"
			}
			buttons = append(buttons, el("button", a, says))
		}
		if clause, err := filter.Clause(field, value); err == nil && live {
			says := "Hold these"
			if len(values) > 1 {
				says = "◉"
			}
			buttons = append(buttons, el("button", attrs{"tabindex": -1, "title": "Hold these", "role": "menuitem", "aria-label": "Hold these: " + name, "data-hold": clause}, says))
		}
		out.Menu = append(out.Menu, el("div", attrs{"role": "group", "aria-label": name}, el("span.of", el("b", field), " ", el("bdi", text)), buttons))
	}
	return out
}
