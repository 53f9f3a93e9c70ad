package track

import (
	"cmp"
	"fmt"
	"sort"
	"time"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// ledger pairs iq answers with their requests, in both directions
// (RFC 6120 §8.2.3).
type ledger struct {
	open  [2]map[string]*request // by the direction of the request, by id
	ended [2]twoGenerations      // answered requests: entry numbers
	asked string                 // namespace of the request that was answered last
}

type request struct {
	n      int
	at     time.Duration
	to, ns string
	said   bool // that it has waited long
}

const (
	maxOpen   = 10_000           // requests in flight that are remembered
	slowAfter = 60 * time.Second // an answer that takes longer is missed
)

// iq enters a request or pairs an answer.
func (l *ledger) iq(c *Conn, in Frame, f *Facts) {
	s := in.Stanza
	if s.ID == "" {
		return
	}
	switch s.Type {
	case "get", "set":
		if l.open[in.Dir] == nil {
			l.open[in.Dir] = make(map[string]*request)
		}
		open := l.open[in.Dir]
		if old := open[s.ID]; old != nil {
			f.find(Warning, "iq-id-reused", fmt.Sprintf("the id %q is that of entry %d, which has no answer yet", s.ID, old.n), "RFC 6120 §8.1.3")
		}
		if len(open) >= maxOpen {
			clear(open)
		}
		r := &request{n: in.N, at: in.At, to: s.To}
		if len(s.Payloads) > 0 {
			r.ns = s.Payloads[0].NS
		}
		open[s.ID] = r
	case "result", "error":
		d := in.Dir.other()
		r := l.open[d][s.ID]
		if r == nil {
			if n := l.ended[d].get(s.ID); n > 0 {
				f.relate(Answers, n)
				f.find(Warning, "iq-answered-twice", fmt.Sprintf("entry %d was answered already", n), "RFC 6120 §8.2.3")
			} else {
				f.find(Note, "iq-unasked", "an answer to a question that is not in the recording", "RFC 6120 §8.2.3")
			}
			return
		}
		if in.Dir == SC && !c.fits(r.to, s.From) {
			f.find(Warning, "iq-wrong-jid", fmt.Sprintf("answered by %s, asked was %s (entry %d): a client must not take this for the answer", cmp.Or(s.From, "the server"), cmp.Or(r.to, "the account"), r.n), "RFC 6120 §8.1.2.1")
			return
		}
		delete(l.open[d], s.ID)
		l.ended[d].put(s.ID, r.n)
		f.relate(Answers, r.n)
		l.asked = r.ns
		f.Latency, f.HasLatency = in.At-r.at, true
		if s.Type == "result" && len(s.Payloads) > 0 && r.ns != "" && s.Payloads[0].NS != r.ns && !related(r.ns, s.Payloads[0].NS) {
			f.find(Warning, "iq-other-payload", fmt.Sprintf("the result carries %s, asked was %s (entry %d)", s.Payloads[0].NS, r.ns, r.n), "RFC 6120 §8.2.3")
		}
	}
}

// related tells namespaces that answer each other: parts of one specification.
func related(a, b string) bool {
	base := func(s string) string {
		for i, c := range s {
			if c == '#' {
				return s[:i]
			}
		}
		return s
	}
	return base(a) == base(b)
}

// fits reports whether an answer comes from who was asked: no address stands
// for the account itself, or for its server (RFC 6120 §8.1.2.1, §10.3.3).
func (c *Conn) fits(to, from string) bool {
	if to == from {
		return true
	}
	own := func(s string) bool {
		if s == "" {
			return true
		}
		j := normal(s)
		return j == c.Bound || j == c.Bound.Bare() || j == (stanza.JID{Domain: c.Bound.Domain}) || c.Bound.Domain == ""
	}
	return own(to) && own(from) || normal(to) == normal(from)
}

// normal compares addresses that are written differently.
func normal(s string) stanza.JID {
	if j, err := stanza.ParseJID(s); err == nil {
		return j
	}
	return stanza.SplitJID(s)
}

// late names the requests that have waited too long, once.
func (l *ledger) late(at time.Duration, f *Facts) {
	for d := range l.open {
		if len(l.open[d]) > 100 {
			continue // a flood: the end names them
		}
		for id, r := range l.open[d] {
			if !r.said && at-r.at > slowAfter {
				r.said = true
				f.find(Warning, "iq-unanswered", fmt.Sprintf("entry %d (id %q) has waited more than %s for an answer", r.n, id, slowAfter), "RFC 6120 §8.2.3")
			}
		}
	}
}

// close names what was never answered.
func (l *ledger) close(f *Facts) {
	for d, who := range []string{"server", "client"} {
		var left []queued
		for _, r := range l.open[d] {
			if !r.said {
				left = append(left, queued{n: r.n})
			}
		}
		sort.Slice(left, func(i, j int) bool { return left[i].n < left[j].n })
		if len(left) > 0 {
			severity := Warning
			if d == int(SC) {
				severity = Note // clients go without answering
			}
			f.find(severity, "iq-unanswered", fmt.Sprintf("never answered by the %s: %s", who, entries(left)), "RFC 6120 §8.2.3")
		}
		l.open[d] = nil
	}
	// Ten thousand closed connections are remembered: not what was asked on
	// each of them.
	l.ended = [2]twoGenerations{}
}
