package web

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// A choice is the list of one page: all entries, or those that a filter
// chooses. Only their numbers are kept.
type choice struct {
	mu         sync.Mutex
	filter     *filter.Filter // nil = everything
	generation int            // counts the filters
	numbers    []int32        // of the entries that match
	looked     int
	changed    chan struct{} // closed by set
}

func newChoice() *choice { return &choice{changed: make(chan struct{})} }

// chosen answers a request for a filter.
type chosen struct {
	Op     string `json:"op"`
	Filter int    `json:"filter"`
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Column int    `json:"column"`
}

// set begins another list. A filter that cannot be read changes nothing.
func (c *choice) set(source string) chosen {
	f, err := filter.Compile(source)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		out := chosen{Op: "filter", Filter: c.generation, Error: err.Error()}
		if e := (*filter.SyntaxError)(nil); errors.As(err, &e) {
			out.Error, out.Hint, out.Column = e.Msg, e.Hint(), e.Column
		}
		return out
	}
	if source == "" {
		f = nil
	}
	c.filter, c.numbers, c.looked = f, nil, 0
	c.generation++
	close(c.changed)
	c.changed = make(chan struct{})
	return chosen{Op: "filter", Filter: c.generation}
}

// found is how far a list is.
type found struct {
	length, looked, generation int
	more                       bool // to look at
}

// atOnce is how many entries are looked at while nobody else can have some.
const atOnce = 100

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
		if c.looked > total { // some are gone, see timeline.Index
			c.looked = total
			left, _ := slices.BinarySearch(c.numbers, int32(total+1))
			c.numbers = slices.Clone(c.numbers[:left])
		}
		looked, n := c.looked, len(c.numbers)
		c.mu.Unlock()
		switch {
		case f == nil:
			return found{st.Len, st.Len, generation, false}
		case looked == total, time.Since(began) > pace:
			return found{n, looked, generation, looked < total}
		}
		// Those who ask for rows meanwhile need not wait for this.
		entries, err := src.Entries(looked+1, min(atOnce, total-looked))
		if len(entries) == 0 && err == nil {
			return found{n, looked, generation, false}
		}
		var numbers []int32
		for _, e := range entries {
			if e.Matches(f) {
				numbers = append(numbers, int32(e.N))
			}
		}
		c.mu.Lock()
		if c.generation == generation {
			c.numbers = append(c.numbers, numbers...)
			c.looked += len(entries)
			if err != nil {
				c.looked++ // it is shown by nobody
			}
		}
		c.mu.Unlock()
	}
}

// wait waits until the timeline is further than st, or there is another filter
// than that with the given number.
func (c *choice) wait(ctx context.Context, src Source, st timeline.Status, generation int) {
	c.mu.Lock()
	changed, other := c.changed, c.generation != generation
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
	switch {
	case c.filter == nil:
		return at
	case at < 1 || at > len(c.numbers):
		return 0
	}
	return int(c.numbers[at-1])
}

// entries returns a part of the list.
func (c *choice) entries(src Source, from, count int) ([]*timeline.Entry, int, error) {
	c.mu.Lock()
	generation, all := c.generation, c.filter == nil
	var numbers []int32
	if !all && from <= len(c.numbers) {
		numbers = c.numbers[from-1 : min(len(c.numbers), from-1+count)]
	}
	c.mu.Unlock()
	if all {
		out, err := src.Entries(from, count)
		return out, generation, err
	}
	var out []*timeline.Entry
	for _, n := range numbers {
		e, err := src.Entries(int(n), 1)
		if err != nil {
			return out, generation, err
		}
		out = append(out, e...)
	}
	return out, generation, nil
}
