package diff

import (
	"cmp"
	"slices"
	"strings"
)

// comparison is two sessions on their way to a report.
type comparison struct {
	o      Options
	side   [2]*session
	conns  [][2]*connection // pairs; nil where one has none
	pairs  []couple
	wanted [2]map[int32]*told // by entry
	diffs  []*pending
}

// couple is two exchanges that belong together, or one that is alone: -1.
type couple struct {
	u       [2]int32 // index in session.units
	moved   bool
	differs bool
}

// less orders sessions by what they say; those that say the same are equal.
func (s *session) less(other *session) bool {
	less := func(a, b *session) int {
		if c := cmp.Compare(len(a.units), len(b.units)); c != 0 {
			return c
		}
		for i := range a.units {
			if c := cmp.Or(cmp.Compare(a.units[i].whole, b.units[i].whole), cmp.Compare(a.units[i].key, b.units[i].key)); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.digest(), b.digest())
	}
	return less(s, other) < 0
}

// digest is what tells sessions with the same exchanges apart.
func (s *session) digest() uint64 {
	var parts []string
	for _, c := range s.conns {
		parts = append(parts, c.kind, c.account, c.closed, strings.Join(c.secured, " "))
	}
	return sumOf(parts...)
}

// pairConns finds the connections that belong together: of the same kind and
// account in order, then of the same kind.
func (c *comparison) pairConns() {
	a, b := c.side[0], c.side[1]
	keys := []func(*session, *connection) string{
		func(s *session, k *connection) string {
			if k.account == "" {
				return "" // not yet
			}
			return k.kind + " " + s.canonical(k.account)
		},
		func(s *session, k *connection) string { return k.kind + " " + s.canonical(k.domain) },
		func(s *session, k *connection) string { return k.kind },
	}
	if c.o.ConnA != 0 && c.o.ConnB != 0 {
		keys = []func(*session, *connection) string{func(*session, *connection) string { return "the one" }}
	}
	for _, key := range keys {
		by := make(map[string][]*connection)
		for _, k := range b.conns {
			if w := key(b, k); k.other == nil && w != "" {
				by[w] = append(by[w], k)
			}
		}
		for _, k := range a.conns {
			w := key(a, k)
			if k.other != nil || len(by[w]) == 0 {
				continue
			}
			k.other, by[w][0].other = by[w][0], k
			by[w] = by[w][1:]
		}
	}
	at := 0
	for _, k := range a.conns {
		c.conns = append(c.conns, [2]*connection{k, k.other})
		for k.other != nil && at < len(b.conns) && b.conns[at].id <= k.other.id {
			if b.conns[at].other == nil {
				c.conns = append(c.conns, [2]*connection{nil, b.conns[at]})
			}
			at++
		}
	}
	for ; at < len(b.conns); at++ {
		if b.conns[at].other == nil {
			c.conns = append(c.conns, [2]*connection{nil, b.conns[at]})
		}
	}
}

// align finds the exchanges that belong together.
func (c *comparison) align() {
	c.pairConns()
	for _, k := range c.conns {
		var idx [2][]int32
		for i := range 2 {
			if k[i] != nil {
				idx[i] = k[i].units
			}
		}
		c.pairs = append(c.pairs, alignUnits(c.side[0].units, c.side[1].units, idx[0], idx[1])...)
	}
}

// alignUnits aligns the exchanges of two connections, in the order of a with
// those of b where they follow. Within a key those with equal content go first,
// in whatever place they are; what is asynchronous is no difference. Every step is
// linear, so that a million of one key are no harder than a million keys.
func alignUnits(ua, ub []unit, a, b []int32) []couple {
	m := matching{to: make([]int32, len(a)), taken: make([]bool, len(b))}
	for i := range m.to {
		m.to[i] = -1
	}
	for _, id := range []func(*unit) [2]uint64{
		func(u *unit) [2]uint64 { return [2]uint64{u.key, u.whole} },
		func(u *unit) [2]uint64 { return [2]uint64{u.key, u.lead ^ 1} },
		func(u *unit) [2]uint64 { return [2]uint64{u.key, u.sub} },
		func(u *unit) [2]uint64 { return [2]uint64{u.key} },
		func(u *unit) [2]uint64 { return [2]uint64{u.near, u.sub} },
		func(u *unit) [2]uint64 { return [2]uint64{u.near} },
	} {
		if m.n == min(len(a), len(b)) {
			break
		}
		m.pair(ua, ub, a, b, id)
	}
	moved := m.moved(ua, ub, a, b)
	out := make([]couple, 0, len(a)+len(b)-m.n)
	at := 0
	alone := func(until int) { // what only b has, in front of what follows
		for ; at < until; at++ {
			if !m.taken[at] {
				out = append(out, couple{u: [2]int32{-1, b[at]}})
			}
		}
	}
	for i := range a {
		j := m.to[i]
		if j < 0 {
			out = append(out, couple{u: [2]int32{a[i], -1}})
			continue
		}
		alone(int(j))
		out = append(out, couple{u: [2]int32{a[i], b[j]}, moved: moved[int32(i)]})
	}
	alone(len(b))
	return out
}

// matching is which place in one list belongs to which in the other.
type matching struct {
	to    []int32 // by place in a; -1 = none
	taken []bool  // by place in b
	n     int     // pairs
}

// pair pairs what has the same id and has no partner, in order.
func (m *matching) pair(ua, ub []unit, a, b []int32, id func(*unit) [2]uint64) {
	first := make(map[[2]uint64]int32)
	next := make([]int32, len(b))
	for j := len(b) - 1; j >= 0; j-- {
		if !m.taken[j] {
			k := id(&ub[b[j]])
			if n, ok := first[k]; ok {
				next[j] = n
			} else {
				next[j] = -1
			}
			first[k] = int32(j)
		}
	}
	for i := range a {
		if m.to[i] >= 0 {
			continue
		}
		k := id(&ua[a[i]])
		if j, ok := first[k]; ok && j >= 0 {
			m.to[i], m.taken[j] = j, true
			m.n++
			first[k] = next[j]
		}
	}
}

// moved finds the messages and presences that have lost their place among those
// of their sender: those outside the longest run that is in order.
func (m *matching) moved(ua, ub []unit, a, b []int32) map[int32]bool {
	by := make(map[uint64][]int32)
	for i, j := range m.to {
		if u := &ua[a[i]]; j >= 0 && u.flags&isOrdered != 0 && u.key == ub[b[j]].key {
			by[u.key] = append(by[u.key], int32(i))
		}
	}
	out := make(map[int32]bool)
	for _, l := range by {
		seq := make([]int32, len(l))
		for n, i := range l {
			seq[n] = m.to[i]
		}
		for _, n := range outside(seq) {
			out[l[n]] = true
		}
	}
	return out
}

// outside returns the places in seq that are outside one of its longest
// increasing subsequences.
func outside(seq []int32) []int {
	if slices.IsSorted(seq) {
		return nil
	}
	prev := make([]int, len(seq))
	var tails []int // place of the smallest end of a run of each length
	for n, v := range seq {
		at, _ := slices.BinarySearchFunc(tails, v, func(t int, v int32) int { return cmp.Compare(seq[t], v) })
		prev[n] = -1
		if at > 0 {
			prev[n] = tails[at-1]
		}
		if at == len(tails) {
			tails = append(tails, n)
		} else {
			tails[at] = n
		}
	}
	in := make([]bool, len(seq))
	for n := tails[len(tails)-1]; n >= 0; n = prev[n] {
		in[n] = true
	}
	var out []int
	for n := range seq {
		if !in[n] {
			out = append(out, n)
		}
	}
	return out
}
