package web

import (
	"context"
	"errors"
	"slices"
	"sync"

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

// look looks at more entries: all that there are, or those whose facts are there
// when the filter asks for facts.
func (c *choice) look(src Source, st timeline.Status) found {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.filter == nil {
		return found{st.Len, st.Len, c.generation, false}
	}
	total := st.Len
	if c.filter.NeedsFacts() {
		total = st.Known
	}
	if c.looked > total { // some are gone, see timeline.Index
		c.looked = total
		c.numbers = slices.DeleteFunc(c.numbers, func(n int32) bool { return int(n) > total })
	}
	for end := min(total, c.looked+scan); c.looked < end; {
		entries, err := src.Entries(c.looked+1, min(200, end-c.looked))
		for _, e := range entries {
			if e.Matches(c.filter) {
				c.numbers = append(c.numbers, int32(e.N))
			}
		}
		c.looked += len(entries)
		if err != nil {
			c.looked++ // it is shown by nobody
		} else if len(entries) == 0 {
			break
		}
	}
	return found{len(c.numbers), c.looked, c.generation, c.looked < total}
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
