package record

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"slices"
	"time"
)

// This file reads the line of a data event as this package writes it: nearly
// all lines of a recording are such. One pass over the text checks it, finds its
// end and takes the escapes out, and nothing is allocated. What does not look
// exactly so is left to parseEvent, which reads any JSON.

// parseData reads a data event and appends its bytes to dst. Where ok is false,
// ev and what stands behind dst are of no use.
func parseData(line []byte, ev *Event, dst []byte) (out []byte, ok bool) {
	*ev = Event{E: EventData, HasData: true}
	s := scanner{b: line}
	if !s.take(`{"t":`) {
		return dst, false
	}
	seconds, ok := s.number(9)
	if !ok || !s.take(`.`) {
		return dst, false
	}
	at := s.i
	ns, ok := s.number(9)
	if !ok || s.i-at != 9 || !s.take(`,"c":`) {
		return dst, false
	}
	ev.T = time.Duration(seconds)*time.Second + time.Duration(ns)
	c, ok := s.number(9)
	if !ok || !s.take(`,"e":"data","d":"`) {
		return dst, false
	}
	ev.C = int(c)
	switch {
	case s.take(`SC"`):
		ev.D = SC
	case s.take(`CS"`):
		ev.D = CS
	default:
		return dst, false
	}
	if s.take(`,"rid":`) {
		if ev.RID, ok = s.number(18); !ok {
			return dst, false
		}
	}
	ev.More = s.take(`,"more":true`)
	begin := len(dst)
	switch {
	case s.take(`,"s":"`):
		dst, ok = s.text(dst)
	case s.take(`,"b":"`):
		dst, ok = s.base64(dst)
	default:
		ok = false
	}
	ev.Data = dst[begin:len(dst):len(dst)]
	return dst, ok && string(s.b[s.i:]) == "}"
}

// scanner reads a line from i on.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) take(want string) bool {
	if end := s.i + len(want); end <= len(s.b) && string(s.b[s.i:end]) == want {
		s.i = end
		return true
	}
	return false
}

// number reads up to digits digits, without zeros in front except behind a
// point.
func (s *scanner) number(digits int) (n int64, ok bool) {
	at := s.i
	for s.i < len(s.b) && s.i-at <= digits {
		c := s.b[s.i] - '0'
		if c > 9 {
			break
		}
		n = 10*n + int64(c)
		s.i++
	}
	k := s.i - at
	if k > 1 && s.b[at] == '0' && (at == 0 || s.b[at-1] != '.') {
		return 0, false
	}
	return n, k > 0 && k <= digits
}

// stops flags the bytes of w where the text of a JSON string cannot be copied:
// below 0x20, '"', '\\'. A flag may be false only above a true one, so the lowest
// is right.
func stops(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return ((w-ones*0x20)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & highs
}

// text appends what a JSON string holds and passes over its end. Escapes other
// than those that appendText writes are not known here.
func (s *scanner) text(dst []byte) ([]byte, bool) {
	src := s.b[s.i:]
	dst = slices.Grow(dst, len(src)+8)
	n := len(dst)
	to := dst[:cap(dst)]
	i := 0
	for {
		// Eight bytes are copied whatever they are; n says how many count.
		for i+8 <= len(src) {
			w := binary.LittleEndian.Uint64(src[i:])
			binary.LittleEndian.PutUint64(to[n:], w)
			m := stops(w)
			if m == 0 {
				i += 8
				n += 8
				continue
			}
			k := bits.TrailingZeros64(m) / 8
			i += k
			n += k
			break
		}
		if i >= len(src) {
			return dst, false
		}
		c := src[i]
		switch {
		case c == '"':
			s.i += i + 1
			return to[:n:cap(to)], true
		case c < 0x20:
			return dst, false
		case c == '\\':
			if i+1 >= len(src) {
				return dst, false
			}
			switch e := src[i+1]; e {
			case '"', '\\':
				c = e
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			default:
				return dst, false
			}
			i++
		}
		to[n] = c
		i++
		n++
	}
}

func (s *scanner) base64(dst []byte) ([]byte, bool) {
	end := slices.Index(s.b[s.i:], '"')
	if end < 0 {
		return dst, false
	}
	out, err := base64.StdEncoding.AppendDecode(dst, s.b[s.i:s.i+end])
	if err != nil || slices.ContainsFunc(s.b[s.i:s.i+end], func(c byte) bool { return c < 0x20 || c == '\\' }) {
		return dst, false // among them line ends, which base64 passes over
	}
	s.i += end + 1
	return out, true
}
