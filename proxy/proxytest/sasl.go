package proxytest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"html"
	"slices"
	"strings"

	"github.com/xdg-go/scram"
)

// This file is the SASL of Server: SCRAM with channel binding (RFC 5802, RFC
// 5929, RFC 9266), PLAIN, hashed tokens (XEP-0484) and the two profiles of SASL.

// A refusal is a SASL failure with its condition (RFC 6120 §6.5).
type refusal struct{ condition, text string }

func (r *refusal) Error() string { return r.condition + ": " + r.text }

// hashes by SCRAM mechanism without -PLUS.
var hashes = map[string]struct {
	scram scram.HashGeneratorFcn
	new   func() hash.Hash
}{
	"SCRAM-SHA-1":   {scram.SHA1, sha1.New},
	"SCRAM-SHA-256": {scram.SHA256, sha256.New},
	"SCRAM-SHA-512": {scram.SHA512, sha512.New},
}

// channelBinding computes the binding of the given type of a connection; own is
// the server's certificate where the connection's end is the server.
func channelBinding(kind string, state *tls.ConnectionState, own *tls.Certificate) (scram.ChannelBinding, error) {
	none := fmt.Errorf("the connection has no %s", kind)
	if state == nil {
		return scram.ChannelBinding{}, none
	}
	switch kind {
	case "tls-unique":
		if state.Version <= tls.VersionTLS12 && len(state.TLSUnique) > 0 {
			return scram.NewTLSUniqueBinding(state.TLSUnique), nil
		}
	case "tls-exporter":
		return scram.NewTLSExporterBinding(state)
	case "tls-server-end-point":
		peer := *state
		if own != nil {
			cert, err := x509.ParseCertificate(own.Certificate[0])
			if err != nil {
				return scram.ChannelBinding{}, err
			}
			peer.PeerCertificates = []*x509.Certificate{cert}
		}
		return scram.NewTLSServerEndpointBinding(&peer)
	}
	return scram.ChannelBinding{}, none
}

// OfferHash is the hash of XEP-0474 §3.1 over what is offered; bindings are nil
// where none are announced.
func OfferHash(mechanism string, mechanisms, bindings []string) string {
	s := strings.Join(slices.Sorted(slices.Values(mechanisms)), "\x1e")
	if bindings != nil {
		s += "\x1f" + strings.Join(slices.Sorted(slices.Values(bindings)), "\x1e")
	}
	h := hashes[strings.TrimSuffix(mechanism, "-PLUS")].new()
	h.Write([]byte(s))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// An exchange is one login: each message of the client's has an answer.
type exchange struct {
	c         *session
	mechanism string
	step      func(message string) (answer string, done bool, err error)
	user      string
	binding   string
}

func (c *session) exchange(mechanism string) (*exchange, error) {
	x := &exchange{c: c, mechanism: mechanism}
	base := strings.TrimSuffix(mechanism, "-PLUS")
	switch {
	case slices.Contains(c.FAST, mechanism):
		x.step = x.token
	case !slices.Contains(c.Mechanisms, mechanism):
		return x, &refusal{"invalid-mechanism", "not offered"}
	case mechanism == "PLAIN":
		x.step = x.plain
	case hashes[base].new != nil:
		x.step = x.scramFirst
	default:
		return x, &refusal{"invalid-mechanism", "not known"}
	}
	return x, nil
}

func (x *exchange) plain(message string) (string, bool, error) {
	parts := strings.Split(message, "\x00")
	if len(parts) != 3 {
		return "", false, &refusal{"malformed-request", "PLAIN has three parts"}
	}
	x.user = parts[1]
	if want, ok := x.c.Users[x.user]; !ok || want != parts[2] {
		return "", false, &refusal{"not-authorized", "wrong password"}
	}
	return "", true, nil
}

// token is the hashed token mechanism: one message each way.
func (x *exchange) token(message string) (string, bool, error) {
	user, proof, _ := strings.Cut(message, "\x00")
	x.user = user
	var data []byte
	kinds := map[string]string{"UNIQ": "tls-unique", "ENDP": "tls-server-end-point", "EXPR": "tls-exporter"}
	if kind := kinds[x.mechanism[strings.LastIndexByte(x.mechanism, '-')+1:]]; kind != "" {
		cb, err := channelBinding(kind, x.c.x.tls(), &x.c.Cert)
		if err != nil {
			return "", false, &refusal{"malformed-request", err.Error()}
		}
		x.binding, data = kind, cb.Data
	}
	x.c.mu.Lock()
	token := x.c.tokens[user+" "+x.mechanism]
	x.c.mu.Unlock()
	if token == "" || !hmac.Equal([]byte(proof), tokenProof(token, "Initiator", data)) {
		return "", false, &refusal{"not-authorized", "the token is not accepted"}
	}
	return string(tokenProof(token, "Responder", data)), true, nil
}

// tokenProof is the proof of draft-schmaus-kitten-sasl-ht with SHA-256.
func tokenProof(token, role string, binding []byte) []byte {
	h := hmac.New(sha256.New, []byte(token))
	h.Write(append([]byte(role), binding...))
	return h.Sum(nil)
}

func (x *exchange) scramFirst(message string) (string, bool, error) {
	c := x.c
	base := strings.TrimSuffix(x.mechanism, "-PLUS")
	binds := slices.ContainsFunc(c.Mechanisms, func(m string) bool { return strings.HasSuffix(m, "-PLUS") })
	var cb scram.ChannelBinding
	kind, p := strings.CutPrefix(message, "p=")
	switch {
	case p != strings.HasSuffix(x.mechanism, "-PLUS"):
		return "", false, &refusal{"malformed-request", "the gs2 flag does not go with the mechanism"}
	case p:
		kind, _, _ = strings.Cut(kind, ",")
		var err error
		if cb, err = channelBinding(kind, c.x.tls(), &c.Cert); err != nil || !slices.Contains(c.Bindings, kind) {
			return "", false, &refusal{"not-authorized", "unsupported-channel-binding-type: " + kind}
		}
		x.binding = kind
	case strings.HasPrefix(message, "y") && binds:
		return "", false, &refusal{"not-authorized", "server-does-support-channel-binding"}
	}
	var keys scram.StoredCredentials
	server, err := hashes[base].scram.NewServer(func(user string) (scram.StoredCredentials, error) {
		password, ok := c.Users[user]
		if !ok {
			return keys, errors.New("no such user")
		}
		client, err := hashes[base].scram.NewClient(user, password, "")
		if err != nil {
			return keys, err
		}
		salt := make([]byte, 16)
		rand.Read(salt)
		keys, err = client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: 4096})
		return keys, err
	})
	if err != nil {
		return "", false, err
	}
	conv := server.NewConversation()
	if p {
		conv = server.NewConversationWithChannelBinding(cb)
	}
	first, err := conv.Step(message)
	x.user = conv.Username()
	if err != nil {
		return "", false, &refusal{"not-authorized", err.Error()}
	}
	if !c.Hash {
		x.step = func(message string) (string, bool, error) {
			v, err := conv.Step(message)
			if err != nil || !conv.Valid() {
				return "", false, &refusal{"not-authorized", fmt.Sprint(err)}
			}
			return v, true, nil
		}
		return first, false, nil
	}
	// The library cannot say more than nonce, salt and iterations: what
	// follows the first message is computed here.
	announced := c.Bindings
	if c.Hide {
		announced = nil
	}
	challenge := first + ",h=" + OfferHash(x.mechanism, c.Mechanisms, announced)
	gs2, bare := splitGS2(message)
	x.step = func(final string) (string, bool, error) {
		v, err := verify(hashes[base].new, keys, bare, challenge, final, gs2+string(cb.Data))
		return v, err == nil, err
	}
	return challenge, false, nil
}

// splitGS2 cuts the gs2 header off a client's first message (RFC 5802 §7).
func splitGS2(message string) (gs2, bare string) {
	parts := strings.SplitN(message, ",", 3)
	if len(parts) < 3 {
		return message, ""
	}
	return parts[0] + "," + parts[1] + ",", parts[2]
}

// verify checks the client's proof (RFC 5802 §3) and returns the server's.
func verify(hash func() hash.Hash, keys scram.StoredCredentials, bare, challenge, final, bound string) (string, error) {
	at := strings.LastIndex(final, ",p=")
	if at < 0 {
		return "", &refusal{"malformed-request", "no proof"}
	}
	proof, err := base64.StdEncoding.DecodeString(final[at+3:])
	nonce, _, _ := strings.Cut(challenge, ",")
	if err != nil || !strings.HasPrefix(final, "c="+base64.StdEncoding.EncodeToString([]byte(bound))+","+nonce) {
		return "", &refusal{"not-authorized", "channel-bindings-dont-match"}
	}
	message := []byte(bare + "," + challenge + "," + final[:at])
	mac := func(key []byte) []byte {
		m := hmac.New(hash, key)
		m.Write(message)
		return m.Sum(nil)
	}
	key := mac(keys.StoredKey)
	if len(proof) != len(key) {
		return "", &refusal{"malformed-request", "the proof's length"}
	}
	for i := range key {
		key[i] ^= proof[i]
	}
	h := hash()
	h.Write(key)
	if !hmac.Equal(h.Sum(nil), keys.StoredKey) {
		return "", &refusal{"not-authorized", "invalid-proof"}
	}
	return "v=" + base64.StdEncoding.EncodeToString(mac(keys.ServerKey)), nil
}

// login is the exchange of either profile, from the initial response on. say
// sends a challenge and returns what the client answers.
func (c *session) login(mechanism, initial string, has, sasl2 bool, say func(challenge string) (*Element, error)) (string, error) {
	x, err := c.exchange(mechanism)
	answer := ""
	for message, done := initial, false; err == nil && !done; {
		if !has {
			answer = ""
		} else if answer, done, err = x.step(message); done || err != nil {
			break
		}
		has = true
		var e *Element
		if e, err = say(answer); err != nil {
			break
		}
		if e.XMLName.Local == "abort" {
			err = &refusal{"aborted", ""}
			break
		}
		message, err = decodeSASL(e.Text)
	}
	l := Login{User: x.user, Mechanism: mechanism, Binding: x.binding, SASL2: sasl2}
	if state := c.x.tls(); state != nil {
		l.Version = state.Version
	}
	if err != nil {
		l.Failure = err.Error()
		if r := (*refusal)(nil); errors.As(err, &r) {
			l.Failure = r.condition
		}
	} else {
		c.user = x.user
	}
	c.mu.Lock()
	c.logins = append(c.logins, l)
	c.mu.Unlock()
	return answer, err
}

func decodeSASL(text string) (string, error) {
	if text = strings.TrimSpace(text); text == "=" {
		return "", nil
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", &refusal{"incorrect-encoding", ""}
	}
	return string(b), nil
}

func encodeSASL(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// fail says a failure in the given profile.
func (c *session) fail(ns string, err error) {
	r := &refusal{"temporary-auth-failure", err.Error()}
	errors.As(err, &r)
	c.x.printf("<failure xmlns='%s'><%s xmlns='%s'/><text>%s</text></failure>", ns, r.condition, nsSASL, html.EscapeString(r.text))
}

// sasl1 is RFC 6120 §6. It reports whether the stream is to be restarted.
func (c *session) sasl1(e *Element) bool {
	initial, err := decodeSASL(e.Text)
	if err == nil {
		initial, err = c.login(e.Attr("mechanism"), initial, e.Text != "", false, func(challenge string) (*Element, error) {
			c.x.printf("<challenge xmlns='%s'>%s</challenge>", nsSASL, encodeSASL(challenge))
			return c.x.next()
		})
	}
	if err != nil {
		c.fail(nsSASL, err)
		return false
	}
	c.x.printf("<success xmlns='%s'>%s</success>", nsSASL, encodeSASL(initial))
	return true
}

// sasl2 is XEP-0388 with what is done inline: resumption before binding.
func (c *session) sasl2(e *Element) {
	first := e.Child(nsSASL2, "initial-response")
	initial, err := "", error(nil)
	if first != nil {
		initial, err = decodeSASL(first.Text)
	}
	answer := ""
	if err == nil {
		answer, err = c.login(e.Attr("mechanism"), initial, first != nil, true, func(challenge string) (*Element, error) {
			c.x.printf("<challenge xmlns='%s'>%s</challenge>", nsSASL2, encodeSASL(challenge))
			return c.x.next()
		})
	}
	if err != nil {
		c.fail(nsSASL2, err)
		return
	}
	inline, again := c.resume(e.Child(nsSM, "resume"))
	if b := e.Child(nsBind2, "bind"); b != nil && again == nil {
		tag := ""
		if t := b.Child("", "tag"); t != nil {
			tag = t.Text + "/" + c.name("r")
		}
		c.bind(tag)
		inner := ""
		if b.Child(nsSM, "enable") != nil {
			inner = c.manage()
		}
		inline += "<bound xmlns='" + nsBind2 + "'>" + inner + "</bound>"
	}
	if r := e.Child(nsFAST, "request-token"); r != nil && slices.Contains(c.FAST, r.Attr("mechanism")) {
		token := c.name("token-" + rand.Text())
		c.mu.Lock()
		c.tokens[c.user+" "+r.Attr("mechanism")] = token
		c.mu.Unlock()
		inline += fmt.Sprintf("<token xmlns='%s' expiry='2099-01-01T00:00:00Z' token='%s'/>", nsFAST, token)
	}
	data := ""
	if answer != "" {
		data = "<additional-data>" + encodeSASL(answer) + "</additional-data>"
	}
	id := c.full
	if id == "" {
		id = c.user + "@" + c.Domain
	}
	success := fmt.Sprintf("<success xmlns='%s'>%s<authorization-identifier>%s</authorization-identifier>%s</success>", nsSASL2, data, html.EscapeString(id), inline)
	if again == nil {
		// Features follow at once, and no new stream (XEP-0388 §2.6.1).
		success += c.features()
	}
	c.x.printf("%s%s", success, strings.Join(again, ""))
}

// resume takes a managed stream over (XEP-0198 §9.2). It returns the element for
// <success/> and, where it worked, the stanzas that are to be sent again.
func (c *session) resume(e *Element) (string, []string) {
	if e == nil {
		return "", nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.streams[e.Attr("previd")]
	if old == nil || old.user != c.user {
		return "<failed xmlns='" + nsSM + "'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>", nil
	}
	var h uint32
	fmt.Sscan(e.Attr("h"), &h)
	old.wmu.Lock()
	defer old.wmu.Unlock()
	n := min(int(h-old.sent), len(old.queue))
	c.managed, c.id, c.full, c.handled, c.sent = true, old.id, old.full, old.handled, h
	c.queue = slices.Clone(old.queue[n:])
	c.streams[c.id], c.sessions[c.full] = c, c
	return fmt.Sprintf("<resumed xmlns='%s' previd='%s' h='%d'/>", nsSM, c.id, c.handled), append([]string{}, c.queue...)
}
