package decode

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// more is returned in place of an index when bytes are missing.
const more = -1

// maxReference bounds a reference, in bytes: the longest that XML defines has ten.
const maxReference = 64

// oddText looks at the byte at i, at which the scan of plain text stopped, and returns where to go on.
func (d *Decoder) oddText(i int) int {
	b := d.work.b
	if b[i] == '>' {
		if i >= 2 && b[i-1] == ']' && b[i-2] == ']' {
			d.soft(i-2, CodeCDATAEnd, "]]> in text")
		}
		return i + 1
	}
	return d.oddChar(i)
}

// oddChar looks at a control character, a reference or the beginning of a character beyond ASCII.
func (d *Decoder) oddChar(i int) int {
	b := d.work.b
	c := b[i]
	switch {
	case i >= d.end:
		return more
	case c == '&':
		return d.reference(i)
	case c == '\n' || c == '\r' || c == '\t':
		return i + 1
	case c < 0x20:
		d.soft(i, CodeChar, "character U+00"+hex2(c)+" is forbidden in XML")
		return i + 1
	case c < utf8.RuneSelf:
		return i + 1
	}
	r, n := utf8.DecodeRune(b[i:d.end])
	if r == utf8.RuneError && n == 1 {
		if !utf8.FullRune(b[i:d.end]) {
			return more
		}
		d.soft(i, CodeUTF8, "invalid UTF-8")
	} else if r == 0xfffe || r == 0xffff {
		d.soft(i, CodeChar, "character U+"+strconv.FormatInt(int64(r), 16)+" is forbidden in XML")
	}
	return i + n
}

func hex2(c byte) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// reference checks the reference at i. What is not even the form of one is taken as a lone ampersand.
func (d *Decoder) reference(i int) int {
	b := d.work.b
	for j := i + 1; j < i+maxReference; j++ {
		switch c := b[j]; {
		case j >= d.end:
			return more
		case c == ';':
			if _, code := resolve(b[i+1 : j]); code != 0 {
				msg := "malformed character reference"
				if code == CodeEntity {
					msg = "entity " + strconv.Quote(string(b[i+1:j])) + " is not defined"
				}
				d.soft(i, code, msg)
			}
			return j + 1
		case c == '#' && j == i+1, c >= utf8.RuneSelf, '0' <= c && c <= '9', 'a' <= c|0x20 && c|0x20 <= 'z', c == '_', c == '-', c == '.', c == ':':
		default:
			d.soft(i, CodeReference, "& does not begin a reference")
			return i + 1
		}
	}
	d.soft(i, CodeReference, "& does not begin a reference")
	return i + 1
}

// resolve returns what the reference with the given name stands for, or what is wrong with it.
func resolve(name []byte) (rune, Code) {
	switch string(name) {
	case "lt":
		return '<', 0
	case "gt":
		return '>', 0
	case "amp":
		return '&', 0
	case "apos":
		return '\'', 0
	case "quot":
		return '"', 0
	}
	if len(name) < 1 || name[0] != '#' {
		if len(name) == 0 || !nameStart(name) {
			return 0, CodeReference
		}
		return 0, CodeEntity
	}
	base, digits := 10, name[1:]
	if len(digits) > 0 && digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	n, err := strconv.ParseUint(string(digits), base, 32)
	if err != nil || !isChar(rune(n)) || n > utf8.MaxRune {
		return 0, CodeReference
	}
	return rune(n), 0
}

// isChar is Char of XML 1.0 §2.2.
func isChar(r rune) bool {
	return r == 9 || r == 10 || r == 13 || r >= 0x20 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= utf8.MaxRune
}

// plainValue returns an attribute's value with references resolved and blanks normalised (XML 1.0 §3.3.3). It allocates
// only when there is something to do.
func plainValue(b []byte) []byte {
	if !bytes.ContainsAny(b, "&\t\n\r") {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\t', '\n':
			out = append(out, ' ')
			continue
		case '\r':
			if i+1 >= len(b) || b[i+1] != '\n' {
				out = append(out, ' ')
			}
			continue
		case '&':
			if n := bytes.IndexByte(b[i:], ';'); n > 0 && n < maxReference {
				if r, code := resolve(b[i+1 : i+n]); code == 0 {
					out = utf8.AppendRune(out, r)
					i += n
					continue
				}
			}
		}
		out = append(out, b[i])
	}
	return out
}

// nameStart reports whether the name begins with a NameStartChar of XML 1.0 §2.3.
func nameStart(name []byte) bool {
	r, n := utf8.DecodeRune(name)
	return !(r == utf8.RuneError && n <= 1) && isNameStart(r)
}

func isNameStart(r rune) bool {
	switch {
	case r < 0x80:
		return 'a' <= r|0x20 && r|0x20 <= 'z' || r == '_' || r == ':'
	case r < 0x370:
		return r >= 0xc0 && r != 0xd7 && r != 0xf7 && !(r >= 0x300)
	}
	return r != 0x37e && r <= 0x1fff || r == 0x200c || r == 0x200d || r >= 0x2070 && r <= 0x218f || r >= 0x2c00 && r <= 0x2fef ||
		r >= 0x3001 && r <= 0xd7ff || r >= 0xf900 && r <= 0xfdcf || r >= 0xfdf0 && r <= 0xfffd || r >= 0x10000 && r <= 0xeffff
}

// isNameChar is NameChar of XML 1.0 §2.3, for what is not ASCII.
func isNameChar(r rune) bool {
	return isNameStart(r) || r == 0xb7 || r >= 0x300 && r <= 0x36f || r == 0x203f || r == 0x2040
}
