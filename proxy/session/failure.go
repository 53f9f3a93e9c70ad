package session

import (
	"fmt"
	"html"
	"strings"

	"github.com/xmpplens/xmpplens/record"
)

// This file says what went wrong: to the user as a note with a hint, to the
// other leg as RFC 6120 wants it.

// A failure is why there is no server leg.
type failure struct {
	text string
	said bool
}

// fail notes that the server leg cannot be had and tells the client, at once
// or as soon as it has opened its stream.
func (s *Session) fail(text, hint string) {
	if s.failed != nil {
		return
	}
	s.note("error", text, hint)
	s.abandon()
	s.failed = &failure{text: text}
	s.by, s.cause = "proxy", text
	s.waitServer = false
	if s.ws != nil { // the client has not been answered yet: the shell does
		s.end()
		return
	}
	s.certify(anyALPN)
	if s.clientHeader != nil && (s.tls[Client] == plain || s.tls[Client] == secured) {
		s.sayFailure()
		return
	}
	s.do(Effect{Do: Linger, Leg: Client})
}

// sayFailure is the stream error for a server that cannot be reached
// (RFC 6120 §4.9.3.15), inside a stream of the proxy's own where the server
// has not opened one.
func (s *Session) sayFailure() {
	if s.failed.said {
		return
	}
	s.failed.said = true
	text := ""
	if !s.scHeaderSent {
		from := ""
		if s.to != "" {
			from = " from='" + html.EscapeString(s.to) + "'"
		}
		text = fmt.Sprintf("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s' id='xmpplens-%d'%s version='1.0' xml:lang='en'>",
			s.namespace(), nsStreams, s.cfg.Conn, from)
		s.scHeaderSent, s.scPrefix = true, "stream"
	}
	s.inject(record.SC, text+s.streamError("remote-connection-failed", s.failed.text), "there is no server to answer")
	s.do(Effect{Do: CloseWrite, Leg: Client})
	s.end()
}

// streamError is a stream error and the end of the stream (RFC 6120 §4.9).
func (s *Session) streamError(condition, text string) string {
	return s.streamErrorElement(condition, text) + s.closeTag(s.scPrefix)
}

func (s *Session) streamErrorElement(condition, text string) string {
	if text != "" {
		text = "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>" + html.EscapeString(text) + "</text>"
	}
	// The namespace is declared here: a client may have chosen any prefix
	// for its own header, the server's need not be the usual one.
	return "<stream:error xmlns:stream='" + nsStreams + "'><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" + text +
		"</stream:error>"
}

func (s *Session) closeTag(prefix string) string {
	if prefix == "" {
		return "</stream>"
	}
	return "</" + prefix + ":stream>"
}

func (s *Session) dialFailed(in Input) { s.fail(in.Err.Error(), in.Hint) }

func (s *Session) tlsFailed(in Input) {
	if in.Leg == Client {
		s.by, s.cause = "client", "TLS with the client: "+in.Err.Error()
		s.note("error", s.cause, s.trustHint(in.Err))
		s.end()
		return
	}
	text := "TLS with the server: " + in.Err.Error()
	if s.cfg.Kind == KindS2S && isAlert(in.Err) && in.Hint == "" {
		in.Hint = s.peerTrustHint()
	}
	if s.ownServer || s.tls[Client] != asked {
		s.tls[Server] = plain
		s.fail(text, in.Hint)
		return
	}
	// RFC 6120 §5.4.2.2: the client hears of it before it starts its own
	// handshake.
	answer := "<failure xmlns='" + nsTLS + "'/>" + s.closeTag(s.scPrefix)
	s.by, s.cause = "proxy", text
	s.decide("edited", []byte(answer), "the handshake with the server failed")
	s.note("error", text, in.Hint)
	s.send(Client, []byte(answer))
	s.do(Effect{Do: CloseWrite, Leg: Client})
	s.end()
}

// trustHint is the way out when a client does not like the certificate.
func (s *Session) trustHint(err error) string {
	if !isAlert(err) {
		return "look into the client's own log; when it pins certificates (DANE, POSH) no private authority will do, but --tap --keylog=FILE reads along without one"
	}
	if s.cfg.OwnCertificate {
		return "the client does not accept the certificate of --cert: is its chain complete, and is it for " + s.domain() + "?"
	}
	ca := s.cfg.CA
	if ca == "" {
		ca = "the proxy's certificate authority"
	}
	return "make the client trust " + ca + " (xmpplens ca tells how); a client that pins its server's certificate accepts no other authority: read along with --tap --keylog=FILE"
}

// isAlert tells an error that the peer sent as a TLS alert.
func isAlert(err error) bool {
	return err != nil && strings.Contains(err.Error(), "remote error: tls: ")
}

// explainLeave names the reason where a client goes before it is logged in.
func (s *Session) explainLeave(err error) {
	switch {
	case isAlert(err) && s.tls[Client] == secured:
		s.note("error", "the client refused the proxy's certificate: "+err.Error(), s.trustHint(err))
	case s.failed != nil, s.login.failed:
	case s.tls[Client] == expected:
		s.note("warning", "the client left instead of starting TLS", "")
	case s.login.stripped && !s.login.tried:
		s.note("warning", "the client left without logging in; mechanisms with channel binding had been taken out of the offer", s.wayOut())
	case s.tls[Client] == secured && s.clientHeader == nil && s.ws == nil:
		s.note("warning", "the client left right after the TLS handshake, perhaps it does not trust the certificate", s.trustHint(errUntrusted))
	}
}

var errUntrusted = fmt.Errorf("remote error: tls: unknown certificate authority")
