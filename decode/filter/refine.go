package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// This file builds filters from values that a person points at.

// The ways to add a value to a filter.
const (
	Only = "only" // these, of what is chosen
	Not  = "not"  // not these
	Or   = "or"   // these as well
)

// maxLiteral bounds a value in an expression, in bytes: the beginning of a longer one has
// to do. Every JID fits.
const maxLiteral = 3071

// Clause returns the expression that chooses the entries with a value. field is a
// name of the language that has values, or a function: from, conn, xep, payload.
func Clause(field, value string) (string, error) {
	if _, ok := nums[field]; ok {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return "", fmt.Errorf("filter: %s %q is not a number", field, value)
		}
		return fmt.Sprintf("%s == %v", field, n), nil
	}
	literal := Quote(value)
	if c, ok := calls[field]; ok {
		if c.number {
			if literal = strings.TrimLeft(strings.TrimPrefix(value, "XEP-"), "0"); strings.Trim(literal, "0123456789") != "" || literal == "" {
				return "", fmt.Errorf("filter: %s %q is not a number", field, value)
			}
		}
		return field + "(" + literal + ")", nil
	}
	if _, ok := strs[field]; !ok {
		return "", fmt.Errorf("filter: %q has no values", field)
	}
	if len(value) > maxLiteral {
		cut := maxLiteral
		for !utf8.RuneStart(value[cut]) {
			cut--
		}
		return field + " startsWith " + Quote(value[:cut]), nil
	}
	return field + " == " + literal, nil
}

// Quote writes a string as the language reads it. What nobody sees, such as a mark that
// turns the direction of text, is escaped: an expression is what it looks like.
func Quote(s string) string {
	out := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case strconv.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			out = fmt.Appendf(out, `\U%08x`, r)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return string(append(out, '"'))
}

// Refine adds a clause to a filter, in one of the ways. An empty filter becomes the
// clause; what was searched for as text stays that.
func Refine(source, how, clause string) (string, error) {
	negated := "not (" + clause + ")"
	if _, isCall := strings.CutSuffix(clause, ")"); isCall && !strings.Contains(clause, " ") {
		negated = "not " + clause
	}
	out := strings.TrimSpace(source)
	if isText(out) {
		out = "text(" + Quote(out) + ")"
	}
	add, opposite := clause, negated
	switch how {
	case Only, Or:
	case Not:
		add, opposite = negated, clause
	default:
		return "", fmt.Errorf("filter: %q is no way to add to a filter", how)
	}
	if out == "" || out == add || out == opposite {
		return add, checked(add)
	}
	if how == Or {
		if slices.Contains(strings.Split(out, " or "), add) {
			return out, nil
		}
		out += " or " + add
		return out, checked(out)
	}
	expression, _ := units(out)
	tree, err := parser.Parse(expression)
	if err != nil {
		return "", checked(out)
	}
	if loose(tree.Node) {
		out = "(" + out + ")"
	}
	out = strings.TrimSuffix(out, " and "+opposite)
	if !strings.HasSuffix(out, " and "+add) {
		out += " and " + add
	}
	return out, checked(out)
}

func checked(source string) error {
	_, err := Compile(source)
	return err
}

// isText reports whether Compile looks for the whole of it in the text.
func isText(text string) bool {
	_, known := kindOf(text)
	return text != "" && !known && bareWord.MatchString(text) && !operator.MatchString(text) && !member.MatchString(text)
}

// loose reports whether an expression falls apart when "and" stands behind it.
func loose(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryNode:
		return n.Operator == "or" || n.Operator == "||" || n.Operator == "??" || n.Operator == "|"
	case *ast.ConditionalNode, *ast.VariableDeclaratorNode, *ast.SequenceNode:
		return true
	}
	return false
}
