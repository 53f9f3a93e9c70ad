package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/xmpplens/xmpplens/record/diff"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// A SideBySide shows two recordings that were compared: the page diff.html. The
// report has rows, and both sources are whole.
type SideBySide struct {
	Report *diff.Report
	A, B   Source

	once    sync.Once
	differs []int32 // places in Report.Rows that are not the same
}

// maxListed bounds the differences that the page lists above the rows.
const maxListed = 200

// overview is what the page shows first.
type overview struct {
	Verdict   string      `json:"verdict"`
	A         diff.Side   `json:"a"`
	B         diff.Side   `json:"b"`
	Addresses []diff.Pair `json:"addresses"`
	Rows      int         `json:"rows"`
	Differ    int         `json:"differ"` // rows
	List      []listed    `json:"differences"`
	Total     int         `json:"total"` // differences
}

// listed is a difference with its place among the rows that differ, from 1; 0 =
// it has none.
type listed struct {
	diff.Difference
	At int `json:"at"`
}

// line is a row of the page.
type line struct {
	Sign string        `json:"sign"`
	A    *timeline.Row `json:"a"`
	B    *timeline.Row `json:"b"`
}

// both are the details of a row, those of its entries as they are drawn.
type both struct {
	Sign       string           `json:"sign"`
	A          group            `json:"a"`
	B          group            `json:"b"`
	Difference *diff.Difference `json:"difference"`
}

func (d *SideBySide) ready() {
	d.once.Do(func() {
		for i, r := range d.Report.Rows {
			if r.Sign != '=' {
				d.differs = append(d.differs, int32(i))
			}
		}
	})
}

// overview makes the first thing that the page asks for.
func (d *SideBySide) overview() overview {
	d.ready()
	r := d.Report
	out := overview{Verdict: r.Verdict, A: r.A, B: r.B, Addresses: r.Addresses, Rows: len(r.Rows), Differ: len(d.differs), List: []listed{}, Total: len(r.List) + r.LeftOut}
	at := make(map[int32]int)
	for n, i := range d.differs {
		if k := r.Rows[i].At; k >= 0 && at[k] == 0 {
			at[k] = n + 1
		}
	}
	for i, x := range r.List[:min(len(r.List), maxListed)] {
		out.List = append(out.List, listed{x, at[int32(i)]})
	}
	return out
}

// at returns the row at a place of the list, from 1.
func (d *SideBySide) at(place int, all bool) (diff.Row, bool) {
	d.ready()
	if all {
		if place < 1 || place > len(d.Report.Rows) {
			return diff.Row{}, false
		}
		return d.Report.Rows[place-1], true
	}
	if place < 1 || place > len(d.differs) {
		return diff.Row{}, false
	}
	return d.Report.Rows[d.differs[place-1]], true
}

// lines returns a window of the list.
func (d *SideBySide) lines(from, count int, all bool) ([]line, error) {
	out := []line{}
	for place := from; place < from+count; place++ {
		r, ok := d.at(place, all)
		if !ok {
			break
		}
		l := line{Sign: string(r.Sign)}
		for _, s := range []struct {
			n    int32
			from Source
			to   **timeline.Row
		}{{r.A, d.A, &l.A}, {r.B, d.B, &l.B}} {
			if s.n == 0 {
				continue
			}
			e, err := s.from.Entries(int(s.n), 1)
			if err != nil {
				return out, err
			}
			if len(e) == 0 {
				return out, errors.New("there is no such entry")
			}
			row := e[0].Row()
			*s.to = &row
		}
		out = append(out, l)
	}
	return out, nil
}

// side draws an entry of one side, or that it has none.
func (s *Server) side(source Source, n int32, name string) group {
	if n == 0 {
		return group{el("h2", "not in "+name)}
	}
	heading, contents := s.contents(source, int(n), name)
	return append(group{el("h2", name+"  "+heading)}, contents...)
}

// sideBySide adds what the page asks for. cmp names the comparison; without, it is
// that of the Server.
func (s *Server) sideBySide(mux *http.ServeMux) {
	about := func(do func(*SideBySide, *http.Request) (any, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			d, done, err := s.comparison(r)
			if err != nil {
				fail(w, r, statusOf(err, http.StatusNotFound), err)
				return
			}
			defer done()
			v, err := do(d, r)
			if err != nil {
				fail(w, r, http.StatusInternalServerError, err)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(v)
		}
	}
	number := func(r *http.Request, name string) int {
		n, _ := strconv.Atoi(r.URL.Query().Get(name))
		return n
	}
	mux.HandleFunc("GET /diff", about(func(d *SideBySide, r *http.Request) (any, error) { return d.overview(), nil }))
	mux.HandleFunc("GET /diff/rows", about(func(d *SideBySide, r *http.Request) (any, error) {
		from := max(number(r, "from"), 1)
		lines, err := d.lines(from, min(number(r, "count"), maxWindow), number(r, "all") != 0)
		return map[string]any{"from": from, "rows": lines}, err
	}))
	mux.HandleFunc("GET /diff/entry", about(func(d *SideBySide, r *http.Request) (any, error) {
		row, ok := d.at(number(r, "at"), number(r, "all") != 0)
		if !ok {
			return nil, fmt.Errorf("there is no row %d", number(r, "at"))
		}
		out := both{Sign: string(row.Sign), A: s.side(d.A, row.A, "A"), B: s.side(d.B, row.B, "B")}
		if row.At >= 0 {
			out.Difference = &d.Report.List[row.At]
		}
		return out, nil
	}))
}
