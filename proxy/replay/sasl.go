package replay

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/xdg-go/scram"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// This file is the server's side of SASL: SCRAM with and without channel
// binding (RFC 5802, RFC 7677, RFC 5929, RFC 9266), PLAIN (RFC 4616) and
// ANONYMOUS (RFC 4505).

// Passwords say who may log in. The zero value lets everybody in who does not
// want a proof of the server that it knows the password, too.
type Passwords struct {
	Any string            // that of every account
	By  map[string]string // or of these, by bare address
}

func (p *Passwords) none() bool { return p.Any == "" && len(p.By) == 0 }

// Of returns the password of an account.
func (p *Passwords) Of(bare string) (string, bool) {
	if w, ok := p.By[bare]; ok {
		return w, true
	}
	return p.Any, p.Any != ""
}

// scramHashes are the mechanisms that are known, the best one first.
var scramHashes = []struct {
	name string
	fn   scram.HashGeneratorFcn
}{{"SCRAM-SHA-512", scram.SHA512}, {"SCRAM-SHA-256", scram.SHA256}, {"SCRAM-SHA-1", scram.SHA1}}

func scramOf(mechanism string) scram.HashGeneratorFcn {
	for _, h := range scramHashes {
		if h.name == strings.TrimSuffix(mechanism, "-PLUS") {
			return h.fn
		}
	}
	return nil
}

// Mechanisms are all that Server knows.
func Mechanisms() []string {
	var out []string
	for _, h := range scramHashes {
		out = append(out, h.name+"-PLUS", h.name)
	}
	return append(out, "PLAIN", "ANONYMOUS")
}

// bindings computes what a login can be bound to; cert is the server's own
// where this end is the server.
func bindings(state tls.ConnectionState, cert *x509.Certificate) map[string]scram.ChannelBinding {
	out := make(map[string]scram.ChannelBinding)
	if state.Version >= tls.VersionTLS13 {
		if cb, err := scram.NewTLSExporterBinding(&state); err == nil {
			out["tls-exporter"] = cb
		}
	} else if len(state.TLSUnique) > 0 {
		out["tls-unique"] = scram.NewTLSUniqueBinding(state.TLSUnique)
	}
	if cert != nil {
		state.PeerCertificates = []*x509.Certificate{cert}
	}
	if len(state.PeerCertificates) > 0 {
		if cb, err := scram.NewTLSServerEndpointBinding(&state); err == nil {
			out["tls-server-end-point"] = cb
		}
	}
	return out
}

// usable are the mechanisms that can be offered out of those that are wanted,
// or the usual ones where none of them can.
func usable(wanted []string, p *Passwords, secured bool) []string {
	ok := func(m string) bool {
		switch {
		case m == "PLAIN":
			return true
		case m == "ANONYMOUS":
			return true
		case scramOf(m) == nil || p.none():
			return false
		}
		return secured || !strings.HasSuffix(m, "-PLUS")
	}
	var out []string
	for _, m := range wanted {
		if ok(m) && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	if len(out) > 0 {
		return out
	}
	if p.none() {
		return []string{"PLAIN", "ANONYMOUS"}
	}
	return []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"}
}

// A refusal is a SASL failure with its condition (RFC 6120 §6.5).
type refusal struct{ condition, text string }

func (r *refusal) Error() string { return r.condition + ": " + r.text }

// An exchange is a login in the middle of it.
type exchange struct {
	ns   string
	user string
	step func(message string) (answer string, done bool, err error)
	auth *stanza.Node // of SASL2: the element that it began with
}

// newExchange begins a login with one of the offered mechanisms.
func newExchange(ns, mechanism string, offered []string, domain string, p *Passwords, cbs map[string]scram.ChannelBinding) (*exchange, error) {
	if !slices.Contains(offered, mechanism) {
		return nil, &refusal{"invalid-mechanism", mechanism + " is not offered"}
	}
	x := &exchange{ns: ns}
	switch mechanism {
	case "PLAIN":
		x.step = func(message string) (string, bool, error) {
			parts := strings.Split(message, "\x00")
			if len(parts) != 3 || parts[1] == "" {
				return "", false, &refusal{"malformed-request", "PLAIN has three parts"}
			}
			x.user = parts[1]
			if want, known := p.Of(x.user + "@" + domain); !p.none() && (!known || want != parts[2]) {
				return "", false, &refusal{"not-authorized", "wrong password"}
			}
			return "", true, nil
		}
	case "ANONYMOUS":
		x.step = func(string) (string, bool, error) {
			x.user = strings.ToLower(rand.Text())
			return "", true, nil
		}
	default:
		x.step = func(message string) (string, bool, error) {
			return x.scram(mechanism, message, domain, offered, p, cbs)
		}
	}
	return x, nil
}

// scram takes the client's first message; its last one goes to the step that is
// set then.
func (x *exchange) scram(mechanism, message, domain string, offered []string, p *Passwords, cbs map[string]scram.ChannelBinding) (string, bool, error) {
	fn := scramOf(mechanism)
	kind, binds := strings.CutPrefix(message, "p=")
	kind, _, _ = strings.Cut(kind, ",")
	switch {
	case binds != strings.HasSuffix(mechanism, "-PLUS"):
		return "", false, &refusal{"malformed-request", "the gs2 flag does not go with the mechanism"}
	case binds && cbs[kind].Data == nil:
		return "", false, &refusal{"not-authorized", "there is no channel binding " + kind}
	case strings.HasPrefix(message, "y") && slices.ContainsFunc(offered, func(m string) bool { return strings.HasSuffix(m, "-PLUS") }):
		return "", false, &refusal{"not-authorized", "server-does-support-channel-binding"}
	}
	server, err := fn.NewServer(func(user string) (scram.StoredCredentials, error) {
		password, known := p.Of(user + "@" + domain)
		if !known {
			return scram.StoredCredentials{}, errors.New("no such account")
		}
		client, err := fn.NewClient(user, password, "")
		if err != nil {
			return scram.StoredCredentials{}, err
		}
		salt := make([]byte, 16)
		rand.Read(salt)
		return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: 4096})
	})
	if err != nil {
		return "", false, &refusal{"temporary-auth-failure", err.Error()}
	}
	conv := server.NewConversation()
	if binds {
		conv = server.NewConversationWithChannelBindingRequired(cbs[kind])
	}
	first, err := conv.Step(message)
	if err != nil {
		return "", false, &refusal{"not-authorized", err.Error()}
	}
	x.user = conv.Username()
	x.step = func(final string) (string, bool, error) {
		verifier, err := conv.Step(final)
		if err != nil || !conv.Valid() {
			return "", false, &refusal{"not-authorized", "wrong password, or another channel binding"}
		}
		return verifier, true, nil
	}
	return first, false, nil
}

func decodeSASL(text string) (string, error) {
	if text = strings.TrimSpace(text); text == "=" {
		return "", nil
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", &refusal{"incorrect-encoding", "no base64"}
	}
	return string(b), nil
}

func encodeSASL(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func randomID() string { return strings.ToLower(rand.Text()) }
