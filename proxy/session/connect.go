package session

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
)

// This file is the life of the two connections: accepting, dialling, TLS on
// each leg, and the end.

// tlsRecord is the first byte of a TLS connection: a handshake record.
const tlsRecord = 0x16

func (s *Session) accepted(in Input) {
	s.event(record.Event{E: record.EventOpen, Kind: s.cfg.Kind, Client: in.Client, Server: in.Server, Transport: string(s.cfg.Transport)})
	if in.Err != nil {
		s.by, s.cause = "proxy", in.Err.Error()
		s.note("error", s.cause, in.Hint)
		s.end()
		return
	}
	if in.Hint != "" {
		s.note("", in.Hint, "")
	}
	if in.TLS.Version != "" {
		s.secured(Client, in.TLS)
	}
	if !s.cfg.ByDomain && !s.cfg.ByTo {
		s.dial()
	}
}

// dial asks for the server leg. Which records of a domain count depends on how
// TLS begins on the server leg.
func (s *Session) dial() {
	s.dialing = true
	direct := s.cfg.ServerTLS == Direct || s.cfg.ServerTLS == Mirror && s.direct
	name := s.cfg.Domain
	if s.cfg.ByTo {
		name = s.domain()
	}
	s.do(Effect{Do: Dial, Name: name, Direct: direct})
}

func (s *Session) dialed(in Input) {
	s.connected = true
	s.dialDirect = in.Direct
	s.note("", "connected to "+in.Server, "")
	if in.Hint != "" {
		s.note("warning", in.Hint, "")
	}
	if s.ws != nil {
		s.open()
		return
	}
	s.reach()
}

// reach goes on towards the server as soon as enough is known of the client.
func (s *Session) reach() {
	switch {
	case s.begun, s.failed != nil, !s.spoken, s.needsHeader() && s.clientHeader == nil:
	case s.connected:
		s.begin()
	case !s.dialing:
		s.dial()
	}
}

// needsHeader reports whether nothing can be done before the client has opened
// its stream.
func (s *Session) needsHeader() bool { return s.cfg.ByTo || s.cfg.Kind == KindS2S }

// maxUnopened bounds what is kept of a client that never opens its stream.
const maxUnopened = 64 << 10

// unopened ends a session whose client says something else where its stream
// header must come. frame is the kind of what it said, 0 for what is not framed
// yet.
func (s *Session) unopened(frame decode.Kind) {
	if !s.needsHeader() || s.clientHeader != nil || s.failed != nil {
		return
	}
	rest := s.cs.dec.Unread()
	switch start := bytes.TrimSpace(rest); {
	case frame != 0 && frame != decode.Declaration && frame != decode.Whitespace:
	case frame == 0 && len(start) > 0 && start[0] != '<':
	case len(s.waiting)+len(rest) > maxUnopened:
	default:
		return
	}
	s.fail("the client does not open a stream: without its header nobody knows which server it wants", "is it an XMPP client, and is TLS what --client-tls says?")
}

// abandon records that what waited for the server is not sent.
func (s *Session) abandon() {
	if len(s.waiting) == 0 {
		return
	}
	s.waiting, s.delayed = nil, false
	at := s.waitAt
	for _, g := range append(s.gaps, gap{s.waitEnd, s.waitEnd}) {
		if n := int(g.from - at); n > 0 {
			s.edit(record.CS, at, n, nil, noServer)
		}
		at = max(at, g.to)
	}
}

const noServer = "there is no server to send it to"

// begin decides how the server leg is secured, as soon as both the client's
// first bytes and the server's connection are there, and starts it.
func (s *Session) begin() {
	s.begun = true
	c, v := s.cfg.ClientTLS, s.cfg.ServerTLS
	wants := v == Direct || v == Mirror && s.direct // TLS before the first byte
	direct := s.dialDirect || wants && !s.cfg.ByDomain && !s.cfg.ByTo
	// A domain without records for direct TLS is reached with STARTTLS
	// (XEP-0368 §3 leaves both open to a client).
	s.ownServer = !direct && (v == StartTLS || wants)
	mirrored := v == Mirror && !direct
	s.ownClient = !s.direct && !mirrored && (c == Mirror || c == StartTLS)
	s.waitServer = direct || s.ownServer
	if direct {
		alpn := s.alpn
		if !s.direct {
			alpn = []string{s.protocol()}
		}
		s.tls[Server] = handshaking
		s.do(Effect{Do: Secure, Leg: Server, Name: s.domain(), ALPN: alpn, From: s.certifies()})
		return
	}
	s.certify("")
	if !s.ownServer {
		s.flush()
		return
	}
	// Only the header goes ahead; what follows waits for the secured stream.
	if n := s.waitHeader; n > 0 {
		s.send(Server, s.waiting[:n])
		s.waiting, s.waitAt, s.opened = s.waiting[n:], s.headerEnd, true
	}
}

// flush sends what the client said before there was a server to hear it.
func (s *Session) flush() {
	s.waitServer = false
	if b := s.waiting; len(b) > 0 {
		s.waiting = nil
		if s.delayed {
			s.delayed = false
			s.notes = append(s.notes, record.Event{E: record.EventVerdict, D: record.CS, O: s.waitAt, Verdict: "passed", By: "proxy"})
		}
		s.send(Server, b)
	}
}

// hello is the client's ClientHello: with direct TLS the upstream handshake
// comes first, so that the client is offered only what the server chose.
func (s *Session) hello(in Input) {
	s.asksCert = true
	s.sni, s.alpn = in.Name, in.ALPN
	switch {
	case !s.direct:
		s.certify("")
		return
	case s.failed != nil, s.needsHeader():
		s.certify(anyALPN)
		return
	}
	s.spoken = true
	s.reach()
}

// anyALPN stands for the client's own first choice.
const anyALPN = "*"

// certify answers the client's hello, if it waits for an answer.
func (s *Session) certify(alpn string) {
	if !s.asksCert {
		return
	}
	s.asksCert = false
	e := Effect{Do: Certificate, Leg: Client, Name: s.domain(), Ask: s.cfg.Kind == KindS2S}
	if len(s.cfg.Accounts) > 0 {
		// The client finds the kinds of channel binding that the server
		// has in mind: tls-unique is of TLS 1.2, tls-exporter of 1.3.
		e.Max = s.version
	}
	if s.direct && s.sni != "" {
		e.Name = s.sni
	}
	switch {
	case !s.direct: // no ALPN inside STARTTLS
	case alpn == anyALPN, s.tls[Server] != secured:
		e.ALPN = s.alpn // no server chose
	case alpn != "":
		e.ALPN = []string{alpn}
	}
	s.do(e)
}

func (s *Session) secured(l Leg, t TLS) {
	s.tls[l] = secured
	why := ""
	if s.cfg.Kind == KindS2S {
		why = s.introduced(l, &t)
	}
	s.event(record.Event{E: record.EventSecure, Leg: l.String(), Version: t.Version, Cipher: t.Cipher,
		ALPN: t.ALPN, Peer: t.Peer, Verified: t.Verified, Why: why})
	h := s.half(l.Receives())
	h.dec.Reset(h.off)
	s.decl[l] = nil
	s.bindings[l] = t.Bindings
	if a, b := s.bindings[Client][endPoint], s.bindings[Server][endPoint]; s.cfg.OwnCertificate && a != nil && b != nil && string(a) != string(b) {
		s.note("warning", fmt.Sprintf("--cert is not the certificate that the server shows (%s: %s, the server's is %s): a login that is bound to it must fail", endPoint, short(a), short(b)), "take the certificate that the server uses for "+s.domain())
	}
	if l == Server {
		s.version = t.Version
	}
	if l == Client {
		return
	}
	if t.Problem != "" {
		s.note("warning", "the server's certificate is not trusted: "+t.Problem, "leave --insecure out, and give its authority with --server-ca=FILE")
	}
	switch {
	case s.ws != nil:
		s.do(Effect{Do: Upgrade})
	case s.ownServer:
		// RFC 6120 §5.4.3.3: a new stream over the secured connection. The
		// client keeps the one that it opened.
		s.serverHeader = nil
		s.inject(record.CS, string(s.clientHeader), "the stream is opened again after STARTTLS on the server leg")
		s.flush()
	case s.tls[Client] == asked:
		// The server leg is safe, now the client may begin (§5.4.2.3).
		s.decide("passed", nil, "")
		s.send(Client, s.proceed)
		s.tls[Client] = expected
	default:
		s.certify(t.ALPN)
		s.flush()
	}
}

// eof passes the end of one side on and closes when both have ended.
func (s *Session) eof(in Input) {
	l, err := in.Leg, in.Err
	d := l.Receives()
	h := s.half(d)
	w := s.way(d)
	switch {
	case h.ends:
		return
	case w.pend != nil && err == nil && !w.frozen:
		w.eof = &in // behind what is held
		return
	}
	s.letPass(d, "the "+l.String()+" has gone")
	h.ends = true
	if s.by == "" || s.by == l.String() {
		s.by = l.String()
		if err != nil {
			s.cause = err.Error()
		}
	}
	if s.tls[l] == secured && err == nil {
		if in.CloseNotify {
			s.manner = append(s.manner, l.String()+" sent close_notify")
		} else {
			s.manner = append(s.manner, l.String()+" closed TCP without close_notify")
		}
	}
	switch {
	case l == Client && !s.authed:
		s.explainLeave(err)
	case l == Server && s.shown != "" && isAlert(err):
		s.note("error", "the server refused the certificate that it was shown for "+s.from+": "+err.Error(), s.peerTrustHint())
	}
	s.release(d)
	switch {
	case s.ic.cs.frozen && s.ic.sc.frozen && !s.half(into(d).Receives()).ends:
	case err != nil, s.half(into(d).Receives()).ends, s.failed != nil, !s.connected, !s.begun:
		s.end()
	default:
		s.do(Effect{Do: CloseWrite, Leg: into(d)})
	}
}

// release sends on what was held of an unfinished frame: nothing that was
// received is kept back for ever.
func (s *Session) release(d record.Dir) {
	if s.ws != nil {
		s.releaseMessages(d)
		return
	}
	if d == record.SC {
		s.letGo()
	}
	s.uncompressed()
	s.catchUp()
	if !s.armed {
		s.releaseWay(d)
		return
	}
	h := s.half(d)
	for {
		f, ok := h.dec.Close()
		if !ok {
			return
		}
		switch {
		case d == record.CS && s.failed != nil:
			s.drop(d, f, noServer)
		case !s.discards(d):
			s.forward(d, f)
		default:
			s.edit(d, f.Offset, len(f.Raw), nil, "the connection ended in the middle of TLS negotiation")
		}
	}
}

// end closes both legs and completes the record.
func (s *Session) end() {
	s.endWays()
	if s.ws != nil {
		s.releaseMessages(record.CS)
		s.releaseMessages(record.SC)
	}
	s.letGo()
	s.closed = true
	s.uncompressed()
	s.catchUp()
	if s.by == "" {
		s.by = "proxy"
	}
	s.abandon()
	s.cutShort()
	if s.holding {
		s.decide("dropped", nil, "the session ended during the handshake with the server")
	}
	s.notes = append(s.notes, record.Event{E: record.EventClose, By: s.by, Error: s.cause, Why: strings.Join(s.manner, "; ")})
	s.do(Effect{Do: Close})
}

// cutShort records that what is not complete is not sent: frames are sent whole
// while the session is armed. (What other transports hold, they release.)
func (s *Session) cutShort() {
	if s.ws != nil {
		return
	}
	for _, d := range []record.Dir{record.CS, record.SC} {
		h := s.half(d)
		if n := len(h.dec.Unread()); s.armed && n > 0 {
			s.edit(d, h.off-int64(n), n, nil, "the session ended in the middle of it")
		}
	}
}

func (s *Session) writeFailed(l Leg, err error) {
	d := l.Other().Receives()
	h := s.half(d)
	if h.dead {
		return
	}
	h.dead = true
	if s.cause == "" {
		s.cause = fmt.Sprintf("writing to the %s: %v", l, err)
	}
	// What the other side still has to say comes first (a stream error,
	// most often); the end of its leg ends the session.
	s.do(Effect{Do: Linger, Leg: l})
}

// shutdown tells both sides that the proxy ends, where a stanza boundary
// allows it.
func (s *Session) shutdown() {
	s.by, s.cause = "proxy", "the proxy was stopped"
	if s.ws != nil {
		s.shutdownMessages()
		return
	}
	s.letGo()
	if (s.tls[Client] == plain || s.tls[Client] == secured) && s.scHeaderSent && s.sc.dec.AtBoundary() {
		s.inject(record.SC, s.streamError("system-shutdown", ""), "the proxy was stopped")
		s.do(Effect{Do: CloseWrite, Leg: Client})
	}
	if s.connected && s.tls[Server] != handshaking && s.clientHeader != nil && !s.waitServer && s.zip.state != compressAsked && s.cs.dec.AtBoundary() {
		s.inject(record.CS, s.closeTag(s.csPrefix), "the proxy was stopped")
		s.do(Effect{Do: CloseWrite, Leg: Server})
	}
	s.end()
}
