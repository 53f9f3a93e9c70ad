package web

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file draws the rows of the ladder. What is drawn says which lanes it goes
// from and to ("3 CS": from the client of connection 3 to its server); where they
// stand is for the page.

const (
	maxScreen = 200 // rows that a screen has
	tracks    = 5   // brackets beside each other, at one lane
	settled   = 500 // entries behind a page: its answers are there
	longPause = 1.0 // seconds between two rows, from which on they are said
)

// wish is what a page wants to see of the lanes.
type wish struct {
	Screen     int // rows: their connections have lanes
	Keep, Hide []string
}

// rungs are the rows of a ladder as they are drawn.
type rungs struct {
	Op      string         `json:"op"`
	Filter  int            `json:"filter"`
	From    int            `json:"from"`
	Settled bool           `json:"settled"` // they stay as they are
	Heads   group          `json:"heads"`   // above the lanes, from left to right, behind a corner
	Proxy   int            `json:"proxy"`   // which of the lanes it is, from 0
	Ends    map[int][2]int `json:"ends"`    // the lanes of each connection: of its client, of its server
	Rows    []rung         `json:"rows"`
}

// A rung is one row.
type rung struct {
	Class   string `json:"class"`
	Label   string `json:"label"` // for those who do not see it, behind its time
	Ends    string `json:"ends"`
	Over    group  `json:"over"` // its time
	Picture group  `json:"picture"`
	Text    group  `json:"text"`
}

// rungs draws the count rows of a stretch.
func (p *page) rungs(s stretch, count int, want *wish) rungs {
	for _, text := range want.Keep[:min(len(want.Keep), maxScreen)] {
		if n, err := strconv.Atoi(text); err == nil && !slices.Contains(s.conns, n) {
			s.conns = append(s.conns, n)
		}
	}
	lanes := p.lanes(s.conns)
	o := arrange(lanes, want.Hide)
	out := rungs{Op: "ladder", Filter: s.Filter, From: s.From, Heads: o.heads(want.Keep, want.Hide), Proxy: o.proxy, Ends: o.ends, Rows: []rung{}}
	names := make(map[int]lane)
	for _, l := range lanes {
		l.Client, l.Server = clip(l.Client, maxLetters), clip(l.Server, maxLetters)
		names[l.Conn] = l
	}
	pairs := s.placed(o)
	var before *timeline.Entry
	for i, e := range s.entries {
		if place := s.first + i; place >= s.From && len(out.Rows) < count {
			r := rungOf(e, before, s.Steps[e.N], names[e.Conn])
			for _, q := range pairs {
				if part := q.at(place); part != "" {
					r.Picture = append(r.Picture, el("i.pair"+part, attrs{"data-ends": fmt.Sprintf("%d %s %d", q.Conn, q.Dir, q.track)}))
				}
			}
			out.Rows = append(out.Rows, r)
			out.Settled = len(out.Rows) == count && s.Known >= e.N+settled
		}
		before = e
	}
	return out
}

// A bracket is a pair and its distance from the lane.
type bracket struct {
	pair
	track int
}

// at says what of the bracket is at a place of the list.
func (b *bracket) at(place int) string {
	switch {
	case place < b.From || place > b.To:
		return ""
	case place == b.From:
		return ".begins"
	case place == b.To:
		return ".ends"
	}
	return ".goeson"
}

// placed puts brackets that are beside the same lane at the same time on tracks of
// their own, as long as there are some.
func (s *stretch) placed(o order) []bracket {
	all := slices.Concat(s.ended, s.Pairs)
	slices.SortStableFunc(all, func(a, b pair) int { return a.From - b.From })
	until := make(map[int]*[tracks]int) // where the last one of each track ends, by lane
	var out []bracket
	for _, q := range all {
		ends, ok := o.ends[q.Conn]
		if !ok {
			continue
		}
		own := ends[0]
		if q.Dir == "SC" {
			own = ends[1]
		}
		if until[own] == nil {
			until[own] = new([tracks]int)
		}
		for i, to := range until[own] {
			if to < q.From {
				until[own][i] = q.To
				if q.To >= s.From {
					out = append(out, bracket{q, i})
				}
				break
			}
		}
	}
	return out
}

// phases are the words for phases of connections.
var phases = map[string]string{track.PhaseTCP: "connect", track.PhaseTLS: "TLS", track.PhaseSASL: "SASL"}

// rungOf draws an entry that comes behind another one, on a connection with ends.
func rungOf(e, before *timeline.Entry, s step, ends lane) rung {
	row := e.Row()
	r := rung{Class: cmp.Or(row.Dir, "about"), Over: group{}, Picture: group{}}
	class := func(is bool, name string) {
		if is {
			r.Class += " " + name
		}
	}
	sign := signs[row.Level]
	class(sign != "", row.Level)
	class(row.Kind == "secure" || row.Kind == "note", row.Kind)
	class(row.Quiet, "quiet")

	label := []string{row.Kind + " " + row.Summary}
	switch row.Dir {
	case "CS":
		label[0] = ends.Client + " to " + ends.Server + ": " + row.Summary
	case "SC":
		label[0] = ends.Server + " to " + ends.Client + ": " + row.Summary
	}
	word := func(what, text string) { r.Text = append(r.Text, el("span."+what, text)) }
	if row.Outcome != "" {
		word("tag", strings.Replace(row.Outcome, "dropped", "✕ dropped", 1))
		label = append(label, row.Outcome)
	}
	if row.Dir == "" {
		word("sign", row.Sign)
	}
	r.Text = append(r.Text, el("bdi", row.Summary))
	if row.Codes != nil {
		codes := strings.Join(row.Codes, " ")
		word("code", cmp.Or(sign, "•")+" "+codes)
		label = append(label, row.Level+" "+codes)
	} else if sign != "" {
		word("code", sign)
		label = append(label, row.Level)
	}
	if row.Latency > 0 {
		word("latency", took(row.Latency))
		label = append(label, "after "+took(row.Latency))
	}
	if before != nil && (e.T-before.T).Seconds() >= longPause {
		gap := pause((e.T - before.T).Seconds())
		r.Over = append(r.Over, el("span.gap", "· "+gap+" ·"), " ")
		label = append(label, gap+" after the one before")
		class(true, "paused")
	}
	if s.Begins {
		r.Over = append(r.Over, el("span.phase", cmp.Or(phases[s.Phase], s.Phase)))
	}
	r.Label = strings.Join(label, ", ")

	if e.Conn == 0 {
		return r
	}
	r.Ends = fmt.Sprintf("%d %s", e.Conn, row.Dir)
	switch s.Phase {
	case "", track.PhaseOnline:
	case track.PhaseClosing, track.PhaseClosed:
		r.Picture = append(r.Picture, el("i.band.closing"))
	default:
		r.Picture = append(r.Picture, el("i.band"))
	}
	arrow := "i.arrow"
	switch row.Outcome {
	case "":
	case "dropped", "injected":
		arrow += ".changed." + row.Outcome
	default:
		arrow += ".changed"
	}
	r.Picture = append(r.Picture, el(arrow))
	return r
}

// took is how long an answer took, of milliseconds.
func took(ms float64) string {
	switch {
	case ms < 1:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

// pause is a time between two rows, of seconds.
func pause(s float64) string {
	n := int(s)
	switch {
	case n < 60:
		return fmt.Sprintf("%.1f s", s)
	case n < 3600:
		return fmt.Sprintf("%d min %d s", n/60, n%60)
	}
	return fmt.Sprintf("%d h %d min", n/3600, n/60%60)
}
