package session

import (
	"bytes"
	"fmt"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
)

// This file carries out what a judge says of a frame, and the verdicts on those
// that are held.

// A pending is a frame on its way through the steps of its plan.
type pending struct {
	d       record.Dir
	f       decode.Frame // as it was received
	n       uint64       // the sender's number of a stanza, where stanzas are counted; else 0
	plan    Plan         // the steps that are left
	raw     []byte       // what goes out
	changed bool         // that is not what was received
	reason  Reason       // for that
	copies  int
	copier  Reason

	held    bool   // a hold was recorded
	waiting bool   // for a verdict; else for the end of a delay
	by      string // who holds it
	verdict string // what it will be when it passes; "" = passed
	timer   int64
	left    int // of one that is moved: behind so many stanzas
}

// steps goes through a plan, until the frame is settled or has to wait.
func (s *Session) steps(p *pending) {
	s.way(p.d).now = p
	defer func() { s.way(p.d).now = nil }()
	for len(p.plan) > 0 {
		step := p.plan[0]
		p.plan = p.plan[1:]
		if s.bosh != nil && !overBOSH(step) {
			s.refusedStep(step, "is not possible over BOSH: the client numbers its requests, and the server its answers with them")
			continue
		}
		switch x := step.(type) {
		case Note:
			s.remark(x)
		case StopRecording:
			s.stopRecording(x.Reason)
		case Throttle:
			s.throttle(x)
		case Inject:
			s.injects(x)
		case Edit:
			b, err := s.element(p.d, x.Bytes)
			if err == nil && len(b) > len(p.f.Raw) {
				err = s.tooLarge(p.d, len(b))
			}
			if err != nil {
				s.refusedStep(step, "was refused: "+err.Error())
				continue
			}
			p.raw, p.changed, p.reason = b, true, x.Reason
		case Corrupt:
			p.raw, p.changed, p.reason = corrupt(p.raw, x.Bytes), true, x.Reason
		case Duplicate:
			p.copies, p.copier = min(p.copies+max(x.N, 0), maxCopies, maxCopied/len(p.f.Raw)), x.Reason
		case Hold:
			if s.keeps(p, x.Limit, x.By, true) {
				return
			}
		case Delay:
			p.verdict = string(DelayIt)
			if x.For > 0 && s.keeps(p, x.For, x.By, false) {
				return
			}
		case Reorder:
			if !isStanza(&p.f) || s.way(p.d).full(len(p.raw)) {
				s.refusedStep(step, "was refused: only stanzas can be moved, and not too many at once")
				continue
			}
			s.move(p, x)
			return
		case Drop:
			s.dropped(p, x.Reason)
			return
		case Answer:
			s.dropped(p, x.Reason)
			s.injects(Inject{Reason: x.Reason, Dir: other(p.d), Bytes: x.Bytes, After: x.After})
			return
		case Truncate:
			n := x.N
			if n < 0 {
				n += len(p.raw)
			}
			s.outcome(p, "edited", bytes.Clone(p.raw[:min(max(n, 0), len(p.raw))]), x.Reason)
			s.emit(p, p.raw[:min(max(n, 0), len(p.raw))], true)
			s.cut(Cut{Reason: x.Reason, Manner: x.Cut, Leg: into(p.d)})
			return
		case Freeze:
			s.lost(p, x.Reason)
			s.freeze(p.d, x.Reason)
			s.freeze(other(p.d), x.Reason)
			return
		case Cut:
			s.lost(p, x.Reason)
			s.cut(x)
			return
		}
		if s.closed {
			return
		}
	}
	s.deliver(p)
}

// overBOSH tells what can be done over BOSH.
func overBOSH(step Step) bool {
	switch step.(type) {
	case Edit, Drop, Note, StopRecording:
		return true
	}
	return false
}

func (s *Session) refusedStep(step Step, why string) {
	s.remark(Note{step.reason(), "warning", fmt.Sprintf("%T %s", step, why)[len("session."):]})
}

// corrupt makes a frame that cannot be read.
func corrupt(raw, b []byte) []byte {
	if b != nil {
		return bytes.Clone(b)
	}
	out := bytes.Clone(raw)
	out[len(out)/2] = 0xff
	return out
}

// keeps makes a frame wait. It reports false when it goes on at once.
func (s *Session) keeps(p *pending, limit time.Duration, by string, forVerdict bool) bool {
	w := s.way(p.d)
	if limit <= 0 {
		limit = s.cfg.HoldLimit
	}
	if limit <= 0 {
		limit = DefaultHoldLimit
	}
	s.recordHold(p, by)
	switch {
	case w.open:
		return false
	case forVerdict && w.all.Decision != NotDecided && p.f.Offset < w.until:
		s.settleBy(p, w.all)
		return true
	case forVerdict:
		w.all = Verdict{}
	}
	s.flushRun(p.d)
	q := *p
	q.f = cloned(p.f)
	q.raw = bytes.Clone(p.raw)
	q.waiting, q.by = forVerdict, by
	q.timer = s.after(limit, func() { s.expired(q.d, q.f.Offset) })
	w.pend = &q
	return true
}

// recordHold records that a frame is held.
func (s *Session) recordHold(p *pending, by string) {
	if !p.held {
		p.held = true
		s.holds = append(s.holds, record.Event{E: record.EventHold, D: p.d, O: p.f.Offset, N: int64(len(p.f.Raw)), By: by})
	}
}

// after asks for Elapsed.
func (s *Session) after(d time.Duration, f func()) int64 {
	ic := &s.ic
	if ic.timers == nil {
		ic.timers = make(map[int64]func())
	}
	ic.timer++
	ic.timers[ic.timer] = f
	s.do(Effect{Do: Wait, Timer: ic.timer, For: d})
	return ic.timer
}

// forget gives up what after asked for, unless it has come.
func (s *Session) forget(timer int64) {
	if s.ic.timers[timer] != nil {
		delete(s.ic.timers, timer)
		s.do(Effect{Do: Unwait, Timer: timer})
	}
}

func (s *Session) elapsed(timer int64) {
	if f := s.ic.timers[timer]; f != nil {
		delete(s.ic.timers, timer)
		f()
		s.calm()
	}
}

// expired ends the wait of a frame.
func (s *Session) expired(d record.Dir, offset int64) {
	p := s.way(d).pend
	if p == nil || p.f.Offset != offset {
		return
	}
	if p.waiting {
		s.goesFree(p, Reason{By: "proxy", Why: "nobody decided in time"})
		return
	}
	s.goesFree(p, Reason{By: p.by})
}

// goesFree lets the frame that waits go on with its steps, and then what is behind
// it.
func (s *Session) goesFree(p *pending, r Reason) {
	s.unpend(p)
	if !p.changed {
		p.reason = r
	}
	s.steps(p)
	s.resumeWay(p.d)
}

func (s *Session) unpend(p *pending) {
	s.way(p.d).pend = nil
	s.forget(p.timer)
}

// resumeWay goes on behind a frame that was held.
func (s *Session) resumeWay(d record.Dir) {
	if s.ws != nil && !s.armed && s.wanted() {
		s.engage() // the login ended with the frame
	}
	w := s.way(d)
	if w.pend != nil || s.closed {
		return
	}
	switch {
	case s.ws != nil:
		s.resumeMessages(d)
	case s.armed || !s.ic.on:
		s.frames(d)
	default:
		s.walk(d)
		s.flushRun(d)
	}
	if in := w.eof; in != nil && w.pend == nil && !s.closed {
		w.eof = nil
		s.eof(*in)
	}
}

// calm goes back to passing chunks on when there is nothing more to do.
func (s *Session) calm() {
	if s.ic.on && !s.closed && !s.wanted() {
		s.disengage()
	}
}

// decided carries out a verdict.
func (s *Session) decided(v Verdict) {
	w := s.way(v.Dir)
	p := w.pend
	if p == nil || p.f.Offset != v.Offset {
		return
	}
	if v.Decision == HoldOn {
		s.forget(p.timer)
		p.timer = s.after(v.For, func() { s.expired(v.Dir, v.Offset) })
		return
	}
	if v.All {
		w.all, w.until = v, s.half(v.Dir).off
		w.all.All = false
	}
	s.unpend(p)
	s.settleBy(p, v)
	s.resumeWay(v.Dir)
	s.calm()
}

// settleBy does with a frame what was decided.
func (s *Session) settleBy(p *pending, v Verdict) {
	r := Reason{By: v.By}
	switch v.Decision {
	case EditIt:
		b, err := s.element(p.d, v.Bytes)
		if err == nil {
			p.raw, p.changed, p.reason = b, true, r
			s.steps(p)
			return
		}
		s.remark(Note{r, "warning", "the edit was refused: " + err.Error()})
	case DropIt:
		s.dropped(p, r)
		return
	case AnswerIt:
		s.dropped(p, Reason{v.By, "answered in the place of the " + into(p.d).String()})
		s.injects(Inject{Reason: r, Dir: other(p.d), Bytes: v.Bytes})
		return
	case DelayIt:
		p.verdict = string(DelayIt)
		if s.keeps(p, v.For, v.By, false) {
			return
		}
	}
	if !p.changed {
		p.reason = r
	}
	s.steps(p)
}

// letPass lets all that is held of a direction go on.
func (s *Session) letPass(d record.Dir, why string) {
	w := s.way(d)
	p := w.pend
	if p == nil {
		return
	}
	w.open = true
	s.goesFree(p, Reason{By: "proxy", Why: why})
	w.open = false
}

// outcome records what was done with a frame; reason is whose doing it was.
func (s *Session) outcome(p *pending, verdict string, data []byte, r Reason) {
	if verdict == "passed" && !p.held {
		return
	}
	end := p.f.Offset + int64(len(p.f.Raw))
	if s.ws != nil && verdict != "passed" {
		s.messages(p.d).changed = true
	}
	if !p.held && end > s.way(p.d).logged {
		s.event(record.Event{E: record.EventEdit, D: p.d, O: p.f.Offset, N: int64(len(p.f.Raw)), Data: data, HasData: true, By: r.By, Why: r.Why})
		return
	}
	s.recordHold(p, r.By)
	e := record.Event{E: record.EventVerdict, D: p.d, O: p.f.Offset, Verdict: verdict, By: r.By, Why: r.Why}
	if verdict == "edited" {
		e.Data, e.HasData = data, true
	}
	s.event(e)
}

// dropped settles a frame that is never sent, on purpose.
func (s *Session) dropped(p *pending, r Reason) {
	if p.n != 0 {
		s.counts(p.d, func(l *lane) { l.drop(p.n) })
	}
	s.lost(p, r)
}

// lost settles a frame that is not sent; its sender does not hear that it was.
func (s *Session) lost(p *pending, r Reason) {
	s.flushRun(p.d)
	s.outcome(p, "dropped", nil, r)
	s.passedBy(p)
}

// passedBy notes that a frame is dealt with.
func (s *Session) passedBy(p *pending) {
	w := s.way(p.d)
	w.now = nil
	w.sent = max(w.sent, p.f.Offset+int64(len(p.f.Raw)))
}

// deliver sends a frame on, at the end of its plan.
func (s *Session) deliver(p *pending) {
	switch {
	case s.bosh != nil:
		s.deliverBody(p)
		return
	case s.armed:
		s.deliverArmed(p)
		return
	}
	if !p.changed && manages(&p.f) {
		if b := s.manage(p.d, p.f); b != nil {
			p.raw, p.changed, p.reason = b, true, Reason{"proxy", manageWhy}
		}
	}
	verdict := p.verdict
	switch {
	case p.changed:
		verdict = string(EditIt)
	case verdict == "":
		verdict = string(Pass)
	}
	if p.d == record.SC && s.ws == nil && leads(&p.f) && !p.changed && s.turns(p.f, nil, "") {
		s.flushRun(p.d)
		if p.held {
			s.outcome(p, verdict, nil, p.reason)
		}
		s.passedBy(p)
		return
	}
	if p.changed {
		s.outcome(p, verdict, bytes.Clone(p.raw), p.reason)
	} else if p.held {
		s.outcome(p, verdict, nil, p.reason)
	}
	s.emit(p, p.raw, p.changed || p.held)
	if p.n != 0 {
		s.given(p)
	}
	for range p.copies {
		s.putBehind(p, p.raw, p.copier)
	}
	if len(s.way(p.d).moved) > 0 && isStanza(&p.f) {
		s.countDown(p)
	}
	if w := s.way(p.d); len(w.queue) > 0 {
		s.boundary(p.d)
	}
}

// given counts a stanza that is sent on.
func (s *Session) given(p *pending) {
	s.counts(p.d, func(l *lane) {
		if p.changed && !s.staysStanza(p) {
			l.drop(p.n)
			return
		}
		l.give(p.n)
	})
}

// staysStanza reports whether what a stanza was changed to counts as one.
func (s *Session) staysStanza(p *pending) bool {
	list, err := s.parse(p.d, p.raw)
	return err != nil || stanzasIn(list) > 0
}

// emit puts a frame's bytes on the wire.
func (s *Session) emit(p *pending, raw []byte, apart bool) {
	switch {
	case s.ws != nil:
		m := s.messages(p.d)
		m.out = append(m.out, raw...)
	case apart:
		s.flushRun(p.d)
		s.send(into(p.d), raw)
	default:
		s.extend(p.d, &p.f)
	}
	s.passedBy(p)
}

// deliverArmed hands a frame to the session before the login has ended.
func (s *Session) deliverArmed(p *pending) {
	if !p.changed && manages(&p.f) {
		// It is sent on now, or the login with it.
		if b := s.manage(p.d, p.f); b != nil {
			p.raw, p.changed, p.reason = b, true, Reason{"proxy", manageWhy}
		}
	}
	if s.ws != nil {
		m := s.messages(p.d)
		defer func(was bool) { m.working = was }(m.working)
		m.working = true
	}
	s.passedBy(p)
	if !p.changed {
		if p.held {
			s.outcome(p, "passed", nil, p.reason)
		}
		s.frame(p.d, p.f)
		s.countArmed(p)
		return
	}
	list, err := s.parse(p.d, p.raw)
	if err != nil || len(list) != 1 { // corrupted on purpose
		s.outcome(p, "edited", bytes.Clone(p.raw), p.reason)
		s.send(into(p.d), p.raw)
		return
	}
	f := list[0]
	f.Offset, f.Stream = p.f.Offset, p.f.Stream
	s.over = &override{d: p.d, f: f, was: len(p.f.Raw), raw: f.Raw, reason: p.reason}
	s.frame(p.d, f)
	over := s.over
	s.over = nil
	if q := s.question; q != nil && q.Offset == f.Offset && p.d == record.CS {
		q.Raw = bytes.Clone(p.f.Raw) // it is not sent, but said anew later
		return
	}
	if t := s.turn; t != nil && t.offset == f.Offset && p.d == record.SC {
		t.why = joinWhy(over.reason.Why, t.why)
		if t.why == "" {
			t.why = "edited"
		}
		return
	}
	s.outcome(p, "edited", bytes.Clone(over.raw), over.reason)
	s.countArmed(p)
}

func (s *Session) countArmed(p *pending) {
	if p.n != 0 {
		s.given(p)
	}
	for range p.copies {
		s.putBehind(p, p.raw, p.copier)
	}
}

// An override is a frame that a judge has changed, while the session handles it:
// what the session changes of it is one change with that.
type override struct {
	d      record.Dir
	f      decode.Frame
	was    int // bytes that were received
	raw    []byte
	reason Reason
}

func (o *override) is(d record.Dir, offset int64, n int) bool {
	return o != nil && o.d == d && o.f.Offset == offset && n == len(o.f.Raw)
}

func (o *override) changes(b []byte, why string) {
	o.raw = b
	o.reason.Why = joinWhy(o.reason.Why, why)
}

func joinWhy(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// move takes a stanza out, to go behind others.
func (s *Session) move(p *pending, x Reorder) {
	why := x.Why
	if why == "" {
		why = "moved behind what follows"
	}
	s.lost(p, Reason{x.By, why})
	q := *p
	q.f, q.raw, q.left, q.copier = cloned(p.f), bytes.Clone(p.raw), max(x.N, 1), x.Reason
	limit := x.Limit
	if limit <= 0 {
		limit = s.cfg.HoldLimit
	}
	if limit <= 0 {
		limit = DefaultHoldLimit
	}
	m := &q
	m.timer = s.after(limit, func() { s.late(m) })
	s.way(p.d).moved = append(s.way(p.d).moved, m)
}

// countDown sends what was to go behind a stanza that is sent.
func (s *Session) countDown(p *pending) {
	w := s.way(p.d)
	var left []*pending
	for _, m := range w.moved {
		if m.left--; m.left > 0 {
			left = append(left, m)
			continue
		}
		s.forget(m.timer)
		s.putMoved(m)
	}
	w.moved = left
}

// late sends a stanza that was moved and behind which nothing came.
func (s *Session) late(m *pending) {
	w := s.way(m.d)
	for i, x := range w.moved {
		if x != m {
			continue
		}
		if !s.between(m.d) {
			m.timer = s.after(time.Second, func() { s.late(m) })
			return
		}
		w.moved = append(w.moved[:i:i], w.moved[i+1:]...)
		s.putMoved(m)
		return
	}
}

// loseMoved forgets what was to go behind others: it is lost with the connection.
func (s *Session) loseMoved(w *way) {
	for _, m := range w.moved {
		s.forget(m.timer)
	}
	w.moved = nil
}
