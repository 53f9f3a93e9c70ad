package track

import (
	"fmt"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/xep"
)

// This file judges single frames, in the state that their connection is in.

// syntax judges what the decoder found.
func (c *Conn) syntax(in Frame, f *Facts) {
	err := in.Frame.Err
	if err == nil {
		return
	}
	code, ref, severity := "xml-not-well-formed", "RFC 6120 §11.3", Error
	switch err.Code {
	case decode.CodeComment, decode.CodeInstruction, decode.CodeDoctype, decode.CodeEntity:
		code, ref = "xml-forbidden", "RFC 6120 §11.1"
	case decode.CodeUTF8, decode.CodeChar:
		code, ref = "xml-encoding", "RFC 6120 §11.6"
	case decode.CodeDuplicate:
		code, ref = "attribute-twice", "Namespaces in XML §6.3"
	case decode.CodePrefix, decode.CodeNamespace, decode.CodeName:
		code, ref = "prefix-undeclared", "RFC 6120 §11.2"
	case decode.CodeStream:
		code, ref = "stream-namespace", "RFC 6120 §4.8.1"
	case decode.CodeLost:
		code, severity = "xml-lost", Note
	case decode.CodeOutside:
		if in.Injected {
			return
		}
		if c.ended[in.Dir] {
			// A stanza or an acknowledgement that crossed the end.
			f.find(Note, "stream-ended", "said behind the end of the own stream: nobody reads it", "RFC 6120 §4.4")
			return
		}
		code, ref = "stream-missing", "RFC 6120 §4.1"
	case decode.CodeIncomplete:
		code, ref, severity = "xml-cut-short", "RFC 6120 §4.4", Warning
	}
	f.find(severity, code, err.Msg, ref)
}

// maxSize is what many servers take from a client (RFC 6120 §13.12 demands
// 10,000 bytes at least).
const maxSize = 256 << 10

func (c *Conn) size(in Frame, f *Facts) {
	n := len(in.Frame.Raw)
	if limit := c.limits.bytes[in.Dir]; limit > 0 && (n > limit || in.Frame.Part == decode.First) {
		f.find(Error, "stream-limit", fmt.Sprintf("%d bytes, the peer takes %d", n, limit), "XEP-0478 §3")
		return
	}
	if n > maxSize || in.Frame.Part == decode.First {
		f.find(Warning, "stanza-oversized", fmt.Sprintf("%d bytes or more: many servers end the stream above %d", n, maxSize), "RFC 6120 §13.12")
	}
}

func (t *Tracker) stanza(c *Conn, in Frame, f *Facts) {
	s := in.Stanza
	c.ledger.late(in.At, f)
	t.addresses(in, f)
	c.order(in, f)
	c.manage.count(in, f)
	if s.Type == "error" {
		c.errors(in, f)
	}
	c.outdated(s, f)
	switch s.Kind {
	case "iq":
		c.form(s, f)
		if c.fed.on {
			t.cross.iq(in, f)
			break
		}
		c.ledger.iq(c, in, f)
		t.bind(c, in)
		t.queries(c, in)
	case "presence":
		switch s.Type {
		case "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe":
			if in.Dir == CS && s.To == "" && !c.fed.on {
				f.find(Error, "presence-missing-to", "presence of type "+s.Type+" without a receiver", "RFC 6121 §3")
			}
		case "", "unavailable", "error":
		default:
			f.find(Error, "presence-type", fmt.Sprintf("presence of the unknown type %q", s.Type), "RFC 6121 §4.7.1")
		}
	case "message":
		switch s.Type {
		case "", "normal", "chat", "groupchat", "headline", "error":
		default:
			f.find(Note, "message-type", fmt.Sprintf("message of the unknown type %q counts as normal", s.Type), "RFC 6121 §5.2.2")
		}
		if in.Dir == CS && s.Type == "groupchat" && s.To == "" && !c.fed.on {
			f.find(Error, "message-missing-to", "a message to a room without its address", "XEP-0045 §7.4")
		}
	}
	t.correlate(c, in, f)
}

// addresses checks from and to.
func (t *Tracker) addresses(in Frame, f *Facts) {
	for _, a := range [2]struct{ name, value string }{{"from", in.Stanza.From}, {"to", in.Stanza.To}} {
		if a.value == "" {
			continue
		}
		err, known := t.jids[a.value]
		if !known {
			_, err = stanza.ParseJID(a.value)
			if len(t.jids) >= 10_000 {
				clear(t.jids)
			}
			t.jids[strings.Clone(a.value)] = err
		}
		if err != nil {
			f.find(Error, "jid-invalid", a.name+": "+strings.TrimPrefix(err.Error(), "stanza: "), "RFC 7622 §3")
		}
	}
}

// order judges whether a stanza may be sent now.
func (c *Conn) order(in Frame, f *Facts) {
	s := in.Stanza
	if in.Injected {
		return
	}
	if c.fed.on {
		c.authorised(in, f)
		return
	}
	isBind := s.Kind == "iq" && len(s.Payloads) > 0 && (s.Payloads[0].NS == nsBind || s.Payloads[0].NS == "urn:ietf:params:xml:ns:xmpp-session")
	early := s.Kind == "iq" && len(s.Payloads) > 0 && (s.Payloads[0].NS == "jabber:iq:register" || s.Payloads[0].NS == "jabber:iq:auth")
	switch {
	case early, in.Dir == SC:
	case c.headers[CS] > 0 && len(c.offer) > 0 && c.Login.Result != "success":
		f.find(Error, "stanza-before-auth", "a stanza before the login is done", "RFC 6120 §6.2")
	case c.Login.Result == "success" && c.Bound.Resource == "" && c.SM != "resumed" && !isBind && c.manage == nil:
		if s.Kind == "presence" && s.Type == "unavailable" {
			f.find(Warning, "presence-before-bind", "unavailable presence before a resource is bound", "RFC 6120 §7.1")
		} else {
			f.find(Error, "stanza-before-bind", "a stanza before a resource is bound", "RFC 6120 §7.1")
		}
	}
	if in.Dir == CS && s.From != "" && c.Bound.Domain != "" {
		if j := normal(s.From); j != c.Bound && j != c.Bound.Bare() {
			f.find(Error, "from-not-bound", fmt.Sprintf("from is %s, bound is %s: the server must refuse it", s.From, c.Bound), "RFC 6120 §8.1.2.1")
		}
	}
}

// form judges an iq by itself.
func (c *Conn) form(s *stanza.Stanza, f *Facts) {
	if s.ID == "" {
		f.find(Error, "iq-missing-id", "an iq without an id cannot be answered", "RFC 6120 §8.1.3")
	}
	n := len(s.Payloads)
	switch s.Type {
	case "get", "set":
		if n != 1 {
			f.find(Error, "iq-payloads", fmt.Sprintf("an iq of type %s has exactly one child element, this has %d", s.Type, n), "RFC 6120 §8.2.3")
		}
	case "result":
		if n > 1 {
			f.find(Error, "iq-payloads", fmt.Sprintf("an iq result has at most one child element, this has %d", n), "RFC 6120 §8.2.3")
		}
	case "error":
		if s.Error == nil || s.Error.Condition == "" {
			f.find(Warning, "error-condition", "an error without a condition", "RFC 6120 §8.3.2")
		}
	default:
		f.find(Error, "iq-type", fmt.Sprintf("an iq of the unknown type %q", s.Type), "RFC 6120 §8.2.3")
	}
}

// errors looks for an error that answers an error, which can go on for ever.
func (c *Conn) errors(in Frame, f *Facts) {
	s := in.Stanza
	if s.ID == "" {
		return
	}
	key := s.Kind + " " + s.ID
	if c.errorIDs[in.Dir.other()][key] {
		f.find(Error, "error-for-error", "an error in answer to an error", "RFC 6120 §8.3.1")
	}
	if m := c.errorIDs[in.Dir]; m == nil || len(m) > 1000 {
		c.errorIDs[in.Dir] = make(map[string]bool)
	}
	c.errorIDs[in.Dir][key] = true
}

// outdated names specifications that should not be used any more, each once a
// connection.
func (c *Conn) outdated(s *stanza.Stanza, f *Facts) {
	for _, p := range s.Payloads {
		if p.XEP == "" || c.obsolete[p.NS] {
			continue
		}
		if spec, ok := xep.Lookup(p.NS); ok {
			switch spec.Status {
			case "Deprecated", "Obsolete", "Rejected", "Retracted":
				if len(c.obsolete) < 1000 {
					c.obsolete[p.NS] = true
				}
				f.find(Note, "xep-outdated", fmt.Sprintf("%s (%s) is %s", spec.ID, spec.Title, strings.ToLower(spec.Status)), spec.ID)
			}
		}
	}
}

// bind learns the address of the connection.
func (t *Tracker) bind(c *Conn, in Frame) {
	s := in.Stanza
	if in.Dir != SC || s.Type != "result" || len(s.Payloads) == 0 || s.Payloads[0].NS != nsBind {
		return
	}
	root := s.Root()
	if root == nil {
		return
	}
	if j := root.Child(nsBind, "bind").Child(nsBind, "jid"); j != nil {
		c.Bound = normal(strings.TrimSpace(j.Text))
		c.enter(PhaseOnline, in.At)
		c.detail(c.Bound.String())
	}
}
