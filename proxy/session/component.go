package session

import (
	"crypto/sha1" // what XEP-0114 §3 is made of
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// This file is what is different with components (XEP-0114): no TLS, no SASL,
// but a handshake over the id of the server's stream, which is therefore passed
// on as it is.

const nsComponent = "jabber:component:accept"

// KindComponent is the kind of a session between a component and its server.
const KindComponent = "component"

// component follows the handshake. When it is accepted nothing has to be
// handled frame by frame any more.
func (s *Session) component(d record.Dir, f decode.Frame) {
	if s.cfg.Kind != KindComponent {
		return
	}
	if d == record.SC && is(f, nsStreams, "error") {
		s.explainComponent(f)
		return
	}
	if !is(f, nsComponent, "handshake") {
		return
	}
	root, err := stanza.Tree(f)
	if err != nil {
		return
	}
	if d == record.SC {
		s.authed, s.armed = true, false
		return
	}
	if s.cfg.Secret == "" {
		return
	}
	sum := sha1.Sum([]byte(s.serverID + s.cfg.Secret))
	want := hex.EncodeToString(sum[:])
	switch got := strings.TrimSpace(root.Text); {
	case subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1:
		s.note("", "the handshake is right: the component has the secret of --secret-file", "")
	case strings.EqualFold(got, want):
		s.note("warning", "the handshake is written in capitals: the server may not accept it (XEP-0114 §3)", "components send it in lower case")
	default:
		s.note("error", "the handshake is wrong: the component has another secret than that of --secret-file, or another stream id", "compare the secrets of component and server")
	}
}

// explainComponent says why a server turns a component away.
func (s *Session) explainComponent(f decode.Frame) {
	e := stanza.Parse(f).Error
	if s.authed || e == nil {
		return
	}
	switch e.Condition {
	case "not-authorized":
		if s.cfg.Secret == "" {
			s.note("error", "the server does not accept the component's handshake: most likely the secrets differ", "with --secret-file=FILE the handshake is checked, which tells whose secret is wrong")
		} else {
			s.note("error", "the server does not accept the component's handshake", "compare the secret of the server with that of --secret-file; when the handshake is right by it, the server has another one")
		}
	case "host-unknown":
		s.note("error", "the server knows no component "+s.to, "add it to the server's configuration")
	}
}
