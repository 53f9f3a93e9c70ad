package web

import (
	"cmp"
	"slices"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file answers what the ladder asks beside the rows of the list: who talks on
// their connections, which phase of a connection they are in, which requests wait
// for their answers beside them. The page gets it as it is drawn, see rung.go.

const maxBefore = 200 // rows above a window that are looked at for requests and phases

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

// ladder answers what is to be drawn beside Count rows from place From on, or with
// Draw the rows themselves.
func (p *page) ladder(q request) any {
	var want struct {
		From, Count int
		Draw        *wish
	}
	q.into(&want)
	from, count := max(want.From, 1), max(0, min(want.Count, maxWindow))
	if want.Draw == nil {
		return p.stretch(from, count, 0).ladder
	}
	s := p.stretch(from, count, max(0, min(want.Draw.Screen, maxScreen)))
	return p.rungs(s, count, want.Draw)
}

// A stretch is a part of the list, with some rows above it.
type stretch struct {
	ladder
	entries []*timeline.Entry
	first   int    // the place of the first of them
	ended   []pair // those that end above From
	conns   []int  // of the rows from From on
}

// stretch looks at count rows from a place on, and for their connections at those
// beyond, too.
func (p *page) stretch(from, count, beyond int) stretch {
	first := max(1, from-maxBefore)
	known := p.source.Status().Known
	entries, generation, _ := p.chosen.entries(p.source, first, from-first+count+beyond)
	s := stretch{ladder{"ladder", generation, from, known, []lane{}, []pair{}, map[int]step{}}, entries, first, nil, nil}
	at := func(n int) int { // its place, 0 when it is not in the list
		if place, _ := p.chosen.place(n); p.chosen.number(place) == n {
			return place
		}
		return 0
	}
	phases := make(map[int]string) // by connection
	for i, e := range entries {
		here := first + i
		if here >= from && e.Conn > 0 && !slices.Contains(s.conns, e.Conn) {
			s.conns = append(s.conns, e.Conn)
		}
		if here >= from+count {
			continue
		}
		// Notes have none of their own.
		if phase := cmp.Or(e.Facts.Phase, phases[e.Conn]); phase != "" {
			before, seen := phases[e.Conn]
			if here >= from {
				s.Steps[e.N] = step{phase, phase != before && (seen || e.Kind == "open")}
			}
			phases[e.Conn] = phase
		}
		for _, r := range e.Later { // a request
			if r.Kind != track.Answers {
				continue
			}
			if q := (pair{here, at(r.N), e.Conn, string(e.Dir)}); q.To >= from {
				s.Pairs = append(s.Pairs, q)
			} else if q.To > 0 {
				s.ended = append(s.ended, q)
			}
		}
		if here < from {
			continue
		}
		for _, r := range e.Facts.Related { // an answer, whose request is further up
			if r.Kind != track.Answers {
				continue
			}
			if asked := at(r.N); asked > 0 && asked < first {
				dir := map[string]string{"CS": "SC", "SC": "CS"}[string(e.Dir)]
				s.Pairs = append(s.Pairs, pair{asked, here, e.Conn, dir})
			}
		}
	}
	s.Lanes = p.lanes(s.conns)
	return s
}
