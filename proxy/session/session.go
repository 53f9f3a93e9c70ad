// Package session is one proxied XMPP connection as a pure state machine.
//
// A session has two legs, the client leg and the server leg, and two
// directions: CS (client to server) and SC. It owns no socket, no clock and no
// goroutine. Its shell (package proxy) hands it what happened, an Input, and
// carries out in order what it answers, a list of Effects:
//
//	s := session.New(session.Config{Conn: 1})
//	do(s.Handle(session.Input{On: session.Accepted, Client: "127.0.0.1:40122"}))
//	do(s.Handle(session.Input{On: session.Data, Dir: record.CS, Bytes: chunk}))
//
// The first effect of received bytes is always to record them: the log leads
// the wire. Until authentication has ended a direction is handled frame by
// frame, because features are edited and TLS is terminated in between; from
// then on each chunk is sent on as it came and the decoder only keeps step, to
// know the boundaries and to notice the frames that lead a client elsewhere.
// Over BOSH there are no chunks but the bodies of requests and answers, all of
// which are handled frame by frame: see bosh.go. Over WebSocket chunks hold
// frames of that, whose payload is what is recorded: see websocket.go.
//
// A login is passed on as it is, but for mechanisms that cannot work; where the
// password is known (Config.Accounts) it becomes two logins, one on each leg: see
// reauth.go.
//
// Somebody may be asked about each frame (Arm, see judge.go): frames are then held,
// changed, dropped, answered; elements of nobody's are put in (Put), and stream
// management still adds up (sm.go). With nobody to ask that costs nothing.
//
// Every change that the session makes by itself is an event of the recording
// with its reason: the data of a direction with edits and verdicts applied and
// injections inserted equals the bytes sent to the other leg.
package session

import (
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// A Leg is one of the two connections of a session.
type Leg uint8

const (
	Client Leg = iota // the leg between the client and the proxy
	Server            // the leg between the proxy and the server
)

func (l Leg) String() string {
	if l == Client {
		return "client"
	}
	return "server"
}

// Other returns the opposite leg.
func (l Leg) Other() Leg { return 1 - l }

// Receives returns the direction whose bytes arrive on the leg.
func (l Leg) Receives() record.Dir {
	if l == Client {
		return record.CS
	}
	return record.SC
}

// TLSMode says how a leg is secured.
type TLSMode string

const (
	Mirror   TLSMode = "mirror"   // as the client asks
	Off      TLSMode = "off"      // never
	StartTLS TLSMode = "starttls" // RFC 6120 §5, negotiated by the session itself where the peer does not ask
	Direct   TLSMode = "direct"   // from the first byte, XEP-0368
)

// Config is what a session needs to know. The zero value mirrors the client's
// use of TLS and dials when the connection is accepted.
type Config struct {
	Conn       int      // number of the connection in the recording
	Kind       string   // "" means "c2s"
	ClientTLS  TLSMode  // "" means Mirror
	ServerTLS  TLSMode  // "" means Mirror
	Mechanisms []string // SASL mechanisms that the client is offered; empty = all that work
	// OwnCertificate says that the client leg shows the server's own
	// certificate: what is bound to it is the same on both legs.
	OwnCertificate bool
	// Insecure says that certificates are accepted whoever signed them.
	Insecure bool
	// Tap passes TLS untouched and shows it to a tap.
	Tap bool
	// Secret is that of a component, to check its handshake; "" = unknown.
	Secret string
	// Accounts are passwords by bare address, in lower case: their logins
	// are done on each leg by itself.
	Accounts map[string]string
	// ByDomain says that the upstream is a domain whose service records
	// depend on the client's way of TLS: the session then dials when the
	// client has spoken, not before.
	ByDomain bool
	// ByTo says that the upstream depends on the domain that the client
	// names: the session then dials when its stream header has come.
	ByTo bool
	// Domain is the name of the upstream, used where the client names none.
	Domain string
	// Lead finds the URI at which the client reaches what a server over
	// WebSocket or BOSH names (see-other-uri) through the proxy: the same
	// where it leads there already, an error where there is none. If nil such
	// targets are left as they are.
	Lead func(target string) (string, error)
	// CA is how to find the certificate authority, for hints.
	CA string
	// Compression is Inflate to pass XEP-0138 on and end it on each leg; ""
	// takes it out of the offer.
	Compression string
	// MaxFrame bounds a frame in bytes; 0 means decode.DefaultMaxFrame.
	MaxFrame int
	// Transport is what carries the stream: "" is TCP.
	Transport Transport
	// Judge is asked about each frame; nil = nobody. See Arm.
	Judge Judge
	// HoldLimit is after how long a frame that is held passes; 0 = DefaultHoldLimit.
	HoldLimit time.Duration
	// Resumptions are the managed streams of all sessions of a proxy: one that
	// is resumed goes on with what was done to its stanzas before. If nil the
	// session knows its own only.
	Resumptions *Resumptions
	// Mask makes the key of a WebSocket frame of the session's own to the
	// server (RFC 6455 §5.3); nil = zero.
	Mask func() [4]byte
}

// TLS describes an established TLS layer in words.
type TLS struct {
	Version, Cipher, ALPN, Peer string
	Verified                    bool
	// Bindings are the channel bindings by type: tls-unique,
	// tls-server-end-point (RFC 5929), tls-exporter (RFC 9266).
	Bindings map[string][]byte
	Problem  string // why the peer's certificate is not good; it was accepted all the same
	// Names are the domains that the peer's certificate is for, and Shown
	// is the certificate that the peer was shown because it asked for one;
	// both between servers only.
	Names []string
	Shown string
}

// tlsState is how far TLS is on a leg.
type tlsState uint8

const (
	plain    tlsState = iota
	asked             // <starttls/> is on its way
	expected          // <proceed/> was said, the peer's first record is awaited
	handshaking
	secured
)

// half is one direction.
type half struct {
	dec  decode.Decoder
	off  int64 // bytes received so far
	ends bool  // EOF was seen on the leg that it is read from
	dead bool  // writing to its other leg failed

	// Scratch for the fast path, reused by every chunk of the direction;
	// the shell carries out the effects before it hands in the next.
	events  [1]record.Event
	effects [2]Effect
}

// A gap is a part of the received stream.
type gap struct{ from, to int64 }

// A Session is one proxied connection. It is not safe for concurrent use; its
// shell serialises Handle.
type Session struct {
	cfg    Config
	cs, sc half
	tls    [2]tlsState // by leg

	connected  bool // the server leg is dialled
	spoken     bool // the client has said something
	begun      bool // how the server leg is secured is decided
	dialing    bool // the upstream is asked for
	asksCert   bool // the client's hello waits for Certificate
	direct     bool // the client leg began with a TLS record
	dialDirect bool // the upstream's address asks for direct TLS
	ownServer  bool // the session negotiates STARTTLS on the server leg by itself
	ownClient  bool // … and on the client leg
	waitServer bool // CS waits until the server leg is secured
	armed      bool // frames are handled one by one; until authentication ends
	authed     bool // SASL success was seen
	closed     bool
	by         string   // who closed first
	cause      string   // and why, for the close event
	manner     []string // how the legs were closed, for the close event
	failed     *failure

	sni, to      string
	from         string        // who the client says that it is, in its stream header: between servers a domain in lower case
	peer         TLS           // the client leg's, between servers
	shown        string        // the certificate that the server was shown
	claimed      string        // the domain that it is for
	offer        *stanza.Offer // what the server offers in its current stream; nil before its features
	alpn         []string
	clientHeader []byte       // the client's latest stream header with its XML declaration
	serverHeader []byte       // the server's
	features     decode.Frame // what the server offered last; Raw is the session's own
	replay       bool         // the client's next header is answered from serverHeader and features
	decl         [2][]byte
	opened       bool   // the client's header went to the server
	waitHeader   int    // bytes of waiting up to the end of the client's header
	scHeaderSent bool   // the client has a stream header to read a stream error in
	scPrefix     string // of that header
	csPrefix     string // of the client's
	proceed      []byte // the server's answer, held until its handshake is done
	proceedAt    int64
	holding      bool   // proceed waits for its verdict
	waiting      []byte // CS bytes held while waitServer or not connected
	waitAt       int64  // offset of the first
	waitEnd      int64  // where the last ends
	gaps         []gap  // between them, where frames were not to be sent
	delayed      bool   // they are recorded as held
	headerEnd    int64  // offset behind the client's latest header
	login        login
	zip          zip // stream compression
	tap          *tapping
	turn         *turn  // a frame of the server that waits for Redirected
	guarded      bool   // after authentication: bytes of the server are kept back
	errorTag     string // how the server's stream errors begin
	bosh         *bosh  // nil unless over BOSH

	reauth   *reauth              // a login that is done on each leg
	question *decode.Frame        // the beginning of a login whose first message the client is asked for
	aborts   int                  // logins that the proxy gave up with the server, whose answer is awaited
	offered  [2]stanza.Offer      // what the server offered last, and what the client was shown
	bindings [2]map[string][]byte // by leg
	serverID string               // of the server's stream
	version  string               // of TLS on the server leg

	ws   *framing // nil unless the transport is WebSocket
	ic   intercept
	over *override // what the session handles in place of what came
	sm   managing

	// One Handle's answer while it is built.
	holds  []record.Event // go in front of everything: who reads the log keeps what they are about
	events []record.Event
	notes  []record.Event // go behind the data that they are about
	sends  []Effect
}

// New returns a session that waits for Accepted.
func New(cfg Config) *Session {
	if cfg.Kind == "" {
		cfg.Kind = "c2s"
	}
	if cfg.ClientTLS == "" {
		cfg.ClientTLS = Mirror
	}
	if cfg.ServerTLS == "" {
		cfg.ServerTLS = Mirror
	}
	s := &Session{cfg: cfg, armed: true}
	s.cs.dec.MaxFrame, s.sc.dec.MaxFrame = cfg.MaxFrame, cfg.MaxFrame
	if cfg.Transport == WebSocket {
		s.ws = new(framing)
		s.ws.cs.in.Client = true
		s.cs.dec.Bare, s.sc.dec.Bare = true, true
	}
	if cfg.Transport == BOSH {
		s.bosh = &bosh{accounts: len(cfg.Accounts) > 0}
		s.cs.dec.BOSH, s.sc.dec.BOSH = true, true
		s.cfg.ClientTLS, s.cfg.ServerTLS, s.cfg.Accounts, s.cfg.Compression = Mirror, Mirror, nil, ""
	}
	if cfg.Tap {
		s.tap = new(tapping)
	}
	s.ic.judge = cfg.Judge
	return s
}

// Armed reports whether frames are handled one by one; when it is false each
// chunk is passed on as it came.
func (s *Session) Armed() bool { return s.armed }

// Waits reports whether the shell must not read more of the direction for now.
// It may change with any Handle.
func (s *Session) Waits(d record.Dir) bool {
	if s.closed {
		return false
	}
	return s.holdsBack(d) || d == record.CS && (s.waitServer || s.zip.state == compressAsked || s.zip.state == compressing)
}

// ServerReady reports whether bytes may be read from the server leg: a server
// says nothing before the client has, and a handshake has to be done first.
func (s *Session) ServerReady() bool {
	return s.connected && s.begun && !(s.tls[Server] == handshaking && s.proceed == nil) && !s.closed
}

// Cause returns why the session ended, or is about to; "" when there is no reason.
func (s *Session) Cause() string { return s.cause }

// Closed reports whether the session is over.
func (s *Session) Closed() bool { return s.closed }

// Handle takes one input and returns the effects to carry out, in order.
func (s *Session) Handle(in Input) []Effect {
	if s.closed {
		if in.On == Untapped && s.tap != nil {
			return s.untapped(in)
		}
		return nil
	}
	if in.On == Data && !s.armed && s.ws == nil && !(s.guarded && in.Dir == record.SC) {
		if s.ic.on {
			return s.passJudged(in.Dir, in.Bytes)
		}
		return s.pass(in.Dir, in.Bytes)
	}
	if s.tap != nil {
		return s.handleTap(in)
	}
	s.anew()
	switch in.On {
	case Arm:
		s.arm(in.Judge)
	case Decided:
		s.decided(*in.Verdict)
	case Put:
		s.injected(*in.Injection)
	case Elapsed:
		s.elapsed(in.Timer)
	case Accepted:
		if s.bosh != nil {
			s.acceptedBOSH(in)
		} else {
			s.accepted(in)
		}
	case Data:
		switch {
		case s.bosh != nil:
			s.body(in)
		case s.ws != nil:
			s.received(in.Dir, in.Bytes)
		default:
			s.data(in.Dir, in.Bytes)
		}
	case EOF:
		s.eof(in)
	case Dialed:
		s.dialed(in)
	case DialFailed:
		s.dialFailed(in)
	case Hello:
		s.hello(in)
	case Secured:
		s.secured(in.Leg, in.TLS)
	case TLSFailed:
		s.tlsFailed(in)
	case Redirected:
		s.redirected(in)
	case Compressed:
		s.zip.state = compressed
	case Upgraded:
		s.upgraded(in)
	case Refused:
		s.refused(in)
	case WriteFailed:
		s.writeFailed(in.Leg, in.Err)
	case Unanswered:
		s.unanswered(in)
	case Idle:
		s.idled()
	case Shutdown:
		if s.bosh != nil {
			s.shutdownBOSH()
		} else {
			s.shutdown()
		}
	}
	return s.answer()
}

// answer puts what was gathered in order: the log first.
func (s *Session) answer() []Effect {
	ev := append(append(s.holds, s.events...), s.notes...)
	if s.ic.mute {
		ev = s.muted(ev)
	}
	if len(ev) == 0 {
		return s.sends
	}
	for i := range ev {
		ev[i].C = s.cfg.Conn
	}
	return append([]Effect{{Do: Record, Events: ev}}, s.sends...)
}

func (s *Session) half(d record.Dir) *half {
	if d == record.CS {
		return &s.cs
	}
	return &s.sc
}

// into returns the leg that a direction is sent to.
func into(d record.Dir) Leg {
	if d == record.CS {
		return Server
	}
	return Client
}

// pass is the fast path: record, send, keep step. It allocates nothing.
func (s *Session) pass(d record.Dir, b []byte) []Effect {
	h := s.half(d)
	h.off += int64(len(b))
	h.dec.Write(b)
	stanzas := 0
	for {
		f, ok := h.dec.Next()
		if !ok {
			break
		}
		s.ending(d, f)
		if isStanza(&f) {
			stanzas++
			continue
		}
		if manages(&f) {
			s.counted(d, stanzas)
			stanzas = 0
			s.manage(d, f) // h is right: nothing was done to anything
		}
		if len(f.Name) > 0 && f.Name[0] == 'e' && d == record.SC && leads(&f) {
			if t := turnOf(f); t != nil {
				return s.turnsInChunk(t, f, b)
			}
		}
	}
	s.counted(d, stanzas)
	if d == record.SC && s.guards(len(b)) {
		return s.keepBack(b)
	}
	h.events[0] = record.Event{C: s.cfg.Conn, E: record.EventData, D: d, Data: b, HasData: true}
	h.effects[0] = Effect{Do: Record, Events: h.events[:]}
	if h.dead {
		return h.effects[:1]
	}
	h.effects[1] = Effect{Do: Send, Leg: into(d), Bytes: b}
	return h.effects[:]
}

// ending notes who ended its stream first.
func (s *Session) ending(d record.Dir, f decode.Frame) {
	if f.Kind == decode.End && s.by == "" {
		s.by = into(d).Other().String()
	}
}

// event, note, send and do gather the answer.

func (s *Session) event(e record.Event) { s.events = append(s.events, e) }

func (s *Session) note(level, text, hint string) {
	s.notes = append(s.notes, record.Event{E: record.EventNote, Level: level, Text: text, Hint: hint, By: "proxy"})
}

func (s *Session) do(e Effect) { s.sends = append(s.sends, e) }

func (s *Session) send(l Leg, b []byte) {
	if len(b) == 0 || s.half(l.Other().Receives()).dead {
		return
	}
	if s.ws != nil {
		s.sendMessage(l, b)
		return
	}
	if n := len(s.sends); n > 0 && s.sends[n-1].Do == Send && s.sends[n-1].Leg == l {
		s.sends[n-1].Bytes = append(s.sends[n-1].Bytes, b...)
		return
	}
	s.do(Effect{Do: Send, Leg: l, Bytes: append([]byte(nil), b...)})
}

// inject records and sends bytes of the session's own. They stand before the
// next byte that the direction receives.
func (s *Session) inject(d record.Dir, text, why string) {
	if s.ws != nil && s.waits(d, text, why) {
		return
	}
	s.notes = append(s.notes, record.Event{E: record.EventInject, D: d, O: s.at(d), Data: []byte(text), HasData: true, By: "proxy", Why: why})
	s.send(into(d), []byte(text))
}

// at is the offset of the next byte of a direction that is not sent yet: before
// it an injection belongs.
func (s *Session) at(d record.Dir) int64 {
	if d == record.CS && len(s.waiting) > 0 {
		return s.waitAt
	}
	if d == record.SC && s.turn != nil {
		return s.turn.offset
	}
	if w := s.way(d); w.pend != nil {
		return w.pend.f.Offset
	} else if w.now != nil {
		return w.now.f.Offset
	}
	return s.half(d).dec.Offset()
}

// edit records that the received bytes [o,o+n) are sent as b.
func (s *Session) edit(d record.Dir, o int64, n int, b []byte, why string) {
	if s.over.is(d, o, n) { // of a frame that a judge has changed already
		s.over.changes(b, why)
		return
	}
	if s.ws != nil {
		s.messages(d).changed = true
	}
	if last := len(s.events) - 1; n == 1 && len(b) == 0 && last >= 0 {
		// White space comes octet by octet: many are one edit.
		if e := &s.events[last]; e.E == record.EventEdit && e.D == d && len(e.Data) == 0 && e.O+e.N == o && e.Why == why {
			e.N++
			return
		}
	}
	s.event(record.Event{E: record.EventEdit, D: d, O: o, N: int64(n), Data: b, HasData: true, By: "proxy", Why: why})
}

// decide records the verdict on the <proceed/> that is held.
func (s *Session) decide(verdict string, b []byte, why string) {
	s.holding = false
	s.event(record.Event{E: record.EventVerdict, D: record.SC, O: s.proceedAt, Verdict: verdict, Data: b, HasData: b != nil, By: "proxy", Why: why})
}

// domain is the best name of the server that the client wants to reach.
func (s *Session) domain() string {
	for _, name := range []string{s.to, s.sni, s.cfg.Domain} {
		if name != "" {
			return strings.ToLower(name)
		}
	}
	return ""
}
