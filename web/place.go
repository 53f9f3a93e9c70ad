package web

import (
	"fmt"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file answers what the list asks beside its rows: where an entry is in it,
// and which one follows on the same connection; and it hides classes of entries.

// A Classifier tells of the classes and connections of entries; *timeline.Index
// is one.
type Classifier interface {
	Counts() timeline.Counts
	Classes(dst []timeline.Class, from, count int) []timeline.Class
	Along(n, by int) int
}

// maxAlong is how many entries of a connection are looked at for one that is in
// the list.
const maxAlong = 5000

// placed answers where an entry is.
type placed struct {
	Op    string `json:"op"`
	Seq   int    `json:"seq"`            // of the request
	N     int    `json:"n"`              // the entry, 0 = there is none
	At    int    `json:"at"`             // its place, or of one that is not in the list the place of the next, or the last
	Exact bool   `json:"exact"`          // it is in the list
	Says  string `json:"says,omitempty"` // what there is to say when it is not, or there is none
}

// hide leaves classes of entries out of the list, beside what the filter does.
func (p *page) hide(q request) any {
	var want struct{ Classes []string }
	q.into(&want)
	p.chosen.conceal(timeline.ClassesOf(want.Classes))
	return struct {
		Op string `json:"op"`
	}{"hide"}
}

// place finds entry N, or with By = 1 or -1 the entry of the list that follows N on
// its connection, or comes before it.
func (p *page) place(q request) any {
	var want struct{ By, Seq int }
	q.into(&want)
	n := q.N
	out := placed{Op: "place", Seq: want.Seq}
	for range maxAlong {
		if want.By != 0 {
			n = p.source.Along(n, want.By)
		}
		at, next := p.chosen.place(n)
		out.N, out.At, out.Exact = n, at, n > 0 && p.chosen.number(at) == n
		if out.Exact || want.By == 0 || n == 0 {
			if !out.Exact && p.chosen.number(at+1) == next {
				out.At++
			}
			break
		}
		out.N = 0
	}
	switch {
	case want.By != 0 && out.N == 0:
		out.At, out.Says = 0, "No other entry of this connection."
	case out.At == 0:
		out.Says = "The list is empty."
	case !out.Exact:
		out.Says = fmt.Sprintf("Entry %s is not in the list; this is the nearest.", thousands(n))
	}
	return out
}
