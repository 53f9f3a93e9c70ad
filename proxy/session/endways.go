package session

import (
	"bytes"

	"github.com/xmpplens/xmpplens/record"
)

// This file is what becomes of frames that are held, and of those that wait behind
// them, when a leg or the session ends.

// releaseWay sends on what was kept of a direction that has ended, after the login.
func (s *Session) releaseWay(d record.Dir) {
	h, w := s.half(d), s.way(d)
	switch {
	case !s.ic.on:
		return
	case w.frozen:
		s.swallow(d)
		return
	}
	if s.between(d) {
		for _, m := range w.moved {
			s.forget(m.timer)
			s.putMoved(m)
		}
		w.moved = nil
	}
	if rest := h.dec.Unread(); len(rest) > 0 {
		s.flushRun(d)
		s.send(into(d), rest[min(max(w.sent-h.dec.Offset(), 0), int64(len(rest))):])
		h.dec.Reset(h.off)
		w.sent = h.off
	}
}

// endWays records what is not sent any more because the session ends.
func (s *Session) endWays() {
	r := Reason{"proxy", "the session ended before it was decided about"}
	for _, d := range []record.Dir{record.CS, record.SC} {
		h, w := s.half(d), s.way(d)
		s.flushRun(d)
		s.loseMoved(w)
		w.queue = nil
		p := w.pend
		if p != nil {
			s.unpend(p)
			s.outcome(p, "dropped", nil, r)
		}
		if !s.ic.on || s.armed || s.ws != nil {
			continue
		}
		if d == record.SC && s.turn != nil {
			s.finishTurn()
		}
		for f, ok := h.dec.Close(); ok; f, ok = h.dec.Close() {
			end := f.Offset + int64(len(f.Raw))
			if end <= w.sent {
				continue
			}
			k := max(w.sent-f.Offset, 0)
			f.Offset, f.Raw = f.Offset+k, bytes.Clone(f.Raw[k:])
			s.outcome(&pending{d: d, f: f}, "dropped", nil, Reason{"proxy", "the session ended in front of it"})
		}
		w.sent = h.off
	}
}
