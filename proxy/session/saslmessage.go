package session

import (
	"encoding/base64"
	"sort"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// This file reads and rewrites SASL messages in both profiles, RFC 6120 §6.4 and
// XEP-0388. A message that is rewritten keeps everything else that its element
// holds: the second profile carries the client's name, resource binding,
// resumption and tokens in there.

// A saslMessage is an element of a login.
type saslMessage struct {
	f    decode.Frame
	root *stanza.Node
	data *stanza.Node // the element whose text is SASL's; nil = there is none
	text string       // what it says
}

// readSASL reads a frame; ok is false where it is no SASL message that can be
// read.
func readSASL(f decode.Frame) (m saslMessage, ok bool) {
	if ns := string(f.NS); ns != nsSASL && ns != nsSASL2 || f.Kind != decode.Element || f.Part != decode.Whole {
		return m, false
	}
	root, err := stanza.Tree(f)
	if err != nil {
		return m, false
	}
	m = saslMessage{f: f, root: root, data: root}
	if root.NS == nsSASL2 {
		switch root.Name {
		case "authenticate":
			m.data = root.Child(nsSASL2, "initial-response")
		case "success", "continue":
			m.data = root.Child(nsSASL2, "additional-data")
		}
	}
	if m.data == nil {
		return m, true
	}
	text := strings.TrimSpace(m.data.Text)
	if text == "=" { // an empty message, RFC 6120 §6.4.2
		return m, true
	}
	b, err := base64.StdEncoding.DecodeString(text)
	m.text = string(b)
	return m, err == nil
}

// begins tells the message that a login begins with.
func (m *saslMessage) begins() bool {
	return m.root.NS == nsSASL && m.root.Name == "auth" || m.root.NS == nsSASL2 && m.root.Name == "authenticate"
}

// with returns the element with another SASL message in it.
func (m *saslMessage) with(text string) string { return m.rewrite(text, "") }

// without returns the element without a SASL message.
func (m *saslMessage) without() string {
	switch {
	case m.data == nil:
		return string(m.f.Raw)
	case m.data == m.root:
		return m.splice([]splice{{m.root.InnerStart, m.root.InnerEnd, ""}})
	}
	return m.splice([]splice{{m.data.Start, m.data.End, ""}})
}

// rewrite puts in another message, and another mechanism if one is given.
func (m *saslMessage) rewrite(text, mechanism string) string {
	var list []splice
	if m.data != nil {
		list = append(list, splice{m.data.InnerStart, m.data.InnerEnd, encode(text)})
		if m.data.InnerStart >= m.data.InnerEnd && strings.HasSuffix(string(m.f.Raw[m.data.Start:m.data.End]), "/>") {
			// <response/> and such have no inside to write into.
			tag := string(m.f.Raw[m.data.Start : m.data.End-2])
			list[0] = splice{m.data.Start, m.data.End, tag + ">" + encode(text) + "</" + qualified(m.data) + ">"}
		}
	}
	for _, a := range m.root.Attrs {
		if a.Name == "mechanism" && mechanism != "" {
			list = append(list, splice{a.Start, a.End, mechanism})
		}
	}
	return m.splice(list)
}

func qualified(n *stanza.Node) string {
	if n.Prefix != "" {
		return n.Prefix + ":" + n.Name
	}
	return n.Name
}

// A splice puts text where the bytes [start,end) were.
type splice struct {
	start, end int
	text       string
}

func (m *saslMessage) splice(list []splice) string { return string(spliced(m.f.Raw, list)) }

// spliced applies splices, which must not overlap.
func spliced(raw []byte, list []splice) []byte {
	// What is put in goes before what is cut out at the same place.
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i], list[j]
		return a.start < b.start || a.start == b.start && a.end == a.start && b.end > b.start
	})
	var out []byte
	at := 0
	for _, x := range list {
		if x.start < at {
			continue // inside of what is cut out
		}
		out = append(append(out, raw[at:x.start]...), x.text...)
		at = x.end
	}
	return append(out, raw[at:]...)
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// failureOf is a failure of the proxy's own, in the profile ns.
func failureOf(ns, condition string) string {
	if ns == nsSASL2 {
		return "<failure xmlns='" + nsSASL2 + "'><" + condition + " xmlns='" + nsSASL + "'/></failure>"
	}
	return "<failure xmlns='" + nsSASL + "'><" + condition + "/></failure>"
}
