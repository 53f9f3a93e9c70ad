package session

import (
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/xdg-go/scram"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// This file logs in on each leg by itself, for accounts whose password is known
// (--account): the client proves to the proxy that it knows it, the proxy proves
// it to the server, each bound to its own TLS channel. Salt and iterations are
// the server's, so that the client computes what it always computes. Each
// message of one side becomes one of the other, as a recorded edit, in the
// profile of SASL that the client chose:
//
//	client → proxy                proxy → server
//	auth, the client's first      auth, the proxy's first
//	challenge, the proxy's      ← challenge, the server's
//	response, the client's proof  response, the proxy's proof
//	success, the proxy's proof  ← success, the server's
//
// Where the client gives its password in the clear (PLAIN) and the server wants
// SCRAM, the right half is done without the client.

// A reauth is a login that is under way.
type reauth struct {
	ns        string // the profile: nsSASL or nsSASL2
	mechanism string // the client's
	upstream  string // the one that is used with the server
	binding   string // the kind of channel binding with the server; "" = none
	first     clientFirst
	message   string // what the client said first
	user      string
	known     *scram.Client // makes keys of the password

	server *scram.ClientConversation // with the server
	client *answerer                 // with the client; nil until the challenge, and with PLAIN
	final  string                    // what the server gets when the client has proved itself

	answered bool   // the server has got the proof
	verifier string // what proves to the client that the password is known
	proved   bool   // the server has proved itself in a challenge of its own
}

const reauthWhy = "the proxy logs in on each leg by itself (--account)"

// mayKnow reports whether the login that is to come may be one that the proxy
// can do: SASL2 clients say who they are in their stream header, others need not.
func (s *Session) mayKnow() bool {
	if len(s.cfg.Accounts) == 0 || s.from == "" {
		return len(s.cfg.Accounts) > 0
	}
	j := stanza.SplitJID(s.from)
	_, ok := s.cfg.Accounts[strings.ToLower(j.Local+"@"+j.Domain)]
	return ok
}

// reauthenticates takes over a login of the client whose password is known.
func (s *Session) reauthenticates(f decode.Frame) bool {
	if len(s.cfg.Accounts) == 0 || !s.offered[Server].SASL {
		return false // where the server has said nothing yet, what the client says waits
	}
	m, ok := readSASL(f)
	if !ok || !m.begins() {
		return false
	}
	return s.asks(m) || m.data != nil && s.takesOver(f, m)
}

// takesOver does so with its first message, which f brought.
func (s *Session) takesOver(f decode.Frame, m saslMessage) bool {
	ok := false
	r := &reauth{ns: m.root.NS, mechanism: m.root.Attr("mechanism"), message: m.text}
	given := ""
	switch {
	case hashOf(r.mechanism) != nil:
		if r.first, ok = readFirst(m.text); !ok {
			return false
		}
		r.user = r.first.user
	case r.mechanism == "PLAIN":
		parts := strings.Split(m.text, "\x00") // RFC 4616 §2
		if len(parts) != 3 {
			return false
		}
		r.first.authzid, r.user, given = parts[0], parts[1], parts[2]
	default:
		return false
	}
	password, known := s.cfg.Accounts[strings.ToLower(r.user+"@"+s.domain())]
	if !known {
		if bound(r.mechanism) {
			s.note("warning", fmt.Sprintf("%s@%s is not among the accounts whose password is known: its login with %s cannot work through the proxy", r.user, s.domain(), r.mechanism),
				"give its password, too: --account="+r.user+"@"+s.domain()+" --password-file=FILE")
		}
		return false
	}
	base := r.mechanism
	if r.mechanism == "PLAIN" {
		offer := &s.offered[Server]
		if base = offersSCRAM(offer, r.ns); base == "" || contains(offer.Mechanisms(r.ns), "PLAIN") {
			return false // the password is passed on as it is
		}
		if subtle.ConstantTimeCompare([]byte(given), []byte(password)) != 1 {
			s.reject(f, r.ns, "not-authorized", "the client's password is not the one of --password-file", "give the client, or the file, the right password")
			return true
		}
	} else if condition, why := s.consistent(r); why != "" {
		s.reject(f, r.ns, condition, why, "look at the client's first message, with --show-secrets")
		return true
	}
	c, err := hashOf(base).NewClient(r.user, password, r.first.authzid)
	if err != nil {
		s.note("error", "the password of "+r.user+" cannot be used: "+err.Error(), "passwords are prepared with SASLprep (RFC 4013)")
		return false
	}
	r.known = c.WithMinIterations(1)
	var cb scram.ChannelBinding
	r.upstream, cb = s.toServer(r.ns, base, r.first.kind)
	how := ""
	if cb.IsSupported() {
		r.server, r.binding = r.known.NewConversationWithChannelBinding(cb), string(cb.Type)
		how = ", bound to its channel with " + r.binding
	} else {
		r.server = r.known.NewConversation()
	}
	mine, err := r.server.Step("")
	if err != nil {
		return false
	}
	s.reauth = r
	s.replace(record.CS, f, m.rewrite(mine, r.upstream), reauthWhy+": "+r.upstream+" with the server"+how)
	return true
}

// consistent judges the client's first message as a server does (RFC 5802 §6).
func (s *Session) consistent(r *reauth) (condition, why string) {
	shown := s.offered[Client].Mechanisms(r.ns)
	switch f := r.first; {
	case bound(r.mechanism) != (f.flag == 'p'):
		return "malformed-request", fmt.Sprintf("the client's gs2 flag %c does not go with %s (RFC 5802 §6)", f.flag, r.mechanism)
	case f.flag == 'p' && len(s.bindings[Client][f.kind]) == 0:
		return "not-authorized", fmt.Sprintf("the client binds with %s, which its TLS connection does not have here; tls-unique is of TLS 1.2: use --client-tls-max=1.2", f.kind)
	case f.flag == 'y' && anyBound(shown):
		// A server must refuse it; not all do, and slixmpp says so on
		// TLS 1.3.
		s.note("warning", "the client says that it was offered no mechanism with channel binding (gs2 flag y), but it was ("+strings.Join(shown, ", ")+"); a server must take that for a downgrade attack (RFC 5802 §6), the proxy lets it pass", "either the client does not have these mechanisms or their bindings, and should send n, or something between it and the proxy changed the offer")
	}
	return "", ""
}

// replace sends something else than what was received.
func (s *Session) replace(d record.Dir, f decode.Frame, text, why string) {
	if d == record.SC && s.turns(f, []byte(text), why) {
		return
	}
	s.edit(d, f.Offset, len(f.Raw), []byte(text), why)
	s.send(into(d), []byte(text))
}

// goesOn takes the frames of a login that was taken over. It reports whether
// the frame is dealt with.
func (s *Session) goesOn(d record.Dir, f decode.Frame) bool {
	if s.reauth == nil && s.aborts == 0 && s.question == nil {
		return false
	}
	m, ok := readSASL(f)
	if m.root == nil {
		return false
	}
	if d == record.CS && s.question != nil {
		return s.isAnswer(f, m)
	}
	if d == record.SC && s.aborts > 0 && m.root.Name == "failure" {
		// The client has had its answer, and may have begun anew.
		s.aborts--
		s.drop(record.SC, f, "the answer to the proxy's own abort")
		return true
	}
	r := s.reauth
	if r == nil || m.root.NS != r.ns {
		return false
	}
	switch {
	case d == record.CS && m.root.Name == "abort":
		s.reauth = nil
	case d == record.CS && m.root.Name == "response":
		switch {
		case r.client == nil, !ok:
			s.refuse(d, f, "the client answered what it was not asked", "")
		case r.answered:
			return false // the empty answer to the server's last message
		default:
			s.clientProves(m)
		}
		return true
	case d == record.SC && m.root.Name == "failure":
		s.serverRefuses(m)
		s.forward(d, f)
		return true
	case d == record.SC && !ok:
		s.refuse(d, f, "the server's message is no base64 (RFC 6120 §6.4.1)", "")
		return true
	case d == record.SC && m.root.Name == "challenge" && r.answered:
		s.serverProves(m)
		return true
	case d == record.SC && m.root.Name == "challenge":
		s.challenged(m)
		return true
	case d == record.SC && (m.root.Name == "success" || m.root.Name == "continue"):
		s.succeeded(m)
		return true
	}
	return false
}

// challenged is the server's first message: its salt and iterations go to the
// client, with a nonce of the client's own conversation.
func (s *Session) challenged(m saslMessage) {
	r, d := s.reauth, record.SC
	key, err := factors(m.text)
	if err == nil && r.client != nil {
		err = fmt.Errorf("the client has not answered the one before")
	}
	if err == nil {
		r.final, err = r.server.Step(m.text)
	}
	if err != nil {
		s.refuse(d, m.f, "the server's challenge cannot be answered: "+err.Error(), "")
		return
	}
	if r.mechanism == "PLAIN" {
		r.answered = true
		s.drop(d, m.f, "the client has given its password already ("+r.upstream+" with the server)")
		s.inject(record.CS, "<response xmlns='"+r.ns+"'>"+encode(r.final)+"</response>", reauthWhy)
		return
	}
	keys, err := r.known.GetStoredCredentialsWithError(key)
	if err == nil {
		var cb scram.ChannelBinding
		if bound(r.mechanism) {
			cb, _ = s.binding(Client, r.first.kind) // looked at before
		}
		r.client, err = answer(hashOf(r.mechanism), keys, r.message, s.hashForClient(r, m.text), cb)
	}
	if err != nil {
		s.refuse(d, m.f, "the client's login cannot be answered: "+err.Error(), "")
		return
	}
	s.replace(d, m.f, m.with(r.client.challenge), reauthWhy)
}

// hashForClient is the attribute of XEP-0474 for the client: the hash of what
// it was offered, where the server's challenge has the right one of its own
// offer. A wrong one is left as it is, so that the client notices what it would
// have noticed without the proxy.
func (s *Session) hashForClient(r *reauth, challenge string) string {
	attribute, value := stanza.OfferHash(challenge)
	if attribute == 0 {
		return ""
	}
	if value == s.offered[Server].Hash(attribute, r.upstream, r.ns) {
		value = s.offered[Client].Hash(attribute, r.mechanism, r.ns)
	}
	return string(attribute) + "=" + value
}

// clientProves is the client's final message.
func (s *Session) clientProves(m saslMessage) {
	r := s.reauth
	if r.first.flag == 'p' {
		if data, ok := boundTo(m.text, r.first.gs2); ok && string(data) != string(s.bindings[Client][r.first.kind]) {
			s.refuse(record.CS, m.f, s.nameBinding(r.first.kind, data), "compare what the client takes for its channel; a second TLS proxy between it and this one would explain it")
			return
		}
	}
	verifier, err := r.client.check(m.text)
	if err != nil {
		s.refuse(record.CS, m.f, "the client's proof is wrong: it does not have the password of --password-file", "give the client, or the file, the right password")
		return
	}
	r.verifier, r.answered = verifier, true
	s.replace(record.CS, m.f, m.with(r.final), reauthWhy)
}

// serverProves is the server's last message in a challenge of its own, which
// RFC 6120 §6.4.6 allows.
func (s *Session) serverProves(m saslMessage) {
	r := s.reauth
	if r.proved || !s.verified(m) {
		s.falseServer(m)
		return
	}
	r.proved = true
	if r.mechanism == "PLAIN" {
		s.drop(record.SC, m.f, "the server's proof is right; PLAIN has none for the client")
		s.inject(record.CS, "<response xmlns='"+r.ns+"'/>", reauthWhy)
		return
	}
	s.replace(record.SC, m.f, m.with(r.verifier), reauthWhy)
}

func (s *Session) verified(m saslMessage) bool {
	_, err := s.reauth.server.Step(m.text)
	return err == nil && s.reauth.server.Valid()
}

// succeeded is the end of SASL: success, or that the server wants more than a
// password (XEP-0388 §2.6.3), which is between it and the client. The server has
// to prove itself, too.
func (s *Session) succeeded(m saslMessage) {
	r := s.reauth
	if !r.proved && (!r.answered || !s.verified(m)) {
		s.falseServer(m)
		return
	}
	s.reauth = nil
	text := ""
	switch {
	case r.proved:
		text = string(m.f.Raw)
	case r.mechanism == "PLAIN":
		text = m.without()
	default:
		text = m.with(r.verifier)
	}
	s.login.fromServer(s, m.f)
	if text == string(m.f.Raw) {
		s.passOn(m.f)
	} else {
		s.replace(record.SC, m.f, text, reauthWhy)
	}
	s.resumed()
}

// falseServer is a server that says success and does not know the password.
func (s *Session) falseServer(m saslMessage) {
	ns := s.reauth.ns
	s.reauth = nil
	s.login.failed = true
	s.note("error", "the server accepted the login without proving that it knows the password", "it may not be the server that it says it is (RFC 5802 §3)")
	s.replace(record.SC, m.f, failureOf(ns, "not-authorized"), "the server's signature is wrong")
}

// serverRefuses says whose login it was that failed. The client gets the same
// failure.
func (s *Session) serverRefuses(m saslMessage) {
	r := s.reauth
	s.reauth = nil
	s.login.failed = true
	condition := "no reason"
	for _, c := range m.root.Children {
		if c.NS == nsSASL && c.Name != "text" {
			condition = c.Name
			break
		}
	}
	how := ""
	if r.binding != "" {
		how = ", bound to the proxy's channel with the server with " + r.binding
	}
	text := fmt.Sprintf("the server refused the proxy's own login as %s with %s%s: %s", r.user, r.upstream, how, condition)
	hint := "the server's log tells why"
	if r.answered {
		hint = "client and --password-file agree on the password: the account has another one, or the server expects another channel binding"
	}
	s.note("error", text, hint)
}

// reject answers the beginning of a login by itself; the server does not hear of
// it.
func (s *Session) reject(f decode.Frame, ns, condition, why, hint string) {
	s.login.failed = true
	s.note("error", why, hint)
	s.drop(record.CS, f, why)
	s.inject(record.SC, failureOf(ns, condition), why)
}

// refuse ends the login on both legs. f, received in direction d, is replaced
// by what its receiver is told.
func (s *Session) refuse(d record.Dir, f decode.Frame, why, hint string) {
	abort, failure := "<abort xmlns='"+s.reauth.ns+"'/>", failureOf(s.reauth.ns, "not-authorized")
	s.reauth = nil
	s.aborts++
	s.login.failed = true
	s.note("error", why, hint)
	if d == record.CS {
		s.replace(record.CS, f, abort, why)
		s.inject(record.SC, failure, why)
		return
	}
	s.replace(record.SC, f, failure, why)
	s.inject(record.CS, abort, why)
}
