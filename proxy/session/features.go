package session

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// This file reads <stream:features/> and takes out what cannot work through
// an intercepting proxy.

const (
	nsBinding = "urn:xmpp:sasl-cb:0" // XEP-0440
	nsFAST    = "urn:xmpp:fast:0"    // XEP-0484
)

func readOffer(f decode.Frame) stanza.Offer {
	root, err := stanza.Tree(f)
	if err != nil {
		return stanza.Offer{}
	}
	return stanza.ReadOffer(root)
}

// isMechanisms tells the SASL offer of RFC 6120 §6.3.3 and of XEP-0388 §2.2.
func isMechanisms(n *stanza.Node) bool {
	return n.NS == nsSASL && n.Name == "mechanisms" || n.NS == nsSASL2 && n.Name == "authentication"
}

// A surgery collects what is cut out of, and put into, a frame's bytes.
type surgery struct {
	cuts  []splice
	whys  []string
	names []string // mechanisms taken out because they are bound to the channel
	other []string // mechanisms taken out because of --mechanisms
	left  int      // mechanisms for passwords that are still offered
}

func (x *surgery) cut(n *stanza.Node) { x.cuts = append(x.cuts, splice{n.Start, n.End, ""}) }

func (x *surgery) insert(at int, text string) { x.cuts = append(x.cuts, splice{at, at, text}) }

// editFeatures returns the features as the client is to see them, and why they
// differ; "" when they do not.
func (s *Session) editFeatures(f decode.Frame) ([]byte, string) {
	b, why := s.changeFeatures(f)
	shown := f
	shown.Raw = b
	s.offered[Client] = readOffer(shown)
	return b, why
}

func (s *Session) changeFeatures(f decode.Frame) ([]byte, string) {
	root, err := stanza.Tree(f)
	if err != nil {
		return f.Raw, ""
	}
	var x surgery
	add := ""
	s.zip.offered = false
	offered := false
	for _, n := range root.Children {
		switch {
		case n.NS == nsTLS && n.Name == "starttls":
			offered = true
			switch {
			case s.tls[Client] == secured:
				x.cut(n)
				x.whys = append(x.whys, "starttls removed: the client leg is secured already")
			case s.zip.state == compressed:
				x.cut(n)
				x.whys = append(x.whys, "starttls removed: the stream is compressed already (XEP-0170)")
			case s.cfg.ClientTLS == Off:
				x.cut(n)
				x.whys = append(x.whys, "starttls removed: --client-tls=off")
			}
		case isMechanisms(n) && s.cfg.Kind == KindS2S:
			s.editExternal(n, &x)
		case isMechanisms(n):
			s.editMechanisms(n, &x)
		case n.NS == nsBinding && n.Name == "sasl-channel-binding" && s.intercepted():
			s.editBindings(n, &x)
		case n.NS == nsCompression && n.Name == "compression":
			s.editCompression(n, &x)
		}
	}
	if s.ownClient && s.tls[Client] == plain && !offered {
		add = "<starttls xmlns='" + nsTLS + "'/>"
		if s.cfg.ClientTLS == StartTLS {
			add = "<starttls xmlns='" + nsTLS + "'><required/></starttls>"
		}
		x.whys = append(x.whys, "starttls added: the client leg is secured by the proxy")
	}
	if len(x.names) > 0 {
		x.whys = append(x.whys, strings.Join(unique(x.names), ", ")+" removed: bound to the TLS channel, which ends at the proxy (RFC 5802 §6)")
		s.login.stripped = true
	}
	if len(x.other) > 0 {
		x.whys = append(x.whys, strings.Join(unique(x.other), ", ")+" removed: not in --mechanisms="+strings.Join(s.cfg.Mechanisms, ","))
	}
	if x.left == 0 && len(x.names)+len(x.other) > 0 {
		s.noneLeft(&x)
	}
	if len(x.whys) == 0 {
		return f.Raw, ""
	}
	return x.apply(f.Raw, root, add), strings.Join(x.whys, "; ")
}

// intercepted tells that TLS ends at the proxy.
func (s *Session) intercepted() bool { return s.tls[Client] == secured || s.tls[Server] == secured }

// noneLeft says why the client cannot log in, and what to do.
func (s *Session) noneLeft(x *surgery) {
	if len(x.other) > 0 {
		s.note("error", "no mechanism is left to offer to the client", fmt.Sprintf("the server offers %s: change --mechanisms", strings.Join(unique(append(x.other, x.names...)), ", ")))
		return
	}
	with := ""
	if b := s.offered[Server].Bindings; len(b) > 0 {
		with = " with " + strings.Join(b, " or ")
	}
	text := fmt.Sprintf("no mechanism is left to offer to the client: the server has %s only, which bind the login to the TLS channel%s, and client and server have different channels here", strings.Join(unique(x.names), ", "), with)
	if s.cfg.OwnCertificate {
		text += "; the same certificate helps with " + endPoint + " only"
	}
	s.note("error", text, s.wayOut())
}

// works reports whether a mechanism that is bound to the channel can succeed
// through the proxy.
func (s *Session) works(name string) bool {
	switch {
	case !bound(name) || !s.intercepted():
		return true
	case s.cfg.OwnCertificate && strings.HasPrefix(name, "HT-"):
		return strings.HasSuffix(name, "-ENDP")
	case s.mayKnow() && hashOf(name) != nil && len(s.bindings[Client]) > 0:
		return true
	case s.cfg.OwnCertificate:
		b := s.offered[Server].Bindings
		return b == nil || slices.Contains(b, endPoint)
	}
	return false
}

// editMechanisms takes out the mechanisms that cannot work on an intercepted
// leg, and those that the user does not want.
func (s *Session) editMechanisms(n *stanza.Node, x *surgery) {
	var names, other []string
	var cuts []*stanza.Node
	left := 0
	for _, m := range n.Children {
		switch {
		case m.Name == "mechanism":
			switch name := strings.TrimSpace(m.Text); {
			case !s.works(name):
				cuts, names = append(cuts, m), append(names, name)
			case n.NS != nsFAST && len(s.cfg.Mechanisms) > 0 && !contains(s.cfg.Mechanisms, name):
				cuts, other = append(cuts, m), append(other, name)
			default:
				left++
			}
		case m.Name == "inline":
			for _, in := range m.Children {
				if in.NS == nsFAST && in.Name == "fast" {
					s.editMechanisms(in, x)
				}
			}
		}
	}
	if n.NS != nsFAST && contains(s.cfg.Mechanisms, "PLAIN") && !contains(s.offered[Server].Mechanisms(n.NS), "PLAIN") && s.mayKnow() && offersSCRAM(&s.offered[Server], n.NS) != "" {
		x.insert(n.InnerStart, "<mechanism>PLAIN</mechanism>")
		x.whys = append(x.whys, "PLAIN added: the proxy makes SCRAM of it for the accounts whose password is known (--mechanisms, --account)")
		left++
	}
	switch {
	case left == 0 && n.NS == nsFAST && len(cuts) > 0:
		// It must hold one mechanism at least (XEP-0484 §4.1).
		x.cut(n)
		x.whys = append(x.whys, "FAST removed: all its mechanisms are bound to the TLS channel ("+strings.Join(names, ", ")+"), a token would be lost")
		s.login.stripped = true
		return
	case left == 0 && n.NS == nsSASL2 && len(cuts) > 0:
		// So must this one (XEP-0388 §2.2); the other profile may be left.
		x.cut(n)
	default:
		for _, m := range cuts {
			x.cut(m)
		}
	}
	if n.NS != nsFAST {
		x.left += left
	}
	x.names, x.other = append(x.names, names...), append(x.other, other...)
}

// contains compares mechanisms as a user may write them.
func contains(list []string, name string) bool {
	return slices.ContainsFunc(list, func(m string) bool { return strings.EqualFold(m, name) })
}

func anyBound(list []string) bool { return slices.ContainsFunc(list, bound) }

// unique returns the list without repetitions: both profiles name most mechanisms.
func unique(list []string) []string {
	var out []string
	for _, x := range list {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// editBindings leaves the types of channel binding that a client can use: those
// of its own leg where the proxy logs in, the certificate's where it is the
// server's. The element must hold one type at least (XEP-0440 §2).
func (s *Session) editBindings(n *stanza.Node, x *surgery) {
	knows := s.mayKnow() && len(s.bindings[Client]) > 0
	if !knows && !s.cfg.OwnCertificate {
		x.cut(n)
		x.whys = append(x.whys, "sasl-channel-binding removed: no channel binding is the same on both legs (XEP-0440)")
		return
	}
	left := 0
	var cuts []*stanza.Node
	var gone []string
	for _, c := range n.Children {
		t := c.Attr("type")
		switch {
		case c.Name != "channel-binding":
		case knows && len(s.bindings[Client][t]) > 0, !knows && t == endPoint:
			left++
		default:
			cuts, gone = append(cuts, c), append(gone, t)
		}
	}
	why := "the client leg does not have it (XEP-0440)"
	if !knows {
		why = "only the certificate is the same on both legs (XEP-0440)"
	}
	for _, t := range gone {
		x.whys = append(x.whys, "channel binding with "+t+" removed: "+why)
	}
	if left == 0 && !knows {
		x.cut(n)
		return
	}
	for _, c := range cuts {
		x.cut(c)
	}
	if left > 0 || n.InnerEnd <= n.InnerStart {
		return
	}
	for _, t := range bindingTypes {
		if len(s.bindings[Client][t]) > 0 {
			x.insert(n.InnerStart, "<channel-binding type='"+t+"'/>")
			x.whys = append(x.whys, "channel binding with "+t+" added: the client leg has it (XEP-0440)")
		}
	}
}

// apply returns the bytes without the cuts and with add as first child.
func (x *surgery) apply(raw []byte, root *stanza.Node, add string) []byte {
	if root.InnerEnd <= root.InnerStart && add != "" {
		// An empty element becomes one with content.
		name := qualified(root)
		tag := strings.TrimRight(strings.TrimSuffix(string(raw[root.Start:root.End]), "/>"), " ")
		if strings.HasSuffix(tag, "</"+name+">") {
			tag = strings.TrimSuffix(strings.TrimSuffix(tag, "</"+name+">"), ">")
		}
		return []byte(tag + ">" + add + "</" + name + ">")
	}
	if add != "" {
		x.insert(root.InnerStart, add)
	}
	return spliced(raw, x.cuts)
}
