package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/web"
)

// This file decides about frames that are held, and puts in others.

// decisionKeys are what can be done with a frame that is held.
var decisionKeys = []struct {
	key   key
	name  string
	short string
	rank  int
	help  string
	do    func(c *controls, h *web.HeldFrame) []deed
}{
	{keyEnter, "Enter", "Enter pass", 0, "let it pass as it is", func(c *controls, h *web.HeldFrame) []deed { return c.decide(h, "pass", false) }},
	{'e', "e", "e edit", 0, "edit it, in $VISUAL or $EDITOR", (*controls).edit},
	{'d', "d", "d drop", 0, "drop it", func(c *controls, h *web.HeldFrame) []deed { return c.decide(h, "drop", false) }},
	{'a', "a", "a answer", 0, "drop it, and answer in the peer's place", (*controls).answerIt},
	{'l', "l", "l later", 1, "let it pass later", (*controls).delay},
	{'+', "+", "+ more time", 4, "have more time to decide", func(c *controls, h *web.HeldFrame) []deed { return []deed{c.holdOn(h, c.limit)} }},
	{'n', "n", "n next", 2, "look at the next one that is held", (*controls).next},
	{'A', "A", "A all pass", 5, "let it pass, and what is held behind it", func(c *controls, h *web.HeldFrame) []deed { return c.decide(h, "pass", true) }},
	{'D', "D", "D all drop", 6, "drop it, and what is held behind it", func(c *controls, h *web.HeldFrame) []deed { return c.decide(h, "drop", true) }},
	{keyEsc, "Esc", "Esc leave", 3, "leave it held; h comes back to it", (*controls).leave},
}

// lookAt shows a frame and offers what can be done.
func (c *controls) lookAt(h *web.HeldFrame) []deed {
	p := spotOf(h)
	c.look = &p
	delete(c.left, p)
	return []deed{{do: doShow, held: *h}}
}

// decideBy takes a key for the frame that is looked at.
func (c *controls) decideBy(k key) (deeds []deed, ok bool) {
	for _, d := range decisionKeys {
		if d.key == k {
			h := c.find(*c.look)
			if h == nil {
				return nil, true
			}
			return d.do(c, h), true
		}
	}
	return nil, false
}

func (c *controls) leave(h *web.HeldFrame) []deed {
	if c.left == nil {
		c.left = make(map[spot]bool)
	}
	// All that are held now: the next one is looked at with h.
	for i := range c.state.held {
		c.left[spotOf(&c.state.held[i])] = true
	}
	c.look = nil
	return nil
}

func (c *controls) next(h *web.HeldFrame) []deed {
	i := slices.IndexFunc(c.state.held, func(o web.HeldFrame) bool { return spotOf(&o) == spotOf(h) })
	return c.lookAt(&c.state.held[(i+1)%len(c.state.held)])
}

func verdict(h *web.HeldFrame, what string) web.Verdict {
	return web.Verdict{Conn: h.Conn, Dir: h.Dir, Offset: h.Offset, Verdict: what, By: byConsole}
}

func (c *controls) decide(h *web.HeldFrame, what string, all bool) []deed {
	v := verdict(h, what)
	v.All = all
	return []deed{{do: doDecide, verdict: v}}
}

// editTime is how long a frame is held while it is edited: nobody writes against the
// clock, but an editor that is forgotten must not hold it for ever.
const editTime = 30 * time.Minute

// holdOn holds a frame for a time from now on.
func (c *controls) holdOn(h *web.HeldFrame, d time.Duration) deed {
	v := verdict(h, "hold")
	v.Seconds = d.Seconds()
	return deed{do: doDecide, verdict: v}
}

// edit opens the editor.
func (c *controls) edit(h *web.HeldFrame) []deed {
	if h.Masked {
		return sayError(usagef("start the proxy with --show-secrets", "the frame has secrets, which would stand in the editor"))
	}
	return c.editAs(*h, h.XML)
}

// editAs edits what is to go in the place of a frame.
func (c *controls) editAs(h web.HeldFrame, text string) []deed {
	hold := c.holdOn(&h, editTime)
	hold.then = orSay(func() []deed {
		return []deed{{do: doEdit, text: text, then: func(r result) []deed {
			limit := c.holdOn(&h, c.limit)
			limit.then = func(result) []deed { return nil } // the next one tells
			return append([]deed{limit}, c.edited(h, r)...)
		}}}
	})
	return []deed{hold}
}

// edited sends what a frame was edited to.
func (c *controls) edited(h web.HeldFrame, r result) []deed {
	switch {
	case r.err != nil:
		return sayError(r.err)
	case r.text == h.XML:
		return saying("xmpplens: nothing was changed; the frame is still held")
	case strings.TrimSpace(r.text) == "":
		return saying("xmpplens: nothing is left of it; d drops the frame")
	}
	v := verdict(&h, "edit")
	v.XML = r.text
	return []deed{{do: doDecide, verdict: v, then: c.orAgain(&h, r.text, func(text string) []deed { return c.editAs(h, text) })}}
}

// orAgain says what is wrong with XML, and offers to write it again. A frame that it
// is about may have gone.
func (c *controls) orAgain(h *web.HeldFrame, xml string, again func(text string) []deed) func(result) []deed {
	return func(r result) []deed {
		if r.err == nil {
			return nil
		}
		text, at := mistake(xml, r.err)
		if at < 0 { // it is not the XML
			c.remember("xml", xml)
			return saying("%s\nhint: what you wrote is kept: i, and then ↑", text)
		}
		q := &question{text: "edit again?", keys: []choice{
			{'e', "e edit", func() []deed { return again(xml) }},
			{keyEnter, "", func() []deed { return again(xml) }},
		}}
		if h != nil {
			p := spotOf(h)
			q.about = &p
		}
		c.ask = q
		return saying("%s", text)
	}
}

// answerIt asks for what goes back in place of an answer of the peer.
func (c *controls) answerIt(h *web.HeldFrame) []deed {
	c.askAnswer(*h, stanza.Draft(h.XML, refused), -1)
	return nil
}

func (c *controls) askAnswer(h web.HeldFrame, text string, at int) {
	p := spotOf(&h)
	try := func(xml string, again func(string) []deed) []deed {
		v := verdict(&h, "answer")
		v.XML = xml
		return []deed{{do: doDecide, verdict: v, then: c.orAgain(&h, xml, again)}}
	}
	c.askXML("answer, to the "+backTo(h.Dir)+":", &p, text, at, try, func(text string, at int) { c.askAnswer(h, text, at) })
}

// askXML asks for elements, in a line or in the editor. try sends them.
func (c *controls) askXML(label string, about *spot, text string, at int, try func(xml string, again func(string) []deed) []deed, ask func(text string, at int)) {
	in := newTyped(text, c.past["xml"])
	if at >= 0 {
		in.at = min(at, len(in.text))
	}
	var write func(string) []deed
	write = func(text string) []deed {
		return []deed{{do: doEdit, text: text, then: func(r result) []deed {
			if r.err != nil {
				return sayError(r.err)
			}
			if strings.TrimSpace(r.text) == "" {
				return saying("xmpplens: nothing is sent")
			}
			c.remember("xml", r.text)
			return try(r.text, write)
		}}}
	}
	c.ask = &question{text: label, about: about, input: in, editor: write, enter: func(text string) []deed {
		if strings.TrimSpace(text) == "" {
			return write("")
		}
		c.remember("xml", text)
		deeds := try(text, write)
		then := deeds[0].then
		deeds[0].then = func(r result) []deed {
			if r.err != nil {
				if text2, at := mistake(text, r.err); at >= 0 {
					ask(text, at) // where it is wrong
					return saying("%s", text2)
				}
			}
			return then(r)
		}
		return deeds
	}}
}

// delay asks for how long.
func (c *controls) delay(h *web.HeldFrame) []deed {
	c.askDelay(*h, "5s")
	return nil
}

func (c *controls) askDelay(h web.HeldFrame, text string) {
	p := spotOf(&h)
	c.ask = &question{text: "let it pass after:", about: &p, input: newTyped(text, nil), enter: func(text string) []deed {
		d, err := delayOf(text)
		if err != nil {
			c.askDelay(h, text)
			return sayError(err)
		}
		v := verdict(&h, "delay")
		v.Seconds = d.Seconds()
		return []deed{{do: doDecide, verdict: v}}
	}}
}

// delayOf reads a time; a number alone is in seconds.
func delayOf(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > maxDelay {
		return 0, usagef("for example 5, 300ms or 1m30s; at most "+maxDelay.String(), "%q is no time to wait", text)
	}
	return d, nil
}

// inject asks where to, and then for what.
func (c *controls) inject() []deed {
	return []deed{{do: doSessions, then: func(r result) []deed {
		switch {
		case c.tap:
			return sayError(usagef("run the proxy without --tap", "a tap alters nothing, and nothing can be put in"))
		case len(r.sessions) == 0:
			return sayError(usagef("let a client connect first (sessions over BOSH are not among them)", "there is no connection to inject into"))
		case len(r.sessions) == 1:
			return c.askSide(r.sessions[0])
		}
		var open []string
		for _, s := range r.sessions {
			open = append(open, strconv.Itoa(s.Conn))
		}
		last := open[len(open)-1]
		c.ask = &question{text: "into which connection (" + elided(open) + ")?", input: newTyped(last, nil), enter: func(text string) []deed {
			text = strings.TrimPrefix(strings.TrimSpace(text), "#")
			for _, s := range r.sessions {
				if strconv.Itoa(s.Conn) == text {
					return c.askSide(s)
				}
			}
			return sayError(usagef("open now: "+elided(open), "there is no connection %.20s", text))
		}}
		return nil
	}}}
}

// askSide asks whom it is for.
func (c *controls) askSide(s web.Session) []deed {
	to := func(dir, no string) func() []deed {
		return func() []deed {
			if no != "" {
				return saying("xmpplens: nothing can be put in there: %s", no)
			}
			c.askInjection(s.Conn, dir, "", -1)
			return nil
		}
	}
	c.ask = &question{text: fmt.Sprintf("connection %d: to whom?", s.Conn), keys: []choice{
		{'c', "c client", to("SC", s.SC)}, {'s', "s server", to("CS", s.CS)},
	}}
	return nil
}

func (c *controls) askInjection(conn int, dir, text string, at int) {
	try := func(xml string, again func(string) []deed) []deed {
		wrong := c.orAgain(nil, xml, again)
		return []deed{{do: doInject, put: web.Injection{Conn: conn, Dir: dir, XML: xml, By: byConsole}, then: func(r result) []deed {
			if r.err != nil {
				return wrong(r)
			}
			return saying("xmpplens: injected into connection %d, to the %s", conn, forwardTo(dir))
		}}}
	}
	c.askXML(fmt.Sprintf("#%d, to the %s:", conn, forwardTo(dir)), nil, text, at, try, func(text string, at int) { c.askInjection(conn, dir, text, at) })
}

func forwardTo(dir string) string {
	if dir == "CS" {
		return "server"
	}
	return "client"
}

func backTo(dir string) string {
	if dir == "CS" {
		return "client"
	}
	return "server"
}

// refused is what is in an answer that says an error, to begin with.
const refused = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
