package stanza

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// Prefixes are found however many are declared, and the innermost counts.
func TestDeclarations(t *testing.T) {
	for _, n := range []int{1, few - 1, few, few + 1, 100} {
		var decls, inner strings.Builder
		for i := range n {
			fmt.Fprintf(&decls, " xmlns:p%d='urn:outer:%d'", i, i)
			fmt.Fprintf(&inner, "<p%d:a/>", i)
		}
		root, err := Tree(frames("<x" + decls.String() + "><y xmlns:p0='urn:inner'><p0:b/></y>" + inner.String() + "<c/></x>")[0])
		if err != nil {
			t.Fatal(err)
		}
		if b := root.Children[0].Children[0]; b.NS != "urn:inner" || b.Prefix != "p0" || b.Name != "b" {
			t.Errorf("%d: the inner one is {%s}%s", n, b.NS, b.Name)
		}
		for i, c := range root.Children[1 : 1+n] {
			if c.NS != fmt.Sprintf("urn:outer:%d", i) || c.Name != "a" {
				t.Errorf("%d: number %d is {%s}%s", n, i, c.NS, c.Name)
			}
		}
	}
}

// Nodes and attributes that are allocated together stay apart.
func TestNodesAreApart(t *testing.T) {
	var b strings.Builder
	b.WriteString("<r k='0'>")
	for i := 1; i < 300; i++ {
		b.WriteString("<n")
		for k := range i % 13 {
			fmt.Fprintf(&b, " a%d='%d'", k, i)
		}
		fmt.Fprintf(&b, ">t%d<m z='1'/>&amp;<![CDATA[<]]></n>", i)
	}
	b.WriteString("</r>")
	root, err := Tree(frames(b.String())[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range root.Children {
		i++
		if len(n.Attrs) != i%13 || n.Text != fmt.Sprintf("t%d&<", i) || len(n.Children) != 1 || n.Children[0].Attr("z") != "1" {
			t.Fatalf("node %d: %d attributes, text %q", i, len(n.Attrs), n.Text)
		}
		if len(n.Attrs) > 0 {
			_ = append(n.Attrs, Attr{Name: "overwritten"})
		}
		for k, a := range n.Attrs {
			if a.Name != fmt.Sprintf("a%d", k) || a.Value != fmt.Sprint(i) {
				t.Fatalf("node %d has %s=%s", i, a.Name, a.Value)
			}
		}
	}
	if root.Attr("k") != "0" {
		t.Error("the root's attribute is lost")
	}
}

// ParseFields differs from Parse by the Summary alone.
func TestParseFields(t *testing.T) {
	for _, f := range frames("<message to='a@b/c' type='chat'><body>x &lt; y</body></message><iq type='error' id='1'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq> <a></b>") {
		full, fields := Parse(f), ParseFields(f)
		full.Summary, full.Generic, full.root, fields.Summary, fields.root = "", false, nil, "", nil
		if !reflect.DeepEqual(full, fields) {
			t.Errorf("%s:\n%+v\n%+v", f.Raw, full, fields)
		}
	}
}
