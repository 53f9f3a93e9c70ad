package stanza

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode"
)

// An Unfolded is something in a frame that has a form of its own: a form, a SASL
// message, base64, JSON, an error.
type Unfolded struct {
	What string     `json:"what"`           // base64 in <data/>: PNG image, 96 × 96 pixels
	Rows [][]string `json:"rows,omitempty"` // a table; without Head the first cell names the others
	Head []string   `json:"head,omitempty"`
	Text string     `json:"text,omitempty"` // several lines
	Ref  string     `json:"ref,omitempty"`
}

const (
	maxUnfolded = 40       // of one frame
	maxRows     = 60       // of a table
	maxCell     = 500      // characters
	maxUnpacked = 16 << 10 // bytes of JSON or text
	maxPacked   = 8 << 20  // bytes of base64
)

// Unfold takes apart what an element holds in other forms than XML. What Secrets
// would mask is left out, unless secrets may be shown.
func Unfold(f decode.Frame, root *Node, secrets bool) []Unfolded {
	u := unfolder{secrets: secrets}
	if root == nil || f.Kind != decode.Element {
		return nil
	}
	if !secrets {
		u.spans = Secrets(f)
	}
	todo := []*Node{root}
	for len(todo) > 0 && len(u.out) < maxUnfolded {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if u.node(n) {
			continue
		}
		for _, c := range slices.Backward(n.Children) {
			todo = append(todo, c)
		}
	}
	return u.out
}

type unfolder struct {
	secrets bool
	spans   []Span
	out     []Unfolded
}

func (u *unfolder) add(what, ref string, rows ...[]string) {
	x := Unfolded{What: what, Ref: ref}
	for _, r := range rows {
		u.row(&x, r...)
	}
	u.out = append(u.out, x)
}

// row adds a row that is not empty.
func (u *unfolder) row(x *Unfolded, cells ...string) {
	if len(cells) == 2 && cells[1] == "" {
		return
	}
	if len(x.Rows) == maxRows {
		x.Rows = append(x.Rows, []string{"…", "more than are shown here"})
	}
	if len(x.Rows) > maxRows {
		return
	}
	for i, c := range cells {
		cells[i] = Clean(c, maxCell)
	}
	x.Rows = append(x.Rows, cells)
}

// hidden tells whether a byte is in a secret that is not to be shown, and what
// stands in its place.
func (u *unfolder) hidden(start, end int) (string, bool) {
	at, _ := slices.BinarySearchFunc(u.spans, start, func(s Span, at int) int { return s.End - at - 1 })
	if at < len(u.spans) && u.spans[at].Start < end {
		return u.spans[at].Mask, true
	}
	return "", false
}

// node takes an element apart, and reports whether that is all about it.
func (u *unfolder) node(n *Node) bool {
	if _, hide := u.hidden(n.Start, n.Start+1); hide {
		return true // it is itself inside of a secret
	}
	switch {
	case n.NS == nsData && n.Name == "x":
		u.form(n)
		return true
	case n.Name == "error" && (n.up == nil || n.up.Attr("type") == "error") || n.Name == "failure" && (n.NS == nsSASL || n.NS == nsSASL2):
		u.failure(n)
		return true
	case n.NS == "http://jabber.org/protocol/rsm" && n.Name == "set":
		u.pages(n)
		return true
	case (n.NS == nsSASL || n.NS == nsSASL2) && len(n.Children) == 0 && strings.TrimSpace(n.Text) != "":
		u.sasl(n)
		return true
	}
	if _, hide := u.hidden(n.InnerStart, n.InnerEnd); hide && len(n.Children) == 0 {
		return true
	}
	u.packed(n)
	return false
}

func (u *unfolder) failure(n *Node) {
	e := readError(n, "")
	x := Unfolded{What: "error: " + cmp.Or(e.Condition, "without a condition")}
	if m, ok := meaningOfCondition(n, e.Condition); ok {
		x.Ref = m.Ref
		u.row(&x, "means", m.Text)
	}
	if e.Type != "" {
		u.row(&x, "type", e.Type+after(": ", errorTypes[e.Type]))
	}
	u.row(&x, "text", e.Text)
	u.row(&x, "found by", n.Attr("by"))
	u.row(&x, "legacy code", n.Attr("code"))
	for _, c := range n.Children {
		if c.Name == e.Condition && c.Text != "" {
			u.row(&x, "says", c.Text)
		} else if c.Name != e.Condition && c.Name != "text" {
			u.row(&x, "and", c.Name+" "+c.NS)
		}
	}
	u.out = append(u.out, x)
}

// pages says which part of a long result is asked for, or given (XEP-0059).
func (u *unfolder) pages(n *Node) {
	var rows [][]string
	for _, c := range n.Children {
		text := strings.TrimSpace(c.Text)
		switch c.Name {
		case "max":
			rows = append(rows, []string{"at most", text})
		case "after":
			rows = append(rows, []string{"behind", text})
		case "before":
			rows = append(rows, []string{"before", cmp.Or(text, "the end: the last page")})
		case "first":
			rows = append(rows, []string{"first", text + after(", index ", c.Attr("index"))})
		case "last":
			rows = append(rows, []string{"last", text})
		case "count":
			rows = append(rows, []string{"in all", text})
		case "index":
			rows = append(rows, []string{"from index", text})
		}
	}
	if up := n.up; up != nil && strings.HasPrefix(up.NS, "urn:xmpp:mam:") {
		rows = append(rows, []string{"complete", up.Attr("complete")}, []string{"stable", up.Attr("stable")})
	}
	u.add("a page of a result", "XEP-0059", rows...)
}

// form shows the fields of a form, or the table of its items (XEP-0004).
func (u *unfolder) form(n *Node) {
	x := Unfolded{What: "form " + cmp.Or(n.Attr("type"), "of no type"), Ref: "XEP-0004", Head: []string{"field", "type", "value"}}
	if t := n.Child("", "title"); t != nil {
		x.What += " " + quote(t.Text, 80)
	}
	for _, c := range n.Children {
		switch c.Name {
		case "instructions":
			u.row(&x, "", "instructions", c.Text)
		case "field":
			name := c.Attr("var")
			if l := c.Attr("label"); l != "" && l != name {
				name = strings.TrimSpace(name + " (" + l + ")")
			}
			kind := c.Attr("type")
			if c.Child("", "required") != nil {
				kind += ", required"
			}
			u.row(&x, name, kind, u.values(c))
		case "item":
			cells := []string{"item", ""}
			var parts []string
			for _, f := range children(c, "field") {
				parts = append(parts, f.Attr("var")+": "+u.values(f))
			}
			u.row(&x, append(cells, strings.Join(parts, "; "))...)
		}
	}
	u.out = append(u.out, x)
}

func (u *unfolder) values(field *Node) string {
	var values, options []string
	for _, v := range field.Children {
		switch v.Name {
		case "value":
			text := v.Text
			if mask, hide := u.hidden(v.InnerStart, v.InnerEnd); hide {
				text = mask
			}
			values = append(values, text)
		case "option":
			o := ""
			if c := v.Child("", "value"); c != nil {
				o = c.Text
			}
			options = append(options, cmp.Or(o, v.Attr("label")))
		}
		if len(values)+len(options) > maxRows {
			break
		}
	}
	w := strings.Join(values, ", ")
	if options != nil {
		w += " [of " + strings.Join(options, ", ") + "]"
	}
	return w
}

// packed shows JSON and base64 in an element's text.
func (u *unfolder) packed(n *Node) {
	text := strings.TrimSpace(n.Text)
	if len(text) < 2 {
		return
	}
	if c := text[0]; (c == '{' || c == '[') && len(text) <= maxUnpacked {
		var b bytes.Buffer
		if json.Indent(&b, []byte(text), "", "  ") == nil {
			u.out = append(u.out, Unfolded{What: "JSON in <" + Clean(n.Name, 60) + "/>", Text: visible(b.String())})
		}
		return
	}
	if b, ok := unpack(n.Name, text); ok {
		what, inside := LooksLike(b)
		x := Unfolded{What: fmt.Sprintf("base64 in <%s/>: %s", Clean(n.Name, 60), what), Text: inside}
		u.row(&x, "size", fmt.Sprintf("%d bytes, %d as base64", len(b), len(text)))
		u.out = append(u.out, x)
	}
}

// base64Names are elements whose text is base64, however short.
var base64Names = map[string]bool{"BINVAL": true, "data": true, "payload": true, "iv": true, "key": true, "identityKey": true, "signedPreKeyPublic": true, "signedPreKeySignature": true,
	"preKeyPublic": true, "openpgp": true, "pubkey": true, "hash": true, "ik": true, "spk": true, "spks": true, "pk": true}

// unpack decodes text that is meant to be base64. A word may look like it, so
// that of an element that is not known for it has to be long.
func unpack(name, text string) ([]byte, bool) {
	if len(text) > maxPacked || len(text) < 4 || !base64Names[name] && len(text) < 32 {
		return nil, false
	}
	if strings.ContainsAny(text, "\n\r\t ") {
		if !base64Names[name] && strings.Contains(text, " ") {
			return nil, false
		}
		text = strings.NewReplacer("\n", "", "\r", "", "\t", "", " ", "").Replace(text)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, false
	}
	if !base64Names[name] && !strings.ContainsAny(text, "0123456789+/=") {
		return nil, false // letters alone may be a long word
	}
	if !base64Names[name] && strings.Trim(text, "0123456789abcdef") == "" {
		return nil, false // a number in hexadecimal
	}
	return b, true
}

// visible makes what could turn the reading direction visible, line breaks stay.
func visible(s string) string {
	var b strings.Builder
	safe(Text, []byte(s), func(_ Class, piece []byte) { b.Write(piece) })
	return b.String()
}

// cutText cuts text where it is long, at a letter.
func cutText(b []byte) string {
	if len(b) <= maxUnpacked {
		return visible(string(b))
	}
	end := maxUnpacked
	for end > 0 && !utf8.RuneStart(b[end]) {
		end--
	}
	return visible(string(b[:end])) + fmt.Sprintf("\n… %d bytes more", len(b)-end)
}
