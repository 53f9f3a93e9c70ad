package decode

import (
	"encoding/binary"
	"math/bits"
)

// This file is the hot path: text, start tags and end tags inside a first-level element. It looks at eight bytes at a
// time, held in a register (SWAR). In a word w of eight bytes
//
//	(w - lo*c) & hi        flags bytes below c
//	((w ^ lo*c) - lo) & hi flags bytes equal to c
//	w & hi                 flags bytes above 0x7f
//
// A subtraction may borrow from the next higher byte and flag it wrongly, but only above a byte that is rightly flagged,
// so the lowest flag, which is the only one looked at, is exact. Bytes above 0x7f are always flagged, which is why the
// usual &^w is left out.
const (
	lo = 0x0101010101010101
	hi = 0x8080808080808080
)

func load(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// inTextFlags flags the bytes at which plain text stops: < > & controls and everything that is not ASCII. The two angle
// brackets differ in one bit and cost one test. The > is needed for ]]>, which is cheaper to find by its last byte than
// by stopping at every ].
func inTextFlags(w uint64) uint64 {
	return (w | (w - lo*0x20) | ((w | lo*2) ^ lo*'>' - lo) | (w ^ lo*'&' - lo)) & hi
}

// inAposFlags does the same for a value in apostrophes: ' & < controls and non-ASCII; ' and & differ in one bit.
func inAposFlags(w uint64) uint64 {
	return (w | (w - lo*0x20) | ((w | lo) ^ lo*'\'' - lo) | (w ^ lo*'<' - lo)) & hi
}

// inQuoteFlags does the same for a value in double quotes.
func inQuoteFlags(w uint64) uint64 {
	return (w | (w - lo*0x20) | (w ^ lo*'"' - lo) | (w ^ lo*'&' - lo) | (w ^ lo*'<' - lo)) & hi
}

// inCDATAFlags does the same for a CDATA section: ] controls and non-ASCII.
func inCDATAFlags(w uint64) uint64 {
	return (w | (w - lo*0x20) | (w ^ lo*']' - lo)) & hi
}

// notNameFlags flags bytes that are no ASCII name characters (letters, digits, - . _ :), every one of them exactly: with
// the top bits cleared first, the sums below cannot carry.
func notNameFlags(w uint64) uint64 {
	x := w &^ hi
	y := x | lo*0x20 // A-Z to a-z; no other character moves into that range
	letter := (y + lo*(0x80-'a')) &^ (y + lo*(0x80-'z'-1))
	digit := (x + lo*(0x80-'-')) &^ (x + lo*(0x80-':'-1)) // - . / 0-9 :
	noSlash := x ^ lo*'/' + lo*0x7f
	noLine := x ^ lo*'_' + lo*0x7f
	return (^(letter | digit&noSlash | ^noLine) | w) & hi
}

// colonFlags flags colons; ; behind a colon as well, which is no name character.
func colonFlags(w uint64) uint64 {
	x := w ^ lo*':'
	return (x - lo) &^ x & hi
}

// startsName tells the ASCII characters that may begin a name; a colon is left to scanOddName.
var startsName = func() (t [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-0x20] = true, true
	}
	t['_'] = true
	return
}()

// first returns the index of the lowest flagged byte, 8 when there is none.
func first(flags uint64) int { return bits.TrailingZeros64(flags) >> 3 }

// below masks the bytes below the lowest flag; all when there is none.
func below(flags uint64) uint64 { return (flags&-flags)>>7 - 1 }

// open is an open element. Its end tag is recognised by two masked compares of eight bytes, which together cover a name
// of up to fifteen bytes and the > behind it; only longer names are compared byte by byte.
type open struct {
	head, tail, mask uint64 // first and last eight bytes of the name with its >
	tailAt           int32  // where tail begins in the name
	ns               int32  // len(work.ns) before this element
	name             span
}

// attr is an attribute of the start tag being parsed.
type attr struct {
	key   uint64 // first eight bytes of the name
	name  span
	value span // as written, without quotes
	colon int32
	plain bool // the value has neither references nor blanks other than spaces
}

const (
	keyXMLNS = 'x' | 'm'<<8 | 'l'<<16 | 'n'<<24 | 's'<<32
	// spread maps attribute names to 64 classes; a tag whose names fall in different classes has no duplicates.
	spread = 0x9e3779b97f4a7c15
)

// element scans the inside of a first-level element from pos. It is left when the element ends, when a part is due, when
// bytes are missing, on entering CDATA and on a hard error; false means that bytes are missing.
func (d *Decoder) element() bool {
	w := d.work
	b := w.b
	i := d.pos
	limit := d.start + d.maxFrame()
	if d.look > 0 && !d.searched(i) {
		return false
	}
	for {
		for b[i] != '<' {
			m := inTextFlags(load(b, i))
			if m == 0 {
				i += 8
				continue
			}
			i += first(m)
			if b[i] == '<' {
				break
			}
			j := d.oddText(i)
			if j < 0 {
				d.pos = i
				return false
			}
			i = j
		}
		// All that follows depends on the content only: a part is due as soon as the next token begins behind it.
		if i > limit {
			d.pos = i
			return true
		}
		switch b[i+1] {
		case '/':
			o := &w.stack[len(w.stack)-1]
			p := i + 2
			n := int(o.name.n)
			if (load(b, p)^o.head)&o.mask|(load(b, p+int(o.tailAt))^o.tail)&o.mask != 0 ||
				n > 15 && string(b[p:p+n]) != string(d.bytes(o.name)) {
				j := d.endTag(i)
				if j == more {
					d.pos = i
					return false
				}
				if j < 0 {
					return true
				}
				i = j
			} else {
				i = p + n + 1
			}
			d.pop()
			if len(w.stack) == 0 {
				return d.finish(i, atTop)
			}
		case '!', '?':
			return d.markup(i)
		default:
			before := d.err
			j := d.startTag(i)
			if j < 0 {
				return d.badTag(i, before)
			}
			i = j
		}
	}
}
