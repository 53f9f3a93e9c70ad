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

// overviewDrawn is what the page gets of an overview.
type overviewDrawn struct {
	Op      string           `json:"op"`
	Version string           `json:"version"`
	Same    bool             `json:"same,omitempty"`
	From    float64          `json:"from"`   // of what the chart of the traffic shows, in seconds,
	To      float64          `json:"to"`     // until
	Length  float64          `json:"length"` // of the recording
	Parts   map[string]group `json:"parts"`  // by the class of their section
}

// connColumns are the columns of the connections: what they are sorted by, and how
// they are called.
var connColumns = [][2]string{
	{"id", "Connection"}, {"phase", "Phase"}, {"jid", "Address"}, {"tls", "TLS"}, {"mechanism", "Login"}, {"since", "Since"}, {"stanzas", "Stanzas → ←"},
	{"bytes", "Bytes → ←"}, {"unacked", "Unacked → ←"}, {"rtt", "RTT"}, {"unanswered", "Open iq"}, {"findings", "Findings"},
}

var signs = map[string]string{"error": "✖", "warning": "▲", "note": "ℹ"}

// draw draws an overview, sorted by a column.
func (o *overviewed) draw(by string, down bool) overviewDrawn {
	t := o.Traffic
	out := overviewDrawn{Op: o.Op, Version: o.Version, Same: o.Same, From: t.From.Seconds(), To: (t.From + t.Width*time.Duration(len(t.Bins))).Seconds(), Length: t.End.Seconds()}
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
	latencies := group{el("h2", "How long answers took")}
	for _, l := range o.Latencies {
		latencies = append(latencies, l.draw())
	}
	codes := group{el("h2", found)}
	for _, c := range o.Codes {
		code, _ := json.Marshal(c.Code)
		codes = append(codes, el("p", signs[c.Severity]+" "+c.Severity+" ", leads(c.Code, attrs{"data-term": "finding(" + string(code) + ")"}),
			fmt.Sprintf(" %s × · ", thousands(c.Count)), entryLink(fmt.Sprintf("first #%d", c.First), c.Code+" first", c.First), " · ", entryLink(fmt.Sprintf("last #%d", c.Last), c.Code+" last", c.Last)))
	}
	out.Parts = map[string]group{
		"known":     {el("p", known)},
		"traffic":   {el("h2", "Traffic: above the line the client's, below it the server's"), trafficChart(t)},
		"conns":     {el("h2", conns), connTable(o.Conns, by, down)},
		"latencies": latencies,
		"codes":     codes,
	}
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

// trafficChart draws two rows of bars.
func trafficChart(t timeline.Traffic) drawn {
	most, cs, sc := uint32(1), 0, 0
	for _, b := range t.Bins {
		most, cs, sc = max(most, b.CS, b.SC), cs+int(b.CS), sc+int(b.SC)
	}
	var up, low strings.Builder
	high := func(n uint32) float64 { return 48 * float64(n) / float64(most) }
	for i, b := range t.Bins {
		if b.CS > 0 {
			fmt.Fprintf(&up, "M%d %.1fh.8V50h-.8z", i, 50-high(b.CS))
		}
		if b.SC > 0 {
			fmt.Fprintf(&low, "M%d 50h.8v%.1fh-.8z", i, high(b.SC))
		}
	}
	return el("svg", attrs{"viewBox": fmt.Sprintf("0 0 %d 100", max(len(t.Bins), 1)), "preserveAspectRatio": "none", "role": "img",
		"aria-label": fmt.Sprintf("%s of the client, %s of the server, %.2f seconds from %.2f s on, up to %d at a time", many(cs, "entry", "entries"), thousands(sc), (t.Width * time.Duration(len(t.Bins))).Seconds(), t.From.Seconds(), most)},
		el("path.cs", attrs{"d": "M0 50" + up.String()}), el("path.sc", attrs{"d": "M0 50" + low.String()}), el("rect.range", attrs{"height": "100", "width": "0"}))
}

// connTable draws the connections.
func connTable(conns []timeline.Conn, by string, down bool) drawn {
	head := el("tr")
	for _, c := range connColumns {
		sort, sign := "none", ""
		if c[0] == cmp.Or(by, "id") {
			sort, sign = "ascending", " ▲"
			if down {
				sort, sign = "descending", " ▼"
			}
		}
		head = append(head, el("th", attrs{"aria-sort": sort}, el("button.link", attrs{"data-sort": c[0], "data-key": "sort " + c[0]}, c[1]+sign)))
	}
	table := el("table", el("thead", head))
	body := el("tbody")
	for i := range conns {
		body = append(body, connRow(&conns[i]))
	}
	return append(table, body)
}

func connRow(c *timeline.Conn) drawn {
	s := &c.State
	row := el("tr")
	if c.Closed {
		row = el("tr.closed")
	}
	id := strconv.Itoa(c.ID)
	tls := slices.Compact(slices.DeleteFunc([]string{c.TLS[0], c.TLS[1]}, func(s string) bool { return s == "" }))
	secured := ""
	if len(tls) > 0 {
		secured = strings.Join(tls, " / ") + " " + cmp.Or(c.Cipher[0], c.Cipher[1])
	}
	managed, rtt, open, found := "", "", "", []string{}
	if s.SM != "" {
		managed = fmt.Sprintf("%d %d (h %d %d)", s.Unacked[0], s.Unacked[1], s.Acked[0], s.Acked[1])
		if s.Resumable {
			managed += " resumable"
		}
	}
	if c.RTT > 0 {
		rtt = nobreak(took(float64(c.RTT) / 1e6))
		if !c.Pinged {
			rtt = "~" + rtt
		}
	}
	if n := s.Unanswered[0] + s.Unanswered[1]; n > 0 {
		open = strconv.Itoa(n)
	}
	for i, kind := range []string{"error", "warning", "note"} {
		if n := c.Findings[2-i]; n > 0 {
			found = append(found, fmt.Sprintf("%s %d", signs[kind], n))
		}
	}
	row = append(row, el("td", leads(id, attrs{"data-term": "conn == " + id, "data-key": "conn " + id}), " "+strings.TrimSpace(c.Kind+" "+c.Transport)))
	for _, text := range []string{s.Phase, cmp.Or(s.Bound.String(), c.Client), secured, s.Mechanism, fmt.Sprintf("+%.1f\u00a0s", c.Since.Seconds()),
		fmt.Sprintf("%d %d", c.Stanzas[0], c.Stanzas[1]), size(c.Bytes[0]) + " " + size(c.Bytes[1]), managed, rtt, open, strings.Join(found, " ")} {
		row = append(row, el("td", attrs{"dir": "auto"}, breakable(text)))
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
		h := 20 * float64(s.N) / float64(most)
		fmt.Fprintf(&bars, "M%d %.1fh.8V20h-.8z", i, 20-h)
	}
	slowest := el("span", " slowest ")
	for _, s := range l.Slowest {
		slowest = append(slowest, entryLink(fmt.Sprintf("#%d", s.N), fmt.Sprint("slow ", s.N), s.N), " ")
	}
	return el("div.latency", el("bdi", name), el("svg", attrs{"viewBox": fmt.Sprintf("0 0 %d 20", max(len(l.Steps), 1)), "preserveAspectRatio": "none", "role": "img", "aria-label": words},
		el("path.cs", attrs{"d": "M0 20" + bars.String()})), el("span", words), slowest)
}
