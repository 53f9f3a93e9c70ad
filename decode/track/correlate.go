package track

import (
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/xep"
)

// This file finds the entries that belong together beyond iq and stream
// management: by id, origin-id and stanza-id (XEP-0359).

// queries remembers the archive queries that are open (XEP-0313 §4).
func (t *Tracker) queries(c *Conn, in Frame) {
	s := in.Stanza
	if len(s.Payloads) == 0 || xep.Family(s.Payloads[0].NS) != "urn:xmpp:mam" {
		return
	}
	root := s.Root()
	if root == nil || len(root.Children) == 0 {
		return
	}
	if in.Dir == CS && s.Type == "set" && root.Children[0].Name == "query" {
		if len(c.queries) > 1000 {
			clear(c.queries)
		}
		c.queries[root.Children[0].Attr("queryid")] = true
	}
}

// correlate relates a message to those that it is about, and remembers it.
func (t *Tracker) correlate(c *Conn, in Frame, f *Facts) {
	s := in.Stanza
	if s.Kind == "iq" {
		t.way(c, in, f)
		return
	}
	if s.Kind != "message" {
		if s.Type == "error" && s.Kind == "presence" && s.ID != "" {
			f.relate(Refuses, t.ids.get("presence "+s.ID))
		} else if s.ID != "" && s.Kind == "presence" {
			t.ids.put("presence "+s.ID, in.N)
		}
		return
	}
	root := s.Root()
	if root == nil {
		return
	}
	if s.Type == "error" && s.ID != "" {
		f.relate(Refuses, t.ids.get("message "+s.ID))
		t.way(c, in, f)
		return
	}
	about := func(kind, id string) {
		if id != "" {
			n := t.ids.get("message " + id)
			if n == 0 {
				n = t.ids.get("stanza-id " + id)
			}
			f.relate(kind, n)
		}
	}
	copyOf := false
	for _, x := range root.Children {
		switch xep.Family(x.NS) {
		case "urn:xmpp:carbons":
			if x.Name != "sent" && x.Name != "received" {
				continue
			}
			copyOf = true
			if in.Dir == SC && s.From != "" && c.Bound.Domain != "" && normal(s.From) != c.Bound.Bare() {
				f.find(Error, "carbon-stranger", "a carbon from "+s.From+", not from the own account: a client that believes it can be deceived", "XEP-0280 §11")
			}
			about(Carbon, forwarded(x))
		case "urn:xmpp:mam":
			if x.Name != "result" {
				continue
			}
			copyOf = true
			if in.Dir == SC && !c.fed.on && !c.queries[x.Attr("queryid")] {
				f.find(Warning, "mam-unasked", "a result from an archive that nobody asked: a client must not take it", "XEP-0313 §5")
			}
			if id := forwarded(x); id != "" {
				about(Archived, id)
			} else {
				about(Archived, x.Attr("id"))
			}
		case "urn:xmpp:receipts":
			if x.Name == "received" {
				about(Receipt, x.Attr("id"))
			}
		case "urn:xmpp:chat-markers":
			if x.Name != "markable" {
				about(Marks, x.Attr("id"))
			}
		case "urn:xmpp:message-correct":
			about(Corrects, x.Attr("id"))
		case "urn:xmpp:reply":
			about(Replies, x.Attr("id"))
		case "urn:xmpp:reactions":
			about(Reacts, x.Attr("id"))
		}
	}
	if copyOf {
		return
	}
	t.way(c, in, f)
	if s.ID != "" && t.ids.get("message "+s.ID) == 0 {
		t.ids.put("message "+s.ID, in.N)
	}
	for _, x := range root.Children {
		if x.NS == "urn:xmpp:sid:0" && x.Attr("id") != "" {
			key := "stanza-id " + x.Attr("id")
			if x.Name == "origin-id" {
				key = "message " + x.Attr("id")
			}
			if t.ids.get(key) == 0 {
				t.ids.put(key, in.N)
			}
		}
	}
}

// forwarded returns the id of the message in an envelope.
func forwarded(x *stanza.Node) string {
	m := x.Child("urn:xmpp:forward:0", "forwarded").Child("", "message")
	if m == nil {
		return ""
	}
	if id := m.Attr("id"); id != "" {
		return id
	}
	return m.Child("urn:xmpp:sid:0", "origin-id").Attr("id")
}
