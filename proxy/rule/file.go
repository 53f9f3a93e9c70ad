package rule

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/xmpplens/xmpplens/decode/filter"
)

// A Rule says what to do when. It is made by Parse, ParseLine and Pause and is not
// changed by those who use it.
type Rule struct {
	Name string
	When string // the expression
	Do   string // the names of the actions, in words
	On   bool   // whether it is on at first

	match    *filter.Filter // of May and NeedsFacts only: each judge has its own to match with
	captures []capture
	actions  []action
	fixed    bool // every action can be done with frames that go their way
	goesOn   bool // the rules behind it are asked, too

	limit, after, every int // 0 = none
	chance              float64
	since, until        time.Duration // since the connection began; until 0 = for ever
	perConn             bool          // counted for each connection by itself
	seed                uint64        // of its file; 0 = the Set's
}

type capture struct {
	name string
	path *filter.XPath
}

// maxFile bounds a file of rules, in bytes, maxRules the rules in it.
const (
	maxFile  = 4 << 20
	maxRules = 1000
)

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// Parse reads a file of rules; name is told in mistakes. The error is Mistakes.
func Parse(name string, text []byte) ([]*Rule, error) {
	r := &reader{file: name}
	if len(text) > maxFile {
		return nil, Mistakes{{File: name, Text: fmt.Sprintf("the file has more than %d bytes", maxFile)}}
	}
	var doc, next yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	err := d.Decode(&doc)
	if err == nil {
		if d.Decode(&next) == nil {
			return nil, Mistakes{{File: name, Line: next.Line, Text: "a second document in the file", Remedy: "put its rules below the first rules:"}}
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		m := yamlLine.FindStringSubmatch(err.Error())
		line := 0
		if m != nil {
			line, _ = strconv.Atoi(m[1])
			return nil, Mistakes{{File: name, Line: line, Text: "not YAML: " + m[2], Remedy: "indent with blanks, and quote texts with : # { } [ ] in them"}}
		}
		return nil, Mistakes{{File: name, Text: err.Error()}}
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, Mistakes{{File: name, Line: 1, Text: "the file has no rules", Remedy: "begin with rules:"}}
	}
	rules := r.document(doc.Content[0])
	return rules, r.err()
}

// err is what was wrong, in order.
func (r *reader) err() error {
	if len(r.bad) == 0 {
		return nil
	}
	slices.SortStableFunc(r.bad, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if n := len(r.bad); n > maxMistakes {
		r.bad = append(r.bad[:maxMistakes], Mistake{File: r.file, Text: fmt.Sprintf("and %d more", n-maxMistakes)})
	}
	return r.bad
}

func (r *reader) document(n *yaml.Node) []*Rule {
	top, ok := r.fields(n, "the file", []string{"rules", "seed", "about", "expect", "ref"})
	if !ok {
		return nil
	}
	for _, key := range []string{"about", "expect", "ref"} {
		if top[key] != nil {
			r.scalar(top[key])
		}
	}
	list := top["rules"]
	if list == nil || list.Kind != yaml.SequenceNode {
		r.mistake(cmp.Or(list, n), "rules is a list", "write rules: and below - name: …")
		return nil
	}
	seed := uint64(r.count(top["seed"], 0, 1, 1<<62))
	if len(list.Content) > maxRules {
		r.mistake(list.Content[maxRules], fmt.Sprintf("more than %d rules", maxRules), "")
		return nil
	}
	var rules []*Rule
	names := make(map[string]int)
	for i, item := range list.Content {
		rule := r.rule(item, fmt.Sprintf("%d", i+1))
		if rule == nil {
			continue
		}
		rule.seed = seed
		if at := names[rule.Name]; at > 0 {
			r.mistake(item, fmt.Sprintf("a second rule is called %q", rule.Name), fmt.Sprintf("the first one is in line %d", at))
		}
		names[rule.Name] = item.Line
		rules = append(rules, rule)
	}
	return rules
}

// ruleKeys are those of a rule.
var ruleKeys = []string{"name", "about", "when", "do", "enabled", "limit", "after", "every", "probability", "between", "per", "capture", "continue"}

func (r *reader) rule(n *yaml.Node, name string) *Rule {
	f, ok := r.fields(n, "a rule", ruleKeys)
	if !ok {
		return nil
	}
	rule := &Rule{Name: name, chance: 1}
	if s, ok := r.scalar(f["name"]); ok {
		if rule.Name = strings.TrimSpace(s); rule.Name == "" || len(rule.Name) > 100 || strings.ContainsAny(rule.Name, "\n\r") {
			r.mistake(f["name"], "a name is one line of 100 bytes at most", "")
		}
	}
	if f["about"] != nil {
		r.scalar(f["about"])
	}
	if f["when"] != nil {
		rule.match = r.filter(f["when"])
		rule.When = strings.TrimSpace(f["when"].Value)
	} else {
		r.mistake(n, "when is missing", `say for which entries, for example when: iq and type == "get"; when: "" is for all`)
	}
	rule.On = r.yes(f["enabled"], true)
	rule.limit, rule.after, rule.every = r.count(f["limit"], 0, 1, 1<<30), r.count(f["after"], 0, 0, 1<<30), r.count(f["every"], 0, 1, 1<<30)
	rule.goesOn = r.yes(f["continue"], false)
	rule.perConn = r.among(f["per"], "proxy", "proxy", "connection") == "connection"
	if s, ok := r.scalar(f["probability"]); ok {
		p, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
		if strings.HasSuffix(s, "%") {
			p /= 100
		}
		if err != nil || !(p >= 0 && p <= 1) {
			r.mistake(f["probability"], fmt.Sprintf("%q is no probability", s), "write a number from 0 to 1, or 10%")
		}
		rule.chance = p
	}
	if b := f["between"]; b != nil {
		if b.Kind != yaml.SequenceNode || len(b.Content) != 2 {
			r.mistake(b, "between is two times", "since the connection began: between: [10s, 1m]")
		} else {
			rule.since, rule.until = r.duration(b.Content[0], 0), r.duration(b.Content[1], 0)
			if rule.until <= rule.since {
				r.mistake(b, "between ends before it begins", "write the earlier time first")
			}
		}
	}
	captures := r.captures(rule, f["capture"])
	if f["do"] == nil {
		r.mistake(n, "do is missing", "say what happens, for example do: drop")
		return rule
	}
	var names []string
	rule.actions, names, rule.fixed = r.actions(f["do"], captures)
	rule.Do = strings.Join(names, ", ")
	if len(rule.actions) == 0 && f["do"].Kind != yaml.ScalarNode {
		r.mistake(f["do"], "nothing is done", "for example do: drop")
	}
	return rule
}

func (r *reader) captures(rule *Rule, n *yaml.Node) (names []string) {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.mistake(n, "capture is name: XPATH", "for example capture: {jid: //roster:item/@jid}")
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case slices.Contains(names, k.Value):
			r.mistake(k, k.Value+" is captured twice", "")
			continue
		case known[k.Value] != nil || k.Value == "stanza" || k.Value == "" || strings.ContainsAny(k.Value, "{}:"):
			r.mistake(k, fmt.Sprintf("%q cannot be the name of a captured value", k.Value), "choose another one: this has a meaning already")
			continue
		}
		if x := r.xpath(v); x != nil {
			rule.captures = append(rule.captures, capture{k.Value, x})
		}
		names = append(names, k.Value)
	}
	return names
}
