package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

type statsCmd struct {
	File   string `arg:"" help:"The recording." type:"path"`
	JSON   bool   `name:"json" help:"Print one JSON object."`
	Filter string `short:"f" placeholder:"EXPR" help:"Only entries that match."`
}

func (statsCmd) Examples() string {
	return `  xmpplens stats login.jsonl
  xmpplens stats --json login.jsonl | jq '.total.latency'`
}

// statistics are what stats prints of a connection, or of all.
type statistics struct {
	Conn       int                         `json:"conn,omitempty"`
	JID        string                      `json:"jid,omitempty"`
	Seconds    float64                     `json:"seconds"`
	Bytes      map[string]int64            `json:"bytes"`    // by direction
	Entries    map[string]int              `json:"entries"`  // by direction
	Kinds      map[string]*timeline.Amount `json:"kinds"`    // by kind
	Payloads   map[string]*timeline.Amount `json:"payloads"` // by XEP, or namespace where there is none
	Latency    map[string]*quantile        `json:"latency"`  // seconds, by payload of the request
	Phases     []phaseTime                 `json:"phases,omitempty"`
	Keepalives int                         `json:"keepalives"`
	Findings   map[string]int              `json:"findings"` // by severity
	Traffic    []int64                     `json:"traffic"`  // bytes, in equal parts of the time

	sums    timeline.Sums
	moments []moment
}

type quantile struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

type phaseTime struct {
	Phase   string  `json:"phase"`
	Seconds float64 `json:"seconds"`
	Trips   int     `json:"round_trips"` // changes from client to server and back
	Detail  string  `json:"detail,omitempty"`
}

// moment is traffic in a hundredth of a second and later: neighbours are joined
// so that long recordings stay small.
type moment struct {
	at    time.Duration
	bytes int64
}

const (
	maxMoments = 20_000
	sparks     = 60 // parts of the time
)

func (c *statsCmd) Run(s *streams) error {
	chosen, err := filter.Compile(c.Filter)
	if err != nil {
		return &usageError{err, hintOf(err)}
	}
	total := new(statistics)
	conns := make(map[int]*statistics)
	trips := make(map[int]map[string]int)
	lastDir := make(map[int]record.Dir)
	fold, _, err := walk(s, c.File, func(e *timeline.Entry) {
		if e.Conn > 0 && e.Dir != "" {
			if trips[e.Conn] == nil {
				trips[e.Conn] = make(map[string]int)
			}
			if lastDir[e.Conn] == record.CS && e.Dir == record.SC {
				trips[e.Conn][e.Facts.Phase]++
			}
			lastDir[e.Conn] = e.Dir
		}
		if !e.Matches(chosen) {
			return
		}
		total.add(e)
		if e.Conn > 0 {
			if conns[e.Conn] == nil {
				conns[e.Conn] = &statistics{Conn: e.Conn}
			}
			conns[e.Conn].add(e)
		}
	})
	if err != nil {
		return err
	}
	total.finish()
	var list []*statistics
	for _, id := range slices.Sorted(maps.Keys(conns)) {
		st := conns[id]
		st.finish()
		if k := fold.Conn(id); k != nil {
			st.JID = k.Bound.String()
			for _, p := range k.Phases {
				end := p.End
				if end == 0 {
					end = st.sums.Last
				}
				if p.Phase != track.PhaseClosed {
					st.Phases = append(st.Phases, phaseTime{p.Phase, (end - p.Start).Seconds(), trips[id][p.Phase], p.Detail})
				}
			}
		}
		list = append(list, st)
	}
	out := bufio.NewWriter(s.stdout)
	if c.JSON {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]any{"total": total, "connections": list}); err != nil {
			return err
		}
		return out.Flush()
	}
	for _, st := range list {
		title := fmt.Sprintf("Connection %d", st.Conn)
		if st.JID != "" {
			title += "  " + st.JID
		}
		st.print(out, title)
	}
	if len(list) != 1 {
		total.print(out, fmt.Sprintf("All %d connections", len(list)))
	}
	return out.Flush()
}

func (st *statistics) add(e *timeline.Entry) {
	st.sums.Add(e)
	if e.Dir == "" {
		return
	}
	n := int64(len(e.Frame.Raw))
	if k := len(st.moments); k > 0 && e.T-st.moments[k-1].at < 10*time.Millisecond {
		st.moments[k-1].bytes += n
		return
	}
	if st.moments = append(st.moments, moment{e.T, n}); len(st.moments) > maxMoments {
		for i := range len(st.moments) / 2 {
			st.moments[i] = moment{st.moments[2*i].at, st.moments[2*i].bytes + st.moments[2*i+1].bytes}
		}
		st.moments = st.moments[:len(st.moments)/2]
	}
}

// finish puts the sums into the words of the output.
func (st *statistics) finish() {
	sums := &st.sums
	st.Seconds = (sums.Last - sums.First).Seconds()
	st.Bytes, st.Entries, st.Findings = make(map[string]int64), make(map[string]int), make(map[string]int)
	for i, d := range []string{"CS", "SC"} {
		if sums.Entries[i] > 0 {
			st.Bytes[d], st.Entries[d] = sums.Bytes[i], sums.Entries[i]
		}
	}
	for i, severity := range []string{track.Note, track.Warning, track.Error} {
		if sums.Findings[i] > 0 {
			st.Findings[severity] = sums.Findings[i]
		}
	}
	st.Kinds, st.Payloads = make(map[string]*timeline.Amount), make(map[string]*timeline.Amount)
	maps.Copy(st.Kinds, sums.Kinds)
	if k := st.Kinds["whitespace"]; k != nil {
		st.Keepalives = k.Count
	}
	for ns, a := range sums.Payloads {
		name := timeline.Spec(ns)
		if st.Payloads[name] == nil {
			st.Payloads[name] = new(timeline.Amount)
		}
		st.Payloads[name].Count += a.Count
		st.Payloads[name].Bytes += a.Bytes
	}
	took := make(map[string]*timeline.Histogram)
	for ns, l := range sums.Latencies {
		name := cmp.Or(timeline.Spec(ns), "no payload")
		if took[name] == nil {
			took[name] = new(timeline.Histogram)
		}
		took[name].Plus(&l.Histogram)
	}
	st.Latency = make(map[string]*quantile)
	for name, h := range took {
		at := func(q float64) float64 { return h.Quantile(q).Seconds() }
		st.Latency[name] = &quantile{h.Count, at(0.5), at(0.9), at(0.99), h.Max.Seconds()}
	}
	st.Traffic = make([]int64, sparks)
	for _, m := range st.moments {
		i := 0
		if st.Seconds > 0 {
			i = min(sparks-1, int((m.at-sums.First).Seconds()/st.Seconds*sparks))
		}
		st.Traffic[i] += m.bytes
	}
}

func (st *statistics) print(w io.Writer, title string) {
	fmt.Fprintf(w, "%s\n", title)
	fmt.Fprintf(w, "  %-12s %.1f s, → %s in %d entries, ← %s in %d entries\n", "traffic", st.Seconds, size(st.Bytes["CS"]), st.Entries["CS"], size(st.Bytes["SC"]), st.Entries["SC"])
	fmt.Fprintf(w, "  %-12s %s\n", "over time", sparkline(st.Traffic))
	st.table(w, "kind", st.Kinds)
	st.table(w, "payload", st.Payloads)
	if len(st.Latency) > 0 {
		fmt.Fprintf(w, "  %-40s %8s %9s %9s %9s %9s\n", "iq answered", "count", "p50", "p90", "p99", "max")
		for _, k := range slices.Sorted(maps.Keys(st.Latency)) {
			q := st.Latency[k]
			fmt.Fprintf(w, "    %-38s %8d %9s %9s %9s %9s\n", runewidth.Truncate(titled(k), 38, "…"), q.Count, ms(q.P50), ms(q.P90), ms(q.P99), ms(q.Max))
		}
	}
	if len(st.Phases) > 0 {
		fmt.Fprintf(w, "  %-40s %8s %12s\n", "phase", "time", "round trips")
		for _, p := range st.Phases {
			fmt.Fprintf(w, "    %-38s %8s %12d  %s\n", p.Phase, ms(p.Seconds), p.Trips, p.Detail)
		}
	}
	if st.Keepalives > 0 {
		fmt.Fprintf(w, "  %-12s %d\n", "keepalives", st.Keepalives)
	}
	if n := st.Findings; len(n) > 0 {
		fmt.Fprintf(w, "  %-12s %d errors, %d warnings, %d notes (xmpplens check lists them)\n", "findings", n[track.Error], n[track.Warning], n[track.Note])
	}
	fmt.Fprintln(w)
}

func (st *statistics) table(w io.Writer, name string, m map[string]*timeline.Amount) {
	if len(m) == 0 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if d := m[b].Count - m[a].Count; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	fmt.Fprintf(w, "  %-40s %8s %9s\n", name, "count", "bytes")
	for i, k := range keys {
		if i == 15 {
			fmt.Fprintf(w, "    and %d more\n", len(keys)-i)
			break
		}
		fmt.Fprintf(w, "    %-38s %8d %9s\n", runewidth.Truncate(titled(k), 38, "…"), m[k].Count, size(m[k].Bytes))
	}
}

func ms(seconds float64) string {
	if seconds >= 10 {
		return fmt.Sprintf("%.0f s", seconds)
	}
	if seconds >= 1 {
		return fmt.Sprintf("%.1f s", seconds)
	}
	return fmt.Sprintf("%.1f ms", seconds*1e3)
}

// sparkline draws amounts as bars of eight heights; nothing is a blank.
func sparkline(values []int64) string {
	top := slices.Max(values)
	var b strings.Builder
	for _, v := range values {
		switch {
		case v == 0:
			b.WriteByte(' ')
		default:
			b.WriteRune([]rune("▁▂▃▄▅▆▇█")[v*7/max(top, 1)])
		}
	}
	return b.String()
}
