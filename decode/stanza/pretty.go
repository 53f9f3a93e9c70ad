package stanza

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode"
)

// A Class says how a piece of XML is coloured.
type Class uint8

const (
	Punct Class = iota
	ElementName
	AttrName
	Value
	Text
	Namespace
	Comment
	Masked
	Broken
	Space
)

// PrettyOptions are how Pretty prints. The zero value indents by two blanks,
// breaks start tags at 100 columns and shows secrets.
type PrettyOptions struct {
	Width   int    // columns at which start tags are broken; 0 = 100
	Indent  string // "" = two blanks
	Secrets []Span // masked; see Secrets
}

// Tokens colours the bytes as they are, secrets masked.
func Tokens(raw []byte, spans []Span, emit func(Class, []byte)) {
	t := tokener{raw: raw, spans: spans, emit: emit}
	for p := range pieces(raw) {
		t.piece(p)
	}
}

// A tokener colours pieces of raw.
type tokener struct {
	raw   []byte
	spans []Span
	emit  func(Class, []byte)
	xmlns bool // the latest attribute is a namespace declaration
}

func (t *tokener) piece(p piece) {
	class := Punct
	switch p.kind {
	case pName:
		class = ElementName
	case pBlank:
		class = Space
	case pAttr:
		class = AttrName
		t.xmlns = bytes.HasPrefix(t.raw[p.start:p.end], []byte("xmlns"))
	case pValue:
		if class = Value; t.xmlns {
			class = Namespace
		}
	case pText, pCDATA:
		class = Text
	case pComment:
		class = Comment
	case pBroken:
		class = Broken
	}
	start, end := p.start, p.end
	for _, s := range t.spans {
		if s.End <= start { // done with; pieces come in order
			t.spans = t.spans[1:]
			continue
		}
		if s.Start >= end {
			break
		}
		if s.Start > start {
			safe(class, t.raw[start:s.Start], t.emit)
		}
		if s.Start >= start {
			t.emit(Masked, []byte(s.Mask))
		}
		start = min(s.End, end)
	}
	if start < end {
		safe(class, t.raw[start:end], t.emit)
	}
}

// safe hands text out with everything that could drive a terminal, or turn the
// reading direction, made visible.
func safe(c Class, b []byte, emit func(Class, []byte)) {
	start := 0
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 || dangerous(r) && r != '\n' && r != '\t' {
			if start < i {
				emit(c, b[start:i])
			}
			if r == utf8.RuneError && n == 1 {
				emit(Broken, fmt.Appendf(nil, `\x%02x`, b[i]))
			} else {
				emit(Broken, fmt.Appendf(nil, `\u{%x}`, r))
			}
			start = i + n
		}
		i += n
	}
	if start < len(b) {
		emit(c, b[start:])
	}
}

// dangerous tells control characters and those that turn the direction.
func dangerous(r rune) bool {
	if r >= 0x20 && r < 0x7f {
		return false
	}
	return r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f ||
		r == 0x2028 || r == 0x2029 || r == 0xfeff
}

// maxIndent is the depth from which on lines are not indented further.
const maxIndent = 40

// maxPretty bounds what is indented; larger frames are shown as they are.
const maxPretty = 1 << 20

// Pretty prints a frame indented and coloured. The infoset stays: white space
// is only added between elements where there is no other text. What cannot be
// parsed, or is too large, is printed as it is.
func Pretty(f decode.Frame, o PrettyOptions, emit func(Class, []byte)) {
	if o.Width == 0 {
		o.Width = 100
	}
	if o.Indent == "" {
		o.Indent = "  "
	}
	if f.Kind != decode.Element && f.Kind != decode.Header || f.Part != decode.Whole || f.Err != nil && f.Err.Code.Hard() || len(f.Raw) > maxPretty {
		Tokens(f.Raw, o.Secrets, emit)
		return
	}
	root, err := Tree(f)
	if err != nil {
		Tokens(f.Raw, o.Secrets, emit)
		return
	}
	p := &printer{f: f, o: o, emit: emit}
	if f.Kind == decode.Header {
		p.startTag(root, root.InnerStart, 0)
		return
	}
	p.node(root, 0)
}

type printer struct {
	f    decode.Frame
	o    PrettyOptions
	emit func(Class, []byte)
}

// text prints the bytes from start to end, which begin outside a tag.
func (p *printer) text(start, end int) {
	Tokens(p.f.Raw[start:end], p.within(start, end), p.emit)
}

// within returns the secrets between start and end, relative to start.
func (p *printer) within(start, end int) []Span {
	var spans []Span
	at, _ := slices.BinarySearchFunc(p.o.Secrets, start, func(s Span, at int) int { return s.End - at - 1 })
	for _, s := range p.o.Secrets[at:] {
		if s.Start >= end {
			break
		}
		spans = append(spans, Span{s.Start - start, s.End - start, s.Mask, s.What})
	}
	return spans
}

func (p *printer) line(depth int) {
	p.emit(Space, []byte("\n"+strings.Repeat(p.o.Indent, min(depth, maxIndent))))
}

// node prints an element. Nothing is added where text and elements mix. Depth
// is bounded by the decoder's limit on nesting.
func (p *printer) node(n *Node, depth int) {
	tagEnd := n.InnerStart
	p.startTag(n, tagEnd, depth)
	if len(n.Children) == 0 {
		p.content(tagEnd, n.End)
		return
	}
	blank := true
	for _, t := range n.texts {
		blank = blank && t.kind == pText && len(bytes.TrimSpace(p.f.Raw[t.start:t.end])) == 0
	}
	if !blank || p.commented(n) {
		p.content(tagEnd, n.End)
		return
	}
	for _, c := range n.Children {
		p.line(depth + 1)
		p.node(c, depth+1)
	}
	p.line(depth)
	p.text(n.InnerEnd, n.End)
}

// commented reports whether something other than elements and text is directly
// inside n, which indenting would lose.
func (p *printer) commented(n *Node) bool {
	at := n.InnerStart
	for _, c := range append(n.Children[:len(n.Children):len(n.Children)], &Node{Start: n.InnerEnd, End: n.InnerEnd}) {
		if bytes.Contains(p.f.Raw[at:c.Start], []byte("<")) {
			return true
		}
		at = c.End
	}
	return false
}

// content prints what follows a start tag, as it is.
func (p *printer) content(start, end int) {
	if start < end {
		p.text(start, end)
	}
}

// startTag prints a start tag, an attribute a line when it is too long.
func (p *printer) startTag(n *Node, end, depth int) {
	if end-n.Start+depth*len(p.o.Indent) <= p.o.Width || len(n.Attrs)+len(n.decls) < 2 {
		p.text(n.Start, end)
		return
	}
	raw := p.f.Raw[n.Start:end]
	t := tokener{raw: raw, spans: p.within(n.Start, end), emit: p.emit}
	first := true
	for q := range pieces(raw) {
		switch {
		case q.kind != pBlank:
			t.piece(q)
		case first:
			p.emit(Space, []byte(" "))
			first = false
		case q.end < len(raw) && raw[q.end] != '/' && raw[q.end] != '>' && raw[q.end] != '=':
			p.line(depth + 2)
		}
	}
}
