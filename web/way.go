package web

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file answers with the way of one message: its stages, and in words.

const (
	maxStages = 100 // entries on the way of a message
	maxHops   = 12  // relations between the first and the last of them
)

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

// follow answers with the way of the message or request that entry N is of, with
// Draw as the page shows it.
func (p *page) follow(q request) any {
	var want struct{ Draw bool }
	q.into(&want)
	f := p.way(q.N)
	if want.Draw {
		return struct {
			Op   string `json:"op"`
			N    int    `json:"n"`
			Text group  `json:"text"`
		}{f.Op, f.N, f.text()}
	}
	return f
}

func (p *page) way(n int) followed {
	out := followed{Op: "follow", N: n, Stages: []stage{}, Lanes: []lane{}}
	type hop struct{ n, far int }
	seen := map[int]*timeline.Entry{}
	todo := []hop{{n, 0}}
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

// goings are the words for stages, where they are others than those of relations.
var goings = map[string]string{
	track.Delivers: "delivered", track.Carbon: "carbon", track.Archived: "archive copy", track.Receipt: "receipt", track.Refuses: "refused", track.Resends: "sent again",
	track.Answers: "answered", track.Acks: "acknowledged", track.Corrects: "corrected", track.Replies: "reply", track.Reacts: "reaction", track.Marks: "marked",
}

// text says the way in words, with a link to each of its stages.
func (f *followed) text() group {
	at := make(map[int]float64) // when it was
	for _, s := range f.Stages {
		at[s.N] = s.T
	}
	p := group{"p"}
	for i, s := range f.Stages {
		l := lane{}
		if k := slices.IndexFunc(f.Lanes, func(l lane) bool { return l.Conn == s.Conn }); k >= 0 {
			l = f.Lanes[k]
		}
		from, to := clip(shortName(l.Client), maxLetters), clip(shortName(l.Server), maxLetters)
		if s.Dir == "SC" {
			from, to = to, from
		}
		what := cmp.Or(goings[s.Is], s.Is)
		if s.Is == track.Delivers && l.Kind == "s2s" {
			what = "passed on"
		}
		if i == 0 {
			p = append(p, el("bdi", what+" by "+from+" to "+to+" "))
		} else {
			p = append(p, ", ", el("bdi", what+" "+from+" → "+to+" "))
		}
		p = append(p, el("button.link", attrs{"data-go": s.N}, fmt.Sprintf("#%d", s.N)))
		if t, ok := at[s.About]; ok {
			p = append(p, " (+"+took((s.T-t)*1000)+")")
		}
		if s.At == 0 {
			p = append(p, " (not in this list)")
		}
	}
	if len(f.Stages) < 2 {
		p = append(p, " — nothing else in the recording belongs to it.")
	}
	if f.More {
		p = append(p, " …")
	}
	return group{drawn(p), el("button", attrs{"aria-label": "Follow no longer"}, "✕")}
}
