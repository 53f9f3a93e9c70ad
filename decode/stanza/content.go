package stanza

import (
	"bytes"
	"html"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
)

// This file is for those who look at an element without reading all of it, or
// who change it in place.

// CharData is a piece of an element's own character data: its span in the frame's
// Raw, with the marks of a CDATA section, and what it says.
type CharData struct {
	Start, End int
	Value      string
}

// CharData returns the element's own character data, piece by piece; raw is that of
// the frame that the tree was made of.
func (n *Node) CharData(raw []byte) []CharData {
	out := make([]CharData, 0, len(n.texts))
	for _, p := range n.texts {
		t := CharData{Start: p.start, End: p.end}
		if b := raw[p.start:p.end]; p.kind == pCDATA {
			t.Value = strings.TrimSuffix(strings.TrimPrefix(string(b), "<![CDATA["), "]]>")
		} else {
			t.Value = unescape(b)
		}
		out = append(out, t)
	}
	return out
}

// Parent returns the element that n is in, nil for the first-level one.
func (n *Node) Parent() *Node { return n.up }

// Qualified returns the element's name as it is written, with its prefix.
func (n *Node) Qualified() string {
	if n.Prefix == "" {
		return n.Name
	}
	return n.Prefix + ":" + n.Name
}

// Empty reports whether the element is written as one tag: <a/>.
func (n *Node) Empty(raw []byte) bool {
	return n.InnerEnd >= n.End && n.End-n.Start >= 2 && bytes.HasSuffix(raw[n.Start:n.End], []byte("/>"))
}

// Fields are what HeadOf reads of a start tag.
type Fields uint8

// The attributes that a Stanza has fields for.
const (
	FieldType Fields = 1 << iota
	FieldID
	FieldFrom
	FieldTo
	FieldLang
	AllFields = FieldType | FieldID | FieldFrom | FieldTo | FieldLang
)

// Head reads no more of a frame than its start tag: Kind, Name, NS, Type, ID,
// From, To and Lang are as Parse has them, the rest is empty.
func Head(f decode.Frame) Stanza { return HeadOf(f, AllFields) }

// HeadOf is Head with only those of the attributes that are asked for.
func HeadOf(f decode.Frame, want Fields) Stanza {
	s := Stanza{Kind: kindOf(f), Name: word(f.Name), NS: word(f.NS)}
	switch {
	case f.Kind == decode.Header && s.Kind == "header":
		h := f.Stream
		s.From, s.To, s.ID, s.Lang = h.Attr("from"), h.Attr("to"), h.Attr("id"), h.Attr("xml:lang")
	case f.Kind == decode.Header:
		return Parse(f)
	case f.Kind == decode.Element && f.Part <= decode.First && want != 0:
		s.attributes(f.Raw, want)
	}
	return s
}

// attributes reads those of the start tag that raw begins with.
func (s *Stanza) attributes(raw []byte, want Fields) {
	var name []byte
	opened := false
	for p := range pieces(raw) {
		switch p.kind {
		case pOpen:
			opened = true
		case pAttr:
			name = raw[p.start:p.end]
		case pValue:
			to, field := s.field(name)
			if want&field == 0 {
				continue
			}
			if v := raw[p.start:p.end]; *to == "" && len(v) > 1 && v[len(v)-1] == v[0] {
				*to = unescape(v[1 : len(v)-1])
			}
		case pClose:
			if opened {
				return
			}
		}
	}
}

// field is where an attribute goes.
func (s *Stanza) field(name []byte) (*string, Fields) {
	switch string(name) {
	case "type":
		return &s.Type, FieldType
	case "id":
		return &s.ID, FieldID
	case "from":
		return &s.From, FieldFrom
	case "to":
		return &s.To, FieldTo
	case "xml:lang":
		return &s.Lang, FieldLang
	}
	return nil, 0
}

// Escape makes text safe as character data and in attribute values with either
// kind of quote. White space in values stays what it is.
func Escape(text string) string { return html.EscapeString(text) }
