package rule

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/proxy/session"
)

// A Set is the rules that are in force in a proxy. Rules come, go, and are
// switched at any time; sessions take notice at their next frame. The zero value
// has no rules. It is safe for concurrent use.
type Set struct {
	// Seed is where chance begins: with the same seed the same traffic has the
	// same fate. Set it before the first Judge.
	Seed uint64
	// Changed is called, if not nil, after rules changed, with the number of
	// those that are on: the proxy need not be armed for none. It must not call
	// the Set.
	Changed func(on int)

	mu      sync.Mutex
	entries []*entry     // guarded by mu; the list is never changed, but replaced
	version atomic.Int64 // grows with every change of entries
	telling sync.Mutex   // held while Changed runs
}

// entry is a rule in a Set.
type entry struct {
	rule   *Rule
	source string // whose it is: a file, "command line", "viewer"
	on     atomic.Bool

	mu      sync.Mutex
	count   counter // guarded by mu
	matched atomic.Int64
	fired   atomic.Int64
}

// counter is what after, every and limit count.
type counter struct{ seen, fired int }

// A Status is what is to be said of a rule in force.
type Status struct {
	Name, When, Do string
	Source         string
	On             bool
	Matched        int64 // entries that it is about
	Fired          int64 // how often it did something
	Limit          int   // 0 = none
}

// ErrNoRule says that no rule has a name.
var ErrNoRule = errors.New("rule: no rule has this name")

// Replace makes rules those of a source, in place of the ones it had. Rules that
// are the same as before keep their counters and stay switched as they are. The
// error names a rule of another source that is called the same; nothing is
// changed then.
func (s *Set) Replace(source string, rules []*Rule) error {
	s.mu.Lock()
	var list []*entry
	at := -1
	old := make(map[string]*entry)
	for _, e := range s.entries {
		if e.source != source {
			list = append(list, e)
			continue
		}
		if at < 0 {
			at = len(list)
		}
		old[e.rule.Name] = e
	}
	if at < 0 {
		at = len(list)
	}
	var mine []*entry
	for _, r := range rules {
		if i := slices.IndexFunc(list, func(e *entry) bool { return e.rule.Name == r.Name }); i >= 0 {
			s.mu.Unlock()
			return fmt.Errorf("rule: %s and %s both have a rule called %q: give one of them another name", list[i].source, source, r.Name)
		}
		e := &entry{rule: r, source: source}
		e.on.Store(r.On)
		if was := old[r.Name]; was != nil && was.rule.When == r.When && was.rule.Do == r.Do && was.rule.On == r.On {
			e.on.Store(was.on.Load())
			was.mu.Lock()
			e.count = was.count
			was.mu.Unlock()
			e.matched.Store(was.matched.Load())
			e.fired.Store(was.fired.Load())
		}
		mine = append(mine, e)
	}
	s.entries = slices.Insert(list, at, mine...)
	s.changed()
	return nil
}

// Add puts a rule behind the others.
func (s *Set) Add(source string, r *Rule) error {
	s.mu.Lock()
	if slices.ContainsFunc(s.entries, func(e *entry) bool { return e.rule.Name == r.Name }) {
		s.mu.Unlock()
		return fmt.Errorf("rule: there is a rule called %q: remove it, or give this one another name", r.Name)
	}
	e := &entry{rule: r, source: source}
	e.on.Store(r.On)
	s.entries = append(slices.Clone(s.entries), e)
	s.changed()
	return nil
}

// Remove takes a rule away.
func (s *Set) Remove(name string) error {
	s.mu.Lock()
	i := slices.IndexFunc(s.entries, func(e *entry) bool { return e.rule.Name == name })
	if i < 0 {
		s.mu.Unlock()
		return fmt.Errorf("%w: %q", ErrNoRule, name)
	}
	s.entries = slices.Delete(slices.Clone(s.entries), i, i+1)
	s.changed()
	return nil
}

// Switch turns a rule on or off.
func (s *Set) Switch(name string, on bool) error {
	s.mu.Lock()
	i := slices.IndexFunc(s.entries, func(e *entry) bool { return e.rule.Name == name })
	if i < 0 {
		s.mu.Unlock()
		return fmt.Errorf("%w: %q", ErrNoRule, name)
	}
	s.entries[i].on.Store(on)
	s.changed()
	return nil
}

// changed ends a change: it lets mu go and tells. Of two changes at a time each tells
// what is so then, not what it made so: the last word is right whoever has it.
func (s *Set) changed() {
	s.version.Add(1)
	s.mu.Unlock()
	if s.Changed != nil {
		s.telling.Lock()
		defer s.telling.Unlock()
		s.Changed(s.On())
	}
}

// On is the number of rules that are on.
func (s *Set) On() int {
	n := 0
	for _, st := range s.List() {
		if st.On {
			n++
		}
	}
	return n
}

// List says how the rules stand, in the order in which they are asked.
func (s *Set) List() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Status, 0, len(s.entries))
	for _, e := range s.entries {
		out = append(out, Status{e.rule.Name, e.rule.When, e.rule.Do, e.source, e.on.Load(), e.matched.Load(), e.fired.Load(), e.rule.limit})
	}
	return out
}

// Judge makes the judge of a session, which begins now; clock is the time since
// then, nil = a real one.
func (s *Set) Judge(conn int, clock func() time.Duration) session.Judge {
	if clock == nil {
		begun := time.Now()
		clock = func() time.Duration { return time.Since(begun) }
	}
	return &judge{set: s, conn: conn, clock: clock, version: -1}
}

// Pause is the rule of --pause and of breakpoints: it holds what matches.
func Pause(name, expr string) (*Rule, error) {
	f, err := filter.Compile(expr)
	if err != nil {
		return nil, err
	}
	hold, _, _ := new(reader).actions(scalarNode(word{text: "hold"}), nil)
	return &Rule{Name: name, When: expr, Do: "hold", On: true, match: f, actions: hold, chance: 1}, nil
}
