package record

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"
)

// Encoding is hand-written: it runs between receiving bytes and sending them
// on. BenchmarkEncode compares it with encoding/json.

// timePrefix is the room that appendEvent leaves for `{"t":` and the time,
// which is filled in when the event's place in the file is known: 20 digits
// cover 584 years.
const timePrefix = 6 + 20

// appendEvent appends the line of ev without its time prefix: the caller
// finds timePrefix bytes of room in front.
func appendEvent(dst []byte, ev *Event) []byte {
	dst = append(dst, "                          "[:timePrefix]...)
	if ev.C != 0 {
		dst = append(dst, `,"c":`...)
		dst = strconv.AppendInt(dst, int64(ev.C), 10)
	}
	dst = appendField(dst, "e", ev.E)
	dst = appendField(dst, "d", string(ev.D))
	if ev.RID != 0 {
		dst = append(dst, `,"rid":`...)
		dst = strconv.AppendInt(dst, ev.RID, 10)
	}
	if ev.More {
		dst = append(dst, `,"more":true`...)
	}
	dst = appendField(dst, "kind", ev.Kind)
	dst = appendField(dst, "transport", ev.Transport)
	dst = appendField(dst, "client", ev.Client)
	dst = appendField(dst, "server", ev.Server)
	dst = appendField(dst, "leg", ev.Leg)
	dst = appendField(dst, "method", ev.Method)
	dst = appendField(dst, "version", ev.Version)
	dst = appendField(dst, "cipher", ev.Cipher)
	if ev.E == EventSecure {
		dst = append(dst, `,"alpn":`...)
		dst = appendString(dst, []byte(ev.ALPN))
	} else {
		dst = appendField(dst, "alpn", ev.ALPN)
	}
	dst = appendField(dst, "peer", ev.Peer)
	if ev.E == EventSecure || ev.Verified {
		dst = append(dst, `,"verified":`...)
		dst = strconv.AppendBool(dst, ev.Verified)
	}
	switch ev.E {
	case EventEdit, EventHold, EventVerdict, EventInject:
		dst = append(dst, `,"o":`...)
		dst = strconv.AppendInt(dst, ev.O, 10)
	default:
		if ev.O != 0 {
			dst = append(dst, `,"o":`...)
			dst = strconv.AppendInt(dst, ev.O, 10)
		}
	}
	if ev.N != 0 {
		dst = append(dst, `,"n":`...)
		dst = strconv.AppendInt(dst, ev.N, 10)
	}
	dst = appendField(dst, "verdict", ev.Verdict)
	dst = appendField(dst, "op", ev.Op)
	if ev.Code != 0 {
		dst = append(dst, `,"code":`...)
		dst = strconv.AppendInt(dst, int64(ev.Code), 10)
	}
	dst = appendField(dst, "level", ev.Level)
	dst = appendField(dst, "text", ev.Text)
	switch {
	case ev.HasData && ev.E == EventTLS:
		dst = appendBase64(dst, ev.Data)
	case ev.HasData:
		dst = appendData(dst, ev.Data)
	}
	dst = appendField(dst, "by", ev.By)
	dst = appendField(dst, "why", ev.Why)
	dst = appendField(dst, "hint", ev.Hint)
	if ev.E == EventClose {
		dst = append(dst, `,"error":`...)
		dst = appendString(dst, []byte(ev.Error))
	} else {
		dst = appendField(dst, "error", ev.Error)
	}
	for _, m := range ev.Extra {
		dst = append(dst, ',')
		dst = appendString(dst, []byte(m.Key))
		dst = append(dst, ':')
		dst = append(dst, m.Value...)
	}
	return append(dst, '}', '\n')
}

// putTime writes `{"t":` and the time right-aligned into the room at the start
// of a line and returns how many bytes of it are unused.
func putTime(room []byte, t time.Duration) int {
	i := timePrefix
	ns := uint64(max(t, 0))
	for n := 0; n < 9 || ns > 0 || n < 10; n++ {
		if n == 9 {
			i--
			room[i] = '.'
		}
		i--
		room[i] = byte('0' + ns%10)
		ns /= 10
	}
	i -= len(`{"t":`)
	copy(room[i:], `{"t":`)
	return i
}

func appendField(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, key...)
	dst = append(dst, '"', ':')
	return appendString(dst, []byte(value))
}

// appendData writes ,"s":"text", or ,"b":"base64" for bytes that no JSON
// string can hold.
func appendData(dst, b []byte) []byte {
	start := len(dst)
	dst = append(dst, `,"s":`...)
	dst, ok := appendText(dst, b)
	if ok {
		return dst
	}
	return appendBase64(dst[:start], b)
}

func appendBase64(dst, b []byte) []byte {
	dst = append(dst, `,"b":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// appendString writes text of the program's own, with what is not UTF-8
// replaced.
func appendString(dst, s []byte) []byte {
	start := len(dst)
	dst, ok := appendText(dst, s)
	if !ok {
		dst, _ = appendText(dst[:start], []byte(string([]rune(string(s)))))
	}
	return dst
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special flags the bytes of w that a JSON string cannot hold as they are, or
// that are not ASCII: below 0x20, '"', '\\', above 0x7f. A flag may be false
// only above a true one, so the lowest is right.
func special(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return ((w - ones*0x20) | (quote - ones) | (slash - ones) | w) & highs
}

// appendText writes b as a JSON string and reports whether b is valid UTF-8;
// if not, what was appended is of no use. HTML is not escaped.
func appendText(dst, b []byte) ([]byte, bool) {
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(b); {
		if i+8 <= len(b) {
			m := special(binary.LittleEndian.Uint64(b[i:]))
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) / 8
		}
		c := b[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return dst, false
			}
			i += n
			continue
		case c >= 0x20 && c != '"' && c != '\\':
			i++
			continue
		}
		dst = append(dst, b[done:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		done = i
	}
	dst = append(dst, b[done:]...)
	return append(dst, '"'), true
}

// appendHeader appends the first line.
func appendHeader(dst []byte, h Header) []byte {
	dst = append(dst, `{"xmpplens":`...)
	dst = strconv.AppendInt(dst, int64(h.Version), 10)
	dst = append(dst, `,"time":"`...)
	dst = h.Time.AppendFormat(dst, "2006-01-02T15:04:05.000000000Z07:00")
	dst = append(dst, '"')
	dst = appendField(dst, "tool", h.Tool)
	for _, n := range []struct {
		key   string
		value int64
	}{{"segment", int64(h.Segment)}, {"offset", h.Offset}, {"carry", h.Carry}} {
		if n.value != 0 {
			dst = append(dst, ',', '"')
			dst = append(dst, n.key...)
			dst = append(dst, '"', ':')
			dst = strconv.AppendInt(dst, n.value, 10)
		}
	}
	for _, m := range h.Extra {
		dst = append(dst, ',')
		key, _ := json.Marshal(m.Key)
		dst = append(dst, key...)
		dst = append(dst, ':')
		dst = append(dst, m.Value...)
	}
	return append(dst, '}', '\n')
}
