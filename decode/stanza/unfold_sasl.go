package stanza

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// scramNames are the attributes of SCRAM (RFC 5802 §5.1, XEP-0474).
var scramNames = map[byte]string{
	'a': "authorisation identity", 'n': "user", 'm': "mandatory extension", 'r': "nonce", 'c': "channel binding", 's': "salt", 'i': "iterations",
	'p': "client proof", 'v': "server signature", 'e': "error", 'h': "downgrade protection hash", 'd': "downgrade protection",
}

// sasl takes a SASL message apart, as far as secrets may be seen.
func (u *unfolder) sasl(n *Node) {
	x := Unfolded{What: "SASL " + n.Name}
	mechanism := n.Attr("mechanism")
	if n.up != nil && mechanism == "" {
		mechanism = n.up.Attr("mechanism")
	}
	u.row(&x, "mechanism", mechanism)
	text := strings.TrimSpace(n.Text)
	b, err := base64.StdEncoding.DecodeString(text)
	mask, masked := u.hidden(n.InnerStart, n.InnerEnd)
	switch {
	case n.Name == "mechanism", n.Name == "text", n.Name == "authorization-identifier", n.Name == "software", n.Name == "device":
		return // words, not messages
	case text == "=":
		u.row(&x, "data", "empty, which is written =")
	case err != nil:
		u.row(&x, "data", fmt.Sprintf("%d characters that are not base64", len(text)))
	default:
		u.message(&x, b, mechanism, mask, masked)
	}
	u.out = append(u.out, x)
}

func (u *unfolder) message(x *Unfolded, b []byte, mechanism, mask string, masked bool) {
	parts := bytes.Split(b, []byte{0})
	scram, isScram := scramMask(string(b))
	switch {
	case len(parts) == 3 && (mechanism == "PLAIN" || mechanism == ""):
		x.Ref = "RFC 4616 §2"
		u.row(x, "authorisation identity", string(parts[0]))
		u.row(x, "user", string(parts[1]))
		password := string(parts[2])
		if masked {
			password = fmt.Sprintf("hidden, %d bytes", len(password))
		}
		u.row(x, "password", password)
	case isScram && (mechanism == "" || strings.HasPrefix(mechanism, "SCRAM-")):
		x.Ref = "RFC 5802 §5.1"
		if !masked {
			scram = string(b)
		}
		u.scram(x, scram)
	case masked:
		u.row(x, "data", mask)
	default:
		what, inside := LooksLike(b)
		u.row(x, "data", fmt.Sprintf("%s, %d bytes", what, len(b)))
		x.Text = inside
	}
}

func (u *unfolder) scram(x *Unfolded, s string) {
	if len(s) > 1 && s[1] != '=' || strings.HasPrefix(s, "p=") && strings.Contains(s, ",n=") {
		parts := strings.SplitN(s, ",", 3)
		if len(parts) == 3 {
			u.row(x, "channel binding", map[byte]string{'n': "the client does none", 'y': "the client could, but thinks that the server cannot", 'p': parts[0][min(2, len(parts[0])):]}[parts[0][0]])
			u.row(x, "authorisation identity", strings.TrimPrefix(parts[1], "a="))
			s = parts[2]
		}
	}
	for _, f := range strings.Split(s, ",") {
		if len(f) < 2 {
			continue
		}
		name, value := scramNames[f[0]], f[2:]
		if name == "" {
			name = "extension " + f[:1]
		}
		switch f[0] {
		case 'c':
			if head, err := base64.StdEncoding.DecodeString(value); err == nil {
				value += "  = " + quoteless(string(head[:min(len(head), 40)]))
			}
		case 'n', 'a':
			value = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(value)
		}
		u.row(x, name+" ("+f[:1]+")", value)
	}
}
