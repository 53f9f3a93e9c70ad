package redact

import (
	"bytes"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// A glyph is a character of a value as it stands in the file: raw, as a reference (&#106;), or percent-encoded (%6A).
type glyph struct {
	at, n int
	r     rune
	form  form
}

type form uint8

const (
	raw     form = iota
	decimal      // &#106;
	hex          // &#x6a;
	fixed        // stays: markup, a separator
	percent      // one of the two digits behind %
	broken       // a byte that is not UTF-8
)

// maxReference bounds a reference, & and ; included.
const maxReference = 12

// glyphs cuts b; escaped says that references count.
func glyphs(b []byte, escaped bool, g []glyph) []glyph {
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case c == '&' && escaped:
			if end := bytes.IndexByte(b[i:min(len(b), i+maxReference)], ';'); end > 0 {
				g = append(g, reference(b[i:i+end+1], i))
				i += end + 1
				continue
			}
			g = append(g, glyph{i, 1, '&', fixed})
			i++
		case c == '%' && i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]):
			v, _ := strconv.ParseUint(string(b[i+1:i+3]), 16, 8)
			g = append(g, glyph{i, 1, '%', fixed})
			f := fixed
			if v >= utf8.RuneSelf || unicode.IsLetter(rune(v)) || unicode.IsDigit(rune(v)) {
				f = percent
			}
			g = append(g, glyph{i + 1, 1, rune(b[i+1]), f}, glyph{i + 2, 1, rune(b[i+2]), f})
			i += 3
		case c < utf8.RuneSelf:
			g = append(g, glyph{i, 1, rune(c), raw})
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				g = append(g, glyph{i, 1, 0xff, broken})
			} else {
				g = append(g, glyph{i, n, r, raw})
			}
			i += n
		}
	}
	return g
}

// reference reads &…; at offset at.
func reference(b []byte, at int) glyph {
	name := string(b[1 : len(b)-1])
	g := glyph{at, len(b), '&', fixed}
	base, digits, f := 10, "", decimal
	if len(name) > 1 && name[0] == '#' {
		if digits = name[1:]; digits[0] == 'x' {
			base, digits, f = 16, digits[1:], hex
		}
		if n, err := strconv.ParseUint(digits, base, 31); err == nil {
			g.r, g.form = rune(n), f
		}
	}
	return g
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// wordy reports whether a glyph is part of a word.
func (g *glyph) wordy() bool {
	if g.form == fixed || g.form == percent || g.form == broken {
		return false
	}
	if g.r < utf8.RuneSelf {
		return g.r >= '0' && g.r <= '9' || g.r|0x20 >= 'a' && g.r|0x20 <= 'z'
	}
	return unicode.IsLetter(g.r) || unicode.IsDigit(g.r) || unicode.Is(unicode.M, g.r)
}

// unitOf is the unit of a glyph; ok is false where it stays.
func (c *cipher) unitOf(g *glyph, i int) (unit, bool) {
	var p place
	switch g.form {
	case fixed, broken:
		return unit{}, false
	case percent:
		switch {
		case g.r <= '9':
			p = place{digits, int(g.r - '0'), false}
		default:
			p = place{hexSet, int(g.r|0x20) - 'a', g.r < 'a'}
		}
	default:
		p = c.abc.place(g.r)
	}
	return unit{p, i}, p.set != nil
}

// put writes the character of a unit where its glyph stands.
func (u *unit) put(b []byte, g *glyph) {
	switch g.form {
	case raw, percent:
		utf8.EncodeRune(b[g.at:g.at+g.n], u.rune())
	case decimal, hex:
		base, head := 10, 2
		if g.form == hex {
			base, head = 16, 3
		}
		width := g.n - head - 1
		for range u.set {
			s := strconv.FormatUint(uint64(u.rune()), base)
			if len(s) <= width {
				copy(b[g.at+head:], "000000000000"[:width-len(s)]+s)
				return
			}
			u.i = (u.i + 1) % len(u.set) // does not fit the reference's digits
		}
	}
}
