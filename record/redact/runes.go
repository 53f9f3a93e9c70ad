package redact

import (
	"unicode"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// This file says which characters may stand for which. A letter is replaced by a letter of the same script, case and
// length in UTF-8, so that sizes, reading direction and what is allowed in an address (RFC 7622) stay as they are; a
// digit by a digit, an emoji by an emoji. Everything else stays: blanks, punctuation, marks, and whatever is markup.

// alphabet finds the set of a character. Sets are made for blocks of code points when one of them first occurs.
type alphabet map[rune]*block

const blockSize = 1024

type block struct {
	places [blockSize]place
}

// place is where a character stands in its set.
type place struct {
	set   []rune // nil: it stays as it is
	i     int
	upper bool // it is the capital of set[i]
}

var (
	letters = []rune("abcdefghijklmnopqrstuvwxyz")
	digits  = []rune("0123456789")
	hexSet  = []rune("abcdef")
)

// emoji are the ranges of pictures that have a modern presentation.
var emoji = [][2]rune{{0x2600, 0x26ff}, {0x2701, 0x27bf}, {0x1f300, 0x1f3fa}, {0x1f400, 0x1f5ff}, {0x1f600, 0x1f64f}, {0x1f680, 0x1f6c5}, {0x1f90c, 0x1f9ff}}

func (a alphabet) place(r rune) place {
	switch {
	case r >= 'a' && r <= 'z':
		return place{letters, int(r - 'a'), false}
	case r >= 'A' && r <= 'Z':
		return place{letters, int(r - 'A'), true}
	case r >= '0' && r <= '9':
		return place{digits, int(r - '0'), false}
	case r < utf8.RuneSelf:
		return place{}
	}
	b := a[r/blockSize]
	if b == nil {
		b = newBlock(r / blockSize * blockSize)
		a[r/blockSize] = b
	}
	return b.places[r%blockSize]
}

// rune is the character at a place.
func (p place) rune() rune {
	if p.upper {
		return unicode.ToUpper(p.set[p.i])
	}
	return p.set[p.i]
}

// kindKey tells characters apart that must not stand for each other.
type kindKey struct {
	script, category string
	paired           bool
	level, size      int
}

func newBlock(from rune) *block {
	b := new(block)
	sets := make(map[kindKey][]rune)
	keys := make(map[rune]kindKey)
	script := ""
	for r := max(from, utf8.RuneSelf); r < from+blockSize; r++ {
		k, ok := kindOf(r, &script)
		if !ok {
			continue
		}
		keys[r] = k
		sets[k] = append(sets[k], r)
	}
	for _, set := range sets {
		for i, r := range set {
			b.places[r-from] = place{set, i, false}
		}
	}
	for r := max(from, utf8.RuneSelf); r < from+blockSize; r++ {
		if l := unicode.ToLower(r); l != r && paired(l) && unicode.ToUpper(l) == r && l/blockSize == r/blockSize {
			p := b.places[l-from]
			b.places[r-from] = place{p.set, p.i, true}
		}
	}
	for i := range b.places {
		if len(b.places[i].set) < 2 {
			b.places[i] = place{}
		}
	}
	return b
}

// paired reports whether a small letter and its capital stand for each other, in the same block and the same length.
// Sigma is left out: its small form depends on where it stands.
func paired(l rune) bool {
	u := unicode.ToUpper(l)
	return u != l && unicode.IsLower(l) && unicode.ToLower(u) == l && u/blockSize == l/blockSize && utf8.RuneLen(u) == utf8.RuneLen(l) && l != 'σ' && l != 'ς' && u >= utf8.RuneSelf
}

func kindOf(r rune, script *string) (kindKey, bool) {
	for _, e := range emoji {
		if r >= e[0] && r <= e[1] && unicode.Is(unicode.So, r) {
			return kindKey{script: "emoji", size: utf8.RuneLen(r)}, true
		}
	}
	k := kindKey{size: utf8.RuneLen(r)}
	switch {
	case r == 'σ' || r == 'ς' || r == 'Σ' || r == '�':
		return k, false
	case unicode.Is(unicode.Nd, r):
		k.category = "digit"
	case unicode.Is(unicode.Ll, r):
		k.category, k.paired = "small", paired(r)
	case unicode.IsUpper(r), unicode.IsTitle(r):
		if l := unicode.ToLower(r); paired(l) && unicode.ToUpper(l) == r && l/blockSize == r/blockSize {
			return k, false // goes with its small letter
		}
		k.category = "capital"
	case unicode.Is(unicode.Lo, r):
		k.category = "letter"
	case unicode.Is(unicode.Lm, r):
		k.category = "modifier"
	default:
		return k, false
	}
	if *script == "" || !unicode.Is(unicode.Scripts[*script], r) {
		*script = ""
		for name, table := range unicode.Scripts {
			if unicode.Is(table, r) {
				*script = name
				break
			}
		}
	}
	k.script, k.level = *script, level(r)
	return k, true
}

// level tells where in an address a character is allowed and stays what it is: 2 everywhere, 1 in the resource, 0
// nowhere.
func level(r rune) int {
	s := string(r)
	if j, err := stanza.ParseJID(s + "@" + s + "/" + s); err == nil && j == (stanza.JID{Local: s, Domain: s, Resource: s}) {
		return 2
	}
	if j, err := stanza.ParseJID("a/" + s); err == nil && j.Resource == s {
		return 1
	}
	return 0
}
