package replay

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file reads a recording into a Script.

// Load reads what is to be played. It returns ErrNothing when there is nothing.
func Load(ctx context.Context, r *record.Reader, o Options) (*Script, error) {
	if o.Side == "" {
		o.Side = record.SC
	}
	l := &loader{o: o, script: &Script{Start: r.Header().Time}, conns: make(map[int]*recorded), managed: make(map[string]*Session), other: make(map[string]int)}
	var fold timeline.Folder
	var failed error
	entries := 0
	err := fold.Read(ctx, r, timeline.Sink{
		Entry: func(e *timeline.Entry) {
			entries++
			if failed == nil {
				failed = l.entry(e)
			}
		},
		Before: func() error {
			if o.Progress != nil {
				o.Progress(r.Pos(), entries)
			}
			return failed
		},
		Trouble: func(err error) { l.note("%v", err) },
	})
	if failed != nil {
		err = failed
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = l.finish()
	}
	if err != nil {
		l.script.Close()
		return nil, err
	}
	return l.script, nil
}

// recorded is a connection while it is read.
type recorded struct {
	id        int
	kind      string
	transport string
	s         *Session // what is known of it
	authed    bool
	online    bool
	bindID    string
	secured   bool
	read      bool // there is XMPP
	ended     bool // the stream, by one of the two
	skip      map[string]bool
}

type loader struct {
	o        Options
	script   *Script
	conns    map[int]*recorded
	order    []*recorded
	managed  map[string]*Session // by the id of stream management
	other    map[string]int      // connections that are no client's, by kind
	steps    int
	names    map[string]string             // the meanings of steps
	pending  map[*Session]map[string]int32 // iqs without an answer, by direction and id
	replayed map[*Session]map[uint64]bool  // what was said on an earlier connection of a session
}

const maxNotes = 100

func (l *loader) note(format string, args ...any) {
	if len(l.script.Notes) < maxNotes {
		l.script.Notes = append(l.script.Notes, fmt.Sprintf(format, args...))
	}
}

func (l *loader) conn(id int) *recorded {
	c := l.conns[id]
	if c == nil {
		c = &recorded{id: id, kind: "c2s", s: &Session{}, skip: make(map[string]bool)}
		l.conns[id] = c
		l.order = append(l.order, c)
	}
	return c
}

func (l *loader) entry(e *timeline.Entry) error {
	if e.Conn == 0 {
		return nil
	}
	c := l.conn(e.Conn)
	if e.Dir == "" {
		switch e.Kind {
		case record.EventOpen:
			if e.Event.Kind != "" {
				c.kind = e.Event.Kind
			}
			// Over HTTP, TLS is no matter of the stream's.
			c.transport = e.Event.Transport
			c.s.TLS = c.transport != ""
		case record.EventSecure:
			c.secured = c.secured || e.Event.Leg != "server"
		}
		return nil
	}
	if c.kind != "c2s" {
		if c.kind != "" {
			l.other[c.kind]++
			c.kind = ""
		}
		return nil
	}
	if e.Injected && (l.o.Side == record.CS || e.Dir == record.CS) {
		return nil // nobody said it
	}
	c.read = true
	switch e.Frame.Kind {
	case decode.Header:
		c.header(e.Dir, e.Frame.Stream.Attr("to"), e.Frame.Stream.Attr("from"))
		return nil
	case decode.End:
		return l.ended(c, e)
	case decode.Element:
	default:
		return nil
	}
	if e.Frame.Part != decode.Whole {
		if e.Frame.Part == decode.First {
			l.note("entry %d is left out: larger than %d MiB", e.N, decode.DefaultMaxFrame>>20)
		}
		return nil
	}
	if e.Dir == record.SC && e.Edited && l.o.Side == record.SC {
		return l.edited(c, e)
	}
	root := e.Stanza.Root()
	if root == nil {
		l.note("entry %d is left out: it cannot be read", e.N)
		return nil
	}
	return l.element(c, e, e.Frame, root)
}

// header reads who a stream is for.
func (c *recorded) header(d record.Dir, to, from string) {
	switch {
	case c.authed:
	case d == record.CS && to != "":
		c.s.Account.Domain = to
		c.s.TLS = c.s.TLS || c.secured
	case d == record.SC && c.s.Account.Domain == "":
		c.s.Account.Domain = from
	}
}

// ended keeps who ended the stream; the other one's end follows from it.
func (l *loader) ended(c *recorded, e *timeline.Entry) error {
	if !c.online || c.ended || e.Kind != "end" {
		return nil
	}
	c.ended = true
	return l.step(c, e, decode.Frame{}, nil)
}

// edited takes what the client got instead of what the server said.
func (l *loader) edited(c *recorded, e *timeline.Entry) error {
	dec := decode.Decoder{Bare: true}
	dec.Write(e.Sent)
	for f, ok := dec.Next(); ok; f, ok = dec.Next() {
		if f.Kind != decode.Element || f.Part != decode.Whole {
			continue
		}
		f.Stream = e.Frame.Stream
		root, err := stanza.Tree(f)
		if err != nil {
			continue
		}
		f.Name, f.NS = []byte(root.Name), []byte(root.NS)
		if err := l.element(c, e, f, root); err != nil {
			return err
		}
	}
	return nil
}

// element takes the login apart and keeps what comes behind it.
func (l *loader) element(c *recorded, e *timeline.Entry, f decode.Frame, root *stanza.Node) error {
	s := c.s
	id := root.Attr("id")
	switch {
	case root.NS == nsStreams && root.Name == "features":
		offer := stanza.ReadOffer(root)
		if !c.authed {
			if offer.StartTLS {
				s.TLS = true
				s.NoClear = root.Child(nsTLS, "starttls").Child("", "required") != nil
			}
			if offer.SASL {
				s.Offer = offer
			}
			return nil
		}
		if s.features.size == 0 {
			p, err := l.keep(f)
			s.features = p
			return err
		}
		return nil
	case root.NS == nsFraming:
		c.header(e.Dir, root.Attr("to"), root.Attr("from"))
		return nil
	case root.NS == nsTLS:
		return nil
	case root.NS == nsSASL || root.NS == nsSASL2:
		if root.Name == "success" && e.Dir == record.SC {
			return l.success(c, e, root)
		}
		return nil
	case !c.authed:
		return nil
	case isSM(root.NS):
		return l.manage(c, e, f, root)
	case root.Name == "iq" && e.Dir == record.CS && !c.online && root.Child(nsBind, "bind") != nil:
		c.bindID = id
		return nil
	case root.Name == "iq" && e.Dir == record.SC && !c.online && c.bindID != "" && id == c.bindID:
		if j := root.Child(nsBind, "bind").Child(nsBind, "jid"); j != nil {
			s.Account = stanza.SplitJID(strings.TrimSpace(j.Text))
			l.begin(c, e)
		}
		return nil
	case root.Name == "iq" && e.Dir == record.CS && (root.Child(nsSession, "session") != nil || l.serverPing(c, root)):
		c.skip[id] = true
		return nil
	case root.Name == "iq" && e.Dir == record.SC && c.skip[id] && (root.Attr("type") == "result" || root.Attr("type") == "error"):
		delete(c.skip, id)
		return nil
	case !c.online:
		return nil
	}
	return l.step(c, e, f, root)
}

// serverPing tells the pings by which a client keeps its connection alive: they
// are answered whenever they come, and never missed.
func (l *loader) serverPing(c *recorded, root *stanza.Node) bool {
	return isServerPing(root, role(root.Attr("to"), c.s.Account), c.s.Account.Domain)
}

func isServerPing(root *stanza.Node, peer, domain string) bool {
	return root.Attr("type") == "get" && root.Child(nsPing, "ping") != nil && (peer == "" || strings.EqualFold(peer, domain))
}

func (l *loader) success(c *recorded, e *timeline.Entry, root *stanza.Node) error {
	c.authed = true
	if root.NS == nsSASL {
		return nil
	}
	if id := root.Child(nsSASL2, "authorization-identifier"); id != nil {
		c.s.Account = stanza.SplitJID(strings.TrimSpace(id.Text))
	}
	for _, n := range root.Children {
		if isSM(n.NS) && n.Name == "resumed" {
			l.resumed(c, n)
		}
	}
	if b := root.Child(nsBind2, "bound"); b != nil {
		c.s.Bind2 = true
		for _, n := range b.Children {
			if isSM(n.NS) && n.Name == "enabled" {
				c.s.sm = n.Attr("id")
				p, err := l.keep(decode.Frame{Raw: []byte(fmt.Sprintf("<enabled xmlns='%s' id='%s' resume='%s'/>", n.NS, escape(n.Attr("id")), escape(n.Attr("resume"))))})
				if err != nil {
					return err
				}
				c.s.enabled = p
				l.managed[c.s.sm] = c.s
			}
		}
		l.begin(c, e)
	}
	return nil
}

// begin starts the part that is played.
func (l *loader) begin(c *recorded, e *timeline.Entry) {
	c.online = true
	c.s.Began = e.T
	c.s.Conns = append(c.s.Conns, c.id)
	l.script.Sessions = append(l.script.Sessions, c.s)
	if c.transport != "" && (l.o.Conn == 0 || l.o.Conn == c.id) {
		l.note("connection %d was %s: it is played over TCP, what it says is the same", c.id, map[string]string{record.TransportBOSH: "BOSH", record.TransportWebSocket: "WebSocket"}[c.transport])
	}
}

// resumed makes a connection go on where another one was cut.
func (l *loader) resumed(c *recorded, n *stanza.Node) {
	old := l.managed[n.Attr("previd")]
	if old == nil {
		return
	}
	c.s, c.online = old, true
	old.Conns = append(old.Conns, c.id)
}

// manage keeps of stream management what cannot be counted anew.
func (l *loader) manage(c *recorded, e *timeline.Entry, f decode.Frame, root *stanza.Node) error {
	switch {
	case e.Dir == record.SC && root.Name == "enabled" && c.online:
		p, err := l.keep(f)
		if err != nil {
			return err
		}
		c.s.enabled, c.s.sm = p, root.Attr("id")
		if c.s.sm != "" {
			l.managed[c.s.sm] = c.s
		}
	case e.Dir == record.SC && root.Name == "resumed":
		l.resumed(c, root)
	case c.online && (e.Dir == record.SC && root.Name == "r" || e.Dir == record.CS && (root.Name == "enable" || root.Name == "r")):
		return l.step(c, e, f, root)
	}
	return nil
}

func (l *loader) keep(f decode.Frame) (piece, error) {
	at, err := l.script.store.add(f.Raw)
	return piece{at, int32(len(f.Raw)), f.Stream}, err
}

// within reports whether an entry is to be played.
func (o *Options) within(e *timeline.Entry) bool {
	return e.N >= o.FromN && (o.ToN == 0 || e.N <= o.ToN) && e.T >= o.From && (o.To == 0 || e.T <= o.To)
}

func (l *loader) step(c *recorded, e *timeline.Entry, f decode.Frame, root *stanza.Node) error {
	s := c.s
	if !l.o.within(e) || l.o.Conn != 0 && !slices.Contains(s.Conns, l.o.Conn) && c.id != l.o.Conn {
		return nil
	}
	if root != nil && len(s.Conns) > 1 && l.again(s, e, f, root) {
		return nil
	}
	if l.steps++; l.steps > MaxSteps {
		return hintf("choose a session with --conn, or a part with --from and --to", "replay: there are more than %d stanzas to play", MaxSteps)
	}
	st := Step{N: e.N, T: e.T, Dir: e.Dir, Pair: -1, End: root == nil}
	if root != nil {
		p, err := l.keep(f)
		if err != nil {
			return err
		}
		st.piece = p
		peer := root.Attr("to")
		if e.Dir == record.SC {
			peer = root.Attr("from")
		}
		typ := root.Attr("type")
		st.meaning, st.detail, st.Failed = l.name(meaning(root, role(peer, s.Account))), detail(root, role(peer, s.Account)), typ == "error"
		st.weight = weigh(root)
		if root.Name == "iq" {
			st.Answer = typ == "result" || typ == "error"
			st.Ask = !st.Answer
			l.pair(s, &st, root.Attr("id"))
		}
	}
	s.Steps = append(s.Steps, st)
	return nil
}

// name keeps one copy of each meaning: there are few.
func (l *loader) name(meaning string) string {
	if m, ok := l.names[meaning]; ok {
		return m
	}
	if l.names == nil {
		l.names = make(map[string]string)
	}
	l.names[meaning] = meaning
	return meaning
}

// pair finds the iq that another one answers.
func (l *loader) pair(s *Session, st *Step, id string) {
	if l.pending == nil {
		l.pending = make(map[*Session]map[string]int32)
	}
	open := l.pending[s]
	if open == nil {
		open = make(map[string]int32)
		l.pending[s] = open
	}
	n := int32(len(s.Steps))
	if st.Ask {
		open[string(st.Dir)+id] = n
		return
	}
	other := record.CS
	if st.Dir == record.CS {
		other = record.SC
	}
	if q, ok := open[string(other)+id]; ok {
		delete(open, string(other)+id)
		st.Pair, s.Steps[q].Pair = q, n
	}
}

// maxAgain bounds what is remembered to find what was said twice.
const maxAgain = 10_000

// again tells what was only said once more, because nobody knew whether it had
// arrived before the connection was cut.
func (l *loader) again(s *Session, e *timeline.Entry, f decode.Frame, root *stanza.Node) bool {
	if root.Attr("id") == "" {
		return false
	}
	if l.replayed == nil {
		l.replayed = make(map[*Session]map[uint64]bool)
	}
	said := l.replayed[s]
	if said == nil {
		said = make(map[uint64]bool)
		l.replayed[s] = said
		for i := len(s.Steps) - 1; i >= 0 && len(said) < maxAgain; i-- {
			if st := &s.Steps[i]; !st.End {
				if g, _, err := l.script.frame(st.piece); err == nil {
					said[hashOf(st.Dir, g.Raw)] = true
				}
			}
		}
	}
	return said[hashOf(e.Dir, f.Raw)]
}

func hashOf(d record.Dir, b []byte) uint64 {
	h := fnv.New64a()
	h.Write([]byte(d))
	h.Write(bytes.TrimSpace(b))
	return h.Sum64()
}

// finish looks at what was read.
func (l *loader) finish() error {
	sc := l.script
	for _, c := range l.order {
		switch {
		case c.kind != "c2s" || c.online:
		case c.read:
			l.note("connection %d is left out: its client never got online", c.id)
		default:
			l.note("connection %d is left out: there is no XMPP to read in it (with TLS of proxy --tap, xmpplens import --keylog=FILE makes it readable)", c.id)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(l.other)) {
		l.note("connections of kind %s are left out: only clients' can be replayed (%d)", kind, l.other[kind])
	}
	if l.o.Conn != 0 {
		sc.Sessions = slices.DeleteFunc(sc.Sessions, func(s *Session) bool { return !slices.Contains(s.Conns, l.o.Conn) })
	}
	if len(sc.Sessions) == 0 {
		hint := "record a session from the login on: xmpplens proxy -w FILE"
		if len(sc.Notes) > 0 {
			hint = sc.Notes[0]
		}
		if l.o.Conn != 0 {
			hint = fmt.Sprintf("connection %d is none; xmpplens show tells which there are", l.o.Conn)
		}
		return &hinted{ErrNothing, hint}
	}
	peer := record.CS
	if l.o.Side == record.CS {
		peer = record.SC
	}
	for i, s := range sc.Sessions {
		s.number = i + 1
		s.index(peer)
	}
	return nil
}
