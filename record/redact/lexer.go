package redact

import (
	"bytes"
	"unicode/utf8"
)

// A lexer replaces what one direction carries, in the buffers that it is given: at once, or, where the end of a text or
// tag has not come, with a later one. It never changes a byte that XML gives a meaning to, so that package decode makes
// the same frames of what comes out; what is not well-formed is taken for text.
//
// It knows the elements that are open, as far as policies ask for them. Behind it stay: the unfinished text or tag, at
// most maxPiece bytes, and the names of the open elements, at most maxOpen.
type lexer struct {
	r     *redactor
	stack []frame
	depth int // of elements beyond the stack

	tok   []byte   // what waits for its end
	at    [][]byte // where it stands: buffers, whose concatenation is tok
	look  int      // so much of tok was searched in vain
	quote byte
	in    byte // 0, or inside of what was cut: 'c' CDATA, '-' a comment, '?' an instruction

	fed, settled int64
}

const (
	// maxPiece bounds a text or tag that waits for its end, in bytes: what is longer is replaced in pieces.
	maxPiece = 1 << 20
	// maxText is where the text of an element is cut.
	maxText = 64 << 10
	// maxOpen bounds the elements that are remembered.
	maxOpen = 256
)

// feed takes the next bytes.
func (l *lexer) feed(b []byte) {
	l.fed += int64(len(b))
	waiting := len(l.tok) > 0
	work := b
	if waiting {
		l.tok = append(l.tok, b...)
		l.at = append(l.at, b)
		work = l.tok
	}
	done := l.run(work, false)
	l.settled += int64(done)
	if waiting {
		l.back(done)
		return
	}
	if rest := b[done:]; len(rest) > 0 {
		l.tok = append(l.tok[:0], rest...)
		l.at = append(l.at[:0], rest)
	}
}

// flush replaces what still waits: nothing more comes, or it has waited too long.
func (l *lexer) flush() {
	if len(l.tok) == 0 {
		return
	}
	n := l.run(l.tok, true)
	l.settled += int64(n)
	l.back(n)
}

// back writes the first n bytes of tok to where they stand.
func (l *lexer) back(n int) {
	done := l.tok[:n]
	for len(done) > 0 {
		k := copy(l.at[0], done)
		done = done[k:]
		if l.at[0] = l.at[0][k:]; len(l.at[0]) == 0 {
			l.at = l.at[1:]
		}
	}
	l.tok = l.tok[:copy(l.tok, l.tok[n:])]
	if cap(l.tok) > maxPiece && len(l.tok) == 0 {
		l.tok = nil
	}
	for len(l.at) > 0 && len(l.at[0]) == 0 {
		l.at = l.at[1:]
	}
}

// reset forgets what is open: a new layer begins.
func (l *lexer) reset() {
	l.flush()
	l.stack, l.depth, l.in, l.look, l.quote = l.stack[:0], 0, 0, 0, 0
}

// run replaces whole pieces of b and returns how much that was.
func (l *lexer) run(b []byte, last bool) int {
	done := 0
	for done < len(b) {
		n := l.piece(b[done:], last)
		if n == 0 {
			break
		}
		l.look, l.quote = 0, 0
		done += n
	}
	return done
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// piece replaces the first piece of b and returns its length, 0 when more has to come.
func (l *lexer) piece(b []byte, last bool) int {
	switch l.in {
	case 'c':
		return l.until(b, 0, "]]>", last, func(b []byte, end bool) { l.chars(cut(b, end, 3), false) })
	case '-':
		return l.until(b, 0, "-->", last, func(b []byte, end bool) { l.remark(cut(b, end, 3)) })
	case '?':
		return l.until(b, 0, "?>", last, func(b []byte, end bool) { l.remark(cut(b, end, 2)) })
	}
	switch {
	case blank(b[0]):
		n := 1
		for n < len(b) && blank(b[n]) {
			n++
		}
		return n
	case b[0] != '<':
		return l.textPiece(b, last)
	case len(b) < 9 && !last && short(b):
		return 0
	case bytes.HasPrefix(b, []byte("<![CDATA[")):
		l.in = 'c'
		return 9
	case bytes.HasPrefix(b, []byte("<!--")):
		l.in = '-'
		return 4
	case bytes.HasPrefix(b, []byte("<?")):
		return l.instruction(b, last)
	}
	return l.tagPiece(b, last)
}

// short reports whether it cannot be known yet what b begins.
func short(b []byte) bool {
	for _, mark := range []string{"<![CDATA[", "<!--", "<?"} {
		if len(b) < len(mark) && string(b) == mark[:len(b)] {
			return true
		}
	}
	return false
}

func cut(b []byte, end bool, n int) []byte {
	if end {
		return b[:len(b)-n]
	}
	return b
}

// until takes what goes up to a mark, in pieces where that is long.
func (l *lexer) until(b []byte, from int, mark string, last bool, do func(b []byte, end bool)) int {
	start := max(from, l.look-len(mark))
	if i := bytes.Index(b[start:], []byte(mark)); i >= 0 {
		n := start + i + len(mark)
		do(b[from:n], true)
		l.in = 0
		return n
	}
	if !last && len(b) < maxPiece {
		l.look = len(b)
		return 0
	}
	n := len(b)
	if !last {
		n = boundary(b[:n-len(mark)])
	}
	do(b[from:n], false)
	return n
}

// boundary is where b can be cut without cutting a character or a reference.
func boundary(b []byte) int {
	n := len(b)
	for i := n - 1; i >= max(0, n-maxReference); i-- {
		if b[i] == ';' {
			break
		}
		if b[i] == '&' {
			n = i
			break
		}
	}
	for i := n; i > max(0, n-utf8.UTFMax); i-- {
		if utf8.RuneStart(b[i-1]) {
			if !utf8.FullRune(b[i-1 : n]) {
				return i - 1
			}
			break
		}
	}
	return n
}

func (l *lexer) textPiece(b []byte, last bool) int {
	n := bytes.IndexByte(b[l.look:], '<')
	switch {
	case n >= 0 && l.look+n < maxText:
		n += l.look
	case len(b) >= maxText || n >= 0:
		n = max(boundary(b[:min(len(b), maxText)]), 1)
	case last:
		n = len(b)
	default:
		l.look = len(b)
		return 0
	}
	l.chars(b[:n], true)
	return n
}

func (l *lexer) instruction(b []byte, last bool) int {
	if bytes.HasPrefix(b, []byte("<?xml")) && len(b) > 5 && blank(b[5]) {
		if i := bytes.Index(b, []byte("?>")); i >= 0 && i < 200 {
			l.stack, l.depth = l.stack[:0], 0 // a stream begins, or begins anew
			l.r.scan(l.r.value(b[:i+2], false), secretOnly, false)
			return i + 2
		} else if len(b) < 200 && !last {
			return 0
		}
	}
	n := 2
	for n < len(b) && !blank(b[n]) && b[n] != '?' && b[n] != '>' && n < 64 {
		n++
	}
	if n == len(b) && !last {
		return 0
	}
	l.r.scan(l.r.value(b[2:n], false), secretOnly, false)
	l.in = '?'
	return n
}

// tagPiece takes a tag, or <!…>.
func (l *lexer) tagPiece(b []byte, last bool) int {
	i := max(l.look, 1)
	for ; i < len(b); i++ {
		c := b[i]
		if l.quote != 0 {
			if c == l.quote {
				l.quote = 0
			}
			continue
		}
		if c == '\'' || c == '"' {
			l.quote = c
		}
		if c == '>' {
			return l.tagTo(b[:i+1])
		}
	}
	if last || len(b) >= maxPiece {
		return l.tagTo(b)
	}
	l.look = len(b)
	return 0
}

// tagTo takes a tag, up to a < in it: quotes that do not match would hide the rest, with texts and all.
func (l *lexer) tagTo(b []byte) int {
	if i := bytes.IndexByte(b[1:], '<'); i >= 0 {
		b = b[:i+1]
	}
	l.tag(b)
	return len(b)
}

// remark replaces a comment or an instruction.
func (l *lexer) remark(b []byte) { l.r.text(l.r.value(b, false), "text") }

// chars replaces the text of an element, or what stands outside of any.
func (l *lexer) chars(b []byte, escaped bool) {
	t := treat{how: text, kind: "text"}
	if n := len(l.stack); n > 0 && l.depth == 0 && !l.stack[n-1].outer {
		t = l.stack[n-1].text
	}
	l.r.apply(t, b, escaped)
}

// attr is an attribute of a tag: where its name and value stand.
type attr struct {
	name       string
	value      []byte
	from, to   int
	start, end int
}

// tag replaces what a tag holds, and follows the nesting.
func (l *lexer) tag(b []byte) {
	if len(b) > 1 && (b[1] == '!' || b[1] == '?') {
		n := 2
		for n < len(b) && (b[n]|0x20 >= 'a' && b[n]|0x20 <= 'z') {
			n++
		}
		l.r.scan(l.r.value(b[2:n], false), secretOnly, false)
		l.remark(b[n:])
		return
	}
	if len(b) > 1 && b[1] == '/' {
		end := nameEnd(b, 2)
		if l.isOpen(string(b[2:end])) {
			l.r.stays(b[2:end])
		} else {
			l.r.scan(l.r.value(b[2:end], false), notKnown, false)
		}
		l.r.scan(l.r.value(b[end:], false), all, false) // quotes that do not match can hide a text here
		switch {
		case l.depth > 0:
			l.depth--
		case len(l.stack) > 0:
			l.stack = l.stack[:len(l.stack)-1]
		}
		return
	}
	end := nameEnd(b, 1)
	name := string(b[1:min(end, 1+1024)])
	attrs := attributes(b, end)
	f := l.open(name, attrs)
	l.r.stays(b[1:end])
	// What is no attribute is a broken tag: its words are replaced where they could be anything.
	at := end
	for i := range attrs {
		a := &attrs[i]
		if a.start-at > 1 || a.start > at && !blank(b[at]) {
			l.r.scan(l.r.value(b[at:a.start], false), notKnown, false)
		}
		l.r.stays(b[a.start:a.from])
		l.r.apply(l.attribute(&f, a, attrs), a.value, true)
		at = a.end
	}
	l.r.scan(l.r.value(b[at:], false), notKnown, false)
	if bytes.HasSuffix(b, []byte("/>")) {
		return
	}
	if len(l.stack) >= maxOpen {
		l.depth++
		return
	}
	l.stack = append(l.stack, f)
}

// isOpen reports whether an element of that name may be open.
func (l *lexer) isOpen(q string) bool {
	_, name := split(q)
	for i := range l.stack {
		if l.stack[i].name == name {
			return true
		}
	}
	return l.depth > 0
}

// nameEnd is where the name ends that begins at i.
func nameEnd(b []byte, i int) int {
	for i < len(b) && !blank(b[i]) && b[i] != '>' && b[i] != '/' && b[i] != '=' && b[i] != '\'' && b[i] != '"' && b[i] != '<' {
		i++
	}
	return i
}

// attributes finds the attributes of a tag behind its name.
func attributes(b []byte, i int) []attr {
	var out []attr
	for i < len(b) {
		if b[i] != '\'' && b[i] != '"' {
			i++
			continue
		}
		quote := i
		close := bytes.IndexByte(b[i+1:], b[i])
		end := len(b)
		valueEnd := len(b)
		if close >= 0 {
			valueEnd = i + 1 + close
			end = valueEnd + 1
		}
		n := quote
		for n > 0 && blank(b[n-1]) {
			n--
		}
		ok := n > 0 && b[n-1] == '='
		if ok {
			n--
			for n > 0 && blank(b[n-1]) {
				n--
			}
		}
		start := n
		for ok && start > 0 && !blank(b[start-1]) && b[start-1] != '\'' && b[start-1] != '"' && b[start-1] != '<' && b[start-1] != '/' && b[start-1] != '=' {
			start--
		}
		if prev := len(out); prev > 0 && start < out[prev-1].end {
			start = out[prev-1].end
		}
		out = append(out, attr{name: string(b[start:max(start, n)]), value: b[quote+1 : valueEnd], from: quote + 1, to: valueEnd, start: start, end: end})
		i = end
	}
	return out
}
