package track

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// This file judges logins where the two legs differ: the proxy changed the offer,
// or logs in to the server by itself.

// sent reads the element that went out in place of the frame; nil when none did.
func (in *Frame) sent() *stanza.Node {
	if !in.Edited || len(in.Sent) == 0 {
		return nil
	}
	f := in.Frame
	f.Raw = in.Sent
	root, err := stanza.Tree(f)
	if err != nil {
		return nil
	}
	return root
}

// saslText is the SASL message in an element of either profile.
func saslText(root *stanza.Node) string {
	for _, name := range []string{"initial-response", "additional-data"} {
		if n := root.Child(nsSASL2, name); n != nil {
			return n.Text
		}
	}
	return root.Text
}

// relayed notices that the login goes to the server as one of the proxy's own.
func (l *Auth) relayed(in Frame, offered []string) {
	root := in.sent()
	if root == nil || in.Dir != CS {
		return
	}
	l.Server = &Auth{Mechanism: root.Attr("mechanism"), Offered: offered, n: in.N}
	l.Server.read(saslText(root), true)
}

// offerHash checks the hash of the offer in a SCRAM challenge (XEP-0474): against
// what the server offered, and against what the client got to see.
func (c *Conn) offerHash(in Frame, root *stanza.Node, f *Facts) {
	l := &c.Login
	upstream := l
	if l.Server != nil {
		upstream = l.Server
	}
	read := func(n *stanza.Node) (byte, string) {
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(n.Text))
		if err != nil {
			return 0, ""
		}
		return stanza.OfferHash(string(b))
	}
	attribute, value := read(root)
	want := c.offered.Hash(attribute, upstream.Mechanism, root.NS)
	if attribute == 0 || want == "" {
		return
	}
	if value != want {
		f.find(Error, "offer-hash", fmt.Sprintf("the hash of the offer (%c=) is not that of what the server offered: something between server and proxy changed the list of mechanisms, or the server counts otherwise; a client that checks it must give up", attribute), "XEP-0474 §3.2")
		return
	}
	got := value
	if sent := in.sent(); sent != nil {
		attribute, got = read(sent)
	}
	if in.Edited && len(in.Sent) == 0 {
		return // the client sees no challenge
	}
	switch seen := c.shown.Hash(attribute, l.Mechanism, root.NS); {
	case attribute == 0:
		f.find(Warning, "offer-changed", "the client does not get the hash of the offer that the server sends", "XEP-0474 §3.1")
	case got != seen:
		f.find(Error, "offer-changed", "the proxy changed the offer, and the server's hash of it (XEP-0474) tells: a client that checks it must give up; give the account's password with --account, or leave TLS alone with --tap", "XEP-0474 §3.2")
	}
}

// diagnoseServer says why the proxy's own login failed.
func (l *Auth) diagnoseServer(e *stanza.Error) (text, ref string) {
	said := ""
	if e != nil && e.Text != "" {
		said = fmt.Sprintf(" (the server says %q)", e.Text)
	}
	up := l.Server
	how := up.Mechanism
	if up.Binding != "" {
		how += ", bound to its channel with " + up.Binding
	}
	switch {
	case l.Result == "not-authorized" && l.proved:
		text = fmt.Sprintf("wrong password: client and --password-file agree on it, the server does not accept the proof of %s (%s); or it expects another channel binding", up.User, how)
	case l.Result == "aborted":
		text = "the client gave the login up"
	default:
		text = fmt.Sprintf("the server refused the proxy's login as %s with %s: %s", up.User, how, l.Result)
	}
	return text + said, "RFC 6120 §6.5"
}
