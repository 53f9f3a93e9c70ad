package session

import (
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
)

// This file is the session of --tap: every byte is passed on at once as it
// came, nothing is changed, and TLS goes from the client to the server. What is
// in the clear is recorded as data; behind <proceed/>, or from the first byte of
// direct TLS, the bytes are recorded as TLS and shown to the tap after they were
// sent.

// tapping is what a session needs for it.
type tapping struct {
	tls       [2]bool // by direction, of the leg that it comes from: TLS has begun
	asked     bool    // <starttls/> was said
	proceeded bool    // <proceed/> was said
	ended     bool    // only the close event is missing
	effects   [2][3]Effect
}

// handleTap is Handle.
func (s *Session) handleTap(in Input) []Effect {
	if in.On == Data && s.tap.tls[into(in.Dir).Other()] && s.begun {
		return s.passTLS(in.Dir, in.Bytes)
	}
	s.events, s.notes, s.sends = nil, nil, nil
	switch in.On {
	case Accepted:
		s.accepted(in)
	case Data:
		s.tapData(in.Dir, in.Bytes)
	case Dialed:
		s.tapDialed(in)
	case DialFailed:
		s.by, s.cause = "proxy", in.Err.Error()
		s.note("error", in.Err.Error(), in.Hint)
		s.tapEnd()
	case EOF:
		s.tapEOF(in)
	case WriteFailed:
		s.writeFailed(in.Leg, in.Err)
	case Shutdown:
		// Nothing can be said inside of TLS.
		s.by, s.cause = "proxy", "the proxy was stopped"
		s.tapEnd()
	}
	return s.answer()
}

// passTLS is its fast path: record, send, show.
func (s *Session) passTLS(d record.Dir, b []byte) []Effect {
	h, from := s.half(d), into(d).Other()
	e := &s.tap.effects[from]
	h.events[0] = record.Event{C: s.cfg.Conn, E: record.EventTLS, D: d, Data: b, HasData: true}
	e[0] = Effect{Do: Record, Events: h.events[:]}
	e[1] = Effect{Do: Send, Leg: into(d), Bytes: b}
	e[2] = Effect{Do: Tap, Leg: from, Bytes: b}
	if h.dead {
		e[1] = e[2]
		return e[:2]
	}
	return e[:]
}

func (s *Session) tapData(d record.Dir, b []byte) {
	from := into(d).Other()
	if d == record.CS && !s.spoken && b[0] == tlsRecord {
		s.direct = true
		s.tap.tls = [2]bool{true, true}
	}
	n := 0
	if !s.tap.tls[from] {
		n = s.tapClear(d, b)
	}
	if n > 0 {
		s.half(d).off += int64(n)
		s.event(record.Event{E: record.EventData, D: d, Data: b[:n], HasData: true})
	}
	if n < len(b) {
		s.tap.tls[from] = true
		s.event(record.Event{E: record.EventTLS, D: d, Data: b[n:], HasData: true})
	}
	switch {
	case d == record.CS && !s.connected:
		s.waiting = append(s.waiting, b...)
	case !s.half(d).dead:
		s.do(Effect{Do: Send, Leg: into(d), Bytes: b})
	}
	if d == record.CS && !s.spoken {
		s.spoken, s.begun = true, s.connected
		if !s.connected {
			s.dial()
		}
	}
	if n < len(b) {
		s.do(Effect{Do: Tap, Leg: from, Bytes: b[n:]})
	}
}

// tapClear returns how many bytes of b stand in front of the first TLS record.
func (s *Session) tapClear(d record.Dir, b []byte) int {
	h := s.half(d)
	if s.tapBegins(d, b) && len(h.dec.Unread()) == 0 {
		return 0
	}
	h.dec.Write(b)
	for {
		f, ok := h.dec.Next()
		if !ok {
			return len(b)
		}
		switch {
		case d == record.CS && is(f, nsTLS, "starttls"):
			s.tap.asked = true
		case d == record.SC && is(f, nsTLS, "proceed") && s.tap.asked:
			s.tap.proceeded = true
		case d == record.SC && is(f, nsTLS, "failure"):
			s.tap.asked = false
			continue
		case f.Kind == decode.End && s.by == "":
			s.by = into(d).Other().String()
			continue
		default:
			continue
		}
		if rest := h.dec.Unread(); s.tapBegins(d, rest) {
			n := len(b) - len(rest)
			h.dec.Reset(h.off + int64(n))
			return n
		}
	}
}

// tapBegins reports whether b is the beginning of TLS: a record where one may
// be. No XML begins with such a byte.
func (s *Session) tapBegins(d record.Dir, b []byte) bool {
	const firstType, lastType = 0x14, 0x17
	if len(b) == 0 {
		return false
	}
	if d == record.CS {
		return s.tap.asked && b[0] == tlsRecord
	}
	return s.tap.proceeded && b[0] >= firstType && b[0] <= lastType
}

func (s *Session) tapDialed(in Input) {
	s.connected = true
	s.note("", "connected to "+in.Server, "")
	if in.Hint != "" {
		s.note("warning", in.Hint, "")
	}
	if !s.spoken {
		return
	}
	s.begun = true
	if s.direct != in.Direct {
		what := map[bool]string{true: "TLS from the first byte", false: "clear text"}
		s.note("warning", "the client began with "+what[s.direct]+", the server expects "+what[in.Direct]+" here; with --tap both have to do the same", "choose the server's other port, or the client's other kind of connection")
	}
	b := s.waiting
	s.waiting = nil
	s.do(Effect{Do: Send, Leg: Server, Bytes: b})
}

func (s *Session) tapEOF(in Input) {
	l := in.Leg
	h := s.half(l.Receives())
	if h.ends {
		return
	}
	h.ends = true
	if s.by == "" || s.by == l.String() {
		s.by = l.String()
		if in.Err != nil {
			s.cause = in.Err.Error()
		}
	}
	if in.Err != nil || s.half(into(l.Receives()).Receives()).ends || !s.connected {
		s.tapEnd()
		return
	}
	s.do(Effect{Do: CloseWrite, Leg: into(l.Receives())})
}

// tapEnd closes both legs. The record is complete when the tap has said its last
// words: Untapped.
func (s *Session) tapEnd() {
	s.closed = true
	s.do(Effect{Do: Close})
}

// untapped ends the record of a session that is closed.
func (s *Session) untapped(in Input) []Effect {
	if s.tap.ended {
		return nil
	}
	s.tap.ended = true
	s.manner = in.Manner
	if s.by == "" {
		s.by = "proxy"
	}
	s.events, s.sends = nil, nil
	s.notes = []record.Event{{E: record.EventClose, By: s.by, Error: s.cause, Why: strings.Join(s.manner, "; ")}}
	return s.answer()
}
