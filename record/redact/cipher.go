package redact

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// A cipher replaces characters by others of their sets, by format-preserving encryption: what is equal stays equal, what
// differs stays different, and nothing stays as it was. Without the key nothing can be turned back.
//
// E is a Feistel network of four rounds over the characters at even and at odd places. What is applied is E, a step of
// one character to another, and E backwards: the step leaves nothing where it is, so neither does the whole.
type cipher struct {
	key [32]byte
	abc alphabet
	buf []byte
}

// unit is a character that is to be replaced: a place in its set, which may be a smaller one than the alphabet's.
type unit struct {
	place
	glyph int // the glyph that it belongs to
}

// keys draws numbers that depend on the key, the purpose, the round and half of the units.
func (c *cipher) keys(purpose string, round int, u []unit, half int) *rand.Rand {
	b := append(c.buf[:0], c.key[:]...)
	b = append(append(b, purpose...), 0, byte(round))
	b = binary.AppendUvarint(b, uint64(len(u)))
	for i := half; i >= 0 && i < len(u); i += 2 {
		b = binary.AppendUvarint(b, uint64(u[i].set[u[i].i]))
	}
	c.buf = b
	return rand.New(rand.NewChaCha8(sha256.Sum256(b)))
}

const rounds = 4

func (c *cipher) round(purpose string, n int, u []unit, sign int) {
	if len(u) < 2 {
		return
	}
	half := n % 2
	r := c.keys(purpose, n, u, 1-half)
	for i := half; i < len(u); i += 2 {
		size := len(u[i].set)
		u[i].i = (u[i].i + size + sign*int(r.Uint64N(uint64(size)))) % size
	}
}

// replace changes all units.
func (c *cipher) replace(purpose string, u []unit) {
	if len(u) == 0 {
		return
	}
	for n := range rounds {
		c.round(purpose, n, u, 1)
	}
	size := len(u[0].set)
	step := 1 + int(c.keys(purpose, rounds, u, -1).Uint64N(uint64(size-1)))
	u[0].i = (u[0].i + step) % size
	for n := rounds - 1; n >= 0; n-- {
		c.round(purpose, n, u, -1)
	}
}
