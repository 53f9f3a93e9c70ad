package timeline

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
)

// An Index finds entries by their number while a recording is read, and
// afterwards. It is safe for concurrent use.
//
// Run reads what is there twice. First it only frames, which is fast, and keeps
// where the entries are: from then on there is a list, and each entry of it is
// made anew from the recording when it is asked for. Then it folds everything,
// and the facts come, which need all that was before: phases, latencies,
// relations, findings. What is recorded meanwhile comes with its facts at once.
//
// It keeps some twenty bytes an entry, and more of those that were changed, are
// broken or came in parts. It counts them by class, as they come.
type Index struct {
	r     *record.Reader // of Run
	look  sync.Mutex     // guards more, at, last and again
	more  *record.Reader // of More; nil = none yet
	at    *record.Reader // of Entries
	last  looked
	again reframer

	mu       sync.Mutex
	list     places
	clock    clock
	known    int // entries whose facts are there
	check    *cursor
	headers  [][]byte
	recent   [64][]byte // the headers last seen, as the Folder has them
	odd      map[int]*oddity
	found    findings
	sums     Sums  // of the known entries
	each     conns // the same of each connection
	conns    int   // connections
	opened   int   // of them, those among the known entries
	surveyed bool  // the survey is over
	done     bool
	trouble  []string
	changed  chan struct{} // closed at the next change, when somebody waits
}

// oddity is what the place of an entry does not say.
type oddity struct {
	frame   *decode.Frame // of one that is broken or a part, without Raw
	pieces  []int64
	edited  bool
	sent    []byte
	verdict string
	by, why string
}

// maxLater bounds how many entries are remembered that point to one.
const maxLater = 50

// Status is how far an index is.
type Status struct {
	Len     int      // entries
	Known   int      // the first of them, whose facts are there
	Reading bool     // more of what is recorded already is on its way into the list
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
	at.Still(true)
	return &Index{r: r, at: at, odd: make(map[int]*oddity)}, nil
}

// Start returns the time to which the times of entries are relative.
func (x *Index) Start() time.Time { return x.r.Header().Time }

// Run reads the recording until its end, or until ctx is done. Entries works
// meanwhile and afterwards, until Close.
func (x *Index) Run(ctx context.Context) error {
	err := x.survey(ctx)
	x.mu.Lock()
	x.surveyed = true
	x.wake()
	x.mu.Unlock()
	if err == nil {
		err = x.learn(ctx)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.done = true
	x.wake()
	return err
}

// survey finds the entries that are there. It does not hand out what is left at
// the end: there may be more of it.
func (x *Index) survey(ctx context.Context) error {
	r, err := x.r.Clone()
	if err != nil {
		return err
	}
	defer r.Close()
	r.Still(true)
	fold := Folder{lean: true}
	return readAhead(ctx, r, func(evs []placed) {
		x.mu.Lock() // for a batch: a millisecond
		defer x.mu.Unlock()
		for i := range evs {
			if err := evs[i].err; err != nil {
				if record.IsGap(err) {
					fold.gap(x.add)
				}
				x.tell(err)
				continue
			}
			fold.Add(evs[i].ev, evs[i].pos, x.add)
		}
		x.wake()
	})
}

// learn folds the recording. Where it comes behind what was surveyed it adds
// entries itself.
func (x *Index) learn(ctx context.Context) error {
	fold := Folder{mute: true}
	emit := func(e *Entry) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.fact(e)
		x.wake()
	}
	trouble := func(err error) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.tell(err)
		x.wake()
	}
	x.r.Still(true)
	err := readAhead(ctx, x.r, func(evs []placed) {
		for i := range evs {
			if err := evs[i].err; err != nil {
				if record.IsGap(err) {
					fold.gap(emit)
				}
				trouble(err)
				continue
			}
			fold.Add(evs[i].ev, evs[i].pos, emit)
		}
	})
	x.r.Still(false)
	if err == nil {
		err = fold.Read(ctx, x.r, Sink{Entry: emit, Trouble: trouble})
	}
	if err != nil {
		fold.Finish(emit)
	}
	return err
}

// maxTrouble bounds what is kept of a recording that is damaged all over.
const maxTrouble = 100

// tell keeps what went wrong; what is read twice is told twice. The caller holds
// mu.
func (x *Index) tell(err error) {
	if text := err.Error(); len(x.trouble) < maxTrouble && !slices.Contains(x.trouble, text) {
		x.trouble = append(x.trouble, text)
	}
}

// place says where an entry is. The caller holds mu.
func (x *Index) place(e *Entry) place {
	return place{t: e.T, off: e.Offset, pos: e.pos, skip: e.skip, size: len(e.Frame.Raw), conn: e.Conn, kind: uint8(e.Frame.Kind),
		sc: e.Dir == record.SC, isStream: e.Dir != "", fromNoone: e.Injected, class: e.Class(),
		isOdd: e.Edited || e.Verdict != "" || e.Frame.Err != nil || e.Frame.Part != decode.Whole || e.pieces != nil}
}

// add adds an entry without its facts. The caller holds mu.
func (x *Index) add(e *Entry) {
	p := x.place(e)
	p.header = x.header(e.header)
	x.list.add(&p)
	x.clock.add(x.list.n, e.T, e.Dir, p.size, e.Kind == record.EventNote && e.By == record.ByUser)
	if e.Kind == record.EventOpen {
		x.conns++
	}
	if !p.isOdd {
		return
	}
	o := &oddity{pieces: e.pieces, edited: e.Edited, sent: bytes.Clone(e.Sent), verdict: e.Verdict, by: e.By, why: e.Why}
	if e.Frame.Err != nil || e.Frame.Part != decode.Whole {
		f := e.Frame
		f.Raw = nil
		f = cloneFrame(f)
		f.Raw = nil
		o.frame = &f
	}
	x.odd[x.list.n] = o
}

// header returns the number of a stream header. The caller holds mu.
func (x *Index) header(h []byte) int {
	if len(h) == 0 {
		return 0
	}
	// Streams change rarely: the header is nearly always among the last.
	for i := len(x.headers); i > max(0, len(x.headers)-len(x.recent)); i-- {
		seen := &x.recent[i%len(x.recent)]
		switch {
		case len(*seen) > 0 && &(*seen)[0] == &h[0]:
			return i
		case bytes.Equal(x.headers[i-1], h):
			*seen = h
			return i
		}
	}
	x.headers = append(x.headers, h)
	x.recent[len(x.headers)%len(x.recent)] = h
	return len(x.headers)
}

// fact adds the facts of the next entry, and the entry itself where the survey
// has not found it. The caller holds mu.
func (x *Index) fact(e *Entry) {
	if x.known < x.list.n && !x.agrees(e) {
		// Events that the survey saw are gone, of a ring. What is there
		// now is in the list as it is found.
		x.forget()
	}
	if x.known == x.list.n {
		x.add(e)
		x.check = nil
	}
	x.known++
	if e.Kind == record.EventOpen {
		x.opened++
	}
	g := x.list.blocks[(x.known-1)/perBlock]
	g.facts = x.found.append(g.facts, x.known, &e.Facts)
	x.clock.fact(e)
	x.sums.Add(e)
	x.each.add(e)
	if x.known%perBlock == 0 {
		g.facts = exactly(g.facts)
	}
	for _, r := range e.Facts.Related {
		if r.N >= 1 && r.N < x.known {
			x.list.point(r.N, link{uint8((r.N - 1) % perBlock), x.found.kinds.number(r.Kind, maxKinds), int32(x.known)})
		}
	}
}

// point notes that a later entry points to entry n.
func (s *places) point(n int, l link) {
	g := s.blocks[(n-1)/perBlock]
	have := 0
	for _, other := range g.later {
		if other.to == l.to {
			have++
		}
	}
	if have < maxLater {
		g.later = append(g.later, l)
	}
}

// agrees reports whether the survey has found the same entry.
func (x *Index) agrees(e *Entry) bool {
	if x.check == nil || x.check.n != x.known+1 {
		x.check = x.list.from(x.known + 1)
	}
	var found place
	x.check.next(&found)
	p := x.place(e)
	p.header = found.header
	return p == found
}

// forget drops what is in the list without its facts.
func (x *Index) forget() {
	for n := range x.odd {
		if n > x.known {
			delete(x.odd, n)
		}
	}
	x.list.cut(x.known)
	x.clock.cut(&x.list, x.known)
	x.conns, x.check = x.opened, nil
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
	return x.status()
}

func (x *Index) status() Status {
	return Status{x.list.n, x.known, !x.surveyed, x.conns, x.done, append([]string(nil), x.trouble...)}
}

// Wait waits until the status is enough, until the recording is at its end, or
// until ctx is done.
func (x *Index) Wait(ctx context.Context, enough func(Status) bool) Status {
	for {
		x.mu.Lock()
		s := x.status()
		if s.Done || enough(s) {
			x.mu.Unlock()
			return s
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
