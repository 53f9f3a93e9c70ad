package track

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

const (
	nsTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2   = "urn:xmpp:sasl:2"
	nsFraming = "urn:ietf:params:xml:ns:xmpp-framing" // RFC 7395
	nsStreams = "http://etherx.jabber.org/streams"
	nsSM3     = "urn:xmpp:sm:3"
	nsSM2     = "urn:xmpp:sm:2"
	nsBind    = "urn:ietf:params:xml:ns:xmpp-bind"
)

// Auth is a login as far as it can be read without secrets.
type Auth struct {
	Mechanism  string
	User       string
	GS2        string // n: no channel binding; y: would bind, sees none offered; p: binds (RFC 5802 §7)
	Binding    string // the type of channel binding that is used, with p
	Iterations string // of SCRAM
	Offers     string // the server's hash of what it offered, base64 (XEP-0474)
	Result     string // "", success, or the failure's condition
	Offered    []string
	// Server is the login on the server leg, where the proxy does it itself;
	// nil where there is but one.
	Server *Auth

	open   bool // asked and not answered
	tapped bool // TLS goes from client to server: the channel is the same for both
	proved bool // the proof, or the password, was sent
	n      int  // entry where it began
}

// features remembers what is offered.
func (c *Conn) features(in Frame, root *stanza.Node) {
	var offer []string
	for _, m := range root.Children {
		if m.NS != nsSASL && m.NS != nsSASL2 {
			if m.Name == "limits" && m.NS == "urn:xmpp:stream-limits:0" {
				if b := m.Child("", "max-bytes"); b != nil {
					fmt.Sscan(strings.TrimSpace(b.Text), &c.limits.bytes[in.Dir.other()])
				}
			}
			continue
		}
		for _, x := range m.Children {
			if x.Name == "mechanism" {
				offer = append(offer, strings.TrimSpace(x.Text))
			}
		}
	}
	if offer != nil {
		c.offer = offer
	}
	if o := stanza.ReadOffer(root); o.SASL {
		if !in.Injected {
			c.offered = o
		}
		if sent := in.sent(); sent != nil {
			o = stanza.ReadOffer(sent)
		}
		if !in.Edited || len(in.Sent) > 0 {
			c.shown = o
		}
	}
	if c.Login.Result == "success" && c.phase == PhaseSASL && !c.fed.on {
		c.enter(PhaseBind, in.At)
	}
}

// login follows a SASL exchange (RFC 6120 §6.4, XEP-0388).
func (c *Conn) login(in Frame, root *stanza.Node, f *Facts) {
	l := &c.Login
	switch root.Name {
	case "auth", "authenticate":
		*l = Auth{Mechanism: root.Attr("mechanism"), open: true, n: in.N, Offered: c.offer, tapped: c.tapped}
		c.enter(PhaseSASL, in.At)
		text := root.Text
		if i := root.Child(nsSASL2, "initial-response"); i != nil {
			text = i.Text
		}
		l.read(text, true)
		l.relayed(in, c.offer)
		c.detail(l.words())
		if !c.secure[0] && !c.secure[1] {
			severity := Warning
			if l.Mechanism == "PLAIN" {
				severity = Error
			}
			f.find(severity, "sasl-clear", "login with "+l.Mechanism+" over a connection that is not encrypted", "RFC 6120 §13.8.3")
		}
	case "challenge":
		l.read(root.Text, false)
		c.offerHash(in, root, f)
		c.detail(l.words())
		f.relate(Login, l.n)
	case "response":
		l.read(root.Text, true)
		if sent := in.sent(); sent != nil && sent.Name != root.Name { // the login begins with it
			if saslText(sent) != root.Text {
				l.relayed(in, c.offer)
			}
			c.detail(l.words())
			f.relate(Login, l.n)
			break
		}
		l.proved = true
		f.relate(Login, l.n)
	case "success":
		l.open, l.Result = false, "success"
		f.relate(Login, l.n)
		if c.fed.on {
			c.external(in, f, true)
			break
		}
		if root.NS == nsSASL2 {
			if id := root.Child("", "authorization-identifier"); id != nil {
				if j := stanza.SplitJID(strings.TrimSpace(id.Text)); j.Resource != "" {
					c.Bound = j
				}
			}
			c.enter(PhaseBind, in.At)
			if c.Bound.Resource != "" {
				c.enter(PhaseOnline, in.At)
				c.detail(c.Bound.String())
			}
		} else {
			c.enter(PhaseBind, in.At)
		}
	case "failure":
		l.open = false
		l.Result = "failure"
		if in.Stanza.Error != nil && in.Stanza.Error.Condition != "" {
			l.Result = in.Stanza.Error.Condition
		}
		f.relate(Login, l.n)
		c.detail(l.words() + ", " + l.Result)
		if c.fed.on && l.Mechanism == "EXTERNAL" {
			c.external(in, f, false)
			break
		}
		var text, ref string
		switch {
		case in.Injected:
			text, ref = "the proxy refused the login: "+in.Why, "RFC 6120 §6.5"
		case in.Edited && len(in.Sent) == 0: // the answer to an abort of the proxy's own
			return
		case l.Server != nil:
			text, ref = l.diagnoseServer(in.Stanza.Error)
		default:
			text, ref = l.diagnose(in.Stanza.Error)
		}
		f.find(Error, "login-failed", text, ref)
	}
}

// words for the phase.
func (l *Auth) words() string {
	w := l.Mechanism
	if l.User != "" {
		w += " as " + l.User
	}
	if l.Iterations != "" {
		w += ", " + l.Iterations + " iterations"
	}
	switch l.GS2 {
	case "y":
		w += ", would bind to the channel"
	case "p":
		w += ", bound with " + l.Binding
	}
	if l.Server != nil {
		w += "; with the server " + l.Server.words()
	}
	return w
}

// read takes from a message what is no secret (RFC 4616, RFC 5802 §5.1).
func (l *Auth) read(text string, client bool) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return
	}
	s := string(b)
	if l.Mechanism == "EXTERNAL" {
		l.User = s // an authorisation identity, or nothing
		return
	}
	if l.Mechanism == "PLAIN" {
		if p := strings.Split(s, "\x00"); len(p) == 3 {
			l.User, l.proved = p[1], true
		}
		return
	}
	if strings.HasPrefix(l.Mechanism, "HT-") && client {
		l.User, _, _ = strings.Cut(s, "\x00")
		l.proved = true
		return
	}
	if !strings.HasPrefix(l.Mechanism, "SCRAM-") {
		return
	}
	if client && l.GS2 == "" && len(s) > 1 {
		l.GS2 = s[:1]
		if rest, ok := strings.CutPrefix(s, "p="); ok {
			l.Binding, _, _ = strings.Cut(rest, ",")
		}
	}
	for field := range strings.SplitSeq(s, ",") {
		if len(field) < 2 || field[1] != '=' {
			continue
		}
		v := field[2:]
		switch {
		case client && field[0] == 'n':
			l.User = v
		case client && field[0] == 'p' && len(v) > 20:
			l.proved = true
		case !client && field[0] == 'i':
			l.Iterations = v
		case !client && (field[0] == 'd' || field[0] == 'h'):
			l.Offers = v
		}
	}
}

// diagnose says in one sentence why a login failed, and the way out.
func (l *Auth) diagnose(e *stanza.Error) (text, ref string) {
	said := ""
	if e != nil && e.Text != "" {
		said = fmt.Sprintf(" (the server says %q)", e.Text)
	}
	binds := slices.ContainsFunc(l.Offered, func(m string) bool { return strings.HasSuffix(m, "-PLUS") })
	const out = "; give the account's password with --account, leave TLS alone with --tap, or offer what is not bound with --mechanisms=PLAIN, where the server allows it"
	switch {
	case l.tapped && l.GS2 == "p" && l.Result == "not-authorized":
		return fmt.Sprintf("wrong password, or a binding mismatch: %s is bound to the TLS channel with %s. The channel is the same for client and server here, TLS goes through untouched; when the password is right, one of them computes the binding wrongly%s", l.Mechanism, cmp.Or(l.Binding, "channel binding"), said), "RFC 5802 §6"
	case l.tapped && l.GS2 == "y" && binds:
		return fmt.Sprintf("downgrade detected: the client could bind to the channel and saw nothing to do so, but the server does offer it and must refuse; nothing was taken out of the offer on the way through xmpplens%s", said), "RFC 5802 §6"
	case (l.GS2 == "p" || strings.HasSuffix(l.Mechanism, "-PLUS")) && !l.tapped:
		return fmt.Sprintf("binding mismatch: %s is bound to the TLS channel with %s, and through the proxy client and server have different channels%s%s", l.Mechanism, cmp.Or(l.Binding, "channel binding"), out, said), "RFC 5802 §6"
	case l.GS2 == "y" && binds:
		return fmt.Sprintf("downgrade detected: the client could bind to the channel and was offered nothing to do so, but the server does offer it and must refuse%s%s", out, said), "RFC 5802 §6"
	case l.Result == "invalid-mechanism" || len(l.Offered) > 0 && !slices.Contains(l.Offered, l.Mechanism):
		return fmt.Sprintf("mechanism missing: the client tried %s, the server offers %s; enable one that both know%s", cmp.Or(l.Mechanism, "none"), cmp.Or(strings.Join(l.Offered, ", "), "none"), said), "RFC 6120 §6.5.7"
	}
	switch l.Result {
	case "not-authorized":
		if l.proved {
			return fmt.Sprintf("wrong password: the server does not accept the proof of %s; or the account does not exist%s", cmp.Or(l.User, "the user"), said), "RFC 6120 §6.5.10"
		}
		return "the server refused before a password was proved" + said, "RFC 6120 §6.5.10"
	case "account-disabled":
		return "the account is disabled" + said, "RFC 6120 §6.5.2"
	case "credentials-expired":
		return "the password has expired; set a new one" + said, "RFC 6120 §6.5.3"
	case "encryption-required":
		return "the server wants TLS before this mechanism; use --server-tls=starttls" + said, "RFC 6120 §6.5.4"
	case "malformed-request":
		return "the server could not read the login" + said, "RFC 6120 §6.5.8"
	case "mechanism-too-weak":
		return l.Mechanism + " is too weak for the server; use a stronger mechanism" + said, "RFC 6120 §6.5.9"
	case "temporary-auth-failure":
		return "the server cannot check passwords for now; try again later" + said, "RFC 6120 §6.5.11"
	case "aborted":
		return "the client gave the login up" + said, "RFC 6120 §6.5.1"
	}
	return "the login failed with " + l.Result + said, "RFC 6120 §6.5"
}
