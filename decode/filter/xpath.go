package filter

import (
	"bytes"
	"fmt"
	"html"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/antchfx/xmlquery"
	"github.com/antchfx/xpath"

	"github.com/xmpplens/xmpplens/decode"
)

// prefixesOf are bound in XPath expressions. Names without a prefix match in
// every namespace that is the default where they stand.
var prefixesOf = map[string]string{
	"client": "jabber:client", "server": "jabber:server", "stream": "http://etherx.jabber.org/streams", "sasl": "urn:ietf:params:xml:ns:xmpp-sasl", "sasl2": "urn:xmpp:sasl:2",
	"tls": "urn:ietf:params:xml:ns:xmpp-tls", "bind": "urn:ietf:params:xml:ns:xmpp-bind", "err": "urn:ietf:params:xml:ns:xmpp-stanzas", "roster": "jabber:iq:roster",
	"disco": "http://jabber.org/protocol/disco#info", "items": "http://jabber.org/protocol/disco#items", "muc": "http://jabber.org/protocol/muc", "mucuser": "http://jabber.org/protocol/muc#user",
	"pubsub": "http://jabber.org/protocol/pubsub", "event": "http://jabber.org/protocol/pubsub#event", "mam": "urn:xmpp:mam:2", "sm": "urn:xmpp:sm:3", "carbons": "urn:xmpp:carbons:2",
	"forward": "urn:xmpp:forward:0", "data": "jabber:x:data", "omemo": "eu.siacs.conversations.axolotl", "omemo2": "urn:xmpp:omemo:2", "jingle": "urn:xmpp:jingle:1", "upload": "urn:xmpp:http:upload:0",
	"sid": "urn:xmpp:sid:0", "delay": "urn:xmpp:delay", "receipts": "urn:xmpp:receipts", "vcard": "vcard-temp", "limits": "urn:xmpp:stream-limits:0",
	"xml": nsXML,
}

const nsXML = "http://www.w3.org/XML/1998/namespace"

// xpathMatcher compiles an XPath. A tree is built only for frames that have
// every name of the expression somewhere.
func xpathMatcher(source string) (func(*Subject) bool, error) {
	bound := maps.Clone(prefixesOf)
	e, err := compileXPath(source, bound)
	if err != nil {
		return nil, fmt.Errorf("xpath(%q): %w (prefixes: %s)", source, err, strings.Join(slices.Sorted(maps.Keys(prefixesOf)), " "))
	}
	names := required(source)
	return func(s *Subject) bool {
		for _, n := range names {
			if !bytes.Contains(s.Frame.Raw, n) {
				return false
			}
		}
		if s.Frame.Kind != decode.Element || s.Frame.Part != decode.Whole || s.Frame.Err != nil && s.Frame.Err.Hard() {
			return false
		}
		f := s.Frame
		f.Raw = s.shown()
		doc := document(f)
		if doc == nil {
			return false
		}
		switch v := e.Evaluate(xmlquery.CreateXPathNavigator(doc)).(type) {
		case *xpath.NodeIterator:
			return v.MoveNext()
		case bool:
			return v
		case string:
			return v != ""
		case float64:
			return v != 0
		}
		return false
	}, nil
}

// required returns the names of elements and attributes without which the
// expression selects nothing; none when it has an alternative or a negation.
func required(source string) [][]byte {
	plain := quotedText.ReplaceAllString(source, "''")
	for _, s := range []string{"|", " or ", "not(", "count(", "boolean(", "!="} {
		if strings.Contains(plain, s) {
			return nil
		}
	}
	var out [][]byte
	for _, m := range xpathName.FindAllStringSubmatchIndex(plain, -1) {
		name := plain[m[2]:m[3]]
		rest := strings.TrimLeft(plain[m[3]:], " ")
		if strings.HasPrefix(rest, "(") || strings.HasPrefix(rest, ":") || name == "and" || name == "div" || name == "mod" {
			continue
		}
		out = append(out, []byte(name))
	}
	return out
}

var (
	quotedText = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	xpathName  = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.-]*)`)
)

// compileXPath turns what the library panics with into an error.
func compileXPath(source string, bound map[string]string) (e *xpath.Expr, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return xpath.CompileWithNS(source, bound)
}

// document parses a frame as a document of its own, with the declarations that
// it inherits from its stream.
func document(f decode.Frame) *xmlquery.Node {
	var b bytes.Buffer
	b.WriteString("<frame")
	if f.Stream != nil {
		for _, d := range f.Stream.Bindings {
			b.WriteString(" xmlns")
			if d.Prefix != "" {
				b.WriteString(":" + d.Prefix)
			}
			fmt.Fprintf(&b, "='%s'", html.EscapeString(d.URI))
		}
	}
	b.WriteByte('>')
	b.Write(f.Raw)
	b.WriteString("</frame>")
	doc, err := xmlquery.Parse(&b)
	if err != nil {
		return nil
	}
	for frame := doc.FirstChild; frame != nil; frame = frame.NextSibling {
		if frame.Type != xmlquery.ElementNode || frame.FirstChild == nil {
			continue
		}
		root := frame.FirstChild
		root.Parent, root.PrevSibling, root.NextSibling = doc, nil, nil
		doc.FirstChild, doc.LastChild = root, root
		return doc
	}
	return nil
}
