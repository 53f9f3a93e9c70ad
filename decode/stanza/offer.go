package stanza

import (
	"crypto/sha1" // of SCRAM-SHA-1
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"slices"
	"strings"
)

const nsBinding = "urn:xmpp:sasl-cb:0" // XEP-0440

// An Offer is what stream features say about the login.
type Offer struct {
	StartTLS bool
	SASL     bool     // one of the profiles is offered
	SASL1    []string // mechanisms of RFC 6120 §6.3.3
	SASL2    []string // and of XEP-0388 §2.2, which a server may offer beside the others
	FAST     []string // mechanisms for tokens (XEP-0484)
	Bindings []string // types of channel binding; nil where none are announced (XEP-0440)
}

// ReadOffer reads stream features.
func ReadOffer(features *Node) Offer {
	var o Offer
	for _, n := range features.Children {
		switch {
		case n.NS == "urn:ietf:params:xml:ns:xmpp-tls" && n.Name == "starttls":
			o.StartTLS = true
		case n.NS == nsSASL && n.Name == "mechanisms":
			o.SASL, o.SASL1 = true, append(o.SASL1, n.mechanisms()...)
		case n.NS == nsSASL2 && n.Name == "authentication":
			o.SASL, o.SASL2 = true, append(o.SASL2, n.mechanisms()...)
			if fast := n.Child(nsSASL2, "inline").Child(nsFAST, "fast"); fast != nil {
				o.FAST = append(o.FAST, fast.mechanisms()...)
			}
		case n.NS == nsBinding && n.Name == "sasl-channel-binding":
			o.Bindings = []string{}
			for _, c := range n.Children {
				if t := c.Attr("type"); c.Name == "channel-binding" && t != "" {
					o.Bindings = append(o.Bindings, t)
				}
			}
		}
	}
	return o
}

func (n *Node) mechanisms() []string {
	var out []string
	for _, m := range n.Children {
		if m.Name == "mechanism" {
			out = append(out, strings.TrimSpace(m.Text))
		}
	}
	return out
}

// Mechanisms returns those of the profile with the given namespace.
func (o *Offer) Mechanisms(ns string) []string {
	if ns == nsSASL2 {
		return o.SASL2
	}
	return o.SASL1
}

// Hash is what XEP-0474 §3.1 makes of the offer in the profile ns, for a login
// with a SCRAM mechanism; "" where the mechanism is none. The attribute is that
// of the challenge that it stands in: h, or d as up to version 0.3 of the XEP,
// which had other delimiters.
func (o *Offer) Hash(attribute byte, mechanism, ns string) string {
	var h hash.Hash
	switch strings.TrimSuffix(mechanism, "-PLUS") {
	case "SCRAM-SHA-1":
		h = sha1.New()
	case "SCRAM-SHA-256":
		h = sha256.New()
	case "SCRAM-SHA-512":
		h = sha512.New()
	default:
		return ""
	}
	unit, group := "\x1e", "\x1f"
	if attribute == 'd' {
		unit, group = ",", "|"
	}
	join := func(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), unit) }
	h.Write([]byte(join(o.Mechanisms(ns))))
	if o.Bindings != nil {
		h.Write([]byte(group + join(o.Bindings)))
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// OfferHash finds the hash of XEP-0474 in a SCRAM challenge: its attribute,
// 0 when there is none, and its value in base64.
func OfferHash(challenge string) (attribute byte, value string) {
	for i, field := range strings.Split(challenge, ",") {
		// Nonce, salt and iterations come first (RFC 5802 §7).
		if i > 2 && (strings.HasPrefix(field, "h=") || strings.HasPrefix(field, "d=")) {
			return field[0], field[2:]
		}
	}
	return 0, ""
}
