package decode

import "bytes"

// This file is everything outside the hot path: the level between elements, junk, and the search for the ends of tokens.

// junkCut is the length at which junk is cut, besides behind every >: junk has no end of its own.
const junkCut = 4096

// tagEnd finds the end of the tag at i: behind its >, or in front of a < that stands outside quotes. It remembers how far
// it came, so that a tag that arrives byte by byte is searched once.
func (d *Decoder) tagEnd(i int) (int, bool) {
	b := d.work.b
	j := max(i+1, i+d.look)
	quote := d.quote
	if d.look == 0 {
		quote = 0
	}
	limit := min(d.end, i+MaxTag)
	for ; j < limit; j++ {
		if quote != 0 {
			n := bytes.IndexByte(b[j:limit], quote)
			if n < 0 {
				j = limit
				break
			}
			j, quote = j+n, 0
			continue
		}
		switch c := b[j]; c {
		case '\'', '"':
			quote = c
		case '>':
			d.look = 0
			return j + 1, true
		case '<':
			d.look = 0
			return j, true
		}
	}
	if j-i >= MaxTag {
		d.look = 0
		d.work.bad = failure{i, CodeTooLong, "the tag is too long"}
		return i + MaxTag, true
	}
	d.look, d.quote = j-i, quote
	return 0, false
}

// searched reports whether the token at i, which was not complete, is worth another look.
func (d *Decoder) searched(i int) bool {
	if d.work.b[i] != '<' || i+1 >= d.end {
		return true
	}
	switch d.work.b[i+1] {
	case '!', '?':
		return true // their own searches are resumable
	}
	_, ok := d.tagEnd(i)
	return ok
}

// find searches for mark in the token at i, from behind its opening of n bytes. It is resumable like tagEnd.
func (d *Decoder) find(i, n int, mark string) (int, bool) {
	b := d.work.b
	limit := min(d.end, i+MaxTag)
	from := min(max(i+n, i+d.look-len(mark)), limit)
	if at := bytes.Index(b[from:limit], []byte(mark)); at >= 0 {
		d.look = 0
		return from + at + len(mark), true
	}
	if d.end-i >= MaxTag {
		d.look = 0
		return i + MaxTag, true
	}
	d.look = max(limit-i, 1)
	return 0, false
}

// begins tells whether the bytes at i are prefix; more says that it cannot be known yet.
func (d *Decoder) begins(i int, prefix string) (yes, more bool) {
	have := d.work.b[i:d.end]
	if len(have) >= len(prefix) {
		return string(have[:len(prefix)]) == prefix, false
	}
	return false, string(have) == prefix[:len(have)]
}

// xmlDecl tells whether an XML declaration begins at i: <?xml and a blank.
func (d *Decoder) xmlDecl(i int) (yes, more bool) {
	yes, more = d.begins(i, "<?xml")
	if !yes {
		return false, more
	}
	if i+5 >= d.end {
		return false, true
	}
	return blank(d.work.b[i+5]), false
}

// top scans between first-level elements.
func (d *Decoder) top() bool {
	b, i := d.work.b, d.pos
	if i >= d.end {
		return false
	}
	if blank(b[i]) {
		d.kind = Whitespace
		return d.finish(i+1, atTop)
	}
	if b[i] != '<' {
		d.kind, d.state, d.from = Junk, inText, i
		d.soft(i, CodeText, "text where only elements may be")
		return true
	}
	if i+1 >= d.end {
		return false
	}
	switch b[i+1] {
	case '?':
		return d.topInstruction(i)
	case '!':
		return d.topMarkup(i)
	case '/':
		return d.topEnd(i)
	}
	if d.look > 0 && !d.searched(i) {
		return false
	}
	before := d.err
	j := d.startTag(i)
	if j < 0 {
		return d.badTag(i, before)
	}
	if len(d.work.stack) == 0 {
		return d.finish(j, atTop) // a stream header, or an empty element
	}
	d.pos, d.state = j, inElement
	return true
}

func (d *Decoder) topInstruction(i int) bool {
	decl, short := d.xmlDecl(i)
	if short {
		return false
	}
	end, ok := d.find(i, 2, "?>")
	if !ok {
		return false
	}
	b := d.work.b[i:end]
	switch {
	case !bytes.HasSuffix(b, []byte("?>")):
		return d.fail(end, i, CodeTooLong, "a processing instruction without end")
	case decl:
		d.kind = Declaration
		if why := badDeclaration(b); why != "" {
			d.soft(i, CodeXMLDecl, why)
		}
	default:
		d.kind = Instruction
		d.soft(i, CodeInstruction, "processing instructions are forbidden in XMPP")
	}
	return d.finish(end, atTop)
}

// badDeclaration says what is wrong with an XML declaration (XML 1.0 §2.8, RFC 6120 §11.5 and §11.6).
func badDeclaration(b []byte) string {
	rest := b[len("<?xml") : len(b)-len("?>")]
	for n, want := range []string{"version", "encoding", "standalone"} {
		trimmed := bytes.TrimLeft(rest, " \t\r\n")
		if len(trimmed) == 0 && n > 0 {
			return ""
		}
		after, ok := bytes.CutPrefix(trimmed, []byte(want))
		if !ok {
			if n == 0 {
				return "the XML declaration does not begin with its version"
			}
			continue
		}
		if len(trimmed) == len(rest) {
			return "no blank in the XML declaration"
		}
		after, ok = bytes.CutPrefix(bytes.TrimLeft(after, " \t\r\n"), []byte("="))
		after = bytes.TrimLeft(after, " \t\r\n")
		if !ok || len(after) < 2 || after[0] != '\'' && after[0] != '"' {
			return "the XML declaration is malformed"
		}
		end := bytes.IndexByte(after[1:], after[0])
		if end < 0 {
			return "the XML declaration is malformed"
		}
		value := string(after[1 : 1+end])
		switch {
		case n == 0 && value != "1.0":
			return "XML version " + short([]byte(value)) + ", only 1.0 is allowed"
		case n == 1 && !bytes.EqualFold([]byte(value), []byte("utf-8")):
			return "encoding " + short([]byte(value)) + ", only UTF-8 is allowed"
		case n == 2 && value != "yes" && value != "no":
			return "the XML declaration is malformed"
		}
		rest = after[2+end:]
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return "the XML declaration is malformed"
	}
	return ""
}

// topMarkup is a comment, a DTD, or a CDATA section where only elements may be.
func (d *Decoder) topMarkup(i int) bool {
	comment, short := d.begins(i, "<!--")
	if short {
		return false
	}
	if comment {
		end, ok := d.find(i, 4, "-->")
		if !ok {
			return false
		}
		if !bytes.HasSuffix(d.work.b[i:end], []byte("-->")) {
			return d.fail(end, i, CodeTooLong, "a comment without end")
		}
		d.kind = Comment
		d.soft(i, CodeComment, "comments are forbidden in XMPP")
		return d.finish(end, atTop)
	}
	doctype, short := d.begins(i, "<!DOCTYPE")
	if short {
		return false
	}
	if doctype {
		return d.doctype(i)
	}
	cdata, short := d.begins(i, "<![CDATA[")
	if short {
		return false
	}
	if cdata {
		end, ok := d.find(i, 9, "]]>")
		if !ok {
			return false
		}
		d.kind = Junk
		d.soft(i, CodeText, "text where only elements may be")
		return d.finish(end, atTop)
	}
	end, ok := d.tagEnd(i)
	if !ok {
		return false
	}
	return d.fail(end, i, CodeSyntax, "<! does not begin a comment or a DTD")
}

// doctype finds the end of a DTD: the first > outside quotes and outside its internal subset. It looks at all of it
// each time: a DTD has no place in XMPP, and its length is bounded.
func (d *Decoder) doctype(i int) bool {
	b := d.work.b
	depth := 0
	var quote byte
	for j := i + 9; j < d.end && j-i < MaxTag; j++ {
		switch c := b[j]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '>' && depth <= 0:
			d.kind = Doctype
			d.soft(i, CodeDoctype, "DTDs are forbidden in XMPP")
			return d.finish(j+1, atTop)
		}
	}
	if d.end-i >= MaxTag {
		return d.fail(i+MaxTag, i, CodeTooLong, "a DTD without end")
	}
	return false
}

// topEnd is the end of the stream, or an end tag of nothing.
func (d *Decoder) topEnd(i int) bool {
	end, ok := d.tagEnd(i)
	if !ok {
		return false
	}
	b := d.work.b[i:end]
	if d.stream == nil {
		return d.fail(end, i, CodeStray, "end tag "+short(b)+" outside a stream")
	}
	name := bytes.TrimRight(bytes.TrimSuffix(b[2:], []byte(">")), " \t\r\n")
	want := d.stream.Name
	if d.stream.Prefix != "" {
		want = d.stream.Prefix + ":" + want
	}
	if string(name) != want || b[len(b)-1] != '>' {
		return d.fail(end, i, CodeStray, "end tag "+short(b)+" of nothing that is open")
	}
	d.kind, d.ends = End, true
	d.name = span{2, int32(len(name))}
	d.prefix = int32(len(d.stream.Prefix))
	d.own, d.nsUp = false, d.streamNS()
	return d.finish(end, atTop)
}

// streamNS is the namespace of the stream header as bytes.
func (d *Decoder) streamNS() []byte {
	for k := range d.stream.Bindings {
		if d.stream.Bindings[k].Prefix == d.stream.Prefix {
			return d.streamURI(k)
		}
	}
	return nil
}

// strayText scans text where only elements may be, up to the next < or the cut.
func (d *Decoder) strayText() bool {
	b, i := d.work.b, d.pos
	for {
		switch {
		case i >= d.end:
			d.pos = i
			return false
		case b[i] == '<':
			return d.finish(i, atTop)
		case b[i] == '>' || i-d.from+1 >= junkCut:
			return d.finish(i+1, atTop)
		}
		i++
	}
}

// lost skips what follows a hard error, up to an XML declaration or a stream header.
func (d *Decoder) lost() bool {
	b, i := d.work.b, d.pos
	if d.kind == 0 {
		if i >= d.end {
			return false
		}
		if b[i] == '<' {
			begins, short := d.streamBegins(i)
			if short {
				return false
			}
			if begins {
				d.stream = nil
				d.state = atTop
				return true
			}
		}
		d.kind, d.from = Junk, i
		d.soft(i, CodeLost, "skipped, the structure is lost")
		i++
		if b[i-1] == '>' {
			return d.finish(i, inLost)
		}
	}
	for {
		switch {
		case i >= d.end:
			d.pos = i
			return false
		case b[i] == '<':
			return d.finish(i, inLost) // looked at as the beginning of the next frame
		case b[i] == '>' || i-d.from+1 >= junkCut:
			return d.finish(i+1, inLost)
		}
		i++
	}
}

// maxPrefix bounds the prefix of a stream header that ends the junk, in bytes.
const maxPrefix = 64

// streamBegins tells whether a stream begins at i: an XML declaration, or a start tag whose local name is stream.
func (d *Decoder) streamBegins(i int) (yes, more bool) {
	if yes, more := d.xmlDecl(i); yes || more {
		return yes, more
	}
	b := d.work.b
	name := i + 1
	for j := name; j-i < maxPrefix+len("stream")+2; j++ {
		if j >= d.end {
			return false, true
		}
		switch c := b[j]; {
		case c == ':':
			name = j + 1
		case blank(c) || c == '>' || c == '/' || c == '<':
			return string(b[name:j]) == "stream" && c != '<' && !(c == '/' && j == i+1), false
		}
	}
	return false, false
}

// markup is <! or <? inside an element.
func (d *Decoder) markup(i int) bool {
	d.pos = i
	b := d.work.b
	if b[i+1] == '?' {
		decl, short := d.xmlDecl(i)
		if short {
			return false
		}
		if decl {
			// The peer began anew in the middle of an element.
			d.kind = Junk
			d.err = &SyntaxError{Offset: d.base + int64(i), Code: CodeDeclaration, Msg: "an XML declaration inside an element"}
			d.abandon()
			d.stream = nil
			return d.finish(i, atTop)
		}
		return d.inside(i, 2, "?>", CodeInstruction, "processing instructions are forbidden in XMPP")
	}
	cdata, short := d.begins(i, "<![CDATA[")
	if short {
		return false
	}
	if cdata {
		d.pos, d.state = i+9, inCDATA
		d.look = 0
		return true
	}
	comment, short := d.begins(i, "<!--")
	if short {
		return false
	}
	if comment {
		return d.inside(i, 4, "-->", CodeComment, "comments are forbidden in XMPP")
	}
	end, ok := d.tagEnd(i)
	if !ok {
		return false
	}
	return d.fail(end, i, CodeSyntax, "<! does not begin a comment or CDATA")
}

// inside passes over a comment or processing instruction in an element.
func (d *Decoder) inside(i, n int, mark string, code Code, msg string) bool {
	end, ok := d.find(i, n, mark)
	if !ok {
		return false
	}
	if !bytes.HasSuffix(d.work.b[i:end], []byte(mark)) {
		return d.fail(end, i, CodeTooLong, "a comment or processing instruction without end")
	}
	d.soft(i, code, msg)
	d.pos = end
	return true
}

// cdata scans a CDATA section from pos.
func (d *Decoder) cdata() bool {
	b, i := d.work.b, d.pos
	for {
		m := inCDATAFlags(load(b, i))
		if m == 0 {
			i += 8
			continue
		}
		i += first(m)
		if b[i] != ']' {
			j := d.cdataChar(i)
			if j < 0 {
				d.pos = i
				return false
			}
			i = j
			continue
		}
		yes, short := d.begins(i, "]]>")
		switch {
		case short:
			d.pos = i
			return false
		case yes:
			d.pos, d.state = i+3, inElement
			return true
		}
		i++
	}
}

func (d *Decoder) cdataChar(i int) int {
	if d.work.b[i] == '&' {
		return i + 1
	}
	return d.oddChar(i)
}
