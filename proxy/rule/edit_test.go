package rule

import (
	"errors"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"

// frame is what the decoder makes of an element in a client's stream.
func frame(t testing.TB, xml string) decode.Frame {
	t.Helper()
	var d decode.Decoder
	d.Write([]byte(header + xml))
	d.Next()
	f, ok := d.Next()
	if !ok {
		t.Fatalf("no frame: %s", xml)
	}
	f.Raw = []byte(string(f.Raw))
	return f
}

func valuesOf(f decode.Frame) *values {
	s := stanza.Parse(f)
	return &values{s: &s, raw: f.Raw, count: 1, token: func() string { return "t1" }}
}

func mustEdit(t testing.TB, op, path, text, where string) edit {
	t.Helper()
	e, err := newEdit(op, path)
	if err != nil {
		t.Fatal(err)
	}
	var bad *columnError
	if e.text, bad = parseTemplate(text, op == opInsert, nil); bad != nil {
		t.Fatal(bad.text)
	}
	e.where = where
	return e
}

func TestEdit(t *testing.T) {
	for _, c := range []struct{ in, op, path, text, where, want string }{
		{`<iq type="get" id='1'/>`, opSet, "/iq/@type", "set", "", `<iq type="set" id='1'/>`},
		{`<iq type="get"  id='1' />`, opSet, "/iq/@id", "a'b<", "", `<iq type="get"  id='a&#39;b&lt;' />`},
		{`<iq id='1'/>`, opSet, "/iq/@type", "set", "", `<iq type='set' id='1'/>`},
		{`<iq id='1'/>`, opSet, "/iq/@xml:lang", "de", "", `<iq xml:lang='de' id='1'/>`},
		{`<message><body>a &amp; b</body><x/></message>`, opSet, "//body", "${id}c<d", "", `<message><body>c&lt;d</body><x/></message>`},
		{`<message><body><![CDATA[x]]>y</body></message>`, opSet, "//body/text()", "z", "", `<message><body>zz</body></message>`},
		{`<message ><body  /></message >`, opSet, "//body", "hi", "", `<message ><body  >hi</body></message >`},
		{`<message ><body></body></message>`, opSet, "//body", "hi", "", `<message ><body>hi</body></message>`},
		{`<message id = "1"  to='x'/>`, opRemove, "/message/@id", "", "", `<message  to='x'/>`},
		{`<message id = "1"  to='x'><body>b</body> <x xmlns='y'/></message>`, opRemove, "//body | //body/text() | /message/@to", "", "", `<message id = "1"> <x xmlns='y'/></message>`},
		{`<iq><query xmlns='jabber:iq:roster'><item jid='a'/><item jid='b'/></query></iq>`, opRemove, "//roster:item[@jid='a']", "", "", `<iq><query xmlns='jabber:iq:roster'><item jid='b'/></query></iq>`},
		{`<iq><r:query xmlns:r='jabber:iq:roster'/></iq>`, opInsert, "//roster:query", "<r:item jid='${name}'/>", "", `<iq><r:query xmlns:r='jabber:iq:roster'><r:item jid='iq'/></r:query></iq>`},
		{`<iq><query/>t</iq>`, opInsert, "/iq", "<a/>", atFirst, `<iq><a/><query/>t</iq>`},
		{`<iq><query/>t</iq>`, opInsert, "/iq", "<a/>", atLast, `<iq><query/>t<a/></iq>`},
		{`<iq><query/>t</iq>`, opInsert, "//query", "<a/>", atBefore, `<iq><a/><query/>t</iq>`},
		{`<iq><query/>t</iq>`, opInsert, "//query", "<a/>", atAfter, `<iq><query/><a/>t</iq>`},
		{`<stream:features><a/></stream:features>`, opRemove, "/stream:features/a", "", "", `<stream:features></stream:features>`},
		{`<message from="a'b&lt;c"/>`, opInsert, "/message", "<x j='${from}'/>", "", `<message from="a'b&lt;c"><x j='a&#39;b&lt;c'/></message>`},
		{`<message><body>x</body></message>`, opInsert, "/message", "<c>${stanza}</c>", "", `<message><body>x</body><c><message><body>x</body></message></c></message>`},
	} {
		f := frame(t, c.in)
		got, err := edited(f, []edit{mustEdit(t, c.op, c.path, c.text, c.where)}, valuesOf(f))
		if err != nil || string(got) != c.want {
			t.Errorf("%s %s of %s:\n got %s %v\nwant %s", c.op, c.path, c.in, got, err, c.want)
		}
	}
}

func TestEditRefused(t *testing.T) {
	f := frame(t, "<message><body>x</body></message>")
	for _, c := range []struct{ op, path, text, want string }{
		{opRemove, "//nothing", "", errNothing.Error()},
		{opInsert, "/message", "<a>", "not be well-formed"},
		{opInsert, "/message", "<p:a/>", "not be well-formed"},
		{opRemove, "/message", "", "not be well-formed"},
		{opInsert, "/message", "</message><message>", "not be well-formed"},
	} {
		_, err := edited(f, []edit{mustEdit(t, c.op, c.path, c.text, "")}, valuesOf(f))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v", c.op, c.path, err)
		}
	}
	if _, err := newEdit(opSet, "//["); err == nil {
		t.Error("an XPath with a mistake is taken")
	}
}

// The law of edits: outside of the places that they name every byte stays, and
// putting back what they took gives what came.
func FuzzEdit(f *testing.F) {
	for _, s := range []string{`<iq type="get" id='1'/>`, `<message a = "1"><body>a &amp; b<![CDATA[<]]></body><!-- c --><x xmlns='y'><z/></x></message >`, "<a><b/><b></b><b>t</b></a>", "<p:a xmlns:p='q' p:r='1'/>"} {
		for _, path := range []string{"//*", "//@*", "//text()", "/iq/@type", "//b", "//x"} {
			f.Add(s, path, "te<xt", uint8(len(path)))
		}
	}
	f.Fuzz(func(t *testing.T, xml, path, text string, how uint8) {
		var d decode.Decoder
		d.Write([]byte(header + xml))
		d.Next()
		fr, ok := d.Next()
		if !ok || fr.Kind != decode.Element || fr.Part != decode.Whole || fr.Err != nil || len(path) > 200 {
			return
		}
		op := []string{opSet, opRemove, opInsert}[how%3]
		e, err := newEdit(op, path)
		if err != nil {
			return
		}
		e.where = []string{atFirst, atLast, atBefore, atAfter}[how/3%4]
		e.text = &template{parts: []part{{text: text}}}
		list, err := e.apply(fr, valuesOf(fr))
		if errors.Is(err, errNothing) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		got := spliced(fr.Raw, list)
		// Back again: the splices, read from what came out.
		var back []splice
		shift := 0
		end := 0
		for _, s := range list {
			if s.from < end || s.to < s.from || s.to > len(fr.Raw) {
				t.Fatalf("splices overlap or leave the stanza: %+v", list)
			}
			end = s.to
			back = append(back, splice{s.from + shift, s.from + shift + len(s.text), string(fr.Raw[s.from:s.to])})
			shift += len(s.text) - (s.to - s.from)
		}
		if again := spliced(got, back); string(again) != string(fr.Raw) {
			t.Fatalf("%s\nbecame %s\nand back %s", fr.Raw, got, again)
		}
		// What is set is what is read; unless text holds what XML cannot.
		if strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0xfffd || r > 0xfffd }) {
			return
		}
		if op != opInsert && string(got) != "" && op == opSet {
			if err := wellFormed(got, fr.Stream); err != nil {
				t.Fatalf("set %s in %s: %v: %s", path, fr.Raw, err, got)
			}
		}
	})
}
