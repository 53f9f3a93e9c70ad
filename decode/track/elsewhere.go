package track

import (
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

const nsStreamErrors = "urn:ietf:params:xml:ns:xmpp-streams"

// leads warns where a server sends its client to another address and the client
// got that as it was: inside of TLS that goes through untouched, or over a
// transport whose way there is another one. What the proxy edited, or judged and
// let pass, needs no warning.
func (c *Conn) leads(in Frame, root *stanza.Node, f *Facts) {
	if in.Dir != SC || in.Edited || in.Injected || in.Judged {
		return
	}
	what, ref, to := "", "", ""
	switch {
	case root.NS == nsStreams && root.Name == "error":
		if n := root.Child(nsStreamErrors, "see-other-host"); n != nil {
			what, ref, to = "see-other-host", "RFC 6120 §4.9.3.19", n.Text
		}
	case root.NS == nsSASL2 && root.Name == "success":
		root = root.Child("urn:xmpp:bind:0", "bound").Child("", "enabled")
		if root == nil || !isSM(root.NS) {
			return
		}
		fallthrough
	case isSM(root.NS) && root.Name == "enabled":
		what, ref, to = "the location of stream management", "XEP-0198 §3", root.Attr("location")
	}
	if to = strings.TrimSpace(to); to != "" {
		f.find(Warning, "leads-past", "the server sends the client to "+to+" ("+what+"): unless that leads here, too, what the client does there is not seen", ref)
	}
}
