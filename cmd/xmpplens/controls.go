package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/web"
)

// controls are what a person does with keys while a proxy runs. They are pure: keys
// and what is held go in, deeds come out, and a bottom to be drawn; the keyboard carries
// the deeds out and hands back what came of them.
//
//	for _, d := range c.press('h') { // hold the next frame
//		result := carryOut(d)
//		if d.then != nil {
//			more = d.then(result)
//		}
//	}
type controls struct {
	tap    bool
	ring   bool
	filter string        // of what is printed
	limit  time.Duration // after which a frame passes that is held
	state  state

	ask    *question           // nil = keys are commands
	look   *spot               // the frame that is looked at, its choices are keys
	left   map[spot]bool       // frames that are held and were looked away from
	past   map[string][]string // what was typed, by what it was for
	marks  int
	ending bool // the proxy is told to end
}

// state is how things stand, as the keyboard sees it.
type state struct {
	armed  string // in words, "" = nothing
	paused bool
	held   []web.HeldFrame // by connection and direction
}

// spot is where a frame is.
type spot struct {
	conn   int
	dir    string
	offset int64
}

func spotOf(h *web.HeldFrame) spot { return spot{h.Conn, h.Dir, h.Offset} }

// A verb is a kind of deed.
type verb int

const (
	doSay      verb = iota // text
	doShow                 // held, as it is
	doPause                // hold what matches text from now on
	doResume               // let pass what is held, and hold no more
	doHoldNext             // hold one that matches text
	doDecide               // verdict
	doSessions             // list the connections; the result has them
	doInject               // put
	doEdit                 // text in an editor; the result has what it became
	doFilter               // print what matches text; "" = all
	doMark                 // set a marker that text names
	doKeep                 // keep what the ring holds
	doQuit
)

// A deed is one thing to do.
type deed struct {
	do      verb
	text    string
	held    web.HeldFrame
	verdict web.Verdict
	put     web.Injection
	then    func(result) []deed // what to do next; nil = say what went wrong, if anything
}

// result is what came of a deed.
type result struct {
	text     string
	err      error
	sessions []web.Session
}

// A question is asked at the bottom.
type question struct {
	text   string
	about  *spot  // a frame that has to be held for it
	input  *typed // nil = one key answers
	keys   []choice
	enter  func(text string) []deed // with input
	editor func(text string) []deed // with input: it is to be written in the editor; nil = it cannot be
}

// A choice is a key that answers a question.
type choice struct {
	key  key
	text string
	do   func() []deed
}

// byConsole is what the recording calls who presses keys.
const byConsole = "console"

// commands are the keys where nothing is asked.
var commands = []struct {
	key    key
	short  string // at the bottom
	rank   int    // how soon it is left out there
	help   string
	do     func(c *controls) []deed
	useful func(c *controls) bool // nil = always
}{
	{'p', "p pause", 3, "pause: hold all stanzas from now on, or what the filter matches", (*controls).pause, func(c *controls) bool { return !c.state.paused }},
	{'r', "r resume", 2, "resume: let pass what is held, and hold no more", (*controls).resume, func(c *controls) bool { return c.state.paused || len(c.state.held) > 0 }},
	{'h', "h hold", 4, "hold the next one and decide about it; or look at what is held", (*controls).hold, nil},
	{'i', "i inject", 5, "inject a stanza into a session", (*controls).inject, nil},
	{'m', "m mark", 6, "mark this moment, with a note in the recording", (*controls).mark, nil},
	{'f', "f filter", 7, "change what is printed", (*controls).changeFilter, nil},
	{'k', "k keep", 9, "keep what the ring holds, in a file (with --ring)", func(c *controls) []deed { return []deed{{do: doKeep}} }, func(c *controls) bool { return c.ring }},
	{'?', "? keys", 1, "these keys", nil, nil},
	{'q', "q quit", 8, "end the proxy, as Ctrl-C does; once more, at once", (*controls).quit, nil},
}

// press takes a key.
func (c *controls) press(k key) []deed {
	if c.ask != nil {
		return c.answer(k)
	}
	if c.look != nil {
		if deeds, ok := c.decideBy(k); ok {
			return deeds
		}
	}
	for _, cmd := range commands {
		switch {
		case cmd.key != k:
		case cmd.do == nil:
			return c.help()
		default:
			return cmd.do(c)
		}
	}
	return nil
}

// answer takes a key for the question.
func (c *controls) answer(k key) []deed {
	q := c.ask
	if k == keyEsc {
		c.ask = nil
		return nil
	}
	if q.input == nil {
		for _, ch := range q.keys {
			if ch.key == k {
				c.ask = nil
				return ch.do()
			}
		}
		return nil
	}
	switch {
	case k == keyEnter:
		c.ask = nil
		return q.enter(q.input.String())
	case k == keyEditor && q.editor != nil:
		c.ask = nil
		return q.editor(q.input.String())
	case k == pasted+'\n' && q.editor == nil:
		k = ' ' // these are lines
	}
	q.input.press(k)
	return nil
}

// sees takes how things stand now.
func (c *controls) sees(s state) []deed {
	c.state = s
	for p := range c.left {
		if c.find(p) == nil {
			delete(c.left, p)
		}
	}
	var deeds []deed
	if c.ask != nil && c.ask.about != nil && c.find(*c.ask.about) == nil {
		c.ask = nil
		deeds = append(deeds, saying("xmpplens: it is not held any more: its time is over, or somebody else decided")...)
	}
	if c.look != nil && c.find(*c.look) == nil {
		c.look = nil
	}
	if c.look != nil || c.ask != nil {
		return deeds
	}
	for i := range s.held {
		if h := &s.held[i]; ownHold(h.By) && !c.left[spotOf(h)] {
			return append(deeds, c.lookAt(h)...)
		}
	}
	return deeds
}

// find returns a frame that is held, or nil.
func (c *controls) find(p spot) *web.HeldFrame {
	for i := range c.state.held {
		if h := &c.state.held[i]; spotOf(h) == p {
			return h
		}
	}
	return nil
}

func saying(format string, args ...any) []deed {
	return []deed{{do: doSay, text: fmt.Sprintf(format, args...)}}
}

// sayError tells what went wrong, and what to do.
func sayError(err error) []deed {
	text := fmt.Sprintf("xmpplens: %v", err)
	if hint := hintOf(err); hint != "" {
		text += "\nhint: " + hint
	}
	return saying("%s", text)
}

// orSay says what went wrong, else goes on.
func orSay(then func() []deed) func(result) []deed {
	return func(r result) []deed {
		if r.err != nil {
			return sayError(r.err)
		}
		return then()
	}
}

// what is what p and h hold: what is printed, as far as these are elements.
func (c *controls) what() string {
	if c.filter == "" {
		return "stanzas"
	}
	f, err := filter.Compile(c.filter)
	if err != nil || !f.Match(&filter.Subject{Stanza: &stanza.Stanza{Kind: "whitespace"}, Facts: &track.Facts{}}) {
		return c.filter
	}
	expr, err := filter.Refine(c.filter, filter.Only, "(stanzas or nonzas)")
	if err != nil {
		return c.filter
	}
	return expr
}

func (c *controls) pause() []deed {
	return []deed{{do: doPause, text: c.what(), then: func(r result) []deed {
		if r.err != nil {
			return sayError(r.err)
		}
		return saying("xmpplens: paused: %s is held from now on; r resumes", r.text)
	}}}
}

func (c *controls) resume() []deed {
	c.look, c.left = nil, nil
	return []deed{{do: doResume, then: func(r result) []deed {
		if r.err != nil {
			return sayError(r.err)
		}
		return saying("xmpplens: resumed: %s", r.text)
	}}}
}

func (c *controls) hold() []deed {
	held := c.state.held
	if len(held) == 0 {
		return []deed{{do: doHoldNext, text: c.what(), then: orSay(func() []deed {
			return saying("xmpplens: the next of %s is held", c.what())
		})}}
	}
	return c.lookAt(&held[0])
}

func (c *controls) mark() []deed {
	c.marks++
	name := fmt.Sprintf("marker %d", c.marks)
	// The moment is that of the key, not that of the last letter.
	return []deed{{do: doMark, text: name, then: orSay(func() []deed {
		c.ask = &question{text: name + " is set; a word on it (Enter for none):", input: newTyped("", c.past["mark"]), enter: func(text string) []deed {
			if text = strings.TrimSpace(text); text == "" {
				return nil
			}
			c.remember("mark", text)
			word, err := noteText(text)
			if err != nil {
				return sayError(err)
			}
			return []deed{{do: doMark, text: name + ": " + word}}
		}}
		return nil
	})}}
}

func (c *controls) changeFilter() []deed {
	c.askFilter(c.filter, -1)
	return nil
}

// askFilter asks for a filter; the cursor is at a character, at the end when it is < 0.
func (c *controls) askFilter(text string, at int) {
	in := newTyped(text, c.past["filter"])
	if at >= 0 {
		in.at = min(at, len(in.text))
	}
	c.ask = &question{text: "print only (empty: all):", input: in, enter: func(text string) []deed {
		text = strings.TrimSpace(text)
		return []deed{{do: doFilter, text: text, then: func(r result) []deed {
			if r.err != nil {
				at := -1
				// The end of it is said to be at its last character.
				if e := (*filter.SyntaxError)(nil); errors.As(r.err, &e) && e.Column < utf8.RuneCountInString(text)-1 {
					at = e.Column
				}
				c.askFilter(text, at)
				return sayError(r.err)
			}
			c.remember("filter", text)
			c.filter = text
			if text == "" {
				return saying("xmpplens: everything is printed")
			}
			return saying("xmpplens: printed is what matches %s", text)
		}}}
	}}
}

func (c *controls) quit() []deed {
	c.ending = true
	return []deed{{do: doQuit}}
}

func (c *controls) help() []deed {
	var b strings.Builder
	for _, cmd := range commands {
		fmt.Fprintf(&b, "  %c  %s\n", cmd.key, cmd.help)
	}
	b.WriteString("with a frame that is held:\n")
	for _, d := range decisionKeys {
		fmt.Fprintf(&b, "  %-5s  %s\n", d.name, d.help)
	}
	b.WriteString("where something is typed: Enter sends it, Esc gives it up, ↑ has what was typed before")
	return saying("%s", b.String())
}

func (c *controls) remember(what, line string) {
	if c.past == nil {
		c.past = make(map[string][]string)
	}
	c.past[what] = remembered(c.past[what], line)
}

// mistake says what is wrong with XML, with its place: line, column and a mark below.
// at is the place in characters, < 0 when it is not known.
func mistake(xml string, err error) (text string, at int) {
	e := (*session.ElementError)(nil)
	if !errors.As(err, &e) {
		return sayError(err)[0].text, -1
	}
	offset := min(max(e.Offset, 0), len(xml))
	line, column := stanza.LineColumn(xml, offset)
	cut, mark := aroundColumn(strings.Split(xml, "\n")[line-1], column-1)
	text = fmt.Sprintf("xmpplens: the XML cannot be sent: line %d, column %d: %s\n    %s\n    %s^", line, column, e.Msg, cut, strings.Repeat(" ", mark))
	if hint := hintOf(err); hint != "" {
		text += "\nhint: " + hint
	}
	return text, utf8.RuneCountInString(xml[:offset])
}

// until says how long something is still held.
func until(h *web.HeldFrame, now time.Time) string {
	left := max(time.UnixMilli(h.Until).Sub(now), 0)
	n := int((left + time.Second - 1) / time.Second)
	return fmt.Sprintf("%d:%02d", n/60, n%60)
}

// soonest is the frame whose time is over first.
func soonest(held []web.HeldFrame) *web.HeldFrame {
	if len(held) == 0 {
		return nil
	}
	first := slices.MinFunc(held, func(a, b web.HeldFrame) int { return cmp.Compare(a.Until, b.Until) })
	return &first
}
