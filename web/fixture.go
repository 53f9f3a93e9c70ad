package web

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// fixture is a stanza as a test of a program that speaks XMPP. What comes from
// the traffic stands in literals only, and in comments as plain words.
type fixture struct {
	n      int
	from   string // the recording
	masked string // "" = nothing is
	xml    string // with its namespaces

	name, ns, kind, id string // of the element, its type and id
}

// of fills in what the test asks of the stanza; false when it can ask nothing.
func (f *fixture) of(root *stanza.Node) bool {
	if root == nil || !strings.HasSuffix(f.xml, ">") {
		return false
	}
	f.name, f.ns, f.kind, f.id = root.Name, root.NS, root.Attr("type"), root.Attr("id")
	return true
}

// title says in words what the stanza is.
func (f *fixture) title() string { return strings.TrimSpace(f.name + " " + f.kind) }

// comment is a line about where the stanza is from. Letters, figures and a few
// signs stay of what others chose.
func (f *fixture) comment(mark string) string {
	c := fmt.Sprintf("%s Entry %d of %s", mark, f.n, cmp.Or(plainWords(f.from), "a recording"))
	if f.masked != "" {
		c += "; " + f.masked
	}
	return c + ".\n"
}

func plainWords(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" .-_@", r)) {
			return r
		}
		return -1
	}, s)
}

// identifier makes a name of a program of words.
func identifier(words, otherwise string) string {
	var b strings.Builder
	for _, w := range strings.FieldsFunc(words, func(r rune) bool {
		return r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return cmp.Or(b.String(), otherwise)
}

// printable tells letters that may stand in source code as they are: not what
// turns the reading direction, nor what no eye sees.
func printable(r rune) bool { return r == '\n' || r == '\t' || unicode.IsPrint(r) }

func allPrintable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !printable(r) }) < 0
}

func (f *fixture) golang() string {
	var b strings.Builder
	b.WriteString("package stanzas_test\n\nimport (\n\t\"encoding/xml\"\n\t\"testing\"\n)\n\n")
	b.WriteString(f.comment("//"))
	fmt.Fprintf(&b, `func Test%s(t *testing.T) {
	for _, c := range []struct{ about, stanza, space, name, kind, id string }{
		{
			about:  %s,
			stanza: %s,
			space:  %s, name: %s, kind: %s, id: %s,
		},
	} {
		t.Run(c.about, func(t *testing.T) {
			var got struct {
				XMLName xml.Name
				Type    string `+"`xml:\"type,attr\"`"+`
				ID      string `+"`xml:\"id,attr\"`"+`
			}
			if err := xml.Unmarshal([]byte(c.stanza), &got); err != nil {
				t.Fatal(err)
			}
			if got.XMLName != (xml.Name{Space: c.space, Local: c.name}) || got.Type != c.kind || got.ID != c.id {
				t.Errorf("got %%+v, want %%+v", got, c)
			}
		})
	}
}
`, identifier(f.title(), "Stanza"), goString(f.title()), goString(f.xml), goString(f.ns), goString(f.name), goString(f.kind), goString(f.id))
	return b.String()
}

// goString is a literal of Go: a raw string where it can be one.
func goString(s string) string {
	if !allPrintable(s) || !strings.ContainsAny(s, "\"\\\n`") {
		return strconv.Quote(s)
	}
	return "`" + strings.ReplaceAll(s, "`", "` + \"`\" + `") + "`"
}

func (f *fixture) python() string {
	return "import unittest\nimport xml.etree.ElementTree as ET\n\n\n" + f.comment("#") + fmt.Sprintf(`class %sTest(unittest.TestCase):
    STANZA = %s

    def test_reads(self):
        # With slixmpp: slixmpp.%s(xml=ET.fromstring(self.STANZA))
        stanza = ET.fromstring(self.STANZA)
        self.assertEqual(stanza.tag, %s)
        self.assertEqual(stanza.get("type", ""), %s)
        self.assertEqual(stanza.get("id", ""), %s)


if __name__ == "__main__":
    unittest.main()
`, identifier(f.title(), "Stanza"), pythonString(f.xml), map[string]string{"iq": "Iq", "message": "Message", "presence": "Presence"}[f.name]+map[bool]string{true: "", false: "xmlstream.StanzaBase"}[f.name == "iq" || f.name == "message" || f.name == "presence"],
		pythonString(clark(f.ns, f.name)), pythonString(f.kind), pythonString(f.id))
}

// clark is a name with its namespace, as ElementTree writes it.
func clark(ns, name string) string {
	if ns == "" {
		return name
	}
	return "{" + ns + "}" + name
}

// pythonString is a literal of Python; of bytes where they are no text.
func pythonString(s string) string {
	var b strings.Builder
	if !utf8.ValidString(s) {
		b.WriteString(`b"`)
		for i := range len(s) {
			if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
				fmt.Fprintf(&b, `\x%02x`, c)
			} else {
				b.WriteByte(c)
			}
		}
		return b.String() + `"`
	}
	mark := `"`
	if strings.Contains(s, "\n") {
		mark = `"""`
	}
	b.WriteString(mark)
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case printable(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String() + mark
}

func (f *fixture) javascript() string {
	return "import assert from \"node:assert/strict\";\nimport test from \"node:test\";\nimport parse from \"@xmpp/xml/lib/parse.js\";\n\n" + f.comment("//") + fmt.Sprintf(`const stanza = %s;

test(%s, () => {
  // In a browser: new DOMParser().parseFromString(stanza, "text/xml").documentElement
  const el = parse(stanza);
  assert.equal(el.getName(), %s);
  assert.equal(el.getNS() ?? "", %s);
  assert.equal(el.attrs.type ?? "", %s);
  assert.equal(el.attrs.id ?? "", %s);
});
`, jsString(f.xml), jsString(f.title()), jsString(f.name), jsString(f.ns), jsString(f.kind), jsString(f.id))
}

// jsString is a literal of JavaScript. What is no text becomes �.
func jsString(s string) string {
	mark := `"`
	if strings.ContainsAny(s, "\n\"") {
		mark = "`"
	}
	var b strings.Builder
	b.WriteString(mark)
	for i, r := range s {
		switch {
		case r == '\\', string(r) == mark, r == '$' && mark == "`" && strings.HasPrefix(s[i:], "${"):
			b.WriteString(`\` + string(r))
		case printable(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String() + mark
}
