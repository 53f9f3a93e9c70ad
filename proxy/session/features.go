package session

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// This file reads <stream:features/> and takes out what cannot work through
// an intercepting proxy.

const (
	nsBinding     = "urn:xmpp:sasl-cb:0"                  // XEP-0440
	nsFAST        = "urn:xmpp:fast:0"                     // XEP-0484
	nsCompression = "http://jabber.org/features/compress" // XEP-0138
)

// An offer is what features say about the login.
type offer struct {
	starttls, sasl bool
	mechanisms     []string
}

func readOffer(f decode.Frame) offer {
	var o offer
	root, err := stanza.Tree(f)
	if err != nil {
		return o
	}
	for _, n := range root.Children {
		switch {
		case n.NS == nsTLS && n.Name == "starttls":
			o.starttls = true
		case isMechanisms(n):
			o.sasl = true
			for _, m := range n.Children {
				if m.Name == "mechanism" {
					o.mechanisms = append(o.mechanisms, strings.TrimSpace(m.Text))
				}
			}
		}
	}
	return o
}

// isMechanisms tells the SASL offer of RFC 6120 §6.3.3 and of XEP-0388 §2.2.
func isMechanisms(n *stanza.Node) bool {
	return n.NS == nsSASL && n.Name == "mechanisms" || n.NS == nsSASL2 && n.Name == "authentication"
}

// A surgery collects what is cut out of, and put into, a frame's bytes.
type surgery struct {
	cuts  [][2]int
	whys  []string
	names []string // mechanisms taken out because they are bound to the channel
	other []string // mechanisms taken out because of --mechanisms
}

func (x *surgery) cut(n *stanza.Node) { x.cuts = append(x.cuts, [2]int{n.Start, n.End}) }

// editFeatures returns the features as the client is to see them, and why they
// differ; "" when they do not.
func (s *Session) editFeatures(f decode.Frame) ([]byte, string) {
	root, err := stanza.Tree(f)
	if err != nil {
		return f.Raw, ""
	}
	var x surgery
	add := ""
	intercepted := s.tls[Client] == secured || s.tls[Server] == secured
	s.bindingOffers = nil
	if b := root.Child(nsBinding, "sasl-channel-binding"); b != nil {
		for _, c := range b.Children {
			s.bindingOffers = append(s.bindingOffers, c.Attr("type"))
		}
	}
	offered := false
	for _, n := range root.Children {
		switch {
		case n.NS == nsTLS && n.Name == "starttls":
			offered = true
			switch {
			case s.tls[Client] == secured:
				x.cut(n)
				x.whys = append(x.whys, "starttls removed: the client leg is secured already")
			case s.cfg.ClientTLS == Off:
				x.cut(n)
				x.whys = append(x.whys, "starttls removed: --client-tls=off")
			}
		case isMechanisms(n):
			s.editMechanisms(n, intercepted, &x)
		case n.NS == nsBinding && n.Name == "sasl-channel-binding" && intercepted && len(s.cfg.Accounts) > 0 && len(s.bindings[Client]) > 0:
			s.editBindings(n, &x)
		case n.NS == nsBinding && n.Name == "sasl-channel-binding" && intercepted && s.cfg.OwnCertificate:
			for _, c := range n.Children {
				if t := c.Attr("type"); c.Name == "channel-binding" && t != endPoint {
					x.cut(c)
					x.whys = append(x.whys, "channel binding with "+t+" removed: only the certificate is the same on both legs (XEP-0440)")
				}
			}
		case n.NS == nsBinding && n.Name == "sasl-channel-binding" && intercepted:
			x.cut(n)
			x.whys = append(x.whys, "sasl-channel-binding removed: no channel binding is the same on both legs (XEP-0440)")
		case n.NS == nsCompression && n.Name == "compression":
			x.cut(n)
			x.whys = append(x.whys, "compression removed: compressed streams cannot be read (XEP-0138 is obsolete)")
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
		x.whys = append(x.whys, strings.Join(x.names, ", ")+" removed: bound to the TLS channel, which ends at the proxy (RFC 5802 §6)")
		s.login.stripped = true
	}
	if len(x.other) > 0 {
		x.whys = append(x.whys, strings.Join(x.other, ", ")+" removed: not in --mechanisms="+strings.Join(s.cfg.Mechanisms, ","))
	}
	if len(x.whys) == 0 {
		return f.Raw, ""
	}
	return x.apply(f.Raw, root, add), strings.Join(x.whys, "; ")
}

// editMechanisms takes out the mechanisms that cannot work on an intercepted
// leg, and those that the user does not want.
func (s *Session) editMechanisms(n *stanza.Node, intercepted bool, x *surgery) {
	left := 0
	for _, m := range n.Children {
		switch {
		case m.Name == "mechanism":
			name := strings.TrimSpace(m.Text)
			switch {
			case intercepted && bound(name) && s.cfg.OwnCertificate && n.NS == nsSASL:
				// Passed on: with tls-server-end-point it works.
				left++
			case intercepted && bound(name) && (len(s.cfg.Accounts) == 0 || n.NS != nsSASL || hashOf(name) == nil || len(s.bindings[Client]) == 0):
				x.cut(m)
				x.names = append(x.names, name)
			case len(s.cfg.Mechanisms) > 0 && !slices.ContainsFunc(s.cfg.Mechanisms, func(w string) bool { return strings.EqualFold(w, name) }):
				x.cut(m)
				x.other = append(x.other, name)
			default:
				left++
			}
		case m.Name == "inline":
			for _, in := range m.Children {
				if in.NS == nsFAST && in.Name == "fast" {
					s.editMechanisms(in, intercepted, x)
				}
			}
		}
	}
	if left == 0 && len(x.names)+len(x.other) > 0 && n.NS != nsFAST {
		hint := "let the server offer a mechanism without channel binding, or try --server-tls-max=1.2"
		if len(x.other) > 0 {
			hint = fmt.Sprintf("the server offers %s: change --mechanisms", strings.Join(append(x.other, x.names...), ", "))
		}
		s.note("error", "no mechanism is left to offer to the client", hint)
	}
}

// endPoint is the channel binding that is made of the server's certificate only
// (RFC 5929 §4).
const endPoint = "tls-server-end-point"

// editBindings leaves the types of channel binding that the client leg has.
func (s *Session) editBindings(n *stanza.Node, x *surgery) {
	for _, c := range n.Children {
		if t := c.Attr("type"); c.Name == "channel-binding" && len(s.bindings[Client][t]) == 0 {
			x.cut(c)
			x.whys = append(x.whys, "channel binding with "+t+" removed: the client leg does not have it (XEP-0440)")
		}
	}
}

// bound tells mechanisms that carry channel-binding data: SCRAM-…-PLUS and the
// FAST mechanisms but -NONE (XEP-0484 §4).
func bound(mechanism string) bool {
	if strings.HasPrefix(mechanism, "HT-") {
		return !strings.HasSuffix(mechanism, "-NONE")
	}
	return strings.HasSuffix(mechanism, "-PLUS")
}

// apply returns the bytes without the cuts and with add as first child.
func (x *surgery) apply(raw []byte, root *stanza.Node, add string) []byte {
	sort.Slice(x.cuts, func(i, j int) bool { return x.cuts[i][0] < x.cuts[j][0] })
	if root.InnerEnd <= root.InnerStart && add != "" {
		// An empty element becomes one with content.
		name := root.Name
		if root.Prefix != "" {
			name = root.Prefix + ":" + name
		}
		tag := strings.TrimRight(strings.TrimSuffix(string(raw[root.Start:root.End]), "/>"), " ")
		if strings.HasSuffix(tag, "</"+name+">") {
			tag = strings.TrimSuffix(strings.TrimSuffix(tag, "</"+name+">"), ">")
		}
		return []byte(tag + ">" + add + "</" + name + ">")
	}
	var out []byte
	at := 0
	put := func(to int) { out = append(out, raw[at:to]...); at = to }
	if add != "" {
		put(root.InnerStart)
		out = append(out, add...)
	}
	for _, c := range x.cuts {
		put(c[0])
		at = c[1]
	}
	put(len(raw))
	return out
}
