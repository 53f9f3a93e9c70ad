package web

import (
	"cmp"
	"net"
	"slices"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file answers what the ladder asks beside the rows of the list: who talks on
// their connections, which phase of a connection they are in, which requests wait
// for their answers beside them; and the way of one message.

// A Linker tells who is at the ends of connections; *timeline.Index is one.
type Linker interface {
	Conns(ids []int) []timeline.Conn
}

const (
	maxBefore = 200 // rows above a window that are looked at for requests and phases
	maxStages = 100 // entries on the way of a message
	maxHops   = 12  // relations between the first and the last of them
)

// A lane is a connection, with the names of its ends.
type lane struct {
	Conn   int    `json:"conn"`
	Kind   string `json:"kind"`
	Client string `json:"client"`
	Server string `json:"server"`
}

// A pair is a request and its answer, by their places in the list.
type pair struct {
	From int    `json:"from"`
	To   int    `json:"to"`
	Conn int    `json:"conn"`
	Dir  string `json:"dir"` // of the request
}

// step is what the ladder knows of a row.
type step struct {
	Phase  string `json:"phase"`
	Begins bool   `json:"begins,omitempty"` // the phase begins with it
}

type ladder struct {
	Op     string       `json:"op"`
	Filter int          `json:"filter"`
	From   int          `json:"from"`
	Known  int          `json:"known"`
	Lanes  []lane       `json:"lanes"`
	Pairs  []pair       `json:"pairs"`
	Steps  map[int]step `json:"steps"` // by the number of the entry
}

// ladder answers what is to be drawn beside Count rows from place From on.
func (p *page) ladder(q request) any {
	var want struct{ From, Count int }
	q.into(&want)
	from, count := max(want.From, 1), min(want.Count, maxWindow)
	first := max(1, from-maxBefore)
	known := p.source.Status().Known
	entries, generation, _ := p.chosen.entries(p.source, first, count+from-first)
	out := ladder{"ladder", generation, from, known, []lane{}, []pair{}, map[int]step{}}
	at := func(n int) int { // its place, 0 when it is not in the list
		if place, _ := p.chosen.place(n); p.chosen.number(place) == n {
			return place
		}
		return 0
	}
	phases := make(map[int]string) // by connection
	var conns []int
	for _, e := range entries {
		here := at(e.N)
		if here >= from && e.Conn > 0 && !slices.Contains(conns, e.Conn) {
			conns = append(conns, e.Conn)
		}
		if phase := e.Facts.Phase; phase != "" {
			before, seen := phases[e.Conn]
			if here >= from {
				out.Steps[e.N] = step{phase, phase != before && (seen || e.Kind == "open")}
			}
			phases[e.Conn] = phase
		}
		for _, r := range e.Later { // a request
			if to := at(r.N); r.Kind == track.Answers && to >= from && here > 0 {
				out.Pairs = append(out.Pairs, pair{From: here, To: to, Conn: e.Conn, Dir: string(e.Dir)})
			}
		}
		for _, r := range e.Facts.Related { // an answer, whose request is further up
			if asked := at(r.N); r.Kind == track.Answers && asked > 0 && asked < first && here >= from {
				dir := map[string]string{"CS": "SC", "SC": "CS"}[string(e.Dir)]
				out.Pairs = append(out.Pairs, pair{From: asked, To: here, Conn: e.Conn, Dir: dir})
			}
		}
	}
	out.Lanes = p.lanes(conns)
	return out
}

// lanes names the ends of connections: a client by its address, or where it comes
// from, servers by their domains.
func (p *page) lanes(ids []int) []lane {
	out := []lane{}
	for _, c := range p.source.Conns(ids) {
		l := lane{c.ID, c.Kind, c.Client, c.Server}
		switch {
		case c.Kind == "s2s":
			l.Client, l.Server = cmp.Or(c.From, c.Client), cmp.Or(c.To, c.Server)
		case c.Kind == "component":
			l.Client = cmp.Or(c.To, c.Client)
		default:
			if c.State.Bound.Domain != "" {
				l.Client = c.State.Bound.String()
			}
			l.Server = cmp.Or(c.State.Bound.Domain, c.To, c.Server)
		}
		if host, port, err := net.SplitHostPort(l.Client); err == nil && l.Client == c.Client {
			l.Client = "client " + host + ":" + port
		}
		out = append(out, l)
	}
	return out
}

// along are the relations that a message goes by; those that are true lead on from
// there, the others are of another message.
var along = map[string]bool{
	track.Delivers: true, track.Carbon: true, track.Archived: true, track.Receipt: true, track.Marks: true, track.Refuses: true, track.Resends: true, track.Answers: true,
	track.Acks: false, track.Corrects: false, track.Replies: false, track.Reacts: false,
}

// A stage is an entry on the way of a message.
type stage struct {
	timeline.Row
	At    int    `json:"at"`              // its place in the list, 0 = it is not there
	Is    string `json:"is"`              // sent, or its relation to the one that it is about
	About int    `json:"about,omitempty"` // which
}

type followed struct {
	Op     string  `json:"op"`
	N      int     `json:"n"` // that was asked for
	Stages []stage `json:"stages"`
	Lanes  []lane  `json:"lanes"`
	More   bool    `json:"more,omitempty"` // there are more than are told
}

// follow answers with the way of the message or request that entry N is of.
func (p *page) follow(q request) any {
	out := followed{Op: "follow", N: q.N, Stages: []stage{}, Lanes: []lane{}}
	type hop struct{ n, far int }
	seen := map[int]*timeline.Entry{}
	todo := []hop{{q.N, 0}}
	var conns []int
	for len(todo) > 0 {
		h := todo[0]
		todo = todo[1:]
		if seen[h.n] != nil {
			continue
		}
		if len(seen) >= maxStages {
			out.More = true
			break
		}
		entries, err := p.source.Entries(h.n, 1)
		if err != nil || len(entries) == 0 {
			continue
		}
		e := entries[0]
		seen[h.n] = e
		if !slices.Contains(conns, e.Conn) {
			conns = append(conns, e.Conn)
		}
		if h.far >= maxHops {
			continue
		}
		for _, list := range [][]track.Relation{e.Facts.Related, e.Later} {
			for _, r := range list {
				if goes, ok := along[r.Kind]; goes {
					todo = append(todo, hop{r.N, h.far + 1})
				} else if ok && r.N > h.n { // shown, and no further
					todo = append(todo, hop{r.N, maxHops})
				}
			}
		}
	}
	for n, e := range seen {
		s := stage{Row: e.Row(), Is: "sent"}
		if place, _ := p.chosen.place(n); p.chosen.number(place) == n {
			s.At = place
		}
		for _, r := range e.Facts.Related {
			// That a receipt is delivered says more of it than whose it is.
			if _, ok := along[r.Kind]; ok && seen[r.N] != nil && (s.About == 0 || r.Kind == track.Delivers) {
				s.Is, s.About = r.Kind, r.N
			}
		}
		out.Stages = append(out.Stages, s)
	}
	slices.SortFunc(out.Stages, func(a, b stage) int { return cmp.Compare(a.N, b.N) })
	out.Lanes = p.lanes(conns)
	return out
}
