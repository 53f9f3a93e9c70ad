package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/xmpplens/xmpplens/record/diff"
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

// firstLook is what the page shows first, drawn.
type firstLook struct {
	Verdict string `json:"verdict"`
	Title   string `json:"title"`
	Sides   group  `json:"sides"`
	Matters group  `json:"matters"` // the differences; data-at is the place of one among the rows that differ
	Rows    int    `json:"rows"`
	Differ  int    `json:"differ"` // rows
	All     string `json:"all"`    // both in words
	Only    string `json:"only"`
}

// line is a row of the page, drawn.
type line struct {
	Look  string `json:"look"`  // its class
	Cells group  `json:"cells"` // A, the sign of the difference, B
}

// both are the details of a row, drawn.
type both struct {
	Heading string `json:"heading"`
	Body    group  `json:"body"`
}

// How differences look, and what they are.
var differences = map[string]struct{ class, sign, word string }{
	"-": {"minus", "−", "only in A"}, "+": {"plus", "+", "only in B"}, "~": {"tilde", "~", "differs"}, "=": {"same", "", "the same"},
}

// drawSign draws the sign of a difference.
func drawSign(sign string) drawn {
	return el("span.sign", attrs{"title": differences[sign].word}, differences[sign].sign)
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

// first draws what the page asks for first.
func (d *SideBySide) first() firstLook {
	d.ready()
	r := d.Report
	out := firstLook{Verdict: r.Verdict, Title: r.A.Name + " · " + r.B.Name, Rows: len(r.Rows), Differ: len(d.differs), Matters: group{},
		All: "All rows: " + thousands(len(r.Rows)), Only: "Only differences: " + thousands(len(d.differs))}
	same, pairs := "", []string{}
	for _, p := range r.Addresses {
		same, pairs = "≙", append(pairs, fmt.Sprintf("%s (%s) ≙ %s", p.A, p.Role, p.B))
	}
	out.Sides = group{d.drawSide("A", r.A), el("span.alike", attrs{"title": strings.Join(pairs, "\n")}, same), d.drawSide("B", r.B)}
	at := make(map[int32]int)
	for n, i := range d.differs {
		if k := r.Rows[i].At; k >= 0 && at[k] == 0 {
			at[k] = n + 1
		}
	}
	for i := range r.List[:min(len(r.List), maxListed)] {
		out.Matters = append(out.Matters, matter(&r.List[i], at[int32(i)]))
	}
	if left := len(r.List) + r.LeftOut - len(out.Matters); left > 0 {
		out.Matters = append(out.Matters, el("p.class", thousands(left)+" more; xmpplens diff lists them."))
	}
	return out
}

func (d *SideBySide) drawSide(name string, s diff.Side) drawn {
	parts := slices.DeleteFunc([]string{s.Name, cmp.Or(s.Account, s.Server), s.Login}, func(s string) bool { return s == "" })
	text := strings.Join(parts, ", ")
	return el("span", attrs{"title": text}, el("b", name), text)
}

// maxBrief bounds the changes that a difference in the list names.
const maxBrief = 6

// matter draws a difference of the list.
func matter(x *diff.Difference, at int) drawn {
	var more []string
	for _, c := range x.Changes[:min(len(x.Changes), maxBrief)] {
		brief := c.Label
		if brief == "" {
			values := strings.Join(slices.DeleteFunc([]string{c.A, c.B}, func(s string) bool { return s == "" }), " → ")
			if brief = c.Path; values != "" {
				brief += ": " + values
			}
		}
		more = append(more, differences[c.Sign].sign+" "+brief)
	}
	if n := len(x.Changes) - maxBrief; n > 0 {
		more = append(more, fmt.Sprintf("%d more", n))
	}
	what := el("span.what", x.What)
	if len(more) > 0 {
		what = append(what, el("small", strings.Join(more, "; ")))
	}
	a := attrs{"data-at": strconv.Itoa(at)}
	if at == 0 {
		a["disabled"] = ""
	}
	return el("button.item."+differences[x.Sign].class, a, drawSign(x.Sign), el("span.class", string(x.Class)), what)
}

// drawChange draws a place that differs, in a line.
func drawChange(c diff.Change) drawn {
	text := el("span", el("code", cmp.Or(c.Path, "as a whole")), " ")
	if c.A != "" {
		text = append(text, el("code.old", c.A))
	}
	if c.A != "" && c.B != "" {
		text = append(text, " → ")
	}
	if c.B != "" {
		text = append(text, el("code.new", c.B))
	}
	return el("div.change."+differences[c.Sign].class, drawSign(c.Sign), text)
}

// rowOf draws the details of a row.
func (s *Server) rowOf(d *SideBySide, row diff.Row) both {
	word := differences[string(row.Sign)].word
	out, changes := both{Heading: word}, group{}
	if row.At >= 0 {
		x := &d.Report.List[row.At]
		out.Heading = fmt.Sprintf("%s, %s: %s", x.Class, x.Phase, word)
		for _, c := range x.Changes {
			changes = append(changes, drawChange(c))
		}
	}
	out.Body = group{el("div", attrs{"id": "changes"}, changes),
		el("div", attrs{"id": "both"}, el("div", attrs{"id": "a"}, s.side(d.A, row.A, "A")), el("div", attrs{"id": "b"}, s.side(d.B, row.B, "B")))}
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
		a, err := cell(d.A, r.A)
		if err != nil {
			return out, err
		}
		b, err := cell(d.B, r.B)
		if err != nil {
			return out, err
		}
		is := differences[string(r.Sign)]
		out = append(out, line{is.class, group{a, el("span.sign", attrs{"role": "gridcell", "title": is.word}, is.sign), b}})
	}
	return out, nil
}

// cell draws one side of a row, which is empty where that recording has no entry.
// It has the classes of a row of the list.
func cell(source Source, n int32) (drawn, error) {
	inGrid := attrs{"role": "gridcell"}
	if n == 0 {
		return el("span.side", inGrid), nil
	}
	e, err := source.Entries(int(n), 1)
	if err != nil {
		return nil, err
	}
	if len(e) == 0 {
		return nil, errors.New("there is no such entry")
	}
	row := e[0].Row()
	look := rowOf(row)
	return el("span.side."+strings.ReplaceAll(look.Look, " ", "."), inGrid,
		el("span.n", strconv.Itoa(look.N)), el("span.dir", attrs{"title": look.Tip}, row.Sign), el("span.text", look.Summary)), nil
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
	mux.HandleFunc("GET /diff", about(func(d *SideBySide, r *http.Request) (any, error) { return d.first(), nil }))
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
		return s.rowOf(d, row), nil
	}))
}
