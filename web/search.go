package web

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode/filter"
)

const (
	maxHits = 1000       // in one answer
	atATime = atOnce / 4 // entries that are looked at before the clock is
)

// searching is the filter of those entries with a text in them that another
// filter chooses.
func searching(text, more string) (*filter.Filter, error) {
	source := "text(" + strconv.QuoteToASCII(text) + ")"
	if strings.TrimSpace(more) != "" {
		source = "(" + more + ") and " + source
	}
	return compiled(source)
}

// searched answers a step of a search.
type searched struct {
	Op     string `json:"op"`
	Seq    int    `json:"seq"`
	Filter int    `json:"filter"` // which list the places are of
	Len    int    `json:"len"`    // of it
	Hits   []int  `json:"hits"`   // places
	Next   int    `json:"next"`   // the place to go on from; 0 = the end of the list
	Error  string `json:"error,omitempty"`
}

// search looks for a text in the entries of the list from place At on, or with By
// less than 0 backwards, for a glance. It remembers nothing: who wants more asks
// again for what comes Next.
func (p *page) search(q request) any {
	var want struct {
		Text          string
		By, Most, Seq int
	}
	q.into(&want)
	out := searched{Op: "search", Seq: want.Seq, Hits: []int{}}
	f, err := searching(want.Text, "")
	if err != nil {
		out.Error = err.Error()
	}
	most := max(1, min(want.Most, maxHits))
	at := q.At
	if out.Len, out.Filter = p.chosen.extent(p.source); want.Text == "" || err != nil {
		return out
	}
	for began := time.Now(); ; {
		from, to := max(at, 1), min(max(at, 1)+atATime-1, out.Len)
		if want.By < 0 {
			to = min(at, out.Len)
			from = max(to-atATime+1, 1)
		}
		if from > out.Len || to < 1 {
			return out
		}
		if time.Since(began) > glance {
			out.Next = at
			return out
		}
		// What cannot be read has nothing in it.
		entries, generation, _ := p.chosen.entries(p.source, from, to-from+1)
		if generation != out.Filter {
			return out // there is another list, of which the page will hear
		}
		at = to + 1
		if want.By < 0 {
			slices.Reverse(entries)
			at = from - 1
		}
		for _, e := range entries {
			if !e.Shows(f, p.server.Secrets) {
				continue
			}
			place, _ := p.chosen.place(e.N)
			if out.Hits = append(out.Hits, place); len(out.Hits) == most {
				if at = place + 1; want.By < 0 {
					at = place - 1
				}
				if at >= 1 && at <= out.Len {
					out.Next = at
				}
				return out
			}
		}
	}
}
