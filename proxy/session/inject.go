package session

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/proxy/websocket"
	"github.com/xmpplens/xmpplens/record"
)

// This file puts elements of nobody's into a stream, and checks what is to be
// sent in the place of something else.

// An Injection is what Put sends.
type Injection struct {
	Reason
	Dir     record.Dir
	Bytes   []byte // one element or more
	Swallow bool   // the answer to an iq in it does not reach the other side
}

// awaited is the answer to an iq that was injected.
type awaited struct {
	id string
	by string
}

// maxExpected bounds the answers that are waited for in a direction.
const maxExpected = 1000

// An ElementError says what is wrong with XML that is to be sent.
type ElementError struct {
	Offset int // in bytes
	Msg    string
}

// At is where it is wrong, in bytes.
func (e *ElementError) At() int { return e.Offset }

func (e *ElementError) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Msg) }

// errWord makes refusals.
func refuse(format string, args ...any) error { return fmt.Errorf("session: "+format, args...) }

// Refuses says why an input of Put or Decided is not possible now; nil when it
// is. Ask before Handle, under the same lock: Handle drops what is not possible.
func (s *Session) Refuses(in Input) error {
	switch in.On {
	case Put:
		return s.refusesPut(*in.Injection)
	case Decided:
		return s.refusesVerdict(*in.Verdict)
	}
	return nil
}

// CanPut says why nothing can be put into a direction now; nil when it can.
func (s *Session) CanPut(d record.Dir) error {
	l := into(d)
	switch {
	case s.closed:
		return errors.New("session: the connection is closed")
	case s.tap != nil:
		return errors.New("session: the connection is only tapped, nothing can be put into TLS that passes untouched; run the proxy without --tap")
	case s.bosh != nil:
		return errors.New("session: nothing can be put into a session over BOSH, the client numbers its requests, and the server its answers with them; use a client that speaks WebSocket or TCP")
	case !s.authed || s.armed:
		return errors.New("session: the login has not ended")
	case s.way(d).frozen:
		return refuse("nothing is sent to the %s any more", l)
	case s.half(d).dead:
		return refuse("the %s does not take anything any more", l)
	case s.half(d).ends:
		return refuse("the %s has ended its stream", l.Other())
	case s.half(other(d)).ends:
		return refuse("the %s has gone", l)
	case s.ws != nil && s.messages(d).lost:
		return errors.New("session: the framing of the WebSocket is lost in this direction")
	case s.way(d).full(0):
		return errors.New("session: too much waits for the end of an element that is on its way")
	}
	return s.tooMuch(d)
}

// tooMuch says that no more stanzas can be told apart.
func (s *Session) tooMuch(d record.Dir) (err error) {
	s.counts(d, func(l *lane) {
		if l.full() {
			err = refuse("the %s has not acknowledged the %d changes before (XEP-0198)", into(d), maxRuns)
		}
	})
	return err
}

func (s *Session) refusesPut(in Injection) error {
	if err := s.CanPut(in.Dir); err != nil {
		return err
	}
	list, err := s.parse(in.Dir, in.Bytes)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return &ElementError{0, "there is no element"}
	}
	for _, f := range list {
		if err := s.tooLarge(in.Dir, len(f.Raw)); err != nil {
			return err
		}
	}
	return nil
}

// tooLarge says that the server does not take an element of n bytes.
func (s *Session) tooLarge(d record.Dir, n int) error {
	if max := s.maxBytes(); d == record.CS && max > 0 && n > max {
		return refuse("the element has %d bytes, the server takes %d (XEP-0478)", n, max)
	}
	return nil
}

func (s *Session) refusesVerdict(v Verdict) error {
	p := s.way(v.Dir).pend
	switch {
	case s.closed:
		return errors.New("session: the connection is closed")
	case p == nil || p.f.Offset != v.Offset || !p.waiting:
		return refuse("no frame is held at %s %d: it was decided about, or its time is over", v.Dir, v.Offset)
	case v.All && (v.Decision == EditIt || v.Decision == AnswerIt || v.Decision == HoldOn):
		return errors.New("session: an edit, an answer and a longer hold are for one frame")
	}
	switch v.Decision {
	case Pass, DropIt:
	case DelayIt, HoldOn:
		if v.For <= 0 {
			return errors.New("session: a delay and a longer hold need a time")
		}
	case EditIt:
		_, err := s.element(v.Dir, v.Bytes)
		return err
	case AnswerIt:
		return s.refusesPut(Injection{Dir: other(v.Dir), Bytes: v.Bytes})
	default:
		return refuse("no verdict is called %q: it is passed, edited, dropped, answered, delayed or held", v.Decision)
	}
	return nil
}

// Held are the frames that are held, at most one of each direction: what is behind
// it is looked at when it is decided about.
func (s *Session) Held() (list []HeldFrame) {
	for _, d := range []record.Dir{record.CS, record.SC} {
		if p := s.way(d).pend; p != nil && p.waiting {
			list = append(list, HeldFrame{Dir: d, Offset: p.f.Offset, Raw: p.raw, By: p.by, Behind: s.behind(d), Timer: p.timer})
		}
	}
	return list
}

// behind is how much waits behind what is held, in bytes.
func (s *Session) behind(d record.Dir) int {
	n := len(s.half(d).dec.Unread())
	if s.ws != nil {
		n += len(s.messages(d).backlog)
	}
	return n
}

// holdsBack reports whether no more is to be read of a direction. Before the login has
// ended nothing is read of the server behind what is held: it may be the answer that a
// handshake begins with, whose bytes nobody else must read.
func (s *Session) holdsBack(d record.Dir) bool {
	return s.way(d).pend != nil && (s.ws != nil || s.armed && d == record.SC || len(s.half(d).dec.Unread()) > maxBehind)
}

// maxBytes is the limit of XEP-0478 that the server announced, in bytes; 0 = none.
func (s *Session) maxBytes() int {
	if len(s.features.Raw) == 0 {
		return 0
	}
	root, err := stanza.Tree(s.features)
	if err != nil {
		return 0
	}
	n := root.Child("urn:xmpp:stream-limits:0", "limits").Child("", "max-bytes")
	if n == nil {
		return 0
	}
	max, err := strconv.Atoi(strings.TrimSpace(n.Text))
	if err != nil {
		return 0
	}
	return max
}

// CheckElement says what is wrong with an element that is to be sent in the stream
// that header begins (nil: over WebSocket, where elements stand alone). The error
// is an *ElementError.
func CheckElement(header, b []byte) error {
	list, err := parseIn(header, b)
	if err == nil && len(list) != 1 {
		err = &ElementError{0, fmt.Sprintf("there are %d elements, one is needed", len(list))}
	}
	return err
}

// element checks what is to be sent in place of a frame.
func (s *Session) element(d record.Dir, b []byte) ([]byte, error) {
	list, err := s.parse(d, b)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, &ElementError{0, fmt.Sprintf("there are %d elements, one is needed", len(list))}
	}
	return list[0].Raw, nil
}

// parse cuts b into elements, in the context of the stream that a direction is in.
func (s *Session) parse(d record.Dir, b []byte) ([]decode.Frame, error) {
	if s.ws != nil {
		return parseIn(nil, b)
	}
	if d == record.CS {
		return parseIn(s.clientHeader, b)
	}
	return parseIn(s.serverHeader, b)
}

func parseIn(header, b []byte) (list []decode.Frame, err error) {
	dec := decode.Decoder{Bare: header == nil}
	if header != nil {
		dec.Write(header)
		for f, ok := dec.Next(); ok && f.Kind != decode.Header; f, ok = dec.Next() {
		}
	}
	start := dec.Offset()
	dec.Write(b)
	for f, ok := dec.Close(); ok; f, ok = dec.Close() {
		at := int(f.Offset - start)
		switch {
		case f.Err != nil:
			return nil, &ElementError{int(f.Err.Offset - start), f.Err.Msg}
		case f.Part != decode.Whole:
			return nil, &ElementError{at, fmt.Sprintf("the element is larger than %d bytes", decode.DefaultMaxFrame)}
		case f.Kind == decode.Whitespace:
		case f.Kind != decode.Element:
			return nil, &ElementError{at, "it is no element but a " + f.Kind.String()}
		case header == nil && len(f.NS) == 0:
			return nil, &ElementError{at, "the element has no namespace, over WebSocket each needs its own: xmlns='jabber:client'"}
		default:
			list = append(list, cloned(f))
		}
	}
	return list, nil
}

// injected is Put.
func (s *Session) injected(in Injection) {
	if s.refusesPut(in) != nil {
		return
	}
	if !s.between(in.Dir) {
		s.way(in.Dir).queue = append(s.way(in.Dir).queue, in)
		s.engage()
		return
	}
	s.put(in)
	if !s.armed && s.wanted() {
		s.engage()
	}
}

// injects is the step Inject.
func (s *Session) injects(x Inject) {
	in := Injection{Reason: x.Reason, Dir: x.Dir, Bytes: bytes.Clone(x.Bytes), Swallow: x.Swallow}
	if x.After > 0 {
		s.after(x.After, func() { s.injectsNow(in, x) })
		return
	}
	s.injectsNow(in, x)
}

func (s *Session) injectsNow(in Injection, x Inject) {
	err := s.refusesPut(in)
	if err != nil && s.quiet() { // a rule may answer a login
		_, err = s.parse(in.Dir, in.Bytes)
	}
	switch {
	case err != nil:
		s.refusedStep(x, "was refused: "+err.Error())
	case !s.between(in.Dir):
		s.way(in.Dir).queue = append(s.way(in.Dir).queue, in)
	default:
		s.put(in)
	}
}

// quiet reports whether a login is going on in which the proxy says nothing of its
// own.
func (s *Session) quiet() bool {
	settled := func(t tlsState) bool { return t == plain || t == secured }
	return s.armed && s.bosh == nil && s.tap == nil && !s.closed && s.failed == nil && len(s.cfg.Accounts) == 0 &&
		s.begun && s.connected && !s.waitServer && len(s.waiting) == 0 && !s.ownServer && !s.replay && !s.holding &&
		settled(s.tls[Client]) && settled(s.tls[Server]) && s.zip.state == uncompressed && !s.ic.cs.frozen && !s.ic.sc.frozen
}

// put sends elements of nobody's, at a boundary.
func (s *Session) put(in Injection) {
	s.flushRun(in.Dir)
	list, err := s.parse(in.Dir, in.Bytes)
	if err != nil {
		return
	}
	for _, f := range list {
		s.putBytes(in.Dir, s.at(in.Dir), f.Raw, in.Reason, isStanza(&f))
		if w := s.way(other(in.Dir)); in.Swallow && string(f.Name) == "iq" && len(w.expect) < maxExpected {
			if st := stanza.ParseFields(f); st.ID != "" && (st.Type == "get" || st.Type == "set") {
				w.expect = append(w.expect, awaited{st.ID, in.By})
			}
		}
	}
}

// putBytes records and sends bytes of nobody's, which may be a stanza.
func (s *Session) putBytes(d record.Dir, at int64, b []byte, r Reason, counts bool) {
	if s.ws != nil && s.laterMessage(d, b, r, counts) {
		return
	}
	s.flushRun(d)
	s.notes = append(s.notes, record.Event{E: record.EventInject, D: d, O: at, Data: bytes.Clone(b), HasData: true, By: r.By, Why: r.Why})
	if s.ws != nil {
		s.wire(into(d), websocket.AppendFrame(nil, websocket.Text, true, s.mask(into(d)), b))
	} else {
		s.send(into(d), b)
	}
	if counts {
		s.counts(d, func(l *lane) { l.give(0) })
	}
}

// putBehind sends a copy behind a frame.
func (s *Session) putBehind(p *pending, b []byte, r Reason) {
	if r.Why == "" {
		r.Why = "a copy of what is in front of it"
	}
	s.putBytes(p.d, p.f.Offset+int64(len(p.f.Raw)), b, r, isStanza(&p.f))
}

// putMoved sends a stanza that was taken out before.
func (s *Session) putMoved(m *pending) {
	r := m.copier
	if r.Why == "" {
		r.Why = "moved here"
	}
	s.putBytes(m.d, s.at(m.d), m.raw, r, false)
	if m.n != 0 {
		s.given(m)
	}
}

// isExpected takes the answer to an iq that was injected.
func (s *Session) isExpected(w *way, p *pending) bool {
	if string(p.f.Name) != "iq" {
		return false
	}
	st := stanza.ParseFields(p.f)
	if st.Type != "result" && st.Type != "error" {
		return false
	}
	i := slices.IndexFunc(w.expect, func(e awaited) bool { return e.id == st.ID })
	if i < 0 {
		return false
	}
	by := w.expect[i].by
	w.expect = slices.Delete(w.expect, i, i+1)
	s.dropped(p, Reason{by, "the answer to the iq that was injected"})
	return true
}

// cut ends the connection on purpose.
func (s *Session) cut(x Cut) {
	s.flushRun(record.CS)
	s.flushRun(record.SC)
	why := x.Why
	if why == "" {
		why = "cut on purpose: " + x.Manner.String()
	}
	if x.Manner == Half {
		d := other(x.Leg.Receives())
		s.remark(Note{x.Reason, "", "the sending side of the " + x.Leg.String() + " leg is closed"})
		s.freeze(d, x.Reason)
		s.do(Effect{Do: CloseWrite, Leg: x.Leg})
		return
	}
	if s.by == "" || s.cause == "" {
		s.by, s.cause = "proxy", joinWhy(x.By, why)
	}
	switch x.Manner {
	case StreamError:
		if d := other(x.Leg.Receives()); s.scHeaderSent && s.between(d) && !s.half(d).dead {
			condition := x.Condition
			if condition == "" {
				condition = "internal-server-error"
			}
			for _, text := range s.lastWords(x.Leg, condition) {
				s.putBytes(d, s.at(d), []byte(text), x.Reason, false)
			}
			s.do(Effect{Do: CloseWrite, Leg: x.Leg})
		}
	case RST:
		s.do(Effect{Do: Abort})
	case NoNotify:
		s.do(Effect{Do: Sever})
	case TLSAlert:
		if s.tls[x.Leg] == secured {
			s.do(Effect{Do: Alert, Leg: x.Leg})
		} else {
			s.remark(Note{x.Reason, "warning", "the " + x.Leg.String() + " leg has no TLS to send an alert in"})
		}
	}
	s.end()
}

// lastWords are a stream error and the end of the stream, to a leg.
func (s *Session) lastWords(l Leg, condition string) []string {
	if s.ws != nil {
		return []string{s.streamErrorElement(condition, ""), closeElement}
	}
	if l == Client {
		return []string{s.streamError(condition, "")}
	}
	return []string{s.streamErrorElement(condition, "") + s.closeTag(s.csPrefix)}
}
