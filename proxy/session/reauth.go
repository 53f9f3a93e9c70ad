package session

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
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
// message of one side becomes one of the other, as a recorded edit.

// bindingTypes are the kinds of channel binding in the order in which they are
// meant where nobody says: tls-unique up to TLS 1.2 (RFC 5802 §6.1), which has no
// such thing later, tls-exporter from 1.3 on (RFC 9266 §3).
var bindingTypes = []string{"tls-unique", "tls-exporter", "tls-server-end-point"}

// A reauth is a login that is under way.
type reauth struct {
	mechanism string // the client's
	upstream  string // the one that is used with the server
	first     string // what the client said first
	password  string
	user      string
	server    *scram.ClientConversation // with the server
	client    *scram.ServerConversation // with the client
}

const reauthWhy = "the proxy logs in on each leg by itself (--account)"

// hashOf returns the hash of a SCRAM mechanism; nil when it is none.
func hashOf(mechanism string) scram.HashGeneratorFcn {
	switch strings.TrimSuffix(mechanism, "-PLUS") {
	case "SCRAM-SHA-1":
		return scram.SHA1
	case "SCRAM-SHA-256":
		return scram.SHA256
	case "SCRAM-SHA-512":
		return scram.SHA512
	}
	return nil
}

// binding is the channel binding of a leg, of the given type, or of the best
// that there is.
func (s *Session) binding(l Leg, kind string) (scram.ChannelBinding, bool) {
	for _, t := range bindingTypes {
		if b := s.bindings[l][t]; len(b) > 0 && (kind == "" || kind == t) {
			return scram.ChannelBinding{Type: scram.ChannelBindingType(t), Data: b}, true
		}
	}
	return scram.ChannelBinding{}, false
}

// toServer chooses how to log in to the server: with the client's hash, bound
// to the channel where both sides are sure to mean the same.
func (s *Session) toServer(mechanism, first string) (upstream string, cb scram.ChannelBinding) {
	base := strings.TrimSuffix(mechanism, "-PLUS")
	plus := slices.Contains(s.offers, base+"-PLUS")
	// The client's own choice is the best guess at what the server knows.
	own, _, _ := strings.Cut(strings.TrimPrefix(first, "p="), ",")
	kind := ""
	for _, t := range append([]string{own}, bindingTypes...) {
		offered := slices.Contains(s.bindingOffers, t) || s.bindingOffers == nil && t == own
		if kind == "" && offered && len(s.bindings[Server][t]) > 0 {
			kind = t
		}
	}
	cb, ok := s.binding(Server, kind)
	sure := kind != "" || len(s.bindings[Server]["tls-unique"]) > 0
	if plus && ok && (sure || !slices.Contains(s.offers, base)) {
		return base + "-PLUS", cb
	}
	return base, scram.ChannelBinding{}
}

// reauthenticates takes over a login of the client whose password is known.
func (s *Session) reauthenticates(f decode.Frame) bool {
	if len(s.cfg.Accounts) == 0 || !is(f, nsSASL, "auth") {
		return false
	}
	root, err := stanza.Tree(f)
	if err != nil {
		return false
	}
	mechanism := root.Attr("mechanism")
	hash := hashOf(mechanism)
	first, err := base64.StdEncoding.DecodeString(strings.TrimSpace(root.Text))
	if hash == nil || err != nil {
		return false
	}
	user := userOf(string(first))
	password, known := s.cfg.Accounts[strings.ToLower(user+"@"+s.domain())]
	if !known {
		if bound(mechanism) {
			s.note("warning", fmt.Sprintf("%s@%s is not among the accounts whose password is known: its login with %s cannot work through the proxy", user, s.domain(), mechanism),
				"give its password, too: --account="+user+"@"+s.domain()+" --password-file=FILE")
		}
		return false
	}
	c, err := hash.NewClient(user, password, "")
	if err != nil {
		s.note("error", "the password of "+user+" cannot be used: "+err.Error(), "passwords are prepared with SASLprep (RFC 4013)")
		return false
	}
	c.WithMinIterations(1)
	r := &reauth{mechanism: mechanism, first: string(first), password: password, user: user}
	var cb scram.ChannelBinding
	r.upstream, cb = s.toServer(mechanism, string(first))
	if cb.IsSupported() {
		r.server = c.NewConversationWithChannelBinding(cb)
	} else {
		r.server = c.NewConversation()
	}
	mine, err := r.server.Step("")
	if err != nil {
		return false
	}
	s.reauth = r
	how := ""
	if cb.IsSupported() {
		how = ", bound to its channel with " + string(cb.Type)
	}
	s.replace(record.CS, f, "<auth xmlns='"+nsSASL+"' mechanism='"+r.upstream+"'>"+encode(mine)+"</auth>", reauthWhy+": "+r.upstream+" with the server"+how)
	return true
}

// userOf reads the user name of a SCRAM message (RFC 5802 §5.1).
func userOf(first string) string {
	for field := range strings.SplitSeq(first, ",") {
		if v, ok := strings.CutPrefix(field, "n="); ok {
			return strings.ReplaceAll(strings.ReplaceAll(v, "=2C", ","), "=3D", "=")
		}
	}
	return ""
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

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
	r := s.reauth
	if string(f.NS) != nsSASL || f.Kind != decode.Element || f.Part != decode.Whole {
		return false
	}
	if d == record.SC && s.aborts > 0 && string(f.Name) == "failure" {
		// The client has had its answer, and may have begun anew.
		s.aborts--
		s.drop(record.SC, f, "the answer to the proxy's own abort")
		return true
	}
	if r == nil {
		return false
	}
	root, err := stanza.Tree(f)
	if err != nil {
		return false
	}
	text := ""
	if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(root.Text)); err == nil {
		text = string(b)
	}
	switch {
	case d == record.SC && root.Name == "challenge":
		s.challenged(f, text)
		return true
	case d == record.CS && root.Name == "response" && r.client != nil:
		s.answered(f, text)
		return true
	case d == record.CS && root.Name == "abort":
		s.reauth = nil
	case d == record.SC && root.Name == "success":
		return s.succeeded(f, text)
	case d == record.SC && root.Name == "failure":
		// The same failure for the client.
		s.reauth = nil
	}
	return false
}

// challenged is the server's first message: its salt and iterations go to the
// client, with a nonce of the client's own conversation.
func (s *Session) challenged(f decode.Frame, text string) {
	r := s.reauth
	if r.client != nil {
		s.refuse(record.SC, f, "the server went on where its last message was due", "")
		return
	}
	var key scram.KeyFactors
	for field := range strings.SplitSeq(text, ",") {
		if v, ok := strings.CutPrefix(field, "s="); ok {
			b, _ := base64.StdEncoding.DecodeString(v)
			key.Salt = string(b)
		} else if v, ok := strings.CutPrefix(field, "i="); ok {
			key.Iters, _ = strconv.Atoi(v)
		}
	}
	final, err := r.server.Step(text)
	if err != nil {
		s.refuse(record.SC, f, "the server's challenge cannot be answered: "+err.Error(), "")
		return
	}
	server, err := hashOf(r.mechanism).NewServer(func(string) (scram.StoredCredentials, error) {
		c, err := hashOf(r.mechanism).NewClient(r.user, r.password, "")
		if err != nil {
			return scram.StoredCredentials{}, err
		}
		return c.WithMinIterations(1).GetStoredCredentialsWithError(key)
	})
	if err == nil {
		r.client = server.NewConversation()
		if bound(r.mechanism) {
			kind, _, _ := strings.Cut(strings.TrimPrefix(r.first, "p="), ",")
			cb, ok := s.binding(Client, kind)
			if !ok {
				s.refuse(record.SC, f, fmt.Sprintf("the client binds with %s, which its TLS connection does not have here", kind), "tls-unique is of TLS 1.2: use --client-tls-max=1.2")
				return
			}
			r.client = server.NewConversationWithChannelBinding(cb)
		}
		var challenge string
		if challenge, err = r.client.Step(r.first); err == nil {
			r.first = final // what the server gets when the client has proved itself
			s.replace(record.SC, f, "<challenge xmlns='"+nsSASL+"'>"+encode(challenge)+"</challenge>", reauthWhy)
			return
		}
	}
	s.refuse(record.SC, f, "the client's login cannot be answered: "+err.Error(), "")
}

// answered is the client's proof.
func (s *Session) answered(f decode.Frame, text string) {
	r := s.reauth
	verifier, err := r.client.Step(text)
	if err != nil || !r.client.Valid() {
		s.refuse(record.CS, f, "the client's proof is wrong: it does not have the password of --password-file", "give the client, or the file, the right password")
		return
	}
	mine := r.first
	r.first = verifier
	s.replace(record.CS, f, "<response xmlns='"+nsSASL+"'>"+encode(mine)+"</response>", reauthWhy)
}

// succeeded is the server's last message: it has to prove itself, too.
func (s *Session) succeeded(f decode.Frame, text string) bool {
	r := s.reauth
	s.reauth = nil
	if r.client == nil {
		return false
	}
	if _, err := r.server.Step(text); err != nil || !r.server.Valid() {
		s.note("error", "the server accepted the login without proving that it knows the password", "it may not be the server that it says it is (RFC 5802 §3)")
		s.replace(record.SC, f, "<failure xmlns='"+nsSASL+"'><not-authorized/></failure>", "the server's signature is wrong")
		return true
	}
	s.login.fromServer(s, f)
	s.replace(record.SC, f, "<success xmlns='"+nsSASL+"'>"+encode(r.first)+"</success>", reauthWhy)
	return true
}

// refuse ends the login on both legs. f, received in direction d, is replaced
// by what its receiver is told.
func (s *Session) refuse(d record.Dir, f decode.Frame, why, hint string) {
	const abort = "<abort xmlns='" + nsSASL + "'/>"
	const failure = "<failure xmlns='" + nsSASL + "'><not-authorized/></failure>"
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
