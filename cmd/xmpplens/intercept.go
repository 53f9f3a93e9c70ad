package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/rule"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/web"
)

// An interceptor does to the sessions of a proxy what people ask for in the viewer, by
// the control API and with xmpplens send.
type interceptor struct {
	proxy *proxy.Proxy
	log   *record.Log
	armed *armed
	tap   bool // nothing is altered

	points  rule.Set // the breakpoints
	keys    rule.Set // what the keys of the console arm
	changes <-chan struct{}

	mu    sync.Mutex
	held  int  // guarded by mu: how many were held when changes was read last
	known bool // guarded by mu; held was counted
}

// maxBreakpoints bounds them: each costs time with each frame.
const maxBreakpoints = 100

// newInterceptor watches p until stop is called.
func newInterceptor(p *proxy.Proxy, a *armed, tap bool) (x *interceptor, stop func()) {
	x = &interceptor{proxy: p, log: p.Log, armed: a, tap: tap}
	x.changes, stop = p.Watch()
	x.ask("breakpoints", &x.points)
	x.ask("keys", &x.keys)
	return x, stop
}

// ask has the proxy ask the rules of a set as long as one of them is on.
func (x *interceptor) ask(name string, set *rule.Set) {
	set.Changed = func(on int) {
		if on == 0 {
			x.proxy.Arm(name, nil)
			return
		}
		x.proxy.Arm(name, func(conn int) session.Judge { return set.Judge(conn, nil) })
	}
}

// Armed implements web.Interceptor. Pages ask for it often: connections are gone
// through only when something has changed since, and nothing is held where nobody
// is armed.
func (x *interceptor) Armed() (what string, held int) {
	parts := slices.DeleteFunc([]string{x.armed.what()}, func(s string) bool { return s == "" })
	for _, expr := range x.Breakpoints() {
		parts = append(parts, "breakpoint "+expr)
	}
	for _, st := range x.keys.List() {
		what := "pause "
		if st.Name == keyNext {
			what = "hold of the next: "
		}
		parts = append(parts, what+st.When)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	select {
	case <-x.changes:
		x.known = false
	default:
	}
	if !x.known {
		x.held, x.known = 0, true
		if len(x.proxy.Armed()) > 0 {
			x.held = x.proxy.Holding()
		}
	}
	return strings.Join(parts, ", "), x.held
}

// Watch implements web.Interceptor.
func (x *interceptor) Watch() (<-chan struct{}, func()) { return x.proxy.Watch() }

// Sessions implements web.Interceptor.
func (x *interceptor) Sessions() (list []web.Session) {
	for _, s := range x.proxy.Sessions() {
		out := web.Session{Conn: s.Conn, Client: s.Client, Server: s.Server, CS: plain(s.CS), SC: plain(s.SC), Held: []web.HeldFrame{}}
		for _, h := range s.Held {
			out.Held = append(out.Held, web.HeldFrame{Conn: s.Conn, Dir: string(h.Dir), Offset: h.Offset, By: h.By, Behind: h.Behind, Until: h.Until.UnixMilli(), XML: string(h.Raw)})
		}
		list = append(list, out)
	}
	return list
}

// decisions are what can be decided, by the words for it.
var decisions = map[string]session.Decision{"pass": session.Pass, "edit": session.EditIt, "drop": session.DropIt, "answer": session.AnswerIt, "delay": session.DelayIt, "hold": session.HoldOn}

// maxDelay bounds how long a frame is delayed or held on by hand.
const maxDelay = time.Hour

// Decide implements web.Interceptor.
func (x *interceptor) Decide(v web.Verdict) error {
	decision, ok := decisions[v.Verdict]
	if !ok {
		return usagef("it is pass, edit, drop, answer, delay or hold", "there is no verdict %.40q", v.Verdict)
	}
	if v.Seconds < 0 || v.Seconds > maxDelay.Seconds() {
		return usagef(fmt.Sprintf("seconds go up to %.0f", maxDelay.Seconds()), "a frame cannot be kept for %v seconds", v.Seconds)
	}
	what := session.Verdict{
		Decision: decision, Dir: record.Dir(v.Dir), Offset: v.Offset, Bytes: []byte(v.XML),
		For: time.Duration(v.Seconds * float64(time.Second)), By: v.By, All: v.All,
	}
	if v.Dry {
		return x.explain(x.proxy.Refuses(v.Conn, &what, nil), v.Conn)
	}
	return x.explain(x.proxy.Decide(v.Conn, what), v.Conn)
}

// Inject implements web.Interceptor.
func (x *interceptor) Inject(in web.Injection) error {
	what := session.Injection{Reason: session.Reason{By: in.By}, Dir: record.Dir(in.Dir), Bytes: []byte(in.XML), Swallow: in.Swallow}
	if in.Dry {
		return x.explain(x.proxy.Refuses(in.Conn, nil, &what), in.Conn)
	}
	return x.explain(x.proxy.Inject(in.Conn, what), in.Conn)
}

// explain says in a person's words why something is not possible, and what to do.
func (x *interceptor) explain(err error, conn int) error {
	if err == nil {
		return nil
	}
	text, hint := plain(err.Error()), ""
	if e := (*session.ElementError)(nil); errors.As(err, &e) {
		return usagef("send whole elements, with the prefixes that they use declared; over WebSocket each needs its xmlns", "the XML cannot be sent: %w", e)
	}
	var open []string
	found := false
	for _, s := range x.proxy.Sessions() {
		open, found = append(open, fmt.Sprint(s.Conn)), found || s.Conn == conn
	}
	switch {
	case len(open) == 0:
		hint = "no connection is open now: let a client connect first (sessions over BOSH are not among them)"
	case !found:
		hint = fmt.Sprintf("open now: %s", elided(open))
	case strings.Contains(text, "login"):
		hint = "wait until the client has logged in"
	case strings.Contains(text, "no frame is held"):
		hint = "POST /api/held lists what is held now"
	}
	return usagef(hint, "%s", text)
}

// elided lists some of many.
func elided(list []string) string {
	const some = 20
	if len(list) > some {
		return strings.Join(list[:some], ", ") + fmt.Sprintf(" and %d more", len(list)-some)
	}
	return strings.Join(list, ", ")
}

// plain drops the package that an error begins with.
func plain(text string) string {
	return strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(text, "session: "), "proxy: "), "rule: ")
}

// Arm implements web.Interceptor.
func (x *interceptor) Arm(expr string) error {
	switch set := x.Breakpoints(); {
	case x.tap:
		return noTap()
	case slices.Contains(set, expr):
		return nil // it is as asked
	case len(set) >= maxBreakpoints:
		return usagef("take some away, or join them with or", "there are %d breakpoints already", len(set))
	}
	r, err := rule.Pause(pointName(expr), expr)
	if err == nil {
		err = x.points.Add("breakpoints", r)
	}
	if err != nil {
		return usagef(hintOf(err), "the breakpoint cannot be set: %s", plain(err.Error()))
	}
	x.note("viewer", "breakpoint set: "+expr)
	return nil
}

// pointName is what the recording calls a breakpoint.
func pointName(expr string) string { return "breakpoint " + expr }

// Disarm implements web.Interceptor.
func (x *interceptor) Disarm(expr string) error {
	gone := []string{expr}
	if expr == "" {
		gone = x.Breakpoints()
	}
	for _, e := range gone {
		if err := x.points.Remove(pointName(e)); err != nil {
			return usagef("set are: "+elided(x.Breakpoints()), "there is no breakpoint %.200q", e)
		}
		x.release("rule " + pointName(e))
		x.note("viewer", "breakpoint taken away: "+e)
	}
	return nil
}

// release lets pass what somebody holds who is not armed any more. Others still are,
// perhaps, so that the session does not do it.
func (x *interceptor) release(by string) {
	for _, s := range x.proxy.Sessions() {
		for _, h := range s.Held {
			if h.By == by {
				// It may have been decided about meanwhile, which is as well.
				_ = x.proxy.Decide(s.Conn, session.Verdict{Decision: session.Pass, Dir: h.Dir, Offset: h.Offset, By: "viewer"})
			}
		}
	}
}

// note remarks in the recording what was armed; the log says by itself when it fails.
func (x *interceptor) note(by, text string) {
	x.log.Append(record.Event{E: record.EventNote, Text: text, By: by})
}

// Breakpoints implements web.Interceptor.
func (x *interceptor) Breakpoints() (list []string) {
	for _, st := range x.points.List() {
		list = append(list, st.When)
	}
	return list
}

// Rules implements web.Interceptor.
func (x *interceptor) Rules() (list []web.Rule) {
	for _, st := range x.armed.set.List() {
		list = append(list, web.Rule(st))
	}
	return list
}

// Switch implements web.Interceptor.
func (x *interceptor) Switch(name string, on bool) error {
	if err := x.armed.set.Switch(name, on); err != nil {
		var names []string
		for _, st := range x.armed.set.List() {
			names = append(names, st.Name)
		}
		hint := "the rules are: " + elided(names)
		if len(names) == 0 {
			hint = "there are none: start the proxy with --rules, --rule or --scenario"
		}
		return usagef(hint, "no rule is called %.200q", name)
	}
	x.note("viewer", fmt.Sprintf("rule %s switched %s", name, map[bool]string{true: "on", false: "off"}[on]))
	return nil
}
