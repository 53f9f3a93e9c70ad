package rule

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

// judge asks the rules of a Set about the frames of one session. It is used by
// one goroutine at a time.
type judge struct {
	set     *Set
	conn    int
	clock   func() time.Duration
	version int64
	rules   []*asked
	facts   *track.Tracker // nil: no rule asks for facts
	named   []named        // which rules are worth asking, by what was seen
	fields  stanza.Fields  // what they want to know of start tags
	frames  int            // that facts were told of
	subject filter.Subject
	head    stanza.Stanza // of the frame
	full    stanza.Stanza // the same with its content, when read is true
	read    bool
	found   track.Facts
}

// named are the rules that may be about frames of a kind, a name, a namespace and a
// direction. Most of what passes has few of these, and no rule is about it.
type named struct {
	dir      record.Dir
	kind     decode.Kind
	name, ns string
	rules    []*asked
}

// maxNamed bounds what is remembered of names.
const maxNamed = 32

// candidates are the rules that may be about a frame, by its name.
func (j *judge) candidates(d record.Dir, f *decode.Frame) []*asked {
	for i := range j.named {
		n := &j.named[i]
		if n.kind == f.Kind && n.dir == d && n.name == string(f.Name) && n.ns == string(f.NS) {
			return n.rules
		}
	}
	head := stanza.HeadOf(*f, 0)
	s := filter.Subject{Dir: string(d), Frame: *f, Stanza: &head}
	var out []*asked
	for _, a := range j.rules {
		if a.rule.match.MayByName(&s) {
			out = append(out, a)
		}
	}
	if len(j.named) < maxNamed {
		j.named = append(j.named, named{d, f.Kind, string(f.Name), string(f.NS), out})
	}
	return out
}

// asked is a rule as one session asks it.
type asked struct {
	*entry
	match *filter.Filter // nil until the rule's start tag fitted once
	rng   *rand.Rand     // nil until chance is needed
	count counter        // of per: connection
}

// sync takes over what changed in the set.
func (j *judge) sync() {
	v := j.set.version.Load()
	if v == j.version {
		return
	}
	j.set.mu.Lock()
	entries := j.set.entries
	v = j.set.version.Load()
	j.set.mu.Unlock()
	j.version = v
	old := j.rules
	j.rules, j.fields, j.named = nil, 0, nil
	needs := false
	for _, e := range entries {
		if !e.on.Load() {
			continue
		}
		a := &asked{entry: e}
		for _, was := range old {
			if was.entry == e {
				a = was
			}
		}
		j.rules = append(j.rules, a)
		j.fields |= e.rule.match.HeadFields()
		needs = needs || e.rule.match.NeedsFacts()
	}
	switch {
	case !needs:
		j.facts = nil
	case j.facts == nil:
		j.facts = new(track.Tracker)
		if j.frames == 0 {
			j.facts.Open(j.conn, j.clock())
		} else {
			j.facts.Joined(j.conn, true, j.clock())
		}
	}
}

// Judge is session.Judge.
func (j *judge) Judge(seen session.Seen) session.Plan {
	j.sync()
	j.frames++
	if len(j.rules) == 0 {
		return nil
	}
	rules := j.candidates(seen.Dir, &seen.Frame)
	if len(rules) == 0 && j.facts == nil {
		return nil
	}
	j.read = false
	j.head = stanza.HeadOf(seen.Frame, j.fields)
	j.subject = filter.Subject{Conn: j.conn, Dir: string(seen.Dir), Frame: seen.Frame, Stanza: &j.head, Facts: &j.found, Outcome: "passed"}
	if j.facts != nil {
		j.follow(seen)
	}
	var plan session.Plan
	raw := seen.Frame.Raw
	for _, a := range rules {
		if seen.Fixed && !a.rule.fixed || !a.rule.match.May(&j.subject) {
			continue
		}
		steps, more := j.ask(a, seen, raw)
		plan = append(plan, steps...)
		if !more {
			break
		}
		for _, s := range steps { // the rules behind it go on with what it made
			switch s := s.(type) {
			case session.Edit:
				raw = s.Bytes
			case session.Corrupt:
				raw = s.Bytes
			}
		}
	}
	return plan
}

// follow tells the tracker of a frame.
func (j *judge) follow(seen session.Seen) {
	j.content()
	dir := track.CS
	if seen.Dir == record.SC {
		dir = track.SC
	}
	j.found = j.facts.Frame(track.Frame{Conn: j.conn, Dir: dir, N: j.frames, At: j.clock(), Frame: seen.Frame, Stanza: &j.full})
}

// content reads the whole frame.
func (j *judge) content() {
	if j.read {
		return
	}
	j.full, j.read = stanza.Parse(j.subject.Frame), true
	j.subject.Stanza = &j.full
}

// ask asks one rule; more tells that the next ones are asked, too.
func (j *judge) ask(a *asked, seen session.Seen, raw []byte) (plan session.Plan, more bool) {
	if a.match == nil {
		// A filter must not be used by two sessions at once.
		m, err := filter.Compile(a.rule.When)
		if err != nil {
			return nil, true
		}
		a.match = m
	}
	j.content()
	if !a.match.Match(&j.subject) || !j.due(a) {
		return nil, true
	}
	s := &shot{
		values: values{s: &j.full, raw: raw, count: int(a.fired.Add(1)), token: func() string { return fmt.Sprintf("x%016x", a.chance(j).Uint64()) }},
		dir:    seen.Dir, frame: seen.Frame, reason: session.Reason{By: "rule " + a.rule.Name, Why: a.rule.When}, rng: a.chance(j),
	}
	s.frame.Raw = raw
	if len(a.rule.captures) > 0 {
		s.captured = make(map[string]string)
		for _, c := range a.rule.captures {
			s.captured[c.name] = c.path.Text(j.full.Root(), seen.Frame.Raw)
		}
	}
	for _, do := range a.rule.actions {
		plan = append(plan, do(s)...)
	}
	return plan, a.rule.goesOn || lets(plan)
}

// lets tells that a plan has nothing to say about the frame itself.
func lets(plan session.Plan) bool {
	for _, step := range plan {
		switch step.(type) {
		case session.Note, session.Throttle, session.Inject:
		default:
			return false
		}
	}
	return true
}

// due counts a match, and reports whether the rule fires.
func (j *judge) due(a *asked) bool {
	r := a.rule
	if now := time.Duration(0); r.until > 0 {
		if now = j.clock(); now < r.since || now > r.until {
			return false
		}
	}
	a.matched.Add(1)
	c := &a.count
	if !r.perConn {
		a.mu.Lock()
		defer a.mu.Unlock()
		c = &a.entry.count
	}
	c.seen++
	switch {
	case r.limit > 0 && c.fired >= r.limit,
		c.seen <= r.after,
		r.every > 1 && (c.seen-r.after)%r.every != 0,
		r.chance < 1 && a.chance(j).Float64() >= r.chance:
		return false
	}
	c.fired++
	return true
}

// chance is the rule's own in this session, so that what other connections do
// meanwhile changes nothing.
func (a *asked) chance(j *judge) *rand.Rand {
	if a.rng == nil {
		seed := a.rule.seed
		if j.set.Seed != 0 || seed == 0 {
			seed = j.set.Seed
		}
		h := fnv.New64a()
		h.Write([]byte(a.rule.Name))
		a.rng = rand.New(rand.NewPCG(seed, h.Sum64()+uint64(j.conn)))
	}
	return a.rng
}

// Close ends the session's judge.
func (j *judge) Close() { j.rules, j.facts = nil, nil }
