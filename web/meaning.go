package web

import (
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// What names of the traffic mean is drawn once for an entry, and not shown: a name
// that means something has data-why, the id of its text, which the page shows beside
// it. The texts of a frame have the same order whichever piece of it is drawn.

// meanings are those of a frame.
type meanings struct {
	of map[string]stanza.Meaning
	id map[string]string
}

// meaningsOf tells those of several frames on one page apart by a prefix.
func meaningsOf(of map[string]stanza.Meaning, prefix string) meanings {
	m := meanings{of, make(map[string]string)}
	for i, key := range slices.Sorted(maps.Keys(of)) {
		m.id[key] = prefix + strconv.Itoa(i)
	}
	return m
}

// texts draws them.
func (m *meanings) texts() drawn {
	out := group{attrs{"hidden": ""}}
	for _, key := range slices.Sorted(maps.Keys(m.of)) {
		text := group{m.of[key].Text}
		if ref := m.of[key].Ref; ref != "" {
			text = group{reference(ref), ": " + m.of[key].Text}
		}
		out = append(out, el("p", attrs{"id": m.id[key]}, text))
	}
	return el("div", out)
}

// name draws a name that may have a meaning. One of those in a text is a stop of
// the key Tab, arrows lead to the others.
func (m *meanings) name(what, text, key string, stop *bool) drawn {
	id := m.id[key]
	if id == "" {
		return el(what, text)
	}
	a := attrs{"data-why": id, "tabindex": -1}
	if stop != nil && *stop {
		a["tabindex"], *stop = 0, false
	}
	return el(what, a, text)
}

var section = regexp.MustCompile(`(RFC |XEP-)(\d{4})(?: §(\d[\d.]*\d|\d))?`)

// reference draws the names of sections as links to their texts.
func reference(ref string) (out group) {
	at := 0
	for _, m := range section.FindAllStringSubmatchIndex(ref, -1) {
		number := ref[m[4]:m[5]]
		href := "https://xmpp.org/extensions/xep-" + number + ".html"
		if ref[m[2]:m[3]] == "RFC " {
			href = "https://www.rfc-editor.org/rfc/rfc" + number
			if m[6] > 0 {
				href += "#section-" + ref[m[6]:m[7]]
			}
		}
		out = append(out, ref[at:m[0]], el("a", attrs{"href": href, "rel": "noreferrer noopener", "target": "_blank"}, ref[m[0]:m[1]]))
		at = m[1]
	}
	return all(append(out, ref[at:]))
}
