package redact

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/xmpplens/xmpplens/record"
)

// conn is a connection while it is open.
type conn struct {
	cs, sc lexer
	bodies map[body]*lexer // of BOSH, that go on
}

type body struct {
	d   record.Dir
	rid int64
}

func (c *conn) flush() {
	c.cs.flush()
	c.sc.flush()
	for _, l := range c.bodies {
		l.flush()
	}
}

// held is an event that waits until its data is replaced up to end.
type held struct {
	ev  record.Event
	lex *lexer // nil: it waits for nothing
	end int64
}

func (r *redactor) conn(id int) *conn {
	c := r.conns[id]
	if c == nil {
		c = &conn{cs: lexer{r: r}, sc: lexer{r: r}}
		r.conns[id] = c
	}
	return c
}

// lexer is that of the stream, or the body, that an event brings bytes of.
func (c *conn) lexer(ev *record.Event) *lexer {
	if ev.RID != 0 {
		k := body{ev.D, ev.RID}
		l := c.bodies[k]
		if l == nil {
			l = &lexer{r: c.cs.r}
			if c.bodies == nil {
				c.bodies = make(map[body]*lexer)
			}
			c.bodies[k] = l
		}
		return l
	}
	if ev.D == record.CS {
		return &c.cs
	}
	return &c.sc
}

// take replaces what an event holds and hands out those that are complete.
func (r *redactor) take(ev record.Event, emit func(record.Event) error) error {
	ev.Data = bytes.Clone(ev.Data)
	h := held{ev: ev}
	stream := ev.D == record.CS || ev.D == record.SC
	switch {
	case (ev.E == record.EventData || ev.E == record.EventCarry) && stream:
		c := r.conn(ev.C)
		l := c.lexer(&ev)
		if ev.E == record.EventCarry {
			l.reset()
		}
		l.feed(ev.Data)
		if ev.RID != 0 && !ev.More {
			l.flush()
			delete(c.bodies, body{ev.D, ev.RID})
		}
		h.lex, h.end = l, l.fed
	case ev.E == record.EventTLS:
		clear(ev.Data)
		if !r.collecting {
			r.report.TLS += int64(len(ev.Data))
		}
	case ev.E == record.EventClose:
		if c := r.conns[ev.C]; c != nil {
			c.flush()
			delete(r.conns, ev.C)
		}
	case ev.E == record.EventSecure, ev.E == record.EventCompress:
		c := r.conn(ev.C)
		if ev.Leg == "server" || ev.Leg == record.BothLegs {
			c.sc.reset()
		}
		if ev.Leg != "server" {
			c.cs.reset()
		}
	case ev.E == record.EventControl && stream && ev.Op == "cut":
		r.conn(ev.C).lexer(&ev).reset()
		r.document(ev.Data)
	default:
		r.document(ev.Data)
	}
	r.strings(&h.ev)
	r.queue = append(r.queue, h)
	r.queued += int64(len(ev.Data))
	if err := r.drain(emit); err != nil {
		return err
	}
	for r.queued > maxHeld && len(r.queue) > 0 {
		r.queue[0].lex.flush()
		r.report.Early++
		if err := r.drain(emit); err != nil {
			return err
		}
	}
	return nil
}

// drain hands out the events in front that wait for nothing.
func (r *redactor) drain(emit func(record.Event) error) error {
	for len(r.queue) > 0 {
		h := &r.queue[0]
		if h.lex != nil && h.lex.settled < h.end {
			return nil
		}
		r.queued -= int64(len(h.ev.Data))
		if err := emit(h.ev); err != nil {
			return err
		}
		r.queue[0] = held{}
		r.queue = r.queue[1:]
	}
	r.queue = nil
	return nil
}

// document replaces what stands for itself: what was sent in place of something, or injected, or a web page.
func (r *redactor) document(b []byte) {
	if len(b) == 0 {
		return
	}
	if bytes.IndexByte(b, '<') < 0 {
		r.scan(r.value(b, true), notKnown, true)
		return
	}
	l := lexer{r: r}
	l.feed(b)
	l.flush()
}

// strings replaces what is not data.
func (r *redactor) strings(ev *record.Event) {
	// What rules and people say is theirs; of a connection's end the proxy tells, whoever it was.
	ours := ev.By == "proxy" || ev.E != record.EventNote && ev.By != "viewer" && !strings.HasPrefix(ev.By, "rule ")
	say := func(s *string) {
		if ours {
			r.sentence(s)
		} else {
			r.str(s, mixed, "note")
		}
	}
	switch ev.E {
	case record.EventHTTP:
		r.str(&ev.Text, link, "url")
	case record.EventNote:
		switch {
		case strings.HasPrefix(ev.Text, "expect"):
			r.said(&ev.Text, false) // what check holds the recording to: its words are a language
		case r.keep["note"]:
			r.sentence(&ev.Text)
		default:
			say(&ev.Text)
		}
	case record.EventControl:
		if ev.Level != "" {
			r.sentence(&ev.Text)
		} else {
			r.str(&ev.Text, text, "error")
		}
	default:
		say(&ev.Text)
	}
	say(&ev.Why)
	r.sentence(&ev.Hint)
	r.sentence(&ev.Error)
	r.str(&ev.Client, mixed, "address")
	r.str(&ev.Server, mixed, "address")
	r.subject(&ev.Peer)
	for _, s := range []*string{&ev.E, &ev.Kind, &ev.Transport, &ev.Leg, &ev.Version, &ev.Cipher, &ev.ALPN, &ev.Method, &ev.Verdict, &ev.Level, &ev.Op} {
		r.str(s, stays, "")
	}
	if name, ok := strings.CutPrefix(ev.By, "rule "); ok {
		r.str(&name, mixed, "name")
		ev.By = "rule " + name
	} else {
		r.str(&ev.By, stays, "")
	}
	for i := range ev.Extra {
		r.member(&ev.Extra[i])
	}
}

func (r *redactor) str(s *string, h how, kind string) {
	if *s == "" {
		return
	}
	b := []byte(*s)
	r.apply(treat{how: h, kind: kind}, b, false)
	*s = string(b)
}

// subject replaces the values of a certificate's subject, CN=chat.example.org,O=…
func (r *redactor) subject(s *string) {
	if *s == "" {
		return
	}
	b := []byte(*s)
	v := r.value(b, false)
	for len(v.g) > 0 {
		end := v.index(',')
		if end < 0 {
			end = len(v.g)
		}
		part := v.sub(0, end)
		if at := part.index('='); at >= 0 && at <= len("SERIALNUMBER") && strings.ToUpper(part.sub(0, at).text()) == part.sub(0, at).text() {
			part = part.sub(at+1, end)
		}
		r.scan(part, notKnown, true)
		v = v.sub(min(end+1, len(v.g)), len(v.g))
	}
	r.count("address")
	*s = string(b)
}

// sentence replaces addresses in what this program says; in quotes it repeats others.
func (r *redactor) sentence(s *string) { r.said(s, true) }

func (r *redactor) said(s *string, dotted bool) {
	if *s == "" {
		return
	}
	b := []byte(*s)
	v := r.value(b, false)
	p := secretOnly
	for len(v.g) > 0 {
		at := v.index('"')
		if at < 0 {
			at = len(v.g)
		}
		r.scan(v.sub(0, at), p, dotted)
		v = v.sub(min(at+1, len(v.g)), len(v.g))
		if p == secretOnly {
			p = notKnown
		} else {
			p = secretOnly
		}
	}
	*s = string(b)
}

// member replaces the strings in a value that this version does not know.
func (r *redactor) member(m *record.Member) {
	out := bytes.Clone(m.Value)
	dec := json.NewDecoder(bytes.NewReader(m.Value))
	var parts []byte
	at := 0
	for {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		s, ok := tok.(string)
		if !ok {
			continue
		}
		end := int(dec.InputOffset())
		start := bytes.IndexByte(out[at:end], '"')
		if start < 0 {
			break
		}
		start += at
		r.str(&s, mixed, "text")
		q, _ := json.Marshal(s)
		parts = append(append(parts, out[at:start]...), q...)
		at = end
	}
	m.Value = append(parts, out[at:]...)
}
