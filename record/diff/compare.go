package diff

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// pending is a difference that has no words yet.
type pending struct {
	Difference
	couple int // index in comparison.pairs; -1 for those of connections
}

// told is an entry of a difference, as it is described.
type told struct {
	summary string
	outcome string // error and its condition; "" when it is none
	el      *element
}

// differ finds the differences between what is aligned, most important first.
func (c *comparison) differ() (same int, counts map[Class]int) {
	counts = make(map[Class]int)
	add := func(p *pending) {
		if c.o.Ignore.classes[p.Class] || c.o.Ignore.phases[p.Phase] {
			return
		}
		if p.couple >= 0 {
			c.pairs[p.couple].differs = true
		}
		if counts[p.Class]++; counts[p.Class] <= MaxDetailed { // no class has more among the first
			c.diffs = append(c.diffs, p)
		}
	}
	for _, k := range c.conns {
		c.connection(k, add)
	}
	for n := range c.pairs {
		if c.exchange(n, add) {
			same++
		}
	}
	rank := make(map[Class]int)
	for i, k := range classes {
		rank[k] = i
	}
	rank[Extra] = rank[Missing] // in the order of the recordings
	weight := func(p *pending) int {
		if p.Class == Login && slices.ContainsFunc(p.Changes, func(k Change) bool { return k.Path == "result" }) {
			return -1 // it works in one only
		}
		return rank[p.Class]
	}
	slices.SortStableFunc(c.diffs, func(a, b *pending) int { return cmp.Compare(weight(a), weight(b)) })
	if len(c.diffs) > MaxDetailed {
		c.diffs = c.diffs[:MaxDetailed]
	}
	return same, counts
}

// exchange compares a couple; true when it is the same.
func (c *comparison) exchange(n int, add func(*pending)) bool {
	p := &c.pairs[n]
	var u [2]*unit
	d := pending{couple: n}
	d.EntriesA, d.EntriesB = []int{}, []int{}
	for i := range 2 {
		if p.u[i] < 0 {
			continue
		}
		u[i] = &c.side[i].units[p.u[i]]
		l := []int{int(u[i].n)}
		for _, f := range u[i].follow {
			l = append(l, int(f.n))
		}
		if i == 0 {
			d.ConnA, d.EntriesA = int(u[i].conn), l
		} else {
			d.ConnB, d.EntriesB = int(u[i].conn), l
		}
		if d.Phase == "" {
			d.Phase = phaseNames[u[i].phase]
		}
	}
	if u[0] == nil || u[1] == nil {
		d.Class, d.Sign = Missing, OnlyA
		one := u[0]
		if one == nil {
			d.Class, d.Sign, one = Extra, OnlyB, u[1]
		}
		if one.fails > unanswered {
			d.Class = Error
		} else if c.side[lone(p)].byID[int(one.conn)].other == nil {
			return false // its connection is the difference
		}
		add(&d)
		return false
	}
	short := (u[0].flags|u[1].flags)&cutShort != 0
	same := true
	switch {
	case !short && u[0].fails != u[1].fails:
		d.Class, d.Sign = Error, signOf(u[0].fails != 0, u[1].fails != 0)
	case u[0].whole == u[1].whole, short && u[0].lead == u[1].lead:
	case u[0].flags&isOffer != 0:
		d.Class, d.Sign = Feature, Changed
	default:
		d.Class, d.Sign = Different, Changed
	}
	if d.Class != "" {
		same = false
		one := d
		add(&one)
	}
	if p.moved {
		same = false
		d.Class, d.Sign = Order, Changed
		one := d
		add(&one)
	}
	if a, b := float64(u[0].took), float64(u[1].took); c.o.Slower > 0 && a >= 0 && b >= 0 &&
		max(a, b) >= c.o.Slower*min(a, b) && max(a, b)-min(a, b) >= c.o.Floor.Seconds() {
		same = false
		d.Class, d.Sign, d.seconds = Slower, Changed, [2]float64{a, b}
		one := d
		add(&one)
	}
	return same
}

// lone is the side that has an exchange alone.
func lone(p *couple) int {
	if p.u[0] < 0 {
		return 1
	}
	return 0
}

// connection compares two connections as a whole, and their findings.
func (c *comparison) connection(k [2]*connection, add func(*pending)) {
	d := pending{couple: -1}
	d.EntriesA, d.EntriesB = []int{}, []int{}
	for i := range 2 {
		if k[i] == nil {
			continue
		}
		d.what[i] = c.side[i].label(k[i])
		if k[1-i] == nil {
			d.what[i] += ", " + plural(len(k[i].units), "exchange", "exchanges")
		}
	}
	if k[0] != nil {
		d.ConnA = k[0].id
	}
	if k[1] != nil {
		d.ConnB = k[1].id
	}
	if k[0] == nil || k[1] == nil {
		d.Class, d.Sign = Connection, signOf(k[0] != nil, k[1] != nil)
		add(&d)
		return
	}
	a, b := k[0], k[1]
	group := func(class Class, phase string, fields [][3]string) {
		var l changes
		for _, f := range fields {
			if f[1] != f[2] {
				l.add(signOf(f[1] != "", f[2] != ""), f[0], f[1], f[2])
			}
		}
		if l.list != nil {
			one := d
			one.Class, one.Sign, one.Phase, one.Changes = class, Changed, phase, l.list
			add(&one)
		}
	}
	group(Login, "tls", [][3]string{{"TLS", strings.Join(a.secured, ", "), strings.Join(b.secured, ", ")}, {"compression", a.compressed, b.compressed}})
	group(Login, "sasl", [][3]string{{"mechanism", a.mechanism, b.mechanism}, {"iterations", a.iterations, b.iterations}, {"result", a.outcome(), b.outcome()}})
	group(Login, "bind", [][3]string{{"stream management", a.sm, b.sm}})
	group(Connection, "stream", [][3]string{{"kind", a.kind, b.kind}, {"transport", a.transport, b.transport}})
	group(Connection, "closing", [][3]string{{"end", a.end(), b.end()}})
	codes := make(map[string]bool)
	for f := range c.side[0].findings {
		if f.conn == a.id {
			codes[f.code] = true
		}
	}
	for f := range c.side[1].findings {
		if f.conn == b.id {
			codes[f.code] = true
		}
	}
	var sorted []string
	for code := range codes {
		sorted = append(sorted, code)
	}
	slices.Sort(sorted)
	for _, code := range sorted {
		x, y := c.side[0].findings[finding{a.id, code}], c.side[1].findings[finding{b.id, code}]
		if x != nil && y != nil {
			continue
		}
		one := d
		one.Class, one.Sign = Finding, signOf(x != nil, y != nil)
		f, side := x, 0
		if x == nil {
			f, side = y, 1
		}
		one.Phase = phaseNames[f.phase]
		text := fmt.Sprintf("%s %s: %s (%s)", f.Severity, f.Code, clip(f.Text), f.Ref)
		if f.Ref == "" { // a note of the proxy
			text = f.Severity + ": " + clip(f.Text)
		}
		if f.count > 1 {
			text += fmt.Sprintf(", %d times", f.count)
		}
		one.what = [2]string{}
		one.what[side] = text
		if side == 0 {
			one.EntriesA = []int{f.n}
		} else {
			one.EntriesB = []int{f.n}
		}
		add(&one)
	}
}

func (k *connection) outcome() string {
	if k.mechanism != "" && k.result == "" {
		return "without an end"
	}
	return k.result
}

// end says how a connection ended, without ports and the like.
func (k *connection) end() string {
	if k.ended != "" {
		return "stream ended by the " + k.ended
	}
	if k.closed == "" {
		return "open at the end of the recording"
	}
	return "closed by the " + digitless(clip(k.closed))
}

func digitless(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}

// label names a connection.
func (s *session) label(k *connection) string {
	out := fmt.Sprintf("connection %d", k.id)
	if k.kind != "c2s" {
		out += " (" + k.kind + ")"
	}
	if k.account != "" {
		out += " of " + clip(k.account)
	}
	return out
}

// describe reads once more what belongs to the differences.
func (c *comparison) describe(ctx context.Context) error {
	for i := range 2 {
		s := c.side[i]
		wanted := make(map[int32]*told)
		for _, d := range c.diffs {
			l := d.EntriesA
			if i == 1 {
				l = d.EntriesB
			}
			for _, n := range l {
				wanted[int32(n)] = new(told)
			}
		}
		c.wanted[i] = wanted
		if len(wanted) == 0 {
			continue
		}
		norm := normaliser{names: &s.names, ignore: &c.o.Ignore, shown: true}
		budget, left := maxText, len(wanted)
		err := s.each(ctx, &c.o, func(e *timeline.Entry, _ *timeline.Folder) error {
			t := wanted[int32(e.N)]
			if t == nil {
				return nil
			}
			t.summary = strings.Clone(e.Stanza.Summary)
			if e.Dir != "" {
				t.summary = stanza.Parse(e.Frame).Summary
			}
			if x := e.Stanza.Error; x != nil {
				t.outcome = strings.TrimSpace("error " + clip(x.Condition))
				if x.Text != "" {
					t.outcome += ": " + clip(x.Text)
				}
			}
			if size := len(e.Frame.Raw); e.Dir != "" && size <= maxFrame && size <= budget {
				budget -= size
				norm.account = s.byID[e.Conn].account
				if t.el = norm.element(e.Frame, &e.Stanza, e.Dir); t.el == nil {
					t.el = norm.other(e.Frame)
				}
			}
			if left--; left == 0 {
				return errEnough
			}
			return nil
		})
		if err != nil && !isEnough(err) {
			return err
		}
	}
	for _, d := range c.diffs {
		c.words(d)
	}
	return nil
}

// words puts a difference into words and finds the places that differ.
func (c *comparison) words(d *pending) {
	if d.couple < 0 {
		return
	}
	var lead [2]*told
	for i, l := range [][]int{d.EntriesA, d.EntriesB} {
		if len(l) > 0 {
			lead[i] = c.wanted[i][int32(l[0])]
			d.what[i] = lead[i].summary
			if u := c.side[i].units[c.pairs[d.couple].u[i]]; u.flags&isFeatures != 0 && d.Class == Feature {
				d.what[i] = u.streamFeatures()
			}
		}
	}
	var l changes
	switch {
	case d.Class == Slower:
		l.add(Changed, "latency", duration(d.seconds[0]), duration(d.seconds[1]))
	case d.Class == Order:
		l.add(Changed, "order", "", "")
	case lead[0] == nil || lead[1] == nil:
		if d.Class == Error {
			a, b := "", ""
			if lead[0] != nil {
				a = c.outcome(0, d.couple)
			} else {
				b = c.outcome(1, d.couple)
			}
			l.add(d.Sign, "outcome", a, b)
		}
	default:
		if d.Class == Error {
			l.add(Changed, "outcome", c.outcome(0, d.couple), c.outcome(1, d.couple))
		}
		l.both(lead[0], lead[1])
		if d.Class != Error {
			c.followers(&l, d.couple)
		}
	}
	d.Changes, d.LeftOut = append([]Change{}, l.list...), l.more
}

// streamFeatures names what a server offers without saying all of it.
func (u *unit) streamFeatures() string {
	switch {
	case u.flags&isLoggedIn != 0:
		return "stream features after the login"
	case u.flags&isSecured != 0:
		return "stream features under TLS, before the login"
	}
	return "stream features in the clear"
}

// both compares two entries where they were kept.
func (l *changes) both(a, b *told) {
	switch {
	case a.el != nil && b.el != nil:
		l.compare(path{a.el.name, b.el.name}, a.el, b.el)
	case a.el != b.el || a.summary != b.summary:
		l.add(Changed, "", "too long to be described", "too long to be described")
	}
}

// followers compares what came to an exchange.
func (c *comparison) followers(l *changes, n int) {
	p := c.pairs[n]
	a, b := c.side[0].units[p.u[0]].follow, c.side[1].units[p.u[1]].follow
	for kind, name := range []string{"answer", "refusal", "receipt", "marker", "carbon"} {
		x, y := of(a, kind), of(b, kind)
		for i := range max(len(x), len(y)) {
			switch {
			case i >= len(y):
				l.add(OnlyA, name, clip(c.wanted[0][x[i].n].summary), "")
			case i >= len(x):
				l.add(OnlyB, name, "", clip(c.wanted[1][y[i].n].summary))
			case x[i].sum != y[i].sum:
				t, v := c.wanted[0][x[i].n], c.wanted[1][y[i].n]
				if t.el == nil || v.el == nil {
					l.add(Changed, name, "too long to be described", "too long to be described")
					continue
				}
				at := path{name, name}
				if kind > 0 {
					at = path{name + "/" + t.el.name, name + "/" + v.el.name}
				}
				l.compare(at, t.el, v.el)
			}
		}
	}
}

func of(l []follower, kind int) (out []follower) {
	for _, f := range l {
		if int(f.kind) == kind {
			out = append(out, f)
		}
	}
	return out
}

// outcome says what became of an exchange.
func (c *comparison) outcome(side, couple int) string {
	u := &c.side[side].units[c.pairs[couple].u[side]]
	if u.fails == unanswered {
		return "no answer"
	}
	for _, f := range u.follow {
		if t := c.wanted[side][f.n]; t.outcome != "" {
			return t.outcome
		}
	}
	if t := c.wanted[side][u.n]; t.outcome != "" {
		return t.outcome
	}
	if len(u.follow) > 0 && u.flags&isRequest != 0 {
		return "answered"
	}
	return "no error"
}

func duration(s float64) string {
	if s < 1 {
		return fmt.Sprintf("%.0f ms", s*1000)
	}
	return fmt.Sprintf("%.1f s", s)
}
