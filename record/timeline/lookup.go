package timeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
)

// This file makes entries anew from what the index keeps and the recording.

// looked is the event that was read last: entries that stand one after another
// are often in the same one.
type looked struct {
	ev  record.Event
	pos int64 // 0 = none
}

// reframer makes frames from their bytes again. Most are of a stream whose header
// it has read for the one before.
type reframer struct {
	header []byte
	dec    *decode.Decoder // in that stream, between two frames; nil = none
	raw    []byte          // reused
}

// lookup is an entry on the way from the index to its reader.
type lookup struct {
	e      *Entry
	p      place
	o      *oddity
	header []byte
}

// Entries returns up to count entries from number from on, from 1.
func (x *Index) Entries(from, count int) ([]*Entry, error) {
	x.look.Lock()
	defer x.look.Unlock()
	from = max(from, 1)
	found := x.find(from, count)
	out := make([]*Entry, 0, len(found))
	for i := range found {
		e := found[i].e
		if err := x.fill(&found[i]); errors.Is(err, errNotKept) {
			e.Kind = record.EventNote
			e.Stanza = stanza.Stanza{Kind: e.Kind, Summary: "this entry is no longer kept"}
		} else if err != nil {
			return out, fmt.Errorf("timeline: entry %d: %w", from+i, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// find returns what the index itself knows of entries.
func (x *Index) find(from, count int) []lookup {
	x.mu.Lock()
	defer x.mu.Unlock()
	count = min(count, x.list.n-from+1)
	if count <= 0 {
		return nil
	}
	out := make([]lookup, count)
	c := x.list.from(from)
	var facts []byte
	for i := range out {
		l := &out[i]
		n := from + i
		c.next(&l.p)
		l.e = &Entry{N: n, T: l.p.t, Conn: l.p.conn, Offset: l.p.off, pos: l.p.pos, skip: l.p.skip, Injected: l.p.fromNoone}
		if l.p.isStream {
			l.e.Dir = record.CS
			if l.p.sc {
				l.e.Dir = record.SC
			}
		}
		if l.p.header > 0 {
			l.header = x.headers[l.p.header-1]
			l.e.header = l.header
		}
		if l.p.isOdd {
			l.o = x.odd[n]
			l.e.Edited, l.e.Sent, l.e.Verdict, l.e.By, l.e.Why = l.o.edited, l.o.sent, l.o.verdict, l.o.by, l.o.why
		}
		g := x.list.blocks[(n-1)/perBlock]
		at := (n - 1) % perBlock
		if n <= x.known {
			if i == 0 || at == 0 {
				facts = x.list.factsFrom(&x.found, n)
			}
			facts = x.found.read(facts, n, &l.e.Facts)
		}
		for _, k := range g.later {
			if int(k.to) == at {
				l.e.Later = append(l.e.Later, track.Relation{Kind: x.found.kinds[k.kind], N: int(k.n)})
			}
		}
	}
	return out
}

// errNotKept is of an entry whose file was removed, by --keep or --ring.
var errNotKept = errors.New("is no longer kept")

// fill reads the rest of an entry from the recording.
func (x *Index) fill(l *lookup) error {
	e, p := l.e, &l.p
	if p.pos == 0 { // only where nothing was received
		return errors.New("is nowhere in the recording")
	}
	if p.pos < 0 { // in carry lines that a reader got on its way
		return errNotKept
	}
	ev, err := x.eventAt(p.pos)
	if err != nil {
		return err
	}
	switch {
	case !p.isStream:
		ev.Data = append([]byte(nil), ev.Data...)
		e.Event, e.Kind, e.By, e.Why = ev, ev.E, ev.By, ev.Why
		e.Stanza = words(ev)
		return nil
	case p.fromNoone:
		frames := injected(l.header, ev)
		if int(p.skip) >= len(frames) {
			return errors.New("the recording changed")
		}
		e.Frame = frames[p.skip]
		if l.o == nil {
			e.By, e.Why = ev.By, ev.Why
		}
	default:
		if x.again.raw, err = x.received(l, ev, x.again.raw[:0]); err != nil {
			return err
		}
		x.again.frame(l)
	}
	e.Stanza = stanza.Parse(e.Frame)
	e.Kind = e.Stanza.Kind
	return nil
}

// received collects the bytes of a frame in raw; ev is the event that it begins in.
func (x *Index) received(l *lookup, ev record.Event, raw []byte) ([]byte, error) {
	p := &l.p
	skip, rid := int(p.skip), ev.RID
	for piece := 1; ; piece++ {
		if data := received(ev); data != nil && ev.C == p.conn && ev.D == l.e.Dir && ev.RID == rid {
			b := data[min(skip, len(data)):]
			skip = 0
			raw = append(raw, b[:min(len(b), p.size-len(raw))]...)
		}
		var err error
		switch {
		case len(raw) == p.size:
			return raw, nil
		case l.o != nil && piece < len(l.o.pieces):
			ev, err = x.eventAt(l.o.pieces[piece])
		default:
			ev, err = x.next()
		}
		if err != nil {
			return raw, err
		}
	}
}

// eventAt returns the event that stands at pos, valid until the next one is read.
func (x *Index) eventAt(pos int64) (record.Event, error) {
	if x.last.pos == pos {
		return x.last.ev, nil
	}
	if err := x.at.SeekTo(pos); err != nil {
		return record.Event{}, err
	}
	ev, err := x.next()
	if err == nil && x.at.Pos() != pos {
		err = errNotKept
	}
	return ev, err
}

// next returns the next event that can be read.
func (x *Index) next() (record.Event, error) {
	x.last.pos = 0
	for {
		ev, err := x.at.Next(context.Background())
		if record.IsDamage(err) {
			continue
		}
		if err == nil {
			x.last = looked{ev, x.at.Pos()}
		}
		return ev, err
	}
}

// maxReused bounds the buffer that is kept for the next frame, in bytes.
const maxReused = 1 << 20

// frame makes the frame of an entry from its bytes, which are in raw.
func (r *reframer) frame(l *lookup) {
	e, k := l.e, decode.Kind(l.p.kind)
	if cap(r.raw) > maxReused {
		defer func() { r.raw = nil }()
	}
	if l.o != nil && l.o.frame != nil {
		e.Frame = *l.o.frame
		e.Frame.Raw = bytes.Clone(r.raw)
		return
	}
	var dec *decode.Decoder
	switch k {
	case decode.Header:
		dec = &decode.Decoder{BOSH: true}
	case decode.Element, decode.End:
		if dec = r.dec; dec == nil || !bytes.Equal(r.header, l.header) || (r.header == nil) != (l.header == nil) {
			dec = inStream(l.header)
		}
		r.dec = nil
	default:
		e.Frame = decode.Frame{Kind: k, Raw: bytes.Clone(r.raw), Offset: e.Offset}
		return
	}
	dec.Write(r.raw)
	fr, ok := dec.Next()
	if !ok || fr.Kind != k {
		e.Frame = decode.Frame{Kind: k, Raw: bytes.Clone(r.raw), Offset: e.Offset}
		return
	}
	fr.Offset = e.Offset
	e.Frame = cloneFrame(fr)
	if _, more := dec.Next(); k == decode.Element && !more && dec.AtBoundary() {
		r.dec, r.header = dec, l.header
	}
}

// Close releases the recording.
func (x *Index) Close() error {
	x.look.Lock()
	defer x.look.Unlock()
	err := errors.Join(x.at.Close(), x.r.Close())
	if x.more != nil {
		err = errors.Join(err, x.more.Close())
	}
	return err
}
