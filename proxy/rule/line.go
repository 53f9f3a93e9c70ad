package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/xmpplens/xmpplens/decode/filter"
)

// LineForm is the grammar of ParseLine, for help.
const LineForm = `  RULE    = DOING { and DOING } { OPTION } if EXPR
  DOING   = drop | hold [TIME] | delay TIME [jitter TIME] | duplicate [N] | reorder [N] [within TIME]
          | set XPATH to TEXT | remove XPATH | insert XPATH xml XML [at first|last|before|after]
          | answer CONDITION [type T] [text TEXT] [in TIME] | answer result XML | answer xml XML
          | send client|server xml XML [in TIME] | note TEXT | stop recording
          | cut fin|rst|half|no-notify|tls-alert|stream-error [leg client|server] [condition C]
          | freeze | throttle RATE|off [dir CS|SC] | truncate [N|P%] [then fin|rst] | corrupt [N]
  OPTION  = name NAME | limit N | after N | every N | probability P | between TIME TIME | per connection | continue
  A value with blanks stands in quotes, 'so' or "so". EXPR is a filter, true is for all.`

// A word of a line, with its place in characters, from 1.
type word struct {
	text   string
	column int
	quoted bool
}

// maxLine bounds a rule of one line, in bytes.
const maxLine = 64 << 10

// ParseLine reads a rule of one line; see LineForm. It is the same rule as the one
// in a file, so what is wrong is told in the same words. The error is Mistakes.
func ParseLine(line string) (*Rule, error) {
	if len(line) > maxLine {
		return nil, Mistakes{{Text: fmt.Sprintf("a rule of more than %d bytes", maxLine)}}
	}
	l := &lineReader{}
	words, expr := l.split(line)
	n := l.rule(words, expr)
	if l.bad != nil {
		return nil, l.err()
	}
	name := strings.Join(strings.Fields(line), " ")
	for len(name) > 90 {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	rule := l.reader.rule(n, name)
	if err := l.err(); err != nil {
		return nil, err
	}
	return rule, nil
}

type lineReader struct {
	reader
	words []word
}

func (l *lineReader) wrong(w word, text, remedy string) {
	l.bad = append(l.bad, Mistake{Line: 1, Column: w.column, Text: text, Remedy: remedy})
}

// split cuts a line into words, up to the if.
func (l *lineReader) split(line string) (words []word, expr *yaml.Node) {
	column := 1
	for line != "" {
		if trimmed := strings.TrimLeft(line, " \t\n"); len(trimmed) < len(line) {
			column += len(line) - len(trimmed)
			line = trimmed
			continue
		}
		w := word{column: column}
		size := 0
		if q := line[0]; q == '\'' || q == '"' {
			end := strings.IndexByte(line[1:], q)
			if end < 0 {
				l.wrong(w, "a quote that is not closed", "end it with "+string(q))
				return words, nil
			}
			w.text, w.quoted, size = line[1:1+end], true, end+2
		} else {
			size = bareLength(line)
			w.text = line[:size]
		}
		column += utf8.RuneCountInString(line[:size])
		line = line[size:]
		if w.text == "if" && !w.quoted {
			rest := strings.TrimLeft(line, " \t\n")
			n := scalarNode(word{text: strings.TrimRight(rest, " \t\n"), column: column + len(line) - len(rest)})
			if n.Value == "" {
				l.wrong(w, "the expression behind if is missing", "for example if iq and roster; if true is for all")
			}
			return words, n
		}
		words = append(words, w)
	}
	return words, nil
}

// bareLength is how far a word without quotes goes: blanks in brackets and in
// quotes, as XPath has them, belong to it.
func bareLength(line string) int {
	depth := 0
	var quote byte
	for i := range len(line) {
		c := line[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case depth > 0 && (c == '\'' || c == '"'):
			quote = c
		case c == '[' || c == '(':
			depth++
		case c == ']' || c == ')':
			depth--
		case depth <= 0 && (c == ' ' || c == '\t' || c == '\n'):
			return i
		}
	}
	return len(line)
}

func scalarNode(w word) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: w.text, Line: 1, Column: w.column, Tag: "!!str"}
	if w.quoted {
		n.Style = yaml.SingleQuotedStyle
	}
	return n
}

func keyNode(key string, at word) *yaml.Node {
	return scalarNode(word{text: key, column: at.column})
}

func mapping(at word) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: at.column}
}

// options are the keys of a rule that a line can have, with the number of their
// values.
var options = map[string]int{"name": 1, "limit": 1, "after": 1, "every": 1, "probability": 1, "between": 2, "per": 1, "continue": 0}

// rule makes of the words what a file would have.
func (l *lineReader) rule(words []word, expr *yaml.Node) *yaml.Node {
	start := word{column: 1}
	n := mapping(start)
	do := &yaml.Node{Kind: yaml.SequenceNode, Line: 1, Column: 1}
	if l.bad != nil {
		return n
	}
	if expr == nil {
		l.wrong(start, "a rule says when: … if EXPR", `for example drop if ns == "urn:xmpp:sm:3" and name == "a"; if true is for all`)
	} else {
		n.Content = append(n.Content, keyNode("when", start), expr)
	}
	l.words = words
	for first := true; len(l.words) > 0; first = false {
		w := l.words[0]
		if !first && !w.quoted && (w.text == "and" || w.text == ",") && len(l.words) > 1 {
			l.words = l.words[1:]
			w = l.words[0]
		}
		if count, ok := options[w.text]; ok && !w.quoted {
			l.words = l.words[1:]
			l.option(n, w, count)
			continue
		}
		if !l.doing(do) {
			return n
		}
	}
	if len(do.Content) == 0 {
		l.wrong(start, "a rule does something", "for example drop if …")
	}
	n.Content = append(n.Content, keyNode("do", start), do)
	return n
}

func (l *lineReader) option(n *yaml.Node, w word, count int) {
	if len(l.words) < count {
		l.wrong(w, w.text+": the value is missing", "")
		l.words = nil
		return
	}
	values := l.words[:count]
	l.words = l.words[count:]
	switch count {
	case 0:
		n.Content = append(n.Content, keyNode(w.text, w), keyNode("true", w))
	case 1:
		n.Content = append(n.Content, keyNode(w.text, w), scalarNode(values[0]))
	default:
		list := &yaml.Node{Kind: yaml.SequenceNode, Line: 1, Column: values[0].column}
		for _, v := range values {
			list.Content = append(list.Content, scalarNode(v))
		}
		n.Content = append(n.Content, keyNode(w.text, w), list)
	}
}

// changes are the edits that a line can name as if they were actions.
var changes = map[string][]string{opSet: {"to"}, opRemove: nil, opInsert: {"xml", "at"}}

func (l *lineReader) doing(do *yaml.Node) bool {
	w := l.words[0]
	v, known := verbs[w.text]
	keys, change := changes[w.text]
	if w.quoted || !known && !change || w.text == "edit" {
		all := append(slices.Sorted(maps.Keys(verbs)), opSet, opRemove, opInsert)
		all = slices.DeleteFunc(all, func(s string) bool { return s == "edit" })
		remedy := "there are " + strings.Join(all, ", ")
		if near := filter.Nearest(w.text, append(all, slices.Collect(maps.Keys(options))...)); near != "" {
			remedy = "did you mean " + near + "?"
		}
		l.wrong(w, fmt.Sprintf("unknown action %q", w.text), remedy)
		return false
	}
	l.words = l.words[1:]
	main := v.main
	if change {
		main = w.text
	} else {
		keys = v.keys
	}
	values := mapping(w)
	for len(l.words) > 0 {
		k := l.words[0]
		isKey := !k.quoted && slices.Contains(keys, k.text)
		switch {
		case isKey && len(l.words) > 1:
			values.Content = append(values.Content, keyNode(k.text, k), scalarNode(l.words[1]))
			l.words = l.words[2:]
			continue
		case isKey:
			l.wrong(k, k.text+": the value is missing", "")
			l.words = nil
			return false
		case main != "" && len(values.Content) == 0 && (k.quoted || k.text != "and" && k.text != "," && !isOption(k)):
			values.Content = append(values.Content, keyNode(main, k), scalarNode(k))
			l.words = l.words[1:]
			continue
		}
		break
	}
	item := mapping(w)
	if change {
		item.Content = []*yaml.Node{keyNode("edit", w), {Kind: yaml.SequenceNode, Line: 1, Column: w.column, Content: []*yaml.Node{values}}}
	} else if len(values.Content) == 0 {
		item = scalarNode(w)
	} else {
		item.Content = []*yaml.Node{keyNode(w.text, w), values}
	}
	do.Content = append(do.Content, item)
	return true
}

func isOption(w word) bool { _, ok := options[w.text]; return ok }
