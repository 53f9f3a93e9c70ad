package session

import (
	"fmt"
	"html"
	"slices"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/proxy/websocket"
	"github.com/xmpplens/xmpplens/record"
)

// This file is XMPP over WebSocket (RFC 7395): each message is one element, and
// <open/> and <close/> stand for the stream header and its end. What is recorded
// is the payload; what is sent on are the frames as they came, with their masks
// and fragments. Only a message that is held, because the session is armed or
// because it may send the client elsewhere, can be changed: it is then framed
// anew as one message.

// A Transport is what carries a stream.
type Transport string

// WebSocket is the transport of RFC 7395. Its session asks for Upgrade when the
// server leg is connected, and secured where its address says so.
const WebSocket Transport = record.TransportWebSocket

const nsFraming = "urn:ietf:params:xml:ns:xmpp-framing"

const closeElement = "<close xmlns='" + nsFraming + "'/>"

// closeTagLength is how much of a message tells whether it is a <close/>.
const closeTagLength = len("<close")

// maxBreaches bounds the violations of the framing that are recorded of a
// direction.
const maxBreaches = 20

// messages is the framing of one direction.
type messages struct {
	in   websocket.Decoder
	head []byte // of a frame's header that is not complete
	ctl  []byte // payload of a control frame that is not complete
	raw  []byte // and its bytes
	lost bool   // the framing is not understood any more

	// Of the message that is open.
	open      bool
	hold      bool   // it is not passed on before it is complete
	judged    bool   // because its frames are looked at
	working   bool   // its frames are being handled: what is sent goes into out
	changed   bool   // out is sent instead of held
	fragments bool   // part of out was sent
	junk      bool   // it is not well-formed
	held      []byte // the frames as they came
	out       []byte // what is to be sent, as payload
	begin     []byte // its first bytes, where they matter
	elements  int
	size      int

	after    []own // messages of the proxy's own that wait for its end
	breaches int

	// Of a direction in which a frame is held.
	ending  bool   // its message is complete
	backlog []byte // frames behind it, as they came
}

// own is a message of the proxy's own, with its reason.
type own struct {
	text   string
	reason Reason
	counts bool // it is a stanza of nobody's
}

// framing is that of both directions.
type framing struct{ cs, sc messages }

func (s *Session) messages(d record.Dir) *messages {
	if d == record.CS {
		return &s.ws.cs
	}
	return &s.ws.sc
}

// maxHeld bounds a message that is held, in bytes.
func (s *Session) maxHeld() int {
	if s.cfg.MaxFrame > 0 {
		return s.cfg.MaxFrame
	}
	return decode.DefaultMaxFrame
}

// A walk goes through one chunk of a direction.
type walk struct {
	s        *Session
	d        record.Dir
	h        *half
	m        *messages
	b        []byte
	data     []byte // payload that is not recorded yet
	from, to int    // b[from:to] are the bytes of the effect at last
	last     int    // in sends; -1 = none
}

// received takes a chunk of WebSocket frames.
func (s *Session) received(d record.Dir, b []byte) {
	w := &walk{s: s, d: d, h: s.half(d), m: s.messages(d), b: b, last: -1}
	w.run()
}

// resumeMessages goes on behind a frame that was held.
func (s *Session) resumeMessages(d record.Dir) {
	m := s.messages(d)
	w := &walk{s: s, d: d, h: s.half(d), m: m, b: m.backlog, last: -1}
	m.backlog = nil
	w.keepStep(nil)
	if m.ending && s.way(d).pend == nil {
		m.ending = false
		w.ends()
	}
	w.run()
}

func (w *walk) run() {
	s, b := w.s, w.b
	for i := 0; i < len(b) && !s.closed; {
		if s.way(w.d).pend != nil {
			w.m.backlog = append(w.m.backlog, b[i:]...)
			break
		}
		p, n := w.m.in.Next(b[i:])
		at := i
		i += n
		if p.Err != nil {
			w.breach(p.Err.Msg, p.Err.Ref())
		}
		switch {
		case p.Lost:
			w.lose(at, i)
		case p.Partial:
			w.m.head = append(w.m.head, b[at:i]...)
		case p.Op.IsControl():
			w.control(&p, at, i)
		default:
			w.message(&p, at, i)
		}
	}
	w.flush()
}

// flush records the payload so far.
func (w *walk) flush() {
	if len(w.data) > 0 {
		w.s.event(record.Event{E: record.EventData, D: w.d, Data: w.data, HasData: true})
		w.data = nil
	}
}

// pass sends b[at:end] on as it is.
func (w *walk) pass(at, end int) {
	s := w.s
	switch {
	case w.h.dead:
	case w.last >= 0 && w.last == len(s.sends)-1 && w.to == at:
		w.to = end
		s.sends[w.last].Bytes = w.b[w.from:end:end]
	default:
		w.from, w.to, w.last = at, end, len(s.sends)
		s.do(Effect{Do: Send, Leg: into(w.d), Bytes: w.b[at:end:end]})
	}
}

// wire sends bytes that are framed already. They belong to the effect.
func (s *Session) wire(l Leg, b []byte) {
	if len(b) > 0 && !s.half(l.Other().Receives()).dead {
		s.do(Effect{Do: Send, Leg: l, Bytes: b})
	}
}

// breach records a violation of the framing.
func (w *walk) breach(text, ref string) {
	w.flush()
	w.m.breaches++
	switch {
	case w.m.breaches == maxBreaches:
		text += " (there may be more, which are not told)"
	case w.m.breaches > maxBreaches:
		return
	}
	w.s.event(record.Event{E: record.EventControl, D: w.d, O: w.h.off, Op: "broken", Level: "warning", Text: text, Why: ref})
}

// lose passes on what cannot be told apart any more. It is recorded as it is.
func (w *walk) lose(at, end int) {
	m := w.m
	if !m.lost {
		m.lost = true
		w.s.note("error", "the framing of WebSocket is lost in this direction: what follows is passed on and shown as it is", "")
		w.data = append(w.data, m.head...)
		w.keepStep(m.head)
		w.s.releaseMessages(w.d)
	}
	w.data = append(w.data, w.b[at:end]...)
	w.keepStep(w.b[at:end])
	w.pass(at, end)
}

// control takes a part of a ping, pong or close.
func (w *walk) control(p *websocket.Part, at, end int) {
	m := w.m
	whole := p.Begins && p.Ends && len(m.head) == 0
	m.ctl = p.AppendTo(m.ctl)
	if !whole {
		m.raw = append(append(m.raw, m.head...), w.b[at:end]...)
		m.head = nil
	}
	if !p.Ends {
		return
	}
	w.flush()
	e := record.Event{E: record.EventControl, D: w.d, Op: p.Op.String()}
	if p.Op == websocket.Close {
		e.Code, e.Text = websocket.ReadClose(m.ctl)
	} else {
		e.Data, e.HasData = m.ctl, len(m.ctl) > 0
	}
	w.s.event(e)
	if whole {
		w.pass(at, end)
	} else {
		w.s.wire(into(w.d), m.raw)
	}
	m.ctl, m.raw = nil, nil
}

// message takes a part of a data frame.
func (w *walk) message(p *websocket.Part, at, end int) {
	s, m := w.s, w.m
	head := m.head
	m.head = nil
	if p.BeginsMessage {
		// After the login only a <close/> of the server is worth holding.
		*m = messages{in: m.in, breaches: m.breaches, after: m.after, open: true, hold: s.armed || s.ic.on || w.d == record.SC, judged: s.armed || s.ic.on}
		if p.Op == websocket.Binary {
			w.breach("a binary message, XMPP is text", "RFC 7395 §3.2")
		}
	}
	start := len(w.data)
	w.data = p.AppendTo(w.data)
	payload := w.data[start:]
	m.size += len(payload)
	if m.hold && !m.judged && len(m.begin) < closeTagLength {
		m.begin = append(m.begin, payload[:min(len(payload), closeTagLength-len(m.begin))]...)
		if len(m.begin) > 0 && !begins(m.begin, "<close") {
			m.hold = false
			s.wire(into(w.d), m.held)
			m.held = nil
		}
	}
	switch {
	case m.hold:
		m.held = append(append(m.held, head...), w.b[at:end]...)
	case len(head) > 0:
		s.wire(into(w.d), append(head, w.b[at:end]...))
	default:
		w.pass(at, end)
	}
	w.keepStep(payload)
	held := s.way(w.d).pend != nil
	if m.hold && !held && len(m.held)+len(m.out) > s.maxHeld() {
		w.tooLong()
	}
	if m.ending = p.EndsMessage && held; p.EndsMessage && !held {
		w.ends()
	}
}

// keepStep frames what was received.
func (w *walk) keepStep(payload []byte) {
	w.h.off += int64(len(payload))
	w.h.dec.Write(payload)
	for w.s.way(w.d).pend == nil {
		f, ok := w.h.dec.Next()
		if !ok {
			break
		}
		w.frame(f)
	}
}

// frame handles one frame of the payload.
func (w *walk) frame(f decode.Frame) {
	s, m := w.s, w.m
	switch {
	case f.Kind == decode.Junk:
		m.junk = true
	case f.Kind != decode.Whitespace && f.Part <= decode.First:
		m.elements++
	}
	if is(f, nsFraming, "close") && s.by == "" {
		s.by = into(w.d).Other().String()
	}
	if !m.hold {
		s.showFixed(w.d, f, nil)
		s.follow(w.d, f)
		return
	}
	m.working = true
	switch {
	case s.way(w.d).frozen:
		s.lost(&pending{d: w.d, f: f}, Reason{"proxy", frozenWhy})
	case w.d == record.SC && s.moves(f):
	case s.armed:
		s.opensStream(w.d, f)
		s.treat(w.d, &f)
		if !s.armed && s.wanted() {
			s.engage()
		}
	case s.ic.on:
		s.treat(w.d, &f)
	default:
		s.follow(w.d, f)
		s.send(into(w.d), f.Raw)
	}
	m.working = false
}

// opensStream notes what <open/> says.
func (s *Session) opensStream(d record.Dir, f decode.Frame) {
	if !is(f, nsFraming, "open") {
		return
	}
	root, err := stanza.Tree(f)
	if err != nil {
		return
	}
	if d == record.CS {
		s.to = root.Attr("to")
		s.clientHeader = slices.Clone(f.Raw)
		return
	}
	s.serverID = root.Attr("id")
	s.scHeaderSent = true
}

// moves leads a client that is sent elsewhere (RFC 7395 §3.6.1) there through the
// proxy.
func (s *Session) moves(f decode.Frame) bool {
	if !is(f, nsFraming, "close") {
		return false
	}
	root, err := stanza.Tree(f)
	if err != nil {
		return false
	}
	i := slices.IndexFunc(root.Attrs, func(a stanza.Attr) bool { return a.Name == "see-other-uri" })
	if i < 0 {
		return false
	}
	a := root.Attrs[i]
	own, why := s.wayTo(a.Value, "see-other-uri, RFC 7395 §3.6.1")
	if why == "" {
		return false
	}
	s.replace(record.SC, f, string(f.Raw[:a.Start])+html.EscapeString(own)+string(f.Raw[a.End:]), why)
	return true
}

// tooLong stops holding a message.
func (w *walk) tooLong() {
	s, m := w.s, w.m
	if m.changed {
		s.fragment(w.d, false)
		return
	}
	if m.judged {
		s.note("warning", fmt.Sprintf("a message of more than %d bytes is passed on without a look", s.maxHeld()), "")
	}
	s.wire(into(w.d), m.held)
	m.hold, m.held, m.out = false, nil, nil
}

// fragment sends what there is of a message that is framed anew.
func (s *Session) fragment(d record.Dir, fin bool) {
	m := s.messages(d)
	op := websocket.Text
	if m.fragments {
		op = websocket.Continuation
	}
	s.wire(into(d), websocket.AppendFrame(nil, op, fin, s.mask(into(d)), m.out))
	m.fragments, m.held, m.out = true, nil, nil
}

// ends disposes of a message that is complete.
func (w *walk) ends() {
	s, m := w.s, w.m
	switch {
	case m.junk, !w.h.dec.AtBoundary():
		// The next message begins anew, whatever this one left open.
		w.flush()
		s.event(record.Event{E: record.EventControl, D: w.d, O: w.h.off, Op: "cut", Level: "error", Text: "the message is no whole element", Why: "RFC 7395 §3.3.3"})
		for f, ok := w.h.dec.Close(); ok; f, ok = w.h.dec.Close() {
			w.frame(f)
		}
	case m.elements > 1:
		w.breach(fmt.Sprintf("the message holds %d elements, one is allowed", m.elements), "RFC 7395 §3.3.3")
	case m.elements == 0:
		w.breach("the message holds no element", "RFC 7395 §3.3.3")
	}
	if m.hold {
		switch {
		case !m.changed:
			s.wire(into(w.d), m.held)
		case m.fragments, len(m.out) > 0:
			s.fragment(w.d, true)
		}
	}
	after := m.after
	*m = messages{in: m.in, breaches: m.breaches}
	for _, o := range after {
		s.putBytes(w.d, s.at(w.d), []byte(o.text), o.reason, o.counts)
	}
}

// waits keeps a message of the proxy's own back where one is under way.
func (s *Session) waits(d record.Dir, text, why string) bool {
	m := s.messages(d)
	if m.lost || m.open && !m.working && (!m.hold || m.fragments || m.elements > 0) {
		m.after = append(m.after, own{text, Reason{"proxy", why}, false})
		return true
	}
	return false
}

// laterMessage keeps what is put into a direction back where a message is under
// way that it cannot go in front of.
func (s *Session) laterMessage(d record.Dir, b []byte, r Reason, counts bool) bool {
	m, w := s.messages(d), s.way(d)
	first := m.hold && !m.fragments && len(m.out) == 0 && (m.elements == 0 || m.elements == 1 && (w.pend != nil || w.now != nil))
	if m.lost || m.open && !first {
		m.after = append(m.after, own{string(b), r, counts})
		return true
	}
	return false
}

// sendMessage sends b as a message, or puts it into the one that is being
// handled.
func (s *Session) sendMessage(l Leg, b []byte) {
	d := l.Other().Receives()
	m := s.messages(d)
	switch {
	case m.working:
		m.out = append(m.out, b...)
	case m.lost:
	default:
		s.wire(l, websocket.AppendFrame(nil, websocket.Text, true, s.mask(l), b))
	}
}

// mask makes the key for a frame to the server.
func (s *Session) mask(l Leg) *[4]byte {
	if l == Client {
		return nil
	}
	var key [4]byte
	if s.cfg.Mask != nil {
		key = s.cfg.Mask()
	}
	return &key
}

// releaseMessages sends on what is held of a direction that has ended.
func (s *Session) releaseMessages(d record.Dir) {
	m := s.messages(d)
	switch {
	case !m.hold:
	case m.changed:
		m.out = append(m.out, s.half(d).dec.Unread()...)
		if m.fragments || len(m.out) > 0 {
			s.fragment(d, false)
		}
	default:
		s.wire(into(d), m.held)
	}
	s.wire(into(d), m.raw)
	s.wire(into(d), m.head)
	m.hold, m.held, m.out, m.raw, m.head = false, nil, nil, nil, nil
}

// open goes on when the server leg is connected: to TLS, where the address says
// so, or at once to the WebSocket.
func (s *Session) open() {
	if !s.dialDirect {
		s.do(Effect{Do: Upgrade})
		return
	}
	s.tls[Server] = handshaking
	s.do(Effect{Do: Secure, Leg: Server, Name: s.cfg.Domain, ALPN: []string{"http/1.1"}})
}

// upgraded is the shell's answer: the WebSocket is open on both legs.
func (s *Session) upgraded(in Input) {
	s.event(record.Event{E: record.EventHTTP, Op: "GET", Text: in.Name, Code: in.Code, By: by(in.Hint), Why: in.Hint})
	if in.Err != nil {
		s.note("warning", in.Err.Error(), "")
	}
	s.spoken, s.begun = true, true
}

func by(why string) string {
	if why == "" {
		return ""
	}
	return "proxy"
}

// refused is the shell's answer: the server does not open a WebSocket.
func (s *Session) refused(in Input) {
	s.event(record.Event{E: record.EventHTTP, Op: "GET", Text: in.Name, Code: in.Code})
	s.by, s.cause = "server", in.Err.Error()
	s.note("error", s.cause, in.Hint)
	s.end()
}

// shutdownMessages is shutdown over WebSocket: what ends the stream, and a Close
// frame for each leg (RFC 6455 §7.4.1: going away).
func (s *Session) shutdownMessages() {
	bye := func(d record.Dir, said bool, elements ...string) {
		if !said || !s.begun || !s.messages(d).in.AtBoundary() {
			return
		}
		for _, e := range elements {
			s.inject(d, e, "the proxy was stopped")
		}
		s.notes = append(s.notes, record.Event{E: record.EventControl, D: d, Op: "close", Code: 1001, By: "proxy"})
		s.wire(into(d), websocket.AppendFrame(nil, websocket.Close, true, s.mask(into(d)), websocket.ClosePayload(1001, "")))
		s.do(Effect{Do: CloseWrite, Leg: into(d)})
	}
	bye(record.SC, s.scHeaderSent, s.streamErrorElement("system-shutdown", ""), closeElement)
	bye(record.CS, s.clientHeader != nil, closeElement)
	s.end()
}
