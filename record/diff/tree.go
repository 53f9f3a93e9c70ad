package diff

import (
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
)

// changes collects the places at which two elements differ.
type changes struct {
	list []Change
	more int
}

func (c *changes) add(sign, at, a, b string) {
	c.put(Change{Sign: sign, Path: at, path: at, A: a, B: b})
}

// path is where an element stands, in A and in B: other addresses are in it.
type path [2]string

func (p path) down(a, b *element) path { return path{p[0] + "/" + a.step(), p[1] + "/" + b.step()} }

func (c *changes) value(sign string, at path, suffix, a, b string) {
	c.put(Change{Sign: sign, Path: at[0] + suffix, path: at[1] + suffix, A: a, B: b})
}

func (c *changes) put(k Change) {
	if len(c.list) == maxChanges {
		c.more++
		return
	}
	c.list = append(c.list, k)
}

// only adds an element that is on one side only, inside another one.
func (c *changes) only(sign string, at path, in, e *element) {
	at = at.down(e, e)
	k := Change{Sign: sign, Path: at[0], path: at[1], Label: e.label(in)}
	if sign == OnlyA {
		k.A = e.words()
	} else {
		k.B = e.words()
	}
	c.put(k)
}

// label names an element among what is offered, as short as can be.
func (e *element) label(in *element) string {
	switch {
	case e.name == "feature" && e.attr("var") != "":
		return clip(e.shown("var"))
	case len(e.children) == 0 && e.text.shown != "":
		return e.name + " " + clip(e.text.shown)
	case e.step() != e.name:
		return e.step()
	case e.ns != in.ns:
		return e.name + " (" + e.ns + ")"
	}
	return in.name + "/" + e.name
}

func (e *element) shown(name string) string {
	for i := range e.attrs {
		if e.attrs[i].name == name {
			return e.attrs[i].shown
		}
	}
	return ""
}

// compare compares two elements of the same meaning.
func (c *changes) compare(at path, a, b *element) {
	if a.sum == b.sum {
		return
	}
	if a.name != b.name || a.ns != b.ns {
		c.value(Changed, at, "", a.title(b), b.title(a))
		if a.name != b.name {
			return
		}
	}
	i, j := 0, 0
	for i < len(a.attrs) || j < len(b.attrs) {
		switch {
		case j == len(b.attrs) || i < len(a.attrs) && a.attrs[i].name < b.attrs[j].name:
			c.value(OnlyA, at, "@"+a.attrs[i].name, a.attrs[i].shown, "")
			i++
		case i == len(a.attrs) || a.attrs[i].name > b.attrs[j].name:
			c.value(OnlyB, at, "@"+b.attrs[j].name, "", b.attrs[j].shown)
			j++
		default:
			if a.attrs[i].same != b.attrs[j].same {
				c.value(Changed, at, "@"+a.attrs[i].name, a.attrs[i].shown, b.attrs[j].shown)
			}
			i, j = i+1, j+1
		}
	}
	if a.text.same != b.text.same {
		c.value(signOf(a.text.same != "", b.text.same != ""), at, "", clip(a.text.shown), clip(b.text.shown))
	}
	c.children(at, a, b)
}

func signOf(a, b bool) string {
	switch {
	case !b:
		return OnlyA
	case !a:
		return OnlyB
	}
	return Changed
}

// title is an element's name, with the namespace where that is what differs.
func (e *element) title(other *element) string {
	if e.ns != other.ns {
		return e.name + " (" + e.ns + ")"
	}
	return e.name
}

// children pairs what is inside: first what is equal, then what has the same
// name and key, then single elements of the same name.
func (c *changes) children(at path, a, b *element) {
	if a.ordered {
		n := min(len(a.children), len(b.children))
		for i := range n {
			c.compare(at.down(a.children[i], b.children[i]), a.children[i], b.children[i])
		}
		for _, x := range a.children[n:] {
			c.only(OnlyA, at, a, x)
		}
		for _, x := range b.children[n:] {
			c.only(OnlyB, at, b, x)
		}
		return
	}
	ids := []func(*element) string{
		func(e *element) string { return strconv.FormatUint(e.sum, 36) },
		func(e *element) string {
			if k := e.key(); k != "" {
				return e.ns + " " + e.name + " " + k
			}
			return ""
		},
	}
	restA, restB := a.children, b.children
	to := make(map[*element]*element)
	for _, id := range ids {
		restA, restB = pairElements(restA, restB, id, to)
	}
	// Of a list (mechanisms, groups) what is left has come or gone; where there
	// is one of a name, it has changed.
	for _, id := range []func(*element) string{func(e *element) string { return e.ns + " " + e.name }, func(e *element) string { return e.name }} {
		count := make(map[string][2]int)
		for side, l := range [][]*element{a.children, b.children} {
			for _, e := range l {
				n := count[id(e)]
				n[side]++
				count[id(e)] = n
			}
		}
		single := func(e *element) string {
			if n := count[id(e)]; n[0] > 1 || n[1] > 1 {
				return ""
			}
			return id(e)
		}
		restA, restB = pairElements(restA, restB, single, to)
	}
	for _, x := range a.children {
		if y := to[x]; y != nil {
			c.compare(at.down(x, y), x, y)
		} else {
			c.only(OnlyA, at, a, x)
		}
	}
	for _, y := range restB {
		c.only(OnlyB, at, b, y)
	}
}

func pairElements(a, b []*element, id func(*element) string, to map[*element]*element) (restA, restB []*element) {
	by := make(map[string][]*element)
	for _, y := range b {
		if k := id(y); k != "" {
			by[k] = append(by[k], y)
		}
	}
	taken := make(map[*element]bool)
	for _, x := range a {
		k := id(x)
		if l := by[k]; len(l) > 0 {
			to[x], by[k] = l[0], l[1:]
			taken[l[0]] = true
		} else {
			restA = append(restA, x)
		}
	}
	for _, y := range b {
		if !taken[y] {
			restB = append(restB, y)
		}
	}
	return restA, restB
}

// step is the element's part of a path.
func (e *element) step() string {
	for i := range e.attrs {
		switch e.attrs[i].name {
		case "var", "jid", "node", "nick", "code":
			if !strings.HasSuffix(e.attrs[i].same, anything) && e.attrs[i].shown != "" {
				return e.name + "[" + e.attrs[i].shown + "]"
			}
		}
	}
	if k := e.key(); k != "" && e.attr("category") != "" {
		return e.name + "[" + k + "]"
	}
	return e.name
}

// words is an element as text: its name with what is inside.
func (e *element) words() string {
	var b strings.Builder
	e.write(&b, 0)
	return clip(b.String())
}

func (e *element) write(b *strings.Builder, depth int) {
	if b.Len() > 4*shownText {
		return
	}
	b.WriteString("<" + e.name)
	if e.ns != "" && depth == 0 {
		b.WriteString(" xmlns='" + e.ns + "'")
	}
	for _, a := range e.attrs {
		b.WriteString(" " + a.name + "='" + a.shown + "'")
	}
	if len(e.children) == 0 && e.text.shown == "" {
		b.WriteString("/>")
		return
	}
	b.WriteString(">" + e.text.shown)
	for _, c := range e.children {
		c.write(b, depth+1)
	}
	b.WriteString("</" + e.name + ">")
}

// shownText is how many columns of a value are shown.
const shownText = 300

// clip makes a value one line of bounded length without control characters.
func clip(s string) string {
	if len(s) > 8*shownText {
		s = strings.ToValidUTF8(s[:8*shownText], "")
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\u2066' || r == '\u2067' || r == '\u2068' || r == '\u202d' || r == '\u202b' || r == '\u202a' || r == 0x2028 || r == 0x2029:
			return '�'
		}
		return r
	}, s)
	return runewidth.Truncate(s, shownText, "…")
}
