package stanza

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
)

// The namespaces of BOSH: of the wrapper (XEP-0124), and of the attributes that
// XMPP adds to it (XEP-0206).
const (
	nsBOSH  = "http://jabber.org/protocol/httpbind"
	nsXBOSH = "urn:xmpp:xbosh"
)

// A Body is what the wrapper of a BOSH request or response says: the attributes
// of its start tag. Numbers are as they stand there, "" where there are none.
type Body struct {
	SID, RID, Ack         string
	Type, Condition       string // terminate, error
	From, To, Route, Lang string
	Wait, Hold, Requests  string
	Inactivity, Polling   string
	Pause, MaxPause       string
	Key, NewKey, Stream   string
	Version               string // xmpp:version
	Restart               bool   // xmpp:restart
	Empty                 bool   // nothing is inside
}

// ReadBody returns what a BOSH wrapper says; false when the frame is none.
func ReadBody(f decode.Frame) (Body, bool) {
	h := f.Stream
	if f.Kind != decode.Header || h == nil || h.NS != nsBOSH {
		return Body{}, false
	}
	b := Body{SID: h.Attr("sid"), RID: h.Attr("rid"), Ack: h.Attr("ack"), Type: h.Attr("type"), Condition: h.Attr("condition"), From: h.Attr("from"), To: h.Attr("to"), Route: h.Attr("route"), Lang: h.Attr("xml:lang"),
		Wait: h.Attr("wait"), Hold: h.Attr("hold"), Requests: h.Attr("requests"), Inactivity: h.Attr("inactivity"), Polling: h.Attr("polling"), Pause: h.Attr("pause"), MaxPause: h.Attr("maxpause"),
		Key: h.Attr("key"), NewKey: h.Attr("newkey"), Stream: h.Attr("stream"), Empty: strings.HasSuffix(string(f.Raw), "/>")}
	for _, a := range h.Attrs {
		if a.Prefix == "" {
			continue
		}
		if ns, _ := h.Lookup(a.Prefix); ns != nsXBOSH {
			continue
		}
		switch a.Name {
		case "version":
			b.Version = a.Value
		case "restart":
			b.Restart = a.Value == "true" || a.Value == "1"
		}
	}
	return b, true
}

// Asks reports whether it asks for a session: the only request without a sid.
func (b *Body) Asks() bool { return b.RID != "" && b.SID == "" }

// Grants reports whether it begins a session: the answer to one that asks. Some
// servers say the sid in every answer.
func (b *Body) Grants() bool {
	return b.RID == "" && b.SID != "" && b.Type == "" && b.Wait+b.Hold+b.Requests+b.Inactivity != ""
}

// Quiet reports whether it says nothing by itself: a poll, or the wrapping of
// what is inside.
func (b *Body) Quiet() bool {
	return b.Type == "" && !b.Asks() && !b.Grants() && !b.Restart && b.Pause == "" && b.NewKey == "" && (b.To == "" || b.SID == "")
}

// body fills in what is known of a wrapper.
func (s *Stanza) body(f decode.Frame) bool {
	b, ok := ReadBody(f)
	if !ok {
		return false
	}
	s.Type, s.From, s.To, s.Lang = b.Type, b.From, b.To, b.Lang
	s.ID = cmp.Or(b.RID, b.SID)
	s.payload(&Node{Name: "body", NS: nsBOSH})
	if b.Condition != "" {
		s.Error = &Error{Condition: b.Condition}
	}
	if b.Quiet() {
		s.Kind = "body"
	}
	s.Summary = b.words()
	return true
}

// words of the wrapper, by what matters most.
func (b *Body) words() string {
	w := ""
	add := func(parts ...string) {
		if p := join(parts...); p != "" {
			w += after(", ", p)
		}
	}
	switch {
	case b.Type == "terminate":
		w = "BOSH session ends" + after(": ", b.Condition)
	case b.Type == "error":
		w = "BOSH: the requests that have no answer are to be sent again"
	case b.Type != "":
		w = "BOSH body of the unknown type " + b.Type
	case b.Asks():
		w = join("BOSH session asked", route(b.From, b.To))
		add(unit("wait", b.Wait, "s"))
		add(unit("hold", b.Hold, ""))
		add(unit("version", b.Version, ""))
		add(unit("route", b.Route, ""))
	case b.Restart:
		w = join("BOSH stream restart", route(b.From, b.To))
	case b.Pause != "":
		w = fmt.Sprintf("BOSH session pauses for %s s", b.Pause)
	case b.Grants():
		w = join("BOSH session", b.SID, route(b.From, ""))
		add(unit("wait", b.Wait, "s"))
		add(unit("hold", b.Hold, ""))
		add(unit("", b.Requests, "requests at a time"))
		add(unit("polls at least", b.Polling, "s apart"))
		add(unit("ends after", b.Inactivity, "s without a request"))
		add(unit("can pause for", b.MaxPause, "s"))
	case b.To != "" && b.SID != "":
		w = join("BOSH: another stream asked", route(b.From, b.To))
	case b.Empty:
		w = "BOSH poll"
		if b.RID == "" {
			w = "BOSH answer without content"
		}
	case b.RID == "":
		w = "BOSH answer"
	default:
		w = "BOSH request"
	}
	add(unit("rid", b.RID, ""))
	add(unit("stream", b.Stream, ""))
	add(unit("acknowledges", b.Ack, ""))
	if b.NewKey != "" {
		add("protected by a new sequence of keys")
	}
	return w
}
