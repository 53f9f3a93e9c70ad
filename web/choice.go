package web

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// A choice is the list of one page: all entries, or those that a filter
// chooses, without the classes that are hidden, and what was cleared away. Only their numbers are kept.
type choice struct {
	secrets    bool // that entries have count for the filter
	mu         sync.Mutex
	filter     *filter.Filter // nil = everything
	hide       timeline.Classes
	behind     int              // the list starts behind this entry: what was before is cleared
	generation int              // counts the filters, and what is hidden
	matches    []int32          // the entries that match, hidden ones too; none without a filter
	classes    []timeline.Class // of each of them
	counts     timeline.Counts
	numbers    []int32 // of the list, where something is hidden
	looked     int
	changed    chan struct{} // closed by set
}

func newChoice() *choice { return &choice{changed: make(chan struct{})} }

func (s *Server) choice() *choice {
	c := newChoice()
	c.secrets = s.Secrets
	return c
}

// all reports whether the list is that of all entries. The caller holds mu, also
// of list.
func (c *choice) all() bool { return !c.chooses() && c.hide == 0 }

// chooses reports whether matches is kept. The caller holds mu.
func (c *choice) chooses() bool { return c.filter != nil || c.behind > 0 }

// list returns the numbers of the entries, unless it is of all.
func (c *choice) list() []int32 {
	if c.hide == 0 {
		return c.matches
	}
	return c.numbers
}

// conceal hides classes of entries, which begins another list.
func (c *choice) conceal(hide timeline.Classes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if hide == c.hide {
		return
	}
	c.hide, c.numbers = hide, nil
	if !c.chooses() {
		c.looked = 0
	}
	for i, n := range c.matches {
		if !hide.Has(c.classes[i]) {
			c.numbers = append(c.numbers, n)
		}
	}
	c.next()
}

// next is told of another list. The caller holds mu.
func (c *choice) next() {
	c.generation++
	close(c.changed)
	c.changed = make(chan struct{})
}

// again begins the list anew. The caller holds mu.
func (c *choice) again() {
	c.matches, c.classes, c.counts, c.numbers, c.looked = nil, nil, timeline.Counts{}, nil, c.behind
	c.next()
}

// clear makes the list start behind an entry; 0 brings all back.
func (c *choice) clear(behind int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.behind != behind {
		c.behind = behind
		c.again()
	}
}

// chosen answers a request for a filter.
type chosen struct {
	Op     string `json:"op"`
	Expr   string `json:"expr"`
	Filter int    `json:"filter"`
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Column int    `json:"column"`
	Echo   group  `json:"echo,omitempty"` // the filter up to the mistake, which is marked, drawn
}

// echo draws a filter up to the word at a column that is a mistake.
func echo(source string, column int) group {
	letters := []rune(source)
	at := min(column, len(letters))
	word := cmp.Or(wrongWord.FindString(string(letters[at:])), " ")
	return group{string(letters[:at]), el("mark", word)}
}

var wrongWord = regexp.MustCompile(`^(?:[\w.]+|(?s:.))`)

// set begins another list. A filter that cannot be read changes nothing.
func (c *choice) set(source string) chosen {
	f, err := filter.Compile(source)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		out := chosen{Op: "filter", Expr: source, Filter: c.generation, Error: err.Error()}
		if e := (*filter.SyntaxError)(nil); errors.As(err, &e) {
			out.Error, out.Hint, out.Column = e.Msg, e.Hint(), e.Column
		}
		out.Echo = echo(source, out.Column)
		return out
	}
	if source == "" {
		f = nil
	}
	c.filter = f
	c.again()
	return chosen{Op: "filter", Expr: source, Filter: c.generation}
}

// found is how far a list is.
type found struct {
	length, looked, generation int
	more                       bool            // to look at
	counts                     timeline.Counts // of the classes, those that are hidden as well
	filtered, hides, cleared   bool            // by a filter, by class, up to an entry
}

// How many entries are looked at while nobody else can have some, and of how many
// the classes, which are at hand.
const (
	atOnce        = 100
	classesAtOnce = 1 << 16
)

// look looks at more entries for some time: at all that there are, or those whose
// facts are there when the filter asks for facts. Only push calls it.
func (c *choice) look(src Source, st timeline.Status) found {
	began := time.Now()
	for {
		c.mu.Lock()
		f, generation := c.filter, c.generation
		total := st.Len
		if f != nil && f.NeedsFacts() {
			total = st.Known
		}
		if c.looked > max(total, c.behind) { // some are gone, see timeline.Index
			c.shorten(total)
		}
		looked, all, chooses := c.looked, c.all(), c.chooses()
		out := found{len(c.list()), looked, generation, looked < total, c.counts, f != nil, c.hide != 0, c.behind > 0}
		c.mu.Unlock()
		if !chooses {
			out.counts = src.Counts()
		}
		switch {
		case all:
			return found{length: st.Len, looked: st.Len, generation: generation, counts: out.counts}
		case looked >= total, time.Since(began) > pace:
			return out
		}
		// Those who ask for rows meanwhile need not wait for this.
		var numbers []int32
		var classes []timeline.Class
		passed := 0 // entries
		if f == nil {
			classes = src.Classes(nil, looked+1, min(classesAtOnce, total-looked))
			passed = len(classes)
			for i := range classes {
				numbers = append(numbers, int32(looked+1+i))
			}
		} else {
			var entries []*timeline.Entry
			var err error
			inTurn(func() {
				entries, err = src.Entries(looked+1, min(atOnce, total-looked))
				for _, e := range entries {
					if e.Shows(f, c.secrets) {
						numbers, classes = append(numbers, int32(e.N)), append(classes, e.Class())
					}
				}
			})
			passed = len(entries)
			if err != nil {
				passed++ // it is shown by nobody
			}
		}
		if passed == 0 {
			out.more = false
			return out
		}
		c.mu.Lock()
		if c.generation == generation {
			c.take(numbers, classes)
			c.looked += passed
		}
		c.mu.Unlock()
	}
}

// take adds entries that match. The caller holds mu, also of shorten.
func (c *choice) take(numbers []int32, classes []timeline.Class) {
	for i, n := range numbers {
		if c.chooses() {
			c.counts[classes[i]]++
		}
		if c.hide != 0 && !c.hide.Has(classes[i]) {
			c.numbers = append(c.numbers, n)
		}
	}
	if c.chooses() {
		c.matches, c.classes = append(c.matches, numbers...), append(c.classes, classes...)
	}
}

// shorten forgets what is behind the first total entries.
func (c *choice) shorten(total int) {
	c.looked = max(total, c.behind)
	left, _ := slices.BinarySearch(c.matches, int32(total+1))
	for _, class := range c.classes[left:] {
		c.counts[class]--
	}
	c.matches, c.classes = slices.Clone(c.matches[:left]), slices.Clone(c.classes[:left])
	left, _ = slices.BinarySearch(c.numbers, int32(total+1))
	c.numbers = slices.Clone(c.numbers[:left])
}

// wait waits until the timeline is further than st, or there is another filter
// than that with the given number.
func (c *choice) wait(ctx context.Context, src Source, st timeline.Status, generation int, changed <-chan struct{}) {
	c.mu.Lock()
	other := c.generation != generation
	c.mu.Unlock()
	if other {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with ctx
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	}()
	if st.Done {
		<-ctx.Done()
		return
	}
	src.Wait(ctx, func(now timeline.Status) bool {
		return now.Len != st.Len || now.Known != st.Known || now.Reading != st.Reading || len(now.Trouble) != len(st.Trouble)
	})
}

// number returns which entry is at a place of the list.
func (c *choice) number(at int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all() {
		return at
	}
	if list := c.list(); at >= 1 && at <= len(list) {
		return int(list[at-1])
	}
	return 0
}

// extent returns how long the list is, and which.
func (c *choice) extent(src Source) (length, generation int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all() {
		return src.Status().Len, c.generation
	}
	return len(c.list()), c.generation
}

// entries returns a part of the list.
func (c *choice) entries(src Source, from, count int) ([]*timeline.Entry, int, error) {
	c.mu.Lock()
	generation, all := c.generation, c.all()
	var numbers []int32
	if list := c.list(); !all && from <= len(list) {
		numbers = list[from-1 : min(len(list), from-1+count)]
	}
	c.mu.Unlock()
	if all {
		out, err := src.Entries(from, count)
		return out, generation, err
	}
	var out []*timeline.Entry
	for len(numbers) > 0 {
		run := 1 // of entries that follow each other: they are found at once
		for run < len(numbers) && numbers[run] == numbers[run-1]+1 {
			run++
		}
		e, err := src.Entries(int(numbers[0]), run)
		out = append(out, e...)
		if err != nil {
			return out, generation, err
		}
		numbers = numbers[run:]
	}
	return out, generation, nil
}
