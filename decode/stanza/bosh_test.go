package stanza

import (
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/decode"
)

// body is a BOSH wrapper with the given attributes and content.
func body(attrs, content string) string {
	return "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' " + attrs + ">" + content + "</body>"
}

func bodies(text string) []Stanza {
	d := decode.Decoder{BOSH: true}
	d.Write([]byte(text))
	var out []Stanza
	for f, ok := d.Close(); ok; f, ok = d.Close() {
		out = append(out, Parse(f))
	}
	return out
}

func TestBodies(t *testing.T) {
	for _, c := range []struct{ attrs, kind, want string }{
		{"rid='10' to='capulet.example' wait='60' hold='1' xmpp:version='1.0' ver='1.6' xml:lang='en'", "header", "BOSH session asked → capulet.example, wait 60 s, hold 1, version 1.0, rid 10"},
		{"sid='s1' wait='60' requests='2' inactivity='30' polling='5' hold='1' maxpause='120' from='capulet.example'", "header", "BOSH session s1 from capulet.example, wait 60 s, hold 1, 2 requests at a time, polls at least 5 s apart, ends after 30 s without a request, can pause for 120 s"},
		{"rid='11' sid='s1'", "body", "BOSH request, rid 11"},
		{"rid='11' sid='s1' key='abc' ack='9'", "body", "BOSH request, rid 11, acknowledges 9"},
		{"", "body", "BOSH answer"},
		{"sid='s1'", "body", "BOSH answer"}, // as Prosody answers
		{"rid='12' sid='s1' to='capulet.example' xmpp:restart='true'", "header", "BOSH stream restart → capulet.example, rid 12"},
		{"rid='12' sid='s1' xmpp:restart='false'", "body", "BOSH request, rid 12"},
		{"rid='12' sid='s1' restart='true'", "body", "BOSH request, rid 12"},
		{"rid='13' sid='s1' pause='60'", "header", "BOSH session pauses for 60 s, rid 13"},
		{"rid='14' sid='s1' type='terminate'", "header", "BOSH session ends, rid 14"},
		{"type='terminate' condition='item-not-found'", "header", "BOSH session ends: item-not-found"},
		{"type='error'", "header", "BOSH: the requests that have no answer are to be sent again"},
		{"rid='15' sid='s1' key='a' newkey='b'", "header", "BOSH request, rid 15, protected by a new sequence of keys"},
		{"rid='16' sid='s1' to='montague.example'", "header", "BOSH: another stream asked → montague.example, rid 16"},
		{"stream='two'", "body", "BOSH answer, stream two"},
	} {
		s := bodies(body(c.attrs, "<a/>"))
		if s[0].Kind != c.kind || s[0].Summary != c.want {
			t.Errorf("%s:\n got %s %q\nwant %s %q", c.attrs, s[0].Kind, s[0].Summary, c.kind, c.want)
		}
		if last := s[len(s)-1]; last.Kind != "body" || last.Summary != "end of a BOSH body" {
			t.Errorf("%s: the end is %q %q", c.attrs, last.Kind, last.Summary)
		}
		if p := s[0].Payloads; len(p) != 1 || p[0].XEP != "XEP-0124" {
			t.Errorf("%s: payloads %v", c.attrs, p)
		}
	}
	for _, c := range []struct{ in, want string }{
		{"<body rid='3' sid='s' xmlns='http://jabber.org/protocol/httpbind'/>", "BOSH poll, rid 3"},
		{"<body xmlns='http://jabber.org/protocol/httpbind'/>", "BOSH answer without content"},
		{"<b:body rid='3' sid='s' r:restart='1' xmlns:r='urn:xmpp:xbosh' xmlns:b='http://jabber.org/protocol/httpbind'/>", "BOSH stream restart, rid 3"},
	} {
		if s := bodies(c.in); len(s) != 1 || s[0].Summary != c.want {
			t.Errorf("%s: %q", c.in, s[0].Summary)
		}
	}
}

// What is inside of a wrapper means the same as in a stream, whether it says its
// namespace or not.
func TestBodyContent(t *testing.T) {
	for _, ns := range []string{"", " xmlns='jabber:client'"} {
		s := bodies(body("rid='1' sid='s'", "<message"+ns+" to='a@b'><body>hi</body></message><iq"+ns+" type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>"))
		if len(s) != 4 || s[1].Kind != "message" || s[1].Summary != `message → a@b: "hi"` || s[2].Kind != "iq" {
			t.Errorf("%q: %+v", ns, s)
		}
	}
	if s := bodies(body("type='terminate' condition='see-other-uri'", "<uri>https://b.example/http-bind</uri>")); s[1].Summary != `BOSH goes on at "https://b.example/http-bind"` || s[0].Error == nil {
		t.Errorf("%+v", s)
	}
	if s := bodies("<presence/>"); s[0].Kind != "presence" {
		t.Errorf("%+v", s)
	}
	if s := bodies(strings.ReplaceAll(body("", ""), "httpbind", "other")); s[0].Kind != "nonza" {
		t.Errorf("%+v", s[0])
	}
}
