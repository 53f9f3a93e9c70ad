package diff

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// errEnough ends a reading that has found everything.
var errEnough = errors.New("diff: enough")

func isEnough(err error) bool { return errors.Is(err, errEnough) }

// report makes the report of a comparison.
func (c *comparison) report(same int, counts map[Class]int) *Report {
	rep := &Report{Version: 1, Same: same, Counts: counts, List: []Difference{}}
	total := 0
	for _, n := range counts {
		total += n
	}
	rep.LeftOut = total - len(c.diffs)
	for i, s := range c.side {
		side := []*Side{&rep.A, &rep.B}[i]
		*side = Side{Start: s.r.Header().Time.Format(time.RFC3339Nano), Connections: len(s.conns), Entries: s.entries, Exchanges: len(s.units)}
		if len(s.accounts) > 0 {
			side.Account = clip(s.accounts[0])
		}
		if len(s.servers) > 0 {
			side.Server = clip(s.servers[0])
		}
		for _, k := range s.conns {
			if k.mechanism != "" {
				side.Login = clip(k.mechanism) + ", " + k.outcome()
				break
			}
		}
	}
	at := make(map[int]int32)
	for i, p := range c.diffs {
		d := p.Difference
		if d.Changes == nil {
			d.Changes = []Change{}
		}
		rep.List = append(rep.List, d)
		if p.couple >= 0 {
			if _, ok := at[p.couple]; !ok {
				at[p.couple] = int32(i)
			}
		}
	}
	if c.o.Rows {
		c.rows(rep, at)
	}
	return rep
}

// rows puts the two recordings side by side.
func (c *comparison) rows(rep *Report, at map[int]int32) {
	for n, p := range c.pairs {
		index, differs := at[n]
		if !differs {
			index = -1
		}
		var l [2][]follower
		var lead [2]int32
		for i := range 2 {
			if p.u[i] >= 0 {
				u := &c.side[i].units[p.u[i]]
				lead[i], l[i] = u.n, u.follow
			}
		}
		row := func(a, b int32, same bool) {
			sign := byte('~')
			switch {
			case !p.differs, same && a != 0 && b != 0:
				sign = '='
			case b == 0:
				sign = '-'
			case a == 0:
				sign = '+'
			}
			rep.Rows = append(rep.Rows, Row{a, b, sign, index})
		}
		whole := p.u[0] < 0 || p.u[1] < 0
		row(lead[0], lead[1], !p.moved && (whole || c.side[0].units[p.u[0]].lead == c.side[1].units[p.u[1]].lead))
		for kind := range following {
			x, y := of(l[0], kind), of(l[1], kind)
			for i := range max(len(x), len(y)) {
				var a, b follower
				if i < len(x) {
					a = x[i]
				}
				if i < len(y) {
					b = y[i]
				}
				row(a.n, b.n, a.sum == b.sum)
			}
		}
	}
}

// flip exchanges the sides.
func (r *Report) flip() {
	turn := func(s string) string {
		switch s {
		case OnlyA:
			return OnlyB
		case OnlyB:
			return OnlyA
		}
		return s
	}
	r.A, r.B = r.B, r.A
	r.Counts[Missing], r.Counts[Extra] = r.Counts[Extra], r.Counts[Missing]
	for i := range r.List {
		d := &r.List[i]
		switch d.Class {
		case Missing:
			d.Class = Extra
		case Extra:
			d.Class = Missing
		}
		d.Sign, d.ConnA, d.ConnB, d.EntriesA, d.EntriesB = turn(d.Sign), d.ConnB, d.ConnA, d.EntriesB, d.EntriesA
		d.what[0], d.what[1] = d.what[1], d.what[0]
		d.seconds[0], d.seconds[1] = d.seconds[1], d.seconds[0]
		for j := range d.Changes {
			k := &d.Changes[j]
			k.Sign, k.A, k.B, k.Path, k.path = turn(k.Sign), k.B, k.A, k.path, k.Path
		}
	}
	for i := range r.Rows {
		w := &r.Rows[i]
		w.A, w.B, w.Sign = w.B, w.A, turn(string(w.Sign))[0]
	}
}

// count finishes a report: the words, the figures, the verdict.
func (r *Report) count() {
	for i := range r.List {
		d := &r.List[i]
		d.What = d.what[0]
		if d.What == "" {
			d.What = d.what[1]
		}
		slices.SortStableFunc(d.Changes, func(a, b Change) int {
			return strings.Index(Changed+OnlyA+OnlyB, a.Sign) - strings.Index(Changed+OnlyA+OnlyB, b.Sign)
		})
	}
	for _, k := range classes {
		r.Counts[k] += 0 // every class is there
	}
	r.Verdict = r.verdict()
}

// verdict says in one line what is most important.
func (r *Report) verdict() string {
	if r.Empty() {
		return fmt.Sprintf("no difference in %s", plural(r.Same, "exchange", "exchanges"))
	}
	var parts []string
	for _, d := range r.List {
		for _, k := range d.Changes {
			if d.Class != Login || k.Path != "result" {
				continue
			}
			switch {
			case k.A == "success":
				parts = append(parts, "the login works in A and not in B ("+orNone(k.B)+")")
			case k.B == "success":
				parts = append(parts, "the login works in B and not in A ("+orNone(k.A)+")")
			default:
				parts = append(parts, "the login fails otherwise ("+orNone(k.A)+", "+orNone(k.B)+")")
			}
		}
	}
	by := make(map[Class]map[string]int)
	for _, d := range r.List {
		if by[d.Class] == nil {
			by[d.Class] = make(map[string]int)
		}
		by[d.Class][d.Sign]++
	}
	for _, k := range []struct {
		class     Class
		one, more string
	}{{Error, "error", "errors"}, {Finding, "finding", "findings"}} {
		for _, s := range []struct{ sign, where string }{{OnlyB, " only in B"}, {OnlyA, " only in A"}, {Changed, " otherwise"}} {
			if n := by[k.class][s.sign]; n > 0 {
				parts = append(parts, plural(n, k.one, k.more)+s.where)
			}
		}
	}
	for _, k := range []struct {
		class     Class
		one, more string
	}{{Login, "difference in the login", "differences in the login"}, {Connection, "connection differs", "connections differ"}, {Feature, "offer differs", "offers differ"},
		{Missing, "exchange missing in B", "exchanges missing in B"}, {Extra, "extra in B", "extra in B"}, {Different, "different", "different"}, {Order, "out of order", "out of order"}} {
		if n := r.Counts[k.class]; n > 0 {
			parts = append(parts, plural(n, k.one, k.more))
		}
	}
	var slow [2]int
	for _, d := range r.List {
		if d.Class == Slower && d.seconds[1] > d.seconds[0] {
			slow[1]++
		} else if d.Class == Slower {
			slow[0]++
		}
	}
	for _, i := range []int{1, 0} {
		if slow[i] > 0 {
			parts = append(parts, fmt.Sprintf("%d slower in %s", slow[i], "AB"[i:i+1]))
		}
	}
	if parts == nil {
		parts = append(parts, plural(r.LeftOut, "difference", "differences"))
	}
	return strings.Join(parts, ", ") + "; " + plural(r.Same, "exchange is", "exchanges are") + " the same"
}

func orNone(s string) string {
	if s == "" {
		return "none was tried"
	}
	return s
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
