package web

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/xmpplens/xmpplens/decode/xep"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file answers how a recording stands as a whole. Who asks again says which
// version it has.

// An Overviewer has what an overview tells; *timeline.Index is one.
type Overviewer interface {
	Summer
	Traffic(from, to time.Duration, parts int) timeline.Traffic
}

const (
	maxConns     = 200 // in one answer
	maxLatencies = 12
	maxCodes     = 50
	defaultParts = 200 // of the traffic
)

type overviewed struct {
	Op        string                 `json:"op"`
	Version   string                 `json:"version"`
	Same      bool                   `json:"same,omitempty"` // nothing has changed, nothing else is said
	Known     int                    `json:"known"`
	Total     int                    `json:"total"`
	Conns     []timeline.Conn        `json:"conns"`
	All       int                    `json:"all"` // connections
	Traffic   timeline.Traffic       `json:"traffic"`
	Latencies []latency              `json:"latencies"`
	Codes     []*timeline.FindingSum `json:"codes"`
}

// latency is how long answers took; times are nanoseconds.
type latency struct {
	NS, XEP, Title string
	Count          int
	P50, P95, Max  time.Duration
	Steps          []timeline.Step
	Slowest        []timeline.Slow
}

// overview answers with all of it, unless who asks has it.
func (p *page) overview(r request) any {
	var q overviewRequest
	r.into(&q)
	out := p.overviewOf(q)
	if q.Draw > 0 {
		return out.draw(q)
	}
	return out
}

type overviewRequest struct {
	Version, By string
	Down        bool
	From, To    float64 // seconds
	Draw        int     // for the page, on so many pixels; 0 = it is not drawn
}

func (p *page) overviewOf(q overviewRequest) overviewed {
	st := p.source.Status()
	out := overviewed{Op: "overview", Version: fmt.Sprintf("%d %d %d %s %t %g %g %d", st.Len, st.Known, st.Conns, q.By, q.Down, q.From, q.To, q.Draw), Known: st.Known, Total: st.Len, All: st.Conns, Latencies: []latency{}, Codes: []*timeline.FindingSum{}}
	src, ok := p.source.(Overviewer)
	if !ok || out.Version == q.Version {
		return overviewed{Op: "overview", Version: out.Version, Same: true}
	}
	at := func(s float64) time.Duration { return time.Duration(min(max(s, 0), 1e9) * 1e9) }
	out.Conns, _ = src.Connections(q.By, q.Down, maxConns)
	parts := defaultParts
	if q.Draw > 0 {
		parts = q.Draw / columnWide
	}
	out.Traffic = src.Traffic(at(q.From), at(q.To), parts)
	src.Sums(func(s *timeline.Sums, _ int) {
		for ns, l := range s.Latencies {
			out.Latencies = append(out.Latencies, latency{NS: ns, Count: l.Count})
		}
		slices.SortFunc(out.Latencies, func(a, b latency) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.NS, b.NS)) })
		out.Latencies = out.Latencies[:min(len(out.Latencies), maxLatencies)]
		for i := range out.Latencies {
			l, h := &out.Latencies[i], s.Latencies[out.Latencies[i].NS]
			if spec, ok := xep.Lookup(l.NS); ok {
				l.XEP, l.Title = spec.ID, spec.Title
			}
			l.P50, l.P95, l.Max, l.Steps, l.Slowest = h.Quantile(.5), h.Quantile(.95), h.Max, h.Steps(), slices.Clone(h.Slowest)
		}
		for _, c := range s.Codes {
			one := *c
			out.Codes = append(out.Codes, &one)
		}
	})
	slices.SortFunc(out.Codes, func(a, b *timeline.FindingSum) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Code, b.Code)) })
	out.Codes = out.Codes[:min(len(out.Codes), maxCodes)]
	return out
}
