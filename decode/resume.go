package decode

import "bytes"

// Resume appends to dst what a new Decoder has to be told, behind the stream header in force, to go on where d is: the
// unread bytes, which begin at offset. Of a frame of which parts were handed out already, the start tags of the elements
// that are open stand for what was read; the new Decoder then takes the rest of it for a frame that begins with them.
func (d *Decoder) Resume(dst []byte) (out []byte, offset int64) {
	if !d.cut || d.state != inElement && d.state != inCDATA || d.done {
		return append(dst, d.Unread()...), d.Offset()
	}
	w := d.work
	before := len(dst)
	for i := range w.stack {
		o := &w.stack[i]
		dst = append(dst, '<')
		dst = append(dst, bytes.TrimSuffix(d.bytes(o.name), []byte(">"))...)
		last := len(w.ns)
		if i+1 < len(w.stack) {
			last = int(w.stack[i+1].ns)
		}
		for _, b := range w.ns[o.ns:last] {
			dst = append(dst, " xmlns:"...)
			dst = append(dst, d.bytes(b.prefix)...)
			dst = appendValue(dst, d.bytes(b.uri))
		}
		if i == 0 && w.hasDef {
			dst = appendValue(append(dst, " xmlns"...), d.bytes(w.def))
		}
		dst = append(dst, '>')
	}
	if d.state == inCDATA {
		dst = append(dst, "<![CDATA["...)
	}
	offset = d.base + int64(d.pos) - int64(len(dst)-before)
	return append(dst, w.b[d.pos:d.end]...), offset
}

// appendValue appends an attribute's value as it was written, in the quotes that it does not contain.
func appendValue(dst, value []byte) []byte {
	quote := byte('"')
	if bytes.IndexByte(value, quote) >= 0 {
		quote = '\''
	}
	dst = append(dst, '=', quote)
	dst = append(dst, value...)
	return append(dst, quote)
}
