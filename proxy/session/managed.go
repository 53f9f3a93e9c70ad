package session

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// This file follows the stream management of a session (XEP-0198) and changes h
// where the two ends do not count the same stanzas. Both lanes of a stream are
// counted from the beginning, whether somebody is to change anything or not.

// maxManaged bounds the streams that are kept for a resumption.
const maxManaged = 10_000

// Resumptions are the managed streams that may be resumed, of all sessions of a
// proxy. The zero value is ready for use, by many at once.
type Resumptions struct {
	mu   sync.Mutex
	byID map[string]*managed // guarded by mu; by domain and id
	ids  []string            // guarded by mu; the oldest first

	skewed atomic.Bool // something was done to the stanzas of a stream
}

// managed is one stream of XEP-0198, which may go on over several connections.
type managed struct {
	mu    sync.Mutex
	owner *Session // guarded by mu; the connection that it is on: what an older one does counts no more
	cs    lane     // guarded by mu
	sc    lane     // guarded by mu
}

func (m *managed) lane(d record.Dir) *lane {
	if d == record.CS {
		return &m.cs
	}
	return &m.sc
}

// moved reports whether the ends count differently.
func (m *managed) moved() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cs.moved || m.sc.moved
}

func (r *Resumptions) put(key string, m *managed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil {
		r.byID = make(map[string]*managed)
	}
	if _, ok := r.byID[key]; !ok {
		r.ids = append(r.ids, key)
	}
	r.byID[key] = m
	for len(r.ids) > maxManaged {
		delete(r.byID, r.ids[0])
		r.ids = r.ids[1:]
	}
}

func (r *Resumptions) get(key string) *managed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[key]
}

// managing is what a session knows of its own stream.
type managing struct {
	m        *managed // nil when stanzas are not counted
	asked    bool     // <enable/> was sent on, and is not answered
	resuming *managed // <resume/> was
	previd   string
	h, told  uint32 // what <resume/> said, and what the server was told
}

// isStanza tells what counts. It runs for every frame of the fast path.
func isStanza(f *decode.Frame) bool {
	if f.Kind != decode.Element || f.Part > decode.First {
		return false
	}
	switch len(f.Name) {
	case len("iq"):
		return string(f.Name) == "iq"
	case len("message"):
		return string(f.Name) == "message"
	case len("presence"):
		return string(f.Name) == "presence"
	}
	return false
}

// manages tells the elements of stream management, alone or inside a login.
func manages(f *decode.Frame) bool {
	return f.Kind == decode.Element && f.Part == decode.Whole && (isSM(string(f.NS)) || string(f.NS) == nsSASL2)
}

// counted takes stanzas that were sent on as they came.
func (s *Session) counted(d record.Dir, stanzas int) {
	if m := s.sm.m; m != nil && stanzas > 0 {
		m.mu.Lock()
		if l := m.lane(d); l.on && m.owner == s {
			l.count(uint64(stanzas))
		}
		m.mu.Unlock()
	}
}

// counts calls f with the lane of a direction, unless nobody counts.
func (s *Session) counts(d record.Dir, f func(*lane)) {
	if m := s.sm.m; m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if l := m.lane(d); l.on && m.owner == s {
			f(l)
			if l.moved {
				s.resumptions().skewed.Store(true)
			}
		}
	}
}

// skewed reports whether h has to be changed, or may have to.
func (s *Session) skewed() bool {
	if s.sm.m != nil && s.sm.resuming == nil {
		return s.sm.m.moved()
	}
	return s.resumptions().skewed.Load()
}

// manage follows an element of stream management that is about to be sent on, and
// returns it with the h that its receiver is to hear; nil when that is the same.
func (s *Session) manage(d record.Dir, f decode.Frame) []byte {
	root, err := stanza.Tree(f)
	if err != nil {
		return nil
	}
	if root.NS != nsSASL2 {
		return s.manageNode(d, root, f.Raw)
	}
	// XEP-0198 §9: a login does it by the way.
	switch {
	case root.Name == "authenticate" && d == record.CS:
		if n := managedChild(root.Children, "resume"); n != nil {
			return s.manageNode(d, n, f.Raw)
		}
	case root.Name == "success" && d == record.SC:
		raw := f.Raw
		changed := false
		for _, name := range []string{"resumed", "failed"} {
			if n := managedChild(root.Children, name); n != nil && s.sm.resuming != nil {
				if b := s.manageNode(d, n, raw); b != nil {
					raw, changed = b, true
				}
				break
			}
		}
		if n := managedChild(children(root.Child(nsBind2, "bound")), "enabled"); n != nil {
			// Both count from here on.
			s.enable()
			s.manageNode(d, n, f.Raw)
		}
		if changed {
			return raw
		}
	}
	return nil
}

// managedChild finds an element of stream management among others.
func managedChild(nodes []*stanza.Node, name string) *stanza.Node {
	i := slices.IndexFunc(nodes, func(n *stanza.Node) bool { return isSM(n.NS) && n.Name == name })
	if i < 0 {
		return nil
	}
	return nodes[i]
}

// enable begins to count, the client's side first.
func (s *Session) enable() {
	s.sm.m = &managed{owner: s}
	s.sm.m.cs.begin()
	s.sm.resuming = nil
}

func (s *Session) manageNode(d record.Dir, n *stanza.Node, raw []byte) []byte {
	sm := &s.sm
	h, err := strconv.ParseUint(strings.TrimSpace(n.Attr("h")), 10, 32)
	hasH := err == nil
	heard := uint32(h)
	switch {
	case n.Name == "enable" && d == record.CS:
		s.enable()
		sm.asked = true
	case n.Name == "enabled" && d == record.SC:
		if sm.m == nil {
			s.enable()
		}
		sm.asked = false
		sm.m.mu.Lock()
		sm.m.sc.begin()
		sm.m.mu.Unlock()
		if id, resume := n.Attr("id"), n.Attr("resume"); id != "" && (resume == "true" || resume == "1") {
			s.resumptions().put(s.managedKey(id), sm.m)
		}
	case n.Name == "a" && hasH:
		s.counts(other(d), func(l *lane) { heard = l.ack(heard) })
	case n.Name == "resume" && d == record.CS && hasH:
		sm.previd = n.Attr("previd")
		if sm.resuming = s.resumptions().get(s.managedKey(sm.previd)); sm.resuming == nil {
			// Begun before this proxy: the numbers that are said now are enough.
			sm.resuming = &managed{}
		}
		sm.resuming.mu.Lock()
		sm.h = heard
		heard = sm.resuming.sc.peek(heard)
		sm.told = heard
		sm.resuming.mu.Unlock()
	case n.Name == "resumed" && d == record.SC && hasH && sm.resuming != nil:
		sm.m, sm.resuming = sm.resuming, nil
		m := sm.m
		m.mu.Lock()
		m.owner = s
		m.sc.resume(sm.h, sm.told)
		told := m.cs.ack(heard)
		m.cs.resume(heard, told)
		heard = told
		moved := m.cs.moved || m.sc.moved
		m.mu.Unlock()
		s.resumptions().put(s.managedKey(sm.previd), m)
		if moved && !s.armed {
			s.engage()
		}
	case n.Name == "failed" && d == record.SC:
		if m := sm.resuming; m != nil && hasH {
			m.mu.Lock()
			heard = m.cs.ack(heard)
			m.mu.Unlock()
		}
		if sm.resuming == nil && sm.asked {
			sm.m = nil
		}
		sm.resuming, sm.asked = nil, false
	default:
		return nil
	}
	if !hasH || uint64(heard) == h {
		return nil
	}
	i := slices.IndexFunc(n.Attrs, func(a stanza.Attr) bool { return a.Name == "h" })
	if i < 0 {
		return nil
	}
	return slices.Concat(raw[:n.Attrs[i].Start], strconv.AppendUint(nil, uint64(heard), 10), raw[n.Attrs[i].End:])
}

const manageWhy = "h counts what the proxy has put in and taken out (XEP-0198 §4)"

// resumptions are those of the proxy, or the session's own.
func (s *Session) resumptions() *Resumptions {
	if s.cfg.Resumptions == nil {
		s.cfg.Resumptions = new(Resumptions)
	}
	return s.cfg.Resumptions
}

func (s *Session) managedKey(id string) string { return s.domain() + " " + id }

// other returns the opposite direction.
func other(d record.Dir) record.Dir {
	if d == record.CS {
		return record.SC
	}
	return record.CS
}

// stanzasIn counts the stanzas of elements.
func stanzasIn(frames []decode.Frame) (n int) {
	for i := range frames {
		if isStanza(&frames[i]) {
			n++
		}
	}
	return n
}

func cloned(f decode.Frame) decode.Frame {
	f.Raw = bytes.Clone(f.Raw)
	f.Prefix, f.Name, f.NS = bytes.Clone(f.Prefix), bytes.Clone(f.Name), bytes.Clone(f.NS)
	return f
}
