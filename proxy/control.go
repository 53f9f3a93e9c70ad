package proxy

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

// This file is what people and programs do to the sessions that are going on:
//
//	p.Arm("breakpoints", func(conn int) session.Judge { … }) // who is asked about frames
//	for range changes {                                      // of p.Watch
//		for _, s := range p.Sessions() {
//			for _, h := range s.Held {
//				err := p.Decide(s.Conn, session.Verdict{Dir: h.Dir, Offset: h.Offset, Decision: session.DropIt, By: "viewer"})
//			}
//		}
//	}
//	err := p.Inject(1, session.Injection{Dir: record.SC, Bytes: …})
//
// All of it may be called by many at once, and never waits for a peer: what is to
// be sent is written by goroutines that belong to the connection. Sessions over
// BOSH are asked about their frames, by who is armed when they begin, but nothing
// can be held or put into them; they are not in the list.

// A Factory makes the judge of a connection, when it begins or when Arm comes
// later; nil = none for that one. If the judge has a method Close, it is called
// when the connection ends or somebody else is armed under the name. A factory and
// a judge run while locks of the proxy are held: they must not call it.
type Factory func(conn int) session.Judge

// arms are those who are asked about frames, in the order in which they came.
type arms struct {
	mu   sync.Mutex
	list []arm // guarded by mu
}

type arm struct {
	name string
	make Factory
}

// judges are those of one connection, by the names of their arms.
type judges struct {
	names []string
	list  []session.Judge
}

// Judge asks one after the other, until a plan ends with the frame.
func (j *judges) Judge(seen session.Seen) (plan session.Plan) {
	for _, x := range j.list {
		more := x.Judge(seen)
		if len(more) == 0 {
			continue
		}
		plan = append(plan[:len(plan):len(plan)], more...)
		if session.Ends(more) {
			break
		}
	}
	return plan
}

// as returns what the session is told: nobody, one, or all.
func (j *judges) as() session.Judge {
	switch len(j.list) {
	case 0:
		return nil
	case 1:
		return j.list[0]
	}
	return &judges{list: slices.Clone(j.list)}
}

func (j *judges) set(name string, x session.Judge) {
	if i := slices.Index(j.names, name); i >= 0 {
		closeJudge(j.list[i])
		j.names, j.list = slices.Delete(j.names, i, i+1), slices.Delete(j.list, i, i+1)
	}
	if x != nil {
		j.names, j.list = append(j.names, name), append(j.list, x)
	}
}

func (j *judges) close() {
	for _, x := range j.list {
		closeJudge(x)
	}
	j.names, j.list = nil, nil
}

func closeJudge(x session.Judge) {
	if c, ok := x.(interface{ Close() }); ok {
		c.Close()
	}
}

// Arm has the judges that f makes asked about the frames of all connections, those
// that are open from their next frame on; f = nil takes them away, and lets what
// only they hold pass. Each name stands for one party (rules, breakpoints, pause);
// a second Arm with it replaces the first.
func (p *Proxy) Arm(name string, f Factory) {
	p.arms.mu.Lock()
	defer p.arms.mu.Unlock()
	i := slices.IndexFunc(p.arms.list, func(a arm) bool { return a.name == name })
	switch {
	case i >= 0 && f == nil:
		p.arms.list = slices.Delete(p.arms.list, i, i+1)
	case i >= 0:
		p.arms.list[i].make = f
	case f != nil:
		p.arms.list = append(p.arms.list, arm{name, f})
	}
	p.each(func(c *conn) { c.arm(name, f) })
	p.poke()
}

// Armed are the names under which somebody is armed.
func (p *Proxy) Armed() (names []string) {
	p.arms.mu.Lock()
	defer p.arms.mu.Unlock()
	for _, a := range p.arms.list {
		names = append(names, a.name)
	}
	return names
}

// A Session is a connection that is open.
type Session struct {
	Conn           int
	Client, Server string // their addresses
	Held           []Held // at most one of each direction
	// CS and SC say why nothing can be injected in that direction; "" = it can.
	CS, SC string
}

// Held is a frame that waits for a verdict.
type Held struct {
	session.HeldFrame
	Until time.Time // then it passes by itself
}

// Sessions are the connections that are open, by their numbers.
func (p *Proxy) Sessions() (list []Session) {
	for _, c := range p.open() {
		c.mu.Lock()
		if !c.sess.Closed() {
			x := Session{Conn: c.id, Client: c.legs[session.Client].remote(), Server: c.legs[session.Server].remote(), CS: text(c.sess.CanPut(record.CS)), SC: text(c.sess.CanPut(record.SC))}
			for _, h := range c.sess.Held() {
				x.Held = append(x.Held, Held{h, c.bg.until(h.Timer)})
			}
			list = append(list, x)
		}
		c.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b Session) int { return a.Conn - b.Conn })
	return list
}

// Holding is how many frames are held in all connections: what Sessions tells of them
// costs more.
func (p *Proxy) Holding() (n int) {
	for _, c := range p.open() {
		c.mu.Lock()
		if !c.sess.Closed() {
			n += len(c.sess.Held())
		}
		c.mu.Unlock()
	}
	return n
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Refuses says why Decide (with a verdict) or Inject (with an injection) would not be
// possible now, without doing it; nil when it would.
func (p *Proxy) Refuses(conn int, v *session.Verdict, in *session.Injection) error {
	c := p.conn(conn)
	if c == nil {
		return noConnection(conn)
	}
	what := session.Input{On: session.Decided, Verdict: v}
	if v == nil {
		what = session.Input{On: session.Put, Injection: in}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sess.Refuses(what)
}

// Decide decides about a frame that is held; the error says why that is not
// possible, and the frame stays.
func (p *Proxy) Decide(conn int, v session.Verdict) error {
	return p.do(conn, session.Input{On: session.Decided, Verdict: &v})
}

// Inject puts elements into a connection, at the next boundary between elements of
// the direction; the error says why that is not possible. They may be sent after
// Inject has returned.
func (p *Proxy) Inject(conn int, in session.Injection) error {
	return p.do(conn, session.Input{On: session.Put, Injection: &in})
}

func (p *Proxy) do(id int, in session.Input) error {
	c := p.conn(id)
	if c == nil {
		return noConnection(id)
	}
	return c.ask(in)
}

// conn is the open connection with a number, or nil.
func (p *Proxy) conn(id int) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if c.id == id {
			return c
		}
	}
	return nil
}

func noConnection(id int) error { return fmt.Errorf("proxy: there is no connection %d", id) }

// Watch returns a channel that is poked when something has changed that Sessions
// or Armed tell. Changes that nobody has waited for become one.
func (p *Proxy) Watch() (changes <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	p.watch.mu.Lock()
	defer p.watch.mu.Unlock()
	if p.watch.all == nil {
		p.watch.all = make(map[chan struct{}]struct{})
	}
	p.watch.all[ch] = struct{}{}
	return ch, func() {
		p.watch.mu.Lock()
		defer p.watch.mu.Unlock()
		delete(p.watch.all, ch)
	}
}

type watchers struct {
	mu  sync.Mutex
	all map[chan struct{}]struct{} // guarded by mu
}

func (p *Proxy) poke() {
	p.watch.mu.Lock()
	defer p.watch.mu.Unlock()
	for ch := range p.watch.all {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// tells reports whether what is recorded changes what Sessions tell.
func tells(events []record.Event) bool {
	for i := range events {
		switch events[i].E {
		case record.EventHold, record.EventVerdict, record.EventOpen, record.EventClose:
			return true
		}
	}
	return false
}

// judgesOf makes the judges of a connection that begins. The caller
// holds arms.mu.
func (p *Proxy) judgesOf(id int) (j judges) {
	for _, a := range p.arms.list {
		j.set(a.name, a.make(id))
	}
	return j
}

// judgesNow makes those of a session over BOSH: who is armed later is not asked
// about it.
func (p *Proxy) judgesNow(id int) judges {
	p.arms.mu.Lock()
	defer p.arms.mu.Unlock()
	return p.judgesOf(id)
}

// background are the goroutines and timers of a connection beside its two directions.
type background struct {
	wg     sync.WaitGroup
	mu     sync.Mutex
	timers map[int64]timer // guarded by mu
	over   bool            // guarded by mu; nothing begins any more
}

// timer is one that is set.
type timer struct {
	*time.Timer
	until time.Time
}

// until is when a timer ends; the zero time when it has.
func (b *background) until(id int64) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.timers[id].until
}

// run starts f, unless the connection is over.
func (b *background) run(f func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return false
	}
	b.wg.Go(f)
	return true
}

// wait runs f after d.
func (b *background) wait(id int64, d time.Duration, f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return
	}
	if b.timers == nil {
		b.timers = make(map[int64]timer)
	}
	b.timers[id] = timer{time.AfterFunc(d, func() {
		b.mu.Lock()
		delete(b.timers, id)
		b.mu.Unlock()
		b.run(f)
	}), time.Now().Add(d)}
}

// unwait has nothing run any more.
func (b *background) unwait(id int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t, there := b.timers[id]; there {
		t.Stop()
		delete(b.timers, id)
	}
}

// end stops the timers and waits for what runs.
func (b *background) end() {
	b.mu.Lock()
	b.over = true
	for _, t := range b.timers {
		t.Stop()
	}
	b.timers = nil
	b.mu.Unlock()
	b.wg.Wait()
}

// arm changes one of those who are asked about frames.
func (c *conn) arm(name string, f Factory) {
	defer c.p.crashed()
	var x session.Judge
	if f != nil {
		x = f(c.id)
	}
	c.mu.Lock()
	c.judges.set(name, x)
	c.background(session.Input{On: session.Arm, Judge: c.judges.as()})
}

// ask hands in what people want, if it is possible.
func (c *conn) ask(in session.Input) error {
	defer c.p.fatal()
	c.mu.Lock()
	err := c.sess.Refuses(in)
	if to := session.Client; err == nil && in.On == session.Put {
		if in.Injection.Dir == record.CS {
			to = session.Server
		}
		if c.legs[to].full() {
			err = fmt.Errorf("proxy: the %s does not read, and %d KiB wait for it already", to, maxQueued>>10)
		}
	}
	if err != nil {
		c.mu.Unlock()
		return err
	}
	c.background(in)
	return nil
}

// background gives the session an input and has the answer carried out by a
// goroutine. The caller holds mu, which is given back.
func (c *conn) background(in session.Input) {
	t := c.prepare(c.sess.Handle(in), noLeg)
	run := func() {
		defer c.p.crashed()
		c.carryOut(context.Background(), t)
	}
	if !c.bg.run(run) {
		run() // the legs are closed
	}
}
