package session

import (
	"encoding/base64"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// login follows the SASL exchange as far as the session needs it: to know when
// authentication has ended, and to name the failure that taking channel
// binding away causes.
type login struct {
	stripped  bool // mechanisms with channel binding were taken out of an offer
	tried     bool
	done      bool // the server said success
	failed    bool
	mechanism string
	gs2       byte // first byte of the gs2 header: n, y or p (RFC 5802 §7); 0 = none seen
}

func (l *login) fromClient(s *Session, f decode.Frame) {
	initial := ""
	switch {
	case is(f, nsSASL, "auth"):
		if root, err := stanza.Tree(f); err == nil {
			l.mechanism, initial = root.Attr("mechanism"), root.Text
		}
	case is(f, nsSASL2, "authenticate"):
		root, err := stanza.Tree(f)
		if err != nil {
			break
		}
		l.mechanism = root.Attr("mechanism")
		for _, c := range root.Children {
			if c.Name == "initial-response" && c.NS == nsSASL2 {
				initial = c.Text
			}
		}
	case is(f, "jabber:iq:auth", "query"):
	default:
		return
	}
	l.tried, l.failed, l.gs2 = true, false, 0
	if strings.HasPrefix(l.mechanism, "SCRAM-") {
		if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(initial)); err == nil && len(b) > 0 {
			l.gs2 = b[0]
		}
	}
	if kind, ok := strings.CutPrefix(initialText(initial), "p="); ok && s.cfg.OwnCertificate {
		if kind, _, _ = strings.Cut(kind, ","); kind != endPoint {
			s.note("warning", "the client binds its login to the TLS channel with "+kind+", which differs on the two legs; only "+endPoint+" is the same with --cert", "make the client use "+endPoint+", or use --account and --password-file")
		}
	}
	if bound(l.mechanism) && l.stripped {
		s.note("warning", "the client logs in with "+l.mechanism+" although it was not offered: the server must refuse it, the TLS channels of the two legs differ", l.wayOut())
	}
}

func (l *login) fromServer(s *Session, f decode.Frame) {
	switch {
	case is(f, nsSASL, "success"), is(f, nsSASL2, "success"):
		l.done = true
	case is(f, nsSASL, "failure"), is(f, nsSASL2, "failure"):
		l.failed = true
		if l.stripped && l.gs2 == 'y' {
			s.note("error", "the login failed because of the proxy: the client supports channel binding, saw none offered and said so (gs2 flag y in "+l.mechanism+
				"); the server does offer it and must take that for a downgrade attack (RFC 5802 §6)", l.wayOut())
		} else if l.stripped && l.gs2 == 'p' {
			s.note("error", "the login failed because of the proxy: "+l.mechanism+" is bound to the TLS channel, which differs on the two legs (RFC 5802 §6)", l.wayOut())
		}
	}
}

// initialText decodes what a login begins with.
func initialText(initial string) string {
	b, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(initial))
	return string(b)
}

// wayOut is what works where channel binding is in use.
func (l *login) wayOut() string {
	return "give the password of a test account with --account=JID --password-file=FILE, offer what is not bound to the channel with --mechanisms=PLAIN (where the server allows PLAIN), or try --server-tls-max=1.2 when the server binds with tls-exporter only"
}
