package script

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.starlark.net/starlark"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/proxy/rule"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

const localJudge = "judge" // of a thread: *judge

// shown reports whether a script is asked about a frame.
func shown(seen session.Seen) bool {
	return !seen.Fixed && seen.Frame.Kind == decode.Element && seen.Frame.Part == decode.Whole && len(seen.Frame.Raw) <= maxElement
}

// maxElement bounds what a script is shown, in bytes.
const maxElement = 1 << 20

// An element is a stanza or nonza as a script has it. Its changes are put into its
// own copy of the frame.
type element struct {
	j       *judge
	dir     record.Dir
	online  bool
	frame   decode.Frame
	s       stanza.Stanza
	changed bool
	over    bool // its call has ended
}

func newElement(j *judge, seen session.Seen) *element {
	f := seen.Frame
	return &element{j: j, dir: seen.Dir, online: seen.Authenticated, frame: f, s: stanza.Parse(f)}
}

func (e *element) String() string        { return "<" + e.s.Name + ">" }
func (e *element) Type() string          { return "stanza" }
func (e *element) Freeze()               {}
func (e *element) Truth() starlark.Bool  { return true }
func (e *element) Hash() (uint32, error) { return 0, errors.New("a stanza cannot be a key") }

// fields are what can be read of an element.
var fields = map[string]func(e *element) starlark.Value{
	"dir":           func(e *element) starlark.Value { return starlark.String(e.dir) },
	"kind":          func(e *element) starlark.Value { return starlark.String(e.s.Kind) },
	"name":          func(e *element) starlark.Value { return starlark.String(e.s.Name) },
	"ns":            func(e *element) starlark.Value { return starlark.String(e.s.NS) },
	"type":          func(e *element) starlark.Value { return starlark.String(e.s.Type) },
	"id":            func(e *element) starlark.Value { return starlark.String(e.s.ID) },
	"sender":        func(e *element) starlark.Value { return starlark.String(e.s.From) },
	"to":            func(e *element) starlark.Value { return starlark.String(e.s.To) },
	"lang":          func(e *element) starlark.Value { return starlark.String(e.s.Lang) },
	"summary":       func(e *element) starlark.Value { return starlark.String(e.s.Summary) },
	"raw":           func(e *element) starlark.Value { return starlark.String(e.frame.Raw) },
	"size":          func(e *element) starlark.Value { return starlark.MakeInt(len(e.frame.Raw)) },
	"conn":          func(e *element) starlark.Value { return starlark.MakeInt(e.j.conn) },
	"time":          func(e *element) starlark.Value { return starlark.Float(e.j.clock().Seconds()) },
	"state":         func(e *element) starlark.Value { return e.j.state },
	"authenticated": func(e *element) starlark.Value { return starlark.Bool(e.online) },
}

// methods are what can be done with an element.
var methods map[string]*starlark.Builtin

func init() {
	methods = map[string]*starlark.Builtin{
		"get":     starlark.NewBuiltin("get", elementGet),
		"all":     starlark.NewBuiltin("all", elementAll),
		"match":   starlark.NewBuiltin("match", elementMatch),
		"set":     starlark.NewBuiltin("set", elementSet),
		"remove":  starlark.NewBuiltin("remove", elementRemove),
		"insert":  starlark.NewBuiltin("insert", elementInsert),
		"replace": starlark.NewBuiltin("replace", elementReplace),
		"answer":  starlark.NewBuiltin("answer", elementAnswer),
		"result":  starlark.NewBuiltin("result", elementResult),
		"refuse":  starlark.NewBuiltin("refuse", elementRefuse),
	}
}

func (e *element) Attr(name string) (starlark.Value, error) {
	if get := fields[name]; get != nil {
		return get(e), nil
	}
	if m := methods[name]; m != nil {
		return m.BindReceiver(e), nil
	}
	return nil, nil
}

func (e *element) AttrNames() []string {
	var out []string
	for name := range fields {
		out = append(out, name)
	}
	for name := range methods {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// receive returns the element that a method was called of, and reads its arguments.
func receive(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple, pairs ...any) (*element, error) {
	e := b.Receiver().(*element)
	if e.over {
		return nil, fmt.Errorf("%s: this stanza has passed: use it in on_stanza only", b.Name())
	}
	return e, starlark.UnpackArgs(b.Name(), args, kwargs, pairs...)
}

func (e *element) root() *stanza.Node { return e.s.Root() }

// select1 walks the whole element: that costs its size.
func (e *element) xpath(thread *starlark.Thread, path string) (*filter.XPath, error) {
	if err := charge(thread, 8*len(e.frame.Raw)+1000); err != nil {
		return nil, err
	}
	return filter.CompileXPath(path)
}

func elementGet(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var path string
	var byDefault starlark.Value = starlark.None
	e, err := receive(b, args, kwargs, "xpath", &path, "default?", &byDefault)
	if err != nil {
		return nil, err
	}
	x, err := e.xpath(thread, path)
	if err != nil {
		return nil, err
	}
	if places := x.Select(e.root(), e.frame.Raw); len(places) > 0 {
		return starlark.String(places[0].Value()), nil
	}
	if text := x.Text(e.root(), e.frame.Raw); text != "" { // count(…) and the like
		return starlark.String(text), nil
	}
	return byDefault, nil
}

func elementAll(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var path string
	e, err := receive(b, args, kwargs, "xpath", &path)
	if err != nil {
		return nil, err
	}
	x, err := e.xpath(thread, path)
	if err != nil {
		return nil, err
	}
	var out []starlark.Value
	for _, p := range x.Select(e.root(), e.frame.Raw) {
		text := p.Value()
		if err := charge(thread, len(text)+perElement); err != nil {
			return nil, err
		}
		out = append(out, starlark.String(text))
	}
	return starlark.NewList(out), nil
}

func elementMatch(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var expr string
	e, err := receive(b, args, kwargs, "expr", &expr)
	if err == nil {
		err = charge(thread, 8*len(e.frame.Raw)+20_000)
	}
	if err != nil {
		return nil, err
	}
	f, err := filter.Compile(expr)
	if err != nil {
		return nil, err
	}
	if f.NeedsFacts() {
		return nil, fmt.Errorf("match: a script does not know what entries mean together: %s", expr)
	}
	return starlark.Bool(f.Match(&filter.Subject{Conn: e.j.conn, Dir: string(e.dir), Frame: e.frame, Stanza: &e.s, Outcome: "passed"})), nil
}

// change replaces the bytes of the element.
func (e *element) change(thread *starlark.Thread, op, path, text, where string) (starlark.Value, error) {
	if err := charge(thread, 16*len(e.frame.Raw)+1000); err != nil {
		return nil, err
	}
	b, err := rule.Change(e.frame, op, path, text, where)
	if errors.Is(err, rule.ErrNothing) {
		return starlark.False, nil
	}
	if err != nil {
		return nil, err
	}
	return starlark.True, e.become(thread, b)
}

func (e *element) become(thread *starlark.Thread, b []byte) error {
	if len(b) > maxElement {
		return fmt.Errorf("the stanza would have more than %d bytes", maxElement)
	}
	if err := charge(thread, 8*len(b)); err != nil {
		return err
	}
	e.frame.Raw, e.changed = b, true
	e.s = stanza.Parse(e.frame)
	return nil
}

func elementSet(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var path, text string
	e, err := receive(b, args, kwargs, "xpath", &path, "text", &text)
	if err != nil {
		return nil, err
	}
	return e.change(thread, "set", path, text, "")
}

func elementRemove(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var path string
	e, err := receive(b, args, kwargs, "xpath", &path)
	if err != nil {
		return nil, err
	}
	return e.change(thread, "remove", path, "", "")
}

func elementInsert(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var path, xml, at string
	e, err := receive(b, args, kwargs, "xpath", &path, "xml", &xml, "at?", &at)
	if err != nil {
		return nil, err
	}
	return e.change(thread, "insert", path, xml, at)
}

func elementReplace(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var xml string
	e, err := receive(b, args, kwargs, "xml", &xml)
	if err != nil {
		return nil, err
	}
	return starlark.None, e.become(thread, []byte(xml))
}

// back ends the plan with an answer.
func (e *element) back(xml string, err error) (starlark.Value, error) {
	if err != nil {
		return nil, err
	}
	return starlark.None, e.j.ends(session.Answer{Reason: e.j.reason(), Bytes: []byte(xml)})
}

func elementAnswer(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var xml string
	e, err := receive(b, args, kwargs, "xml", &xml)
	if err != nil {
		return nil, err
	}
	return e.back(xml, nil)
}

func elementResult(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var xml string
	e, err := receive(b, args, kwargs, "xml?", &xml)
	if err != nil {
		return nil, err
	}
	return e.back(rule.Result(e.frame, &e.s, xml))
}

func elementRefuse(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var condition, kind, text string
	e, err := receive(b, args, kwargs, "condition", &condition, "type?", &kind, "text?", &text)
	if err != nil {
		return nil, err
	}
	return e.back(rule.Refuse(e.frame, &e.s, condition, kind, text))
}

// A connection is what on_open and on_close are told.
type connection struct{ j *judge }

func (c *connection) String() string        { return fmt.Sprintf("connection %d", c.j.conn) }
func (c *connection) Type() string          { return "connection" }
func (c *connection) Freeze()               {}
func (c *connection) Truth() starlark.Bool  { return true }
func (c *connection) Hash() (uint32, error) { return uint32(c.j.conn), nil }
func (c *connection) AttrNames() []string   { return []string{"id", "state", "time"} }

func (c *connection) Attr(name string) (starlark.Value, error) {
	switch name {
	case "id":
		return starlark.MakeInt(c.j.conn), nil
	case "state":
		return c.j.state, nil
	case "time":
		return starlark.Float(c.j.clock().Seconds()), nil
	}
	return nil, nil
}

// seconds is a time as scripts give it.
func seconds(v starlark.Value) (time.Duration, error) {
	f, ok := starlark.AsFloat(v)
	if !ok || !(f >= 0 && f <= 86400) {
		return 0, fmt.Errorf("%s is no number of seconds between 0 and 86400", v)
	}
	return time.Duration(f * float64(time.Second)), nil
}
