// Package stanza says what one frame means: its kind, addresses and payloads,
// a summary in words, which of its bytes are secret, and how to print it.
//
// It judges a frame by itself. What frames mean together is for decode/track.
package stanza

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/xep"
)

const (
	nsClient  = "jabber:client"
	nsServer  = "jabber:server"
	nsStreams = "http://etherx.jabber.org/streams"
	nsStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"
)

// A Stanza is what a frame means. Strings are as they stand in the traffic,
// references resolved; Summary alone is made safe to print.
type Stanza struct {
	// Kind is message, presence or iq for stanzas, nonza for other
	// first-level elements (XEP-0360), else the name of the frame's kind:
	// declaration, header, end, whitespace, comment, instruction, doctype,
	// junk; body for the tags of a BOSH wrapper that say nothing by
	// themselves (see Body.Quiet).
	Kind string

	Name, NS, Type, ID, From, To, Lang string

	Payloads []Payload
	Error    *Error // of a stanza of type error, or of a stream error or SASL failure
	Summary  string // one line in words, without control characters
	Generic  bool   // the summary knows no more than names: payload, XEP

	root *Node
}

// Root returns the element that was parsed, nil when there is none.
func (s *Stanza) Root() *Node { return s.root }

// A Payload is a child of a stanza, or a nonza itself.
type Payload struct {
	NS, Name string
	XEP      string // XEP-0045, RFC 6120; "" when the namespace is not known
}

// An Error is a stanza error (RFC 6120 §8.3), a stream error (§4.9) or the
// failure of a nonza.
type Error struct {
	Condition string // not-allowed; "" when none is given
	Type      string // cancel, continue, modify, auth, wait; only of stanza errors
	Text      string
}

// Parse says what a frame means. It never fails: of a frame that cannot be
// read it tells the kind.
func Parse(f decode.Frame) Stanza { return parse(f, true) }

// ParseFields is Parse without the Summary of an element, which takes a third of
// the time and is for readers.
func ParseFields(f decode.Frame) Stanza { return parse(f, false) }

func parse(f decode.Frame, words bool) Stanza {
	s := Stanza{Kind: kindOf(f), Name: word(f.Name), NS: word(f.NS)}
	switch f.Kind {
	case decode.Header:
		if !s.body(f) {
			s.header(f)
		}
	case decode.Element:
		if f.Part == decode.Middle || f.Part == decode.Last {
			s.Summary = fmt.Sprintf("%s goes on, %d bytes", cmp.Or(s.Name, "element"), len(f.Raw))
			break
		}
		root, err := Tree(f)
		if err != nil {
			s.Summary = fmt.Sprintf("%s, %d bytes", cmp.Or(s.Name, "element"), len(f.Raw))
			break
		}
		s.root = root
		s.read(root)
		if !words {
			break
		}
		s.Summary = s.words(root)
		if f.Part == decode.First {
			s.Summary += fmt.Sprintf(" (the first %d bytes of a large element)", len(f.Raw))
		}
	case decode.Declaration:
		s.Summary = "XML declaration"
	case decode.Whitespace:
		s.Summary = "white space keepalive"
		if len(f.Raw) > 1 {
			s.Summary += fmt.Sprintf(", %d bytes", len(f.Raw))
		}
	case decode.End:
		s.Summary = "stream end"
		if s.Kind == "body" {
			s.Summary = "end of a BOSH body"
		}
	case decode.Junk:
		raw := Mask(f.Raw, Secrets(f))
		s.Summary = fmt.Sprintf("not XML, %d bytes: %s", len(f.Raw), quote(string(raw[:min(len(raw), 400)]), 60))
	default:
		s.Summary = fmt.Sprintf("%s, not allowed in XMPP (RFC 6120 §11.1)", s.Kind)
	}
	s.Summary = Clean(s.Summary, 1000)
	return s
}

func kindOf(f decode.Frame) string {
	switch f.Kind {
	case decode.Element:
		switch string(f.NS) {
		case nsClient, nsServer, "jabber:component:accept", "jabber:component:connect", "", nsBOSH: // XEP-0206 §2: stanzas may inherit the wrapper's namespace
			switch name := string(f.Name); name {
			case "message", "presence", "iq":
				return name
			}
		}
		return "nonza"
	case decode.Declaration:
		return "declaration"
	case decode.Header:
		return "header"
	case decode.Whitespace:
		return "whitespace"
	case decode.End:
		if string(f.NS) == nsBOSH {
			return "body"
		}
		return "end"
	case decode.Comment:
		return "comment"
	case decode.Instruction:
		return "instruction"
	case decode.Doctype:
		return "doctype"
	}
	return "junk"
}

func (s *Stanza) header(f decode.Frame) {
	h := f.Stream
	s.From, s.To, s.ID, s.Lang = h.Attr("from"), h.Attr("to"), h.Attr("id"), h.Attr("xml:lang")
	words := []string{join("stream", route(s.From, s.To))}
	ns, _ := h.Lookup("")
	switch ns {
	case nsClient, "":
	case nsServer:
		words = append(words, "server to server")
	case "jabber:component:accept":
		words = append(words, "component")
	default:
		words = append(words, ns)
	}
	for _, name := range []string{"version", "id", "xml:lang"} {
		if v := h.Attr(name); v != "" {
			words = append(words, strings.TrimPrefix(name, "xml:")+" "+v)
		}
	}
	s.Summary = strings.Join(words, ", ")
}

// read fills in the fields that come straight from the tree.
func (s *Stanza) read(root *Node) {
	s.Type, s.ID, s.From, s.To, s.Lang = root.Attr("type"), root.Attr("id"), root.Attr("from"), root.Attr("to"), root.Attr("xml:lang")
	if s.Kind == "nonza" {
		s.payload(root)
		if root.NS == nsStreams && root.Name == "error" {
			s.Error = readError(root, "urn:ietf:params:xml:ns:xmpp-streams")
		}
		if root.Name == "failure" || root.Name == "failed" {
			s.Error = readError(root, "")
		}
		if root.NS == nsDialback && s.Type == "error" {
			s.Error = &Error{}
			if c := root.Child("", "error"); c != nil {
				s.Error = readError(c, nsStanzas)
			}
		}
		return
	}
	if n := len(root.Children); n > 0 {
		s.Payloads = make([]Payload, 0, min(n, maxPayloads))
	}
	for _, c := range root.Children {
		s.payload(c)
		if c.Name == "error" && s.Error == nil && s.Type == "error" {
			s.Error = readError(c, nsStanzas)
		}
	}
	if s.Type == "error" && s.Error == nil {
		s.Error = &Error{}
	}
}

// maxPayloads bounds what is listed of a hostile stanza.
const maxPayloads = 100

func (s *Stanza) payload(n *Node) {
	if len(s.Payloads) == maxPayloads {
		return
	}
	spec, _ := xep.Lookup(n.NS)
	s.Payloads = append(s.Payloads, Payload{n.NS, n.Name, spec.ID})
}

func readError(n *Node, ns string) *Error {
	e := &Error{Type: n.Attr("type")}
	for _, c := range n.Children {
		switch {
		case c.Name == "text":
			if e.Text == "" {
				e.Text = c.Text
			}
		case ns == "" || c.NS == ns:
			if e.Condition == "" {
				e.Condition = c.Name
			}
		}
	}
	return e
}

// words of the error: not-allowed (cancel) "text".
func (e *Error) words() string {
	w := cmp.Or(e.Condition, "without a condition")
	if e.Text != "" {
		w += " " + quote(e.Text, 80)
	}
	return w
}

// short is an address without its resource.
func short(jid string) string { return SplitJID(jid).Bare().String() }

// route says who speaks to whom: a → b, → b, or from a.
func route(from, to string) string {
	switch {
	case from == "" && to == "":
		return ""
	case from == "":
		return "→ " + short(to)
	case to == "":
		return "from " + short(from)
	}
	return short(from) + " → " + short(to)
}

// quote puts text of at most n characters in quotes, the rest as ….
func quote(s string, n int) string {
	b := make([]byte, 1, min(len(s), 4*n)+8)
	b[0] = '"'
	gap := false
	for _, r := range s {
		if r == ' ' || r == '\n' || r == '\t' || r == '\r' {
			gap = len(b) > 1
			continue
		}
		if n <= 0 {
			b = append(b, "…"...)
			break
		}
		if gap {
			b, n, gap = append(b, ' '), n-1, false
		}
		n--
		b = utf8.AppendRune(b, r)
	}
	return Clean(string(append(b, '"')), len(b)+1)
}

// Clean cuts s to n characters and makes what could drive a terminal, or turn
// the reading direction, visible as �.
func Clean(s string, n int) string {
	if len(s) <= n && utf8.ValidString(s) && strings.IndexFunc(s, dangerous) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if n == 0 {
			b.WriteRune('…')
			break
		}
		n--
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			r = ' '
		case r < 0x7f && r >= 0x20:
		case dangerous(r) || !unicode.IsGraphic(r) && r != '\u200d':
			r = '\ufffd'
		}
		b.WriteRune(r)
	}
	return b.String()
}
