package session

import (
	"bytes"
	"errors"
	"html"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// This file keeps clients from being led past the proxy. A server names another
// address to connect to in three places:
//
//	<stream:error><see-other-host>…    at any time, RFC 6120 §4.9.3.19
//	<enabled location='…'/>            after the login, XEP-0198 §3
//	<success>…<bound>…<enabled …       inside it, with SASL2 and Bind2, XEP-0386
//
// Such a frame waits until the shell has an address of its own for that target
// (Redirect), and is sent with it. After the login, where chunks are passed as
// they come, a chunk that holds such a frame is cut around it; where one is cut
// short by the chunk's end, the bytes since its < are kept back (guarded).

const (
	nsStreamErrors = "urn:ietf:params:xml:ns:xmpp-streams"
	nsBind2        = "urn:xmpp:bind:0"
)

// maxGuarded bounds what is kept back of an unfinished frame: one that is
// longer is no redirect.
const maxGuarded = 64 << 10

// A turn is a frame that names another address, while it waits for the one that
// it is to name instead.
type turn struct {
	sent       []byte // as it goes out, but for the address; the session's own
	why        string // sent differs from what was received; "" when it does not
	start, end int    // of the address in sent
	target     string // the address
	what       string // what names it, for people
	offset     int64
}

// leads reports whether a frame may name another address. It runs for every
// frame of the fast path.
func leads(f *decode.Frame) bool {
	switch len(f.Name) {
	case len("error"):
		return string(f.Name) == "error" && string(f.NS) == nsStreams && f.Part == decode.Whole
	case len("enabled"):
		return string(f.Name) == "enabled" && isSM(string(f.NS)) && f.Part == decode.Whole
	}
	return false
}

// isSM tells the versions of stream management that have a location.
func isSM(ns string) bool { return ns == "urn:xmpp:sm:3" || ns == "urn:xmpp:sm:2" }

// turnOf finds the other address that a frame, which is to be sent as its Raw,
// names; nil when it names none.
func turnOf(f decode.Frame) *turn {
	root, err := stanza.Tree(f)
	if err != nil {
		return nil
	}
	t := &turn{offset: f.Offset}
	switch {
	case root.NS == nsStreams && root.Name == "error":
		n := root.Child(nsStreamErrors, "see-other-host")
		if n == nil || n.InnerEnd <= n.InnerStart {
			return nil
		}
		t.what, t.target, t.start, t.end = "see-other-host, RFC 6120 §4.9.3.19", n.Text, n.InnerStart, n.InnerEnd
	case isSM(root.NS) && root.Name == "enabled":
		t.located(root)
	case root.NS == nsSASL2 && root.Name == "success":
		for _, n := range children(root.Child(nsBind2, "bound")) {
			if isSM(n.NS) && n.Name == "enabled" {
				t.located(n)
			}
		}
	}
	if t.target = strings.TrimSpace(t.target); t.target == "" {
		return nil
	}
	t.sent = bytes.Clone(f.Raw)
	return t
}

func children(n *stanza.Node) []*stanza.Node {
	if n == nil {
		return nil
	}
	return n.Children
}

// located reads the location of <enabled/>.
func (t *turn) located(n *stanza.Node) {
	if i := slices.IndexFunc(n.Attrs, func(a stanza.Attr) bool { return a.Name == "location" }); i >= 0 {
		a := n.Attrs[i]
		t.what, t.target, t.start, t.end = "location of stream management, XEP-0198 §3", a.Value, a.Start, a.End
	}
}

// turns holds a frame of the server that names another address. sent is what
// goes out in its place, why the reason; nil and "" when it goes as it is.
func (s *Session) turns(f decode.Frame, sent []byte, why string) bool {
	if s.ws != nil {
		return false
	}
	if sent != nil {
		f.Raw = sent
	} else if !leads(&f) && !is(f, nsSASL2, "success") {
		return false
	}
	t := turnOf(f)
	if t == nil {
		return false
	}
	t.why = why
	s.hold(t, f)
	return true
}

func (s *Session) hold(t *turn, f decode.Frame) {
	s.turn = t
	s.holds = append(s.holds, record.Event{E: record.EventHold, D: record.SC, O: t.offset, N: s.sc.dec.Offset() - t.offset, By: "proxy"})
	s.do(Effect{Do: Redirect, Name: t.target})
}

// redirected is the shell's answer: the frame that waits goes on, and what is
// behind it.
func (s *Session) redirected(in Input) {
	t := s.turn
	if t == nil {
		return
	}
	if in.Name != "" {
		sent := append(bytes.Clone(t.sent[:t.start]), html.EscapeString(in.Name)...)
		t.sent = append(sent, t.sent[t.end:]...)
		why := "the server sends the client to " + t.target + " (" + t.what + "): " + in.Name + " is the proxy's way there"
		if t.why != "" {
			why = t.why + "; " + why
		}
		t.why = why
	} else if in.Err != nil {
		s.note("warning", "the server sends the client to "+t.target+" ("+t.what+"), past the proxy: what it does there is not seen: "+in.Err.Error(), in.Hint)
	}
	s.finishTurn()
	s.frames(record.SC)
	s.zip.rest = 0
	s.catchUp()
}

// wayTo finds the URI to put for target, which a server over WebSocket or BOSH
// names in what, and the reason; "" for both when target stays.
func (s *Session) wayTo(target, what string) (own, why string) {
	if target == "" || s.cfg.Lead == nil {
		return "", ""
	}
	sends := "the server sends the client to " + target + " (" + what + ")"
	own, err := s.cfg.Lead(target)
	switch {
	case err != nil:
		hint := "start another proxy for " + target
		var h interface{ Hint() string }
		if errors.As(err, &h) {
			hint = h.Hint()
		}
		s.note("warning", sends+", past the proxy: what it does there is not seen: "+err.Error(), hint)
		return "", ""
	case own == target:
		return "", ""
	}
	return own, sends + ": " + own + " is the proxy's way there"
}

// finishTurn sends the frame that waits.
func (s *Session) finishTurn() {
	t := s.turn
	s.turn = nil
	e := record.Event{E: record.EventVerdict, D: record.SC, O: t.offset, Verdict: "passed", By: "proxy"}
	if t.why != "" {
		e.Verdict, e.Data, e.HasData, e.Why = "edited", t.sent, true, t.why
	}
	s.event(e)
	s.send(Client, t.sent)
}

// turnsInChunk takes a chunk of the fast path in which f, just framed, names
// another address: what is before f is sent, what is behind it waits.
func (s *Session) turnsInChunk(t *turn, f decode.Frame, b []byte) []Effect {
	s.anew()
	before := s.sc.off - int64(len(b))
	if f.Offset < before {
		// It began in an earlier chunk, which is sent already: guards only
		// knows the usual ways to write it.
		s.note("warning", "the server sends the client to "+t.target+" ("+t.what+"), past the proxy: what it does there is not seen: the frame was under way already", "")
		s.send(Client, b[:s.sc.dec.Offset()-before])
		s.guarded = true
		s.guard()
	} else {
		s.send(Client, b[:f.Offset-before])
		s.guarded = true
		s.hold(t, f)
	}
	s.event(record.Event{E: record.EventData, D: record.SC, Data: b, HasData: true})
	return s.answer()
}

// guards reports whether a chunk that was received ends inside what may name
// another address.
func (s *Session) guards(received int) bool {
	d := &s.sc.dec
	b := d.Unread()
	if len(b) == 0 || len(b) > received || b[0] != '<' {
		return false // the frame began in an earlier chunk, or there is none
	}
	return s.mayLead(b)
}

// mayLead tells whether b, the beginning of a frame, may lead on to one that
// names another address.
func (s *Session) mayLead(b []byte) bool {
	return len(b) <= maxGuarded && (begins(b, s.errorTag) || begins(b, "<enabled"))
}

// begins reports whether b and tag are the same as far as both go.
func begins(b []byte, tag string) bool {
	n := min(len(b), len(tag))
	return n > 0 && string(b[:n]) == tag[:n]
}

// keepBack sends a chunk without the beginning of a frame at its end.
func (s *Session) keepBack(b []byte) []Effect {
	s.anew()
	s.guarded = true
	s.send(Client, b[:len(b)-len(s.sc.dec.Unread())])
	s.event(record.Event{E: record.EventData, D: record.SC, Data: b, HasData: true})
	return s.answer()
}

// guard sends the server's frames one by one until nothing has to be kept back.
func (s *Session) guard() {
	d := &s.sc.dec
	for s.turn == nil {
		f, ok := d.Next()
		if !ok {
			if !s.mayLead(d.Unread()) {
				s.send(Client, d.Unread())
				s.guarded = false
			}
			return
		}
		s.ending(record.SC, f)
		s.follow(record.SC, f)
		if !s.turns(f, nil, "") {
			s.send(Client, f.Raw)
		}
	}
}

// letGo sends what is kept back: the server says nothing more.
func (s *Session) letGo() {
	if s.turn != nil {
		s.finishTurn()
	}
	if s.guarded {
		s.guarded = false
		s.send(Client, s.sc.dec.Unread())
	}
}

// follow keeps step with stanzas and their management where frames go on as they
// came.
func (s *Session) follow(d record.Dir, f decode.Frame) {
	if isStanza(&f) {
		s.counted(d, 1)
	} else if manages(&f) {
		s.manage(d, f)
	}
}
