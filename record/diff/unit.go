package diff

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/decode/xep"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// unit is an exchange. What is kept is small: there may be millions.
type unit struct {
	n      int32 // the entry that begins it
	conn   int32 // its id
	phase  uint8 // index in phaseNames
	flags  uint8
	took   float32 // seconds until the answer; negative = no answer was timed
	fails  uint32  // the condition with which it fails, as a number; 0 = it does not
	key    uint64  // what belongs together has the same
	near   uint64  // the same without addresses
	sub    uint64  // content of the body or of the payload
	lead   uint64  // content of the first entry
	whole  uint64  // content of all
	follow []follower
}

// follower is an entry that belongs to an exchange that began before.
type follower struct {
	n    int32
	kind uint8 // index in following
	sum  uint64
}

const (
	isRequest = 1 << iota
	isOrdered // among those of the same sender
	isOffer   // stream features or features of an entity
	cutShort  // the connection ended before there could be an answer
	isPing
	isFeatures // of a stream
	isSecured  // said under TLS
	isLoggedIn // said behind the login
)

// following are the relations that make an entry part of an exchange.
var following = []string{track.Answers, track.Refuses, track.Receipt, track.Marks, track.Carbon}

// unanswered is unit.fails of a request that nobody answered.
const unanswered = 1

// patience is how long before the end of a connection a request must have been
// asked to count as unanswered.
const patience = time.Second

// maxFollowers bounds what belongs to one exchange.
const maxFollowers = 16

// reader makes exchanges of entries.
type reader struct {
	*session
	norm   normaliser
	stages map[int]*stage
	last   time.Duration
}

// stage is how far a connection is.
type stage struct {
	secured, bound bool
	ended          [2]bool // which side has ended its stream
	phase          uint8
	open           []int32 // requests without an answer
	at             []time.Duration
}

// maxOpen bounds the requests that may wait for an answer on one connection.
const maxOpen = 10_000

// finding is one kind of finding on a connection.
type finding struct {
	conn int
	code string
}

// seen is what is known of it.
type seen struct {
	track.Finding
	n, count int
	phase    uint8
}

// read makes the exchanges of a session.
func (s *session) read(ctx context.Context, o *Options) error {
	s.findings = make(map[finding]*seen)
	r := &reader{session: s, norm: normaliser{names: &s.names, ignore: &o.Ignore}, stages: make(map[int]*stage)}
	err := s.each(ctx, o, func(e *timeline.Entry, _ *timeline.Folder) error {
		if e.Conn == 0 {
			return nil
		}
		r.last = max(r.last, e.T)
		return r.entry(e, o.Filter == nil || e.Matches(o.Filter))
	})
	if err != nil {
		return err
	}
	for _, g := range r.stages { // what was open at the end of the recording
		r.close(g, r.last)
	}
	s.units = slices.DeleteFunc(s.units, func(u unit) bool { return u.flags&isPing != 0 && u.fails == 0 })
	for i := range s.units {
		u := &s.units[i]
		u.whole = u.all()
		c := s.byID[int(u.conn)]
		c.units = append(c.units, int32(i))
	}
	return nil
}

// all is the content of the whole exchange, whatever came first.
func (u *unit) all() uint64 {
	if len(u.follow) == 0 {
		return u.lead
	}
	sums := []uint64{u.lead}
	for _, f := range u.follow {
		sums = append(sums, f.sum+uint64(f.kind)+1)
	}
	slices.Sort(sums[1:])
	b := make([]byte, 0, 8*len(sums))
	for _, s := range sums {
		b = binary.LittleEndian.AppendUint64(b, s)
	}
	return sum(b)
}

func (r *reader) entry(e *timeline.Entry, chosen bool) error {
	g := r.stages[e.Conn]
	if g == nil {
		g = new(stage)
		r.stages[e.Conn] = g
	}
	switch e.Kind {
	case record.EventSecure:
		g.secured = true
	case record.EventClose:
		r.close(g, e.T)
	}
	before := g.phase
	if p := slices.Index(phaseNames, e.Facts.Phase); p >= 0 {
		g.phase = uint8(p)
	}
	findings := e.Facts.Findings
	if e.Kind == record.EventNote && e.Event.Level != "" && e.Event.Level != track.Note {
		// What the proxy has to say, without ports and the like.
		code := "note " + digitless(r.within(e.Event.Text))
		findings = []track.Finding{{Severity: e.Event.Level, Code: code, Text: e.Event.Text}}
	}
	for _, f := range findings {
		if f.Severity == track.Note || !chosen {
			continue
		}
		k := finding{e.Conn, f.Code}
		if r.findings[k] == nil {
			r.findings[k] = &seen{Finding: f, n: e.N, phase: g.phase}
		}
		r.findings[k].count++
	}
	if e.Dir == "" {
		return nil
	}
	side := 0
	if e.Dir == record.SC {
		side = 1
	}
	crossing := g.ended[1-side] && (e.Stanza.Error == nil || e.Kind != "nonza")
	if e.Kind == "end" {
		g.ended[side] = true
		r.close(g, e.T)
	}
	phase := g.phase
	if e.Kind == "iq" || e.Kind == "message" || e.Kind == "presence" {
		phase = before
	}
	if !crossing && !quiet(e) {
		if err := r.add(e, g, phase, chosen); err != nil {
			return err
		}
	}
	g.bound = g.bound || g.phase >= uint8(slices.Index(phaseNames, track.PhaseBind))
	return nil
}

// quiet reports what is there to keep a connection, or frames others.
func quiet(e *timeline.Entry) bool {
	switch e.Kind {
	case "whitespace", "declaration", "end", "body":
		return true
	case "nonza":
		return xep.Family(e.Stanza.NS) == "urn:xmpp:sm" && len(e.Stanza.Name) == 1 // r, a
	}
	return false
}

// add makes an entry part of an exchange, or begins one.
func (r *reader) add(e *timeline.Entry, g *stage, phase uint8, chosen bool) error {
	if len(r.units) >= MaxEntries {
		return &TooLongError{MaxEntries}
	}
	r.norm.account = r.byID[e.Conn].account
	x := r.norm.element(e.Frame, &e.Stanza, e.Dir)
	if x == nil {
		x = r.norm.other(e.Frame)
	}
	content := x.sum
	if e.Injected || e.Verdict == "dropped" || e.Verdict == "edited" {
		content = sumOf(e.Outcome(), string(binary.LittleEndian.AppendUint64(nil, content)))
	}
	for _, rel := range e.Facts.Related {
		kind := slices.Index(following, rel.Kind)
		if kind < 0 {
			continue
		}
		at, ok := slices.BinarySearchFunc(r.units, int32(rel.N), func(u unit, n int32) int { return cmp.Compare(u.n, n) })
		if !ok || int(r.units[at].conn) != e.Conn || len(r.units[at].follow) == maxFollowers {
			continue
		}
		u := &r.units[at]
		if kind == 0 { // an answer
			u.fails = 0
			g.answered(int32(at))
		}
		u.follow = append(u.follow, follower{int32(e.N), uint8(kind), content})
		if e.Stanza.Error != nil {
			u.fails = fails(e)
		}
		if e.Facts.HasLatency {
			u.took = float32(e.Facts.Latency.Seconds())
		}
		return nil
	}
	if !chosen {
		return nil
	}
	u := unit{n: int32(e.N), conn: int32(e.Conn), phase: phase, took: -1, lead: content}
	r.identify(&u, e, x, g)
	if e.Stanza.Error != nil {
		u.fails = fails(e)
	}
	r.units = append(r.units, u)
	if u.flags&isRequest != 0 && len(g.open) < maxOpen {
		r.units[len(r.units)-1].fails = unanswered
		g.open = append(g.open, int32(len(r.units)-1))
		g.at = append(g.at, e.T)
	}
	return nil
}

func (g *stage) answered(at int32) {
	if i := slices.Index(g.open, at); i >= 0 {
		g.open, g.at = slices.Delete(g.open, i, i+1), slices.Delete(g.at, i, i+1)
	}
}

// close forgives what was asked too shortly before the end.
func (r *reader) close(g *stage, t time.Duration) {
	for i, at := range g.open {
		if t-g.at[i] < patience {
			r.units[at].flags |= cutShort
			r.units[at].fails = 0
		}
	}
	g.open, g.at = nil, nil
}

// fails says with which condition, as a number that is never that of an
// unanswered request.
func fails(e *timeline.Entry) uint32 {
	return uint32(sumOf(e.Kind, e.Stanza.Error.Condition)) | 2
}
