package stanza

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode"
)

// Back is a stanza to who sent s, of the same kind and with the same id (RFC 6120
// §8.1.3, §8.3.1), of a type and with that in it. own = it declares its namespace,
// which it does not have from its stream.
func (s *Stanza) Back(typ, payload string, own bool) string {
	var b strings.Builder
	b.WriteString("<" + s.Kind)
	if own {
		b.WriteString(" xmlns='" + Escape(s.NS) + "'")
	}
	for _, a := range [][2]string{{"type", typ}, {"id", s.ID}, {"from", s.To}, {"to", s.From}} {
		if a[1] != "" {
			b.WriteString(" " + a[0] + "='" + Escape(a[1]) + "'")
		}
	}
	if payload == "" {
		return b.String() + "/>"
	}
	return b.String() + ">" + payload + "</" + s.Kind + ">"
}

// Draft is what an answer to a stanza may begin with, which is known without its
// stream: the result of a request, or of other stanzas their type error with refusal
// in it; "" where nothing is answered.
func Draft(xml, refusal string) string {
	f, ok := Alone(xml)
	if !ok {
		return ""
	}
	s := ParseFields(f)
	if s.Root() == nil {
		return ""
	}
	// Over WebSocket each has its own.
	own := slices.ContainsFunc(s.Root().Declared(), func(a Attr) bool { return a.Name == "xmlns" })
	switch {
	case s.Kind == "iq" && (s.Type == "get" || s.Type == "set"):
		return s.Back("result", "", own)
	case s.Kind == "message", s.Kind == "presence":
		return s.Back("error", refusal, own)
	}
	return ""
}

// Alone reads an element that is known without its stream: as one in the stream of a
// client, where it may have its namespace from.
func Alone(xml string) (f decode.Frame, ok bool) {
	var dec decode.Decoder
	dec.Write([]byte("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"))
	dec.Next()
	dec.Write([]byte(xml))
	f, ok = dec.Next()
	return f, ok && f.Err == nil
}

// SecretsAlone is Secrets for an element that is known without its stream, which may
// have declared any namespace for it: what could be a secret in one of them is.
func SecretsAlone(xml string) []Span {
	dec := decode.Decoder{Bare: true}
	dec.Write([]byte(xml))
	f, ok := dec.Close()
	if !ok {
		return nil
	}
	return Secrets(f)
}

// LineColumn says where a byte of a text is, for people: both from 1, the column in
// characters.
func LineColumn(text string, at int) (line, column int) {
	before := text[:at]
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}
