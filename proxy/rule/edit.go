package rule

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// How an Edit changes what its XPath selects.
const (
	opSet    = "set"
	opRemove = "remove"
	opInsert = "insert"
)

// Where an insertion goes, seen from the element that is selected.
const (
	atLast   = "last" // behind the last child; "" is the same
	atFirst  = "first"
	atBefore = "before"
	atAfter  = "after"
)

// An edit changes a stanza where an XPath says, and leaves every other byte as
// it came: prefixes, quotes, white space and the order of attributes are what
// clients trip over.
type edit struct {
	op     string
	path   *filter.XPath
	owner  *filter.XPath // of set: selects the elements that get the attribute where it is missing; nil: the path is no attribute's
	attr   string        // its name
	text   *template     // what is set, or put in
	where  string
	source string // for messages
}

// attribute is a path that ends at one attribute.
var attribute = regexp.MustCompile(`^(.+?)/@([A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)$`)

// newEdit compiles what an edit selects.
func newEdit(op, path string) (edit, error) {
	e := edit{op: op, source: op + " " + path}
	var err error
	if e.path, err = filter.CompileXPath(path); err != nil {
		return e, err
	}
	if m := attribute.FindStringSubmatch(path); m != nil && op == opSet {
		e.owner, _ = filter.CompileXPath(m[1])
		e.attr = m[2]
	}
	return e, nil
}

// A splice replaces the bytes [from,to).
type splice struct {
	from, to int
	text     string
}

// errNothing says that an edit had nothing to do.
var errNothing = errors.New("nothing in the stanza is selected")

// apply returns the splices that the edit makes of a stanza.
func (e *edit) apply(f decode.Frame, v *values) ([]splice, error) {
	root, err := stanza.Tree(f)
	if err != nil {
		return nil, err
	}
	text := e.text.fill(v)
	places := e.path.Select(root, f.Raw)
	var out []splice
	for _, p := range places {
		switch e.op {
		case opSet:
			out = append(out, setPlace(f.Raw, p, text))
		case opRemove:
			out = append(out, removePlace(f.Raw, p))
		case opInsert:
			if p.Attr == nil && p.Text == nil {
				out = append(out, insertAt(f.Raw, p.Node, e.where, text, root))
			}
		}
	}
	if len(places) == 0 && e.owner != nil {
		for _, p := range e.owner.Select(root, f.Raw) {
			if p.Attr == nil && p.Text == nil {
				at := nameEnd(f.Raw, p.Node)
				out = append(out, splice{at, at, " " + e.attr + "='" + stanza.Escape(text) + "'"})
			}
		}
	}
	if out = tidy(out); len(out) == 0 {
		return nil, errNothing
	}
	return out, nil
}

// nameEnd is where the name of an element's start tag ends.
func nameEnd(raw []byte, n *stanza.Node) int { return n.Start + 1 + len(n.Qualified()) }

func setPlace(raw []byte, p filter.Place, text string) splice {
	switch {
	case p.Attr != nil:
		return splice{p.Attr.Start, p.Attr.End, stanza.Escape(text)}
	case p.Text != nil:
		return splice{p.Text.Start, p.Text.End, stanza.Escape(text)}
	}
	return fillElement(raw, p.Node, p.Node.InnerStart, p.Node.InnerEnd, stanza.Escape(text))
}

// fillElement puts content between two places of an element, which may be
// written as one tag.
func fillElement(raw []byte, n *stanza.Node, from, to int, content string) splice {
	if !n.Empty(raw) {
		return splice{from, to, content}
	}
	slash := bytes.LastIndexByte(raw[n.Start:n.End], '/') + n.Start
	return splice{slash, n.End, ">" + content + "</" + n.Qualified() + ">"}
}

func removePlace(raw []byte, p filter.Place) splice {
	switch {
	case p.Text != nil:
		return splice{p.Text.Start, p.Text.End, ""}
	case p.Attr == nil:
		return splice{p.Node.Start, p.Node.End, ""}
	}
	// Its name stands in front of the value, its = and quotes.
	from := p.Attr.Start - 1
	for from > 0 && (raw[from-1] == '=' || blank(raw[from-1])) {
		from--
	}
	from -= len(p.Attr.Name)
	for from > 0 && blank(raw[from-1]) {
		from--
	}
	return splice{max(from, p.Node.Start), min(p.Attr.End+1, p.Node.End), ""}
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func insertAt(raw []byte, n *stanza.Node, where, text string, root *stanza.Node) splice {
	switch {
	case where == atBefore && n != root:
		return splice{n.Start, n.Start, text}
	case where == atAfter && n != root:
		return splice{n.End, n.End, text}
	case where == atFirst:
		return fillElement(raw, n, n.InnerStart, n.InnerStart, text)
	}
	return fillElement(raw, n, n.InnerEnd, n.InnerEnd, text)
}

// tidy sorts splices and leaves out those that are inside of others: what is in
// an element that goes need not go by itself.
func tidy(list []splice) []splice {
	slices.SortStableFunc(list, func(a, b splice) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	out := list[:0]
	end := -1
	for _, s := range list {
		if s.from < end || s.from == end && len(out) > 0 && s.to < end {
			continue
		}
		out = append(out, s)
		end = max(end, s.to)
	}
	return out
}

// spliced returns raw with the changes.
func spliced(raw []byte, list []splice) []byte {
	size := len(raw)
	for _, s := range list {
		size += len(s.text)
	}
	out := make([]byte, 0, size)
	at := 0
	for _, s := range list {
		out = append(out, raw[at:s.from]...)
		out = append(out, s.text...)
		at = s.to
	}
	return append(out, raw[at:]...)
}

// edited applies edits one after another, each to what the one before left.
func edited(f decode.Frame, edits []edit, v *values) ([]byte, error) {
	changed := false
	for i := range edits {
		list, err := edits[i].apply(f, v)
		switch {
		case errors.Is(err, errNothing):
			continue // the others may find something
		case err != nil:
			return nil, fmt.Errorf("%s: %w", edits[i].source, err)
		}
		changed = true
		f.Raw = spliced(f.Raw, list)
		if err := wellFormed(f.Raw, f.Stream); err != nil {
			return nil, fmt.Errorf("%s: the stanza would not be well-formed: %w", edits[i].source, err)
		}
	}
	if !changed {
		return nil, errNothing
	}
	return f.Raw, nil
}

// wellFormed checks that raw is one whole element where the stream's namespaces
// are in force.
func wellFormed(raw []byte, s *decode.Stream) error {
	d := decode.Decoder{Bare: s == nil, MaxFrame: max(len(raw)+1, decode.DefaultMaxFrame)}
	if s != nil {
		var h strings.Builder
		name := "stream"
		if s.Prefix != "" {
			name = s.Prefix + ":stream"
		}
		h.WriteString("<" + name)
		for _, b := range s.Bindings {
			h.WriteString(" xmlns")
			if b.Prefix != "" {
				h.WriteString(":" + b.Prefix)
			}
			h.WriteString("='" + stanza.Escape(b.URI) + "'")
		}
		h.WriteString(">")
		d.Write([]byte(h.String()))
		if f, ok := d.Next(); !ok || f.Kind != decode.Header {
			return nil // a wrapper of BOSH, or what its sender calls a stream
		}
	}
	d.Write(raw)
	f, ok := d.Next()
	switch {
	case !ok:
		return errors.New("it does not end")
	case f.Err != nil:
		return f.Err
	case f.Kind != decode.Element || f.Part != decode.Whole:
		return errors.New("it is not an element")
	case len(f.Raw) != len(raw):
		return errors.New("something stands behind it")
	}
	return nil
}
