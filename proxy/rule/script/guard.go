package script

import (
	"fmt"
	"math/big"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Starlark counts steps, not memory, and one step can do much: "x" * (1 << 30),
// ",".join(list), sorted(range(10000000)). So a script is rewritten before it is
// compiled: what can make or walk large values goes through functions of this file,
// which charge its size before it is done. A call that has spent its allowance
// fails. Together with the limit of steps that bounds both time and memory: a step
// that is not charged makes a value of constant size.

const (
	maxSteps   = 300_000    // of one call
	maxWork    = 32 << 20   // bytes or elements that one call may make or walk
	maxKept    = 1 << 20    // bytes that the state of a connection may have
	maxSource  = 1 << 20    // bytes of a script
	perElement = 16         // what an element of a list costs, in bytes
	localWork  = "xmpplens" // of a thread: *purse
)

// A purse is what is left of a call's allowance.
type purse struct{ left int }

func charge(thread *starlark.Thread, n int) error {
	p, ok := thread.Local(localWork).(*purse)
	if !ok {
		return nil
	}
	if n < 0 || n > p.left {
		p.left = 0
		return fmt.Errorf("too much memory: a call may make values of %d bytes together", maxWork)
	}
	p.left -= n
	return nil
}

// weigh is the size of a value with all that is in it, as far as limit: values
// can share their parts and be larger in print than in memory.
func weigh(v starlark.Value, limit int) int { return weighDeep(v, limit, 0) }

// maxDeep is how far values may be nested that are weighed; lists can hold
// themselves.
const maxDeep = 50

func weighDeep(v starlark.Value, limit, depth int) int {
	size := 16
	if limit <= 0 {
		return size
	}
	if depth > maxDeep {
		return limit
	}
	weigh := func(v starlark.Value, limit int) int { return weighDeep(v, limit, depth+1) }
	switch v := v.(type) {
	case starlark.String:
		size += len(v)
	case starlark.Bytes:
		size += len(v)
	case starlark.Int:
		size += bits(v)
	case *starlark.Dict:
		for k, x := range v.Entries() {
			if size += weigh(k, limit-size) + perElement; size < limit {
				size += weigh(x, limit-size)
			}
			if size >= limit {
				break
			}
		}
	case starlark.Iterable:
		if n := starlark.Len(v); n > limit {
			return n
		}
		for x := range starlark.Elements(v) {
			if size += weigh(x, limit-size) + perElement; size >= limit {
				break
			}
		}
	}
	return size
}

func bits(i starlark.Int) int {
	if _, ok := i.Int64(); ok {
		return 8
	}
	return new(big.Int).Set(i.BigInt()).BitLen() / 8
}

// length is the number of bytes or elements of a value, not of what is in them.
func length(v starlark.Value) int {
	switch v := v.(type) {
	case starlark.String:
		return len(v)
	case starlark.Bytes:
		return len(v)
	case starlark.Int:
		return bits(v)
	}
	return max(0, starlark.Len(v)) * perElement
}

// The names that a rewritten script calls. Scripts cannot write them.
const (
	nameOp    = "·op"
	nameAttr  = "·attr"
	nameSlice = "·slice"
	nameGrow  = "·grow"
)

// guards are the functions behind these names.
var guards = starlark.StringDict{
	nameOp:    starlark.NewBuiltin("operator", guardOp),
	nameAttr:  starlark.NewBuiltin("attribute", guardAttr),
	nameSlice: starlark.NewBuiltin("slice", guardSlice),
	nameGrow:  starlark.NewBuiltin("assignment", guardGrow),
}

func guardOp(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	i, _ := starlark.AsInt32(args[0])
	op, x, y := syntax.Token(i), args[1], args[2]
	if err := charge(thread, cost(op, x, y)); err != nil {
		return nil, err
	}
	switch op {
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		ok, err := starlark.Compare(op, x, y)
		return starlark.Bool(ok), err
	}
	return starlark.Binary(op, x, y)
}

// cost is what an operation makes or walks.
func cost(op syntax.Token, x, y starlark.Value) int {
	switch op {
	case syntax.STAR:
		times := func(v, n starlark.Value) int {
			k, err := starlark.AsInt32(n)
			if err != nil {
				return maxWork + 1
			}
			if size := length(v); k > 0 && size > maxWork/k {
				return maxWork + 1
			}
			return max(0, length(v)*k)
		}
		_, xIsInt := x.(starlark.Int)
		_, yIsInt := y.(starlark.Int)
		switch {
		case xIsInt && yIsInt:
			return bits(x.(starlark.Int)) * bits(y.(starlark.Int)) / 8 // it takes time, too
		case xIsInt:
			return times(y, x)
		case yIsInt:
			return times(x, y)
		}
	case syntax.PERCENT:
		if s, ok := x.(starlark.String); ok {
			return len(s) * (1 + weigh(y, maxWork)/16) // each argument can be written as a whole
		}
	case syntax.IN, syntax.NOT_IN:
		switch y.(type) {
		case *starlark.Dict, *starlark.Set:
			return weigh(x, maxWork+1) // it is looked up
		}
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		return min(weigh(x, maxWork+1), weigh(y, maxWork+1))
	}
	return length(x) + length(y)
}

// guardAttr is x.name. The methods of the language's own values charge what they
// are called with.
func guardAttr(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, name := args[0], string(args[1].(starlark.String))
	h, ok := x.(starlark.HasAttrs)
	if !ok {
		return nil, fmt.Errorf("%s has no .%s", x.Type(), name)
	}
	v, err := h.Attr(name)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, fmt.Errorf("%s has no .%s field or method", x.Type(), name)
	}
	method, ok := v.(*starlark.Builtin)
	if !ok {
		return v, nil
	}
	switch x.(type) {
	case starlark.String, starlark.Bytes, *starlark.List, *starlark.Dict, *starlark.Set, starlark.Tuple:
	default:
		return v, nil
	}
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := charge(thread, costOfMethod(x, name, args, kwargs)); err != nil {
			return nil, err
		}
		return starlark.Call(thread, method, args, kwargs)
	}), nil
}

func costOfMethod(x starlark.Value, name string, args starlark.Tuple, kwargs []starlark.Tuple) int {
	size := length(x)
	given := 0
	for _, a := range args {
		given += length(a)
	}
	for _, k := range kwargs {
		given += length(k[1])
	}
	switch name {
	case "append", "get", "pop", "setdefault", "add", "clear", "insert":
		if name == "insert" || name == "pop" {
			return size // what is behind moves
		}
		return perElement
	case "replace":
		if len(args) > 1 {
			return size + (size+1)*length(args[1])
		}
	case "format":
		all := 0
		for _, a := range args {
			all += weigh(a, maxWork)
		}
		for _, k := range kwargs {
			all += weigh(k[1], maxWork)
		}
		return (size + 1) * (1 + all/16)
	case "join":
		n := 0
		if len(args) > 0 {
			n = max(0, starlark.Len(args[0]))
			return (n+1)*size + weigh(args[0], maxWork+1)
		}
	case "split", "rsplit", "splitlines", "elems", "codepoints", "elem_ords", "codepoint_ords":
		return size * perElement
	}
	return size + given
}

// guardSlice is what is sliced: a slice of a list is a copy.
func guardSlice(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	if _, isText := args[0].(starlark.String); isText {
		return args[0], nil
	}
	return args[0], charge(thread, length(args[0]))
}

// guardGrow is the right side of x += y.
func guardGrow(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	i, _ := starlark.AsInt32(args[0])
	if _, inPlace := args[1].(*starlark.List); inPlace && syntax.Token(i) == syntax.PLUS {
		return args[2], charge(thread, length(args[2]))
	}
	return args[2], charge(thread, cost(syntax.Token(i), args[1], args[2]))
}

// universe is that of the language, with functions that charge.
var universe = func() starlark.StringDict {
	out := make(starlark.StringDict)
	for name, v := range starlark.Universe {
		f, ok := v.(*starlark.Builtin)
		switch {
		case !ok:
			continue // None, True, False
		case name == "len" || name == "type" || name == "bool":
			out[name] = v
			continue
		case name == "getattr" || name == "print" || name == "hasattr" || name == "dir":
			continue // taken away, or ours
		}
		deep := name == "str" || name == "repr" || name == "fail" || name == "hash"
		out[name] = starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			n := 0
			for _, a := range args {
				if deep {
					n += weigh(a, maxWork+1)
				} else if _, isInt := a.(starlark.Int); !isInt {
					n += length(a)
				}
			}
			if err := charge(thread, n); err != nil {
				return nil, err
			}
			return starlark.Call(thread, f, args, kwargs)
		})
	}
	out["getattr"] = starlark.NewBuiltin("getattr", func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var x starlark.Value
		var name starlark.String
		if err := starlark.UnpackPositionalArgs("getattr", args, kwargs, 2, &x, &name); err != nil {
			return nil, err
		}
		return guardAttr(thread, b, starlark.Tuple{x, name}, nil)
	})
	return out
}()

// guarded rewrites a script; the error is a mistake in it.
func guarded(f *syntax.File) error {
	g := &guard{}
	g.stmts(f.Stmts)
	return g.err
}

type guard struct{ err error }

func call(pos syntax.Position, name string, args ...syntax.Expr) syntax.Expr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: pos, Name: name}, Lparen: pos, Args: args, Rparen: pos}
}

func number(pos syntax.Position, t syntax.Token) syntax.Expr {
	return &syntax.Literal{Token: syntax.INT, TokenPos: pos, Raw: fmt.Sprint(int(t)), Value: int64(t)}
}

func (g *guard) stmts(list []syntax.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *syntax.AssignStmt:
			s.RHS = g.expr(s.RHS)
			g.target(s.LHS)
			if s.Op == syntax.EQ {
				continue
			}
			calls := false
			syntax.Walk(s.LHS, func(n syntax.Node) bool {
				if c, ok := n.(*syntax.CallExpr); ok {
					if id, ok := c.Fn.(*syntax.Ident); !ok || guards[id.Name] == nil {
						calls = true
					}
				}
				return true
			})
			if calls && g.err == nil {
				g.err = syntax.Error{Pos: s.OpPos, Msg: "the left side of " + s.Op.String() + " must not call anything: write x = x + y"}
				return
			}
			s.RHS = call(s.OpPos, nameGrow, number(s.OpPos, s.Op-syntax.PLUS_EQ+syntax.PLUS), s.LHS, s.RHS)
		case *syntax.DefStmt:
			g.params(s.Params)
			g.stmts(s.Body)
		case *syntax.ExprStmt:
			s.X = g.expr(s.X)
		case *syntax.IfStmt:
			s.Cond = g.expr(s.Cond)
			g.stmts(s.True)
			g.stmts(s.False)
		case *syntax.ForStmt:
			g.target(s.Vars)
			s.X = g.expr(s.X)
			g.stmts(s.Body)
		case *syntax.WhileStmt:
			s.Cond = g.expr(s.Cond)
			g.stmts(s.Body)
		case *syntax.ReturnStmt:
			if s.Result != nil {
				s.Result = g.expr(s.Result)
			}
		case *syntax.LoadStmt:
			if g.err == nil {
				g.err = syntax.Error{Pos: s.Load, Msg: "a script is one file: load is not possible"}
			}
		}
	}
}

// target is what is assigned to: names stay, what they are taken from is guarded.
func (g *guard) target(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.DotExpr:
		e.X = g.expr(e.X)
	case *syntax.IndexExpr:
		e.X, e.Y = g.expr(e.X), g.expr(e.Y)
	case *syntax.ParenExpr:
		g.target(e.X)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			g.target(x)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			g.target(x)
		}
	}
}

func (g *guard) params(list []syntax.Expr) {
	for _, p := range list {
		if b, ok := p.(*syntax.BinaryExpr); ok { // name=default
			b.Y = g.expr(b.Y)
		}
	}
}

func (g *guard) list(list []syntax.Expr) {
	for i := range list {
		list[i] = g.expr(list[i])
	}
}

// charged are the operators whose results or ways can be long.
var charged = map[syntax.Token]bool{
	syntax.PLUS: true, syntax.STAR: true, syntax.PERCENT: true, syntax.PIPE: true, syntax.AMP: true, syntax.CIRCUMFLEX: true, syntax.MINUS: true, syntax.SLASHSLASH: true,
	syntax.IN: true, syntax.NOT_IN: true, syntax.EQL: true, syntax.NEQ: true, syntax.LT: true, syntax.LE: true, syntax.GT: true, syntax.GE: true, syntax.LTLT: true,
}

func (g *guard) expr(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.BinaryExpr:
		if e.Op == syntax.EQ { // name=value of a call
			e.Y = g.expr(e.Y)
			return e
		}
		e.X, e.Y = g.expr(e.X), g.expr(e.Y)
		if charged[e.Op] {
			return call(e.OpPos, nameOp, number(e.OpPos, e.Op), e.X, e.Y)
		}
	case *syntax.CallExpr:
		e.Fn = g.expr(e.Fn)
		g.list(e.Args)
	case *syntax.DotExpr:
		return call(e.Dot, nameAttr, g.expr(e.X), &syntax.Literal{Token: syntax.STRING, TokenPos: e.NamePos, Raw: fmt.Sprintf("%q", e.Name.Name), Value: e.Name.Name})
	case *syntax.SliceExpr:
		e.X = call(e.Lbrack, nameSlice, g.expr(e.X))
		for _, p := range []*syntax.Expr{&e.Lo, &e.Hi, &e.Step} {
			if *p != nil {
				*p = g.expr(*p)
			}
		}
	case *syntax.IndexExpr:
		e.X, e.Y = g.expr(e.X), g.expr(e.Y)
	case *syntax.ParenExpr:
		e.X = g.expr(e.X)
	case *syntax.UnaryExpr:
		if e.X != nil {
			e.X = g.expr(e.X)
		}
	case *syntax.CondExpr:
		e.Cond, e.True, e.False = g.expr(e.Cond), g.expr(e.True), g.expr(e.False)
	case *syntax.ListExpr:
		g.list(e.List)
	case *syntax.TupleExpr:
		g.list(e.List)
	case *syntax.DictExpr:
		g.list(e.List)
	case *syntax.DictEntry:
		e.Key, e.Value = g.expr(e.Key), g.expr(e.Value)
	case *syntax.LambdaExpr:
		g.params(e.Params)
		e.Body = g.expr(e.Body)
	case *syntax.Comprehension:
		e.Body = g.expr(e.Body)
		for _, c := range e.Clauses {
			switch c := c.(type) {
			case *syntax.ForClause:
				g.target(c.Vars)
				c.X = g.expr(c.X)
			case *syntax.IfClause:
				c.Cond = g.expr(c.Cond)
			}
		}
	}
	return e
}
