package session

import (
	"bytes"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
)

// This file handles a direction frame by frame, as long as the session is
// armed: from the first byte until authentication has ended.

const (
	nsStreams = "http://etherx.jabber.org/streams"
	nsTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2   = "urn:xmpp:sasl:2"
)

// data takes a chunk that was received while the session is armed.
func (s *Session) data(d record.Dir, b []byte) {
	if d == record.CS && s.startsTLS(b) {
		return
	}
	h := s.half(d)
	h.off += int64(len(b))
	h.dec.Write(b)
	if s.way(d).frozen {
		s.swallow(d)
	} else {
		s.frames(d)
	}
	if d == record.CS {
		s.unopened(0)
	}
	if b = s.recordable(d, b); len(b) > 0 {
		s.event(record.Event{E: record.EventData, D: d, Data: b, HasData: true})
	}
	s.catchUp()
	if d == record.CS && !s.begun {
		s.spoken = true
		s.reach()
	}
}

// frames handles what is complete of a direction.
func (s *Session) frames(d record.Dir) {
	h := s.half(d)
	switch {
	case s.ic.on && !s.armed:
		s.walk(d)
		s.flushRun(d)
		return
	case !s.armed:
		s.guard()
		return
	}
	for s.armed && !s.closed && !s.pauses(d) && !s.way(d).frozen {
		if s.discards(d) {
			s.discard(d)
			break
		}
		f, ok := h.dec.Next()
		if !ok {
			break
		}
		s.treat(d, &f)
	}
	if !s.armed && !s.closed {
		s.drain(d)
	}
}

// pauses reports whether what follows in a direction waits for an answer.
func (s *Session) pauses(d record.Dir) bool {
	if s.way(d).pend != nil || d == record.SC && s.turn != nil {
		return true
	}
	return d == record.CS && s.zip.state == compressAsked
}

// startsTLS looks for a TLS record where the client may begin one.
func (s *Session) startsTLS(b []byte) bool {
	isTLS := len(b) > 0 && b[0] == tlsRecord
	switch {
	case s.tls[Client] == expected && isTLS:
	case s.tls[Client] == plain && !s.spoken && isTLS:
		if s.cfg.ClientTLS == Off || s.cfg.ClientTLS == StartTLS {
			s.event(record.Event{E: record.EventNote, Level: "error", By: "proxy",
				Text: "the client began with direct TLS, which --client-tls=" + string(s.cfg.ClientTLS) + " does not allow",
				Hint: "use --client-tls=mirror, or make the client use STARTTLS"})
			s.end()
			return true
		}
		s.direct = true
	case s.tls[Client] == plain && !s.spoken && s.cfg.ClientTLS == Direct:
		s.event(record.Event{E: record.EventNote, Level: "error", By: "proxy",
			Text: "the client did not begin with direct TLS, which --client-tls=direct demands",
			Hint: "use --client-tls=mirror, or make the client use direct TLS (XEP-0368)"})
		s.end()
		return true
	default:
		return false
	}
	s.tls[Client] = handshaking
	s.do(Effect{Do: Secure, Leg: Client, Unread: b})
	return true
}

// discards reports whether bytes of the direction are an injection in front of
// TLS: clear text behind <starttls/> or <proceed/> (RFC 6120 §5.3.3).
func (s *Session) discards(d record.Dir) bool {
	if d == record.CS {
		return s.tls[Client] == asked || s.tls[Client] == expected
	}
	return s.tls[Server] == handshaking
}

// discard drops what is not framed yet.
func (s *Session) discard(d record.Dir) {
	h := s.half(d)
	n := len(h.dec.Unread())
	if n == 0 {
		return
	}
	s.edit(d, h.off-int64(n), n, nil, "clear text in front of the TLS handshake is discarded (RFC 6120 §5.3.3)")
	blank := len(bytes.TrimSpace(h.dec.Unread())) == 0
	h.dec.Reset(h.off)
	if blank { // some clients end each stanza with a line end
		return
	}
	s.note("warning", "clear text was sent in front of the TLS handshake and discarded, it could be an injection (RFC 6120 §5.3.3)", "")
}

// drain goes over to the fast path: what is not framed yet is passed on as it
// is, the decoder keeps it to stay in step. Only what may lead the client away
// from the proxy is not.
func (s *Session) drain(d record.Dir) {
	if s.wanted() {
		s.engage()
		for _, d := range []record.Dir{d, other(d)} {
			s.way(d).sent = s.half(d).dec.Offset()
			s.walk(d)
			s.flushRun(d)
		}
		return
	}
	s.send(Server, s.cs.dec.Unread())
	for d == record.CS {
		f, ok := s.cs.dec.Next()
		if !ok {
			break
		}
		s.follow(d, f)
	}
	s.guarded = true
	s.guard()
}

// forward sends a frame on unchanged.
func (s *Session) forward(d record.Dir, f decode.Frame) {
	if d == record.CS && (!s.begun || s.waitServer && !(s.ownServer && !s.opened)) {
		n := len(f.Raw)
		if s.over != nil {
			n = s.over.was
		}
		if len(s.waiting) == 0 {
			s.waitAt, s.waitEnd, s.gaps = f.Offset, f.Offset, nil
		}
		if f.Offset > s.waitEnd {
			s.gaps = append(s.gaps, gap{s.waitEnd, f.Offset})
		}
		s.waitEnd = f.Offset + int64(n)
		if s.opened && !s.delayed {
			// What the proxy itself still has to say on the server leg
			// goes first.
			s.delayed = true
			s.event(record.Event{E: record.EventHold, D: record.CS, O: f.Offset, N: int64(n), By: "proxy"})
		}
		s.waiting = append(s.waiting, f.Raw...)
		return
	}
	s.send(into(d), f.Raw)
}

// passOn sends a frame of the server on, as it is but for another address that
// it may name.
func (s *Session) passOn(f decode.Frame) {
	if !s.turns(f, nil, "") {
		s.forward(record.SC, f)
	}
}

func (s *Session) frame(d record.Dir, f decode.Frame) {
	if f.Kind == decode.Declaration {
		// Kept for the time when the header has to be said again.
		s.decl[into(d).Other()] = append([]byte(nil), f.Raw...)
	}
	if d == record.CS {
		s.fromClient(f)
	} else {
		s.fromServer(f)
	}
}

func is(f decode.Frame, ns, name string) bool {
	return f.Kind == decode.Element && f.Part <= decode.First && string(f.Name) == name && string(f.NS) == ns
}

func (s *Session) fromClient(f decode.Frame) {
	if f.Kind != decode.Header {
		s.unopened(f.Kind)
	}
	switch {
	case f.Kind == decode.Header:
		s.clientOpens(f)
	case s.failed != nil, s.replay && f.Kind == decode.Declaration:
		s.drop(record.CS, f, noServer)
	case is(f, nsTLS, "starttls") && s.ws == nil:
		s.clientAsksTLS(f)
	case is(f, nsCompress, "compress"):
		s.clientAsksCompression(f)
	case s.goesOn(record.CS, f), s.refusesExternal(f):
	default:
		s.login.fromClient(s, f)
		s.component(record.CS, f)
		s.tokens(f)
		if !s.reauthenticates(f) {
			s.login.warn(s, f)
			s.forward(record.CS, f)
		}
		if s.authed && f.Kind == decode.Element {
			s.armed = false // it does not want compression
		}
		s.federate(record.CS, f)
	}
}

// drop records that a frame is not sent on.
func (s *Session) drop(d record.Dir, f decode.Frame, why string) {
	s.edit(d, f.Offset, len(f.Raw), nil, why)
}

func (s *Session) clientOpens(f decode.Frame) {
	s.to = f.Stream.Attr("to")
	s.identify(f.Stream.Attr("from"))
	s.csPrefix = f.Stream.Prefix
	s.clientHeader = append(append([]byte(nil), s.decl[Client]...), f.Raw...)
	switch {
	case s.failed != nil:
		s.drop(record.CS, f, noServer)
		s.sayFailure()
	case s.replay:
		s.replay = false
		s.drop(record.CS, f, "the server leg keeps its stream: TLS began on the client leg only")
		features, why := s.editFeatures(s.features)
		if why != "" {
			why = ": " + why
		}
		s.inject(record.SC, string(s.serverHeader)+string(features), "the server's stream header and features again, for the client's new stream"+why)
	default:
		s.forward(record.CS, f)
		s.waitHeader, s.headerEnd = len(s.waiting), f.Offset+int64(len(f.Raw))
		s.opened = s.opened || s.waitHeader == 0
	}
}

// clientAsksTLS is <starttls/> from the client.
func (s *Session) clientAsksTLS(f decode.Frame) {
	switch {
	case s.tls[Client] == secured || s.cfg.ClientTLS == Off || s.zip.state == compressed:
		s.drop(record.CS, f, "STARTTLS is not possible on the client leg")
		s.note("warning", "the client asked for STARTTLS where it was not offered", "")
		s.inject(record.SC, "<failure xmlns='"+nsTLS+"'/>"+s.closeTag(s.scPrefix), "RFC 6120 §5.4.2.2")
	case s.ownClient:
		s.drop(record.CS, f, "STARTTLS ends at the proxy: the legs are secured each on its own")
		s.inject(record.SC, "<proceed xmlns='"+nsTLS+"'/>", "STARTTLS ends at the proxy")
		s.tls[Client] = expected
		s.replay = true
	default:
		s.tls[Client] = asked
		s.forward(record.CS, f)
	}
}

func (s *Session) fromServer(f decode.Frame) {
	hidden := s.ownServer && s.tls[Server] != secured // the client sees the stream after TLS only
	switch {
	case f.Kind == decode.Header:
		s.serverHeader = append(append([]byte(nil), s.decl[Server]...), f.Raw...)
		s.serverID = f.Stream.Attr("id")
		s.offer = nil
		if hidden {
			s.drop(record.SC, f, ownServerWhy)
			return
		}
		s.scHeaderSent, s.scPrefix = true, f.Stream.Prefix
		s.errorTag = "<" + strings.TrimPrefix(s.scPrefix+":error", ":")
		s.forward(record.SC, f)
	case is(f, nsStreams, "features"):
		s.serverOffers(f, hidden)
	case is(f, nsTLS, "proceed") && (hidden || s.tls[Client] == asked):
		if hidden {
			s.drop(record.SC, f, ownServerWhy)
		} else {
			// For a mirrored STARTTLS it waits here: the client is told
			// to proceed when the server leg is safe, and not before.
			s.event(record.Event{E: record.EventHold, D: record.SC, O: f.Offset, N: int64(len(f.Raw)), By: "proxy"})
			s.holding = true
		}
		s.proceed = append([]byte(nil), f.Raw...)
		s.proceedAt = f.Offset
		s.tls[Server] = handshaking
		s.do(Effect{Do: Secure, Leg: Server, Name: s.domain(), From: s.certifies()})
	case is(f, nsTLS, "failure") && s.tls[Client] == asked:
		s.tls[Client] = plain
		s.forward(record.SC, f)
	case is(f, nsTLS, "failure") && hidden:
		s.drop(record.SC, f, ownServerWhy)
		s.fail("the server refused STARTTLS", "use --server-tls=off or --server-tls=direct")
	case hidden && (f.Kind == decode.Declaration || f.Kind == decode.Whitespace):
		s.drop(record.SC, f, ownServerWhy)
	case is(f, nsCompress, "compressed") && s.zip.state == compressAsked:
		s.serverCompresses(f)
	case is(f, nsCompress, "failure") && s.zip.state == compressAsked:
		s.uncompressed()
		s.forward(record.SC, f)
	case s.goesOn(record.SC, f):
	default:
		s.login.fromServer(s, f)
		s.passOn(f)
		s.resumed()
		s.component(record.SC, f)
		s.federate(record.SC, f)
	}
}

const ownServerWhy = "STARTTLS on the server leg is the proxy's own: the client sees the stream that follows"

// serverOffers is <stream:features/>.
func (s *Session) serverOffers(f decode.Frame, hidden bool) {
	offer := readOffer(f)
	if hidden {
		s.drop(record.SC, f, ownServerWhy)
		if !offer.StartTLS {
			s.fail("the server offers no STARTTLS", "use --server-tls=off to go on without TLS, or --server-tls=direct")
			return
		}
		s.inject(record.CS, "<starttls xmlns='"+nsTLS+"'/>", "--server-tls=starttls")
		return
	}
	if s.cfg.ClientTLS == StartTLS && s.tls[Client] == plain && !offer.StartTLS {
		s.ownClient = true
	}
	s.offered[Server] = offer
	s.offer = &offer
	s.features = f
	s.features.Raw = append([]byte(nil), f.Raw...)
	b, why := s.editFeatures(s.features)
	if why == "" {
		s.forward(record.SC, f)
	} else {
		s.edit(record.SC, f.Offset, len(f.Raw), b, why)
		s.send(Client, b)
	}
	// With no mechanism on offer any more the login is over (RFC 6120 §6.4.6,
	// XEP-0388 §2.6.1): from here bytes are passed as they come.
	if s.login.done && !offer.SASL {
		s.authed = true
		s.armed = s.zip.offered
	}
}
