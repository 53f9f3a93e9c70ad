package timeline

import (
	"cmp"
	"slices"
	"time"
)

// This file answers what an overview of a recording shows. All of it was counted
// while the index learned; nothing here reads the recording.

// Sums lets read look at what the known entries sum up to, and at how many those
// are. It holds up the index meanwhile, and keeps nothing of s.
func (x *Index) Sums(read func(s *Sums, known int)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	read(&x.sums, x.known)
}

// Conns returns what is known of connections; those that nothing is known of are
// left out.
func (x *Index) Conns(ids []int) []Conn {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []Conn
	for _, id := range ids {
		if c := x.each.all[id]; c != nil {
			out = append(out, *c)
		}
	}
	return out
}

// ConnectionCount says how many connections there are.
type ConnectionCount struct {
	Open, Closed map[string]int // by kind, Others when there are too many of them
	Forgotten    int            // of the closed ones: only counted
}

// columns are what connections are sorted by: text or a number.
var columns = map[string]struct {
	text   func(*Conn) string
	number func(*Conn) float64
}{
	"id":         {number: func(c *Conn) float64 { return float64(c.ID) }},
	"kind":       {text: func(c *Conn) string { return c.Kind + c.Transport }},
	"phase":      {text: func(c *Conn) string { return c.State.Phase }},
	"jid":        {text: func(c *Conn) string { return cmp.Or(c.State.Bound.String(), c.Client) }},
	"tls":        {text: func(c *Conn) string { return c.TLS[0] + c.TLS[1] + c.Cipher[0] }},
	"mechanism":  {text: func(c *Conn) string { return c.State.Mechanism }},
	"since":      {number: func(c *Conn) float64 { return float64(c.Since) }},
	"bytes":      {number: func(c *Conn) float64 { return float64(c.Bytes[0] + c.Bytes[1]) }},
	"stanzas":    {number: func(c *Conn) float64 { return float64(c.Stanzas[0] + c.Stanzas[1]) }},
	"unacked":    {number: func(c *Conn) float64 { return float64(c.State.Unacked[0] + c.State.Unacked[1]) }},
	"unanswered": {number: func(c *Conn) float64 { return float64(c.State.Unanswered[0] + c.State.Unanswered[1]) }},
	"rtt":        {number: func(c *Conn) float64 { return float64(c.RTT) }},
	"findings": {number: func(c *Conn) float64 {
		return float64(c.Findings[2])*1e12 + float64(c.Findings[1])*1e6 + float64(c.Findings[0])
	}},
}

// Connections returns the first count connections by a column, "id" when there is no
// such column, and how many there are in all.
func (x *Index) Connections(column string, down bool, count int) ([]Conn, ConnectionCount) {
	type keyed struct {
		c      *Conn
		id     int
		text   string
		number float64
	}
	by, ok := columns[column]
	if !ok {
		by = columns["id"]
	}
	x.mu.Lock()
	keys := make([]keyed, 0, min(max(count, 0), 1)*len(x.each.all))
	for _, c := range x.each.all {
		if count <= 0 {
			break
		}
		k := keyed{c: c, id: c.ID}
		if by.text != nil {
			k.text = by.text(c)
		} else {
			k.number = by.number(c)
		}
		keys = append(keys, k)
	}
	n := ConnectionCount{make(map[string]int), make(map[string]int), x.each.forgotten}
	for kind, k := range x.each.closed[0] {
		n.Open[kind] = k
	}
	for kind, k := range x.each.closed[1] {
		n.Closed[kind] = k
	}
	x.mu.Unlock()
	slices.SortFunc(keys, func(a, b keyed) int {
		if down {
			a, b = b, a
		}
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.text, b.text), cmp.Compare(a.id, b.id))
	})
	out := make([]Conn, min(max(count, 0), len(keys)))
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range out {
		out[i] = *keys[i].c
	}
	return out, n
}

// A Traffic tells how much there is in each part of a range of time. Findings are
// counted as soon as they are known.
type Traffic struct {
	From, Width, End time.Duration // of the bins, of one of them, of the recording
	Bins             []Bin
}

const (
	maxParts   = 500     // bins of a Traffic
	maxScanned = 100_000 // entries that are looked at one by one
)

// Traffic divides the time from from up to to into up to parts bins, all of it when
// to is 0. A range with many entries gets the bins that a Density has.
func (x *Index) Traffic(from, to time.Duration, parts int) Traffic {
	parts = min(max(parts, 1), maxParts)
	x.mu.Lock()
	defer x.mu.Unlock()
	c := &x.clock
	out := Traffic{End: c.end()}
	from = min(max(from, 0), out.End)
	if to > from {
		first, _ := slices.BinarySearch(c.ends, from)
		last, _ := slices.BinarySearch(c.ends, to)
		if (last-first+1)*perBlock <= maxScanned {
			out.From, out.Width = from, (to-from)/time.Duration(parts)+1
			out.Bins = make([]Bin, parts)
			x.scan(&out, first*perBlock+1, min((last+1)*perBlock, x.list.n))
			return out
		}
	}
	begin, end := 0, len(c.bins)
	if to > from {
		begin, end = min(int(from/c.width), end), min(int(to/c.width)+1, end)
	}
	if begin >= end {
		return out
	}
	each := 1
	for (end-begin+each-1)/each > parts {
		each *= 2
	}
	out.From, out.Width = time.Duration(begin)*c.width, time.Duration(each)*c.width
	out.Bins = make([]Bin, (end-begin+each-1)/each)
	for i, b := range c.bins[begin:end] {
		out.Bins[i/each].plus(b)
	}
	return out
}

// scan counts entries one by one. Their findings are those of the clock's bins. The
// caller holds mu.
func (x *Index) scan(out *Traffic, n, last int) {
	bin := func(t time.Duration) *Bin {
		if i := (t - out.From) / out.Width; t >= out.From && int(i) < len(out.Bins) {
			return &out.Bins[i]
		}
		return nil
	}
	var p place
	for at := x.list.from(n); at.n <= last && at.next(&p); {
		b := bin(p.t)
		switch {
		case b == nil:
		case !p.isStream:
			b.About++
		case p.sc:
			b.SC++
			b.SCBytes += int64(p.size)
		default:
			b.CS++
			b.CSBytes += int64(p.size)
		}
	}
	width := x.clock.width
	for i := int(out.From / width); i < len(x.clock.bins); i++ {
		b := bin(max(time.Duration(i)*width, out.From))
		if b == nil {
			break
		}
		b.Warnings += x.clock.bins[i].Warnings
		b.Errors += x.clock.bins[i].Errors
	}
}
