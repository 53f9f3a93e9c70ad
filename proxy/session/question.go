package session

import (
	"bytes"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// This file is about clients that do not say with their first element who they
// are: a login may begin without a SASL message, which the server then asks for
// with an empty challenge (RFC 6120 §6.4.2, XEP-0388 §2.3). By then the server
// would know the mechanism, and the proxy not yet whether it is to log in by
// itself. So the proxy asks in the server's place, and the server gets the
// client's answer as if it had come at once:
//
//	client → proxy      proxy → server
//	auth
//	challenge, empty
//	response            auth, with the message of that
const questionWhy = "the client says only when it is asked who it is: the proxy asks, to know whether it is to log in on each leg by itself (--account)"

// asks takes over the beginning of a login that holds no message.
func (s *Session) asks(m saslMessage) bool {
	mechanism := m.root.Attr("mechanism")
	if m.root.NS == nsSASL && strings.TrimSpace(m.root.Text) != "" || m.root.NS == nsSASL2 && m.data != nil || hashOf(mechanism) == nil && mechanism != "PLAIN" || !s.mayKnow() {
		return false
	}
	q := m.f
	q.Raw, q.Name, q.NS, q.Prefix = bytes.Clone(q.Raw), bytes.Clone(q.Name), bytes.Clone(q.NS), bytes.Clone(q.Prefix)
	s.question = &q
	s.drop(record.CS, m.f, questionWhy)
	s.inject(record.SC, "<challenge xmlns='"+m.root.NS+"'/>", questionWhy)
	return true
}

// isAnswer takes what the client says to the question.
func (s *Session) isAnswer(f decode.Frame, m saslMessage) bool {
	q := s.question
	if m.root.NS != string(q.NS) {
		return false
	}
	s.question = nil
	switch m.root.Name {
	case "response":
		q.Raw = begun(*q, strings.TrimSpace(m.root.Text))
		whole, ok := readSASL(*q)
		s.login.fromClient(s, *q)
		if ok && s.takesOver(f, whole) {
			return true
		}
		s.login.warn(s, *q)
		s.replace(record.CS, f, string(q.Raw), "what the client said when it was asked, in the element with which it began")
		return true
	case "abort":
		s.login.failed = true
		s.drop(record.CS, f, "the server does not know of the login that the client gives up")
		s.inject(record.SC, failureOf(m.root.NS, "aborted"), "the client gave up")
		return true
	}
	return false
}

// begun returns the beginning of a login with a message, in base64, put in.
func begun(f decode.Frame, text string) []byte {
	root, err := stanza.Tree(f)
	if err != nil {
		return f.Raw
	}
	switch {
	case root.NS == nsSASL2:
		name := strings.TrimSuffix(qualified(root), root.Name) + "initial-response"
		text = "<" + name + ">" + text + "</" + name + ">"
	case text == "":
		text = "=" // an empty message, in contrast to none
	}
	if raw := f.Raw[root.Start:root.End]; bytes.HasSuffix(raw, []byte("/>")) && root.InnerStart >= root.InnerEnd {
		text = string(raw[:len(raw)-2]) + ">" + text + "</" + qualified(root) + ">"
		return spliced(f.Raw, []splice{{root.Start, root.End, text}})
	}
	return spliced(f.Raw, []splice{{root.InnerStart, root.InnerStart, text}})
}
