package replay

import (
	"container/heap"
	"fmt"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// A Player is the server's side of a session whose client is logged in. It has
// no clock and no socket: times are given to it, since any beginning, and what
// it says is taken with Take.
//
// Three kinds of steps are said: an answer once its question came; what nobody
// asked for once the client said everything that stood before it; and both not
// before what was said before them, as far as that may be said. So a client may
// ask in another order than the recorded one, and still gets the recorded order
// where it keeps to it.
type Player struct {
	script *Script
	s      *Session
	expect Expect
	pace   Pace
	w      rewriter
	live   stanza.JID
	res    *Result

	began time.Duration
	done  []bool         // steps of the client's that came
	sent  []bool         // steps of the server's that were said
	given []bool         // steps of the client's that are not waited for any more; nil = none
	next  map[string]int // by meaning: how many of its steps are done from the beginning on
	high  map[string]int32
	asked map[string]int32 // ids of iqs that the client was asked, which it has to answer
	ready due

	at       int           // steps before it are settled: what comes behind a step of the client's waits for it
	base     time.Duration // when at became what it is
	baseT    time.Duration // and what time it was in the recording
	heard    time.Duration // when anything happened last
	gaveUp   bool
	pushes   int // steps that nobody asks for and that were not said
	man      management
	out      []byte
	closing  bool
	finished bool
}

// A duty is a step that is to be said.
type duty struct {
	step int32
	due  time.Duration
	id   string // of the question
}

// due is a heap of duties in the order of the recording.
type due []duty

func (d due) Len() int           { return len(d) }
func (d due) Less(i, j int) bool { return d[i].step < d[j].step }
func (d due) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *due) Push(x any)        { *d = append(*d, x.(duty)) }
func (d *due) Pop() any {
	old := *d
	x := old[len(old)-1]
	*d = old[:len(old)-1]
	return x
}

// newPlayer begins at now, which is wall in the world: the client has just been
// told that it is live.
func newPlayer(script *Script, s *Session, live stanza.JID, others map[string]string, expect Expect, pace Pace, now time.Duration, wall time.Time) *Player {
	p := &Player{script: script, s: s, expect: expect, pace: pace, live: live, began: now, base: now, baseT: s.Began, heard: now,
		done: make([]bool, len(s.Steps)), sent: make([]bool, len(s.Steps)), next: make(map[string]int), high: make(map[string]int32), asked: make(map[string]int32),
		res: &Result{Number: s.number, Account: live.String(), Conns: s.Conns}}
	p.w.names = Names{From: s.Account, To: live, Others: others}
	p.w.shift = wall.Sub(script.Start.Add(s.Began))
	for i := range s.Steps {
		st := &s.Steps[i]
		if p.counts(st) {
			p.res.Expected++
		}
		if st.Dir == record.SC && !p.silent(st) {
			p.pushes++
		}
	}
	p.release(now)
	return p
}

// counts reports whether the client has to say a step.
func (p *Player) counts(st *Step) bool {
	return st.Dir == record.CS && !st.End && (st.weight == must || st.weight == may && p.expect == Strict)
}

// silent are the steps of the server's that nobody waits for: answers, which
// come when they are asked for, and requests for acknowledgements.
func (p *Player) silent(st *Step) bool { return st.Answer || st.meaning != "" && isSMStep(st) }

func isSMStep(st *Step) bool { return strings.HasPrefix(st.meaning, "nonza|urn:xmpp:sm:") }

// Take returns what is to be sent, once.
func (p *Player) Take() []byte {
	b := p.out
	p.out = nil
	return b
}

// Next is when Tick wants to be called; false = only when something was heard.
func (p *Player) Next() (time.Duration, bool) {
	if len(p.ready) > 0 {
		return p.ready[0].due, true
	}
	return p.deadline()
}

// deadline is when the step at at is given up.
func (p *Player) deadline() (time.Duration, bool) {
	if p.closing || p.pace.Patience <= 0 || p.pushes == 0 || p.at >= len(p.s.Steps) {
		return 0, false
	}
	wait := p.pace.of(p.s.Steps[p.at].T - p.baseT)
	if !p.gaveUp {
		wait += p.pace.Patience
	}
	return max(p.base, p.heard) + wait, true
}

// Tick says what is due.
func (p *Player) Tick(now time.Duration) {
	for !p.closing {
		if len(p.ready) > 0 {
			if p.ready[0].due > now {
				return
			}
			d := heap.Pop(&p.ready).(duty)
			p.say(d, now)
			continue
		}
		if t, ok := p.deadline(); !ok || t > now {
			return
		}
		// The client will not say it. What stands behind it comes all
		// the same; in the end it is missing.
		if p.given == nil {
			p.given = make([]bool, len(p.s.Steps))
		}
		p.given[p.at], p.gaveUp = true, true
		p.release(now)
	}
}

// release finds what may be said now that nobody asked for.
func (p *Player) release(now time.Duration) {
	for ; p.at < len(p.s.Steps); p.at++ {
		st := &p.s.Steps[p.at]
		if st.Dir == record.CS {
			if !st.End && st.weight == must && !p.done[p.at] && (p.given == nil || !p.given[p.at]) {
				return
			}
			if st.T > p.baseT {
				p.base, p.baseT = max(now, p.base), st.T
			}
			continue
		}
		if !st.Answer {
			heap.Push(&p.ready, duty{step: int32(p.at), due: p.base + p.pace.of(st.T-p.baseT)})
		}
	}
}

// say says a step.
func (p *Player) say(d duty, now time.Duration) {
	st := &p.s.Steps[d.step]
	first := !p.sent[d.step]
	p.sent[d.step] = true
	if first && !p.silent(st) {
		p.pushes--
	}
	p.heard = now
	switch {
	case st.End:
		p.out = append(p.out, "</stream:stream>"...)
		p.closing = true
		return
	case isSMStep(st):
		if p.man.on {
			p.out = fmt.Appendf(p.out, "<r xmlns='%s'/>", p.man.ns)
		}
		return
	}
	f, root, err := p.script.frame(st.piece)
	if err != nil {
		p.res.differ(Broken, st.N, true, "%v", err)
		return
	}
	b := p.w.live(f, root, d.id)
	if st.Ask {
		p.asked[root.Attr("id")] = d.step
	}
	p.res.Said++
	switch root.Name {
	case "message", "presence", "iq":
		p.write(b)
	default:
		p.out = append(p.out, b...)
		if root.NS == nsStreams && root.Name == "error" {
			p.out = append(p.out, "</stream:stream>"...)
			p.closing = true
		}
	}
}

// write sends a stanza.
func (p *Player) write(b []byte) {
	p.man.sent(b)
	p.out = append(p.out, b...)
}

// Hear takes an element that the client said.
func (p *Player) Hear(now time.Duration, f decode.Frame) {
	if p.closing {
		return
	}
	root, err := stanza.Tree(f)
	if err != nil {
		return
	}
	p.heard = now
	switch {
	case isSM(root.NS):
		p.manage(root)
	case root.Name == "iq" || root.Name == "message" || root.Name == "presence":
		p.man.in++
		p.stanza(now, f, root)
	default:
		p.stanza(now, f, root)
	}
	p.Tick(now)
}

func (p *Player) manage(root *stanza.Node) {
	m := &p.man
	switch root.Name {
	case "enable":
		if m.on {
			p.out = fmt.Appendf(p.out, "<failed xmlns='%s'><unexpected-request xmlns='%s'/></failed>", root.NS, nsStanzas)
			return
		}
		if p.s.enabled.size == 0 {
			p.res.differ(Extra, 0, p.expect == Strict, "→ enable of stream management, which the recording lacks")
		}
		p.out = append(p.out, p.enable(root)...)
	case "r":
		if m.on {
			p.out = append(p.out, m.answer()...)
		}
	case "a":
		h, ok := counter(root)
		if m.on && (!ok || !m.ack(h)) {
			p.res.differ(Broken, 0, true, "the client acknowledges %s of %d stanzas", root.Attr("h"), m.out)
			p.out = fmt.Appendf(p.out, "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><handled-count-too-high xmlns='%s' h='%d' send-count='%d'/></stream:error></stream:stream>", m.ns, h, m.out)
			p.closing = true
		}
	}
}

// enable switches stream management on and returns the answer: with resumption
// where it is asked for and was recorded.
func (p *Player) enable(root *stanza.Node) string {
	m := &p.man
	m.on, m.ns, m.in = true, root.NS, 0
	if p.s.enabled.size > 0 {
		if _, old, err := p.script.frame(p.s.enabled); err == nil && truth(old.Attr("resume")) && truth(root.Attr("resume")) {
			m.id = randomID()
			most := ""
			if v := old.Attr("max"); v != "" {
				most = " max='" + escape(v) + "'"
			}
			return fmt.Sprintf("<enabled xmlns='%s' id='%s' resume='true'%s/>", m.ns, m.id, most)
		}
	}
	return fmt.Sprintf("<enabled xmlns='%s'/>", m.ns)
}

// resume goes on with the session on another connection and returns what is
// said there.
func (p *Player) resume(now time.Duration, root *stanza.Node) (string, bool) {
	m := &p.man
	h, ok := counter(root)
	if !ok || m.id == "" || p.closing || !m.ack(h) {
		return "", false
	}
	p.heard = now
	p.out = nil
	var b strings.Builder
	fmt.Fprintf(&b, "<resumed xmlns='%s' previd='%s' h='%d'/>", m.ns, m.id, m.in)
	for _, s := range m.queue {
		b.Write(s)
	}
	return b.String(), true
}

// stanza finds what was recorded for a live stanza.
func (p *Player) stanza(now time.Duration, f decode.Frame, root *stanza.Node) {
	typ, id := root.Attr("type"), root.Attr("id")
	if root.Name == "iq" && (typ == "result" || typ == "error") {
		p.answered(now, f, root, id, typ == "error")
		return
	}
	ask := root.Name == "iq"
	peer := p.w.names.peer(root.Attr("to"))
	if ask && root.Child(nsSession, "session") != nil || isServerPing(root, peer, p.s.Account.Domain) {
		p.reply(root, "result", "")
		return
	}
	i, again := p.find(meaning(root, peer), detail(root, peer))
	if i < 0 || again && !ask {
		p.res.differ(Extra, 0, p.expect == Strict, "%s is not in the recording%s", p.words(f), map[bool]string{true: " once more", false: ""}[again])
		if ask {
			p.reply(root, "error", "service-unavailable")
		}
		return
	}
	st := &p.s.Steps[i]
	if !again {
		p.came(now, i, st, root, f)
	} else {
		p.res.differ(Extra, st.N, p.expect == Strict, "%s came once more; it gets the last recorded answer", p.words(f))
		p.learn(st, root)
	}
	if !ask {
		return
	}
	if st.Pair >= 0 {
		if again && len(p.ready) > maxDuties {
			p.reply(root, "error", "service-unavailable")
			return
		}
		a := &p.s.Steps[st.Pair]
		heap.Push(&p.ready, duty{st.Pair, now + p.pace.of(a.T-st.T), id})
		return
	}
	if st.Last {
		p.res.differ(Unanswered, st.N, false, "%s was not answered before the recorded session ended", p.script.Summary(st))
	} else if !again {
		p.res.differ(Unanswered, st.N, true, "%s has no answer in the recording", p.script.Summary(st))
	}
	p.reply(root, "error", "service-unavailable")
}

// came marks a step of the client's.
func (p *Player) came(now time.Duration, i int32, st *Step, root *stanza.Node, f decode.Frame) {
	p.done[i], p.gaveUp = true, false
	if p.counts(st) {
		p.res.meet(st.N)
	}
	group := "all"
	if p.expect != Strict {
		group = ordered(root, p.w.names.peer(root.Attr("to")))
	}
	if group != "" && st.weight != free {
		if high, ok := p.high[group]; ok && high > i {
			p.res.differ(Order, st.N, true, "%s came behind entry %d", p.words(f), p.s.Steps[high].N)
		} else {
			p.high[group] = i
		}
	}
	p.learn(st, root)
	p.release(now)
}

func (p *Player) learn(st *Step, root *stanza.Node) {
	if _, recorded, err := p.script.frame(st.piece); err == nil {
		p.w.learn(recorded, root)
	}
}

// answered pairs an answer of the client's with what it was asked.
func (p *Player) answered(now time.Duration, f decode.Frame, root *stanza.Node, id string, failed bool) {
	q, ok := p.asked[id]
	delete(p.asked, id)
	if !ok || p.s.Steps[q].Pair < 0 || p.done[p.s.Steps[q].Pair] {
		if !ok || p.s.Steps[q].Pair >= 0 {
			p.res.differ(Extra, 0, p.expect == Strict, "%s answers nothing that was asked", p.words(f))
		}
		return
	}
	i := p.s.Steps[q].Pair
	st := &p.s.Steps[i]
	if failed != st.Failed {
		p.res.differ(Answer, st.N, true, "%s instead of %s", p.words(f), p.script.Summary(st))
	}
	p.came(now, i, st, root, f)
}

// maxDuties bounds the answers that are under way when a client asks the same
// again and again.
const maxDuties = 10_000

// window bounds the search for a step that is the same in detail, too.
const window = 64

// find returns the step that a live stanza stands for: the first of its meaning
// that did not come, or a near one that is the same in detail. again says that
// all of them came; then it is the last.
func (p *Player) find(m string, detail uint64) (i int32, again bool) {
	list := p.s.byMeaning[m]
	if len(list) == 0 {
		return -1, false
	}
	at := p.next[m]
	for at < len(list) && p.done[list[at]] {
		at++
	}
	p.next[m] = at
	if at == len(list) {
		return list[at-1], true
	}
	for _, c := range list[at:min(at+window, len(list))] {
		if !p.done[c] && p.s.Steps[c].detail == detail {
			return c, false
		}
	}
	return list[at], false
}

// reply answers an iq with nothing, or with an error.
func (p *Player) reply(root *stanza.Node, typ, condition string) {
	from := ""
	if to := root.Attr("to"); to != "" {
		from = " from='" + escape(to) + "'"
	}
	s := fmt.Sprintf("<iq type='%s' id='%s'%s to='%s'", typ, escape(root.Attr("id")), from, escape(p.live.String()))
	if condition == "" {
		s += "/>"
	} else {
		s += fmt.Sprintf("><error type='cancel'><%s xmlns='%s'/></error></iq>", condition, nsStanzas)
	}
	p.write([]byte(s))
}

// words is a live stanza in words.
func (p *Player) words(f decode.Frame) string {
	s := stanza.Parse(f)
	return "→ " + s.Summary
}

// Complete reports whether everything was said on both sides.
func (p *Player) Complete() bool { return p.at == len(p.s.Steps) && len(p.ready) == 0 }

// Finish ends the session at now and returns how it went.
func (p *Player) Finish(now time.Duration) *Result {
	if p.finished {
		return p.res
	}
	p.finished = true
	p.res.Took = now - p.began
	unsaid, first := 0, 0
	for i := range p.s.Steps {
		st := &p.s.Steps[i]
		switch {
		case p.counts(st) && !p.done[i]:
			if st.Answer && st.Pair >= 0 && !p.sent[st.Pair] {
				continue // it was not asked
			}
			p.res.differ(Missing, st.N, true, "%s never came", p.script.Summary(st))
		case st.Dir == record.SC && !p.sent[i] && !p.silent(st) && !st.End:
			if unsaid == 0 {
				first = st.N
			}
			unsaid++
		}
	}
	if unsaid > 0 {
		p.res.differ(Missing, first, false, "%s from here on could not be said: the client had left", plural(unsaid, "stanza", "stanzas"))
	}
	return p.res
}
