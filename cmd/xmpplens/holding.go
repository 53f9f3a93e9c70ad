package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/proxy/rule"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/web"
)

// What the keys of the console arm: a pause, and a hold of the next frame. They are
// rules, as --pause and breakpoints are, in a set of their own.

const (
	flagPause = "pause" // the rule of --pause
	keyPause  = "pause of the console"
	keyNext   = "hold of the console"
)

// ownHold reports whether it was the person at the console who wanted a frame to be
// held, by a key or on the command line.
func ownHold(by string) bool {
	return slices.Contains([]string{flagPause, keyPause, keyNext}, strings.TrimPrefix(by, "rule "))
}

// isOn reports whether a set has a rule, and it is on; there tells that it has one.
func isOn(set *rule.Set, source, name string) (on, there bool) {
	for _, st := range set.List() {
		if st.Name == name && (source == "" || st.Source == source) {
			return st.On, true
		}
	}
	return false, false
}

// paused reports whether all that matches is held from now on.
func (x *interceptor) paused() bool {
	flag, _ := isOn(x.armed.set, "--pause", flagPause)
	key, _ := isOn(&x.keys, "", keyPause)
	return flag || key
}

// pause holds what matches --pause, or else expr, and returns which.
func (x *interceptor) pause(expr string) (string, error) {
	if x.tap {
		return "", noTap()
	}
	if x.paused() {
		return "", usagef("r resumes", "it is paused already")
	}
	if _, there := isOn(x.armed.set, "--pause", flagPause); there {
		if err := x.armed.set.Switch(flagPause, true); err != nil {
			return "", err
		}
		expr = x.armed.Pause
	} else {
		r, err := rule.Pause(keyPause, expr)
		if err == nil {
			err = x.keys.Add("console", r)
		}
		if err != nil {
			return "", err
		}
	}
	x.note(byConsole, "paused: "+expr)
	return expr, nil
}

func noTap() error {
	return usagef("run the proxy without --tap", "a tap alters nothing, and can hold nothing")
}

// holdNext holds one frame that matches.
func (x *interceptor) holdNext(expr string) error {
	if x.tap {
		return noTap()
	}
	if _, there := isOn(&x.keys, "", keyNext); there {
		return usagef("r gives that up", "the next one is held already")
	}
	r, err := rule.ParseLine(fmt.Sprintf("hold limit 1 name %q if %s", keyNext, expr))
	if err == nil {
		err = x.keys.Add("console", r)
	}
	return err
}

// resume ends both, and --pause, and lets pass what is held, whoever holds it. It says
// what that was.
func (x *interceptor) resume() string {
	held := x.heldNow() // without a judge the session lets pass by itself
	var ended []string
	if on, _ := isOn(x.armed.set, "--pause", flagPause); on && x.armed.set.Switch(flagPause, false) == nil {
		ended = append(ended, "--pause")
	}
	for _, name := range []string{keyPause, keyNext} {
		if x.keys.Remove(name) == nil {
			ended = append(ended, "the "+name)
		}
	}
	for _, h := range held {
		// It may have been decided about meanwhile, which is as well.
		_ = x.proxy.Decide(h.Conn, session.Verdict{Decision: session.Pass, Dir: record.Dir(h.Dir), Offset: h.Offset, By: byConsole, All: true})
	}
	n := len(held)
	text := "nothing was held"
	if n > 0 {
		text = plural(n, "held frame") + " let pass"
	}
	if len(ended) > 0 {
		text += ", " + strings.Join(ended, " and ") + " ended"
		x.note(byConsole, "resumed")
	}
	if points := x.Breakpoints(); len(points) > 0 {
		text += "; breakpoints of the viewer stay: " + elided(points)
	}
	return text
}

// heldNow returns what is held, and takes the hold of the next frame away when that
// is over.
func (x *interceptor) heldNow() (list []web.HeldFrame) {
	if len(x.proxy.Armed()) == 0 {
		return nil
	}
	own := false
	for _, s := range x.Sessions() {
		for _, h := range s.Held {
			own = own || h.By == "rule "+keyNext
			list = append(list, h)
		}
	}
	for _, st := range x.keys.List() {
		if st.Name == keyNext && st.Fired >= int64(st.Limit) && !own {
			_ = x.keys.Remove(keyNext)
		}
	}
	return list
}
