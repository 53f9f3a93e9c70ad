package timeline

import (
	"bytes"
	"slices"
	"time"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// This file puts the bodies of a BOSH session into the order of their requests.
// Requests come on several connections, so that one can overtake another, and
// answers can, too; server and client take them in the order of the rid
// (XEP-0124 §14.2), and so do entries.
//
// A body waits for those before it, but not for ever: an answer to a later
// request tells that nothing is missing any more, and no more than a window of
// requests waits. What is missing then is for package track to say.

const (
	// defaultWindow is how many bodies of a direction may wait, where the
	// server has not said how many requests it takes at a time.
	defaultWindow = 10
	maxWindow     = 100
	// maxWaiting bounds what waits of a direction, in bytes.
	maxWaiting = 64 << 20
)

// order is the state of a BOSH session.
type order struct {
	last   int64         // the highest rid whose request was handed out
	open   map[int64]int // how often a request came that has no answer
	window int           // so many may wait; 0 = defaultWindow
	dirs   [2]sequence
}

// sequence is one direction of it.
type sequence struct {
	on      bool  // a body was begun that goes on
	rid     int64 // of that body
	waiting []waiting
	size    int // bytes of waiting
}

// waiting is a body before its turn.
type waiting struct {
	rid   int64
	parts []part
	whole bool
}

// part is a data event: a body, or a piece of a large one.
type part struct {
	off, pos int64
	data     []byte
}

func newOrder() *order { return &order{open: make(map[int64]int)} }

// overBOSH makes a connection one of BOSH.
func (c *conn) overBOSH() {
	if c.bosh == nil {
		c.bosh = newOrder()
		c.cs.dec.BOSH, c.sc.dec.BOSH = true, true
	}
}

func (o *order) sequence(d record.Dir) *sequence {
	if d == record.CS {
		return &o.dirs[0]
	}
	return &o.dirs[1]
}

// due reports whether it is the turn of a body.
func (o *order) due(d record.Dir, rid int64) bool {
	if rid == 0 {
		return true
	}
	if d == record.CS {
		return o.last == 0 || rid <= o.last+1
	}
	for r := range o.open {
		if r < rid {
			return false
		}
	}
	return true
}

// full reports whether no more bodies can wait.
func (o *order) full(s *sequence) bool {
	window := o.window
	if window == 0 {
		window = defaultWindow
	}
	return len(s.waiting) > window || s.size > maxWaiting
}

// body takes a data event of a BOSH session.
func (f *Folder) body(c *conn, ev record.Event, pos int64, emit func(*Entry)) {
	o, h := c.bosh, c.half(ev.D)
	s := o.sequence(ev.D)
	p := part{h.off, pos, ev.Data}
	h.off += int64(len(ev.Data))
	if ev.D == record.SC {
		f.release(c, record.CS, ev.RID, ev.T, emit)
		f.track.Answered(c.id, ev.RID)
	}
	switch at := slices.IndexFunc(s.waiting, func(w waiting) bool { return w.rid == ev.RID && !w.whole }); {
	case s.on && s.rid == ev.RID:
		f.goOn(c, ev.D, []part{p}, !ev.More, ev.T, emit)
	case at >= 0:
		p.data = bytes.Clone(p.data)
		s.size += len(p.data)
		s.waiting[at].parts = append(s.waiting[at].parts, p)
		s.waiting[at].whole = !ev.More
	default:
		if ev.D == record.CS && ev.RID != 0 && len(o.open) < maxWindow {
			o.open[ev.RID]++
		}
		if !s.on && o.due(ev.D, ev.RID) {
			f.begin(c, ev.D, waiting{ev.RID, []part{p}, !ev.More}, ev.T, emit)
			break
		}
		p.data = bytes.Clone(p.data)
		s.size += len(p.data)
		behind, _ := slices.BinarySearchFunc(s.waiting, ev.RID+1, func(w waiting, rid int64) int { return int(w.rid - rid) })
		s.waiting = slices.Insert(s.waiting, behind, waiting{ev.RID, []part{p}, !ev.More})
	}
	f.drain(c, ev.D, ev.T, emit)
}

// drain hands out what need not wait any more.
func (f *Folder) drain(c *conn, d record.Dir, t time.Duration, emit func(*Entry)) {
	o := c.bosh
	for s := o.sequence(d); len(s.waiting) > 0; {
		full := o.full(s)
		if s.on && full {
			f.goOn(c, d, nil, true, t, emit)
		}
		if s.on || !full && !o.due(d, s.waiting[0].rid) {
			return
		}
		f.pop(c, d, t, emit)
	}
}

func (f *Folder) pop(c *conn, d record.Dir, t time.Duration, emit func(*Entry)) {
	s := c.bosh.sequence(d)
	w := s.waiting[0]
	s.waiting = slices.Delete(s.waiting, 0, 1)
	for _, p := range w.parts {
		s.size -= len(p.data)
	}
	f.begin(c, d, w, t, emit)
}

// release hands out what waits of a direction, up to a rid.
func (f *Folder) release(c *conn, d record.Dir, rid int64, t time.Duration, emit func(*Entry)) {
	for s := c.bosh.sequence(d); len(s.waiting) > 0 && s.waiting[0].rid <= rid; {
		if s.on {
			f.goOn(c, d, nil, true, t, emit)
		}
		f.pop(c, d, t, emit)
	}
}

// begin hands out the beginning of a body, or all of it.
func (f *Folder) begin(c *conn, d record.Dir, w waiting, t time.Duration, emit func(*Entry)) {
	o, h := c.bosh, c.half(d)
	if d == record.CS {
		o.last = max(o.last, w.rid)
	} else if o.open[w.rid]--; o.open[w.rid] <= 0 {
		delete(o.open, w.rid)
	}
	s := o.sequence(d)
	s.on, s.rid = true, w.rid
	h.base, h.fed, h.pos = w.parts[0].off, w.parts[0].off, h.pos[:0]
	h.dec.Reset(h.base)
	f.goOn(c, d, w.parts, w.whole, t, emit)
}

// goOn hands out a further piece of the body that was begun.
func (f *Folder) goOn(c *conn, d record.Dir, parts []part, last bool, t time.Duration, emit func(*Entry)) {
	h := c.half(d)
	for _, p := range parts {
		h.pos = append(h.pos, piece{h.fed, p.pos})
		h.fed += int64(len(p.data))
		h.dec.Write(p.data)
		for fr, ok := h.dec.Next(); ok; fr, ok = h.dec.Next() {
			if b, ok := stanza.ReadBody(fr); ok && d == record.SC && b.Grants() {
				c.bosh.granted(&b)
			}
			f.frame(c, d, fr, t, emit)
		}
	}
	if last {
		c.bosh.sequence(d).on = false
		f.ends(c, d, t, emit)
	}
	f.flushBlanks(h, emit) // as behind every data of a stream: they do not wait for what comes
}

// granted learns how many requests may be on their way.
func (o *order) granted(b *stanza.Body) {
	o.window = int(min(readNumber(b.Requests), maxWindow-1)) + 1
}

// readNumber reads a number of up to nine digits; 0 where there is none.
func readNumber(s string) int64 {
	n := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || i == 9 {
			return 0
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n
}

// unanswered takes the note that a request gets no answer.
func (f *Folder) unanswered(ev record.Event, emit func(*Entry)) {
	c := f.conns[ev.C]
	if c == nil || c.bosh == nil {
		return
	}
	f.release(c, record.CS, ev.RID, ev.T, emit)
	f.track.Answered(ev.C, ev.RID)
	if o := c.bosh; o.open[ev.RID] > 1 {
		o.open[ev.RID]--
	} else {
		delete(o.open, ev.RID)
	}
	f.drain(c, record.SC, ev.T, emit)
}

// flush hands out everything that waits, because the session is over.
func (f *Folder) flush(c *conn, t time.Duration, emit func(*Entry)) {
	for _, d := range []record.Dir{record.CS, record.SC} {
		for len(c.bosh.sequence(d).waiting) > 0 {
			f.release(c, d, c.bosh.sequence(d).waiting[0].rid, t, emit)
		}
	}
}
