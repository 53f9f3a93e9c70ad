package timeline

import (
	"slices"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/decode/xep"
	"github.com/xmpplens/xmpplens/record"
)

// Sums are what can be counted of entries in one pass and in bounded memory: how
// many there are of which kind, how long answers took, what was found. The zero
// value is empty.
type Sums struct {
	First, Last time.Duration // of the entries
	Any         bool          // there are some
	Entries     [2]int        // of streams: of the client, of the server
	Stanzas     [2]int
	Bytes       [2]int64
	Findings    [3]int                 // notes, warnings, errors
	Kinds       map[string]*Amount     // of entries of streams
	Payloads    map[string]*Amount     // by namespace
	Latencies   map[string]*Latency    // by namespace of the request; "" = it had no payload
	Codes       map[string]*FindingSum // by code
}

// An Amount is how much there is of something.
type Amount struct {
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"`
}

// A Latency is how long answers took, and which took longest, the slowest first.
type Latency struct {
	Histogram
	Slowest []Slow
}

// Slow is an answer that took long.
type Slow struct {
	N    int
	Took time.Duration
}

// A FindingSum is how often something was found, and the first time and the last.
type FindingSum struct {
	track.Finding // the first of them
	Count         int
	First, Last   int // entries
}

const (
	maxNames   = 500 // of payloads, of latencies and of findings; what is more is Others
	maxSlowest = 5
	maxKey     = 500 // bytes of a namespace that is told from others
)

// Others stands for all namespaces that are too many to be told apart.
const Others = "others"

func way(d record.Dir) int {
	if d == record.SC {
		return 1
	}
	return 0
}

// Add takes an entry, which comes from a Folder.
func (s *Sums) Add(e *Entry) {
	if !s.Any {
		s.First, s.Any = e.T, true
	}
	s.Last = max(s.Last, e.T)
	for i := range e.Facts.Findings {
		s.find(e.N, &e.Facts.Findings[i])
	}
	if e.Dir == "" {
		return
	}
	size, w := int64(len(e.Frame.Raw)), way(e.Dir)
	s.Entries[w]++
	s.Bytes[w] += size
	switch e.Kind {
	case "message", "presence", "iq":
		s.Stanzas[w]++
	}
	count(&s.Kinds, e.Kind, size)
	for i := range e.Stanza.Payloads {
		if ns := e.Stanza.Payloads[i].NS; ns != e.Stanza.NS {
			count(&s.Payloads, ns, size)
		}
	}
	if e.Facts.HasLatency && e.Track != nil {
		l := named(&s.Latencies, e.Track.Asked())
		l.Add(e.Facts.Latency)
		l.slow(e.N, e.Facts.Latency)
	}
}

func count(m *map[string]*Amount, name string, size int64) {
	a := named(m, name)
	a.Count++
	a.Bytes += size
}

// named returns what is kept under a name, or under Others.
func named[T any](m *map[string]*T, name string) *T {
	if v := (*m)[name]; v != nil {
		return v
	}
	if *m == nil {
		*m = make(map[string]*T)
	}
	if len(*m) >= maxNames || len(name) > maxKey {
		name = Others
	}
	v := (*m)[name]
	if v == nil {
		v = new(T)
		(*m)[strings.Clone(name)] = v
	}
	return v
}

func (l *Latency) slow(n int, took time.Duration) {
	k := len(l.Slowest)
	if k == maxSlowest && took <= l.Slowest[k-1].Took {
		return
	}
	at, _ := slices.BinarySearchFunc(l.Slowest, took, func(s Slow, t time.Duration) int {
		if s.Took >= t {
			return -1
		}
		return 1
	})
	l.Slowest = slices.Insert(l.Slowest, at, Slow{n, took})[:min(k+1, maxSlowest)]
}

// level numbers severities.
func level(severity string) int {
	switch severity {
	case track.Error:
		return 2
	case track.Warning:
		return 1
	}
	return 0
}

func (s *Sums) find(n int, f *track.Finding) {
	s.Findings[level(f.Severity)]++
	c := named(&s.Codes, f.Code)
	if c.Count == 0 {
		c.Finding, c.First = *f, n
	}
	if level(f.Severity) > level(c.Severity) {
		c.Severity = f.Severity
	}
	c.Count++
	c.Last = n
}

// Spec names the specification of a namespace as a reader knows it: a XEP, or the
// namespace itself.
func Spec(ns string) string {
	if s, ok := xep.Lookup(ns); ok && strings.HasPrefix(s.ID, "XEP-") {
		return s.ID
	}
	return ns
}
