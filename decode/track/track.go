// Package track says what the frames of a connection mean together: which phase
// it is in, which answer belongs to which question, what stream management has
// acknowledged, how servers prove their domains to each other, and what is
// wrong.
//
// It works in one pass, live or on a recording, in bounded memory:
//
//	var t track.Tracker
//	facts := t.Frame(track.Frame{Conn: 1, Dir: track.CS, N: 7, At: at, Frame: f, Stanza: &s})
package track

import (
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// A Dir is a direction.
type Dir uint8

const (
	CS Dir = iota // client to server
	SC            // server to client
)

func (d Dir) other() Dir { return 1 - d }

// Severities of findings, in rising order.
const (
	Note    = "note"
	Warning = "warning"
	Error   = "error"
)

// A Finding is a diagnostic on an entry.
type Finding struct {
	Severity string `json:"severity"`
	Code     string `json:"code"` // stable: iq-missing-id
	Text     string `json:"text"` // one sentence
	Ref      string `json:"ref"`  // the section that it rests on: RFC 6120 §8.1.3
}

// Relations between entries.
const (
	Answers  = "answers"   // an iq answer its request
	Acks     = "acks"      // an acknowledgement the last stanza that it covers
	Resends  = "resends"   // a stanza the same one before a resumption
	Carbon   = "carbon of" // a carbon the message itself
	Archived = "copy of"   // an archive result the message itself
	Receipt  = "receipt for"
	Marks    = "marks"
	Corrects = "corrects"
	Replies  = "replies to"
	Reacts   = "reacts to"
	Refuses  = "refuses" // an error the stanza that it refuses
	Login    = "login of"
	NoteOn   = "note on"  // what a person says about an entry
	Verifies = "verifies" // a question about a dialback key the message with the key
	Delivers = "delivers" // a stanza the same one a hop before
	RestsOn  = "rests on" // the result of dialback what the domain's own server said
)

// A Relation points to an earlier entry.
type Relation struct {
	Kind string `json:"kind"`
	N    int    `json:"n"`
}

// A Frame is what the Tracker is told of an entry that is a frame.
type Frame struct {
	Conn     int
	Dir      Dir
	N        int           // number of the entry
	At       time.Duration // since the beginning of the recording
	Frame    decode.Frame
	Stanza   *stanza.Stanza
	Injected bool
	Edited   bool   // Sent went to the other leg instead of the frame
	Judged   bool   // it was held, and what to do with it was decided
	Sent     []byte // empty when nothing did
	Why      string // who injected or edited it gave this reason
}

// Facts are what the Tracker found out about an entry.
type Facts struct {
	Phase      string // of the connection, after the entry
	Findings   []Finding
	Related    []Relation
	Latency    time.Duration // of an iq answer
	HasLatency bool
	Federated  bool // on a stream between servers
}

func (f *Facts) find(severity, code, text, ref string) {
	f.Findings = append(f.Findings, Finding{severity, code, text, ref})
}

func (f *Facts) relate(kind string, n int) {
	if n > 0 {
		f.Related = append(f.Related, Relation{kind, n})
	}
}

// A Tracker follows all connections of a recording: a session of stream
// management can go on in another connection, a carbon arrives on another one
// than its message. The zero value is ready.
type Tracker struct {
	conns map[int]*Conn
	sm    map[string]*management // sessions that can be resumed, by id
	ids   twoGenerations         // message ids to entry numbers
	jids  map[string]error       // addresses that were checked
	ways  twoGenerations         // stanzas on their way, to the entry of the last hop
	keys  twoGenerations         // dialback keys, and what was said about them, to entry numbers
	cross crossing               // iq between servers
}

// Phases of a connection.
const (
	PhaseTCP      = "tcp"      // connected, nothing said
	PhaseStream   = "stream"   // a stream is being opened
	PhaseTLS      = "tls"      // STARTTLS asked, or a handshake
	PhaseSASL     = "sasl"     // login
	PhaseDialback = "dialback" // servers ask each other who they are
	PhaseBind     = "bind"     // logged in, no resource bound yet
	PhaseOnline   = "online"   // a resource is bound, a session resumed, or a server authorised
	PhaseClosing  = "closing"  // one side has closed its stream
	PhaseClosed   = "closed"
)

// A Span is a phase with its time.
type Span struct {
	Phase      string        `json:"phase"`
	Start, End time.Duration // End is 0 while it lasts
	Detail     string        `json:"detail,omitempty"`
}

// A Conn is what is known of a connection.
type Conn struct {
	ID     int
	Bound  stanza.JID // the full address that was bound
	Login  Auth       // the latest login
	Phases []Span
	CSI    string // active, inactive
	SM     string // "", enabled, resumed
	Closed string // who closed

	phase    string
	secure   [2]bool // by leg: client, server
	tapped   bool    // … by one session from client to server
	proceed  bool    // STARTTLS was granted, its handshake has not ended
	asked    bool    // STARTTLS was asked and not answered
	headers  [2]int
	ended    [2]bool
	offer    []string     // SASL mechanisms that the server offered last
	offered  stanza.Offer // the same with what else it said of the login
	shown    stanza.Offer // what the client got of it
	ledger   ledger
	manage   *management
	limits   limits
	queries  map[string]bool // archive queries that are open, by id
	errorIDs [2]map[string]bool
	obsolete map[string]bool // namespaces that were named already
	resuming bool            // the client has asked to resume
	resumeH  uint32          // and handled so many of the server's stanzas
	fed      federation
	bosh     *bosh // nil where another transport is used
	joined   bool  // what was said before is not in the recording
}

// limits are a peer's, of XEP-0478.
type limits struct{ bytes [2]int }

func (t *Tracker) conn(id int) *Conn {
	c := t.conns[id]
	if c == nil {
		if t.conns == nil {
			t.conns = make(map[int]*Conn)
			t.sm = make(map[string]*management)
			t.jids = make(map[string]error)
		}
		c = &Conn{ID: id, queries: make(map[string]bool), obsolete: make(map[string]bool)}
		t.conns[id] = c
	}
	return c
}

// Conn returns what is known of a connection, nil when there is none.
func (t *Tracker) Conn(id int) *Conn { return t.conns[id] }

// Open begins a connection.
func (t *Tracker) Open(id int, at time.Duration) Facts {
	c := t.conn(id)
	c.enter(PhaseTCP, at)
	return Facts{Phase: c.phase}
}

// Joined tells that a connection's beginning is not in the recording; inStream
// that a stream header is in force.
func (t *Tracker) Joined(id int, inStream bool, at time.Duration) {
	c := t.conn(id)
	c.joined = true
	if inStream && (c.phase == "" || c.phase == PhaseTCP) {
		c.enter(PhaseStream, at)
	}
}

// Secured tells that TLS is established on a leg, "client" or "server", and what
// is wrong with the certificate of its peer; or on "both" at once: one session
// between client and server, which is only read.
func (t *Tracker) Secured(id int, leg, problem string, at time.Duration) Facts {
	c := t.conn(id)
	c.tapped = leg == "both"
	if leg == "client" {
		c.fed.problems[0] = problem
	}
	if c.tapped {
		c.secure[1] = true
	}
	if leg == "client" || c.tapped {
		c.secure[0], c.proceed, c.asked = true, false, false
		c.detail("secured")
		c.enter(PhaseStream, at)
	} else {
		c.secure[1] = true
		c.fed.problems[1] = problem
	}
	return Facts{Phase: c.phase, Federated: c.fed.on}
}

// maxConns bounds the closed connections that are remembered.
const maxConns = 10_000

// Close ends a connection.
func (t *Tracker) Close(id int, at time.Duration, by, why string) Facts {
	c := t.conn(id)
	f := Facts{}
	c.ledger.close(&f)
	c.manage.close(&f)
	clear(c.queries)
	c.unanswered(&f)
	if c.headers[CS] > 0 && c.bosh == nil && by != "proxy" && !(c.ended[CS] && c.ended[SC]) {
		who := "neither side"
		switch {
		case c.ended[CS]:
			who = "the server never"
		case c.ended[SC]:
			who = "the client never"
		}
		f.find(Note, "stream-not-closed", who+" closed the stream with </stream:stream>", "RFC 6120 §4.4")
	}
	c.Closed = by
	c.enter(PhaseClosed, at)
	f.Phase, f.Federated = c.phase, c.fed.on
	if len(t.conns) > maxConns {
		delete(t.conns, id)
	}
	return f
}

// enter begins a phase and ends the one before.
func (c *Conn) enter(phase string, at time.Duration) {
	if c.phase == phase {
		return
	}
	if n := len(c.Phases); n > 0 {
		c.Phases[n-1].End = at
	}
	c.phase = phase
	if len(c.Phases) < 100 {
		c.Phases = append(c.Phases, Span{Phase: phase, Start: at})
	}
}

// detail says more about the phase that is on.
func (c *Conn) detail(text string) {
	if n := len(c.Phases); n > 0 {
		c.Phases[n-1].Detail = text
	}
}

// Frame takes the next frame of a connection.
func (t *Tracker) Frame(in Frame) Facts {
	c := t.conn(in.Conn)
	var f Facts
	c.syntax(in, &f)
	switch in.Frame.Kind {
	case decode.Header:
		if isBody(in.Frame) {
			c.body(in, &f)
			break
		}
		c.header(in, &f)
	case decode.End:
		if isBody(in.Frame) {
			break
		}
		c.ended[in.Dir] = true
		c.enter(PhaseClosing, in.At)
	case decode.Whitespace:
		c.blank(&f)
	case decode.Element:
		if in.Frame.Part > decode.First {
			break
		}
		t.element(c, in, &f)
	}
	f.Phase, f.Federated = c.phase, c.fed.on
	return f
}

func (c *Conn) header(in Frame, f *Facts) {
	if c.proceed || c.asked && in.Dir == CS {
		c.unsafe(f)
	}
	c.opens(in)
	s := in.Frame.Stream
	ns, _ := s.Lookup("")
	c.federates(in, ns)
	if ns == "jabber:component:accept" { // XEP-0114 knows neither versions nor features
		return
	}
	if ns == "" {
		f.find(Warning, "stream-namespace", "the stream header declares no default namespace", "RFC 6120 §4.8.2")
	}
	c.headerAttrs(in.Dir, s.Attr, f)
}

// opens notes that a stream is opened in a direction.
func (c *Conn) opens(in Frame) {
	c.headers[in.Dir]++
	c.ended[in.Dir] = false
	if c.phase == PhaseTCP || c.phase == "" || c.phase == PhaseTLS {
		c.enter(PhaseStream, in.At)
	}
}

// headerAttrs checks what a stream header, or <open/> in its place, has to say.
func (c *Conn) headerAttrs(d Dir, attr func(name string) string, f *Facts) {
	if attr("version") == "" {
		f.find(Warning, "stream-version", "the stream header has no version: the peer may not support features, TLS and SASL", "RFC 6120 §4.7.5")
	}
	switch {
	case d == CS && attr("to") == "":
		f.find(Warning, "stream-missing-to", "the client's stream header has no to: the server cannot tell which domain is meant", "RFC 6120 §4.7.2")
	case d == SC && attr("id") == "":
		f.find(Error, "stream-missing-id", "the server's stream header has no id", "RFC 6120 §4.7.3")
	case attr("from") == "" && (d == SC || c.fed.on):
		f.find(Warning, "stream-missing-from", "the server's stream header has no from", "RFC 6120 §4.7.1")
	}
}

func (c *Conn) blank(f *Facts) {
	switch {
	case c.asked || c.proceed:
		f.find(Warning, "blank-in-tls", "white space during the STARTTLS negotiation", "RFC 6120 §5.3.3")
	case c.Login.open:
		f.find(Warning, "blank-in-sasl", "white space during the SASL negotiation", "RFC 6120 §6.3.5")
	}
}

// unsafe is data where only a TLS handshake may come.
func (c *Conn) unsafe(f *Facts) {
	f.find(Error, "data-after-proceed", "clear text in front of the TLS handshake, where nothing but the handshake may come: possibly an injection", "RFC 6120 §5.4.3.3")
}

func (t *Tracker) element(c *Conn, in Frame, f *Facts) {
	if c.proceed && in.Dir == SC || (c.proceed || c.asked) && in.Dir == CS {
		c.unsafe(f)
	}
	s := in.Stanza
	c.size(in, f)
	switch s.Kind {
	case "message", "presence", "iq":
		if c.joined && c.phase == PhaseStream {
			c.enter(PhaseOnline, in.At) // it was bound before
		}
		t.stanza(c, in, f)
	default:
		t.nonza(c, in, f)
	}
}

func (t *Tracker) nonza(c *Conn, in Frame, f *Facts) {
	root := in.Stanza.Root()
	if root == nil {
		return
	}
	c.leads(in, root, f)
	switch root.NS {
	case nsTLS:
		switch root.Name {
		case "starttls":
			c.asked = true
			c.enter(PhaseTLS, in.At)
		case "proceed":
			c.asked, c.proceed = false, true
		case "failure":
			c.asked = false
			c.detail("refused")
		}
	case nsFraming:
		switch root.Name {
		case "open":
			c.opens(in)
			c.headerAttrs(in.Dir, root.Attr, f)
		case "close":
			c.ended[in.Dir] = true
			c.enter(PhaseClosing, in.At)
		}
	case nsSASL, nsSASL2:
		c.login(in, root, f)
		t.inline(c, in, in.counted(root), f)
	case nsSM3, nsSM2:
		t.management(c, in, in.counted(root), f)
	case nsDialback:
		t.dialback(c, in, root, f)
	case nsBidi:
		c.bidirectional(in, f)
	case "urn:xmpp:csi:0":
		c.CSI = root.Name
	case "jabber:component:accept":
		switch {
		case root.Name == "handshake" && in.Dir == CS:
			c.enter(PhaseSASL, in.At)
			c.detail("component handshake")
		case root.Name == "handshake":
			c.enter(PhaseOnline, in.At)
			c.detail("component")
		}
	case nsStreams:
		if root.Name == "features" {
			c.features(in, root)
		}
		if root.Name == "error" {
			if in.Injected && in.Stanza.Error != nil && in.Stanza.Error.Condition == "system-shutdown" {
				break // the proxy was stopped
			}
			f.find(Error, "stream-error", "the stream is ended with "+condition(in.Stanza.Error), "RFC 6120 §4.9")
		}
	}
}

func condition(e *stanza.Error) string {
	if e == nil || e.Condition == "" {
		return "an error without condition"
	}
	if e.Text != "" {
		return e.Condition + ": " + e.Text
	}
	return e.Condition
}

// twoGenerations is a map that forgets what is old: when the young half is
// full, the old one goes.
type twoGenerations struct{ young, old map[string]int }

// maxIDs bounds each generation.
const maxIDs = 20_000

func (m *twoGenerations) put(key string, n int) {
	if len(m.young) >= maxIDs || m.young == nil {
		m.old, m.young = m.young, make(map[string]int)
	}
	m.young[key] = n
}

func (m *twoGenerations) get(key string) int {
	if n, ok := m.young[key]; ok {
		return n
	}
	return m.old[key]
}
