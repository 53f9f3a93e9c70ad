package timeline

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
)

// carried takes up a direction in the middle: the header in force and the bytes
// of the frame that is not complete; of BOSH those of a body that goes on.
func (f *Folder) carried(ev record.Event, pos int64, emit func(*Entry)) {
	c := f.conn(ev.C)
	h := c.half(ev.D)
	rest := received(ev)
	if c.bosh != nil {
		h.off = ev.O
		if ev.RID != 0 {
			ev.Data = rest
			f.body(c, ev, pos, emit)
		}
		return
	}
	h.dec.Reset(0)
	*h = half{dec: h.dec, off: ev.O, header: bytes.Clone(ev.Data[:len(ev.Data)-len(rest)]), edits: h.edits, holds: h.holds}
	h.begin()
	f.track.Joined(ev.C, h.header != nil || h.dec.Bare, ev.T)
	f.receive(c, ev, rest, pos, emit)
}

// knows reports whether an event among carry lines was folded already.
func (f *Folder) knows(ev record.Event) bool {
	if ev.E == record.EventOpen {
		return f.track.Conn(ev.C) != nil
	}
	c := f.conns[ev.C]
	return c != nil && c.cs.off+c.sc.off > 0
}

// received returns the bytes of a direction that an event brings.
func received(ev record.Event) []byte {
	switch ev.E {
	case record.EventData:
		return ev.Data
	case record.EventCarry:
		return ev.Data[max(0, min(ev.N, int64(len(ev.Data)))):]
	}
	return nil
}

// begin makes the decoder go on at off, in the stream whose header is in force.
func (h *half) begin() {
	h.dec.Reset(h.off - int64(len(h.header)))
	if len(h.header) == 0 {
		h.header = nil
		return
	}
	h.dec.Write(h.header)
	if fr, ok := h.dec.Next(); !ok || fr.Kind != decode.Header || !h.dec.AtBoundary() {
		h.dec.Reset(h.off)
		h.header = nil
	}
}

// gap is told that events are missing: each direction begins anew with the next
// element. Offsets are too small from there on.
func (f *Folder) gap(emit func(*Entry)) {
	var ids []int
	for id := range f.conns {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		c := f.conns[id]
		for _, d := range []record.Dir{record.CS, record.SC} {
			h := c.half(d)
			f.ends(c, d, f.t, emit)
			h.holds = nil
			f.unqueue(h, emit)
			if c.bosh == nil { // bodies begin anew anyway
				h.edits, h.gap = nil, true
				h.begin()
			}
		}
	}
}

// skips reports whether data, behind a gap, may begin inside an element. What
// begins with a tag that opens one is taken for the next element, as nearly
// always when stanzas arrive one by one.
func (h *half) skips(data []byte) bool {
	if len(data) > 1 && data[0] == '<' && (data[1] != '/' || bytes.HasPrefix(data, []byte("</stream"))) {
		h.gap = false
	}
	return h.gap
}

// A Carrier implements record.Carrier. It frames, and does not look at what
// stanzas mean.
type Carrier struct {
	conns map[int]*carrying
	t     time.Duration
}

// Open is record.Open. The first entries of a file in the middle of a set say
// what is open there.
func Open(path string) (*record.Reader, error) { return record.OpenWith(path, NewCarrier) }

// NewCarrier is for record.Options.
func NewCarrier() record.Carrier { return new(Carrier) }

type carrying struct {
	said   []record.Event // open, and the last secure of each leg
	cs, sc carryingHalf
}

type carryingHalf struct {
	dec    decode.Decoder
	seen   bool
	off    int64
	header []byte
	edits  []record.Event
	holds  []record.Event // in the order of their offsets
	held   []byte         // received from the first hold's offset on
	bosh   bool
	bodies []record.Event // of BOSH: those that go on, as far as they are received
}

// maxHeld bounds what is carried of frames that are held, in bytes.
const maxHeld = 16 << 20

func (c *Carrier) conn(id int) *carrying {
	if c.conns == nil {
		c.conns = make(map[int]*carrying)
	}
	if c.conns[id] == nil {
		c.conns[id] = new(carrying)
	}
	return c.conns[id]
}

func (c *carrying) half(d record.Dir) *carryingHalf {
	if d == record.CS {
		return &c.cs
	}
	return &c.sc
}

// Add takes the next event.
func (c *Carrier) Add(ev record.Event) {
	c.t = ev.T
	stream := ev.D == record.CS || ev.D == record.SC
	switch {
	case ev.E == record.EventOpen, ev.E == record.EventSecure, ev.E == record.EventCompress:
		c.say(ev)
	case ev.E == record.EventClose:
		delete(c.conns, ev.C)
	case ev.E == record.EventCarry && stream:
		h := c.conn(ev.C).half(ev.D)
		rest := received(ev)
		h.off, h.header, h.held = ev.O, bytes.Clone(ev.Data[:len(ev.Data)-len(rest)]), nil
		h.dec.Reset(h.off - int64(len(h.header)))
		h.dec.Write(h.header)
		ev.Data = rest
		h.receive(ev)
	case ev.E == record.EventData && stream:
		c.conn(ev.C).half(ev.D).receive(ev)
	case ev.E == record.EventControl && stream && ev.Op == "cut", ev.E == record.EventNote && stream && ev.RID == 0:
		h := c.conn(ev.C).half(ev.D)
		h.dec.Reset(h.off)
	case ev.E == record.EventEdit && stream:
		h := c.conn(ev.C).half(ev.D)
		ev.Data = bytes.Clone(ev.Data)
		h.edits = append(h.edits, ev)
	case ev.E == record.EventHold && stream:
		h := c.conn(ev.C).half(ev.D)
		if len(h.holds) == 0 {
			h.held = nil
			if skip := ev.O - h.dec.Offset(); skip >= 0 && skip <= int64(len(h.dec.Unread())) {
				h.held = bytes.Clone(h.dec.Unread()[skip:])
			}
		}
		h.holds = append(h.holds, ev)
	case ev.E == record.EventVerdict && stream:
		c.conn(ev.C).half(ev.D).verdict(ev.O)
	}
}

// say keeps what happened to a connection.
func (c *Carrier) say(ev record.Event) {
	ev.Data = nil
	k := c.conn(ev.C)
	k.said = slices.DeleteFunc(k.said, func(old record.Event) bool { return old.E == ev.E && old.Leg == ev.Leg })
	switch {
	case ev.E == record.EventOpen:
		bare, bosh := ev.Transport == record.TransportWebSocket, ev.Transport == record.TransportBOSH
		k.cs.dec.Bare, k.sc.dec.Bare = bare, bare
		k.cs.bosh, k.sc.bosh = bosh, bosh
	case ev.Why != record.Carried:
		for _, d := range []record.Dir{record.CS, record.SC} {
			if ev.Leg == record.BothLegs || (ev.Leg == "server") == (d == record.SC) {
				h := k.half(d)
				h.dec.Reset(h.off)
				h.header = nil
			}
		}
	}
	ev.Why = record.Carried
	k.said = append(k.said, ev)
}

// verdict ends the hold at an offset.
func (h *carryingHalf) verdict(o int64) {
	h.holds = slices.DeleteFunc(h.holds, func(e record.Event) bool { return e.O == o })
	if len(h.holds) == 0 {
		h.held = nil
	} else if skip := h.holds[0].O - o; skip > 0 && skip <= int64(len(h.held)) {
		h.held = h.held[skip:]
	}
	h.forget()
}

// forget drops the edits that are done with.
func (h *carryingHalf) forget() {
	done := h.dec.Offset()
	if h.bosh {
		done = h.off
	}
	h.edits = slices.DeleteFunc(h.edits, func(e record.Event) bool { return e.O+e.N <= done && len(h.holds) == 0 })
}

func (h *carryingHalf) receive(ev record.Event) {
	h.seen = true
	h.off += int64(len(ev.Data))
	if h.bosh || ev.RID != 0 {
		h.body(ev)
	} else {
		h.dec.Write(ev.Data)
		for fr, ok := h.dec.Next(); ok; fr, ok = h.dec.Next() {
			switch fr.Kind {
			case decode.Header:
				h.header = bytes.Clone(fr.Raw)
			case decode.End:
				h.header = nil
			}
		}
	}
	h.forget()
	if len(h.holds) > 0 && len(h.held)+len(ev.Data) <= maxHeld {
		h.held = append(h.held, ev.Data...)
	}
}

// body keeps the bodies of BOSH that go on.
func (h *carryingHalf) body(ev record.Event) {
	h.bosh = true
	at := slices.IndexFunc(h.bodies, func(b record.Event) bool { return b.RID == ev.RID })
	switch {
	case at >= 0 && ev.More:
		if b := &h.bodies[at]; len(b.Data)+len(ev.Data) <= maxHeld {
			b.Data = append(b.Data, ev.Data...)
		}
	case at >= 0:
		h.bodies = slices.Delete(h.bodies, at, at+1)
	case ev.More && ev.RID != 0:
		ev.Data = bytes.Clone(ev.Data)
		h.bodies = append(h.bodies, ev)
	}
}

// Carry returns what is open.
func (c *Carrier) Carry() []record.Event {
	var out []record.Event
	for id, k := range c.conns {
		out = append(out, k.said...)
		for _, d := range []record.Dir{record.CS, record.SC} {
			if h := k.half(d); h.seen {
				out = append(out, h.carry(id, d, c.t)...)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b record.Event) int {
		return cmp.Or(cmp.Compare(a.T, b.T), cmp.Compare(a.C, b.C))
	})
	return out
}

func (h *carryingHalf) carry(id int, d record.Dir, t time.Duration) []record.Event {
	var out []record.Event
	ev := record.Event{T: t, C: id, E: record.EventCarry, D: d, HasData: true}
	if h.bosh {
		ev.O = h.off
		for _, b := range h.bodies {
			ev.O -= int64(len(b.Data))
		}
		if len(h.bodies) == 0 {
			return []record.Event{ev}
		}
		for _, b := range h.bodies {
			ev.RID, ev.More, ev.Data = b.RID, true, bytes.Clone(b.Data)
			out = append(out, ev)
			ev.O += int64(len(b.Data))
		}
		return out
	}
	rest, offset := h.dec.Resume(nil)
	if len(h.holds) > 0 && h.holds[0].O+int64(len(h.held)) == h.off {
		for _, e := range h.holds {
			e.T = t
			out = append(out, e)
		}
		rest, offset = h.held, h.holds[0].O
	}
	for _, e := range h.edits {
		e.T = t
		out = append(out, e)
	}
	ev.O, ev.N, ev.Data = offset, int64(len(h.header)), append(bytes.Clone(h.header), rest...)
	return append(out, ev)
}
