package replay

import (
	"fmt"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// An actor is the client's side of a session that is logged in: it says what the
// client said, each thing after what had come before it in the recording, and
// compares what comes. Like Player it is pure.
type actor struct {
	script *Script
	s      *Session
	pace   Pace
	w      rewriter
	live   stanza.JID
	res    *Result

	began   time.Duration
	at      int           // the next step
	base    time.Duration // when the one before it was over
	baseT   time.Duration // and when it was in the recording
	got     []bool        // steps of the server's that came
	next    map[string]int
	asked   map[string]question    // live ids of what was asked
	owed    map[int32]*stanza.Node // live iqs that are to be answered, by the step that stands for them
	man     management
	out     []byte
	gaveUp  bool
	closing bool
}

// A question is an iq that was asked.
type question struct {
	step int32
	at   time.Duration
}

func newActor(script *Script, s *Session, live stanza.JID, others map[string]string, pace Pace, now time.Duration, wall time.Time) *actor {
	a := &actor{script: script, s: s, pace: pace, live: live, began: now, base: now, baseT: s.Began, got: make([]bool, len(s.Steps)),
		next: make(map[string]int), asked: make(map[string]question), owed: make(map[int32]*stanza.Node),
		res: &Result{Number: s.number, Account: live.String(), Conns: s.Conns}}
	a.w.names = Names{From: s.Account, To: live, Others: others}
	a.w.shift = wall.Sub(script.Start.Add(s.Began))
	for i := range s.Steps {
		if a.awaited(&s.Steps[i]) {
			a.res.Expected++
		}
	}
	return a
}

// awaited are the steps of the server's that the client waits for.
func (a *actor) awaited(st *Step) bool {
	return st.Dir == record.SC && !st.End && !isSMStep(st) && (!st.Answer || st.Pair >= 0)
}

func (a *actor) take() []byte {
	b := a.out
	a.out = nil
	return b
}

// due is when tick wants to be called; false = only when something was heard.
func (a *actor) due() (time.Duration, bool) {
	switch {
	case a.closing:
		return 0, false
	case a.at == len(a.s.Steps):
		return a.base, true
	}
	st := &a.s.Steps[a.at]
	due := a.base + a.pace.of(st.T-a.baseT)
	if a.awaited(st) && !a.got[a.at] {
		if a.pace.Patience <= 0 {
			return 0, false
		}
		if !a.gaveUp {
			due += a.pace.Patience
		}
	} else if st.Dir == record.SC {
		return a.base, true
	}
	return due, true
}

// tick says what is due, and gives up what does not come.
func (a *actor) tick(now time.Duration) {
	for {
		due, ok := a.due()
		if !ok || due > now {
			return
		}
		if a.at == len(a.s.Steps) {
			a.end()
			return
		}
		st := &a.s.Steps[a.at]
		switch {
		case st.Dir == record.CS:
			a.say(now, int32(a.at), st)
		case a.awaited(st) && !a.got[a.at]:
			a.res.differ(Missing, st.N, true, "%s never came", a.script.Summary(st))
			// What is behind it is given the recorded time only, until
			// something comes.
			a.got[a.at], a.gaveUp = true, true
		}
		a.at++
		a.base, a.baseT = now, max(a.baseT, st.T)
	}
}

func (a *actor) end() {
	if a.man.on {
		// Else the server keeps what it does not know to have arrived
		// (XEP-0198 §4).
		a.out = append(a.out, a.man.answer()...)
	}
	a.out = append(a.out, "</stream:stream>"...)
	a.closing = true
}

// say says a step.
func (a *actor) say(now time.Duration, i int32, st *Step) {
	if st.End {
		a.at = len(a.s.Steps) - 1
		a.end()
		return
	}
	f, root, err := a.script.frame(st.piece)
	if err != nil {
		a.res.differ(Broken, st.N, true, "%v", err)
		return
	}
	id := root.Attr("id")
	switch {
	case isSM(root.NS) && root.Name == "enable":
		a.out = append(a.out, a.w.live(f, root, "")...)
		a.man.on, a.man.ns = true, root.NS
		return
	case isSM(root.NS):
		if a.man.on {
			a.out = fmt.Appendf(a.out, "<r xmlns='%s'/>", a.man.ns)
		}
		return
	case st.Answer:
		q := a.owed[st.Pair]
		delete(a.owed, st.Pair)
		if q == nil {
			return // it was not asked
		}
		a.answer(f, root, q)
		return
	case id != "":
		fresh := randomID()
		a.w.learnID(id, fresh)
		id = fresh
	}
	if st.Ask {
		a.asked[id] = question{i, now}
	}
	a.res.Said++
	b := a.w.live(f, root, id)
	switch root.Name {
	case "message", "presence", "iq":
		a.man.sent(b)
	}
	a.out = append(a.out, b...)
}

// answer says the recorded answer to a live question.
func (a *actor) answer(f decode.Frame, root, q *stanza.Node) {
	// It goes to whoever asked.
	b := a.w.live(f, root, q.Attr("id"))
	a.res.Said++
	a.man.sent(b)
	a.out = append(a.out, b...)
}

// hear takes an element that the server said.
func (a *actor) hear(now time.Duration, f decode.Frame) {
	if a.closing {
		return
	}
	root, err := stanza.Tree(f)
	if err != nil {
		return
	}
	a.gaveUp = false
	switch {
	case isSM(root.NS):
		a.manage(root)
	case root.NS == nsStreams && root.Name == "error":
		s := stanza.Parse(f)
		if i, ok := a.find(meaning(root, ""), 0); ok {
			a.came(i, root)
		} else {
			a.res.differ(Broken, 0, true, "← %s", s.Summary)
		}
		a.end()
	case root.Name == "iq" || root.Name == "message" || root.Name == "presence":
		a.man.in++
		a.stanza(now, f, root)
	default:
		a.stanza(now, f, root)
	}
	a.tick(now)
}

func (a *actor) manage(root *stanza.Node) {
	m := &a.man
	switch root.Name {
	case "enabled":
		m.in = 0
	case "failed":
		m.on = false
		if a.s.enabled.size > 0 {
			a.res.differ(Answer, 0, true, "← stream management was refused, and had been enabled")
		}
	case "r":
		if m.on {
			a.out = append(a.out, m.answer()...)
		}
	case "a":
		h, ok := counter(root)
		if m.on && (!ok || !m.ack(h)) {
			a.res.differ(Broken, 0, true, "the server acknowledges %s of %d stanzas", root.Attr("h"), m.out)
		}
	}
}

func (a *actor) stanza(now time.Duration, f decode.Frame, root *stanza.Node) {
	typ := root.Attr("type")
	if root.Name == "iq" && (typ == "result" || typ == "error") {
		a.answered(now, f, root)
		return
	}
	ask := root.Name == "iq"
	peer := a.w.names.peer(root.Attr("from"))
	i, ok := a.find(meaning(root, peer), detail(root, peer))
	if ok {
		a.came(i, root)
		if st := &a.s.Steps[i]; ask && st.Pair >= 0 {
			a.owed[i] = root
			return
		}
	} else if !ask {
		s := stanza.Parse(f)
		a.res.differ(Extra, 0, false, "← %s is not in the recording", s.Summary)
	}
	if ask {
		a.reply(root)
	}
}

// reply answers what the recorded client was not asked.
func (a *actor) reply(root *stanza.Node) {
	s := "<iq id='" + escape(root.Attr("id")) + "'"
	if from := root.Attr("from"); from != "" {
		s += " to='" + escape(from) + "'"
	}
	if root.Child(nsPing, "ping") != nil {
		s += " type='result'/>"
	} else {
		s += " type='error'><error type='cancel'><service-unavailable xmlns='" + nsStanzas + "'/></error></iq>"
	}
	a.man.sent([]byte(s))
	a.out = append(a.out, s...)
}

// answered compares an answer with the recorded one.
func (a *actor) answered(now time.Duration, f decode.Frame, root *stanza.Node) {
	q, ok := a.asked[root.Attr("id")]
	if !ok {
		return // late, or answers nothing
	}
	delete(a.asked, root.Attr("id"))
	a.res.latency.add(now - q.at)
	words := stanza.Parse(f)
	st := &a.s.Steps[q.step]
	if st.Pair < 0 {
		a.res.differ(Extra, st.N, false, "← %s answers what was not answered in the recording", words.Summary)
		return
	}
	want := &a.s.Steps[st.Pair]
	_, recorded, err := a.script.frame(want.piece)
	if err != nil {
		a.res.differ(Broken, want.N, true, "%v", err)
		return
	}
	then := stanza.Parse(decode.Frame{Kind: decode.Element, Name: []byte("iq"), NS: []byte(nsClient), Raw: a.raw(want), Stream: want.piece.stream})
	switch {
	case words.Error == nil != (then.Error == nil):
		a.res.differ(Answer, want.N, true, "← %s instead of %s", words.Summary, a.script.Summary(want))
	case words.Error != nil && words.Error.Condition != then.Error.Condition:
		a.res.differ(Answer, want.N, true, "← %s instead of the error %s", words.Summary, then.Error.Condition)
	case words.Error == nil && payload(root) != payload(recorded) && plainPayload(root) != plainPayload(recorded):
		a.res.differ(Answer, want.N, true, "← %s carries %s instead of %s", words.Summary, or(plainPayload(root)), or(plainPayload(recorded)))
	}
	a.came(st.Pair, root)
}

func (a *actor) raw(st *Step) []byte {
	b, err := a.script.store.get(st.piece.at, int(st.piece.size))
	if err != nil {
		return nil
	}
	return b
}

// plainPayload is what an answer carries, without its nodes, which servers make
// up.
func plainPayload(root *stanza.Node) string {
	for _, c := range root.Children {
		return c.NS + " " + c.Name
	}
	return ""
}

func or(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// came marks a step of the server's.
func (a *actor) came(i int32, root *stanza.Node) {
	st := &a.s.Steps[i]
	if a.got[i] {
		return // it was given up
	}
	a.got[i] = true
	a.res.meet(st.N)
	if _, recorded, err := a.script.frame(st.piece); err == nil {
		a.w.learn(recorded, root)
		a.w.learnPeer(recorded.Attr("from"), root.Attr("from"))
	}
}

// find is Player.find for what the server says: each step comes once.
func (a *actor) find(m string, detail uint64) (int32, bool) {
	list := a.s.byMeaning[m]
	at := a.next[m]
	for at < len(list) && a.got[list[at]] {
		at++
	}
	if len(list) > 0 {
		a.next[m] = at
	}
	if at == len(list) {
		return 0, false
	}
	for _, c := range list[at:min(at+window, len(list))] {
		if !a.got[c] && a.s.Steps[c].detail == detail {
			return c, true
		}
	}
	return list[at], true
}

// finish ends the session at now; err is why, when it was not over.
func (a *actor) finish(now time.Duration, err error) *Result {
	a.res.Took = now - a.began
	if err != nil {
		at := 0
		if a.at < len(a.s.Steps) {
			at = a.s.Steps[a.at].N
		}
		a.res.differ(Broken, at, true, "the session ended here: %v", err)
	}
	if err == nil || a.closing {
		return a.res
	}
	for i := range a.s.Steps {
		if st := &a.s.Steps[i]; a.awaited(st) && !a.got[i] {
			a.res.differ(Missing, st.N, true, "%s never came", a.script.Summary(st))
		}
	}
	return a.res
}
