package session

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
)

// This file handles a direction frame by frame after the login, as long as
// somebody is asked about frames (Arm), or stanzas were put in or taken out, so
// that h has to be changed. Frames that nobody touches are sent on as they came,
// many in one piece. What is held waits in the decoder of its direction:
//
//	received ──▶ decoder ──▶ judge ──▶ steps ──▶ settled: sent, changed or not
//	                              └──▶ pend, until a verdict or a time
//
// Before the login has ended the session handles its frames one by one anyway,
// and asks the judge first; see frames.

// DefaultHoldLimit is after how long a frame that is held passes.
const DefaultHoldLimit = time.Minute

const (
	// maxKept bounds what is kept of a frame that is not complete, in bytes: a
	// larger one goes on as it comes.
	maxKept = 1 << 20
	// maxBehind bounds what is read behind a frame that is held, in bytes.
	maxBehind = 256 << 10
	// maxCopies bounds the copies of one frame, maxCopied their bytes.
	maxCopies = 1000
	maxCopied = 8 << 20
	// maxMoved bounds the stanzas that wait to go behind others, and the
	// injections that wait for a boundary; maxKept bounds their bytes.
	maxMoved = 100
)

// intercept is what is done to frames.
type intercept struct {
	judge  Judge
	on     bool // the directions go frame by frame after the login
	mute   bool // nothing more is recorded
	timer  int64
	timers map[int64]func() // what waits for Elapsed
	cs, sc way
}

// way is the interception of one direction. sent is where what was sent ends: it
// is beyond the decoder's offset while a frame is on its way whose beginning was
// sent before anybody asked for it.
type way struct {
	sent   int64
	logged int64    // what was recorded before this Handle ends here
	parts  bool     // the last frame was a part, more of it follows
	pend   *pending // the frame that is held
	now    *pending // the one that is looked at, as long as it is not sent
	all    Verdict  // on frames up to until; Decision "" = none
	until  int64
	eof    *Input // the leg has ended, behind what is held
	open   bool   // nothing is held any more
	frozen bool   // nothing passes any more
	moved  []*pending
	queue  []Injection // for the next boundary
	expect []awaited   // answers that are not to reach the other side

	// The frames that go on as they came and are not sent yet: run bytes up
	// to the decoder's offset, which are in chunk, or in buf when their
	// beginning came before.
	chunk    []byte
	base     int64 // offset of chunk
	from, to int64
	buf      []byte
	copying  bool
}

// full reports whether n bytes more must not wait.
func (w *way) full(n int) bool {
	for _, m := range w.moved {
		n += len(m.raw)
	}
	for i := range w.queue {
		n += len(w.queue[i].Bytes)
	}
	return len(w.moved)+len(w.queue) >= maxMoved || n > maxKept
}

func (s *Session) way(d record.Dir) *way {
	if d == record.CS {
		return &s.ic.cs
	}
	return &s.ic.sc
}

// Lingers reports whether a leg has ended behind a frame that is held: the other
// is not to be closed before that is decided about.
func (s *Session) Lingers() bool {
	return !s.closed && (s.ic.cs.eof != nil || s.ic.sc.eof != nil)
}

// anew begins an answer.
func (s *Session) anew() {
	s.holds, s.events, s.notes, s.sends = nil, nil, nil, nil
	s.ic.cs.logged, s.ic.sc.logged = s.cs.off, s.sc.off
}

// arm changes who is asked.
func (s *Session) arm(j Judge) {
	s.ic.judge = j
	if j == nil {
		s.letPass(record.CS, "nothing is held any more")
		s.letPass(record.SC, "nothing is held any more")
	}
	switch {
	case s.armed || s.bosh != nil || s.closed:
	case s.wanted():
		s.engage()
	default:
		s.disengage()
	}
}

// wanted reports whether frames have to be looked at one by one.
func (s *Session) wanted() bool {
	ic := &s.ic
	busy := func(w *way) bool {
		return w.pend != nil || w.frozen || len(w.moved)+len(w.queue)+len(w.expect) > 0
	}
	return ic.judge != nil || ic.mute || busy(&ic.cs) || busy(&ic.sc) || s.skewed()
}

// engage goes over from passing chunks on to frames, at the next boundary of each
// direction.
func (s *Session) engage() {
	if s.ic.on {
		return
	}
	s.ic.on = true
	for _, d := range []record.Dir{record.CS, record.SC} {
		w, h := s.way(d), s.half(d)
		w.sent = h.off
		if d == record.SC && (s.guarded || s.turn != nil) || s.ws != nil {
			w.sent = h.dec.Offset()
		}
	}
	s.guarded = false
}

// disengage goes back to passing chunks on.
func (s *Session) disengage() {
	if !s.ic.on {
		return
	}
	s.ic.on = false
	if s.ws != nil {
		return
	}
	for _, d := range []record.Dir{record.CS, record.SC} {
		s.flushRun(d)
		w, h := s.way(d), s.half(d)
		if rest := h.dec.Unread(); w.sent > h.dec.Offset() {
			s.send(into(d), rest[w.sent-h.dec.Offset():])
		} else if d == record.CS {
			s.send(Server, rest)
		} else {
			s.guarded = true
			s.guard()
		}
	}
}

// passJudged takes a chunk while frames are looked at one by one after the login.
func (s *Session) passJudged(d record.Dir, b []byte) []Effect {
	s.anew()
	h, w := s.half(d), s.way(d)
	w.chunk, w.base, w.from, w.to = b, h.off, 0, 0
	h.off += int64(len(b))
	h.dec.Write(b)
	if w.frozen {
		s.swallow(d)
	} else {
		s.walk(d)
	}
	quick := len(s.sends)+len(s.holds)+len(s.events)+len(s.notes) == 0 && !s.ic.mute && !s.closed
	if !quick {
		s.flushRun(d)
		s.recordAround(d, b, w.base)
		w.chunk = nil
		if s.ic.on && !s.wanted() && !s.closed {
			s.disengage()
		}
		return s.answer()
	}
	bytes := s.takeRun(w)
	w.chunk = nil
	h.events[0] = record.Event{C: s.cfg.Conn, E: record.EventData, D: d, Data: b, HasData: true}
	h.effects[0] = Effect{Do: Record, Events: h.events[:]}
	if h.dead || len(bytes) == 0 {
		return h.effects[:1]
	}
	h.effects[1] = Effect{Do: Send, Leg: into(d), Bytes: bytes}
	return h.effects[:]
}

// recordAround records a chunk, which begins at base. What was put between its frames
// is recorded between them, so that who reads the log has it in its place.
func (s *Session) recordAround(d record.Dir, b []byte, base int64) {
	inside := func(ev record.Event) bool {
		return ev.E == record.EventInject && ev.D == d && ev.O < base+int64(len(b))
	}
	at := 0
	if slices.ContainsFunc(s.notes, inside) {
		var rest, put []record.Event
		for _, ev := range s.notes {
			if inside(ev) {
				put = append(put, ev)
			} else {
				rest = append(rest, ev)
			}
		}
		slices.SortStableFunc(put, func(x, y record.Event) int { return cmp.Compare(x.O, y.O) })
		s.notes = rest
		for _, ev := range put {
			if k := int(ev.O - base); k > at {
				s.event(record.Event{E: record.EventData, D: d, Data: b[at:k], HasData: true})
				at = k
			}
			s.event(ev)
		}
	}
	s.event(record.Event{E: record.EventData, D: d, Data: b[at:], HasData: true})
}

// walk handles what is complete of a direction after the login.
func (s *Session) walk(d record.Dir) {
	h, w := s.half(d), s.way(d)
	for !s.closed && !w.frozen && !s.pauses(d) {
		f, ok := h.dec.Next()
		if !ok {
			break
		}
		s.ending(d, f)
		if f.Offset < w.sent {
			s.underWay(d, f)
			continue
		}
		s.treat(d, &f)
	}
	switch rest := h.dec.Unread(); {
	case s.closed || s.pauses(d):
	case w.frozen:
		s.swallow(d)
	case w.sent > h.dec.Offset() || len(rest) > maxKept || w.parts && len(rest) > 0:
		// On its way, or too large to be kept.
		s.flushRun(d)
		s.send(into(d), rest[max(w.sent-h.dec.Offset(), 0):])
		w.sent = h.off
	}
}

// underWay completes a frame whose beginning was sent before anybody asked.
func (s *Session) underWay(d record.Dir, f decode.Frame) {
	w := s.way(d)
	end := f.Offset + int64(len(f.Raw))
	if end > w.sent {
		s.flushRun(d)
		s.send(into(d), f.Raw[w.sent-f.Offset:])
		w.sent = end
	}
	s.showFixed(d, f, nil)
	if isStanza(&f) {
		s.counted(d, 1)
	} else if manages(&f) {
		s.manage(d, f) // what it says is on its way, right or wrong
	}
	w.parts = f.Part == decode.First || f.Part == decode.Middle
	if !w.parts && w.sent == end {
		s.boundary(d)
	}
}

// boundary sends what waits for the end of a frame.
func (s *Session) boundary(d record.Dir) {
	w := s.way(d)
	for len(w.queue) > 0 && s.between(d) {
		in := w.queue[0]
		w.queue = w.queue[1:]
		s.put(in)
	}
}

// between reports whether something may be put into a direction now.
func (s *Session) between(d record.Dir) bool {
	h, w := s.half(d), s.way(d)
	switch {
	case s.ws != nil:
		return true // it waits for the end of its message
	case w.pend != nil || d == record.SC && s.turn != nil:
		return true
	case s.ic.on || s.armed:
		return w.sent <= h.dec.Offset() && !w.parts
	case d == record.SC && s.guarded:
		return true
	}
	return h.dec.AtBoundary()
}

// extend lets a frame go on as it came.
func (s *Session) extend(d record.Dir, f *decode.Frame) {
	w := s.way(d)
	end := f.Offset + int64(len(f.Raw))
	if w.to != f.Offset || w.from == w.to {
		s.flushRun(d)
		w.from = f.Offset
		w.copying = w.chunk == nil || f.Offset < w.base
		w.buf = w.buf[:0]
		if w.chunk == nil {
			w.buf = nil // the other one may be on its way to the wire
		}
	}
	if w.copying {
		w.buf = append(w.buf, f.Raw...)
	}
	w.to = end
	w.sent = end
}

// takeRun returns what may go on as it came.
func (s *Session) takeRun(w *way) (b []byte) {
	if w.from < w.to {
		if b = w.buf; !w.copying {
			b = w.chunk[w.from-w.base : w.to-w.base]
		}
		b = b[:len(b):len(b)]
	}
	if w.chunk == nil || cap(w.buf) > 2*chunkLike {
		w.buf = nil // who writes it may still be at it
	}
	w.from, w.to = 0, 0
	return b
}

// chunkLike is about what a read returns: larger buffers are not kept.
const chunkLike = 64 << 10

func (s *Session) flushRun(d record.Dir) {
	if b := s.takeRun(s.way(d)); len(b) > 0 && !s.half(d).dead {
		s.do(Effect{Do: Send, Leg: into(d), Bytes: b})
	}
}

// showFixed asks about a frame that goes its way whatever is said; now is the frame
// as long as it is not sent.
func (s *Session) showFixed(d record.Dir, f decode.Frame, now *pending) {
	if s.ic.judge == nil {
		return
	}
	w := s.way(d)
	w.now = now
	defer func() { w.now = nil }()
	for _, step := range s.ic.judge.Judge(Seen{Dir: d, Frame: f, Authenticated: s.authed, Fixed: true}) {
		switch x := step.(type) {
		case Note:
			s.remark(x)
		case Inject:
			s.injects(x)
		case Throttle:
			s.throttle(x)
		case StopRecording:
			s.stopRecording(x.Reason)
		case Cut:
			s.cut(x)
		}
		if s.closed {
			return
		}
	}
}

// treat asks about a frame and does what is said, after the login or before.
func (s *Session) treat(d record.Dir, f *decode.Frame) {
	w := s.way(d)
	if !s.touchable(f) {
		s.showFixed(d, *f, &pending{d: d, f: *f})
		if s.closed || w.frozen {
			s.lost(&pending{d: d, f: *f}, Reason{"proxy", frozenWhy})
			return
		}
		s.goOn(d, *f)
		return
	}
	n, again := uint64(0), false
	if isStanza(f) {
		s.counts(d, func(l *lane) { n, again = l.next() })
	}
	var plan Plan
	if !again {
		if len(w.expect) > 0 && s.isExpected(w, &pending{d: d, f: *f, n: n}) {
			return
		}
		if s.ic.judge != nil {
			plan = s.ic.judge.Judge(Seen{Dir: d, Frame: *f, Authenticated: s.authed})
		}
	}
	plain := plan == nil && !again && !s.armed && s.ws == nil
	if plain && len(w.moved)+len(w.queue) == 0 && !manages(f) && !(d == record.SC && leads(f)) {
		// Most of them: nobody wants anything.
		if n != 0 {
			s.counts(d, func(l *lane) { l.give(n) })
		}
		s.extend(d, f)
		return
	}
	p := &pending{d: d, f: *f, raw: f.Raw, n: n, plan: plan}
	if again {
		s.lost(p, Reason{By: "proxy", Why: "sent again after the resumption: it was handled, or dropped, before"})
		return
	}
	s.steps(p)
}

// touchable reports whether a plan may do something to a frame.
func (s *Session) touchable(f *decode.Frame) bool {
	if f.Part != decode.Whole {
		return false
	}
	switch f.Kind {
	case decode.Element:
		return !s.armed || !s.special(*f)
	case decode.Whitespace, decode.End:
		return !s.armed
	}
	return false
}

// special tells the frames of the negotiation that belong to the session.
func (s *Session) special(f decode.Frame) bool {
	switch string(f.NS) {
	case nsTLS, nsCompress, nsFraming:
		return true
	}
	if len(s.cfg.Accounts) > 0 { // logins are the session's own
		return true
	}
	return s.failed != nil || !s.begun || s.waitServer || s.ownServer && s.tls[Server] != secured
}

// goOn sends a frame on that nobody may touch.
func (s *Session) goOn(d record.Dir, f decode.Frame) {
	w := s.way(d)
	if s.armed {
		s.deliverArmed(&pending{d: d, f: f, raw: f.Raw})
		return
	}
	w.parts = f.Part == decode.First || f.Part == decode.Middle
	if isStanza(&f) {
		s.counted(d, 1)
	}
	if s.ws != nil {
		s.send(into(d), f.Raw)
		return
	}
	s.extend(d, &f)
}

// remark is a judge's note.
func (s *Session) remark(x Note) {
	s.notes = append(s.notes, record.Event{E: record.EventNote, Level: x.Level, Text: x.Text, By: x.By, Why: x.Why})
}

// throttle slows a direction down.
func (s *Session) throttle(x Throttle) {
	s.flushRun(x.Dir)
	text := fmt.Sprintf("what goes to the %s is slowed down to %d bytes a second", into(x.Dir), x.Rate)
	if x.Rate <= 0 {
		x.Rate, text = 0, fmt.Sprintf("what goes to the %s is not slowed down any more", into(x.Dir))
	}
	s.remark(Note{x.Reason, "", text})
	s.do(Effect{Do: Slow, Leg: into(x.Dir), Rate: x.Rate})
}

// stopRecording ends the recording of this session.
func (s *Session) stopRecording(r Reason) {
	if !s.ic.mute {
		s.ic.mute = true
		s.notes = append(s.notes, record.Event{E: record.EventNote, Text: "the recording of this connection ends here", By: r.By, Why: r.Why, Op: stopOp})
	}
}

const stopOp = "stop"

// muted leaves of events what is recorded of a session whose recording was ended.
func (s *Session) muted(list []record.Event) (out []record.Event) {
	for _, ev := range list {
		if ev.E == record.EventClose || ev.E == record.EventNote && ev.Op == stopOp {
			ev.Op = ""
			out = append(out, ev)
		}
	}
	return out
}

// freeze stops a direction: what is kept and what comes is dropped.
func (s *Session) freeze(d record.Dir, r Reason) {
	w := s.way(d)
	if w.frozen {
		return
	}
	s.flushRun(d)
	w.frozen = true
	s.remark(Note{r, "", "nothing passes to the " + into(d).String() + " any more"})
	s.lose(d, r)
}

// lose drops what is kept of a direction.
func (s *Session) lose(d record.Dir, r Reason) {
	w := s.way(d)
	s.loseMoved(w)
	if p := w.pend; p != nil {
		s.unpend(p)
		s.outcome(p, "dropped", nil, r)
	}
	w.queue = nil
	if s.ws == nil {
		s.swallow(d)
	}
}

// swallow drops what was received of a direction that is frozen.
func (s *Session) swallow(d record.Dir) {
	h, w := s.half(d), s.way(d)
	for f, ok := h.dec.Next(); ok; f, ok = h.dec.Next() {
		s.drowned(d, f)
	}
	if rest := h.dec.Unread(); len(rest) > 0 {
		f := decode.Frame{Kind: decode.Junk, Offset: h.dec.Offset(), Raw: bytes.Clone(rest)}
		if s.ic.on && w.sent > f.Offset {
			k := min(w.sent-f.Offset, int64(len(rest)))
			f.Offset, f.Raw = f.Offset+k, f.Raw[k:]
		}
		s.drowned(d, f)
		h.dec.Reset(h.off)
	}
	w.sent = h.off
}

func (s *Session) drowned(d record.Dir, f decode.Frame) {
	if w := s.way(d); f.Offset < w.sent { // on its way
		k := min(w.sent-f.Offset, int64(len(f.Raw)))
		f.Offset, f.Raw = f.Offset+k, f.Raw[k:]
	}
	if len(f.Raw) > 0 {
		s.outcome(&pending{d: d, f: f}, "dropped", nil, Reason{By: "proxy", Why: frozenWhy})
	}
}

const frozenWhy = "nothing passes any more"
