package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/web"
)

// What a person presses and sees, as a script:
//
//	>> h m "text" Enter     keys, "…" typed
//	>> held CS 7 PAUSE XML  what is held now, one after another; nothing more: none
//	>> armed TEXT           what is armed now
//	?? text T, ?? error T, ?? at N T, ?? open 1 2
//	                        what comes of the next deed that is asked for
//	<< TEXT                 a deed, with what is said
//	== LINE | LINE          the bottom, in 80 columns
type player struct {
	t       *testing.T
	c       controls
	width   int
	results []result
	got     []string
}

var keyNames = map[string]key{"Enter": keyEnter, "Esc": keyEsc, "Up": keyUp, "Down": keyDown, "Left": keyLeft, "Home": keyHome, "C-o": keyEditor, "C-u": keyClear, "Newline": pasted + '\n', "Pasted": pasted + 'q'}

// words cuts at blanks outside of quotes.
func words(s string) (out []string) {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if s[0] == '"' {
			q, err := strconv.QuotedPrefix(s)
			if err != nil {
				panic(err)
			}
			out, s = append(out, q), s[len(q):]
			continue
		}
		w, rest, _ := strings.Cut(s, " ")
		out, s = append(out, w), rest
	}
	return out
}

func (p *player) input(line string) {
	what, rest, _ := strings.Cut(line, " ")
	s := p.c.state
	switch what {
	case "armed":
		s.armed, s.paused = rest, strings.HasPrefix(rest, "pause")
		p.carryOut(p.c.sees(s))
	case "held":
		s.held = nil
		for f := words(rest); len(f) >= 4; f = f[4:] {
			offset, _ := strconv.ParseInt(f[1], 10, 64)
			by, xml := f[2], f[3]
			if by[0] == '"' {
				by, _ = strconv.Unquote(by)
			}
			xml, _ = strconv.Unquote(xml)
			s.held = append(s.held, web.HeldFrame{Conn: 1, Dir: f[0], Offset: offset, By: by, XML: xml, Until: 40_000, Masked: len(stanza.SecretsAlone(xml)) > 0})
		}
		p.carryOut(p.c.sees(s))
	default:
		for _, k := range words(line) {
			if text, err := strconv.Unquote(k); err == nil {
				for _, r := range text {
					p.carryOut(p.c.press(key(r)))
				}
			} else if named, ok := keyNames[k]; ok {
				p.carryOut(p.c.press(named))
			} else {
				p.carryOut(p.c.press(key([]rune(k)[0])))
			}
		}
	}
}

func (p *player) result(line string) {
	what, rest, _ := strings.Cut(line, " ")
	switch what {
	case "text":
		p.results = append(p.results, result{text: rest})
	case "error":
		p.results = append(p.results, result{err: errors.New(rest)})
	case "at":
		at, text, _ := strings.Cut(rest, " ")
		n, _ := strconv.Atoi(at)
		p.results = append(p.results, result{err: &session.ElementError{Offset: n, Msg: text}})
	case "filter":
		_, err := filter.Compile(rest)
		p.results = append(p.results, result{err: err})
	case "open":
		var r result
		for _, n := range strings.Fields(rest) {
			conn, _ := strconv.Atoi(n)
			r.sessions = append(r.sessions, web.Session{Conn: conn, SC: map[int]string{9: "the login has not ended"}[conn]})
		}
		p.results = append(p.results, r)
	}
}

func (p *player) carryOut(deeds []deed) {
	for _, d := range deeds {
		p.got = append(p.got, deedText(d))
		var r result
		if d.do != doSay && d.do != doShow && d.verdict.Verdict != "hold" && len(p.results) > 0 {
			r, p.results = p.results[0], p.results[1:]
		}
		if d.then != nil {
			p.carryOut(d.then(r))
		} else if r.err != nil {
			p.carryOut(sayError(r.err))
		}
	}
}

func deedText(d deed) string {
	names := map[verb]string{doSay: "say", doShow: "show", doPause: "pause", doResume: "resume", doHoldNext: "hold next", doDecide: "decide", doSessions: "sessions", doInject: "inject", doEdit: "editor", doFilter: "filter", doMark: "mark", doKeep: "keep", doQuit: "quit"}
	text := strings.TrimPrefix(strings.ReplaceAll(d.text, "\n", " / "), "xmpplens: ")
	switch d.do {
	case doShow:
		text = fmt.Sprintf("%s %d", d.held.Dir, d.held.Offset)
	case doDecide:
		v := d.verdict
		text = strings.TrimSpace(fmt.Sprintf("%s %s %d %s %s", v.Verdict, v.Dir, v.Offset, map[bool]string{true: "all"}[v.All], strings.ReplaceAll(v.XML, "\n", " / ")))
		if v.Seconds > 0 {
			text += fmt.Sprint(" ", v.Seconds)
		}
	case doInject:
		text = fmt.Sprintf("%d %s %s", d.put.Conn, d.put.Dir, d.put.XML)
	}
	return strings.TrimSpace(names[d.do] + " " + text)
}

func (p *player) bottom() string {
	paint := newPalette(false)
	b := p.c.bottom(time.UnixMilli(0), &paint, true)
	return strings.TrimRight(strings.Join(b.draw(p.width).lines, " | "), " ")
}

func (p *player) play(script string) {
	p.t.Helper()
	for i, line := range strings.Split(strings.TrimSpace(script), "\n") {
		line = strings.TrimSpace(line)
		op, rest, _ := strings.Cut(line, " ")
		switch op {
		case ">>":
			p.none(i)
			p.input(rest)
		case "??":
			p.result(rest)
		case "<<":
			if len(p.got) == 0 || p.got[0] != rest {
				p.t.Errorf("line %d: wanted %q, got %q", i+1, rest, p.got)
				p.got = nil
				continue
			}
			p.got = p.got[1:]
		case "==":
			p.none(i)
			if got := p.bottom(); got != rest {
				p.t.Errorf("line %d: the bottom is\n%s\nnot\n%s", i+1, got, rest)
			}
		}
	}
	p.none(999)
}

func (p *player) none(line int) {
	p.t.Helper()
	if len(p.got) > 0 {
		p.t.Errorf("in front of line %d: also %q", line+1, p.got)
		p.got = nil
	}
}

func TestControls(t *testing.T) {
	for _, c := range []struct {
		name, script string
	}{
		{"nothing is armed, and what means nothing does nothing", `
			== nothing armed  p pause  h hold  i inject  m mark  f filter  ? keys  q quit
			>> x Enter Esc Up e d a Pasted`},
		{"pause and resume", `
			?? text stanzas
			>> p
			<< pause stanzas
			<< say paused: stanzas is held from now on; r resumes
			>> armed pause stanzas
			== armed: pause stanzas  r resume  h hold  i inject  m mark  f filter  ? keys
			?? text 1 held frame let pass, the pause of the console ended
			>> r
			<< resume
			<< say resumed: 1 held frame let pass, the pause of the console ended
			?? error it is paused already
			>> p
			<< pause stanzas
			<< say it is paused already`},
		{"hold the next and let it pass", `
			>> h
			<< hold next stanzas
			<< say the next of stanzas is held
			>> held CS 7 "rule hold of the console" "<message to='a'/>"
			<< show CS 7
			== 1 held, 0:40 left  nothing armed | #1 →  Enter pass  e edit  d drop  a answer  l later  + more time  Esc leave
			>> Enter
			<< decide pass CS 7
			>> held
			== nothing armed  p pause  h hold  i inject  m mark  f filter  ? keys  q quit`},
		{"two are held; one after another", `
			>> held CS 7 "rule pause" "<message/>" SC 9 "rule pause" "<iq/>"
			<< show CS 7
			== 2 held, 0:40 left  nothing armed | #1 →  0:40  Enter pass  e edit  d drop  a answer  l later  n next  Esc leave
			>> n
			<< show SC 9
			>> n
			<< show CS 7
			>> d
			<< decide drop CS 7
			>> held SC 9 "rule pause" "<iq/>"
			<< show SC 9
			>> A
			<< decide pass SC 9 all
			>> D
			<< decide drop SC 9 all`},
		{"left alone; what the viewer holds waits for h", `
			>> held CS 7 "rule pause" "<message/>"
			<< show CS 7
			>> Esc
			== 1 held, 0:40 left (h)  nothing armed  p pause  r resume  h hold  ? keys
			>> held CS 7 "rule pause" "<message/>" SC 3 "rule breakpoint iq" "<iq/>"
			>> h
			<< show CS 7
			>> held SC 3 "rule breakpoint iq" "<iq/>"
			== 1 held, 0:40 left (h)  nothing armed  p pause  r resume  h hold  ? keys
			>> h
			<< show SC 3`},
		{"edited, with a mistake", `
			>> held CS 7 "rule pause" "<message>one</message>"
			<< show CS 7
			?? text <message>two<message>
			?? at 21 the element is not closed
			>> e
			<< decide hold CS 7 1800
			<< editor <message>one</message>
			<< decide hold CS 7 60
			<< decide edit CS 7  <message>two<message>
			<< say the XML cannot be sent: line 1, column 22: the element is not closed /     <message>two<message> /                          ^
			== 1 held, 0:40 left  nothing armed | edit again?  e edit  Esc
			?? text <message>two</message>
			>> x e
			<< decide hold CS 7 1800
			<< editor <message>two<message>
			<< decide hold CS 7 60
			<< decide edit CS 7  <message>two</message>
			?? text <message>one</message>
			>> e
			<< decide hold CS 7 1800
			<< editor <message>one</message>
			<< decide hold CS 7 60
			<< say nothing was changed; the frame is still held
			?? text
			>> e
			<< decide hold CS 7 1800
			<< editor <message>one</message>
			<< decide hold CS 7 60
			<< say nothing is left of it; d drops the frame
			?? error the editor ended
			>> e
			<< decide hold CS 7 1800
			<< editor <message>one</message>
			<< decide hold CS 7 60
			<< say the editor ended`},
		{"its time is over while it was edited: what was written is kept", `
			>> held CS 7 "rule pause" "<message>one</message>"
			<< show CS 7
			?? text <message>two</message>
			?? error no frame is held
			>> e
			<< decide hold CS 7 1800
			<< editor <message>one</message>
			<< decide hold CS 7 60
			<< decide edit CS 7  <message>two</message>
			<< say no frame is held / hint: what you wrote is kept: i, and then ↑
			>> held
			?? open 1
			>> i s Up Enter
			<< sessions
			<< inject 1 CS <message>two</message>
			<< say injected into connection 1, to the server`},
		{"its time is over while something is asked", `
			>> held CS 7 "rule pause" "<message>one</message>"
			<< show CS 7
			>> l C-u
			>> held
			<< say it is not held any more: its time is over, or somebody else decided`},
		{"secrets do not get into the editor", `
			>> held CS 7 "rule pause" "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>"
			<< show CS 7
			>> e
			<< say the frame has secrets, which would stand in the editor / hint: start the proxy with --show-secrets`},
		{"answered", `
			>> held CS 7 "rule pause" "<iq type='get' id='x&amp;' to='b'/>"
			<< show CS 7
			>> a
			== 1 held, 0:40 left  nothing armed  Enter sends  Ctrl-O editor  Esc gives up | answer, to the client: <iq type='result' id='x&amp;' from='b'/>
			>> Enter
			<< decide answer CS 7  <iq type='result' id='x&amp;' from='b'/>
			>> a C-u "<iq>" Newline "</iq" 
			?? at 9 it is not closed
			>> Enter
			<< decide answer CS 7  <iq> / </iq
			<< say the XML cannot be sent: line 2, column 5: it is not closed /     </iq /         ^
			>> ">" Enter
			<< decide answer CS 7  <iq> / </iq>`},
		{"held for longer", `
			>> held CS 7 "rule pause" "<iq/>"
			<< show CS 7
			>> +
			<< decide hold CS 7 60`},
		{"delayed", `
			>> held CS 7 "rule pause" "<iq/>"
			<< show CS 7
			>> l
			== 1 held, 0:40 left  nothing armed  Enter sends  Esc gives up | let it pass after: 5s
			>> C-u "soon" Enter
			<< say "soon" is no time to wait / hint: for example 5, 300ms or 1m30s; at most 1h0m0s
			>> C-u "1.5" Enter
			<< decide delay CS 7 1.5`},
		{"injected", `
			?? open 1 2 9
			>> i
			<< sessions
			== nothing armed  Enter sends  Esc gives up | into which connection (1, 2, 9)? 9
			>> C-u "7" Enter
			<< say there is no connection 7 / hint: open now: 1, 2, 9
			?? open 1 2 9
			>> i Enter
			<< sessions
			== nothing armed | connection 9: to whom?  c client  s server  Esc
			>> c
			<< say nothing can be put in there: the login has not ended
			?? open 1
			>> i c
			<< sessions
			== nothing armed  Enter sends  Ctrl-O editor  Esc gives up | #1, to the client: 
			?? at 9 no end
			>> "<message>" Enter
			<< inject 1 SC <message>
			<< say the XML cannot be sent: line 1, column 10: no end /     <message> /              ^
			== nothing armed  Enter sends  Ctrl-O editor  Esc gives up | #1, to the client: <message>
			>> "</message>" Enter
			<< inject 1 SC <message></message>
			<< say injected into connection 1, to the client
			?? open 1
			?? text <presence/>
			>> i s "<p" C-o
			<< sessions
			<< editor <p
			<< inject 1 CS <presence/>
			<< say injected into connection 1, to the server
			?? open 1
			?? text
			>> i s Enter
			<< sessions
			<< editor
			<< say nothing is sent
			?? open
			>> i
			<< sessions
			<< say there is no connection to inject into / hint: let a client connect first (sessions over BOSH are not among them)`},
		{"marked", `
			>> m
			<< mark marker 1
			== nothing armed  Enter sends  Esc gives up | marker 1 is set; a word on it (Enter for none):
			>> "the roster" Enter
			<< mark marker 1: the roster
			>> m
			<< mark marker 2
			>> Up Newline Pasted Enter
			<< mark marker 2: the roster q
			>> m Esc
			<< mark marker 3`},
		{"filtered; the filter is what p and h hold", `
			?? filter iq and typ == 1
			>> f "iq and typ == 1" Enter
			<< filter iq and typ == 1
			<< say filter "iq and typ == 1": unknown name typ /     iq and typ == 1 /            ^ / hint: did you mean type?
			>> C-u
			== nothing armed  Enter sends  Esc gives up | print only (empty: all): typ == 1
			>> Esc
			>> f "iq" Enter
			<< filter iq
			<< say printed is what matches iq
			== nothing armed  filter: iq  p pause  h hold  i inject  m mark  f filter  ? keys
			>> h
			<< hold next iq
			<< say the next of iq is held
			>> f C-u "not presence" Enter
			<< filter not presence
			<< say printed is what matches not presence
			>> p
			<< pause not presence and (stanzas or nonzas)
			<< say paused:  is held from now on; r resumes
			>> f C-u Enter
			<< filter
			<< say everything is printed`},
		{"ended", `
			>> q
			<< quit
			== ending; q or Ctrl-C ends it at once
			>> q
			<< quit`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &player{t: t, width: 80, c: controls{limit: time.Minute}}
			p.play(c.script)
		})
	}
}

// At a tap nothing can be done, and the bottom says that it is one.
func TestControlsTap(t *testing.T) {
	p := &player{t: t, width: 80, c: controls{tap: true}}
	p.play(`
		== tap  p pause  h hold  i inject  m mark  f filter  ? keys  q quit
		?? open 1
		>> i
		<< sessions
		<< say a tap alters nothing, and nothing can be put in / hint: run the proxy without --tap`)
}

// What is armed and held is said in every width and state.
func TestBottomAlwaysSays(t *testing.T) {
	for _, width := range []int{200, 80, 50, 30, 12} {
		p := &player{t: t, width: width, c: controls{filter: "body contains \"你好\" and " + strings.Repeat("x", 300)}}
		p.input("armed breakpoint " + strings.Repeat("message or ", 40))
		p.input(`held CS 7 "rule pause" "<message>one</message>"`)
		for _, keys := range []string{"", "l", "Esc Esc", "m"} {
			p.input(keys)
			paint := newPalette(false)
			d := p.c.bottom(time.UnixMilli(0), &paint, true).draw(width)
			for i, l := range d.lines {
				if d.cells[i] >= max(width, 2) {
					t.Errorf("%d columns: line %d takes %d: %q", width, i, d.cells[i], l)
				}
			}
			if width >= 30 && (!strings.Contains(d.lines[0], "1 held, 0:40 left") || !strings.Contains(d.lines[0], "ar")) {
				t.Errorf("%d columns, after %q: %q", width, keys, d.lines)
			}
		}
	}
}

// A held frame is shown without the header of its stream, which may have declared what
// makes a secret of a name.
func TestHeldSecrets(t *testing.T) {
	paint := newPalette(false)
	for _, xml := range []string{
		"<handshake>geheim</handshake>",
		"<s:auth mechanism='PLAIN'>geheim</s:auth>",
		"<presence to='room@muc/me'><x xmlns='http://jabber.org/protocol/muc'><password>geheim</password></x></presence>",
	} {
		h := web.HeldFrame{Conn: 1, Dir: "CS", XML: xml}
		if got := heldLines(&h, time.Now(), &paint, false, 80); len(stanza.SecretsAlone(xml)) == 0 || strings.Contains(got, "geheim") {
			t.Errorf("of %s is shown %s", xml, got)
		}
		if got := heldLines(&h, time.Now(), &paint, true, 80); !strings.Contains(got, "geheim") {
			t.Errorf("of %s is shown, with secrets, %s", xml, got)
		}
	}
}
