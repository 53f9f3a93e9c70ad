package decode

import (
	"fmt"
	"strings"
	"testing"
)

const (
	open1 = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='capulet.example'>"
	xdecl = "<?xml version='1.0'?>"
)

// frames runs a decoder over the input in chunks of n bytes and renders what comes out, a line a frame.
func frames(t testing.TB, d *Decoder, input string, n int) []string {
	t.Helper()
	var out []string
	var tiled strings.Builder
	take := func(f Frame) {
		if f.Offset != int64(tiled.Len()) {
			t.Fatalf("frame at %d, expected at %d", f.Offset, tiled.Len())
		}
		if len(f.Raw) == 0 {
			t.Fatalf("empty frame at %d", f.Offset)
		}
		tiled.Write(f.Raw)
		out = append(out, render(f))
	}
	for at := 0; at < len(input); at += n {
		d.Write([]byte(input[at:min(at+n, len(input))]))
		for f, ok := d.Next(); ok; f, ok = d.Next() {
			take(f)
		}
	}
	for f, ok := d.Close(); ok; f, ok = d.Close() {
		take(f)
	}
	if tiled.String() != input {
		t.Fatalf("frames are not the input:\n%q\n%q", tiled.String(), input)
	}
	return out
}

func render(f Frame) string {
	s := f.Kind.String()
	if f.Part != Whole {
		s += "/" + f.Part.String()
	}
	if f.Name != nil {
		s += fmt.Sprintf(" {%s}", f.NS)
		if len(f.Prefix) > 0 {
			s += string(f.Prefix) + ":"
		}
		s += string(f.Name)
	}
	s += fmt.Sprintf(" %d", len(f.Raw))
	if f.Err != nil {
		s += fmt.Sprintf(" %v@%d", f.Err.Code, f.Err.Offset)
	}
	return s
}

var table = []struct {
	name, input string
	want        []string // without the stream header in front, when the input begins with it
}{
	{"empty", "", nil},
	{"header", xdecl + open1, []string{"declaration 21", "header {http://etherx.jabber.org/streams}stream:stream 106"}},
	{"stanzas", open1 + "<message><body>hi</body></message><presence/>", []string{"element {jabber:client}message 34", "element {jabber:client}presence 11"}},
	{"own namespace", open1 + "<a xmlns='urn:a&amp;b'/><p:b xmlns:p=\"urn:p\"><p:c/></p:b>", []string{"element {urn:a&b}a 24", "element {urn:p}p:b 33"}},
	{"whitespace", open1 + " \n<r/>\t", []string{"whitespace 1", "whitespace 1", "element {jabber:client}r 4", "whitespace 1"}},
	{"end", open1 + "</stream:stream >\n", []string{"end {http://etherx.jabber.org/streams}stream:stream 17", "whitespace 1"}},
	{"restart", open1 + xdecl + open1 + "<a/>", []string{"declaration 21", "header {http://etherx.jabber.org/streams}stream:stream 106", "element {jabber:client}a 4"}},
	{"quotes", open1 + `<a b='>"' c=">'" d = "/"/>`, []string{"element {jabber:client}a 26"}},
	{"cdata", open1 + "<a><![CDATA[</a>]]]]></a>", []string{"element {jabber:client}a 25"}},
	{"references", open1 + "<a b='&#x10FFFF;&lt;'>&amp;&apos;&#9;</a>", []string{"element {jabber:client}a 41"}},
	{"long names", open1 + "<abcdefg><abcdefgh><abcdefghijklmno><abcdefghijklmnopqrst></abcdefghijklmnopqrst></abcdefghijklmno></abcdefgh></abcdefg>",
		[]string{"element {jabber:client}abcdefg 120"}},
	{"blank in end tag", open1 + "<a ></a\n>", []string{"element {jabber:client}a 9"}},
	{"unicode", open1 + "<é ü='☃'>😀</é>", []string{"element {jabber:client}é 22"}},

	{"mismatch", open1 + "<a><b></a></b><c/>" + open1 + "<d/>",
		[]string{"junk 10 mismatch@112", "junk 4 lost@116", "junk 4 lost@120", "header {http://etherx.jabber.org/streams}stream:stream 106", "element {jabber:client}d 4"}},
	{"mismatch by length", open1 + "<abcdefghij></abcdefghijk>", []string{"junk 26 mismatch@118"}},
	{"mismatch of long names", open1 + "<abcdefghXXijklmnopqrst></abcdefghYYijklmnopqrst>", []string{"junk 49 mismatch@130"}},
	{"stray end", open1 + "</a><b/>" + xdecl, []string{"junk 4 stray-end@106", "junk 4 lost@110", "declaration 21"}},
	{"no name", open1 + "<a><1></a>", []string{"junk 6 syntax@110", "junk 4 lost@112"}},
	{"no quotes", open1 + "<a b=c/>", []string{"junk 8 syntax@111"}},
	{"unfinished tag", open1 + "<a <?xml version='1.0'?>", []string{"junk 3 syntax@109", "declaration 21"}},
	{"declaration inside", open1 + "<a><b>" + xdecl + open1, []string{"junk 6 declaration-inside@112", "declaration 21", "header {http://etherx.jabber.org/streams}stream:stream 106"}},
	{"incomplete", open1 + "<a><b/>", []string{"junk 7 incomplete@113"}},
	{"incomplete tag", open1 + "<a b='", []string{"junk 6 incomplete@112"}},
	{"incomplete declaration", "<?xml ", []string{"junk 6 incomplete@6"}},

	{"bad utf-8", open1 + "<a>\xff</a>", []string{"element {jabber:client}a 8 utf-8@109"}},
	{"surrogate", open1 + "<a>\xed\xa0\x80</a>", []string{"element {jabber:client}a 10 utf-8@109"}},
	{"nul", open1 + "<a>\x00</a>", []string{"element {jabber:client}a 8 character@109"}},
	{"control in value", open1 + "<a b='\x01'/>", []string{"element {jabber:client}a 10 character@112"}},
	{"U+FFFF", open1 + "<a>\uffff</a>", []string{"element {jabber:client}a 10 character@109"}},
	{"entity", open1 + "<a>&nbsp;</a>", []string{"element {jabber:client}a 13 entity@109"}},
	{"lone ampersand", open1 + "<a>a & b</a>", []string{"element {jabber:client}a 12 reference@111"}},
	{"reference to NUL", open1 + "<a>&#0;</a>", []string{"element {jabber:client}a 11 reference@109"}},
	{"]]>", open1 + "<a>]]></a>", []string{"element {jabber:client}a 10 cdata-end@109"}},
	{"< in value", open1 + "<a b='<'/>", []string{"element {jabber:client}a 10 less-than@112"}},
	{"twice", open1 + "<a b='' b=''/>", []string{"element {jabber:client}a 14 duplicate-attribute@114"}},
	{"twice by namespace", open1 + "<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>", []string{"element {jabber:client}a 42 duplicate-attribute@140"}},
	{"undeclared", open1 + "<a><p:b/></a>", []string{"element {jabber:client}a 13 undeclared-prefix@110"}},
	{"undeclared first", open1 + "<p:b/>", []string{"element {}p:b 6 undeclared-prefix@107"}},
	{"declared in a sibling", open1 + "<a><b xmlns:p='u'/><p:b/></a>", []string{"element {jabber:client}a 29 undeclared-prefix@126"}},
	{"no blank", open1 + "<a b=''c=''/>", []string{"element {jabber:client}a 13 blank@113"}},
	{"comment", open1 + "<!-- -> --><a><!--<b>--></a>", []string{"comment 11 comment@106", "element {jabber:client}a 17 comment@120"}},
	{"instruction", open1 + "<?a > ?><a><?b?></a>", []string{"instruction 8 instruction@106", "element {jabber:client}a 12 instruction@117"}},
	{"doctype", "<!DOCTYPE a [<!ENTITY b '>]'>]>" + open1, []string{"doctype 31 doctype@0", "header {http://etherx.jabber.org/streams}stream:stream 106"}},
	{"text", open1 + "hello <a/>", []string{"junk 6 text@106", "element {jabber:client}a 4"}},
	{"outside", "<a/>", []string{"element {}a 4 outside-stream@0"}},
	{"other stream namespace", "<stream:stream xmlns:stream='urn:x'>", []string{"header {urn:x}stream:stream 36 stream-namespace@0"}},
	{"http", "GET / HTTP/1.1\r\n\r\n", []string{"junk 18 text@0"}},
	{"tls", "\x16\x03\x01\x02\x00", []string{"junk 5 text@0"}},
	{"xml 1.1", "<?xml version='1.1'?>", []string{"declaration 21 xml-declaration@0"}},
	{"latin-1", "<?xml version='1.0' encoding='latin-1'?>", []string{"declaration 40 xml-declaration@0"}},
}

func TestFrames(t *testing.T) {
	for _, c := range table {
		t.Run(c.name, func(t *testing.T) {
			want := c.want
			if strings.HasPrefix(c.input, open1) {
				want = append([]string{"header {http://etherx.jabber.org/streams}stream:stream 106"}, want...)
			}
			for _, n := range []int{len(c.input) + 1, 1, 2, 3, 7} {
				got := frames(t, new(Decoder), c.input, n)
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("chunks of %d:\n got %q\nwant %q", n, got, want)
				}
			}
		})
	}
}

func TestParts(t *testing.T) {
	input := open1 + "<message xmlns:x='urn:x'><abcdefghijklmnopqrstuv><x:b>" + strings.Repeat("0123456789", 30) +
		"</x:b></abcdefghijklmnopqrstuv><c/></message><a/>"
	for _, n := range []int{len(input), 1, 13} {
		got := frames(t, &Decoder{MaxFrame: 110}, input, n)
		want := []string{"header {http://etherx.jabber.org/streams}stream:stream 106", "element/first {jabber:client}message 110",
			"element/middle 110", "element/middle 110", "element/last 69", "element {jabber:client}a 4"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("chunks of %d: %q", n, got)
		}
	}
}

// What has to be remembered while the parts of a large element pass by is
// bounded, too.
func TestKept(t *testing.T) {
	d := Decoder{MaxFrame: 1000}
	d.Write([]byte(open1))
	var err *SyntaxError
	for range MaxDepth {
		d.Write([]byte("<a xmlns:a='" + strings.Repeat("x", 20_000) + "'>"))
		for f, ok := d.Next(); ok; f, ok = d.Next() {
			if f.Err != nil && err == nil {
				err = f.Err
			}
		}
		if err != nil {
			break
		}
		if n := len(d.work.kept); n > 2*maxKept {
			t.Fatalf("%d bytes kept", n)
		}
	}
	if err == nil || err.Code != CodeTooLong {
		t.Errorf("error %v", err)
	}
}

func TestDepth(t *testing.T) {
	input := open1 + strings.Repeat("<a>", MaxDepth+1)
	got := frames(t, new(Decoder), input, len(input))
	if last := got[len(got)-1]; !strings.Contains(last, "too-deep") {
		t.Errorf("%q", last)
	}
	input = open1 + strings.Repeat("<a>", MaxDepth) + strings.Repeat("</a>", MaxDepth)
	if got := frames(t, new(Decoder), input, len(input)); len(got) != 2 || strings.Contains(got[1], "@") {
		t.Errorf("%q", got)
	}
}

// Bytes behind the element that ends a layer are not looked at.
func TestHandOver(t *testing.T) {
	var d Decoder
	d.Write([]byte(open1 + "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\x16\x03<a"))
	d.Next()
	f, ok := d.Next()
	if !ok || string(f.Name) != "proceed" || string(d.Unread()) != "\x16\x03<a" || d.AtBoundary() {
		t.Fatalf("%v, unread %q", f, d.Unread())
	}
	at := d.Offset() + 4
	d.Reset(at)
	d.Write([]byte(open1))
	if f, ok := d.Next(); !ok || f.Kind != Header || f.Offset != at || len(d.Unread()) != 0 {
		t.Errorf("after Reset: %v", f)
	}
}

func TestStreamHeader(t *testing.T) {
	var d Decoder
	d.Write([]byte("<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' to='a&amp;b' xml:lang='en'><message/>"))
	f, _ := d.Next()
	s := f.Stream
	if s.Attr("to") != "a&b" || s.Attr("xml:lang") != "en" || s.Attr("from") != "" || s.Prefix != "s" || s.NS != nsStreams {
		t.Errorf("%+v", s)
	}
	if uri, ok := s.Lookup(""); !ok || uri != "jabber:client" {
		t.Error(uri)
	}
	if f, _ := d.Next(); f.Stream != s {
		t.Error("the stanza has another stream")
	}
	d.Write([]byte("</s:stream><x/>"))
	if f, _ := d.Next(); f.Stream != s || f.Kind != End {
		t.Error("the end does not belong to its stream")
	}
	if f, _ := d.Next(); f.Stream != nil {
		t.Error("there is a stream after its end")
	}
}

// An idle decoder holds no buffer, and a busy one no more than a frame needs.
func TestMemoryIsBounded(t *testing.T) {
	var d Decoder
	d.Write([]byte(open1 + "<a/>"))
	for _, ok := d.Next(); ok; _, ok = d.Next() {
	}
	if d.work != nil {
		t.Error("an empty decoder holds a buffer")
	}
	d.MaxFrame = 64 << 10
	d.Write([]byte("<message><body>"))
	chunk := []byte(strings.Repeat("x", 1<<14))
	for range 2000 {
		d.Write(chunk)
		for f, ok := d.Next(); ok; f, ok = d.Next() {
			if len(f.Raw) > d.MaxFrame {
				t.Fatal(len(f.Raw))
			}
		}
		if len(d.work.b) > 512<<10 {
			t.Fatalf("the buffer has %d bytes", len(d.work.b))
		}
	}
}
