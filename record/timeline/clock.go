package timeline

import (
	"time"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
)

// This file tells when entries were, for those who play a recording: which entry
// is the last at a time, and where in a recording there is much of what. It costs
// a few nanoseconds and, in all, some 150 KB beside the index.

const (
	maxBins  = 2048    // of a Density
	minBin   = 1 << 16 // nanoseconds
	maxMarks = 1000    // notes whose places are kept
)

// A Moment is when an entry was. Times of entries go back where one waited for its
// verdict, or for its turn over BOSH; here they stand still meanwhile, so that
// every time has one place in the list.
type Moment struct {
	N    int           // 0 = in front of the first
	T    time.Duration // since the recording's start
	Next time.Duration // when the next entry was; -1 = there is none yet
	End  time.Duration // when the last one was
}

// A Density tells how much there is in each part of a recording.
type Density struct {
	End   time.Duration // of the last entry
	Width time.Duration // of a bin
	Bins  []Bin         // up to maxBins
	Notes []Mark        // the first maxMarks of them
}

// A Bin counts entries of Width. Those with findings are counted as soon as their
// facts are known.
type Bin struct {
	CS, SC, About, Warnings, Errors uint32
	CSBytes, SCBytes                int64
}

// A Mark is the place of one entry.
type Mark struct {
	N int
	T time.Duration
}

// clock grows with the list of entries. The zero value is that of an empty list.
type clock struct {
	ends  []time.Duration // of each block of places: the latest time up to its end
	bins  []Bin
	width time.Duration
	notes []Mark
}

func (c *clock) end() time.Duration {
	if len(c.ends) == 0 {
		return 0
	}
	return c.ends[len(c.ends)-1]
}

// add takes entry n, the next one.
func (c *clock) add(n int, t time.Duration, d record.Dir, size int, isNote bool) {
	if isNote && len(c.notes) < maxMarks {
		c.notes = append(c.notes, Mark{n, max(t, c.end())})
	}
	c.tick(n, t)
	switch b := c.bin(t); d {
	case record.CS:
		b.CS++
		b.CSBytes += int64(size)
	case record.SC:
		b.SC++
		b.SCBytes += int64(size)
	default:
		b.About++
	}
}

func (c *clock) tick(n int, t time.Duration) {
	t = max(t, c.end())
	if block := (n - 1) / perBlock; block < len(c.ends) {
		c.ends[block] = t
	} else {
		c.ends = append(c.ends, t)
	}
}

// bin returns that of a time. When the recording has become too long for the bins,
// each two of them become one.
func (c *clock) bin(t time.Duration) *Bin {
	t = max(t, 0)
	c.width = max(c.width, minBin)
	for t/c.width >= maxBins {
		for i := range (len(c.bins) + 1) / 2 {
			b := c.bins[2*i]
			if 2*i+1 < len(c.bins) {
				b.plus(c.bins[2*i+1])
			}
			c.bins[i] = b
		}
		c.bins = c.bins[:(len(c.bins)+1)/2]
		c.width *= 2
	}
	i := int(t / c.width)
	for len(c.bins) <= i {
		c.bins = append(c.bins, Bin{})
	}
	return &c.bins[i]
}

func (b *Bin) plus(o Bin) {
	b.CS += o.CS
	b.SC += o.SC
	b.CSBytes += o.CSBytes
	b.SCBytes += o.SCBytes
	b.About += o.About
	b.Warnings += o.Warnings
	b.Errors += o.Errors
}

// fact counts an entry that has a finding.
func (c *clock) fact(e *Entry) {
	level := e.Event.Level
	if e.Stanza.Error != nil || e.Frame.Err != nil || e.Kind == record.EventClose && e.Event.Error != "" {
		level = track.Error
	}
	for _, f := range e.Facts.Findings {
		if f.Severity == track.Error || f.Severity == track.Warning && level == "" {
			level = f.Severity
		}
	}
	switch level {
	case track.Error:
		c.bin(e.T).Errors++
	case track.Warning:
		c.bin(e.T).Warnings++
	}
}

// cut forgets what is behind the first n entries, which s holds.
func (c *clock) cut(s *places, n int) {
	old := *c
	*c = clock{width: old.width, bins: make([]Bin, len(old.bins))}
	for i, b := range old.bins { // what is known is of entries that stay
		c.bins[i].Warnings, c.bins[i].Errors = b.Warnings, b.Errors
	}
	for _, m := range old.notes {
		if m.N <= n {
			c.notes = append(c.notes, m)
		}
	}
	var p place
	for at := s.from(1); at.n <= n && at.next(&p); {
		d := record.Dir("")
		if p.isStream {
			d = record.CS
			if p.sc {
				d = record.SC
			}
		}
		c.add(at.n-1, p.t, d, p.size, false)
	}
}

// EntryAt returns the number of the last entry at a time, 0 when there is none
// yet.
func (x *Index) EntryAt(t time.Duration) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	ends := x.clock.ends
	block, above := 0, len(ends)
	for block < above { // the first that ends later
		if half := (block + above) / 2; ends[half] > t {
			above = half
		} else {
			block = half + 1
		}
	}
	n := block * perBlock
	if block == len(ends) {
		return x.list.n
	}
	var p place
	for at := x.list.from(n + 1); at.next(&p) && p.t <= t; {
		n++
	}
	return n
}

// Moment returns when an entry was: of 0 the beginning of the recording, of a
// number that is too large the last entry.
func (x *Index) Moment(n int) Moment {
	x.mu.Lock()
	defer x.mu.Unlock()
	n = min(max(n, 0), x.list.n)
	m := Moment{N: n, End: x.clock.end(), Next: -1}
	block := max(n-1, 0) / perBlock
	if block > 0 {
		m.T = x.clock.ends[block-1]
	}
	var p place
	for at := x.list.from(block*perBlock + 1); at.n <= n && at.next(&p); {
		m.T = max(m.T, p.t)
	}
	if at := x.list.from(n + 1); at.next(&p) {
		m.Next = max(m.T, p.t)
	}
	return m
}

// Density tells how much there is in each part of the recording, as far as it is
// in the list.
func (x *Index) Density() Density {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := &x.clock
	return Density{End: c.end(), Width: c.width, Bins: append([]Bin(nil), c.bins...), Notes: append([]Mark(nil), c.notes...)}
}
