package filter

import (
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// Who looks at every frame while it passes wants to know soon that a filter does
// not choose it. This file makes, of an expression, one that looks at the start
// tag only and is true at least wherever the whole one is.

// headed are the names that a start tag answers, or what is known without one.
var headed = map[string]bool{
	"name": true, "type": true, "id": true, "from": true, "to": true, "ns": true, "lang": true, "kind": true, "dir": true, "conn": true, "n": true, "size": true, "outcome": true,
	"from.bare": true, "from.local": true, "from.domain": true, "from.resource": true, "to.bare": true, "to.local": true, "to.domain": true, "to.resource": true,
	"message": true, "presence": true, "iq": true, "stanzas": true, "nonzas": true, "keepalive": true, "edited": true, "injected": true, "jid": true,
}

// named are those of them that the name of the element answers, its namespace and
// its direction.
var named = map[string]bool{"name": true, "ns": true, "kind": true, "dir": true, "message": true, "presence": true, "iq": true, "stanzas": true, "nonzas": true}

// possible compiles what may hold, with the names that are known; sure tells that it
// is the whole truth. Where nothing can be said it is nil.
func possible(n ast.Node, known map[string]bool) (m func(*Subject) bool, sure bool) {
	switch n := n.(type) {
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			if m, sure := possible(n.Node, known); m != nil && sure {
				return func(s *Subject) bool { return !m(s) }, true
			}
			return nil, false
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&":
			l, sureL := possible(n.Left, known)
			r, sureR := possible(n.Right, known)
			switch {
			case l == nil && r == nil:
				return nil, false
			case l == nil:
				return r, false
			case r == nil:
				return l, false
			}
			return func(s *Subject) bool { return l(s) && r(s) }, sureL && sureR
		case "or", "||":
			l, sureL := possible(n.Left, known)
			r, sureR := possible(n.Right, known)
			if l == nil || r == nil {
				return nil, false
			}
			return func(s *Subject) bool { return l(s) || r(s) }, sureL && sureR
		}
	}
	for name := range namesIn(n) {
		if !known[name] {
			return nil, false
		}
	}
	m, ok := compile(n)
	if !ok {
		return nil, false
	}
	return m, true
}

// namesIn are the identifiers of an expression.
func namesIn(n ast.Node) map[string]bool {
	out := make(map[string]bool)
	ast.Walk(&n, visit(func(n ast.Node) {
		if id, ok := n.(*ast.IdentifierNode); ok {
			out[id.Value] = true
		}
	}))
	return out
}

// May reports whether the filter can choose the entry, by its start tag: of
// Subject.Stanza only what stanza.Head reads is looked at, and no Facts. When it
// is false Match is too.
func (f *Filter) May(s *Subject) bool { return f.head == nil || f.head(s) }

// MayByName is May for one that knows no more than the name of the element, its
// namespace, its kind and its direction: it is the same for all that share these.
func (f *Filter) MayByName(s *Subject) bool { return f.name == nil || f.name(s) }

// Uses reports whether a name of the language is in the expression.
func (f *Filter) Uses(name string) bool { return f.names[name] }

// HeadFields are the attributes of the start tag that May looks at.
func (f *Filter) HeadFields() (out stanza.Fields) {
	for name := range f.names {
		base, _, _ := strings.Cut(name, ".")
		switch base {
		case "type":
			out |= stanza.FieldType
		case "id":
			out |= stanza.FieldID
		case "from":
			out |= stanza.FieldFrom
		case "to":
			out |= stanza.FieldTo
		case "lang":
			out |= stanza.FieldLang
		case "jid":
			out |= stanza.FieldFrom | stanza.FieldTo
		}
	}
	return out
}
