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
	u     [2]int32 // index in session.units
	moved bool
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
	to := make(map[int32]int32, len(a))
	moved := make(map[int32]bool)
	restA, restB := a, b
	for _, id := range []func(*unit) [2]uint64{
		func(u *unit) [2]uint64 { return [2]uint64{u.key, u.whole} },
		func(u *unit) [2]uint64 { return [2]uint64{u.key, u.lead ^ 1} },
		func(u *unit) [2]uint64 { return [2]uint64{u.key, u.sub} },
		func(u *unit) [2]uint64 { return [2]uint64{u.key} },
		func(u *unit) [2]uint64 { return [2]uint64{u.near, u.sub} },
		func(u *unit) [2]uint64 { return [2]uint64{u.near} },
	} {
		restA, restB = pairBy(ua, ub, restA, restB, id, to)
	}
	// Messages and presences must keep their order among those of their sender:
	// those outside the longest run that does have moved.
	if len(to) > 0 {
		by := make(map[uint64][]int32)
		var order []uint64
		for _, i := range a {
			if j, ok := to[i]; ok && ua[i].flags&isOrdered != 0 && ua[i].key == ub[j].key {
				k := ua[i].key
				if by[k] == nil {
					order = append(order, k)
				}
				by[k] = append(by[k], i)
			}
		}
		for _, k := range order {
			l := by[k]
			seq := make([]int32, len(l))
			for n, i := range l {
				seq[n] = to[i]
			}
			for _, n := range outside(seq) {
				moved[l[n]] = true
			}
		}
	}
	taken := make(map[int32]bool, len(to))
	for _, j := range to {
		taken[j] = true
	}
	out := make([]couple, 0, len(a)+len(restB))
	at := 0
	alone := func(until int32) { // what only b has, in front of what follows
		for ; at < len(b) && b[at] < until; at++ {
			if !taken[b[at]] {
				out = append(out, couple{u: [2]int32{-1, b[at]}})
			}
		}
	}
	for _, i := range a {
		j, ok := to[i]
		if !ok {
			out = append(out, couple{u: [2]int32{i, -1}})
			continue
		}
		alone(j)
		out = append(out, couple{[2]int32{i, j}, moved[i]})
	}
	alone(int32(len(ub)))
	return out
}

// pairBy pairs what has the same id, in order, and returns what is left.
func pairBy(ua, ub []unit, a, b []int32, id func(*unit) [2]uint64, to map[int32]int32) (restA, restB []int32) {
	if len(a) == 0 || len(b) == 0 {
		return a, b
	}
	by := make(map[[2]uint64][]int32)
	for _, j := range b {
		k := id(&ub[j])
		by[k] = append(by[k], j)
	}
	taken := make(map[int32]bool)
	for _, i := range a {
		k := id(&ua[i])
		if l := by[k]; len(l) > 0 {
			to[i], by[k] = l[0], l[1:]
			taken[l[0]] = true
			continue
		}
		restA = append(restA, i)
	}
	for _, j := range b {
		if !taken[j] {
			restB = append(restB, j)
		}
	}
	return restA, restB
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
