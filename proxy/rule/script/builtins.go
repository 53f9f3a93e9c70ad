package script

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

// builtins are the functions that a script has besides those of the language.
var builtins = starlark.StringDict{
	"send":   starlark.NewBuiltin("send", send),
	"drop":   starlark.NewBuiltin("drop", drop),
	"hold":   starlark.NewBuiltin("hold", hold),
	"delay":  starlark.NewBuiltin("delay", delay),
	"cut":    starlark.NewBuiltin("cut", cut),
	"log":    starlark.NewBuiltin("log", log),
	"print":  starlark.NewBuiltin("print", log),
	"random": starlark.NewBuiltin("random", random),
}

// maxSteps of a plan: what one call may ask for.
const maxPlan = 100

func judgeOf(thread *starlark.Thread) *judge { return thread.Local(localJudge).(*judge) }

// plans adds a step to the plan.
func (j *judge) plans(step session.Step) error {
	if len(j.plan) >= maxPlan {
		return fmt.Errorf("a call may do %d things at most", maxPlan)
	}
	j.plan = append(j.plan, step)
	return nil
}

// ends ends the plan with a step; the first one counts.
func (j *judge) ends(step session.Step) error {
	if j.now == nil {
		return errors.New("there is no stanza here: that goes in on_stanza only")
	}
	if j.end == nil {
		j.end = step
	}
	return nil
}

// send sends something to one side: send("client", "<presence/>", after=2).
func send(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var to, xml string
	var after starlark.Value = starlark.MakeInt(0)
	swallow := true
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "to", &to, "xml", &xml, "after?", &after, "swallow?", &swallow); err != nil {
		return nil, err
	}
	var d record.Dir
	switch to {
	case "client", "SC":
		d = record.SC
	case "server", "CS":
		d = record.CS
	default:
		return nil, fmt.Errorf("send: to is client or server, not %q", to)
	}
	wait, err := seconds(after)
	if err != nil {
		return nil, err
	}
	if len(xml) > maxElement {
		return nil, fmt.Errorf("send: more than %d bytes", maxElement)
	}
	j := judgeOf(thread)
	return starlark.None, j.plans(session.Inject{Reason: j.reason(), Dir: d, Bytes: []byte(xml), Swallow: swallow, After: wait})
}

func drop(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	j := judgeOf(thread)
	return starlark.None, j.ends(session.Drop{Reason: j.reason()})
}

// hold keeps the stanza until somebody decides, or for some seconds.
func hold(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var limit starlark.Value = starlark.MakeInt(0)
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "seconds?", &limit); err != nil {
		return nil, err
	}
	d, err := seconds(limit)
	if err != nil {
		return nil, err
	}
	j := judgeOf(thread)
	if j.now == nil {
		return nil, errors.New("there is no stanza here: that goes in on_stanza only")
	}
	return starlark.None, j.plans(session.Hold{Reason: j.reason(), Limit: d})
}

func delay(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var wait starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "seconds", &wait); err != nil {
		return nil, err
	}
	d, err := seconds(wait)
	if err != nil {
		return nil, err
	}
	j := judgeOf(thread)
	if j.now == nil {
		return nil, errors.New("there is no stanza here: that goes in on_stanza only")
	}
	return starlark.None, j.plans(session.Delay{Reason: j.reason(), For: d})
}

// cut ends the connection: cut("rst").
func cut(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	how, condition, leg := "fin", "", "client"
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "how?", &how, "condition?", &condition, "leg?", &leg); err != nil {
		return nil, err
	}
	m, err := session.ParseManner(how)
	if err != nil {
		return nil, err
	}
	j := judgeOf(thread)
	c := session.Cut{Reason: j.reason(), Manner: m, Condition: condition}
	switch leg {
	case "client":
	case "server":
		c.Leg = session.Server
	default:
		return nil, fmt.Errorf("cut: leg is client or server, not %q", leg)
	}
	return starlark.None, j.ends(c)
}

// log writes a note into the recording.
func log(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	level := ""
	if err := starlark.UnpackArgs(b.Name(), nil, kwargs, "level?", &level); err != nil {
		return nil, err
	}
	if level != "" && level != "warning" && level != "error" {
		return nil, fmt.Errorf("log: level is warning or error, not %q", level)
	}
	text := ""
	for i, a := range args {
		if err := charge(thread, weigh(a, maxWork+1)); err != nil {
			return nil, err
		}
		if i > 0 {
			text += " "
		}
		if s, ok := starlark.AsString(a); ok {
			text += s
		} else {
			text += a.String()
		}
	}
	j := judgeOf(thread)
	if len(j.plan) >= maxPlan {
		return nil, fmt.Errorf("a call may do %d things at most", maxPlan)
	}
	j.log(level, text)
	return starlark.None, nil
}

// random is a number from 0 to 1, the same one with the same seed and traffic.
func random(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	return starlark.Float(judgeOf(thread).rng.Float64()), nil
}
