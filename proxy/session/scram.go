package session

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// This file is SCRAM (RFC 5802, RFC 7677) as far as the library leaves it to us:
// choosing hash and channel binding, reading messages, and challenges with the
// hash of the offer in them.

// maxIterations bounds what a server may ask for: the key is computed while the
// session waits, 10 million take some seconds.
const maxIterations = 10_000_000

// bindingTypes are the kinds of channel binding in the order in which they are
// meant where nobody says: tls-unique up to TLS 1.2 (RFC 5802 §6.1), which has no
// such thing later, tls-exporter from 1.3 on (RFC 9266 §3).
var bindingTypes = []string{"tls-unique", "tls-exporter", endPoint}

// endPoint is the channel binding that is made of the server's certificate only
// (RFC 5929 §4).
const endPoint = "tls-server-end-point"

// strongest are the hashes that are known, the best one first.
var strongest = []string{"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"}

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

// bound tells mechanisms that carry channel-binding data: SCRAM-…-PLUS and the
// FAST mechanisms but -NONE (XEP-0484 §4).
func bound(mechanism string) bool {
	if strings.HasPrefix(mechanism, "HT-") {
		return !strings.HasSuffix(mechanism, "-NONE")
	}
	return strings.HasSuffix(mechanism, "-PLUS")
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

// A clientFirst is what a SCRAM client says first (RFC 5802 §7).
type clientFirst struct {
	flag          byte   // n, y, or p
	kind          string // of channel binding, with p
	user, authzid string
	gs2, bare     string // the message in its two parts
}

func readFirst(message string) (clientFirst, bool) {
	parts := strings.SplitN(message, ",", 3)
	if len(parts) < 3 || parts[0] == "" {
		return clientFirst{}, false
	}
	c := clientFirst{flag: parts[0][0], gs2: parts[0] + "," + parts[1] + ",", bare: parts[2]}
	c.kind, _ = strings.CutPrefix(parts[0], "p=")
	if c.flag != 'p' {
		c.kind = ""
	}
	name := strings.NewReplacer("=2C", ",", "=3D", "=")
	if a, ok := strings.CutPrefix(parts[1], "a="); ok {
		c.authzid = name.Replace(a)
	}
	for field := range strings.SplitSeq(parts[2], ",") {
		if v, ok := strings.CutPrefix(field, "n="); ok {
			c.user = name.Replace(v)
			return c, true
		}
	}
	return c, false
}

// factors reads salt and iterations out of a challenge.
func factors(challenge string) (scram.KeyFactors, error) {
	var key scram.KeyFactors
	for field := range strings.SplitSeq(challenge, ",") {
		if v, ok := strings.CutPrefix(field, "s="); ok && key.Salt == "" {
			b, _ := base64.StdEncoding.DecodeString(v)
			key.Salt = string(b)
		} else if v, ok := strings.CutPrefix(field, "i="); ok && key.Iters == 0 {
			key.Iters, _ = strconv.Atoi(v)
		}
	}
	switch {
	case key.Salt == "" || key.Iters < 1:
		return key, errors.New("it has no salt or no iterations")
	case key.Iters > maxIterations:
		return key, errors.New("it asks for " + strconv.Itoa(key.Iters) + " iterations, more than " + strconv.Itoa(maxIterations))
	}
	return key, nil
}

// boundTo reads out of the client's final message what it bound to.
func boundTo(final, gs2 string) ([]byte, bool) {
	c, ok := strings.CutPrefix(final, "c=")
	c, _, _ = strings.Cut(c, ",")
	b, err := base64.StdEncoding.DecodeString(c)
	data, has := strings.CutPrefix(string(b), gs2)
	return []byte(data), ok && err == nil && has
}

// An answerer is the server's side of SCRAM, towards the client. The library
// does it, but for one thing: a challenge that carries the hash of the offer
// (XEP-0474) is more than it can say, and the hash is part of what is signed.
// With one the proof is checked here.
type answerer struct {
	conv      *scram.ServerConversation
	hash      scram.HashGeneratorFcn
	keys      scram.StoredCredentials
	first     clientFirst
	challenge string
	bound     []byte // channel-binding data; nil = none
	extended  bool
}

// answer begins a conversation; extra, when it is not empty, goes to the end of
// the challenge.
func answer(hash scram.HashGeneratorFcn, keys scram.StoredCredentials, message, extra string, cb scram.ChannelBinding) (*answerer, error) {
	server, err := hash.NewServer(func(string) (scram.StoredCredentials, error) { return keys, nil })
	if err != nil {
		return nil, err
	}
	a := &answerer{conv: server.NewConversation(), hash: hash, keys: keys, bound: cb.Data}
	if cb.IsSupported() {
		a.conv = server.NewConversationWithChannelBindingRequired(cb)
	}
	if a.challenge, err = a.conv.Step(message); err != nil {
		return nil, err
	}
	a.first, _ = readFirst(message)
	if extra != "" {
		a.extended = true
		a.challenge += "," + extra
	}
	return a, nil
}

var errProof = errors.New("the proof is wrong")

// check verifies the client's final message and returns the server's proof.
func (a *answerer) check(final string) (string, error) {
	if !a.extended {
		verifier, err := a.conv.Step(final)
		if err == nil && !a.conv.Valid() {
			err = errProof
		}
		return verifier, err
	}
	data, ok := boundTo(final, a.first.gs2)
	nonce, _, _ := strings.Cut(a.challenge, ",")
	fields := strings.Split(final, ",")
	p, isProof := strings.CutPrefix(fields[len(fields)-1], "p=")
	if !ok || len(fields) < 3 || fields[1] != nonce || !isProof || !hmac.Equal(data, a.bound) {
		return "", errors.New("the client's final message does not go with the challenge")
	}
	proof, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		return "", err
	}
	// RFC 5802 §3.
	message := []byte(a.first.bare + "," + a.challenge + "," + strings.TrimSuffix(final, ",p="+p))
	sign := func(key []byte) []byte {
		mac := hmac.New(a.hash, key)
		mac.Write(message)
		return mac.Sum(nil)
	}
	key := sign(a.keys.StoredKey)
	if len(proof) != len(key) {
		return "", errProof
	}
	for i := range key {
		key[i] ^= proof[i]
	}
	h := a.hash()
	h.Write(key)
	if !hmac.Equal(h.Sum(nil), a.keys.StoredKey) {
		return "", errProof
	}
	return "v=" + base64.StdEncoding.EncodeToString(sign(a.keys.ServerKey)), nil
}

// toServer chooses how to log in to the server: with the client's hash, bound
// to the channel where both sides are sure to mean the same. own is the kind of
// binding that the client uses.
func (s *Session) toServer(ns, mechanism, own string) (upstream string, cb scram.ChannelBinding) {
	offer := &s.offered[Server]
	names := offer.Mechanisms(ns)
	base := strings.TrimSuffix(mechanism, "-PLUS")
	plus := slices.Contains(names, base+"-PLUS")
	// The client's own choice is the best guess at what the server knows.
	kind := ""
	for _, t := range append([]string{own}, bindingTypes...) {
		offered := slices.Contains(offer.Bindings, t) || offer.Bindings == nil && t == own
		if kind == "" && offered && len(s.bindings[Server][t]) > 0 {
			kind = t
		}
	}
	cb, ok := s.binding(Server, kind)
	sure := kind != "" || len(s.bindings[Server]["tls-unique"]) > 0
	if plus && ok && (sure || !slices.Contains(names, base)) {
		return base + "-PLUS", cb
	}
	return base, scram.ChannelBinding{}
}

// offersSCRAM returns the best SCRAM mechanism, without -PLUS, that the server
// offers in a profile; "" when there is none.
func offersSCRAM(o *stanza.Offer, ns string) string {
	for _, base := range strongest {
		for _, m := range o.Mechanisms(ns) {
			if strings.TrimSuffix(m, "-PLUS") == base {
				return base
			}
		}
	}
	return ""
}
