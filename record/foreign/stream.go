package foreign

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
)

const (
	nsSASL     = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsTLS      = "urn:ietf:params:xml:ns:xmpp-tls"
	nsCompress = "http://jabber.org/protocol/compress"
)

// assumed are the stream headers that stand for those that are not in the input.
var assumed = map[string]string{
	"c2s":       "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
	"s2s":       "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
	"component": "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>",
}

// maxHoles bounds how often the framing of one direction begins anew.
const maxHoles = 1000

// stream is one direction of XML. It is framed to notice STARTTLS, and to find
// the way back behind a hole.
type stream struct {
	dec    decode.Decoder
	off    int64
	began  bool
	header []byte // in force
	search bool   // for the beginning of an element
	shaky  bool   // bytes are missing: what looks like the beginning of an element may be one inside of another
	passed int64  // bytes while searching
	holes  int
}

// layer begins anew, as behind TLS.
func (s *stream) layer() {
	s.dec.Reset(s.off)
	s.header, s.search, s.shaky = nil, false, false
}

// hole is told that bytes are missing.
func (s *stream) hole() {
	if s.holes++; s.holes > maxHoles {
		return
	}
	s.dec.Reset(s.off)
	s.search, s.shaky, s.passed = true, true, 0
}

// within makes the decoder go on at off in the stream.
func (s *stream) within() {
	s.dec.Reset(s.off - int64(len(s.header)))
	if len(s.header) > 0 {
		s.dec.Write(s.header)
		s.dec.Next()
	}
}

// speak takes bytes of a stream.
func (d *dialog) speak(dir record.Dir, b []byte) {
	s := &d.stream[dirIndex(dir)]
	if !s.began && len(b) > 0 {
		s.began = true
		if (d.middle || s.search) && !d.tls[dirIndex(dir)] && !beginsStream(b) && !d.tlsBegins(dir, b) {
			s.header = []byte(assumed[d.kind])
			s.search, s.shaky = true, true
			d.say(record.Event{E: record.EventCarry, D: dir, N: int64(len(s.header)), Data: s.header, HasData: true})
			s.within()
		}
	}
	for len(b) > 0 && !d.refused {
		switch {
		case d.squeezed:
			return
		case d.tlsBegins(dir, b) && len(s.dec.Unread()) == 0:
			d.startTLS(dir, b)
			return
		case s.search:
			b = d.seek(dir, s, b)
		default:
			b = d.frames(dir, s, b)
		}
	}
}

// goesOn continues in another connection. xmpplens exports what was inside of TLS to
// one of its own, so that Wireshark reads it.
func (d *dialog) goesOn(k *tcpConn) {
	d.k, k.app = k, d
	d.agreed, d.asked = false, false
	d.say(record.Event{E: record.EventSecure, Leg: record.BothLegs, Version: "TLS", Text: "it was taken off when xmpplens exported the capture"})
	for i := range d.stream {
		d.stream[i].layer()
	}
}

func (d *dialog) secure() bool { return d.tls[0] || d.tls[1] }

// data records bytes of a stream.
func (d *dialog) data(dir record.Dir, s *stream, b []byte) {
	if len(b) > 0 {
		s.off += int64(len(b))
		d.say(record.Event{E: record.EventData, D: dir, Data: b, HasData: true})
	}
}

// frames cuts frames, and returns what is left for another layer.
func (d *dialog) frames(dir record.Dir, s *stream, b []byte) []byte {
	s.dec.Write(b)
	for f, ok := s.dec.Next(); ok; f, ok = s.dec.Next() {
		switch {
		case f.Kind == decode.Header:
			s.header = bytes.Clone(f.Raw)
		case f.Kind == decode.Junk && s.shaky && f.Err != nil && f.Err.Hard() && s.holes <= maxHoles:
			n := int(max(0, min(f.Offset-s.off, int64(len(b)))))
			d.data(dir, s, b[:n])
			s.hole()
			if n == len(b) {
				return nil
			}
			// What it looked like was inside of something else.
			d.data(dir, s, b[n:n+1])
			s.passed = 1
			return b[n+1:]
		case dir == record.CS && named(f, nsTLS, "starttls"):
			d.asked = true
		case dir == record.SC && named(f, nsTLS, "proceed"):
			d.agreed = true
		case dir == record.SC && named(f, nsCompress, "compressed"):
			n := len(b) - len(s.dec.Unread())
			d.data(dir, s, b[:n])
			d.squeezed = true
			d.c.s.note(d.c.now, d.id, "warning", "from here on the stream is compressed (XEP-0138), which is not read from a capture", "record it with xmpplens proxy, or switch compression off in the client")
			return nil
		default:
			continue
		}
		if rest := s.dec.Unread(); d.tlsBegins(dir, rest) {
			n := len(b) - len(rest)
			rest = slices.Clone(rest)
			d.data(dir, s, b[:n])
			s.dec.Reset(s.off)
			d.startTLS(dir, rest)
			return nil
		}
	}
	d.data(dir, s, b)
	return nil
}

func named(f decode.Frame, ns, name string) bool {
	return f.Kind == decode.Element && f.Part == decode.Whole && string(f.Name) == name && string(f.NS) == ns
}

// tlsBegins reports whether b is the beginning of TLS: a record where one may be.
func (d *dialog) tlsBegins(dir record.Dir, b []byte) bool {
	if len(b) == 0 || d.secure() && d.tls[dirIndex(dir)] {
		return false
	}
	// One of <starttls/> and <proceed/> may be missing.
	if dir == record.CS {
		return (d.asked || d.agreed) && b[0] == 0x16
	}
	return (d.agreed || d.tls[0]) && b[0] >= 0x14 && b[0] <= 0x17
}

func (d *dialog) startTLS(dir record.Dir, b []byte) {
	d.tls[dirIndex(dir)] = true
	d.cipher(dir, b)
}

// seek looks for the beginning of an element. What stands before it belongs to
// something whose beginning is missing.
func (d *dialog) seek(dir record.Dir, s *stream, b []byte) []byte {
	i := elementIn(b)
	if i < 0 {
		s.passed += int64(len(b))
		d.data(dir, s, b)
		return nil
	}
	d.data(dir, s, b[:i])
	if s.passed += int64(i); s.passed > 0 {
		d.say(record.Event{E: record.EventNote, D: dir, By: "import",
			Text: fmt.Sprintf("framing begins again: the %s before belong to something whose beginning is missing", plural(int(s.passed), "byte"))})
	}
	s.search = false
	s.within()
	return b[i:]
}

// beginsStream reports whether a direction begins where a stream does.
func beginsStream(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	return bytes.HasPrefix(b, []byte("<?xml")) || bytes.HasPrefix(b, []byte("<stream:stream")) || bytes.HasPrefix(b, []byte("<open"))
}

// elements are what streams consist of.
var elements = []string{"message", "presence", "iq", "r", "a", "?xml", "stream:stream", "/stream:stream", "stream:features", "stream:error",
	"starttls", "proceed", "auth", "challenge", "response", "success", "failure", "authenticate", "enable", "enabled", "resume", "resumed", "failed", "active", "inactive", "db:result", "db:verify", "handshake"}

// elementIn returns where in b the first element of a stream begins, as far as
// its name tells, -1 for nowhere.
func elementIn(b []byte) int {
	for i := 0; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '<')
		if n < 0 {
			return -1
		}
		i += n
		if i > 0 && b[i-1] != '>' && b[i-1] != ' ' && b[i-1] != '\n' {
			continue
		}
		rest := b[i+1:]
		end := bytes.IndexAny(rest[:min(len(rest), 20)], " \t\r\n/>")
		if end == 0 {
			end = 1 + bytes.IndexAny(rest[1:min(len(rest), 20)], " \t\r\n/>") // an end tag
		}
		if end < 0 {
			for _, name := range elements { // the name goes on behind the chunk
				if len(rest) < 20 && len(rest) <= len(name) && name[:len(rest)] == string(rest) {
					return i
				}
			}
			continue
		}
		if slices.Contains(elements, string(rest[:end])) {
			return i
		}
	}
	return -1
}
