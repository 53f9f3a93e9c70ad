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
		item := func(word, sign string, a attrs) {
			a["tabindex"], a["role"], a["aria-label"] = -1, "menuitem", word+": "+name
			if a["title"] == nil {
				a["title"] = word
			}
			if len(values) > 1 {
				word = sign
			}
			buttons = append(buttons, el("button", a, word))
		}
		clause, wrong := filter.Clause(field, value)
		for _, h := range hows {
			expr, err := "", wrong
			if err == nil {
				expr, err = filter.Refine(source, h.how, clause)
			}
			a := attrs{"data-term": expr}
			if err != nil {
				a = attrs{"disabled": "", "title": strings.TrimPrefix(err.Error(), "filter: ") + ": write it by hand"}
			}
			item(h.word, h.sign, a)
		}
		if wrong == nil && live {
			item("Hold these", "◉", attrs{"data-hold": clause})
		}
		out.Menu = append(out.Menu, el("div", attrs{"role": "group", "aria-label": name}, el("span.of", el("b", field), " ", el("bdi", text)), buttons))
	}
	return out
}
