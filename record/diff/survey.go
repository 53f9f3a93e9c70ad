package diff

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// session is one of the two recordings.
type session struct {
	r    *record.Reader
	only int // connection, 0 = all
	names
	conns    []*connection
	byID     map[int]*connection
	entries  int
	units    []unit
	findings map[finding]*seen
	troubled bool // damage was told in the first reading
}

// connection is what is compared of a connection as a whole.
type connection struct {
	id              int
	kind, transport string
	account, domain string
	mechanism       string
	iterations      string
	result          string // of the login, "" while it lasts
	sm              string
	secured         []string // by leg
	compressed      string
	ended           string // who ended its stream first
	closed          string
	units           []int32
	other           *connection // of the other session
}

// each hands out the entries of the recording from its beginning.
func (s *session) each(ctx context.Context, o *Options, emit func(*timeline.Entry, *timeline.Folder) error) error {
	r, err := s.r.Clone()
	if err != nil {
		return err
	}
	defer r.Close()
	var fold timeline.Folder
	if o.Filter == nil {
		fold.Mute()
	}
	var failed error
	n := 0
	sink := timeline.Sink{
		Entry: func(e *timeline.Entry) {
			if n++; n%50_000 == 0 && o.Progress != nil {
				o.Progress(50_000)
			}
			if failed != nil || s.only != 0 && e.Conn != s.only {
				return
			}
			failed = emit(e, &fold)
		},
		Before: func() error { return cmp.Or(failed, ctx.Err()) },
	}
	if !s.troubled {
		sink.Trouble = o.Trouble
	}
	err = fold.Read(ctx, r, sink)
	s.troubled = true
	return errors.Join(failed, err)
}

// survey finds the connections, the accounts and the addresses.
func (s *session) survey(ctx context.Context, o *Options) error {
	s.byID = make(map[int]*connection)
	s.names.init()
	return s.each(ctx, o, func(e *timeline.Entry, fold *timeline.Folder) error {
		s.entries++
		if e.Conn == 0 {
			return nil
		}
		c := s.byID[e.Conn]
		if c == nil {
			c = &connection{id: e.Conn, kind: "c2s"}
			s.byID[e.Conn] = c
			s.conns = append(s.conns, c)
		}
		c.learn(e, fold)
		if e.Dir != "" {
			s.meet(c, e)
		}
		return nil
	})
}

// learn takes in what an entry tells of its connection.
func (c *connection) learn(e *timeline.Entry, fold *timeline.Folder) {
	switch e.Kind {
	case record.EventOpen:
		c.kind, c.transport = cmp.Or(e.Event.Kind, "c2s"), e.Event.Transport
	case record.EventSecure:
		how := e.Event.Leg + " leg " + e.Event.Version
		if e.Event.Leg == record.BothLegs {
			how = "end to end " + e.Event.Version
		}
		c.secured = append(c.secured, how)
		slices.Sort(c.secured) // which leg is first is no difference
	case record.EventCompress:
		c.compressed = e.Event.Method
	case "end":
		if c.ended == "" {
			c.ended = map[record.Dir]string{record.CS: "client", record.SC: "server"}[e.Dir]
		}
	case record.EventClose:
		c.closed = e.Event.By
		if e.Event.Error != "" {
			c.closed += ": " + e.Event.Error
		}
	case "header":
		if e.Dir == record.CS && c.domain == "" {
			c.domain = strings.ToLower(e.Stanza.To)
		}
	}
	t := fold.Conn(e.Conn)
	if t == nil || e.Dir == "" {
		return
	}
	if t.Login.Mechanism != "" {
		c.mechanism, c.iterations, c.result = t.Login.Mechanism, t.Login.Iterations, t.Login.Result
	}
	if t.SM != "" {
		c.sm = t.SM
	}
	switch {
	case t.Bound.Local != "" || t.Bound.Domain != "":
		c.account = strings.ToLower(t.Bound.Bare().String())
	case t.Login.User != "" && c.domain != "":
		user := strings.ToLower(t.Login.User)
		if !strings.Contains(user, "@") {
			user += "@" + c.domain
		}
		c.account = user
	}
}

// meet takes in the addresses of an entry.
func (s *session) meet(c *connection, e *timeline.Entry) {
	if c.account != "" {
		s.own(c.account)
	}
	if c.domain != "" {
		s.serve(c.domain)
	}
	st := &e.Stanza
	room := st.Kind == "message" && st.Type == "groupchat"
	for _, p := range st.Payloads {
		room = room || st.Kind == "presence" && strings.HasPrefix(p.NS, "http://jabber.org/protocol/muc")
	}
	far := st.From
	if e.Dir == record.CS {
		far = st.To
	}
	for _, a := range []string{st.From, st.To} {
		if a != "" {
			s.see(a, room && a == far)
		}
	}
	if root := st.Root(); root != nil && (st.Kind == "iq" || st.Kind == "message") {
		s.meetInside(root, 0)
	}
}

func (s *session) meetInside(n *stanza.Node, depth int) {
	if depth > 8 {
		return // addresses stand further up
	}
	for _, c := range n.Children {
		if a := c.Attr("jid"); strings.Contains(a, "@") {
			s.see(a, false)
		}
		s.meetInside(c, depth+1)
	}
}
