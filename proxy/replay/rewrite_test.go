package replay

import (
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

func mustTree(t testing.TB, text string) *stanza.Node {
	t.Helper()
	root, err := stanza.Tree(element(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestNames(t *testing.T) {
	n := Names{From: stanza.SplitJID(capulet), To: stanza.SplitJID("julia@verona.example/tomb"), Others: map[string]string{"romeo@montague.example": "bob@other.example"}}
	for recorded, live := range map[string]string{
		capulet:                                "julia@verona.example/tomb",
		"juliet@capulet.example":               "julia@verona.example",
		"juliet@capulet.example/other":         "julia@verona.example/other",
		"capulet.example":                      "verona.example",
		"nurse@capulet.example":                "nurse@verona.example",
		"v@rooms.capulet.example/n":            "v@rooms.verona.example/n",
		"notcapulet.example":                   "notcapulet.example",
		"romeo@montague.example/orchard":       "bob@other.example/orchard",
		"tybalt@montague.example":              "tybalt@montague.example",
		"a/b@capulet.example":                  "a/b@capulet.example",
		"":                                     "",
		strings.Repeat("x", 4000) + "@capulet": strings.Repeat("x", 4000) + "@capulet",
	} {
		if got := n.Live(recorded); got != live {
			t.Errorf("%s became %s, want %s", recorded, got, live)
		}
		if got := n.Recorded(live); got != recorded {
			t.Errorf("%s came from %s, want %s", live, got, recorded)
		}
	}
	for live, role := range map[string]string{"julia@verona.example": "", "JULIA@verona.example/tomb": "/", "": "", "verona.example": "capulet.example", "Nurse@verona.example/x": "nurse@capulet.example/x"} {
		if got := n.peer(live); got != role {
			t.Errorf("%s is %q, want %q", live, got, role)
		}
	}
}

func TestTimes(t *testing.T) {
	w := rewriter{shift: 90 * time.Minute}
	for then, now := range map[string]string{
		"2026-11-25T23:00:00Z":           "2026-11-26T00:30:00Z",
		"2026-11-25T23:00:00.120Z":       "2026-11-26T00:30:00.120Z",
		"2026-11-25T23:00:00.123456789Z": "2026-11-26T00:30:00.123456789Z",
		"2026-11-25T23:00:00+01:00":      "2026-11-26T00:30:00+01:00",
		"20261125T23:00:00":              "20261126T00:30:00",
		"yesterday":                      "yesterday",
	} {
		if got := w.time(then); got != now {
			t.Errorf("%s became %s, want %s", then, got, now)
		}
	}
}

func TestRewriting(t *testing.T) {
	w := rewriter{names: Names{From: stanza.SplitJID(capulet), To: stanza.SplitJID("o'ju@verona.example/<&>")}}
	f := element(t, `<message to="`+capulet+`" id='1'><body>`+capulet+`</body><jid>capulet.example</jid><v a='x &amp; capulet.example'><![CDATA[nurse@capulet.example]]></v></message>`)
	root, err := stanza.Tree(f)
	if err != nil {
		t.Fatal(err)
	}
	want := `<message to="o&apos;ju@verona.example/&lt;&amp;&gt;" id='n&apos;w'><body>` + capulet + `</body><jid>verona.example</jid><v a='x &amp; capulet.example'>nurse@verona.example</v></message>`
	if got := string(w.live(f, root, "n'w")); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	// Declarations come along.
	f = decode.Frame{Kind: decode.Element, Raw: []byte(`<x:y z:a='1'/>`), Stream: &decode.Stream{Bindings: []decode.Binding{{Prefix: "", URI: "jabber:client"}, {Prefix: "x", URI: "urn:x"}, {Prefix: "z", URI: "urn:'z"}, {Prefix: "stream", URI: nsStreams}}}}
	root, err = stanza.Tree(f)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(w.live(f, root, "")), `<x:y xmlns:x='urn:x' xmlns:z='urn:&apos;z' z:a='1'/>`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestIDsAreBounded(t *testing.T) {
	var w rewriter
	for i := range 3 * maxIDs {
		w.learnID(strings.Repeat("x", i%7)+string(rune('a'+i%26))+time.Duration(i).String(), "y")
	}
	if len(w.ids) > maxIDs || len(w.order) != len(w.ids) {
		t.Errorf("%d ids, %d in order", len(w.ids), len(w.order))
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i := 1; i <= 1000; i++ {
		h.add(time.Duration(i) * time.Millisecond)
	}
	for p, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.95: 950 * time.Millisecond, 1: time.Second} {
		if got := h.at(p); got < want || got > want*9/8+time.Millisecond {
			t.Errorf("%v: %s", p, got)
		}
	}
}

func splitJID(s string) stanza.JID { return stanza.SplitJID(s) }

// legal reports whether a text can stand in XML.
func legal(s string) bool {
	for _, r := range s {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff || r == '\ufffd' {
			return false
		}
	}
	return true
}
