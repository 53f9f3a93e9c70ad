package rule

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// A template is text with values in it: ${from}, ${id}, and what the rule
// captures. $${ is ${ itself.
type template struct {
	parts []part
	xml   bool // values are escaped
}

type part struct {
	text string                 // literal
	get  func(v *values) string // nil: literal
	bare bool                   // never escaped
	size int                    // of ${fill:…}
}

// values are what a template can say of a stanza.
type values struct {
	s        *stanza.Stanza
	raw      []byte
	captured map[string]string
	count    int           // how often the rule has fired, this time included
	token    func() string // a fresh id
}

// maxFill bounds all ${fill:N} of a template, in bytes.
const maxFill = 16 << 20

var known = map[string]func(v *values) string{
	"id":            func(v *values) string { return v.s.ID },
	"type":          func(v *values) string { return v.s.Type },
	"from":          func(v *values) string { return v.s.From },
	"to":            func(v *values) string { return v.s.To },
	"from.bare":     func(v *values) string { return bare(v.s.From) },
	"to.bare":       func(v *values) string { return bare(v.s.To) },
	"from.domain":   func(v *values) string { return stanza.SplitJID(v.s.From).Domain },
	"to.domain":     func(v *values) string { return stanza.SplitJID(v.s.To).Domain },
	"from.resource": func(v *values) string { return stanza.SplitJID(v.s.From).Resource },
	"to.resource":   func(v *values) string { return stanza.SplitJID(v.s.To).Resource },
	"name":          func(v *values) string { return v.s.Name },
	"ns":            func(v *values) string { return v.s.NS },
	"lang":          func(v *values) string { return v.s.Lang },
	"count":         func(v *values) string { return strconv.Itoa(v.count) },
	"random":        func(v *values) string { return v.token() },
}

func bare(jid string) string {
	b, _, _ := strings.Cut(jid, "/")
	return b
}

// parseTemplate reads a template; captures are the names that the rule captures.
// The error's column is that of the value, in characters from 0.
func parseTemplate(source string, xml bool, captures []string) (*template, *columnError) {
	t := &template{xml: xml}
	filled := 0
	at := 0 // of what is left, in bytes
	for rest := source; ; {
		i := strings.Index(rest, "${")
		if i < 0 {
			t.literal(rest)
			return t, nil
		}
		if i > 0 && rest[i-1] == '$' {
			t.literal(rest[:i-1] + "${")
			rest, at = rest[i+2:], at+i+2
			continue
		}
		t.literal(rest[:i])
		here := len([]rune(source[:at+i]))
		end := strings.IndexByte(rest[i:], '}')
		if end < 0 {
			return nil, &columnError{here, "a ${ without its }", "write $${ for ${ itself"}
		}
		name := rest[i+2 : i+end]
		p, err := value(name, xml, captures)
		if err != nil {
			err.column += here
			return nil, err
		}
		if filled += p.size; filled > maxFill {
			return nil, &columnError{here, fmt.Sprintf("more than %d bytes are filled in", maxFill), "fill in less"}
		}
		t.parts = append(t.parts, p)
		rest, at = rest[i+end+1:], at+i+end+1
	}
}

// A columnError is a mistake inside a text.
type columnError struct {
	column       int // in characters, from 0
	text, remedy string
}

func value(name string, xml bool, captures []string) (part, *columnError) {
	if n, ok := strings.CutPrefix(name, "fill:"); ok {
		size, err := strconv.Atoi(n)
		if err != nil || size < 0 || size > maxFill {
			return part{}, &columnError{0, fmt.Sprintf("${%s}: not a number of bytes", name), fmt.Sprintf("${fill:N} is N letters x, %d at most", maxFill)}
		}
		fill := strings.Repeat("x", size)
		return part{get: func(*values) string { return fill }, bare: true, size: size}, nil
	}
	if slices.Contains(captures, name) {
		return part{get: func(v *values) string { return v.captured[name] }}, nil
	}
	if get := known[name]; get != nil {
		return part{get: get}, nil
	}
	if name == "stanza" && xml {
		return part{get: func(v *values) string { return string(v.raw) }, bare: true}, nil
	}
	all := append(slices.Sorted(maps.Keys(known)), captures...)
	if xml {
		all = append(all, "stanza")
	}
	remedy := "there are " + strings.Join(all, ", ") + ", fill:N"
	if near := filter.Nearest(name, all); near != "" {
		remedy = "did you mean ${" + near + "}?"
	}
	return part{}, &columnError{0, fmt.Sprintf("unknown value ${%s}", name), remedy}
}

func (t *template) literal(s string) {
	if s != "" {
		t.parts = append(t.parts, part{text: s})
	}
}

// fill fills the template in.
func (t *template) fill(v *values) string {
	if t == nil {
		return ""
	}
	if len(t.parts) == 1 && t.parts[0].get == nil {
		return t.parts[0].text
	}
	var b strings.Builder
	for _, p := range t.parts {
		switch {
		case p.get == nil:
			b.WriteString(p.text)
		case t.xml && !p.bare:
			b.WriteString(stanza.Escape(p.get(v)))
		default:
			b.WriteString(p.get(v))
		}
	}
	return b.String()
}
