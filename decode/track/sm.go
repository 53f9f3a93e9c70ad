package track

import (
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// management is a session of stream management (XEP-0198), which may live
// longer than its connection. Counters are of stanzas, modulo 2^32.
type management struct {
	id    string
	sides [2]side // by the direction of the stanzas
}

// side is one direction of stanzas.
type side struct {
	on    bool
	sent  uint32   // stanzas since the beginning
	acked uint32   // the latest h
	queue []queued // not acknowledged, the oldest first
	done  []queued // the latest that were, to notice doubles
	asked int      // entry of an <r/> without answer; the answer goes the other way

	// After a resumption: what has to be sent again.
	again []queued
}

type queued struct {
	n    int
	hash uint64
}

const (
	maxQueue = 20_000 // stanzas that wait for an acknowledgement
	maxDone  = 200
)

var seed = maphash.MakeSeed()

func parseH(n *stanza.Node) (uint32, bool) {
	h, err := strconv.ParseUint(strings.TrimSpace(n.Attr("h")), 10, 32)
	return uint32(h), err == nil
}

// counted is the element in which an h is looked for: where a proxy has put stanzas
// in or taken some out it corrects the number, so that it counts what the other
// peer has sent, as is done here.
func (in *Frame) counted(root *stanza.Node) *stanza.Node {
	if sent := in.sent(); sent != nil && sent.Name == root.Name && sent.NS == root.NS {
		return sent
	}
	return root
}

// management follows the nonzas of stream management.
func (t *Tracker) management(c *Conn, in Frame, root *stanza.Node, f *Facts) {
	switch root.Name {
	case "enable":
		// The client counts what it sends from here on (XEP-0198 §3).
		c.manage = &management{}
		c.manage.sides[in.Dir].on = true
	case "enabled":
		if c.manage == nil {
			c.manage = &management{}
			c.manage.sides[CS].on = true
		}
		c.manage.sides[in.Dir].on = true
		c.SM = "enabled"
		if id := root.Attr("id"); id != "" && (root.Attr("resume") == "true" || root.Attr("resume") == "1") {
			if len(t.sm) > 1000 {
				clear(t.sm)
			}
			c.manage.id = id
			t.sm[id] = c.manage
		}
	case "r":
		if c.manage != nil {
			c.manage.sides[in.Dir].asked = in.N
		}
	case "a":
		h, ok := parseH(root)
		if !ok {
			f.find(Error, "sm-missing-h", "an acknowledgement without a number", "XEP-0198 §4")
			return
		}
		if c.manage != nil {
			c.manage.sides[in.Dir.other()].acknowledge(h, f)
			c.manage.sides[in.Dir.other()].asked = 0
		}
	case "resume":
		if m := t.sm[root.Attr("previd")]; m != nil {
			c.manage = m
			if h, ok := parseH(root); ok {
				c.resumeH, c.resuming = h, true
			}
		}
	case "resumed":
		t.resumed(c, in, root, f)
	case "failed":
		if c.SM == "" && c.phase != PhaseOnline {
			f.find(Note, "sm-resume-refused", "the session cannot be resumed: "+condition(in.Stanza.Error)+"; what was not acknowledged may be lost", "XEP-0198 §5")
		}
		if h, ok := parseH(root); ok && c.manage != nil {
			c.manage.sides[CS].acknowledge(h, f)
		}
		c.manage = nil
	}
}

// inline follows what a SASL2 login does of it by the way (XEP-0198 §9).
func (t *Tracker) inline(c *Conn, in Frame, root *stanza.Node, f *Facts) {
	switch {
	case root.NS != nsSASL2:
	case root.Name == "authenticate":
		if r := root.Child("", "resume"); r != nil && isSM(r.NS) {
			t.management(c, in, r, f)
		} else if e := root.Child("", "bind").Child("", "enable"); e != nil && isSM(e.NS) {
			t.management(c, in, e, f)
		}
	case root.Name == "success":
		if r := root.Child(nsSM3, "resumed"); r != nil {
			t.resumed(c, in, r, f)
			c.SM = "resumed"
			c.enter(PhaseOnline, in.At)
			return
		}
		if r := root.Child(nsSM3, "failed"); r != nil {
			why := "no reason"
			if len(r.Children) > 0 {
				why = r.Children[0].Name
			}
			f.find(Note, "sm-resume-refused", "the session cannot be resumed: "+why+"; what was not acknowledged may be lost", "XEP-0198 §9.2")
			if h, ok := parseH(r); ok && c.manage != nil {
				c.manage.sides[CS].acknowledge(h, f)
			}
			c.manage = nil
		}
		if e := root.Child("", "bound").Child("", "enabled"); e != nil && isSM(e.NS) {
			t.management(c, in, e, f)
		}
	}
}

func isSM(ns string) bool { return ns == nsSM3 || ns == nsSM2 }

// resumed says what each side had handled and what therefore comes again.
func (t *Tracker) resumed(c *Conn, in Frame, root *stanza.Node, f *Facts) {
	m := t.sm[root.Attr("previd")]
	if m == nil {
		return // begun before the recording
	}
	c.manage, c.SM = m, "resumed"
	c.enter(PhaseOnline, in.At)
	c.detail("resumed")
	if h, ok := parseH(root); ok {
		m.sides[CS].acknowledge(h, f)
	}
	if c.resuming {
		m.sides[SC].acknowledge(c.resumeH, f)
		c.resuming = false
	}
	f.Related = nil // too many to be of use
	for d, who := range []string{"client", "server"} {
		s := &m.sides[d]
		s.again = append([]queued(nil), s.queue...)
		// They are counted again when they are sent again.
		s.sent = s.acked
		s.queue = nil
		if len(s.again) > 0 {
			f.find(Note, "sm-resend", fmt.Sprintf("resumed: the %s has to send %s again: %s", who, count(len(s.again), "stanza"), entries(s.again)), "XEP-0198 §5")
		}
	}
	if len(m.sides[CS].again)+len(m.sides[SC].again) == 0 {
		f.find(Note, "sm-resend", "resumed: everything had arrived, nothing has to be sent again", "XEP-0198 §5")
	}
}

func count(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

func entries(l []queued) string {
	var b strings.Builder
	for i, q := range l {
		if i == 20 {
			fmt.Fprintf(&b, " and %d more", len(l)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "entry %d", q.n)
	}
	return b.String()
}

// acknowledge takes an h: all stanzas up to it have been handled.
func (s *side) acknowledge(h uint32, f *Facts) {
	if !s.on {
		return
	}
	n := h - s.acked // modulo 2^32
	switch {
	case n > s.sent-s.acked && int32(n) < 0:
		f.find(Warning, "sm-h-back", fmt.Sprintf("h went back from %d to %d", s.acked, h), "XEP-0198 §4")
		return
	case n > s.sent-s.acked:
		f.find(Error, "sm-h-ahead", fmt.Sprintf("%d stanzas are acknowledged, only %d were sent", h, s.sent), "XEP-0198 §4")
		return
	}
	k := min(int(n), len(s.queue))
	if k > 0 {
		f.relate(Acks, s.queue[k-1].n)
		s.done = append(s.done, s.queue[:k]...)
		if over := len(s.done) - maxDone; over > 0 {
			s.done = append(s.done[:0], s.done[over:]...)
		}
		s.queue = s.queue[k:]
	}
	s.acked = h
}

// count counts a stanza.
func (m *management) count(in Frame, f *Facts) {
	if m == nil || !m.sides[in.Dir].on || in.Injected {
		return
	}
	s := &m.sides[in.Dir]
	q := queued{in.N, fingerprint(in)}
	for i, a := range s.again {
		if a.hash == q.hash {
			f.relate(Resends, a.n)
			if i > 0 {
				f.find(Warning, "sm-lost", "not sent again after the resumption: "+entries(s.again[:i]), "XEP-0198 §5")
			}
			s.again = s.again[i+1:]
			q.n = in.N
			s.push(q)
			return
		}
	}
	if len(s.again) > 0 {
		for _, d := range s.done {
			if d.hash == q.hash && strings.Contains(string(in.Frame.Raw), " id=") {
				f.relate(Resends, d.n)
				f.find(Warning, "sm-doubled", fmt.Sprintf("sent again although entry %d had been acknowledged: it arrives twice", d.n), "XEP-0198 §5")
				break
			}
		}
	}
	s.push(q)
}

// fingerprint knows a stanza again that is sent once more: clients add when they sent
// it first (XEP-0203), as the last child.
func fingerprint(in Frame) uint64 {
	raw := in.Frame.Raw
	if root := in.Stanza.Root(); root != nil {
		if k := len(root.Children); k > 0 {
			if d := root.Children[k-1]; d.Name == "delay" && d.NS == "urn:xmpp:delay" && d.End <= len(raw) {
				var h maphash.Hash
				h.SetSeed(seed)
				h.Write(raw[:d.Start])
				h.Write(raw[d.End:])
				return h.Sum64()
			}
		}
	}
	return maphash.Bytes(seed, raw)
}

func (s *side) push(q queued) {
	s.sent++
	if len(s.queue) >= maxQueue {
		s.queue = s.queue[1:]
	}
	s.queue = append(s.queue, q)
}

// close says what is open at the end of a connection.
func (m *management) close(f *Facts) {
	if m == nil {
		return
	}
	for d, who := range []string{"client", "server"} {
		s := &m.sides[d]
		if len(s.again) > 0 {
			f.find(Warning, "sm-lost", fmt.Sprintf("the %s never sent again after the resumption: %s", who, entries(s.again)), "XEP-0198 §5")
			s.again = nil
		}
		if s.asked > 0 {
			f.find(Warning, "sm-unanswered", fmt.Sprintf("the %s asked for an acknowledgement (entry %d) and got none", who, s.asked), "XEP-0198 §4")
			s.asked = 0
		}
		if n := len(s.queue); n > 0 {
			f.find(Note, "sm-unacknowledged", fmt.Sprintf("%s of the %s not acknowledged at the end: %s", count(n, "stanza"), who, entries(s.queue)), "XEP-0198 §4")
		}
	}
}
