package main

import (
	"bytes"
	"unicode/utf8"
)

// This file makes keys of the bytes that a terminal sends. It is pure; what it does
// not know it passes over.

// A key is one that was pressed: a character, or one of the names below.
type key rune

const (
	keyNone key = -iota
	keyEnter
	keyEsc
	keyTab
	keyBackspace
	keyDelete
	keyUp
	keyDown
	keyLeft
	keyRight
	keyHome
	keyEnd
	keyClear  // Ctrl-U: what is in front of the cursor
	keyWord   // Ctrl-W: the word in front of it
	keyRest   // Ctrl-K: what is behind it
	keyEditor // Ctrl-O
)

// pasted is added to the characters of a text that was pasted: they are no commands.
const pasted key = 1 << 22

// controlKeys are those of single bytes.
var controlKeys = map[byte]key{
	'\r': keyEnter, '\n': keyEnter, '\t': keyTab, 8: keyBackspace, 127: keyBackspace,
	1: keyHome, 5: keyEnd, 2: keyLeft, 6: keyRight, 16: keyUp, 14: keyDown, 4: keyDelete,
	21: keyClear, 23: keyWord, 11: keyRest, 15: keyEditor,
}

// sequenceKeys are those that come as ESC [ … or ESC O ….
var sequenceKeys = map[string]key{
	"A": keyUp, "B": keyDown, "C": keyRight, "D": keyLeft, "H": keyHome, "F": keyEnd,
	"1~": keyHome, "7~": keyHome, "4~": keyEnd, "8~": keyEnd, "3~": keyDelete,
}

const (
	pasteBegins, pasteEnds = "200~", "201~"
	maxSequence            = 32 // bytes
)

// A keyReader makes keys of bytes, however they were cut.
type keyReader struct {
	rest    []byte // of a sequence or a character that goes on
	pasting bool
}

// feed takes what was read.
func (r *keyReader) feed(b []byte) (keys []key) {
	b = append(r.rest, b...)
	r.rest = nil
	for len(b) > 0 {
		switch c := b[0]; {
		case c == 27:
			k, n := r.sequence(b)
			if n == 0 {
				r.rest = b
				return keys
			}
			if k != keyNone {
				keys = append(keys, k)
			}
			b = b[n:]
		case r.pasting && (c == '\r' || c == '\n'):
			keys, b = append(keys, pasted+'\n'), b[1:]
		case c < ' ' || c == 127:
			if k := controlKeys[c]; k != keyNone && !r.pasting {
				keys = append(keys, k)
			}
			b = b[1:]
		default:
			c, n := utf8.DecodeRune(b)
			if c == utf8.RuneError && n == 1 {
				if !utf8.FullRune(b) {
					r.rest = b
					return keys
				}
			} else if k := key(c); r.pasting {
				keys = append(keys, pasted+k)
			} else {
				keys = append(keys, k)
			}
			b = b[n:]
		}
	}
	return keys
}

// late tells that nothing more came: an ESC alone was the key.
func (r *keyReader) late() (keys []key) {
	if len(r.rest) > 0 && r.rest[0] == 27 && !r.pasting {
		keys = append(keys, keyEsc)
		keys = append(keys, r.feedRest()...)
	}
	return keys
}

func (r *keyReader) feedRest() []key {
	b := r.rest[1:]
	r.rest = nil
	return r.feed(b)
}

// sequence reads what begins with ESC; n = 0: it is not complete.
func (r *keyReader) sequence(b []byte) (k key, n int) {
	if r.pasting {
		return r.pasteEnd(b)
	}
	if len(b) == 1 {
		return keyNone, 0
	}
	if b[1] != '[' && b[1] != 'O' {
		return keyEsc, 1
	}
	for i := 2; i < len(b); i++ {
		switch c := b[i]; {
		case i > maxSequence || c < ' ' || c > '~':
			return keyEsc, 1 // it is none
		case c >= '@':
			name := string(b[2 : i+1])
			r.pasting = name == pasteBegins
			return sequenceKeys[name], i + 1
		}
	}
	return keyNone, 0
}

// pasteEnd looks whether an ESC in what is pasted is its end.
func (r *keyReader) pasteEnd(b []byte) (k key, n int) {
	end := []byte("\x1b[" + pasteEnds)
	switch {
	case bytes.HasPrefix(b, end):
		r.pasting = false
		return keyNone, len(end)
	case bytes.HasPrefix(end, b):
		return keyNone, 0
	}
	return keyNone, 1
}
