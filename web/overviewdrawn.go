package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// The overview as the page shows it, drawn by hand: by shape as much as by colour.

const (
	overviewTall = 96  // pixels of the bars
	fewSteps     = 12  // of a histogram, which are not made wider
	maxCell      = 100 // letters of what the other side chose
)

// overviewDrawn is what the page gets of an overview.
type overviewDrawn struct {
	Op      string  `json:"op"`
	Version string  `json:"version"`
	Same    bool    `json:"same,omitempty"`
	From    float64 `json:"from"`   // of what the chart of the traffic shows, in seconds,
	To      float64 `json:"to"`     // until
	Length  float64 `json:"length"` // of the recording
	Chart   group   `json:"chart"`
	Rest    group   `json:"rest"`
}

// draw draws an overview as it was asked for.
func (o *overviewed) draw(q overviewRequest) overviewDrawn {
	t := o.Traffic
	to := t.From + time.Duration(len(t.Bins))*t.Width
	out := overviewDrawn{Op: o.Op, Version: o.Version, Same: o.Same, From: t.From.Seconds(), To: to.Seconds(), Length: t.End.Seconds()}
	if o.Same {
		return out
	}
	known := many(o.Total, "entry", "entries")
	if o.Known < o.Total {
		known = fmt.Sprintf("Latencies and findings of the first %s of %s.", thousands(o.Known), known)
	}
	conns := many(o.All, "connection", "connections")
	if o.All > len(o.Conns) {
		conns = fmt.Sprintf("The first %d of %s, as they are sorted", len(o.Conns), conns)
	}
	found := "Findings"
	if len(o.Codes) == 0 {
		found = "No findings"
	}
	c := newChart(q.Draw, overviewTall, t.From, to, t.Bins, t.Width, nil)
	c.even = true
	cs, sc := 0, 0
	for _, b := range t.Bins {
		cs, sc = cs+int(b.CS), sc+int(b.SC)
	}
	says := fmt.Sprintf("%s of the client, %s of the server, %.2f seconds from %.2f s on, up to %s at a time", many(cs, "entry", "entries"), thousands(sc), out.To-out.From, out.From, thousands(int(c.most())))
	out.Chart = group{el("p.known", known), el("h2", "Traffic: above the line the client's, below it the server's"),
		el("div.traffic", attrs{"title": "Drag to look closer"}, c.draw(attrs{"role": "img", "aria-label": says}), el("i"))} // the i is what is dragged over
	latencies, codes := group{}, group{}
	for _, l := range o.Latencies {
		latencies = append(latencies, l.draw())
	}
	for _, c := range o.Codes {
		code, _ := json.Marshal(c.Code)
		codes = append(codes, el("p", cmp.Or(signs[c.Severity], about)+" "+c.Severity+" ", leads(c.Code, attrs{"data-term": "finding(" + string(code) + ")"}),
			fmt.Sprintf(" %s × · ", thousands(c.Count)), entryLink(fmt.Sprintf("first #%d", c.First), c.Code+" first", c.First), " · ", entryLink(fmt.Sprintf("last #%d", c.Last), c.Code+" last", c.Last)))
	}
	out.Rest = group{el("section.conns", el("h2", conns), connTable(o.Conns, cmp.Or(q.By, "id"), q.Down)),
		el("section.latencies", el("h2", "How long answers took"), latencies), el("section.codes", el("h2", found), codes)}
	return out
}

// leads draws a button that leads somewhere.
func leads(text string, to attrs) drawn {
	if to["data-key"] == nil {
		to["data-key"] = text
	}
	return el("button.link", to, text)
}

// entryLink leads to an entry.
func entryLink(text, key string, n int) drawn {
	return leads(text, attrs{"data-go": strconv.Itoa(n), "data-key": key})
}

// headings are the columns of connections: what they are sorted by, and its name.
var headings = [][][2]string{
	{{"id", "Connection"}, {"kind", "Kind"}},
	{{"phase", "Phase"}, {"since", "Since"}},
	{{"jid", "Address"}, {"mechanism", "Login"}},
	{{"tls", "TLS"}},
	{{"stanzas", "Stanzas"}, {"bytes", "Bytes"}},
	{{"unacked", "Unacked"}},
	{{"rtt", "RTT"}, {"unanswered", "Unanswered"}},
	{{"findings", "Findings"}},
}

// connTable draws connections, and by what they are sorted. The roles are said because
// a narrow page does not show it as a table.
func connTable(conns []timeline.Conn, by string, down bool) drawn {
	head := el("tr", attrs{"role": "row"})
	for _, names := range headings {
		th := group{}
		sorted := "none"
		for _, name := range names {
			text := name[1]
			if name[0] == by {
				sorted = "ascending"
				if down {
					sorted = "descending"
				}
				text += map[bool]string{true: " ▼", false: " ▲"}[down]
			}
			th = append(th, el("button.link", attrs{"data-sort": name[0], "data-key": "sort " + name[0]}, text), " ")
		}
		head = append(head, el("th", attrs{"role": "columnheader", "aria-sort": sorted}, th))
	}
	rows := group{head}
	for i := range conns {
		rows = append(rows, connRow(&conns[i]))
	}
	return el("table", attrs{"role": "table"}, rows)
}

func connRow(c *timeline.Conn) drawn {
	s := &c.State
	id, who := strconv.Itoa(c.ID), cmp.Or(s.Bound.String(), c.Client)
	both := func(a, b any) string {
		return nobreak(fmt.Sprintf("→ %v", a)) + " " + nobreak(fmt.Sprintf("← %v", b))
	}
	tls := slices.Compact(slices.DeleteFunc([]string{c.TLS[0], c.TLS[1]}, func(s string) bool { return s == "" }))
	unacked, acked, rtt, unanswered, found := "", "", "", "", []string{}
	if s.SM != "" {
		unacked = both(s.Unacked[0], s.Unacked[1])
		acked = fmt.Sprintf("h %d, %d", s.Acked[0], s.Acked[1])
		if s.Resumable {
			acked += ", resumable"
		}
	}
	if c.RTT > 0 {
		rtt = nobreak(took(float64(c.RTT) / 1e6))
		if !c.Pinged { // it is an answer's, which takes longer
			rtt = "~" + rtt
		}
	}
	if n := s.Unanswered[0] + s.Unanswered[1]; n > 0 {
		unanswered = fmt.Sprintf("%d unanswered", n)
	}
	for i, sign := range []string{signs["error"], signs["warning"], about} {
		if n := c.Findings[2-i]; n > 0 {
			found = append(found, nobreak(fmt.Sprintf("%s %d", sign, n)))
		}
	}
	row := el("tr", attrs{"role": "row"})
	if c.Closed {
		row = el("tr.closed", attrs{"role": "row"})
	}
	for i, cell := range [][2]any{
		{leads(id, attrs{"data-term": "conn == " + id, "data-key": "conn " + id}), clip(strings.TrimSpace(c.Kind+" "+c.Transport), maxCell)},
		{s.Phase, fmt.Sprintf("+%.1f s", c.Since.Seconds())},
		{el("bdi", attrs{"title": clip(who, maxLetters)}, breakable(clip(who, maxCell))), clip(s.Mechanism, maxCell)},
		{clip(strings.Join(tls, " / "), maxCell), breakable(clip(cmp.Or(c.Cipher[0], c.Cipher[1]), maxCell))},
		{both(c.Stanzas[0], c.Stanzas[1]), both(size(c.Bytes[0]), size(c.Bytes[1]))},
		{unacked, acked},
		{rtt, unanswered},
		{strings.Join(found, " "), nil},
	} {
		td := el("td", attrs{"role": "cell", "data-name": headings[i][0][1]}, cell[0])
		if small := el("small", attrs{"dir": "auto"}, cell[1]); len(small) > 2 {
			td = append(td, small)
		}
		row = append(row, td)
	}
	return row
}

// nobreak keeps a number and its unit on one line.
func nobreak(text string) string { return strings.ReplaceAll(text, " ", "\u00a0") }

// breakable lets a line end inside a long name.
func breakable(text string) (out group) {
	for len(text) > 0 {
		n := strings.IndexAny(text, "@/_") + 1
		if n == 0 {
			return append(out, text)
		}
		out, text = append(out, text[:n], el("wbr")), text[n:]
	}
	return out
}

// draw draws how long the answers to a payload took.
func (l *latency) draw() drawn {
	words := fmt.Sprintf("%s × · p50 %s · p95 %s · max %s", thousands(l.Count), took(float64(l.P50)/1e6), took(float64(l.P95)/1e6), took(float64(l.Max)/1e6))
	name := "no payload"
	if l.NS != "" {
		name = strings.TrimSpace(l.XEP + " " + cmp.Or(l.Title, l.NS))
	}
	most := uint32(1)
	for _, s := range l.Steps {
		most = max(most, s.N)
	}
	var bars strings.Builder
	for i, s := range l.Steps {
		if s.N > 0 {
			fmt.Fprintf(&bars, "M%d.4 20v-%.1f", i, max(1, 20*float64(s.N)/float64(most)))
		}
	}
	slowest := el("span", " slowest ")
	for _, s := range l.Slowest {
		slowest = append(slowest, entryLink(fmt.Sprintf("#%d", s.N), fmt.Sprint("slow ", s.N), s.N), " ")
	}
	return el("div.latency", el("bdi", attrs{"title": l.NS}, name), el("svg.chart", attrs{"viewBox": fmt.Sprintf("0 0 %d 20", max(len(l.Steps), fewSteps)), "preserveAspectRatio": "none", "role": "img", "aria-label": words},
		el("path.cs", attrs{"d": bars.String(), "stroke-width": .8})), el("span", words), slowest)
}
