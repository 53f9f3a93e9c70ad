// Package script runs what rules cannot say: a file in Starlark, a small language
// like Python (go.starlark.net), that is asked about each element.
//
//	def on_open(c):
//	    c.state["messages"] = 0
//
//	def on_stanza(s):
//	    if s.kind == "message" and s.dir == "CS":
//	        s.state["messages"] += 1
//	        if s.state["messages"] % 5 == 0:
//	            s.refuse("resource-constraint", type="wait")
//
// A script sees no clock, no file and no network, and chance comes from a seed: the
// same traffic has the same fate. What a call may do is bounded in steps and in
// memory, see guard.go. A mistake while it runs is a note in the recording, with
// the line of the script, and the element passes.
package script

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/xmpplens/xmpplens/proxy/rule"
	"github.com/xmpplens/xmpplens/proxy/session"
)

// A Script is a file that was read.
type Script struct {
	Name    string // of the file
	program *starlark.Program
	seed    uint64
	say     func(conn int, level, text string)
}

// Options are how a script runs.
type Options struct {
	Seed uint64
	// Say is told what is logged outside of stanzas: while the script begins and
	// in on_close. If nil it is lost.
	Say func(conn int, level, text string)
}

// handlers are what a script can define, with the number of their arguments.
var handlers = map[string]int{"on_open": 1, "on_stanza": 1, "on_close": 1}

// Compile reads a script. The error is rule.Mistakes.
func Compile(name string, source []byte, o Options) (*Script, error) {
	if len(source) > maxSource {
		return nil, rule.Mistakes{{File: name, Text: fmt.Sprintf("a script has %d bytes at most", maxSource)}}
	}
	if strings.ContainsRune(string(source), '·') && strings.Contains(string(source), nameOp) {
		return nil, rule.Mistakes{{File: name, Text: "the name " + nameOp + " is taken"}}
	}
	options := &syntax.FileOptions{Set: true, TopLevelControl: true, GlobalReassign: true}
	f, err := options.Parse(name, source, 0)
	if err == nil {
		err = guarded(f)
	}
	if err != nil {
		return nil, mistakes(name, err)
	}
	p, err := starlark.FileProgram(f, isPredeclared)
	if err != nil {
		return nil, mistakes(name, err)
	}
	s := &Script{Name: name, program: p, seed: o.Seed, say: o.Say}
	// Its beginning runs for each connection by itself; once now, to tell what is
	// wrong with it.
	j, err := s.begin(0)
	if err != nil {
		return nil, mistakes(name, err)
	}
	found := false
	for h, n := range handlers {
		v := j.globals[h]
		if v == nil {
			continue
		}
		found = true
		if f, ok := v.(*starlark.Function); !ok || f.NumParams() != n {
			return nil, rule.Mistakes{{File: name, Text: fmt.Sprintf("%s is not a function of %d argument", h, n), Remedy: "write def " + h + "(…):"}}
		}
	}
	if !found {
		return nil, rule.Mistakes{{File: name, Line: 1, Text: "the script defines none of on_stanza, on_open and on_close", Remedy: "begin with def on_stanza(s):"}}
	}
	return s, nil
}

// mistakes puts an error of Starlark into our form.
func mistakes(name string, err error) error {
	at := func(p syntax.Position, text string) rule.Mistake {
		remedy := ""
		if strings.HasPrefix(text, "got outdent") || strings.HasPrefix(text, "got newline") {
			remedy = "is a bracket not closed?"
		}
		if strings.Contains(text, "undefined: ") {
			remedy = "a script has the words of the language, send, drop, log and what README lists"
		}
		return rule.Mistake{File: name, Line: int(p.Line), Column: int(p.Col), Text: text, Remedy: remedy}
	}
	var list resolve.ErrorList
	var one syntax.Error
	var run *starlark.EvalError
	switch {
	case errors.As(err, &list):
		var out rule.Mistakes
		for _, e := range list {
			out = append(out, at(e.Pos, e.Msg))
		}
		return out
	case errors.As(err, &one):
		return rule.Mistakes{at(one.Pos, one.Msg)}
	case errors.As(err, &run):
		return rule.Mistakes{at(place(run, name), run.Msg)}
	}
	return rule.Mistakes{{File: name, Text: err.Error()}}
}

// place is the innermost line of the script in an error.
func place(e *starlark.EvalError, name string) syntax.Position {
	for i := range e.CallStack {
		if f := e.CallStack.At(i); f.Pos.Filename() == name {
			return f.Pos
		}
	}
	return syntax.Position{}
}

func isPredeclared(name string) bool {
	return guards[name] != nil || universe[name] != nil || builtins[name] != nil
}

var predeclared = func() starlark.StringDict {
	out := make(starlark.StringDict)
	for _, d := range []starlark.StringDict{guards, universe, builtins} {
		for name, v := range d {
			out[name] = v
		}
	}
	return out
}

// Judge makes the judge of a session, which begins now; clock is the time since
// then, nil = a real one.
func (s *Script) Judge(conn int, clock func() time.Duration) session.Judge {
	if clock == nil {
		begun := time.Now()
		clock = func() time.Duration { return time.Since(begun) }
	}
	j, err := s.begin(conn)
	j.clock = clock
	if err != nil {
		j.fail(err)
		return j
	}
	if on := j.globals["on_open"]; on != nil {
		j.call(on, &connection{j: j})
	}
	j.waiting, j.plan = j.plan, nil
	return j
}

// judge is a script in one session.
type judge struct {
	script  *Script
	conn    int
	clock   func() time.Duration
	globals starlark.StringDict
	state   *starlark.Dict
	rng     *rand.Rand
	waiting session.Plan // of on_open: goes with the first frame

	// Of one call.
	now     *element     // nil outside of on_stanza
	plan    session.Plan // what was asked for
	end     session.Step // what ends it; nil: the element passes
	outside bool         // there is no frame to hang a note on
	errors  int          // so far
}

// maxErrors bounds the notes about mistakes of a script in one session.
const maxErrors = 20

func (s *Script) begin(conn int) (*judge, error) {
	j := &judge{script: s, conn: conn, clock: func() time.Duration { return 0 }, state: new(starlark.Dict), rng: rand.New(rand.NewPCG(s.seed, uint64(conn)))}
	j.outside = true
	thread := j.thread()
	globals, err := s.program.Init(thread, predeclared())
	globals.Freeze()
	j.globals = globals
	return j, err
}

// thread is one for a single call, with all of its allowance.
func (j *judge) thread() *starlark.Thread {
	t := &starlark.Thread{Name: j.script.Name, Print: func(_ *starlark.Thread, text string) { j.log("", text) }}
	t.SetMaxExecutionSteps(maxSteps)
	t.SetLocal(localWork, &purse{maxWork})
	t.SetLocal(localJudge, j)
	return t
}

// call calls a handler. What went wrong becomes a note, and nothing of what was
// asked for is done.
func (j *judge) call(f starlark.Value, arg starlark.Value) (ok bool) {
	_, err := starlark.Call(j.thread(), f, starlark.Tuple{arg}, nil)
	if err == nil && weigh(j.state, maxKept+1) > maxKept {
		j.state = new(starlark.Dict)
		err = fmt.Errorf("state has more than %d bytes: it was emptied", maxKept)
	}
	if err != nil {
		j.plan, j.end = nil, nil
		j.fail(err)
	}
	return err == nil
}

func (j *judge) fail(err error) {
	if j.errors++; j.errors > maxErrors {
		return
	}
	text := err.Error()
	var bad rule.Mistakes
	if errors.As(mistakes(j.script.Name, err), &bad) && len(bad) > 0 {
		text = bad[0].Error()
	}
	if j.errors == maxErrors {
		text += "; what else goes wrong in this connection is not told"
	}
	j.log("error", text)
}

// maxLogged bounds one line of a log, in bytes.
const maxLogged = 4096

func (j *judge) log(level, text string) {
	if len(text) > maxLogged {
		text = text[:maxLogged] + "…"
	}
	if j.outside {
		if j.script.say != nil && j.conn > 0 {
			j.script.say(j.conn, level, text)
		}
		return
	}
	j.plan = append(j.plan, session.Note{Reason: j.reason(), Level: level, Text: text})
}

func (j *judge) reason() session.Reason { return session.Reason{By: "script " + j.script.Name} }

// Judge is session.Judge: whole elements that can be touched are shown to
// on_stanza.
func (j *judge) Judge(seen session.Seen) session.Plan {
	on := j.globals["on_stanza"]
	if on == nil || !shown(seen) {
		return j.first(nil)
	}
	j.plan, j.end, j.outside = nil, nil, false
	j.now = newElement(j, seen)
	ok := j.call(on, j.now)
	j.now.over = true // a script that kept it finds nothing in it
	plan := j.plan
	if ok && j.end == nil && j.now.changed && string(j.now.frame.Raw) != string(seen.Frame.Raw) {
		plan = append(plan, session.Edit{Reason: j.reason(), Bytes: j.now.frame.Raw})
	}
	if j.end != nil {
		plan = append(plan, j.end)
	}
	j.now, j.plan, j.end, j.outside = nil, nil, nil, true
	return j.first(plan)
}

func (j *judge) first(plan session.Plan) session.Plan {
	if j.waiting != nil {
		plan, j.waiting = append(j.waiting, plan...), nil
	}
	return plan
}

// Close ends the session.
func (j *judge) Close() {
	if on := j.globals["on_close"]; on != nil {
		j.outside = true
		j.call(on, &connection{j: j})
	}
	j.globals, j.state = nil, nil
}
