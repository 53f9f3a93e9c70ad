package filter

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// Most expressions are comparisons of header fields. They become closures,
// which read the entry where it is; expr's machine would box every value and
// want an environment filled for each entry. What is not known here is left to
// that machine.

// compile turns a checked expression into a closure.
func compile(n ast.Node) (func(*Subject) bool, bool) {
	switch n := n.(type) {
	case *ast.BoolNode:
		return func(*Subject) bool { return n.Value }, true
	case *ast.IdentifierNode:
		m, ok := words[n.Value]
		return m, ok
	case *ast.UnaryNode:
		if n.Operator != "not" && n.Operator != "!" {
			return nil, false
		}
		m, ok := compile(n.Node)
		return func(s *Subject) bool { return !m(s) }, ok
	case *ast.CallNode:
		c, arg, ok := constCall(n)
		if !ok {
			return nil, false
		}
		m, err := c.build(arg)
		return m, err == nil
	case *ast.BinaryNode:
		return compileBinary(n)
	}
	return nil, false
}

// constCall is a call of one of our functions with a constant.
func constCall(n *ast.CallNode) (call, string, bool) {
	id, ok := n.Callee.(*ast.IdentifierNode)
	if !ok || len(n.Arguments) != 1 {
		return call{}, "", false
	}
	c, ok := calls[id.Value]
	if !ok {
		return call{}, "", false
	}
	switch a := n.Arguments[0].(type) {
	case *ast.StringNode:
		return c, a.Value, true
	case *ast.IntegerNode:
		return c, fmt.Sprint(a.Value), true
	}
	return call{}, "", false
}

// check reads the constant arguments, so that a mistake in one is told at once,
// with its column.
func check(n ast.Node) (at int, first error) {
	ast.Walk(&n, visit(func(n ast.Node) {
		if c, ok := n.(*ast.CallNode); ok && first == nil {
			if of, arg, ok := constCall(c); ok {
				_, first = of.build(arg)
				at = c.Arguments[0].Location().From
			}
		}
	}))
	return at, first
}

// asks reports whether a name of the expression is one of factual.
func asks(n ast.Node) (found bool) {
	ast.Walk(&n, visit(func(n ast.Node) {
		if id, ok := n.(*ast.IdentifierNode); ok && factual[id.Value] {
			found = true
		}
	}))
	return found
}

type visit func(ast.Node)

func (v visit) Visit(n *ast.Node) { v(*n) }

func compileBinary(n *ast.BinaryNode) (func(*Subject) bool, bool) {
	switch n.Operator {
	case "and", "&&", "or", "||":
		a, ok := compile(n.Left)
		b, also := compile(n.Right)
		if !ok || !also {
			return nil, false
		}
		if n.Operator[0] == 'a' || n.Operator[0] == '&' {
			return func(s *Subject) bool { return a(s) && b(s) }, true
		}
		return func(s *Subject) bool { return a(s) || b(s) }, true
	}
	if a, ok := text(n.Left); ok {
		return compileText(n, a)
	}
	a, ok := number(n.Left)
	b, also := number(n.Right)
	if !ok || !also {
		return nil, false
	}
	return compare(n.Operator, a, b)
}

// compare compares two values of an entry.
func compare[T cmp.Ordered](operator string, a, b func(*Subject) T) (func(*Subject) bool, bool) {
	switch operator {
	case "==":
		return func(s *Subject) bool { return a(s) == b(s) }, true
	case "!=":
		return func(s *Subject) bool { return a(s) != b(s) }, true
	case "<":
		return func(s *Subject) bool { return a(s) < b(s) }, true
	case "<=":
		return func(s *Subject) bool { return a(s) <= b(s) }, true
	case ">":
		return func(s *Subject) bool { return a(s) > b(s) }, true
	case ">=":
		return func(s *Subject) bool { return a(s) >= b(s) }, true
	}
	return nil, false
}

func compileText(n *ast.BinaryNode, a func(*Subject) string) (func(*Subject) bool, bool) {
	if n.Operator == "matches" {
		pattern, ok := n.Right.(*ast.StringNode)
		if !ok {
			return nil, false
		}
		r, err := regexp.Compile(pattern.Value)
		if err != nil {
			return nil, false
		}
		return func(s *Subject) bool { return r.MatchString(a(s)) }, true
	}
	if n.Operator == "in" {
		c, ok := n.Right.(*ast.ConstantNode)
		if !ok {
			return nil, false
		}
		set, ok := c.Value.(map[string]struct{})
		return func(s *Subject) bool { _, in := set[a(s)]; return in }, ok
	}
	b, ok := text(n.Right)
	if !ok {
		return nil, false
	}
	switch n.Operator {
	case "contains":
		return func(s *Subject) bool { return strings.Contains(a(s), b(s)) }, true
	case "startsWith":
		return func(s *Subject) bool { return strings.HasPrefix(a(s), b(s)) }, true
	case "endsWith":
		return func(s *Subject) bool { return strings.HasSuffix(a(s), b(s)) }, true
	}
	return compare(n.Operator, a, b)
}

func text(n ast.Node) (func(*Subject) string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return func(*Subject) string { return n.Value }, true
	case *ast.IdentifierNode:
		get, ok := strs[n.Value]
		return get, ok
	}
	return nil, false
}

func number(n ast.Node) (func(*Subject) float64, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return func(*Subject) float64 { return float64(n.Value) }, true
	case *ast.FloatNode:
		return func(*Subject) float64 { return n.Value }, true
	case *ast.IdentifierNode:
		get, ok := nums[n.Value]
		return get, ok
	}
	return nil, false
}
