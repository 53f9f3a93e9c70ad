package redact

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// This file replaces what is no address: texts, and what is secret.

// text replaces what somebody wrote. Words that identify somebody get the pseudonyms that they have elsewhere.
func (r *redactor) text(v value, kind string) {
	if r.keep[kind] {
		r.scan(v, secretOnly, false)
		return
	}
	if r.collecting {
		r.scan(v, secretOnly, false)
		r.learnText(v)
		return
	}
	var rest []glyph
	v.tokens(func(t value) {
		if r.addressed(t) {
			r.token(t, notKnown, true)
			for i := range t.g {
				t.g[i].form = fixed
			}
		}
	})
	v.words(func(w value) {
		if r.secret(w.word()) {
			r.name(w)
			for i := range w.g {
				w.g[i].form = fixed
			}
		}
	})
	for i := range v.g {
		if v.g[i].form != fixed {
			rest = append(rest, v.g[i])
		}
	}
	r.units(value{v.b, rest}, "text")
	r.count(kind)
}

// addressed reports whether a word of a text is an address, which becomes the one that it becomes elsewhere.
func (r *redactor) addressed(v value) bool {
	if len(v.g) < 4 || len(v.g) > maxToken {
		return false
	}
	s := v.text()
	if strings.Contains(s, "@") || strings.Contains(s, "://") || strings.HasPrefix(s, "xmpp:") || isIP(strings.TrimRight(s, ".:!?")) {
		return true
	}
	named := false
	if isDomain(s) {
		v.words(func(w value) { named = named || r.secret(w.word()) })
	}
	return named
}

// maxPhrases bounds what is remembered of one text, in phrases of three words.
const maxPhrases = 64

// learnText remembers phrases of a text, which must not occur in what is written; of a single word, the word.
func (r *redactor) learnText(v value) {
	n, last := 0, value{}
	v.words(func(w value) { n, last = n+1, w })
	if n == 1 && len(last.g) >= 6 && last.word().letters > 0 {
		r.learn(last)
	}
	n = 0
	phrases(v, func(h uint64) bool {
		if n++; n > maxPhrases {
			return false
		}
		if len(r.phrases) >= maxPhrasesKept {
			r.missed++
			return false
		}
		r.phrases[h] = struct{}{}
		return true
	}, nil)
}

// phrases calls f with the hashes of what stands in three words of prose after one another, until it returns false. It
// passes over words for which same is false. What stands in markup is no prose.
func phrases(v value, f func(h uint64) bool, same func(w value) bool) {
	var before [2]word
	var known [2]bool
	run, end, on := 0, 0, true
	v.words(func(w value) {
		x := w.word()
		from := w.g[0].at
		to := w.g[len(w.g)-1].at + w.g[len(w.g)-1].n
		if !on || x.letters != x.size || x.size < 2 || same != nil && !same(w) {
			run = 0
			return
		}
		if run > 0 && !prose(v.b[end:from]) {
			run = 0
		}
		end = to
		k := w.known()
		if run >= 2 && !(k && known[0] && known[1]) && before[0].size+before[1].size+x.size >= 9 {
			on = f(before[0].hash*0x9e3779b97f4a7c15 ^ (before[1].hash*0xbf58476d1ce4e5b9 + x.hash))
		}
		before[0], before[1] = before[1], x
		known[0], known[1] = known[1], k
		run++
	})
}

// prose reports whether what stands between two words is what stands between words of a sentence.
func prose(b []byte) bool {
	return len(bytes.Trim(b, " \t\n,.;!?")) == 0 && bytes.ContainsAny(b, " \t\n")
}

// blob replaces keys, hashes and data by characters of the same alphabet.
func (r *redactor) blob(v value, kind string) {
	if r.keep[kind] {
		r.each(v, secretOnly)
		return
	}
	if r.collecting {
		r.learnWords(v, 8)
		return
	}
	r.units(v, "blob")
	r.count(kind)
}

// learnWords remembers the first words of a secret.
func (r *redactor) learnWords(v value, most int) {
	v.words(func(w value) {
		if most--; most >= 0 {
			r.learn(w)
		}
	})
}

// filler is what stands for a password.
const filler = 'x'

// fill takes a secret away.
func (r *redactor) fill(b []byte, escaped bool) {
	if r.collecting {
		r.learnWords(r.value(b, escaped), 1000)
		return
	}
	for i, c := range b {
		switch c {
		case ' ', '\t', '\n', '\r':
		default:
			b[i] = filler
		}
	}
	r.count("secret")
}

// sasl takes the secrets out of a SASL message. Its form stays: what tells which kind of message it is, the numbers, the
// header of GS2 (RFC 5802 §7), the hash of what was offered (XEP-0474).
func (r *redactor) sasl(b []byte, mechanism string) {
	trimmed := bytes.TrimSpace(b)
	if len(trimmed) == 0 || string(trimmed) == "=" {
		return
	}
	msg, err := base64.StdEncoding.DecodeString(string(trimmed))
	if err != nil || base64.StdEncoding.EncodeToString(msg) != string(trimmed) {
		r.alnum(b)
		return
	}
	r.saslMessage(msg, mechanism)
	if !r.collecting {
		base64.StdEncoding.Encode(trimmed, msg)
		r.count("secret")
	}
}

// alnum takes away what could be told from letters and digits, and leaves the rest: it stays as valid, or as invalid, as
// it was.
func (r *redactor) alnum(b []byte) {
	if r.collecting {
		return
	}
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z':
			b[i] = 'A'
		case c >= 0x80:
			b[i] = 0xff
		}
	}
	r.count("secret")
}

func (r *redactor) saslMessage(msg []byte, mechanism string) {
	if parts := bytes.Split(msg, []byte{0}); len(parts) > 1 {
		// PLAIN (RFC 4616): authorisation, user, password. HT-* (XEP-0484): user, proof.
		for i, p := range parts {
			if len(parts) == 3 && i < 2 || len(parts) != 3 && i == 0 {
				r.jid(r.value(p, false))
			} else {
				r.fill(p, false)
			}
		}
		return
	}
	if mechanism == "EXTERNAL" {
		r.jid(r.value(msg, false))
		return
	}
	if r.scram(msg) {
		return
	}
	r.fill(msg, false)
}

// scram takes the secrets out of a message of SCRAM and reports whether it is one.
func (r *redactor) scram(msg []byte) bool {
	type field struct {
		key   byte
		value []byte
	}
	rest := msg
	var fields []field
	if len(msg) > 2 && (bytes.HasPrefix(msg, []byte("n,")) || bytes.HasPrefix(msg, []byte("y,")) || bytes.HasPrefix(msg, []byte("p="))) {
		parts := bytes.SplitN(msg, []byte{','}, 3)
		if len(parts) < 3 || len(parts[1]) > 0 && !bytes.HasPrefix(parts[1], []byte("a=")) {
			return false
		}
		if len(parts[1]) > 0 {
			fields = append(fields, field{'a', parts[1][2:]})
		}
		rest = parts[2]
	}
	for f := range bytes.SplitSeq(rest, []byte{','}) {
		if len(f) < 2 || f[1] != '=' {
			return false
		}
		fields = append(fields, field{f[0], f[2:]})
	}
	for _, f := range fields {
		switch f.key {
		case 'n', 'a':
			r.jid(r.value(f.value, false))
		case 'r':
			r.blob(r.value(f.value, false), "secret")
		case 'i', 'e', 'd', 'h':
			r.scan(r.value(f.value, false), secretOnly, false)
		case 'c':
			r.binding(f.value)
		default:
			if !r.collecting {
				r.alnum(f.value)
			}
		}
	}
	return true
}

// binding takes the channel's value out of c=, behind the header of GS2.
func (r *redactor) binding(b []byte) {
	msg, err := base64.StdEncoding.DecodeString(string(b))
	if err != nil || base64.StdEncoding.EncodeToString(msg) != string(b) {
		r.alnum(b)
		return
	}
	at := bytes.IndexByte(msg, ',')
	if n := bytes.IndexByte(msg[at+1:], ','); at < 0 || n < 0 {
		r.alnum(b)
		return
	} else {
		if n > 2 && strings.HasPrefix(string(msg[at+1:]), "a=") {
			r.jid(r.value(msg[at+3:at+1+n], false))
		}
		at += n + 2
	}
	if !r.collecting {
		clear(msg[at:])
		base64.StdEncoding.Encode(b, msg)
	}
}
