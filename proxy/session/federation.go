package session

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// This file is what is different between servers: the client is the server
// that connects, and it proves its domain with a certificate (SASL EXTERNAL,
// XEP-0178 §3) or with a key that its own server confirms (dialback,
// XEP-0220). The key is made of the id of the receiving server's stream, which
// is therefore passed on as it is.
//
// A certificate cannot be passed on, its key stays with its owner. The server
// is shown one of the proxy's authority for the same domain instead. It stands
// for the real one only where that was seen and found good; otherwise EXTERNAL
// is taken out of the offer, and dialback goes on.

// KindS2S is the kind of a session between two servers.
const KindS2S = "s2s"

const (
	nsDialback = "jabber:server:dialback"
	external   = "EXTERNAL"
)

// namespace is that of the stanzas in the client's stream.
func (s *Session) namespace() string {
	if s.cfg.Kind == KindS2S {
		return "jabber:server"
	}
	return "jabber:client"
}

// protocol is the name in ALPN (XEP-0368 §4).
func (s *Session) protocol() string {
	if s.cfg.Kind == KindS2S {
		return "xmpp-server"
	}
	return "xmpp-client"
}

// identify takes the from of the client's stream header. Direct TLS is secured
// before it is known.
func (s *Session) identify(from string) {
	before := s.from
	if s.from = from; s.cfg.Kind != KindS2S {
		return
	}
	s.from = strings.ToLower(from)
	if before == "" && s.from != "" && s.peer.Verified {
		if why := s.unproved(); why != "" {
			s.note("warning", why, "")
		}
	}
}

// certifies returns the domain whose certificate the server may ask for.
func (s *Session) certifies() string {
	if s.cfg.Kind == KindS2S {
		return s.from
	}
	return ""
}

// introduced takes what a leg's certificate tells and returns what is wrong
// with it. Of the client's it judges the name, too, which is not known before
// its stream header.
func (s *Session) introduced(l Leg, t *TLS) string {
	s.offer = nil // features from before TLS could be anybody's
	if l == Server {
		if t.Shown != "" {
			s.shown, s.claimed = t.Shown, s.from
			s.note("", "the server asked for a certificate and was shown "+t.Shown, "")
		}
		return t.Problem
	}
	s.peer = *t
	why := s.unproved()
	t.Verified = t.Peer != "" && why == ""
	return why
}

// unproved says why the client's certificate does not prove that it is the
// server that it says to be; "" when it does. What counts is the domain whose
// certificate the server was shown: a later stream header could name another.
func (s *Session) unproved() string {
	domain := s.claimed
	if domain == "" {
		domain = s.from
	}
	switch {
	case s.tls[Client] != secured:
		return "the connecting server did not use TLS, so it showed no certificate"
	case s.peer.Peer == "":
		return "the connecting server showed no certificate"
	case domain != "" && !Covers(s.peer.Names, domain):
		return fmt.Sprintf("the certificate of the connecting server is for %s, not for %s", orNobody(s.peer.Names), domain)
	case s.peer.Problem != "":
		return "the certificate of the connecting server is not trusted: " + s.peer.Problem
	}
	return ""
}

// doubt is unproved, but for what --insecure accepts.
func (s *Session) doubt() string {
	why := s.unproved()
	if s.cfg.Insecure && s.tls[Client] == secured && s.peer.Problem != "" && strings.HasSuffix(why, s.peer.Problem) {
		return ""
	}
	return why
}

// exposed reports whether EXTERNAL, if it got through, would make the client
// somebody that it did not prove to be.
func (s *Session) exposed() bool {
	return s.shown != "" && s.doubt() != "" && (s.offer == nil || slices.Contains(s.offer.SASL1, external) || slices.Contains(s.offer.SASL2, external))
}

// refusesExternal answers a client that logs in with EXTERNAL although it was
// not offered: the server would accept the certificate that it was shown.
func (s *Session) refusesExternal(f decode.Frame) bool {
	if s.cfg.Kind != KindS2S || !is(f, nsSASL, "auth") && !is(f, nsSASL2, "authenticate") || s.doubt() == "" {
		return false
	}
	root, err := stanza.Tree(f)
	if err == nil && root.Attr("mechanism") != external {
		return false
	}
	s.drop(record.CS, f, "EXTERNAL was not offered: "+s.doubt())
	s.note("error", "the client logs in with EXTERNAL although it was not offered: "+s.doubt(), s.proofHint())
	s.inject(record.SC, "<failure xmlns='"+string(f.NS)+"'><invalid-mechanism xmlns='"+nsSASL+"'/></failure>", "RFC 6120 §6.5.7")
	return true
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "no domain"
	}
	return strings.Join(names, ", ")
}

// Covers reports whether one of the names of a certificate is the domain's
// (RFC 6120 §13.7.2): the same, or with * for the first label.
func Covers(names []string, domain string) bool {
	_, parent, _ := strings.Cut(domain, ".")
	return slices.ContainsFunc(names, func(n string) bool {
		rest, any := strings.CutPrefix(n, "*.")
		return strings.EqualFold(n, domain) || any && parent != "" && strings.EqualFold(rest, parent)
	})
}

// editExternal takes EXTERNAL out of the offer where the proxy cannot stand for
// the client, and what --mechanisms does not name.
func (s *Session) editExternal(n *stanza.Node, x *surgery) {
	var gone []*stanza.Node
	left := 0
	for _, m := range n.Children {
		if m.Name != "mechanism" {
			continue
		}
		name := strings.TrimSpace(m.Text)
		why := ""
		switch {
		case len(s.cfg.Mechanisms) > 0 && !slices.ContainsFunc(s.cfg.Mechanisms, func(w string) bool { return strings.EqualFold(w, name) }):
			why = "not in --mechanisms=" + strings.Join(s.cfg.Mechanisms, ",")
		case bound(name):
			why = "bound to the TLS channel, which ends at the proxy (RFC 5802 §6)"
		case name == external:
			if why = s.doubt(); why != "" {
				s.note("warning", "EXTERNAL is not offered to "+s.from+": "+why, s.proofHint())
				why += " (XEP-0178 §3)"
			}
		}
		if why == "" {
			left++
			continue
		}
		gone = append(gone, m)
		x.whys = append(x.whys, name+" removed: "+why)
	}
	if left == 0 && len(gone) > 0 {
		gone = []*stanza.Node{n} // an empty list is not allowed (RFC 6120 §6.4.1)
	}
	for _, m := range gone {
		x.cut(m)
	}
}

// proofHint is what makes EXTERNAL possible.
func (s *Session) proofHint() string {
	const rest = "; dialback, where both servers have it, goes on without"
	if s.peer.Problem != "" {
		return "give the authority of the servers with --server-ca=FILE, or accept any certificate with --insecure" + rest
	}
	return "give the connecting server a certificate for its domain" + rest
}

// peerTrustHint is the way out where the server does not like the certificate
// that the proxy shows.
func (s *Session) peerTrustHint() string {
	ca := s.cfg.CA
	if ca == "" {
		ca = "the proxy's certificate authority"
	}
	return "make the server trust " + ca + " (xmpplens ca tells how), or show it the domain's own certificate with --cert and --key"
}

// federate follows the authorisation of domains. When it is granted, or when
// stanzas flow, nothing has to be handled frame by frame any more.
func (s *Session) federate(d record.Dir, f decode.Frame) {
	if s.cfg.Kind != KindS2S || s.waitServer || s.replay || !s.armed || f.Kind != decode.Element {
		return
	}
	// Nobody asks for STARTTLS or logs in any more.
	settled := s.offer != nil && (!s.offer.StartTLS || s.tls[Client] == secured) && !s.exposed()
	switch ns := string(f.NS); {
	case ns == nsDialback && d == record.SC:
		root, err := stanza.Tree(f)
		if err != nil {
			return
		}
		switch answer := root.Attr("type"); {
		case root.Name == "result" && answer == "valid":
			// Who is believed to be the domain by dialback may be it by
			// EXTERNAL, too.
			if s.exposed() && !strings.EqualFold(root.Attr("to"), s.claimed) {
				return
			}
			s.authed, s.armed = true, false
		case root.Name == "verify" && answer != "" && settled:
			// The connection is for the other server's questions.
			s.authed, s.armed = true, false
		}
	case ns == "jabber:server" && settled && !s.offer.SASL:
		switch string(f.Name) {
		case "message", "presence", "iq":
			s.armed = false
		}
	case is(f, nsStreams, "error"):
		s.explainEnd(d, f)
	}
}

// explainEnd names the certificate where a stream error is about one.
func (s *Session) explainEnd(d record.Dir, f decode.Frame) {
	if e := stanza.Parse(f).Error; s.authed || e == nil || !strings.Contains(strings.ToLower(e.Text), "certificate") {
		return
	}
	switch {
	case d == record.SC && s.shown != "":
		s.note("error", "the server does not accept the certificate that it was shown for "+s.from, s.peerTrustHint())
	case d == record.CS && s.tls[Client] == secured:
		s.note("error", "the connecting server does not accept the certificate that it was shown for "+s.domain(), s.trustHint(errUntrusted))
	}
}
