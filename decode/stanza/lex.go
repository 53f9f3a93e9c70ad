package stanza

import (
	"bytes"
	"html"
	"iter"
	"strings"
)

// pieceKind says what a piece of a frame's text is.
type pieceKind uint8

const (
	pOpen    pieceKind = iota // < or </
	pName                     // element name with prefix
	pBlank                    // white space inside a tag
	pAttr                     // attribute name
	pEquals                   // =
	pValue                    // attribute value with its quotes
	pClose                    // > or />
	pText                     // character data
	pCDATA                    // a CDATA section with its marks
	pComment                  // comment, processing instruction, declaration or DTD
	pBroken                   // what is none of these
)

type piece struct {
	kind       pieceKind
	start, end int
}

// pieces cuts raw into lexical pieces that tile it. Broken input gives pBroken
// pieces; nothing is dropped.
func pieces(raw []byte) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		i := 0
		give := func(k pieceKind, end int) bool {
			p := piece{k, i, end}
			i = end
			return end == p.start || yield(p)
		}
		upTo := func(mark string) int {
			if n := bytes.Index(raw[i:], []byte(mark)); n >= 0 {
				return i + n + len(mark)
			}
			return len(raw)
		}
		for i < len(raw) {
			if raw[i] != '<' {
				end := len(raw)
				if n := bytes.IndexByte(raw[i:], '<'); n >= 0 {
					end = i + n
				}
				if !give(pText, end) {
					return
				}
				continue
			}
			rest := raw[i:]
			var ok bool
			switch {
			case bytes.HasPrefix(rest, []byte("<![CDATA[")):
				ok = give(pCDATA, upTo("]]>"))
			case bytes.HasPrefix(rest, []byte("<!--")):
				ok = give(pComment, upTo("-->"))
			case bytes.HasPrefix(rest, []byte("<?")):
				ok = give(pComment, upTo("?>"))
			case bytes.HasPrefix(rest, []byte("<!")):
				ok = give(pComment, upTo(">"))
			case bytes.HasPrefix(rest, []byte("</")):
				ok = give(pOpen, i+2) && tagPieces(raw, &i, give)
			default:
				ok = give(pOpen, i+1) && tagPieces(raw, &i, give)
			}
			if !ok {
				return
			}
		}
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// endsName are the bytes that end a name in a tag.
var endsName = [256]bool{' ': true, '\t': true, '\n': true, '\r': true, '>': true, '/': true, '=': true, '<': true, '\'': true, '"': true}

// tagPieces cuts the inside of a tag, up to behind its >.
func tagPieces(raw []byte, i *int, give func(pieceKind, int) bool) bool {
	name := func() int {
		j := *i
		for j < len(raw) && !endsName[raw[j]] {
			j++
		}
		return j
	}
	if !give(pName, name()) {
		return false
	}
	for *i < len(raw) {
		c := raw[*i]
		var ok bool
		switch {
		case isBlank(c):
			end := *i + 1
			for end < len(raw) && isBlank(raw[end]) {
				end++
			}
			ok = give(pBlank, end)
		case c == '>':
			return give(pClose, *i+1)
		case c == '/' && *i+1 < len(raw) && raw[*i+1] == '>':
			return give(pClose, *i+2)
		case c == '=':
			ok = give(pEquals, *i+1)
		case c == '\'' || c == '"':
			end := len(raw)
			if n := bytes.IndexByte(raw[*i+1:], c); n >= 0 {
				end = *i + 1 + n + 1
			}
			ok = give(pValue, end)
		case c == '<':
			return true
		case c == '/':
			ok = give(pBroken, *i+1)
		default:
			ok = give(pAttr, name())
		}
		if !ok {
			return false
		}
	}
	return true
}

// unescape resolves references. Those that XML does not define stay as they
// are: html.UnescapeString knows more names, so only the five and numbers go
// through it.
func unescape(b []byte) string {
	if bytes.IndexByte(b, '&') < 0 {
		return word(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		at := bytes.IndexByte(b, '&')
		if at < 0 {
			out.Write(b)
			break
		}
		out.Write(b[:at])
		b = b[at:]
		end := bytes.IndexByte(b[:min(len(b), 12)], ';')
		if end < 0 {
			out.WriteByte('&')
			b = b[1:]
			continue
		}
		switch name := string(b[1:end]); {
		case name == "lt", name == "gt", name == "amp", name == "apos", name == "quot", strings.HasPrefix(name, "#"):
			out.WriteString(html.UnescapeString(string(b[:end+1])))
		default:
			out.Write(b[:end+1])
		}
		b = b[end+1:]
	}
	return out.String()
}
