package replay

import (
	"sort"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// maxIDs bounds the ids of one session that stand for recorded ones; the oldest
// are forgotten.
const maxIDs = 10_000

// A rewriter makes of recorded stanzas such that fit into a live session: with
// its addresses, ids and times. The ids it learns from pairs of a recorded
// stanza of the peer's and the live one that stands for it.
type rewriter struct {
	names Names
	shift time.Duration // from recorded time to now

	ids   map[string]string // recorded to live; at most maxIDs
	order []string          // its keys, the oldest first
}

// opaque are the attributes whose values the other side made up and gets back.
var opaque = map[string]bool{"id": true, "queryid": true, "sid": true, "sessionid": true, "previd": true, "thread": true}

// opaqueText are elements with such values as text.
var opaqueText = map[string]bool{"thread": true, "first": true, "last": true, "before": true, "after": true, "sessionid": true}

// prose are elements whose text is for people: an address in there is no
// address.
var prose = map[string]bool{"body": true, "subject": true, "status": true, "text": true, "desc": true, "p": true, "span": true, "title": true, "reason": true}

// addressed are the attributes in which a domain alone is an address, too.
var addressed = map[string]bool{"to": true, "from": true, "jid": true, "by": true}

func (w *rewriter) learnID(recorded, live string) {
	if recorded == "" || len(recorded) > maxAddress || len(live) > maxAddress {
		return
	}
	if w.ids == nil {
		w.ids = make(map[string]string)
	}
	if _, known := w.ids[recorded]; !known {
		if recorded == live {
			return
		}
		if len(w.order) == maxIDs {
			delete(w.ids, w.order[0])
			w.order = w.order[1:]
		}
		w.order = append(w.order, recorded)
	}
	w.ids[recorded] = live
}

// learn compares a recorded stanza with the live one that stands for it.
func (w *rewriter) learn(recorded, live *stanza.Node) {
	for _, a := range recorded.Attrs {
		if opaque[a.Name] {
			if v := live.Attr(a.Name); v != "" {
				w.learnID(a.Value, v)
			}
		}
	}
	if opaqueText[recorded.Name] && len(recorded.Children) == 0 && strings.TrimSpace(live.Text) != "" {
		w.learnID(strings.TrimSpace(recorded.Text), strings.TrimSpace(live.Text))
	}
	// Children of one name are paired in their order.
	type name struct{ ns, name string }
	at := make(map[name]int)
	for _, c := range recorded.Children {
		k := name{c.NS, c.Name}
		for i := at[k]; i < len(live.Children); i++ {
			if l := live.Children[i]; l.NS == c.NS && l.Name == c.Name {
				w.learn(c, l)
				at[k] = i + 1
				break
			}
			at[k] = i + 1
		}
	}
}

// learnPeer takes the resource that somebody has now.
func (w *rewriter) learnPeer(recorded, live string) {
	r, l := stanza.SplitJID(recorded), stanza.SplitJID(live)
	if r.Resource != "" && l.Resource != "" && strings.EqualFold(w.names.Live(r.Bare().String()), l.Bare().String()) && w.names.Live(recorded) != live {
		w.learnID(recorded, live)
	}
}

// A change puts text where the bytes [start,end) of a frame were.
type change struct {
	start, end int
	text       string
}

// live returns a recorded stanza as it is said now. With id it gets that id,
// whatever it had.
func (w *rewriter) live(f decode.Frame, root *stanza.Node, id string) []byte {
	var changes []change
	if root.Start == 0 {
		if decl := inherit(f, root); decl != "" {
			at := 1 + len(root.Name)
			if root.Prefix != "" {
				at += len(root.Prefix) + 1
			}
			changes = append(changes, change{at, at, decl})
		}
	}
	todo := []*stanza.Node{root}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], n.Children...)
		for _, a := range n.Attrs {
			v := w.attribute(n, a)
			if n == root && a.Name == "id" && id != "" {
				v = id
			}
			if v != a.Value {
				changes = append(changes, change{a.Start, a.End, escape(v)})
			}
		}
		if len(n.Children) == 0 && n.InnerStart < n.InnerEnd && n.Text != "" && !prose[n.Name] {
			if v := w.text(n); v != n.Text {
				changes = append(changes, change{n.InnerStart, n.InnerEnd, escape(v)})
			}
		}
	}
	if len(changes) == 0 {
		return append([]byte(nil), f.Raw...)
	}
	sort.SliceStable(changes, func(i, j int) bool { return changes[i].start < changes[j].start })
	out := make([]byte, 0, len(f.Raw)+64)
	at := 0
	for _, c := range changes {
		if c.start < at || c.end > len(f.Raw) {
			continue
		}
		out = append(append(out, f.Raw[at:c.start]...), c.text...)
		at = c.end
	}
	return append(out, f.Raw[at:]...)
}

// inherit is what the recorded stream declared and the replayed one does not:
// RFC 6120 §4.8.
func inherit(f decode.Frame, root *stanza.Node) string {
	tag := string(f.Raw[:min(root.InnerStart, len(f.Raw))])
	if root.InnerStart == 0 {
		tag = string(f.Raw)
	}
	s := ""
	add := func(prefix, uri string) {
		name := "xmlns"
		if prefix != "" {
			name += ":" + prefix
		}
		if !strings.Contains(tag, " "+name+"=") {
			s += " " + name + "='" + escape(uri) + "'"
		}
	}
	if f.Stream != nil {
		for _, b := range f.Stream.Bindings {
			if b.Prefix == "" || b.Prefix == "stream" && b.URI == nsStreams || b.Prefix == "xml" {
				continue
			}
			add(b.Prefix, b.URI)
		}
	}
	// Stanzas go into the replayed stream's namespace; over BOSH they may
	// have inherited that of the wrapper.
	if root.Prefix == "" && root.NS != nsClient {
		switch root.Name {
		case "message", "presence", "iq":
		default:
			if root.NS != "" {
				add("", root.NS)
			}
		}
	}
	return s
}

func (w *rewriter) attribute(n *stanza.Node, a stanza.Attr) string {
	v := a.Value
	if opaque[a.Name] {
		if l, ok := w.ids[v]; ok {
			return l
		}
	}
	switch {
	case a.Name == "stamp" && (n.NS == "urn:xmpp:delay" || n.NS == "jabber:x:delay"), a.Name == "since" && n.NS == "urn:xmpp:idle:1":
		return w.time(v)
	case addressed[a.Name] && !strings.HasPrefix(v, "xmpp:"):
		if l, ok := w.ids[v]; ok {
			return l
		}
		return w.names.Live(v)
	case w.names.same():
		return v
	}
	return w.address(v)
}

func (w *rewriter) text(n *stanza.Node) string {
	v := n.Text
	if opaqueText[n.Name] {
		if l, ok := w.ids[strings.TrimSpace(v)]; ok {
			return l
		}
	}
	switch {
	case n.Name == "utc" && n.NS == "urn:xmpp:time":
		return w.time(v)
	case w.names.same():
		return v
	case n.Name == "jid" || n.Name == "authorization-identifier":
		return w.names.Live(v)
	}
	return w.address(v)
}

// address rewrites what as a whole is an address, or an xmpp: URI of one.
func (w *rewriter) address(v string) string {
	if len(v) > maxAddress || !strings.Contains(v, "@") {
		return v
	}
	rest, uri := strings.CutPrefix(v, "xmpp:")
	addr, query := rest, ""
	if uri {
		addr, query, _ = strings.Cut(rest, "?")
		if query != "" {
			query = "?" + query
		}
	}
	bare, _, _ := strings.Cut(addr, "/")
	if strings.ContainsAny(bare, " \t\r\n\"&'<>:") || strings.Count(bare, "@") != 1 {
		return v
	}
	addr = w.names.Live(addr)
	if uri {
		return "xmpp:" + addr + query
	}
	return addr
}

// stamps are the forms of XEP-0082 and of the XEP-0091 that came before it.
var stamps = []string{"2006-01-02T15:04:05.999999999Z07:00", "20060102T15:04:05"}

// time shifts a time stamp and keeps its form.
func (w *rewriter) time(v string) string {
	for i, layout := range stamps {
		t, err := time.Parse(layout, strings.TrimSpace(v))
		if err != nil {
			continue
		}
		t = t.Add(w.shift)
		if i == 0 {
			layout = "2006-01-02T15:04:05Z07:00"
			if _, fraction, ok := strings.Cut(v, "."); ok {
				digits := len(fraction) - len(strings.TrimLeft(fraction, "0123456789"))
				layout = "2006-01-02T15:04:05." + strings.Repeat("0", min(digits, 9)) + "Z07:00"
			}
		}
		return t.Format(layout)
	}
	return v
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;", `"`, "&quot;", "\t", "&#9;", "\n", "&#10;", "\r", "&#13;")

// escape makes text fit for an attribute or an element: what a live peer said is
// repeated, and need not have been XML.
func escape(s string) string { return printable(escaper.Replace(s)) }
