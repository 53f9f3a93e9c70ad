package redact

import (
	"encoding/base64"
	"hash/maphash"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode/xep"
)

// This file replaces values: addresses, names, texts. Each function works in place and keeps the length. In the first
// pass nothing is replaced: the words of what is private are collected.

// value is a piece of a recording with its characters.
type value struct {
	b []byte
	g []glyph
}

func (v value) sub(i, j int) value { return value{v.b, v.g[i:j]} }

// text is what the value says, references resolved.
func (v value) text() string {
	var b strings.Builder
	for i := range v.g {
		if v.g[i].form == broken {
			b.WriteByte(0xff)
			continue
		}
		b.WriteRune(v.g[i].r)
	}
	return b.String()
}

func (v value) index(r rune) int {
	for i := range v.g {
		if v.g[i].r == r {
			return i
		}
	}
	return -1
}

func (v value) last(r rune) int {
	for i := len(v.g) - 1; i >= 0; i-- {
		if v.g[i].r == r {
			return i
		}
	}
	return -1
}

// value cuts b. What it returns is valid until the next call.
func (r *redactor) value(b []byte, escaped bool) value {
	r.g = glyphs(b, escaped, r.g[:0])
	return value{b, r.g}
}

// words calls f with the runs of letters and digits.
func (v value) words(f func(w value)) {
	for i := 0; i < len(v.g); i++ {
		if !v.g[i].wordy() {
			continue
		}
		j := i + 1
		for j < len(v.g) && v.g[j].wordy() {
			j++
		}
		f(v.sub(i, j))
		i = j
	}
}

// A word is what identifies somebody: its hash, and whether it is long enough to be looked for wherever it stands.
type word struct {
	hash    uint64
	letters int // that are no digits
	size    int // runes
	long    bool
	ascii   bool
}

var hashSeed = maphash.MakeSeed()

// minWord is the length from which a word is looked for where no address stands, in bytes; of digits only minDigits,
// as a number of less is most often something else. Other scripts say more with fewer letters.
const (
	minWord   = 4
	minOther  = 6
	minDigits = 7
)

func (v value) word() word {
	var w word
	var buf [64]byte
	b := buf[:0]
	ascii := true
	for i := range v.g {
		c := unicode.ToLower(v.g[i].r)
		if c >= utf8.RuneSelf {
			ascii = false
		}
		if !unicode.IsDigit(c) {
			w.letters++
		}
		b = utf8.AppendRune(b, c)
	}
	w.size = len(v.g)
	w.hash = maphash.Bytes(hashSeed, b)
	switch {
	case w.letters == 0:
		w.long = len(b) >= minDigits
	case ascii:
		w.long = len(b) >= minWord
	default:
		w.long = len(b) >= minOther
	}
	w.ascii = ascii
	return w
}

// known reports whether a word is one of the protocol's.
func (v value) known() bool {
	var buf [32]byte
	if len(v.g) > len(buf) {
		return false
	}
	for i := range v.g {
		c := v.g[i].r
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c >= utf8.RuneSelf {
			return false
		}
		buf[i] = byte(c)
	}
	return vocabulary()[string(buf[:len(v.g)])]
}

// learn remembers a word that must not occur in what is written.
func (r *redactor) learn(v value) {
	w := v.word()
	if !w.long || v.known() {
		if w.size > 1 {
			r.unsearched[w.hash&0xffff] = struct{}{}
		}
		return
	}
	if _, ok := r.secrets[w.hash]; !ok {
		if len(r.secrets) >= maxIdentifiers {
			r.full = true
			return
		}
		r.secrets[w.hash] = struct{}{}
	}
}

func (r *redactor) secret(w word) bool {
	if !w.long {
		return false
	}
	_, ok := r.secrets[w.hash]
	return ok
}

// name replaces a word by its pseudonym.
func (r *redactor) name(v value) {
	if r.collecting {
		r.learn(v)
		return
	}
	from, to := v.g[0].at, v.g[len(v.g)-1].at+v.g[len(v.g)-1].n
	at := v.b[from:to]
	if p, ok := r.names[string(at)]; ok {
		copy(at, p)
		return
	}
	before := string(at)
	r.units(v, "name")
	if len(r.names) >= maxCached {
		clear(r.names)
	}
	r.names[before] = string(at)
	r.mapped("name", before, string(at))
}

// minHex is the length from which hexadecimal digits are taken for such, and not for a word.
const minHex = 16

// units replaces all characters of v together; hexadecimal digits by others.
func (r *redactor) units(v value, purpose string) {
	u := r.u[:0]
	digits := len(v.g) >= minHex
	for i := 0; digits && i < len(v.g); i++ {
		g := &v.g[i]
		digits = g.form == raw && (g.r < utf8.RuneSelf && isHex(byte(g.r)) || g.r == ':')
	}
	for i := range v.g {
		g := v.g[i]
		if digits && g.r != ':' {
			g.form = percent
		}
		if x, ok := r.cipher.unitOf(&g, i); ok {
			u = append(u, x)
		}
		if g.form == broken {
			v.b[g.at] = 0xff
		}
	}
	r.cipher.replace(purpose, u)
	for i := range u {
		u[i].put(v.b, &v.g[u[i].glyph])
	}
	r.u = u
}

// plain says which words of a value are replaced.
type plain uint8

const (
	secretOnly plain = iota // those that are known to identify somebody
	notKnown                // all but those of the protocol, and small numbers
	all
)

// each replaces the words of v.
func (r *redactor) each(v value, p plain) {
	v.words(func(w value) {
		switch p {
		case secretOnly:
			if r.collecting || !r.secret(w.word()) {
				return
			}
		case notKnown:
			if x := w.word(); x.letters == 0 && x.size < minDigits || x.size == 1 || w.known() {
				return
			}
		}
		r.name(w)
	})
	for i := range v.g {
		if v.g[i].form == broken && p != secretOnly && !r.collecting {
			v.b[v.g[i].at] = 0xff
		}
	}
	if p != secretOnly {
		r.escapes(v)
	}
}

// escapes replaces percent-encoded letters.
func (r *redactor) escapes(v value) {
	if r.collecting {
		return
	}
	for i := 0; i < len(v.g); i++ {
		j := i
		for j < len(v.g) && (v.g[j].form == percent || v.g[j].form == fixed && v.g[j].r == '%') {
			j++
		}
		if j > i {
			r.units(v.sub(i, j), "percent")
			i = j
		}
	}
}

func delimits(c rune) bool {
	switch c {
	case ' ', '\t', '\n', '\r', '(', ')', ',', ';', '<', '>', '{', '}', '[', ']', '|', '"', '\'', '=', '&', '“', '”', '„', '‘', '’', 0:
		return true
	}
	return false
}

// scan replaces what stands among other words: addresses of all kinds wherever they are, of the rest what p says;
// dotted tells that names with dots are domains.
func (r *redactor) scan(v value, p plain, dotted bool) {
	v.tokens(func(t value) { r.token(t, p, dotted) })
}

// tokens calls f with what stands between delimiters.
func (v value) tokens(f func(t value)) {
	for i := 0; i < len(v.g); i++ {
		if delimits(v.g[i].r) {
			continue
		}
		j := i + 1
		for j < len(v.g) && !delimits(v.g[j].r) {
			j++
		}
		f(v.sub(i, j))
		i = j
	}
}

// maxToken bounds what is looked at as one address, in characters. An address has at most 3071 bytes (RFC 7622 §3.1).
const maxToken = 4096

func (r *redactor) token(v value, p plain, dotted bool) {
	if len(v.g) > maxToken {
		r.each(v, p)
		return
	}
	for n := len(v.g); n > 0 && strings.ContainsRune(".:!?", v.g[n-1].r) && v.g[n-1].form == raw; n-- {
		v = v.sub(0, n-1)
	}
	s := v.text()
	at := strings.IndexByte(s, '@')
	switch {
	case s == "":
	case r.ipPort(v, s):
	case strings.Contains(s, "://"), strings.HasPrefix(s, "xmpp:"), strings.HasPrefix(s, "mailto:"):
		if p == secretOnly && known(s) {
			r.each(v, p)
			return
		}
		r.url(v)
	case at > 0 && at < len(s)-1:
		r.jid(v)
	case dotted && publishers[strings.ToLower(s)]:
		r.each(v, secretOnly)
	case dotted && isDomain(s):
		r.host(v)
	case p == secretOnly && !r.collecting && r.hides(s):
		r.each(v, all)
	case p == notKnown && harmless(s):
		r.each(v, secretOnly)
	default:
		r.each(v, p)
	}
}

// known reports whether a URL is a namespace.
func known(s string) bool {
	if _, ok := xep.Lookup(s); ok {
		return true
	}
	_, rest, _ := strings.Cut(s, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return publishers[strings.ToLower(rest[:end])]
}

// isDomain reports whether s looks like a domain: two labels or more, the last of letters.
func isDomain(s string) bool {
	if host, port, ok := strings.Cut(s, ":"); ok && port != "" && strings.Trim(port, "0123456789") == "" {
		s = host
	}
	dot := strings.LastIndexByte(s, '.')
	if dot < 1 || len(s)-dot < 3 {
		return false
	}
	if _, ok := xep.Lookup(s); ok {
		return false
	}
	for i, c := range s {
		if c != '-' && c != '.' && !unicode.IsLetter(c) && (!unicode.IsDigit(c) || i > dot) {
			return false
		}
	}
	return true
}

const minEncoded = 8

// hides reports whether s is base64, of either alphabet, of something that holds a secret.
func (r *redactor) hides(s string) bool {
	s = strings.TrimRight(s, "=")
	if len(s) < minEncoded || len(s) > maxToken || len(s)%4 == 1 {
		return false
	}
	e := base64.RawStdEncoding
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z', c == '+', c == '/':
		case c == '-', c == '_':
			e = base64.RawURLEncoding
		default:
			return false
		}
	}
	b, err := e.DecodeString(s)
	if err != nil {
		return false
	}
	run := 0
	for _, c := range b {
		if run++; c < 0x80 && !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z') {
			run = 0
		}
		if run == minWord {
			break
		}
	}
	if run < minWord {
		return false
	}
	found := false
	value{b, glyphs(b, false, nil)}.words(func(w value) { found = found || r.secret(w.word()) })
	return found
}

// ipPort replaces an IP address, perhaps with its port.
func (r *redactor) ipPort(v value, s string) bool {
	if r.ip(v, s) {
		return true
	}
	at := strings.LastIndexByte(s, ':')
	if at <= 0 || strings.Trim(s[at+1:], "0123456789") != "" || strings.Count(s, ":") != 1 {
		return false
	}
	return r.ip(v.sub(0, v.last(':')), s[:at])
}

// ip replaces an IP address and reports whether it is one. What has the same beginning keeps having it; loopback
// addresses, and the beginnings of private networks, stay.
func (r *redactor) ip(v value, s string) bool {
	if len(s) < 2 || len(s) > 60 || s[0] != ':' && !isHex(s[0]) && s[0] != '[' {
		return false
	}
	if s[0] == '[' && s[len(s)-1] == ']' {
		v, s = v.sub(1, len(v.g)-1), s[1:len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return false
	}
	if a.IsLoopback() || a.IsUnspecified() || a.Unmap().IsLoopback() {
		return true
	}
	if r.collecting {
		if len(r.ips) < maxIdentifiers {
			r.ips[a.WithZone("")] = struct{}{}
		} else {
			r.full = true
		}
		return true
	}
	before := s
	if a.Is4() {
		r.ip4(v, a)
	} else {
		r.ip6(v, a, s)
	}
	r.mapped("ip", before, v.current())
	return true
}

// current is the value as it stands now.
func (v value) current() string {
	if len(v.g) == 0 {
		return ""
	}
	last := v.g[len(v.g)-1]
	return string(v.b[v.g[0].at : last.at+last.n])
}
