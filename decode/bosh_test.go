package decode

import (
	"strings"
	"testing"
)

const body1 = "<body xmlns='http://jabber.org/protocol/httpbind' rid='7' sid='s'>"

var boshTable = []struct {
	name, input string
	want        []string
}{
	{"empty", "<body xmlns='http://jabber.org/protocol/httpbind' rid='7'/>", []string{"header {http://jabber.org/protocol/httpbind}body 59"}},
	{"payloads", body1 + "<message xmlns='jabber:client'><body>x</body></message><presence/></body>",
		[]string{"header {http://jabber.org/protocol/httpbind}body 66", "element {jabber:client}message 55", "element {http://jabber.org/protocol/httpbind}presence 11", "end {http://jabber.org/protocol/httpbind}body 7"}},
	{"inherits", "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:stream='http://etherx.jabber.org/streams'><stream:features/></body>",
		[]string{"header {http://jabber.org/protocol/httpbind}body 98", "element {http://etherx.jabber.org/streams}stream:features 18", "end {http://jabber.org/protocol/httpbind}body 7"}},
	{"prefix", "<b:body xmlns:b='http://jabber.org/protocol/httpbind'><a xmlns='u'/></b:body>",
		[]string{"header {http://jabber.org/protocol/httpbind}b:body 54", "element {u}a 14", "end {http://jabber.org/protocol/httpbind}b:body 9"}},
	{"two", body1 + "</body>\n" + body1[:65] + "/>", []string{"header {http://jabber.org/protocol/httpbind}body 66", "end {http://jabber.org/protocol/httpbind}body 7", "whitespace 1", "header {http://jabber.org/protocol/httpbind}body 67"}},
	{"declaration", xdecl + body1 + "</body>", []string{"declaration 21", "header {http://jabber.org/protocol/httpbind}body 66", "end {http://jabber.org/protocol/httpbind}body 7"}},
	{"nested", body1 + "<body xmlns='http://jabber.org/protocol/httpbind'/></body>", []string{"header {http://jabber.org/protocol/httpbind}body 66", "element {http://jabber.org/protocol/httpbind}body 51", "end {http://jabber.org/protocol/httpbind}body 7"}},
	{"another namespace", "<body xmlns='u'/>", []string{"element {u}body 17 outside-stream@0"}},
	{"no namespace", "<body>x</body>", []string{"element {}body 14 outside-stream@0"}},
	{"cut short", body1 + "<message><body>", []string{"header {http://jabber.org/protocol/httpbind}body 66", "junk 15 incomplete@81"}},
	{"mismatch", body1 + "<a></body>", []string{"header {http://jabber.org/protocol/httpbind}body 66", "junk 10 mismatch@69"}},
	{"text", body1 + "hi</body>", []string{"header {http://jabber.org/protocol/httpbind}body 66", "junk 2 text@66", "end {http://jabber.org/protocol/httpbind}body 7"}},
}

func TestBOSH(t *testing.T) {
	for _, c := range boshTable {
		for _, n := range []int{len(c.input), 1, 2, 5} {
			if got := frames(t, &Decoder{BOSH: true}, c.input, n); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("%s, chunks of %d:\n got %q\nwant %q", c.name, n, got, c.want)
			}
		}
	}
}

// The wrapper is the context of what it carries, and of nothing behind it.
func TestBOSHStream(t *testing.T) {
	d := Decoder{BOSH: true}
	d.Write([]byte("<body xmlns='http://jabber.org/protocol/httpbind' xmlns:x='urn:xmpp:xbosh' x:restart='true' rid='9'><a/></body><a/>"))
	f, _ := d.Next()
	s := f.Stream
	if uri, _ := s.Lookup("x"); s.Attr("rid") != "9" || s.Attr("x:restart") != "true" || s.Name != "body" || uri != "urn:xmpp:xbosh" {
		t.Errorf("%+v", s)
	}
	for _, want := range []Kind{Element, End} {
		if f, _ := d.Next(); f.Kind != want || f.Stream != s {
			t.Errorf("%v is not inside the body", f.Kind)
		}
	}
	if f, _ := d.Next(); f.Stream != nil || f.Err == nil || f.Err.Code != CodeOutside {
		t.Error("what follows is still inside")
	}
	d.Write([]byte("<body xmlns='http://jabber.org/protocol/httpbind'/><a/>"))
	if f, _ := d.Next(); f.Kind != Header || f.Stream == nil || f.Err != nil {
		t.Errorf("an empty body: %+v", f)
	}
	if f, _ := d.Next(); f.Stream != nil {
		t.Error("an empty body does not end")
	}
	d.Reset(5)
	if !d.BOSH {
		t.Error("Reset forgets the mode")
	}
}

// FuzzBodies holds the frame laws for BOSH: tiling and chunk invariance over documents one behind the other, and what
// lies inside a wrapper is framed as inside a stream.
func FuzzBodies(f *testing.F) {
	for _, c := range boshTable {
		f.Add([]byte(c.input), uint8(3), uint16(0))
	}
	for _, c := range table {
		f.Add([]byte(body1+strings.TrimPrefix(c.input, open1)+"</body>"), uint8(2), uint16(40))
	}
	f.Fuzz(func(t *testing.T, input []byte, chunk uint8, max uint16) {
		fresh := Decoder{MaxFrame: int(max), BOSH: true}
		if max > 0 && max < 8 {
			fresh.MaxFrame = 8
		}
		d := fresh
		whole := frames(t, &d, string(input), len(input)+1)
		d = fresh
		if cut := frames(t, &d, string(input), int(chunk)%16+1); strings.Join(cut, "\n") != strings.Join(whole, "\n") {
			t.Fatalf("chunks of %d:\n%q\nwhole:\n%q", int(chunk)%16+1, cut, whole)
		}
		// A second document is framed as it is alone, whatever came first.
		alone := frames(t, &Decoder{BOSH: true}, body1+"<a/></body>", 100)
		d.Reset(0)
		if again := frames(t, &d, body1+"<a/></body>", 100); fresh.MaxFrame == 0 && strings.Join(again, "\n") != strings.Join(alone, "\n") {
			t.Fatalf("behind %q: %q, alone %q", input, again, alone)
		}
	})
}
