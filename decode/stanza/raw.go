package stanza

import "bytes"

// controls are how white space is shown where every byte counts.
var controls = [256]string{'\n': "␊\n", '\r': "␍", '\t': "␉\t"}

// Raw hands out the bytes from start to end as they are: secrets masked, and what
// cannot be seen made visible, line breaks too. A secret that begins before start
// is masked as a whole.
func Raw(raw []byte, start, end int, spans []Span, emit func(Class, []byte)) {
	plain := func(b []byte) {
		for len(b) > 0 {
			at := bytes.IndexAny(b, "\n\r\t")
			if at < 0 {
				at = len(b)
			}
			if at > 0 {
				safe(Text, b[:at], emit)
			}
			if at == len(b) {
				return
			}
			emit(Comment, []byte(controls[b[at]]))
			b = b[at+1:]
		}
	}
	for _, s := range spans {
		if s.End <= start {
			continue
		}
		if s.Start >= end {
			break
		}
		if s.Start > start {
			plain(raw[start:s.Start])
		}
		emit(Masked, []byte(s.Mask))
		start = min(s.End, end)
	}
	plain(raw[start:end])
}
