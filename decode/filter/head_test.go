package filter

import (
	"testing"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
)

// What the start tag says is never less than the truth, and where it is the whole
// truth it is no more.
func TestMay(t *testing.T) {
	frames := []string{
		`<message type='chat' id='m1' from='juliet@capulet.example/balcony' to='romeo@montague.example'><body>hello</body></message>`,
		`<iq type='result' id='r1'><query xmlns='jabber:iq:roster'><item jid='a@b'/></query></iq>`,
		`<presence to='room@rooms.e/x'><x xmlns='http://jabber.org/protocol/muc'/></presence>`,
		`<a xmlns='urn:xmpp:sm:3' h='5'/>`, ` `, `<iq id="&lt;" type = "get" xml:lang='de'/>`,
	}
	for source, sure := range map[string]bool{
		"iq": true, `name == "a" and ns == "urn:xmpp:sm:3"`: true, "iq and roster": false, "not iq": true, "not roster": false, `message or type == "get"`: true, "iq or muc": false,
		`not (iq and roster)`: false, "hello": false, `from.bare == "juliet@capulet.example"`: true, `jid("romeo@montague.example")`: true, `size > 10 and lang == "de"`: true, "errors": false,
		`type in ["get", "set"] and not stanzas`: true, `len(id) == 2`: false, `id == "<"`: true, "": true, `xpath("//roster:item") or keepalive`: false, `iq ? roster : false`: false,
	} {
		f, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, xml := range frames {
			s := subject(xml)
			s.Facts = new(track.Facts)
			want := f.Match(s)
			head := stanza.HeadOf(s.Frame, f.HeadFields())
			quick := *s
			quick.Stanza, quick.Facts = &head, nil
			if got := f.May(&quick); want && !got || sure && got != want {
				t.Errorf("%s for %s: may %v, is %v", source, xml, got, want)
			}
			bare := stanza.HeadOf(s.Frame, 0)
			quick.Stanza = &bare
			if want && !f.MayByName(&quick) {
				t.Errorf("%s for %s: it matches, but not by its name", source, xml)
			}
		}
	}
}

func TestHead(t *testing.T) {
	for _, xml := range []string{`<iq id="&lt;" type = "get" xml:lang='de' from='a@b' to='c' x='y'><q type='no' id='no'/></iq>`, `<iq/>`, `<p:a xmlns:p='q'/>`, " "} {
		s := subject(xml)
		h := stanza.Head(s.Frame)
		f := *s.Stanza
		for _, p := range [][2]string{{h.Kind, f.Kind}, {h.Name, f.Name}, {h.NS, f.NS}, {h.Type, f.Type}, {h.ID, f.ID}, {h.From, f.From}, {h.To, f.To}, {h.Lang, f.Lang}} {
			if p[0] != p[1] {
				t.Errorf("%s: %q, not %q", xml, p[0], p[1])
			}
		}
	}
}

func TestSelect(t *testing.T) {
	s := subject(`<message a='1' xml:lang='x'><body>one &amp; <b/>two</body><body xmlns='other'>t</body></message>`)
	for source, want := range map[string]string{
		"//body": "one & two|t", "/message/@a": "1", "/message/@xml:lang": "x", "//client:body/text()": "one & |two", "//nothing": "", "//body[2]/text()": "t", "//b/following-sibling::text()": "two", "count(//body)": "",
	} {
		x, err := CompileXPath(source)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for i, p := range x.Select(s.Stanza.Root(), s.Frame.Raw) {
			if i > 0 {
				got += "|"
			}
			got += p.Value()
		}
		if got != want {
			t.Errorf("%s: %q, not %q", source, got, want)
		}
	}
	x, _ := CompileXPath("count(//body)")
	if n := x.Text(s.Stanza.Root(), s.Frame.Raw); n != "2" {
		t.Errorf("count: %s", n)
	}
}
