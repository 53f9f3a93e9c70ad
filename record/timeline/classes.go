package timeline

import (
	"bytes"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
)

// A Class is a coarse kind of entry, by which screens show and hide. Every entry
// has one as soon as it is in the list, and an Index counts them.
type Class uint8

// The classes.
const (
	Message    Class = iota
	Presence         // and subscriptions
	IQ               //
	Typing           // a message that has a chat state and no body
	Stream           // headers and ends of streams, features, login, errors, what is broken
	Connection       // opened, secured, closed
	Ack              // <r/> and <a/> of XEP-0198
	Keepalive        // white space between stanzas, ping and pong of WebSocket
	Transport        // bodies and requests of BOSH
	Note             // what a person or the proxy says
	NumClasses
)

var classes = [NumClasses]string{"message", "presence", "iq", "typing", "stream", "connection", "ack", "keepalive", "transport", "note"}

// String returns the name of a class, as addresses and requests write it.
func (c Class) String() string { return classes[c] }

// Classes is a set of them.
type Classes uint16

// Has reports whether a class is in the set.
func (s Classes) Has(c Class) bool { return s>>c&1 > 0 }

// ClassesOf returns the set of those that are named; other names are left out.
func ClassesOf(names []string) (s Classes) {
	for _, name := range names {
		if c := slices.Index(classes[:], name); c >= 0 {
			s |= 1 << c
		}
	}
	return s
}

// maxTyping bounds the messages that are looked through for a chat state, in bytes:
// this is done for every entry, and those that are nothing else are short.
const maxTyping = 1024

// Class returns the class of an entry. It needs no Stanza.
func (e *Entry) Class() Class {
	if e.Dir == "" {
		switch e.Kind {
		case record.EventNote:
			return Note
		case record.EventHTTP:
			return Transport
		case record.EventControl:
			if strings.HasPrefix(e.Event.Op, "p") && e.Event.Level == "" { // ping, pong
				return Keepalive
			}
		}
		return Connection
	}
	f := &e.Frame
	switch f.Kind {
	case decode.Whitespace:
		return Keepalive
	case decode.Header, decode.End:
		if string(f.NS) == "http://jabber.org/protocol/httpbind" {
			return Transport
		}
		return Stream
	case decode.Element:
	default:
		return Stream
	}
	switch string(f.Name) {
	case "message":
		// The body is looked for first: most messages have one, near the beginning.
		if len(f.Raw) <= maxTyping && !bytes.Contains(f.Raw, []byte("<body")) && bytes.Contains(f.Raw, []byte("http://jabber.org/protocol/chatstates")) {
			return Typing
		}
		return Message
	case "presence":
		return Presence
	case "iq":
		return IQ
	case "r", "a":
		if bytes.HasPrefix(f.NS, []byte("urn:xmpp:sm:")) {
			return Ack
		}
	}
	return Stream
}

// Counts are how many entries there are of each class.
type Counts [NumClasses]int

// Counts returns how many entries of each class are in the list. They are counted
// as the list grows.
func (x *Index) Counts() Counts {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.list.counts
}

// Classes appends the classes of up to count entries from number from on, from 1.
func (x *Index) Classes(dst []Class, from, count int) []Class {
	x.mu.Lock()
	defer x.mu.Unlock()
	from--
	for end := min(from+count, x.list.n); from < end; {
		at := from % perBlock
		n := min(perBlock-at, end-from)
		dst = append(dst, x.list.blocks[from/perBlock].classes[at:at+n]...)
		from += n
	}
	return dst
}

// mostAlong is how many entries Along looks at.
const mostAlong = 200_000

// Along returns the next entry of the same connection as entry n, or with by = -1
// the one before; 0 when there is none, or none near.
func (x *Index) Along(n, by int) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	var p place
	if n < 1 || n > x.list.n {
		return 0
	}
	at := x.list.from(n)
	at.next(&p)
	conn := p.conn
	if by > 0 {
		for at.n <= n+mostAlong && at.next(&p) {
			if p.conn == conn {
				return at.n - 1
			}
		}
		return 0
	}
	for end := n; end > 1 && end > n-mostAlong; {
		found := 0
		begin := (end-2)/perBlock*perBlock + 1
		for at := x.list.from(begin); at.n < end && at.next(&p); {
			if p.conn == conn {
				found = at.n - 1
			}
		}
		if found > 0 {
			return found
		}
		end = begin
	}
	return 0
}
