package timeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
)

// An Index finds entries by their number. It keeps some 60 bytes an entry and
// makes entries anew from the recording when they are asked for. It is safe for
// concurrent use.
type Index struct {
	r    *record.Reader // of Run
	look sync.Mutex     // guards at
	at   *record.Reader // of Entries

	mu      sync.Mutex
	entries []place
	headers [][]byte
	odd     map[int]*Entry           // entries, by number, of which more is kept: changed, broken or cut into parts; without Raw
	later   map[int][]track.Relation // further entries that point to one, by its number
	conns   int
	done    bool
	trouble []string
	changed chan struct{} // closed at the next change, when somebody waits
}

// place is an entry in the index.
type place struct {
	t         time.Duration
	off, pos  int64
	skip      int32
	size      int32
	conn      int32
	header    int32 // in Index.headers, from 1; 0 = none
	latency   float32
	related   int32 // entry, when there is one relation
	later     int32 // the first entry that points to this one
	dir, kind uint8
	flags     uint8
	relation  uint8 // index in relations
	lateness  uint8 // index in relations, of later
	phase     uint8 // index in phases
}

const (
	isStream = 1 << iota
	isInjected
	isOdd
	hasLatency
)

// relations and phases are kept as numbers.
var (
	relations = []string{"", track.Answers, track.Acks, track.Resends, track.Carbon, track.Archived, track.Receipt, track.Marks, track.Corrects, track.Replies, track.Reacts, track.Refuses, track.Login, track.Verifies, track.RestsOn}
	phases    = []string{"", track.PhaseTCP, track.PhaseStream, track.PhaseTLS, track.PhaseSASL, track.PhaseBind, track.PhaseOnline, track.PhaseClosing, track.PhaseClosed, track.PhaseDialback}
)

// maxLater bounds how many entries are remembered that point to one.
const maxLater = 50

// Status is how far an index is.
type Status struct {
	Len     int      // entries
	Conns   int      // connections
	Done    bool     // the recording is at its end, nothing more comes
	Trouble []string // what went wrong while reading: damage, recording that stopped
}

// NewIndex makes an index of a recording. It takes the reader over; Run fills
// the index.
func NewIndex(r *record.Reader) (*Index, error) {
	at, err := r.Clone()
	if err != nil {
		return nil, err
	}
	return &Index{r: r, at: at, odd: make(map[int]*Entry), later: make(map[int][]track.Relation)}, nil
}

// Start returns the time to which the times of entries are relative.
func (x *Index) Start() time.Time { return x.r.Header().Time }

// Run reads the recording until its end, or until ctx is done. Entries works
// meanwhile and afterwards, until Close.
func (x *Index) Run(ctx context.Context) error {
	var fold Folder
	err := fold.Read(ctx, x.r, Sink{Entry: x.add, Trouble: x.tell})
	fold.Finish(x.add)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.done = true
	x.wake()
	return err
}

// maxTrouble bounds what is kept of a recording that is damaged all over.
const maxTrouble = 100

func (x *Index) tell(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.trouble) < maxTrouble {
		x.trouble = append(x.trouble, err.Error())
	}
	x.wake()
}

func (x *Index) add(e *Entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := place{t: e.T, off: e.Offset, pos: e.pos, skip: int32(e.skip), size: int32(len(e.Frame.Raw)), conn: int32(e.Conn), kind: uint8(e.Frame.Kind)}
	if e.Dir != "" {
		p.flags |= isStream
	}
	if e.Dir == record.SC {
		p.dir = 1
	}
	if e.Injected {
		p.flags |= isInjected
	}
	if e.Facts.HasLatency {
		p.flags |= hasLatency
		p.latency = float32(e.Facts.Latency.Seconds())
	}
	p.phase = uint8(max(0, slices.Index(phases, e.Facts.Phase)))
	if len(e.Facts.Related) == 1 {
		p.related = int32(e.Facts.Related[0].N)
		p.relation = uint8(max(0, slices.Index(relations, e.Facts.Related[0].Kind)))
	}
	if e.header != nil {
		// Streams change rarely: the header is nearly always among the last.
		for i := len(x.headers) - 1; i >= max(0, len(x.headers)-64); i-- {
			if &x.headers[i][0] == &e.header[0] {
				p.header = int32(i) + 1
				break
			}
		}
		if p.header == 0 {
			x.headers = append(x.headers, e.header)
			p.header = int32(len(x.headers))
		}
	}
	for _, r := range e.Facts.Related {
		if r.N < 1 || r.N > len(x.entries) {
			continue
		}
		if to := &x.entries[r.N-1]; to.later == 0 {
			to.later, to.lateness = int32(len(x.entries)+1), uint8(max(0, slices.Index(relations, r.Kind)))
		} else if l := x.later[r.N]; len(l) < maxLater {
			x.later[r.N] = append(l, track.Relation{Kind: r.Kind, N: len(x.entries) + 1})
		}
	}
	if e.Edited || e.Verdict != "" || e.Frame.Err != nil || e.Frame.Part != decode.Whole || e.Facts.Findings != nil || len(e.Facts.Related) > 1 {
		c := *e
		c.Frame.Raw = nil
		c = *c.Clone()
		c.Stanza = stanza.Stanza{}
		c.Sent = append([]byte(nil), e.Sent...)
		p.flags |= isOdd
		x.odd[len(x.entries)+1] = &c
	}
	if e.Kind == record.EventOpen {
		x.conns++
	}
	x.entries = append(x.entries, p)
	x.wake()
}

// wake pokes those who wait. The caller holds mu.
func (x *Index) wake() {
	if x.changed != nil {
		close(x.changed)
		x.changed = nil
	}
}

// Status returns how far the index is.
func (x *Index) Status() Status {
	x.mu.Lock()
	defer x.mu.Unlock()
	return Status{len(x.entries), x.conns, x.done, append([]string(nil), x.trouble...)}
}

// Wait waits until there are more than n entries, until the recording is at its
// end, or until ctx is done.
func (x *Index) Wait(ctx context.Context, n int) Status {
	for {
		x.mu.Lock()
		if len(x.entries) > n || x.done {
			x.mu.Unlock()
			return x.Status()
		}
		if x.changed == nil {
			x.changed = make(chan struct{})
		}
		c := x.changed
		x.mu.Unlock()
		select {
		case <-c:
		case <-ctx.Done():
			return x.Status()
		}
	}
}

// Entries returns up to count entries from number from on, from 1.
func (x *Index) Entries(from, count int) ([]*Entry, error) {
	x.look.Lock()
	defer x.look.Unlock()
	from = max(from, 1)
	var out []*Entry
	for n := from; n < from+count; n++ {
		e, p, header, ok := x.place(n)
		if !ok {
			break
		}
		if err := x.fill(e, p, header); errors.Is(err, errNotKept) {
			e.Kind = record.EventNote
			e.Stanza = stanza.Stanza{Kind: e.Kind, Summary: "this entry is no longer kept"}
		} else if err != nil {
			return out, fmt.Errorf("timeline: entry %d: %w", n, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// place returns what the index itself knows of an entry.
func (x *Index) place(n int) (*Entry, place, []byte, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n > len(x.entries) {
		return nil, place{}, nil, false
	}
	p := x.entries[n-1]
	e := &Entry{}
	if p.flags&isOdd != 0 {
		*e = *x.odd[n]
	}
	e.N, e.T, e.Conn, e.Offset = n, p.t, int(p.conn), p.off
	if p.flags&isStream != 0 {
		e.Dir = record.CS
		if p.dir == 1 {
			e.Dir = record.SC
		}
	}
	if p.flags&hasLatency != 0 {
		e.Facts.HasLatency, e.Facts.Latency = true, time.Duration(float64(p.latency)*1e9)
	}
	e.Facts.Phase = phases[p.phase]
	if p.related > 0 {
		e.Facts.Related = []track.Relation{{Kind: relations[p.relation], N: int(p.related)}}
	}
	if p.later > 0 {
		e.Later = append([]track.Relation{{Kind: relations[p.lateness], N: int(p.later)}}, x.later[n]...)
	}
	var header []byte
	if p.header > 0 {
		header = x.headers[p.header-1]
	}
	return e, p, header, true
}

// errNotKept is of an entry whose file was removed, by --keep or --ring.
var errNotKept = errors.New("is no longer kept")

// fill reads the rest of an entry from the recording.
func (x *Index) fill(e *Entry, p place, header []byte) error {
	if p.pos == 0 { // only where nothing was received
		return errors.New("is nowhere in the recording")
	}
	if p.pos < 0 { // in carry lines that a reader got on its way
		return errNotKept
	}
	if err := x.at.SeekTo(p.pos); err != nil {
		return err
	}
	ev, err := x.next()
	if err != nil {
		return err
	}
	if x.at.Pos() != p.pos {
		return errNotKept
	}
	switch {
	case p.flags&isStream == 0:
		ev.Data = append([]byte(nil), ev.Data...)
		e.Event, e.Kind, e.By, e.Why = ev, ev.E, ev.By, ev.Why
		e.Stanza = stanza.Stanza{Kind: ev.E, Summary: say(ev)}
		return nil
	case p.flags&isInjected != 0:
		frames := injected(header, ev)
		if int(p.skip) >= len(frames) {
			return errors.New("the recording changed")
		}
		e.Frame, e.Injected, e.By, e.Why = frames[p.skip], true, ev.By, ev.Why
	default:
		raw := make([]byte, 0, p.size)
		skip, rid := int(p.skip), ev.RID
		for {
			if data := received(ev); data != nil && ev.C == e.Conn && ev.D == e.Dir && ev.RID == rid {
				b := data[min(skip, len(data)):]
				skip = 0
				raw = append(raw, b[:min(len(b), int(p.size)-len(raw))]...)
			}
			if len(raw) == int(p.size) {
				break
			}
			if ev, err = x.next(); err != nil {
				return err
			}
		}
		e.refresh(raw, decode.Kind(p.kind), header, p.flags&isOdd != 0)
	}
	e.Stanza = stanza.Parse(e.Frame)
	e.Kind = e.Stanza.Kind
	return nil
}

// next returns the next event that can be read.
func (x *Index) next() (record.Event, error) {
	for {
		ev, err := x.at.Next(context.Background())
		if record.IsDamage(err) {
			continue
		}
		return ev, err
	}
}

// refresh makes the frame from its bytes again.
func (e *Entry) refresh(raw []byte, k decode.Kind, header []byte, odd bool) {
	if odd && (e.Frame.Err != nil || e.Frame.Part != decode.Whole) {
		e.Frame.Raw = raw
		return
	}
	e.Frame = decode.Frame{Kind: k, Raw: raw, Offset: e.Offset}
	dec := &decode.Decoder{BOSH: true}
	switch k {
	case decode.Header:
	case decode.Element, decode.End:
		dec = inStream(header)
	default:
		return
	}
	dec.Write(raw)
	if fr, ok := dec.Next(); ok && fr.Kind == k {
		fr.Offset = e.Offset
		e.Frame = fr
	}
}

// Close releases the recording.
func (x *Index) Close() error {
	x.look.Lock()
	defer x.look.Unlock()
	return errors.Join(x.at.Close(), x.r.Close())
}
