// Package filter is the one language in which entries are chosen: on the
// console, in the viewer, in rules, for export.
//
//	f, err := filter.Compile(`iq and type == "get" and to.domain == "capulet.example"`)
//	if f.Match(&subject) { … }
//
// It is expr (github.com/expr-lang/expr) with the words of the field; see
// Names. A word that it does not know, standing alone, is looked for in the
// text; so is everything that cannot be an expression: romeo@montague.example.
// A number may have a unit of time (slow > 200ms). Compiled once, a filter on
// header fields costs no allocation.
package filter

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
)

// A Subject is what a filter looks at: an entry.
type Subject struct {
	N       int
	Conn    int
	T       time.Duration // since the beginning of the recording
	Dir     string        // CS, SC, "" for what is not from a stream
	Frame   decode.Frame
	Stanza  *stanza.Stanza
	Facts   *track.Facts
	Outcome string // passed, edited, dropped, injected
	Masked  bool   // for somebody who may not see secrets: what looks anywhere does not look there
}

// A Filter chooses entries. It is not safe for concurrent use.
type Filter struct {
	source  string
	match   func(*Subject) bool // when the whole expression could be compiled
	program *vm.Program         // otherwise
	env     map[string]any
	subject *Subject            // of the functions in env
	facts   bool                // it looks at Facts
	head    func(*Subject) bool // what the start tag says of it; nil = nothing
	name    func(*Subject) bool // what its name says; nil = nothing
	names   map[string]bool     // of the language, that it uses
}

// A SyntaxError says what is wrong with an expression, and where.
type SyntaxError struct {
	Source string
	Column int // from 0, in characters
	Msg    string
	Help   string // what to do, "" when there is nothing to say
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("filter %q: %s\n    %s\n    %s^", e.Source, e.Msg, e.Source, strings.Repeat(" ", e.Column))
}

// Hint is the remedy.
func (e *SyntaxError) Hint() string {
	return cmp.Or(e.Help, `for example: iq and type == "get", from.bare == "juliet@capulet.example", slow > 200ms, errors, xep(313)`)
}

var (
	duration = regexp.MustCompile(`\b(\d+(?:\.\d+)?)(us|µs|ms|s|m)\b`)
	bareWord = regexp.MustCompile(`^[\pL\pN_.@/:#*+~?!,;'-]+(?: +[\pL\pN_.@/:#*+~?!,;'-]+)*$`)
	operator = regexp.MustCompile(`(?:^| )(?:and|or|not|in|contains|matches|startsWith|endsWith)(?: |$)|^!`)
)

// Compile reads an expression. The empty one matches everything.
func Compile(source string) (*Filter, error) {
	f := &Filter{source: source}
	text := strings.TrimSpace(source)
	if text == "" {
		f.match = func(*Subject) bool { return true }
		return f, nil
	}
	if isText(text) {
		f.match, _ = calls["text"].build(text)
		return f, nil
	}
	expression, column := units(source)
	f.env = f.environment()
	p, err := expr.Compile(expression, expr.Env(f.env), expr.AsBool(), expr.DisableBuiltin("type"), expr.Patch(&patcher{}))
	if err != nil {
		return nil, explain(source, column, err)
	}
	f.facts, f.names = asks(p.Node()), namesIn(p.Node())
	if at, err := check(p.Node()); err != nil {
		return nil, &SyntaxError{Source: source, Column: column(at), Msg: err.Error()}
	}
	f.head, _ = possible(p.Node(), headed)
	f.name, _ = possible(p.Node(), named)
	if m, ok := compile(p.Node()); ok {
		f.match, f.env = m, nil
		return f, nil
	}
	f.program = p
	return f, nil
}

// units turns numbers with a unit of time into seconds. column tells where in
// source a column of the expression is, both in characters.
func units(source string) (expression string, column func(int) int) {
	expression = quoteless(source, func(s string) string { return duration.ReplaceAllStringFunc(s, seconds) })
	return expression, func(at int) int {
		if expression == source {
			return min(at, utf8.RuneCountInString(source))
		}
		// The longest beginning of source that does not come out behind there.
		runes := []rune(source)
		for n := range runes {
			e := quoteless(string(runes[:n+1]), func(s string) string { return duration.ReplaceAllStringFunc(s, seconds) })
			if utf8.RuneCountInString(e) > at {
				return n
			}
		}
		return len(runes)
	}
}

func seconds(m string) string {
	d, err := time.ParseDuration(m)
	if err != nil {
		return m
	}
	return fmt.Sprintf("(%g)", d.Seconds())
}

// quoteless applies change to what is outside quotes.
func quoteless(s string, change func(string) string) string {
	var out strings.Builder
	for s != "" {
		at := strings.IndexAny(s, "\"'`")
		if at < 0 {
			out.WriteString(change(s))
			break
		}
		out.WriteString(change(s[:at]))
		end := at + 1
		for end < len(s) && s[end] != s[at] {
			if s[end] == '\\' && s[at] != '`' {
				end++
			}
			end++
		}
		end = min(end+1, len(s))
		out.WriteString(s[at:end])
		s = s[end:]
	}
	return out.String()
}

// Match reports whether the filter chooses the entry.
func (f *Filter) Match(s *Subject) bool {
	if f.match != nil {
		return f.match(s)
	}
	f.subject = s
	for name, get := range strs {
		f.env[name] = get(s)
	}
	for name, get := range nums {
		f.env[name] = get(s)
	}
	for name, get := range words {
		f.env[name] = get(s)
	}
	v, err := expr.Run(f.program, f.env)
	ok, _ := v.(bool)
	return err == nil && ok
}

// NeedsFacts reports whether the filter looks at what entries mean together, so
// that it cannot be asked before that is known.
func (f *Filter) NeedsFacts() bool { return f.facts }

// String returns the expression.
func (f *Filter) String() string { return f.source }

// environment has a value of the right type for each name.
func (f *Filter) environment() map[string]any {
	env := make(map[string]any)
	for name := range strs {
		env[name] = ""
	}
	for name := range nums {
		env[name] = 0.0
	}
	for name := range words {
		env[name] = false
	}
	for name, c := range calls {
		built := make(map[string]func(*Subject) bool)
		apply := func(arg string) (bool, error) {
			m := built[arg]
			if m == nil {
				var err error
				if m, err = c.build(arg); err != nil {
					return false, err
				}
				built[arg] = m
			}
			return m(f.subject), nil
		}
		if c.number {
			env[name] = func(n int) (bool, error) { return apply(fmt.Sprint(n)) }
		} else {
			env[name] = apply
		}
	}
	return env
}

// patcher turns from.bare into one name, and unknown words that stand alone
// into text searches.
type patcher struct{}

func (*patcher) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.MemberNode:
		id, ok := n.Node.(*ast.IdentifierNode)
		part, isName := n.Property.(*ast.StringNode)
		if ok && isName && (id.Value == "from" || id.Value == "to") {
			ast.Patch(node, &ast.IdentifierNode{Value: id.Value + "." + part.Value})
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "or", "&&", "||":
			n.Left, n.Right = search(n.Left), search(n.Right)
		}
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			n.Node = search(n.Node)
		}
	}
}

func search(n ast.Node) ast.Node {
	id, ok := n.(*ast.IdentifierNode)
	if !ok {
		return n
	}
	if _, known := kindOf(id.Value); known {
		return n
	}
	call := &ast.CallNode{Callee: &ast.IdentifierNode{Value: "text"}, Arguments: []ast.Node{&ast.StringNode{Value: id.Value}}}
	call.SetLocation(id.Location())
	return call
}

var unknown = regexp.MustCompile(`unknown name (\S+)`)

// explain puts an error of expr into our words.
func explain(source string, column func(int) int, err error) error {
	e := &SyntaxError{Source: source, Msg: err.Error()}
	if fe := (*file.Error)(nil); errors.As(err, &fe) {
		e.Msg, e.Column = fe.Message, column(fe.From)
	}
	if m := unknown.FindStringSubmatch(e.Msg); m != nil {
		if near := nearest(m[1]); near != "" {
			e.Help = "did you mean " + near + "?"
		} else {
			e.Help = "to look for the word itself write text(\"" + m[1] + "\")"
		}
	}
	return e
}

// nearest returns the known name that takes the fewest changes.
func nearest(word string) string {
	var all []string
	for _, n := range Names() {
		name, _, _ := strings.Cut(n.Name, "(")
		all = append(all, name)
	}
	return Nearest(word, all)
}

// Nearest returns the word of a list that another one was probably meant to be,
// by the changes that this takes; "" when there is none.
func Nearest(word string, among []string) string {
	if len(word) > 64 {
		return ""
	}
	best, distance := "", len(word)/2+1
	for _, name := range among {
		if d := changes(word, name); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// changes is the Levenshtein distance.
func changes(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			last, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, last+cost)
		}
	}
	return row[len(b)]
}

// A Name is a word of the language, for completion and help.
type Name struct {
	Name string // functions with their parentheses: payload("…")
	Help string
}

// Names lists the words of the language, sorted.
func Names() []Name {
	var out []Name
	for name, help := range help {
		out = append(out, Name{name, help})
	}
	slices.SortFunc(out, func(a, b Name) int { return strings.Compare(a.Name, b.Name) })
	return out
}
