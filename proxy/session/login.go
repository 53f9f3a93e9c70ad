package session

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
)

// login follows the SASL exchange as far as the session needs it: to know when
// authentication has ended, and to name the failure that taking channel
// binding away causes.
type login struct {
	stripped  bool // mechanisms with channel binding were taken out of an offer
	tried     bool
	done      bool // the server said success
	resumed   bool // and took a managed stream over: no features follow
	failed    bool
	mechanism string
	gs2       byte   // first byte of the gs2 header: n, y or p (RFC 5802 §7); 0 = none seen
	header    string // the gs2 header
	kind      string // of channel binding, with p
	bound     string // what it was bound to, in words; "" where that is right
}

// fromClient reads what the client says of its login.
func (l *login) fromClient(s *Session, f decode.Frame) {
	if is(f, "jabber:iq:auth", "query") {
		*l = login{stripped: l.stripped, tried: true}
		return
	}
	m, _ := readSASL(f)
	switch {
	case m.root == nil:
	case m.begins():
		*l = login{stripped: l.stripped, tried: true, mechanism: m.root.Attr("mechanism")}
		if !strings.HasPrefix(l.mechanism, "SCRAM-") {
			return
		}
		if first, ok := readFirst(m.text); ok {
			l.gs2, l.header, l.kind = first.flag, first.gs2, first.kind
		}
	case m.root.Name == "response" && l.gs2 == 'p':
		if data, ok := boundTo(m.text, l.header); ok && string(data) != string(s.bindings[Server][l.kind]) {
			l.bound = s.nameBinding(l.kind, data)
		}
	}
}

// warn tells what cannot work, for a login that is passed on as it is.
func (l *login) warn(s *Session, f decode.Frame) {
	m, _ := readSASL(f)
	if m.root == nil || !m.begins() {
		return
	}
	token := strings.HasPrefix(l.mechanism, "HT-")
	intercepted := s.tls[Client] == secured || s.tls[Server] == secured
	switch {
	case !intercepted || !bound(l.mechanism) && l.kind == "":
	case s.cfg.OwnCertificate && l.kind != "" && l.kind != endPoint:
		s.note("warning", "the client binds its login to the TLS channel with "+l.kind+", which differs on the two legs; only "+endPoint+" is the same with --cert", "make the client use "+endPoint+", or use --account and --password-file")
	case s.cfg.OwnCertificate && (l.kind == endPoint || strings.HasSuffix(l.mechanism, "-ENDP")):
	case token:
		s.note("warning", "the client uses a token with "+l.mechanism+", which is bound to the TLS channel: the server must refuse it, and the client may then throw the token away (XEP-0484 §5.1)", s.wayOut())
	case l.stripped:
		s.note("warning", "the client logs in with "+l.mechanism+" although it was not offered: the server must refuse it, the TLS channels of the two legs differ", s.wayOut())
	}
}

// tokens warns of a token that could not be used here later: it is good with the
// mechanism only for which it was asked (XEP-0484 §4.4).
func (s *Session) tokens(f decode.Frame) {
	m, _ := readSASL(f)
	if m.root == nil || !m.begins() || s.tls[Client] != secured && s.tls[Server] != secured {
		return
	}
	want := m.root.Child(nsFAST, "request-token").Attr("mechanism")
	if bound(want) && !s.works(want) {
		s.note("warning", "the client asks for a token for "+want+", which is bound to the TLS channel and does not work through the proxy", "only tokens for HT-…-NONE do; the client was offered no other")
	}
}

func (l *login) fromServer(s *Session, f decode.Frame) {
	m, _ := readSASL(f)
	switch {
	case m.root == nil:
	case m.root.Name == "success":
		l.done = true
		l.resumed = m.root.Child("urn:xmpp:sm:3", "resumed") != nil
	case m.root.Name == "failure":
		l.failed = true
		switch {
		case s.cfg.Kind == KindS2S && l.mechanism == external:
			s.note("error", "the server refused EXTERNAL for "+s.from+", with the certificate "+s.shown+"; dialback can go on", s.peerTrustHint())
		case l.bound != "":
			s.note("error", "the login failed because of the proxy: "+l.bound, s.wayOut())
		case l.stripped && l.gs2 == 'y':
			s.note("error", "the login failed because of the proxy: the client supports channel binding, saw none offered and said so (gs2 flag y in "+l.mechanism+
				"); the server does offer it and must take that for a downgrade attack (RFC 5802 §6)", s.wayOut())
		case l.stripped && l.gs2 == 'p':
			s.note("error", "the login failed because of the proxy: "+l.mechanism+" is bound to the TLS channel, which differs on the two legs (RFC 5802 §6)", s.wayOut())
		}
	}
}

// nameBinding says what a login was bound to, which is not what its receiver
// expects.
func (s *Session) nameBinding(kind string, data []byte) string {
	front, back := s.bindings[Client][kind], s.bindings[Server][kind]
	what := "its TLS channel"
	if kind == endPoint {
		what = "the certificate"
	}
	switch {
	case string(data) == string(front) && kind == endPoint:
		return fmt.Sprintf("the client bound to the certificate that it saw, which is the proxy's (%s %s); the server expects its own (%s)", kind, short(data), short(back))
	case string(data) == string(front):
		return fmt.Sprintf("the client bound to its TLS channel with the proxy (%s %s); the server expects its own channel with the proxy (%s)", kind, short(data), short(back))
	}
	return fmt.Sprintf("the client bound to something else than %s on either leg: %s %s, the client leg has %s, the server leg %s", what, kind, short(data), short(front), short(back))
}

// short is a channel binding as people compare it.
func short(b []byte) string {
	switch {
	case len(b) == 0:
		return "none"
	case len(b) > 8:
		return hex.EncodeToString(b[:8]) + "…"
	}
	return hex.EncodeToString(b)
}

// resumed goes over to passing bytes on where a login ended with the resumption
// of a managed stream: no features follow (XEP-0198 §9.2).
func (s *Session) resumed() {
	if s.login.done && s.login.resumed {
		s.authed, s.armed = true, false
	}
}

// wayOut is what works where channel binding is in use.
func (s *Session) wayOut() string {
	if s.bosh != nil { // nothing can be said in the client's place
		return "offer what is not bound with --mechanisms=PLAIN (where the server allows PLAIN), or try --server-tls-max=1.2 when the server binds with tls-exporter only"
	}
	ways := []string{
		"give the password of a test account with --account=JID --password-file=FILE",
		"leave TLS alone and decrypt on the side with --tap --keylog=FILE",
	}
	if !s.cfg.OwnCertificate && (s.offered[Server].Bindings == nil || slices.Contains(s.offered[Server].Bindings, endPoint)) {
		ways = append(ways, "show the server's own certificate with --cert=FILE --key=FILE ("+endPoint+" only)")
	}
	return strings.Join(append(ways, "offer what is not bound with --mechanisms=PLAIN (where the server allows PLAIN)"), ", ") +
		", or try --server-tls-max=1.2 when the server binds with tls-exporter only"
}
