package record

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// parseEvent reads one line. Members come in any order; those that are not
// known are kept.
func parseEvent(line []byte, ev *Event) error {
	*ev = Event{}
	return eachMember(line, func(key string, value json.RawMessage) error {
		var err error
		str := func(p *string) { *p, err = plainString(value) }
		switch key {
		case "t":
			ev.T, err = parseSeconds(string(value))
		case "c":
			ev.C, err = strconv.Atoi(string(value))
		case "e":
			str(&ev.E)
		case "d":
			var s string
			str(&s)
			ev.D = Dir(s)
		case "rid":
			ev.RID, err = strconv.ParseInt(string(value), 10, 64)
		case "more":
			ev.More, err = strconv.ParseBool(string(value))
		case "kind":
			str(&ev.Kind)
		case "transport":
			str(&ev.Transport)
		case "client":
			str(&ev.Client)
		case "server":
			str(&ev.Server)
		case "leg":
			str(&ev.Leg)
		case "method":
			str(&ev.Method)
		case "version":
			str(&ev.Version)
		case "cipher":
			str(&ev.Cipher)
		case "alpn":
			str(&ev.ALPN)
		case "peer":
			str(&ev.Peer)
		case "verified":
			ev.Verified, err = strconv.ParseBool(string(value))
		case "o":
			ev.O, err = strconv.ParseInt(string(value), 10, 64)
		case "n":
			ev.N, err = strconv.ParseInt(string(value), 10, 64)
		case "verdict":
			str(&ev.Verdict)
		case "by":
			str(&ev.By)
		case "why":
			str(&ev.Why)
		case "level":
			str(&ev.Level)
		case "text":
			str(&ev.Text)
		case "hint":
			str(&ev.Hint)
		case "error":
			str(&ev.Error)
		case "op":
			str(&ev.Op)
		case "code":
			ev.Code, err = strconv.Atoi(string(value))
		case "s":
			ev.HasData = true
			ev.Data, err = unquote(value)
		case "b":
			ev.HasData = true
			if len(value) < 2 || value[0] != '"' {
				return errors.New(`"b" is no string`)
			}
			ev.Data, err = base64.StdEncoding.AppendDecode(nil, value[1:len(value)-1])
		default:
			ev.Extra = append(ev.Extra, Member{key, bytes.Clone(value)})
		}
		if err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		return nil
	})
}

// unquote decodes a JSON string; the common one without escapes is a slice of
// the line.
func unquote(value json.RawMessage) ([]byte, error) {
	if len(value) < 2 || value[0] != '"' {
		return nil, errors.New("no string")
	}
	inner := value[1 : len(value)-1]
	at := bytes.IndexByte(inner, '\\')
	if at < 0 {
		return inner, nil
	}
	out := append(make([]byte, 0, len(inner)), inner[:at]...)
	for i := at; i < len(inner); {
		if inner[i] != '\\' {
			next := bytes.IndexByte(inner[i:], '\\')
			if next < 0 {
				next = len(inner) - i
			}
			out = append(out, inner[i:i+next]...)
			i += next
			continue
		}
		switch inner[i+1] {
		case '"', '\\', '/':
			out = append(out, inner[i+1])
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		default: // \u, perhaps a pair of surrogates: not written by this package, so slow is good enough
			var s string
			if err := json.Unmarshal(value, &s); err != nil {
				return nil, err
			}
			if !strings.HasPrefix(string(inner[i:]), `\u00`) {
				return []byte(s), nil
			}
			c, err := strconv.ParseUint(string(inner[i+4:i+6]), 16, 8)
			if err != nil || c >= 0x80 {
				return []byte(s), nil
			}
			out = append(out, byte(c))
			i += 4
		}
		i += 2
	}
	return out, nil
}

// parseSeconds reads decimal seconds exactly.
func parseSeconds(s string) (time.Duration, error) {
	whole, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(time.Second)-1 || strings.ContainsAny(frac, "eE") {
		f, ferr := strconv.ParseFloat(s, 64) // another writer's 1e3
		if ferr != nil || f < 0 || f > math.MaxInt64/1e9 {
			return 0, fmt.Errorf("%q is no time", s)
		}
		return time.Duration(f * float64(time.Second)), nil
	}
	var ns int64
	if frac != "" {
		frac = (frac + "000000000")[:9]
		if ns, err = strconv.ParseInt(frac, 10, 64); err != nil {
			return 0, fmt.Errorf("%q is no time", s)
		}
	}
	return time.Duration(n)*time.Second + time.Duration(ns), nil
}

// eachMember calls f with the members of the JSON object in line. Values alias
// line.
func eachMember(line []byte, f func(key string, value json.RawMessage) error) error {
	// encoding/json took half of the time that reading a recording takes; it
	// judges what is not written as this package writes.
	if !flat(line) && !json.Valid(line) {
		var v any
		err := json.Unmarshal(line, &v)
		return fmt.Errorf("no JSON: %w", err)
	}
	i := skipBlank(line, 0)
	if line[i] != '{' {
		return errors.New("no JSON object")
	}
	// The line is valid JSON: only the ends of values have to be found.
	i = skipBlank(line, i+1)
	for line[i] != '}' {
		end := valueEnd(line, i)
		key, err := plainString(line[i:end])
		if err != nil {
			return err
		}
		i = skipBlank(line, skipBlank(line, end)+1)
		end = valueEnd(line, i)
		if err := f(key, line[i:end]); err != nil {
			return err
		}
		if i = skipBlank(line, end); line[i] == ',' {
			i = skipBlank(line, i+1)
		}
	}
	return nil
}

func skipBlank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// valueEnd returns the end of the valid JSON value at i.
func valueEnd(b []byte, i int) int {
	switch b[i] {
	case '"':
		end, _ := stringEnd(b, i)
		return end
	case '{', '[':
		depth := 0
		for ; ; i++ {
			switch b[i] {
			case '"':
				i = valueEnd(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(b) && !strings.ContainsRune(",}] \t\r\n", rune(b[i])) {
		i++
	}
	return i
}

// stringEnd returns the end of the JSON string at i, and whether it is one. Of a
// string that is cut short it returns the end of b.
func stringEnd(b []byte, i int) (int, bool) {
	for i++; i < len(b); {
		if i+8 <= len(b) {
			m := special(binary.LittleEndian.Uint64(b[i:]))
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) / 8
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, true
		case c < 0x20:
			return len(b), false
		case c != '\\':
			i++
			continue
		}
		if i+1 >= len(b) {
			break
		}
		switch b[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i += 2
		case 'u':
			if i+6 > len(b) {
				return len(b), false
			}
			for _, c := range b[i+2 : i+6] {
				if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f') {
					return len(b), false
				}
			}
			i += 6
		default:
			return len(b), false
		}
	}
	return len(b), false
}

// flat reports whether line is a JSON object as this package writes it: without
// blanks, its values strings, numbers and true or false. What is not may be JSON
// all the same.
func flat(line []byte) bool {
	if len(line) < 2 || line[0] != '{' {
		return false
	}
	for i := 1; i < len(line) && line[i] == '"'; i++ {
		end, ok := stringEnd(line, i)
		if !ok || end+1 >= len(line) || line[end] != ':' {
			return false
		}
		i = end + 1
		switch c := line[i]; {
		case c == '"':
			if i, ok = stringEnd(line, i); !ok {
				return false
			}
		case c >= '0' && c <= '9':
			begin := i
			for i < len(line) && (line[i] >= '0' && line[i] <= '9' || line[i] == '.') {
				i++
			}
			if n := line[begin:i]; n[0] == '0' && len(n) > 1 && n[1] != '.' || n[len(n)-1] == '.' || bytes.Count(n, []byte(".")) > 1 {
				return false
			}
		case bytes.HasPrefix(line[i:], []byte("true")):
			i += 4
		case bytes.HasPrefix(line[i:], []byte("false")):
			i += 5
		default:
			return false
		}
		if i >= len(line) {
			return false
		}
		if line[i] == '}' {
			return i == len(line)-1
		}
		if line[i] != ',' {
			return false
		}
	}
	return false
}

// plainString decodes a JSON string.
func plainString(value []byte) (string, error) {
	if len(value) >= 2 && value[0] == '"' && bytes.IndexByte(value, '\\') < 0 && utf8.Valid(value) {
		return string(value[1 : len(value)-1]), nil
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err
}

// parseHeader reads the first line.
func parseHeader(line []byte) (Header, error) {
	var h Header
	seen := false
	err := eachMember(line, func(key string, value json.RawMessage) error {
		switch key {
		case "xmpplens":
			seen = true
			n, err := strconv.Atoi(string(value))
			h.Version = n
			return err
		case "time":
			return json.Unmarshal(value, &h.Time)
		case "tool":
			return json.Unmarshal(value, &h.Tool)
		case "segment":
			return json.Unmarshal(value, &h.Segment)
		case "offset":
			return json.Unmarshal(value, &h.Offset)
		case "carry":
			return json.Unmarshal(value, &h.Carry)
		}
		h.Extra = append(h.Extra, Member{key, bytes.Clone(value)})
		return nil
	})
	switch {
	case err != nil, !seen:
		return h, &hinted{errors.New("record: this is no recording: its first line is no header"), `recordings begin with {"xmpplens":1,…`}
	case h.Segment < 0, h.Offset < 0, h.Carry < 0:
		return h, errors.New("record: the header is wrong: segment, offset and carry are not negative")
	case h.Version < 1 || h.Version > Version:
		return h, &hinted{fmt.Errorf("record: the recording has format version %d, this program reads up to %d", h.Version, Version), "use a newer xmpplens"}
	}
	return h, nil
}

// hinted is an error with its remedy.
type hinted struct {
	error
	hint string
}

func (e *hinted) Unwrap() error { return e.error }

// Hint returns what to do about the error.
func (e *hinted) Hint() string { return e.hint }

// A TornError says that the last line is not complete, as after a crash.
type TornError struct {
	Offset int64  // where the torn line begins
	Bytes  int    // how long it is
	File   string // the compressed file that is torn; "" = a plain one
}

func (e *TornError) Error() string {
	if e.File != "" {
		return fmt.Sprintf("record: %s: the last segment is torn: %d bytes at offset %d are not readable, everything before is", e.File, e.Bytes, e.Offset)
	}
	return fmt.Sprintf("record: the last line is torn: %d bytes at offset %d are not readable, everything before is", e.Bytes, e.Offset)
}

// A LineError says that a line in the middle cannot be read. The Reader goes on
// with the next one.
type LineError struct {
	Line   int // from 1, the header; 0 when the Reader was moved with SeekTo
	Offset int64
	After  time.Duration // the time of the event before; 0 when it is not known
	Err    error
}

func (e *LineError) Error() string {
	where := fmt.Sprintf("line %d at offset %d", e.Line, e.Offset)
	if e.After > 0 {
		where += fmt.Sprintf(", recorded after %.3f s", e.After.Seconds())
	}
	return fmt.Sprintf("record: %s: %v", where, e.Err)
}
func (e *LineError) Unwrap() error { return e.Err }

// A StoppedError says that recording stopped, most often because the disk is
// full. The first Events events are there.
type StoppedError struct {
	Events int64
	Err    error
}

func (e *StoppedError) Error() string {
	return fmt.Sprintf("record: recording stopped after %d events: %v", e.Events, e.Err)
}
func (e *StoppedError) Unwrap() error { return e.Err }

// IsDamage reports whether an error of Reader.Next says that something cannot be
// read, or is gone, and that the next call goes on behind it.
func IsDamage(err error) bool {
	var torn *TornError
	var line *LineError
	return errors.As(err, &torn) || errors.As(err, &line) || IsGap(err)
}

// IsGap reports whether an error of Reader.Next stands for events that are
// missing.
func IsGap(err error) bool {
	var damage *DamageError
	var gone *GoneError
	return errors.As(err, &damage) || errors.As(err, &gone)
}
