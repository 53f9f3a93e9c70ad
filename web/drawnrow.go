package web

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// A drawnRow is a row of the list as the page shows it: texts for the cells, and no
// more of elements than has to be, because rows come and go at the rate of a wheel.
type drawnRow struct {
	N       int      `json:"n"`
	T       float64  `json:"t"`            // seconds since the start: the page knows what the time is there
	Start   string   `json:"start"`        // since the start, as it is read,
	Before  string   `json:"before"`       // and since the row before
	On      int      `json:"on,omitempty"` // a note: the entry that it is on
	Look    string   `json:"look"`         // classes of the row,
	Kind    string   `json:"kind"`         // where its hue is that of its kind,
	Conn    string   `json:"conn"`         // or of its connection
	Cells   []string `json:"cells"`        // in the order of columns
	Tip     string   `json:"tip"`          // about the direction
	Summary string   `json:"summary"`
	Tags    group    `json:"tags"` // in front of it
	Code    group    `json:"code"` // findings
}

// drawnRows are rows as the page shows them.
type drawnRows struct {
	rows
	Rows []drawnRow `json:"rows"`
}

func (p *page) drawRows(from, count int) drawnRows {
	more := min(from-1, 1) // the row before
	known := p.source.Status().Known
	entries, generation, err := p.chosen.entries(p.source, from-more, count+more)
	out := drawnRows{rows{Op: "rows", Filter: generation, Known: known, From: from}, []drawnRow{}}
	if err != nil {
		out.Error = err.Error()
	}
	for i, e := range entries {
		if i < more {
			continue
		}
		row := rowOf(e.Row())
		row.Start = since(e.T)
		if i > 0 {
			row.Before = since(e.T - entries[i-1].T)
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// since is a time without a date; what runs backwards is none.
func since(t time.Duration) string {
	t = max(t, 0)
	text, days := "+", t/(24*time.Hour)
	if days > 0 {
		text += fmt.Sprintf("%d d ", days)
	}
	clock := time.Time{}.Add(t).Format("15:04:05.000")
	left := strings.TrimLeft(clock[:7], "0:")
	return text + left + clock[7:]
}

// hues is how many there are for connections, see list.css.
const hues = 7

func rowOf(r timeline.Row) drawnRow {
	words := []string{cmp.Or(r.Dir, "about")}
	if r.Level != "" {
		words = append(words, r.Level)
	}
	if r.Kind == "secure" || r.Kind == "note" {
		words = append(words, r.Kind)
	}
	if r.Quiet {
		words = append(words, "quiet")
	}
	l := drawnRow{N: r.N, T: r.T, On: r.On, Look: strings.Join(words, " "), Kind: r.Class, Summary: r.Summary, Tags: group{}, Code: group{}}
	cell := map[string]string{"n": strconv.Itoa(r.N), "dir": r.Sign, "kind": r.Kind, "xep": strings.ReplaceAll(strings.Join(r.XEPs, " "), "XEP-", "")}
	if r.Conn > 0 {
		l.Conn = fmt.Sprintf("hue%d", (r.Conn-1)%hues)
		cell["conn"] = fmt.Sprintf("#%d", r.Conn)
	}
	if r.Latency > 0 {
		cell["took"] = took(r.Latency)
	}
	if r.Size > 0 {
		cell["size"] = size(int64(r.Size))
	}
	for _, c := range columns {
		l.Cells = append(l.Cells, cell[c.id])
	}
	l.Tip = cmp.Or(map[string]string{"CS": "client to server", "SC": "server to client"}[r.Dir], r.Kind)
	if r.Noted {
		l.Tags = append(l.Tags, el("span.noted", attrs{"title": "has a note"}, "◆"))
	}
	if r.Outcome != "" {
		l.Tags = append(l.Tags, el("span.tag", r.Outcome))
	}
	if len(r.Codes) > 0 {
		codes := strings.Join(r.Codes, " ")
		l.Code = group{el("span.code", attrs{"title": codes}, cmp.Or(signs[r.Level], "•")+" "+codes)}
	}
	return l
}
