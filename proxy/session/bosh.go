package session

import (
	"bytes"
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// This file is what is different over BOSH (XEP-0124, XEP-0206). There are no
// two connections: requests and answers go as HTTP on whatever connections there
// are. The shell hands in whole bodies, as Data with the RID of the request that
// they belong to, and what the session sends to the other leg in answer to that
// is the body to send on:
//
//	s.Handle(session.Input{On: session.Accepted, Client: …, Server: …})
//	s.Handle(session.Input{On: session.Data, Dir: record.CS, RID: 10, Bytes: body})
//	s.Handle(session.Input{On: session.Data, Dir: record.SC, RID: 10, Bytes: answer})
//
// A request that gets no answer ends with Unanswered, so that the session knows
// which are on their way. TLS is the matter of HTTP; Secured only tells of it.
// Nothing can be injected: the client numbers its requests, and the server its
// answers with them. So there is no login on each leg.

// BOSH is the transport of XEP-0124.
const BOSH Transport = record.TransportBOSH

const nsBOSH = "http://jabber.org/protocol/httpbind"

// maxRequests bounds the requests without answer that a session remembers by
// their number.
const maxRequests = 1000

// bosh is the state of a session over BOSH.
type bosh struct {
	sid      string
	pending  []int64       // the requests without answer, in the order in which they came
	streamed [2][]int64    // requests whose body, or whose answer, goes by in pieces
	accounts bool          // passwords were given, which are of no use here
	begun    bool          // a body came
	keys     bool          // the client protects its requests with keys
	idle     time.Duration // the session ends after so long without a request; 0 = not known
	pause    time.Duration // and after so long this time
	over     bool          // it was terminated
	away     bool          // the body says that the client is to go elsewhere
}

// SID is the name of a session over BOSH; "" as long as it has none.
func (s *Session) SID() string { return s.bosh.sid }

// Pending is how many requests of a session over BOSH have no answer yet.
func (s *Session) Pending() int { return len(s.bosh.pending) }

// Patience is how long a session over BOSH lasts without a request
// (XEP-0124 §10); 0 = the server has not said.
func (s *Session) Patience() time.Duration {
	if s.bosh.pause > 0 {
		return s.bosh.pause
	}
	return s.bosh.idle
}

// ReadBody reads which session and which request a body belongs to, from its
// beginning: "" and 0 where it does not say.
func ReadBody(b []byte) (sid string, rid int64) {
	d := decode.Decoder{BOSH: true}
	d.Write(b)
	for f, ok := d.Next(); ok; f, ok = d.Next() {
		if body, ok := stanza.ReadBody(f); ok {
			return body.SID, readRID(body.RID)
		}
		if f.Kind != decode.Declaration && f.Kind != decode.Whitespace {
			break
		}
	}
	return "", 0
}

// readRID reads a request's number (XEP-0124 §14.1); 0 when it has none.
func readRID(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || n >= 1<<53 {
		return 0
	}
	return n
}

// acceptedBOSH begins a session with its first request.
func (s *Session) acceptedBOSH(in Input) {
	s.connected, s.begun, s.spoken = true, true, true
	s.event(record.Event{E: record.EventOpen, Kind: s.cfg.Kind, Transport: string(s.cfg.Transport), Client: in.Client, Server: in.Server})
	if s.bosh.accounts {
		s.note("warning", "--account does nothing over BOSH: the proxy cannot answer requests in the server's place, nor number its own among the client's", "use a client that speaks WebSocket or TCP to log in on each leg")
	}
}

// body takes the body of a request or of its answer, or a piece of one that is
// too large to be looked at.
func (s *Session) body(in Input) {
	h, b := s.half(in.Dir), s.bosh
	streamed := &b.streamed[into(in.Dir)]
	first := !slices.Contains(*streamed, in.RID)
	if first && in.Dir == record.CS && len(b.pending) < maxRequests {
		b.pending = append(b.pending, in.RID)
	}
	h.dec.Reset(h.off)
	h.off += int64(len(in.Bytes))
	switch {
	case first && !in.More:
		h.dec.Write(in.Bytes)
		for f, ok := h.dec.Close(); ok; f, ok = h.dec.Close() {
			s.bodyFrame(in.Dir, f)
		}
	case first:
		*streamed = append(*streamed, in.RID)
		h.dec.Write(in.Bytes)
		if f, ok := h.dec.Next(); ok && f.Kind == decode.Header {
			s.bodyTag(in.Dir, f)
		}
		s.note("warning", fmt.Sprintf("the %s of request %d is larger than %d bytes: it is passed on in pieces as they come, and nothing in it is changed", map[record.Dir]string{record.CS: "body", record.SC: "answer"}[in.Dir], in.RID, len(in.Bytes)), "")
		fallthrough
	default:
		s.send(into(in.Dir), in.Bytes)
	}
	h.dec.Reset(h.off)
	s.event(record.Event{E: record.EventData, D: in.Dir, RID: in.RID, More: in.More, Data: in.Bytes, HasData: true})
	if in.More {
		return
	}
	*streamed = slices.DeleteFunc(*streamed, func(rid int64) bool { return rid == in.RID })
	if in.Dir == record.SC {
		s.settled(in.RID)
		s.mayEnd("the server did not begin a session")
	}
}

// settled forgets a request.
func (s *Session) settled(rid int64) {
	b := s.bosh
	if i := slices.Index(b.pending, rid); i >= 0 {
		b.pending = slices.Delete(b.pending, i, i+1)
	}
}

// mayEnd ends the session if it is over and nothing is on its way any more. why
// is said of one that never began.
func (s *Session) mayEnd(why string) {
	b := s.bosh
	switch {
	case len(b.pending) > 0:
	case b.over:
		s.end()
	case b.sid == "":
		s.by, s.cause = "server", why
		s.end()
	}
}

func (s *Session) bodyFrame(d record.Dir, f decode.Frame) {
	if s.ic.judge == nil {
		s.bodyElement(d, f)
		return
	}
	fixed := f.Kind != decode.Element || f.Part != decode.Whole || is(f, nsStreams, "features") || is(f, nsBOSH, "uri")
	p := pending{d: d, f: f, raw: f.Raw}
	p.plan = s.ic.judge.Judge(Seen{Dir: d, Frame: f, Authenticated: s.authed, Fixed: fixed})
	if fixed {
		p.plan = slices.DeleteFunc(slices.Clone(p.plan), func(step Step) bool {
			switch step.(type) {
			case Note, StopRecording:
				return false
			}
			return true
		})
	}
	s.steps(&p)
}

// deliverBody sends an element of a body on.
func (s *Session) deliverBody(p *pending) {
	if !p.changed {
		s.bodyElement(p.d, p.f)
		return
	}
	s.outcome(p, "edited", bytes.Clone(p.raw), p.reason)
	s.send(into(p.d), p.raw)
}

func (s *Session) bodyElement(d record.Dir, f decode.Frame) {
	switch {
	case f.Kind == decode.Header:
		s.bodyTag(d, f)
		s.send(into(d), f.Raw)
	case d == record.CS:
		s.login.fromClient(s, f)
		s.login.warn(s, f)
		s.send(Server, f.Raw)
	case is(f, nsStreams, "features"):
		s.serverOffers(f, false)
		s.armed = true // bodies are handled one by one to the end
	case is(f, nsBOSH, "uri") && s.bosh.away:
		s.leadAway(f)
	default:
		s.login.fromServer(s, f)
		s.send(Client, f.Raw)
	}
}

// bodyTag reads the attributes of a body.
func (s *Session) bodyTag(d record.Dir, f decode.Frame) {
	w, ok := stanza.ReadBody(f)
	if !ok {
		return
	}
	b := s.bosh
	b.away = w.Type == "terminate" && w.Condition == "see-other-uri"
	if d == record.CS {
		if !b.begun && w.SID != "" {
			s.note("warning", "this BOSH session began before the proxy saw it: the login and what else was said before are not known", "begin the session anew to see it whole")
		}
		b.begun = true
		b.pause = seconds(w.Pause)
		if s.to == "" {
			s.to = w.To
		}
		if !b.keys && (w.Key != "" || w.NewKey != "") {
			b.keys = true
			s.note("", "the client protects its requests with keys: nothing can be put into the session, only the client knows the key that is next (XEP-0124 §15)", "")
		}
	} else if w.Grants() {
		b.idle = seconds(w.Inactivity)
	}
	if b.sid == "" {
		b.sid = w.SID
	}
	if w.Type == "terminate" && !b.over {
		b.over = true
		s.by = into(d).Other().String()
		s.cause = w.Condition
		s.manner = append(s.manner, "the "+s.by+" terminated the session")
	}
}

// seconds reads a number of seconds; 0 where there is none.
func seconds(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// leadAway puts the proxy's own address for the URI at which the client is told
// to go on.
func (s *Session) leadAway(f decode.Frame) {
	root, err := stanza.Tree(f)
	target := ""
	if err == nil {
		target = strings.TrimSpace(root.Text)
	}
	to, why := s.wayTo(target, "see-other-uri, XEP-0124 §17.2")
	if why == "" {
		s.send(Client, f.Raw)
		return
	}
	own := []byte(html.EscapeString(to))
	s.edit(record.SC, f.Offset+int64(root.InnerStart), root.InnerEnd-root.InnerStart, own, why)
	s.send(Client, slices.Concat(f.Raw[:root.InnerStart], own, f.Raw[root.InnerEnd:]))
}

// unanswered takes the end of a request that gets no answer, or none of BOSH.
func (s *Session) unanswered(in Input) {
	s.settled(in.RID)
	for i := range s.bosh.streamed {
		s.bosh.streamed[i] = slices.DeleteFunc(s.bosh.streamed[i], func(rid int64) bool { return rid == in.RID })
	}
	e := record.Event{E: record.EventNote, RID: in.RID, By: "proxy", Hint: in.Hint,
		Text: fmt.Sprintf("the client gave request %d up before it was answered", in.RID)}
	cause := "the client gave up"
	if in.Err != nil {
		e.Level, e.Text = "error", fmt.Sprintf("request %d: %v", in.RID, in.Err)
		cause = in.Err.Error()
	}
	s.event(e)
	if in.Over && !s.bosh.over {
		s.bosh.over, s.by, s.cause = true, "server", cause
	}
	s.mayEnd(cause)
}

// idled ends a session in which the client has made no request for too long.
func (s *Session) idled() {
	s.by, s.cause = "client", fmt.Sprintf("no request for %.0f s, after which the server ends the session", s.Patience().Seconds())
	if s.Patience() == 0 {
		s.cause = "no request for a long time"
	}
	s.manner = append(s.manner, "inactivity, XEP-0124 §10")
	s.end()
}

// shutdownBOSH answers the requests that wait, because the proxy ends.
func (s *Session) shutdownBOSH() {
	s.by, s.cause = "proxy", "the proxy was stopped"
	text := []byte("<body xmlns='" + nsBOSH + "' type='terminate' condition='system-shutdown'/>")
	for _, rid := range s.bosh.pending {
		s.event(record.Event{E: record.EventInject, D: record.SC, O: s.sc.off, RID: rid, Data: bytes.Clone(text), HasData: true, By: "proxy", Why: "the proxy was stopped"})
		s.do(Effect{Do: Send, Leg: Client, RID: rid, Bytes: text})
	}
	s.end()
}
