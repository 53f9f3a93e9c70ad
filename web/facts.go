package web

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file draws what is known of an entry: above its bytes on the page, and for
// itself where two entries stand side by side.

// headingOf says which entry it is.
func headingOf(r timeline.Row) string {
	where := cmp.Or(map[string]string{"CS": "client → server", "SC": "client ← server"}[r.Dir], r.Kind)
	out := fmt.Sprintf("#%d  %s", r.N, where)
	if r.Conn > 0 {
		out += fmt.Sprintf(", connection %d", r.Conn)
	}
	if r.Size > 0 {
		out += ", " + size(int64(r.Size))
	}
	return out
}

// filterFields are the fields whose values the filter language knows, and what it
// calls them.
var filterFields = map[string]string{"type": "type", "id": "id", "from": "from", "to": "to", "namespace": "ns", "phase": "phase", "outcome": "outcome"}

// facts draws what is known. Where it is live, values lead to filters and numbers to
// their entries.
func (d *details) facts(m meanings, live bool) group {
	out := group{el("p.summary", attrs{"dir": "auto"}, cmp.Or(d.Error, d.Row.Summary))}
	for _, f := range d.Findings {
		out = append(out, el("p.finding."+f.Severity, f.Text+" ", el("small", f.Severity+" "+f.Code+", ", reference(f.Ref))))
	}
	pairs := group{}
	for _, f := range d.Fields {
		a := attrs{"dir": "auto"}
		what := "span"
		if field := filterFields[f[0]]; live && field != "" {
			what = "span.filterable"
			a["data-field"], a["role"], a["tabindex"], a["aria-haspopup"], a["data-key"] = field, "button", 0, "menu", field
		}
		pairs = append(pairs, fact(f[0], el(what, a, f[1])))
	}
	if l := d.Row.Latency; l > 0 {
		pairs = append(pairs, fact("latency", strconv.FormatFloat(l, 'f', -1, 64)+" ms"))
	}
	for _, p := range d.Payloads {
		if why, ok := m.of[p.NS]; ok {
			title, _, _ := strings.Cut(why.Text, ",")
			pairs = append(pairs, fact(cmp.Or(p.XEP, "payload"), el("span", attrs{"dir": "auto", "title": p.NS}, p.Name, el("small", " "+title)), reference(why.Ref)...))
			continue
		}
		pairs = append(pairs, fact(cmp.Or(p.XEP, "payload"), el("span", attrs{"dir": "auto"}, p.Name+" "+p.NS)))
	}
	links := group{}
	for _, l := range d.Links {
		number := el("span", fmt.Sprintf("#%d", l.N))
		if live {
			number = el("button.link", attrs{"data-go": l.N, "data-key": fmt.Sprint("go ", l.N)}, fmt.Sprintf("#%d", l.N))
		}
		var says group
		if l.Summary != "" {
			says = group{" " + apart(l.After) + ": ", el("bdi", l.Summary)}
		}
		links = append(links, fact(l.Kind, el("span", attrs{"title": l.Summary}, number, says)))
	}
	return append(out, el("dl.pairs", pairs), el("dl.links", links), m.texts())
}

// fact draws a name and a value; linked is the name as a link, if it is one.
func fact(name string, value any, linked ...any) drawn {
	dt := el("dt", group(linked))
	if len(linked) == 0 {
		dt = el("dt", name)
	}
	return el("div", dt, el("dd", value))
}

// partners are the relations of an entry to what it belongs to most, the first first.
var partners = []string{track.Answers, inverse[track.Answers], track.Refuses, inverse[track.Refuses], track.Acks, inverse[track.Acks]}

// partner is the entry that this one belongs to most: its answer, its request; 0 =
// nothing does.
func (d *details) partner() int {
	for _, kind := range partners {
		for _, l := range d.Links {
			if l.Kind == kind {
				return l.N
			}
		}
	}
	if len(d.Links) > 0 {
		return d.Links[0].N
	}
	return 0
}

// contents draws an entry by itself: what is known of it, its XML. What has to be told
// apart from other entries on the page has the prefix.
func (s *Server) contents(source Source, n int, prefix string) (heading string, out group) {
	d := s.entryOf(source, n)
	m := meaningsOf(d.Meanings, prefix)
	out = d.facts(m, false)
	if len(d.XML) > 0 {
		out = append(out, d.pretty(m)...)
	}
	if d.Cut > 0 {
		out = append(out, el("p", size(int64(d.Cut))+" more are not shown here; xmpplens show prints all."))
	}
	return headingOf(d.Row), out
}

// apart says the time between two entries, in seconds.
func apart(after float64) string {
	t := math.Abs(after)
	text := fmt.Sprintf("%.0f min", t/60)
	switch {
	case t < .01:
		text = fmt.Sprintf("%.2f ms", t*1000)
	case t < 1:
		text = fmt.Sprintf("%.0f ms", t*1000)
	case t < 120:
		text = fmt.Sprintf("%.2f s", t)
	}
	if after < 0 {
		return text + " before"
	}
	return text + " later"
}
