package rule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/proxy/session"
)

// A reader reads the nodes of a YAML document and gathers what is wrong.
type reader struct {
	file string
	bad  Mistakes
}

func (r *reader) mistake(n *yaml.Node, text, remedy string) { r.mistakeAt(n, 0, text, remedy) }

// mistakeAt is a mistake some characters behind the beginning of a node's value.
func (r *reader) mistakeAt(n *yaml.Node, ahead int, text, remedy string) {
	line, column := n.Line, n.Column
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		line, column = line+1, 0 // where exactly the indentation knows
	case ahead > 0 && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		column += ahead + 1
	default:
		column += ahead
	}
	r.bad = append(r.bad, Mistake{File: r.file, Line: line, Column: column, Text: text, Remedy: remedy})
}

// fields returns the values of a mapping by their keys, of which only those given
// may be there.
func (r *reader) fields(n *yaml.Node, what string, keys []string) (map[string]*yaml.Node, bool) {
	if n.Kind != yaml.MappingNode {
		r.mistake(n, what+" is written as key: value", "it can have "+strings.Join(keys, ", "))
		return nil, false
	}
	out := make(map[string]*yaml.Node)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case !slices.Contains(keys, k.Value):
			remedy := "there are " + strings.Join(keys, ", ")
			if near := filter.Nearest(k.Value, keys); near != "" {
				remedy = "did you mean " + near + "?"
			}
			r.mistake(k, fmt.Sprintf("unknown key %q of %s", k.Value, what), remedy)
		case out[k.Value] != nil:
			r.mistake(k, fmt.Sprintf("%s is said twice", k.Value), fmt.Sprintf("the first time in line %d", out[k.Value].Line))
		default:
			out[k.Value] = v
		}
	}
	return out, true
}

// scalar returns the text of a value; false when there is none.
func (r *reader) scalar(n *yaml.Node) (string, bool) {
	switch {
	case n == nil:
		return "", false
	case n.Kind == yaml.AliasNode:
		r.mistake(n, "aliases are not followed", "write it out")
		return "", false
	case n.Kind != yaml.ScalarNode:
		r.mistake(n, "here goes a text, not a list or a mapping", "put it in quotes if it is one")
		return "", false
	case n.Tag == "!!null" && n.Style == 0:
		r.mistake(n, "the value is missing", "")
		return "", false
	}
	return n.Value, true
}

func (r *reader) need(a args, key, remedy string) {
	if a.values[key] == nil {
		r.mistake(a.at, a.verb+": "+key+" is missing", remedy)
	}
}

// maxWait bounds every time, for sums stay in range.
const maxWait = 24 * time.Hour

func (r *reader) duration(n *yaml.Node, byDefault time.Duration) time.Duration {
	s, ok := r.scalar(n)
	if !ok {
		return byDefault
	}
	d, err := time.ParseDuration(strings.ReplaceAll(s, " ", ""))
	switch {
	case err != nil:
		r.mistake(n, fmt.Sprintf("%q is no time", s), "write a number with its unit: 500ms, 2s, 1m30s")
	case d < 0 || d > maxWait:
		r.mistake(n, fmt.Sprintf("%s is out of range", s), fmt.Sprintf("between 0s and %s", maxWait))
	default:
		return d
	}
	return byDefault
}

func (r *reader) count(n *yaml.Node, byDefault, least, most int) int {
	s, ok := r.scalar(n)
	if !ok {
		return byDefault
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < least || v > most {
		r.mistake(n, fmt.Sprintf("%q is not a number between %d and %d", s, least, most), "")
		return byDefault
	}
	return v
}

func (r *reader) yes(n *yaml.Node, byDefault bool) bool {
	s, ok := r.scalar(n)
	if !ok {
		return byDefault
	}
	switch strings.ToLower(s) {
	case "true", "yes", "on":
		return true
	case "false", "no", "off":
		return false
	}
	r.mistake(n, fmt.Sprintf("%q is neither yes nor no", s), "write true or false")
	return byDefault
}

// among reads one of a few words.
func (r *reader) among(n *yaml.Node, byDefault string, words ...string) string {
	s, ok := r.scalar(n)
	if !ok {
		return byDefault
	}
	if slices.Contains(words, s) {
		return s
	}
	remedy := "one of " + strings.Join(words, ", ")
	if near := filter.Nearest(s, words); near != "" {
		remedy = "did you mean " + near + "?"
	}
	r.mistake(n, fmt.Sprintf("unknown word %q", s), remedy)
	return byDefault
}

func (r *reader) manner(n *yaml.Node, byDefault string, words ...string) session.Manner {
	m, err := session.ParseManner(r.among(n, byDefault, words...))
	if err != nil {
		r.mistake(n, err.Error(), "")
	}
	return m
}

// share reads a number of bytes, or a part of a hundred.
func (r *reader) share(n *yaml.Node, byDefault int) (percent, bytes int) {
	s, ok := r.scalar(n)
	if !ok {
		return byDefault, 0
	}
	number, isPercent := strings.CutSuffix(s, "%")
	v, err := strconv.Atoi(strings.TrimSpace(number))
	switch {
	case err != nil || v < 0 || isPercent && (v < 1 || v > 99) || !isPercent && v > 1<<30:
		r.mistake(n, fmt.Sprintf("%q is neither a number of bytes nor a part like 50%%", s), "")
	case isPercent:
		return v, 0
	default:
		return 0, v
	}
	return byDefault, 0
}

// rate reads bytes a second; 0 is as fast as it goes.
func (r *reader) rate(n *yaml.Node) int {
	s, ok := r.scalar(n)
	if !ok || s == "off" {
		return 0
	}
	number := strings.TrimSuffix(strings.ReplaceAll(s, " ", ""), "/s")
	unit := 1
	for _, u := range []struct {
		name string
		size int
	}{{"kB", 1000}, {"KB", 1000}, {"kb", 1000}, {"MB", 1_000_000}, {"B", 1}} {
		if cut, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = cut, u.size
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || v <= 0 || v*float64(unit) < 1 || v*float64(unit) > 1<<30 {
		r.mistake(n, fmt.Sprintf("%q is no speed", s), "write bytes a second: 200B/s, 1.5kB/s, 2MB/s, or off")
		return 0
	}
	return int(v * float64(unit))
}

func (r *reader) template(n *yaml.Node, xml bool, captures []string) *template {
	s, ok := r.scalar(n)
	if !ok {
		return &template{}
	}
	t, bad := parseTemplate(s, xml, captures)
	if bad != nil {
		r.mistakeAt(n, bad.column, bad.text, bad.remedy)
		return &template{}
	}
	return t
}

func (r *reader) filter(n *yaml.Node) *filter.Filter {
	s, ok := r.scalar(n)
	if !ok {
		return nil
	}
	f, err := filter.Compile(s)
	if err != nil {
		column, text, remedy := 0, err.Error(), ""
		if e := (*filter.SyntaxError)(nil); errors.As(err, &e) {
			column, text, remedy = e.Column, e.Msg, e.Hint()
		}
		r.mistakeAt(n, column, "the expression: "+text, remedy)
		return nil
	}
	if f.Uses("n") {
		r.mistake(n, "the expression: n is not known while entries pass", "count with after and limit")
	}
	return f
}

func (r *reader) xpath(n *yaml.Node) *filter.XPath {
	s, ok := r.scalar(n)
	if !ok {
		return nil
	}
	x, err := filter.CompileXPath(s)
	if err != nil {
		r.mistake(n, err.Error(), "")
	}
	return x
}

// edits reads a list of changes, or one.
func (r *reader) edits(n *yaml.Node, captures []string) []edit {
	list := []*yaml.Node{n}
	if n == nil {
		return nil
	}
	if n.Kind == yaml.SequenceNode {
		list = n.Content
	}
	var out []edit
	for _, item := range list {
		f, ok := r.fields(item, "an edit", []string{opSet, opRemove, opInsert, "to", "xml", "at"})
		if !ok {
			continue
		}
		op := ""
		for _, name := range []string{opSet, opRemove, opInsert} {
			if f[name] != nil {
				if op != "" {
					r.mistake(f[name], "an edit does one thing", "begin a new one with - "+name)
				}
				op = name
			}
		}
		if op == "" {
			r.mistake(item, "an edit says set, remove or insert with an XPath", "for example - remove: //roster:item")
			continue
		}
		path, ok := r.scalar(f[op])
		if !ok {
			continue
		}
		e, err := newEdit(op, path)
		if err != nil {
			r.mistake(f[op], err.Error(), "")
		}
		for key, belongs := range map[string]string{"to": opSet, "xml": opInsert, "at": opInsert} {
			switch {
			case f[key] != nil && belongs != op:
				r.mistake(f[key], fmt.Sprintf("%s goes with %s, not with %s", key, belongs, op), "")
			case f[key] == nil && belongs == op && key != "at":
				r.mistake(item, op+": "+key+" is missing", "say what is put there")
			}
		}
		switch op {
		case opSet:
			e.text = r.template(f["to"], false, captures)
		case opInsert:
			e.text = r.template(f["xml"], true, captures)
			e.where = r.among(f["at"], atLast, atLast, atFirst, atBefore, atAfter)
		}
		out = append(out, e)
	}
	return out
}

// actions reads what a rule does: a word, a mapping, or a list of these.
func (r *reader) actions(n *yaml.Node, captures []string) (out []action, names []string, fixed bool) {
	fixed = true
	ended := ""
	add := func(name string, at *yaml.Node, values map[string]*yaml.Node) {
		v, known := verbs[name]
		if !known {
			remedy := "there are " + strings.Join(slices.Sorted(maps.Keys(verbs)), ", ")
			if near := filter.Nearest(name, slices.Sorted(maps.Keys(verbs))); near != "" {
				remedy = "did you mean " + near + "?"
			}
			r.mistake(at, fmt.Sprintf("unknown action %q", name), remedy)
			return
		}
		if ended != "" {
			r.mistake(at, fmt.Sprintf("%s never happens behind %s", name, ended), "put it in front")
		}
		if v.ends {
			ended = name
		}
		fixed = fixed && v.fixed
		if do := v.read(r, args{name, at, values, captures}); do != nil {
			out, names = append(out, do), append(names, name)
		}
	}
	list := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		list = n.Content
	}
	for _, item := range list {
		if item.Kind != yaml.MappingNode {
			if word, ok := r.scalar(item); ok {
				name, rest, _ := strings.Cut(word, " ")
				if rest != "" && verbs[name].main != "" { // cut rst
					v := *item
					v.Value, v.Column = rest, v.Column+len(name)+1
					add(name, item, map[string]*yaml.Node{verbs[name].main: &v})
					continue
				}
				add(word, item, nil)
			}
			continue
		}
		for i := 0; i+1 < len(item.Content); i += 2 {
			k, value := item.Content[i], item.Content[i+1]
			v := verbs[k.Value]
			var values map[string]*yaml.Node
			switch {
			case v.read == nil: // add tells it
			case value.Kind == yaml.MappingNode && k.Value != "edit":
				all := v.keys
				if v.main != "" {
					all = append([]string{v.main}, all...)
				}
				if values, _ = r.fields(value, k.Value, all); values == nil {
					continue
				}
			case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
			case v.main == "":
				r.mistake(value, k.Value+" takes nothing behind it", "write it alone")
			default:
				values = map[string]*yaml.Node{v.main: value}
			}
			add(k.Value, k, values)
		}
	}
	return out, names, fixed
}
