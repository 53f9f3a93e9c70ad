package xep

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	for _, c := range []struct{ ns, id string }{
		{"jabber:client", "RFC 6120"},
		{"jabber:iq:roster", "RFC 6121"},
		{"urn:ietf:params:xml:ns:xmpp-framing", "RFC 7395"},
		{"http://jabber.org/protocol/muc#user", "XEP-0045"},
		{"http://jabber.org/protocol/disco#info", "XEP-0030"},
		{"http://jabber.org/protocol/muc#not-known", "XEP-0045"},
		{"urn:xmpp:sm:3", "XEP-0198"},
		{"urn:xmpp:mam:9", "XEP-0313"},
		{"urn:xmpp:http:upload:0", "XEP-0363"},
		{"vcard-temp", "XEP-0054"},
		{"jabber:x:data", "XEP-0004"},
		{"urn:xmpp:nothing:0", ""},
		{"urn:xmpp:mam:", ""},
		{"", ""},
	} {
		if s, ok := Lookup(c.ns); s.ID != c.id || ok != (c.id != "") {
			t.Errorf("Lookup(%q) = %v, %v, want %q", c.ns, s, ok, c.id)
		}
	}
}

func TestFamily(t *testing.T) {
	for ns, want := range map[string]bool{"urn:xmpp:sm:3": false, "urn:xmpp:sm:4": true, "http://jabber.org/protocol/muc#new": true} {
		if s, ok := Lookup(ns); !ok || s.Family != want {
			t.Errorf("Lookup(%q) = %+v", ns, s)
		}
	}
}

func TestNamespaces(t *testing.T) {
	for _, c := range []struct{ number, id, ns string }{
		{"313", "XEP-0313", "urn:xmpp:mam:2"}, {"0045", "XEP-0045", "http://jabber.org/protocol/muc"}, {"xep-0198", "XEP-0198", "urn:xmpp:sm:3"},
		{"rfc 6120", "RFC 6120", "jabber:client"}, {"6121", "RFC 6121", "jabber:iq:roster"}, {"9999", "", ""}, {"x", "", ""}, {"", "", ""},
	} {
		s, names, ok := Namespaces(c.number)
		if s.ID != c.id || ok != (c.id != "") || ok && !slices.Contains(names, c.ns) {
			t.Errorf("Namespaces(%q) = %v, %v, %v", c.number, s, names, ok)
		}
	}
}

func TestTableIsSortedAndCurrent(t *testing.T) {
	if !slices.IsSortedFunc(table[:], func(a, b entry) int { return strings.Compare(a.ns, b.ns) }) {
		t.Error("the table is not sorted; run go generate ./decode/xep")
	}
	b, err := os.ReadFile("../../testdata/xep/namespaces.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")[1:]
	if len(lines) != len(table) {
		t.Errorf("the table has %d rows, namespaces.tsv %d; run go generate ./decode/xep", len(table), len(lines))
	}
	for _, l := range lines {
		f := strings.Split(l, "\t")
		if s, ok := exact(f[0]); !ok || s.Title != f[2] || s.Status != f[3] || !strings.HasSuffix(s.ID, strings.TrimPrefix(f[1], "RFC")) {
			t.Errorf("%s: table has %v; run go generate ./decode/xep", f[0], s)
		}
	}
}
