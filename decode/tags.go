package decode

import (
	"bytes"
	"unicode/utf8"
)

// This file parses tags. A start tag is parsed in place without knowing that it is complete: the padding stops every
// scan. Only when that fails is its end searched for, to tell an incomplete tag from a broken one.

// binding is a namespace declaration of an open element.
type binding struct{ prefix, uri span }

// failure is why a start tag cannot be parsed.
type failure struct {
	at   int
	code Code
	msg  string
}

const bad = -2 // in place of an index: see work.bad

func (d *Decoder) broken(at int, code Code, msg string) int {
	d.work.bad = failure{at, code, msg}
	return bad
}

// scanName returns the end of the name at p, which is p when there is none. colon is the index of its only colon
// relative to p, 0 when there is none, -1 when there are several or one at an end.
func (d *Decoder) scanName(p int) (end, colon int) {
	// Nearly all names are ASCII, have up to seven characters, or fifteen, and at most one colon.
	b := d.work.b
	w := load(b, p)
	if m := notNameFlags(w); m != 0 {
		n := first(m)
		if n > 0 && startsName[byte(w)] && b[p+n] < utf8.RuneSelf {
			z := colonFlags(w) & below(m)
			if z == 0 {
				return p + n, 0
			}
			if k := first(z); z&(z-1) == 0 && k < n-1 && startsName[b[p+k+1]] && k > 0 {
				return p + n, k
			}
		}
	} else if startsName[byte(w)] && colonFlags(w) == 0 {
		w = load(b, p+8)
		if m := notNameFlags(w); m != 0 && colonFlags(w)&below(m) == 0 && b[p+8+first(m)] < utf8.RuneSelf {
			return p + 8 + first(m), 0
		}
	}
	return d.scanOddName(p)
}

// scanOddName does the same for every name.
func (d *Decoder) scanOddName(p int) (end, colon int) {
	b := d.work.b
	i := p
	for {
		m := notNameFlags(load(b, i))
		if m == 0 {
			i += 8
			continue
		}
		if i += first(m); b[i] < utf8.RuneSelf {
			break
		}
		r, n := utf8.DecodeRune(b[i:d.end])
		if r == utf8.RuneError && n <= 1 || !isNameChar(r) {
			break
		}
		i += n
	}
	if i == p || !nameStart(b[p:i]) {
		return p, 0
	}
	if at := bytes.IndexByte(b[p:i], ':'); at >= 0 {
		if colon = at; at == 0 || at == i-p-1 || bytes.IndexByte(b[p+at+1:i], ':') >= 0 || !nameStart(b[p+at+1:i]) {
			colon = -1
		}
	}
	return i, colon
}

func blank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// startTag parses the start tag at i, opens its element and returns the index behind it. An element that closes itself is
// not opened; closed tells.
func (d *Decoder) startTag(i int) int {
	w := d.work
	b := w.b
	w.attrs = w.attrs[:0]
	p := i + 1
	q, colon := d.scanName(p)
	if q == p {
		return d.broken(p, CodeSyntax, "< does not begin a tag")
	}
	if q-p > MaxName {
		return d.broken(p, CodeTooLong, "the name is too long")
	}
	if colon < 0 {
		d.soft(p, CodeName, "a colon where names allow none")
		colon = 0
	}
	name := span{int32(p - d.start), int32(q - p)}
	w.colons = colon > 0
	declares := false
	var seen uint64
	again := false
	for {
		gap := q
		for blank(b[q]) {
			q++
		}
		c := b[q]
		if c == '>' || c == '/' {
			break
		}
		if q == gap {
			if len(w.attrs) == 0 || c == 0 && q >= d.end {
				return d.broken(q, CodeSyntax, "a character that belongs in no name")
			}
			d.soft(q, CodeBlank, "no blank between attributes")
		}
		e, colon := d.scanName(q)
		if e == q {
			return d.broken(q, CodeSyntax, "no attribute name where one is due")
		}
		if colon < 0 {
			d.soft(q, CodeName, "a colon where names allow none")
			colon = 0
		}
		a := attr{key: load(b, q), name: span{int32(q - d.start), int32(e - q)}, colon: int32(colon)}
		if n := e - q; n < 8 {
			a.key &= 1<<(8*n) - 1
		}
		if colon > 0 {
			w.colons = true
		}
		bit := uint64(1) << (a.key * spread >> 58)
		again = again || seen&bit != 0
		seen |= bit
		declares = declares || a.key&(1<<40-1) == keyXMLNS
		for q = e; blank(b[q]); q++ {
		}
		if b[q] != '=' {
			return d.broken(q, CodeSyntax, "no = behind an attribute name")
		}
		for q++; blank(b[q]); q++ {
		}
		quote := b[q]
		if quote != '\'' && quote != '"' {
			return d.broken(q, CodeSyntax, "an attribute value without quotes")
		}
		q++
		v := q
		plain := true
		for {
			var m uint64
			if quote == '\'' {
				m = inAposFlags(load(b, q))
			} else {
				m = inQuoteFlags(load(b, q))
			}
			if m == 0 {
				q += 8
				continue
			}
			if q += first(m); b[q] == quote {
				break
			}
			plain = false
			if b[q] == '<' {
				d.soft(q, CodeLess, "< in an attribute value")
				q++
			} else if q = d.oddChar(q); q < 0 {
				return d.broken(v, CodeSyntax, "an attribute value without its end")
			}
		}
		a.value, a.plain = span{int32(v - d.start), int32(q - v)}, plain
		w.attrs = append(w.attrs, a)
		q++
	}
	closes := b[q] == '/'
	if closes {
		if q++; b[q] != '>' {
			return d.broken(q, CodeSyntax, "no > behind /")
		}
	}
	q++
	return d.opened(i, q, name, colon, closes, declares, again)
}

// opened completes a start tag from i to q that was parsed.
func (d *Decoder) opened(i, q int, name span, colon int, closes, declares, again bool) int {
	w := d.work
	if again {
		d.findTwins()
	}
	ns := len(w.ns)
	level := len(w.stack)
	w.hasDef = w.hasDef && level > 0
	if declares {
		d.declare(level)
	}
	if w.colons {
		d.checkPrefixes(name, colon)
	}
	if level == 0 {
		switch d.first(i, q, name, colon, closes) {
		case Header:
			w.ns = w.ns[:ns]
			return q
		}
	}
	if closes {
		w.ns = w.ns[:ns]
		return q
	}
	if level >= MaxDepth {
		return d.broken(i, CodeTooDeep, "elements are nested too deeply")
	}
	if len(w.kept) > maxKept {
		return d.broken(i, CodeTooLong, "the open elements have too long names and namespace declarations")
	}
	b := w.b[i+1:]
	n := int(name.n)
	o := open{name: name, ns: int32(ns), mask: ^uint64(0)}
	if n < 8 {
		keep := uint64(1)<<(8*n) - 1
		o.head = load(b, 0)&keep | '>'<<(8*n)
		o.tail = o.head
		o.mask = keep<<8 | 0xff
	} else {
		o.tailAt = int32(n - 7)
		o.head = load(b, 0)
		o.tail = load(b, n-7)&(1<<56-1) | '>'<<56
	}
	w.stack = append(w.stack, o)
	return q
}

// findTwins looks for attributes of the same name.
func (d *Decoder) findTwins() {
	attrs := d.work.attrs
	if len(attrs) > 16 {
		seen := make(map[string]bool, len(attrs))
		for i := range attrs {
			n := string(d.bytes(attrs[i].name))
			if seen[n] {
				d.twin(attrs[i])
			}
			seen[n] = true
		}
		return
	}
	for i := range attrs {
		for j := range i {
			if attrs[i].key == attrs[j].key && bytes.Equal(d.bytes(attrs[i].name), d.bytes(attrs[j].name)) {
				d.twin(attrs[i])
			}
		}
	}
}

func (d *Decoder) twin(a attr) {
	d.soft(d.start+int(a.name.at), CodeDuplicate, "attribute "+short(d.bytes(a.name))+" occurs twice")
}

func short(b []byte) string {
	if len(b) > 60 {
		return string(b[:60]) + "…"
	}
	return string(b)
}

// value is an attribute's value with references resolved.
func (d *Decoder) value(a attr) []byte {
	if a.plain {
		return d.bytes(a.value)
	}
	return plainValue(d.bytes(a.value))
}

// declare takes over the namespace declarations of the start tag (Namespaces in XML 1.0 §3).
func (d *Decoder) declare(level int) {
	w := d.work
	for _, a := range w.attrs {
		n := d.bytes(a.name)
		at := d.start + int(a.name.at)
		if string(n) == "xmlns" {
			if level == 0 {
				w.def, w.hasDef = a.value, true
			}
			if v := d.value(a); string(v) == nsXML || string(v) == nsXMLNS {
				d.soft(at, CodeNamespace, "a reserved namespace is declared as default")
			}
			continue
		}
		if a.colon != 5 || string(n[:5]) != "xmlns" {
			continue
		}
		prefix := string(n[6:])
		v := d.value(a)
		switch {
		case prefix == "xmlns", (prefix == "xml") != (string(v) == nsXML), string(v) == nsXMLNS:
			d.soft(at, CodeNamespace, "prefix "+short(n[6:])+" cannot be declared like this")
		case len(v) == 0:
			d.soft(at, CodeNamespace, "prefix "+short(n[6:])+" is bound to nothing")
		}
		w.ns = append(w.ns, binding{span{a.name.at + 6, a.name.n - 6}, a.value})
	}
}

// lookup finds what a prefix is bound to here. own is set when it is a span of the frame.
func (d *Decoder) lookup(prefix []byte) (uri []byte, own span, isOwn, ok bool) {
	w := d.work
	for i := len(w.ns) - 1; i >= 0; i-- {
		if bytes.Equal(d.bytes(w.ns[i].prefix), prefix) {
			return nil, w.ns[i].uri, true, true
		}
	}
	if d.stream != nil {
		for i := range d.stream.Bindings {
			if d.stream.Bindings[i].Prefix == string(prefix) {
				return d.streamURI(i), span{}, false, true
			}
		}
	}
	if string(prefix) == "xml" {
		return uriXML, span{}, false, true
	}
	return nil, span{}, false, false
}

var uriXML = []byte(nsXML)

// streamURI is a binding of the stream header as bytes, made once a header.
func (d *Decoder) streamURI(i int) []byte {
	if d.uris == nil {
		for _, b := range d.stream.Bindings {
			d.uris = append(d.uris, []byte(b.URI))
		}
	}
	return d.uris[i]
}

// checkPrefixes looks for prefixes that are not declared, and for attributes whose names are the same by namespace.
func (d *Decoder) checkPrefixes(name span, colon int) {
	w := d.work
	check := func(s span, colon int32) {
		prefix := d.bytes(s)[:colon]
		if string(prefix) == "xmlns" {
			if s == name {
				d.soft(d.start+int(s.at), CodePrefix, "an element cannot have the prefix xmlns")
			}
			return
		}
		if _, _, _, ok := d.lookup(prefix); !ok {
			d.soft(d.start+int(s.at), CodePrefix, "prefix "+short(prefix)+" is not declared")
		}
	}
	if colon > 0 {
		check(name, int32(colon))
	}
	prefixed := 0
	for _, a := range w.attrs {
		if a.colon > 0 {
			check(a.name, a.colon)
			prefixed++
		}
	}
	if prefixed < 2 {
		return
	}
	seen := make(map[[2]string]bool, prefixed)
	for _, a := range w.attrs {
		if a.colon == 0 {
			continue
		}
		n := d.bytes(a.name)
		uri, own, isOwn, ok := d.lookup(n[:a.colon])
		if !ok || string(n[:a.colon]) == "xmlns" {
			continue
		}
		if isOwn {
			uri = plainValue(d.bytes(own))
		}
		key := [2]string{string(uri), string(n[a.colon+1:])}
		if seen[key] {
			d.twin(a)
		}
		seen[key] = true
	}
}

// first decides what a first-level start tag is: an element, or a stream header.
func (d *Decoder) first(i, q int, name span, colon int, closes bool) Kind {
	w := d.work
	d.kind, d.name, d.prefix = Element, name, int32(colon)
	d.own, d.nsUp = false, nil
	full := d.bytes(name)
	if colon > 0 {
		uri, own, isOwn, _ := d.lookup(full[:colon])
		d.nsUp, d.nsAt, d.own = uri, own, isOwn
	} else if w.hasDef {
		d.nsAt, d.own = w.def, true
	} else if d.stream != nil {
		for k := range d.stream.Bindings {
			if d.stream.Bindings[k].Prefix == "" {
				d.nsUp = d.streamURI(k)
			}
		}
	}
	local := full
	if colon > 0 {
		local = full[colon+1:]
	}
	if string(local) == "stream" {
		ns := d.nsUp
		if d.own {
			ns = plainValue(d.bytes(d.nsAt))
		}
		if string(ns) == nsStreams || colon > 0 && string(full[:colon]) == "stream" {
			if string(ns) != nsStreams {
				d.soft(i, CodeStream, "the stream header is not in the namespace "+nsStreams)
			}
			prefix := ""
			if colon > 0 {
				prefix = string(full[:colon])
			}
			d.stream, d.uris = d.newStream(prefix, "stream", ns), nil
			d.kind = Header
			if closes {
				d.soft(i, CodeEmpty, "the stream header closes itself")
				d.ends = true
			}
			return Header
		}
	}
	if d.stream != nil {
		return Element
	}
	if d.BOSH && string(local) == "body" {
		ns := d.nsUp
		if d.own {
			ns = plainValue(d.bytes(d.nsAt))
		}
		if string(ns) == nsBOSH {
			prefix := ""
			if colon > 0 {
				prefix = string(full[:colon])
			}
			d.stream, d.uris = d.newStream(prefix, "body", ns), nil
			d.kind, d.ends = Header, closes
			return Header
		}
	}
	if !d.Bare {
		d.soft(i, CodeOutside, "an element outside a stream")
	}
	return Element
}

// pop closes the innermost element.
func (d *Decoder) pop() {
	w := d.work
	last := len(w.stack) - 1
	o := &w.stack[last]
	w.ns = w.ns[:o.ns]
	if o.name.at < 0 {
		w.kept = w.kept[:^o.name.at]
	}
	w.stack = w.stack[:last]
}

// endTag looks at an end tag that is not the plain one of the open element: it has a blank before its >, or is incomplete,
// or wrong.
func (d *Decoder) endTag(i int) int {
	w := d.work
	b := w.b
	o := &w.stack[len(w.stack)-1]
	name := d.bytes(o.name)
	if bytes.HasPrefix(b[i+2:d.end], name) {
		p := i + 2 + len(name)
		for blank(b[p]) {
			p++
		}
		if b[p] == '>' {
			return p + 1
		}
	}
	end, ok := d.tagEnd(i)
	if !ok {
		return more
	}
	d.fail(end, i, CodeMismatch, "end tag "+short(b[i:end])+" where </"+short(name)+"> is due")
	return bad
}

// badTag is called when the start tag at i could not be parsed. It reports false when that is for lack of bytes.
func (d *Decoder) badTag(i int, before *SyntaxError) bool {
	f := d.work.bad
	end, ok := d.tagEnd(i)
	if !ok {
		d.err = before // what was found may be different with more bytes
		d.pos = i
		return false
	}
	return d.fail(end, min(f.at, end), f.code, f.msg)
}

// fail makes junk of the frame up to end; everything behind it is lost up to where a stream begins.
func (d *Decoder) fail(end, at int, code Code, msg string) bool {
	d.kind = Junk
	d.err = &SyntaxError{Offset: d.base + int64(at), Code: code, Msg: msg}
	d.abandon()
	return d.finish(end, inLost)
}
