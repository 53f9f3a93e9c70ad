package stanza

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"sort"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
)

const (
	nsSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2   = "urn:xmpp:sasl:2"
	nsFAST    = "urn:xmpp:fast:0"
	nsUpload  = "urn:xmpp:http:upload:0"
	nsData    = "jabber:x:data"
	nsCompAcc = "jabber:component:accept"
	nsInvite  = "jabber:x:conference"
)

// A Span is a secret in a frame's Raw, and what is shown in its place.
type Span struct {
	Start, End int
	Mask       string // keeps what helps: mechanism, user, SCRAM attributes, lengths
	What       string // "password", "SASL", "token", "handshake", "authorisation"
}

// secretNames are the elements that may hold a secret.
var secretNames = map[string]bool{"auth": true, "response": true, "challenge": true, "success": true, "initial-response": true,
	"additional-data": true, "password": true, "digest": true, "handshake": true, "token": true, "header": true, "field": true,
	"data": true, "next": true, "task-data": true, "service": true, "x": true}

// Secrets finds what must not be shown: sorted, not overlapping. In what cannot
// be parsed it errs on the side of masking.
func Secrets(f decode.Frame) []Span {
	switch f.Kind {
	case decode.Whitespace, decode.Header, decode.Declaration, decode.End:
		return nil
	}
	if f.Kind == decode.Element && f.Part == decode.Whole {
		switch string(f.Name) {
		case "r", "a":
			return nil
		case "presence": // many, and only who enters a room may say its password (XEP-0045, Password-Protected Rooms)
			if !bytes.Contains(f.Raw, []byte("password")) {
				return nil
			}
		}
	}
	if f.Part == decode.Middle || f.Part == decode.Last {
		return nil // content of a stanza of megabytes; logins are smaller by far
	}
	root, err := Tree(f)
	if err != nil {
		return nil
	}
	var spans []Span
	todo := []*Node{root}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if secretNames[n.Name] {
			own := n.secrets(f.Raw)
			spans = append(spans, own...)
			if len(own) > 0 && own[0].Start >= n.InnerStart {
				continue // what is inside is masked, not an attribute; spans must not overlap
			}
		}
		todo = append(todo, n.Children...)
	}
	sort.Slice(spans, func(i, j int) bool { return spans[i].Start < spans[j].Start })
	return spans
}

// secrets returns what is secret of the element itself. Without the raw bytes of the
// frame white space is, too.
func (n *Node) secrets(raw []byte) []Span {
	inner := func(what, mask string) []Span {
		if n.InnerStart >= n.InnerEnd || raw != nil && len(bytes.TrimSpace(raw[n.InnerStart:n.InnerEnd])) == 0 {
			return nil
		}
		return []Span{{n.InnerStart, n.InnerEnd, mask, what}}
	}
	// Without a namespace it may be one that the header of a stream has declared,
	// which is not at hand.
	of := func(ns string) bool { return n.NS == ns || n.NS == "" }
	up := n.up
	switch n.Name {
	case "auth", "response", "challenge", "success", "initial-response", "additional-data", "data":
		if !of(nsSASL) && !of(nsSASL2) || len(n.Children) > 0 && strings.TrimSpace(n.Text) == "" {
			return nil
		}
		mechanism := n.Attr("mechanism")
		if up != nil {
			mechanism = up.Attr("mechanism")
		}
		return inner("SASL", saslMask(mechanism, n.Text))
	case "next", "task-data": // the second factor, XEP-0388 §2.6.3
		if of(nsSASL2) {
			return inner("SASL", fmt.Sprintf("[task data hidden, %d bytes]", n.InnerEnd-n.InnerStart))
		}
	case "password", "digest": // of jabber:iq:auth, jabber:iq:register, rooms, …
		return inner("password", lengthMask("password", n.Text))
	case "handshake":
		if of(nsCompAcc) {
			return inner("handshake", lengthMask("handshake", n.Text))
		}
	case "token":
		if of(nsFAST) {
			return n.attrSecret("token")
		}
	case "service": // a relay's, which costs who runs it (XEP-0215)
		if of("urn:xmpp:extdisco:2") || of("urn:xmpp:extdisco:1") {
			return n.attrSecret("password")
		}
	case "x": // an invitation into a room (XEP-0249)
		if of(nsInvite) {
			return n.attrSecret("password")
		}
	case "header":
		if name := strings.ToLower(n.Attr("name")); of(nsUpload) && (name == "authorization" || name == "cookie") {
			return inner("authorisation", lengthMask(name, n.Text))
		}
	case "field":
		if of(nsData) && (n.Attr("type") == "text-private" || strings.Contains(strings.ToLower(n.Attr("var")), "password")) {
			var spans []Span
			for _, v := range n.Children {
				if v.Name == "value" && v.InnerStart < v.InnerEnd {
					spans = append(spans, Span{v.InnerStart, v.InnerEnd, lengthMask("private", v.Text), "password"})
				}
			}
			return spans
		}
	}
	return nil
}

// attrSecret is the value of an attribute.
func (n *Node) attrSecret(name string) []Span {
	for _, a := range n.Attrs {
		if a.Name == name {
			return []Span{{a.Start, a.End, lengthMask(name, a.Value), name}}
		}
	}
	return nil
}

func lengthMask(what, text string) string {
	return fmt.Sprintf("[%s hidden, %d bytes]", what, len(strings.TrimSpace(text)))
}

// saslMask shows of a SASL message what helps to debug and nothing that helps
// to log in.
func saslMask(mechanism, text string) string {
	text = strings.TrimSpace(text)
	if text == "=" {
		return "="
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Sprintf("[SASL data hidden, %d characters]", len(text))
	}
	if parts := bytes.Split(b, []byte{0}); len(parts) == 3 && (mechanism == "PLAIN" || mechanism == "") {
		return fmt.Sprintf("[user %s, password hidden, %d bytes]", quoteless(string(parts[1])), len(parts[2]))
	}
	if s, ok := scramMask(string(b)); ok && (mechanism == "" || strings.HasPrefix(mechanism, "SCRAM-")) {
		return "[" + s + "]"
	}
	return fmt.Sprintf("[SASL data hidden, %d bytes]", len(b))
}

// quoteless makes text of the traffic fit for a mask.
func quoteless(s string) string {
	return strings.NewReplacer("<", "‹", ">", "›", "&", "+").Replace(Clean(s, 300))
}

// scramMask keeps the attributes of a SCRAM message (RFC 5802 §5.1) but the
// proof and the server's signature.
func scramMask(s string) (string, bool) {
	head := ""
	if len(s) > 2 && (strings.HasPrefix(s, "n,") || strings.HasPrefix(s, "y,") || strings.HasPrefix(s, "p=")) {
		parts := strings.SplitN(s, ",", 3)
		if len(parts) < 3 {
			return "", false
		}
		head, s = parts[0]+","+parts[1]+",", parts[2]
	}
	fields := strings.Split(s, ",")
	for i, f := range fields {
		if len(f) < 2 || f[1] != '=' {
			return "", false
		}
		switch f[0] {
		case 'n', 'r', 's', 'i', 'c', 'a', 'm', 'e', 'd', 'h', 't':
		default:
			fields[i] = f[:2] + "hidden"
		}
	}
	return quoteless(head + strings.Join(fields, ",")), true
}

// Mask returns raw with the spans replaced; raw itself when there are none.
func Mask(raw []byte, spans []Span) []byte {
	if len(spans) == 0 {
		return raw
	}
	var out []byte
	at := 0
	for _, s := range spans {
		out = append(append(out, raw[at:s.Start]...), s.Mask...)
		at = s.End
	}
	return append(out, raw[at:]...)
}
