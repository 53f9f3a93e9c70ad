package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// encoded is what is drawn, as the page gets it.
func encoded(t testing.TB, v any) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// textOf is the text in trees, without what is hidden.
func textOf(trees any) (out string) {
	in, _ := trees.(group)
	switch v := trees.(type) {
	case string:
		return v
	case drawn:
		in = group(v[1:])
		if len(in) > 0 {
			if a, ok := in[0].(attrs); ok {
				if _, hidden := a["hidden"]; hidden {
					return ""
				}
			}
		}
	}
	for _, part := range in {
		out += textOf(part)
	}
	return out
}

// elements calls do with each element in trees.
func elements(trees any, do func(what string, a attrs)) {
	in, _ := trees.(group)
	if el, ok := trees.(drawn); ok {
		var a attrs
		if len(el) > 1 {
			a, _ = el[1].(attrs)
		}
		do(el[0].(string), a)
		in = group(el[1:])
	}
	for _, part := range in {
		elements(part, do)
	}
}

func TestReference(t *testing.T) {
	const more = `,"rel":"noreferrer noopener","target":"_blank"}`
	for ref, want := range map[string]string{
		"":                 `[]`,
		"nowhere":          `["nowhere"]`,
		"RFC 6120 §8.2.3":  `[["a",{"href":"https://www.rfc-editor.org/rfc/rfc6120#section-8.2.3"` + more + `,"RFC 6120 §8.2.3"]]`,
		"RFC 6121":         `[["a",{"href":"https://www.rfc-editor.org/rfc/rfc6121"` + more + `,"RFC 6121"]]`,
		"see XEP-0198 §5.": `["see ",["a",{"href":"https://xmpp.org/extensions/xep-0198.html"` + more + `,"XEP-0198 §5"],"."]`,
		"RFC 6120 §7, XEP-0386": `[["a",{"href":"https://www.rfc-editor.org/rfc/rfc6120#section-7"` + more + `,"RFC 6120 §7"],", ",` +
			`["a",{"href":"https://xmpp.org/extensions/xep-0386.html"` + more + `,"XEP-0386"]]`,
		"javascript:alert(1)": `["javascript:alert(1)"]`,
	} {
		got := encoded(t, append(group{}, reference(ref)...))
		if got != want {
			t.Errorf("%q:\n%s, want\n%s", ref, got, want)
		}
	}
}

func TestHeadings(t *testing.T) {
	for _, c := range [][2]string{
		{apart(.0012), "1.20 ms later"}, {apart(-.25), "250 ms before"}, {apart(61.5), "61.50 s later"}, {apart(-600), "10 min before"},
		{headingOf(timeline.Row{N: 7, Dir: "CS", Conn: 2, Size: 20}), "#7  client → server, connection 2, 20\u00a0B"},
		{headingOf(timeline.Row{N: 8, Kind: "note"}), "#8  note"},
	} {
		if c[0] != c[1] {
			t.Errorf("%q, want %q", c[0], c[1])
		}
	}
}

// sheetOf gets an entry as the page does.
func (p *page) sheetOf(n int, as string) sheet {
	return p.entry(request{N: n, whole: fmt.Appendf(nil, `{"as":%q}`, as)}).(sheet)
}

// leafOf gets a piece as the page does.
func (p *page) leafOf(n int, as, more string) leaf {
	return p.piece(request{N: n, whole: fmt.Appendf(nil, `{"as":%q,"draw":true,"seq":3%s}`, as, more)}).(leaf)
}

func TestSheet(t *testing.T) {
	log, s, _ := show(t)
	say(log, record.CS, header+"<iq type='get' id='r1'><query xmlns='jabber:iq:roster'/></iq>")
	say(log, record.SC, header+"<iq type='result' id='r1'><query xmlns='urn:q'/></iq><iq type='result' id='r9'/>")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 4 })
	p := &page{server: s, source: s.Source}
	asked, answer := p.sheetOf(2, "pretty"), p.sheetOf(4, "tree")
	if asked.Partner != 4 || answer.Partner != 2 || !asked.Whole || asked.N != 2 || asked.Heading != "#2  client → server, connection 1, 61\u00a0B" {
		t.Errorf("%+v\n%+v", asked, answer)
	}
	facts := encoded(t, asked.Facts)
	for _, want := range []string{
		`["p.summary",{"dir":"auto"},"iq get roster"]`,
		`["div",["dt","id"],["dd",["span.filterable",{"aria-haspopup":"menu","data-field":"id","data-key":"id","dir":"auto","role":"button","tabindex":0},"r1"]]]`,
		`"RFC 6121"]],["dd",["span",{"dir":"auto","title":"jabber:iq:roster"},"query",["small"," XMPP: Instant Messaging and Presence"]]]]`,
		`["dl.links",["div",["dt","answered by"],["dd",["span",{"title":"`,
		`["button.link",{"data-go":4,"data-key":"go 4"},"#4"]," `,
		`["div",{"hidden":""},["p",{"id":"why0"},`,
	} {
		if !strings.Contains(facts, want) {
			t.Errorf("%s is not in\n%s", want, facts)
		}
	}
	// What is drawn of another side of a comparison leads nowhere, and has ids of its own.
	heading, other := s.contents(s.Source, 2, "A")
	if text := encoded(t, other); heading != asked.Heading || strings.Contains(text, "data-go") || strings.Contains(text, "data-field") || !strings.Contains(text, `"data-why":"A1"`) || !strings.Contains(text, `{"id":"A1"}`) {
		t.Errorf("%s\n%s", heading, text)
	}
	// The first name with a meaning is where Tab stops.
	why := regexp.MustCompile(`"data-why":"(\w+)","tabindex":(-?\d)`).FindAllStringSubmatch(encoded(t, asked.Leaf.Drawn), -1)
	if len(why) != 4 || why[0][2] != "0" || why[1][2] != "-1" {
		t.Errorf("%v", why)
	}
	for _, w := range why {
		if !strings.Contains(facts, `["p",{"id":"`+w[1]+`"},`) {
			t.Errorf("%s means nothing", w[1])
		}
	}
	tree := `[["ul.tree",{"aria-label":"Elements","role":"tree"},["li",{"aria-expanded":"true","aria-level":1,"role":"treeitem","tabindex":0},["div",["span.element",{"data-why":"why2","tabindex":-1},"iq"]," ",` +
		`["span.attr",{"data-why":"why1","tabindex":-1},"type"],"=",["bdi.value","\"result\""]," ",["span.attr",{"data-why":"why0","tabindex":-1},"id"],"=",["bdi.value","\"r1\""]," ",["span.ns","in jabber:client"]," ",["small","1 inside, 53 B"]],` +
		`["ul",{"role":"group"},["li",{"aria-level":2,"role":"treeitem","tabindex":-1},["div",["span.element",{"data-why":"why4","tabindex":-1},"query"]," ",["span.attr",{"data-why":"why3","tabindex":-1},"xmlns"],"=",["bdi.ns","\"urn:q\""]," ",["small","22 B"]]]]]]]`
	if got := encoded(t, answer.Leaf.Drawn); got != tree {
		t.Errorf("the tree is\n%s, want\n%s", got, tree)
	}
	// The finding on the answer that nobody asked for leads to its section.
	if facts := encoded(t, p.sheetOf(5, "raw").Facts); !strings.Contains(facts, `["p.finding.`) || !strings.Contains(facts, `["a",{"href":"https://www.rfc-editor.org/rfc/rfc6120#section-8`) {
		t.Errorf("%s", facts)
	}
	if no := p.sheetOf(99, "pretty"); no.Leaf != nil || no.Heading != "#99  " || !strings.Contains(textOf(no.Facts), "no such entry") {
		t.Errorf("%+v", no)
	}
}

// Each way draws what its piece has, and leads to the next.
func TestLeaves(t *testing.T) {
	log, s, _ := show(t)
	say(log, record.CS, header+"<message><body>"+strings.Repeat("Wherefore \U0001F339ü", 40_000)+"</body></message>"+
		"<iq><query xmlns='urn:q'>"+strings.Repeat("<item a='1'><b/></item>", 500)+"</query></iq><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth> ")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 4 })
	p := &page{server: s, source: s.Source}
	for _, as := range []string{"pretty", "raw", "hex"} {
		first := p.leafOf(2, as, "")
		pieces, off := 0, 0
		for ; pieces < 3; pieces++ {
			l, o := p.leafOf(2, as, fmt.Sprintf(`,"off":%d`, off)), p.ask(2, as, fmt.Sprintf(`,"off":%d`, off))
			bar := encoded(t, l.Drawn[0])
			before := `["button",{"data-key":"Before","data-off":-1},"Before"]`
			if off == 0 {
				before = `["button",{"data-key":"Before","data-off":-1,"disabled":""},"Before"]`
			}
			if l.Seq != 3 || l.N != 2 || l.As != as || l.Off != off || !strings.HasPrefix(bar, fmt.Sprintf(`["div.pager",["span","Bytes %s to %s of %s; `, thousands(off), thousands(cmp.Or(o.Next, o.Total)), thousands(o.Total))) || !strings.Contains(bar, before) {
				t.Fatalf("%s at %d: %d, %s", as, off, l.Off, bar)
			}
			if text := textOf(l.Drawn[1]); as != "hex" && text != joined(o.Tokens) {
				t.Errorf("%s at %d has another text", as, off)
			}
			off = o.Next
			next := fmt.Sprintf(`["button",{"data-key":"Next","data-off":%d},"Next"]`, off)
			if off == 0 {
				next = `["button",{"data-key":"Next","data-off":0,"disabled":""},"Next"]`
			}
			if !strings.Contains(bar, next) {
				t.Fatalf("%s at %d leads to %s", as, l.Off, bar)
			}
			if off == 0 {
				break
			}
		}
		if sheet := p.sheetOf(2, as); encoded(t, sheet.Leaf.Drawn) != encoded(t, first.Drawn) {
			t.Errorf("%s: the piece that comes with the entry is another one", as)
		}
	}
	// What the tree lacks is asked for with what stands in its place.
	at, seen := "", 0
	for range 20 {
		l := p.leafOf(3, "tree", at)
		more := ""
		elements(l.Drawn, func(what string, a attrs) {
			if a["aria-level"] == 3 && a["data-more"] == nil {
				seen++
			}
			if m, ok := a["data-more"].(string); ok {
				more = m
			}
		})
		if at != "" && l.More == "" {
			t.Fatalf("%s comes in no place", at)
		}
		if more == "" {
			break
		}
		var node, from int
		fmt.Sscan(more, &node, &from)
		if at = fmt.Sprintf(`,"node":%d,"from":%d`, node, from); seen != from {
			t.Fatalf("%d are seen, %s is next", seen, more)
		}
	}
	if seen != 500 {
		t.Errorf("%d elements", seen)
	}
	for _, as := range []string{"pretty", "raw", "tree", "hex"} {
		text := textOf(p.leafOf(4, as, "").Drawn)
		if !strings.HasPrefix(text, "Secrets are masked here") || strings.Contains(text, "AHJv") {
			t.Errorf("%s: %s", as, text)
		}
	}
	for as, want := range map[string]string{"raw": "no such entry", "upside down": "no way"} {
		if l := p.leafOf(map[string]int{"raw": 99, "upside down": 2}[as], as, ""); !strings.Contains(textOf(l.Drawn), want) || l.Seq != 3 {
			t.Errorf("%s: %+v", as, l)
		}
	}
	if text := textOf(p.leafOf(1, "tree", `,"node":3`).Drawn); text == "" {
		t.Error("nothing is said of a place where no element begins")
	}
}

func TestHexLines(t *testing.T) {
	raw := []byte("aü€\U0001F339\x00\xffz\u202e\u0301!0123456789")
	want := "00000010  cc 81 21 30 31 32 33 34  35 36 37 38 39           ..!0123456789"
	got := textOf(hexLines(16, figures(raw, 16, len(raw), nil)))
	if got != want {
		t.Errorf("%q, want\n%q", got, want)
	}
	if one := textOf(hexLines(0, figures([]byte("a"), 0, 1, nil))); one != "00000000  61"+strings.Repeat(" ", 21+2+23+2)+"a" {
		t.Errorf("%q", one)
	}
}

// Around lines that differ some are shown that do not, and a sign for the others.
func TestDrawnChange(t *testing.T) {
	c := &change{How: "edited", By: "rule <x>", Why: "why", Cut: 1200}
	for i := range 20 {
		sign := "="
		if i == 6 {
			sign = "-"
		}
		c.Lines = append(c.Lines, changeLine{sign, []timeline.Token{{"value differs", fmt.Sprint(i)}, {"", "\n"}}})
	}
	got := textOf(c.draw())
	want := "What the proxy changedby rule <x>: why⋯  3\n  4\n  5\n− 6\n  7\n  8\n  9\n⋯1,200 more lines are not shownAs it was received"
	if got != want {
		t.Errorf("%q, want\n%q", got, want)
	}
	if line := encoded(t, c.Lines[6].draw()); line != `["del","− ",["span.value.differs","6"],"\n"]` {
		t.Errorf("%s", line)
	}
}

func TestFold(t *testing.T) {
	for _, c := range []struct {
		in   stanza.Unfolded
		want string
	}{
		{stanza.Unfolded{What: "a form <b>", Ref: "XEP-0004", Rows: [][]string{{"title", "x"}}},
			`["details.fold",{"open":""},["summary","a form <b>"],["p.hint",["a",{"href":"https://xmpp.org/extensions/xep-0004.html","rel":"noreferrer noopener","target":"_blank"},"XEP-0004"]],["table",["tbody",["tr",["th",{"dir":"auto"},"title"],["td",{"dir":"auto"},"x"]]]]]`},
		{stanza.Unfolded{What: "items", Head: []string{"a", "b"}, Rows: [][]string{{"1", "2"}}},
			`["details.fold",{"open":""},["summary","items"],["table",["thead",["tr",["th",{"dir":"auto"},"a"],["th",{"dir":"auto"},"b"]]],["tbody",["tr",["td",{"dir":"auto"},"1"],["td",{"dir":"auto"},"2"]]]]]`},
		{stanza.Unfolded{What: "JSON", Text: strings.Repeat("x", openFold)}, `["details.fold",["summary","JSON"],["pre","` + strings.Repeat("x", openFold) + `"]]`},
	} {
		if got := encoded(t, fold(c.in)); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.in.What, got, c.want)
		}
	}
}

// Text of the traffic is never the name of something, and never an address.
func TestSheetsOfHostileEntries(t *testing.T) {
	log, s, _ := show(t)
	say(log, record.CS, header+strings.Join(hostile, "")+"<a"+strings.Repeat("b", 50<<10)+"/>")
	st := s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known >= len(hostile)+1 })
	p := &page{server: s, source: s.Source}
	names := regexp.MustCompile(`^(p|span|bdi|div|pre|dl|dt|dd|small|button|a|h2|ul|li|details|summary|table|thead|tbody|tr|th|td|ins|del)(\.(summary|finding|error|warning|note|filterable|link|links|pairs|hint|pager|punct|element|attr|value|text|ns|comment|masked|broken|control|raw|hex|off|chars|tree|more|fold|edits|skip))*$`)
	keys := regexp.MustCompile(`^(id|dir|title|hidden|open|href|rel|target|role|tabindex|disabled|aria-(label|level|expanded|haspopup)|data-(why|go|field|key|more|off))$`)
	places := regexp.MustCompile(`^https://(xmpp\.org/extensions/xep-\d{4}\.html|www\.rfc-editor\.org/rfc/rfc\d{4}(#section-[\d.]+)?)$`)
	for n := 1; n <= st.Len; n++ {
		for _, as := range []string{"pretty", "raw", "tree", "hex"} {
			sheet := p.sheetOf(n, as)
			trees := sheet.Facts
			if sheet.Leaf != nil {
				trees = append(trees, sheet.Leaf.Drawn...)
			}
			elements(trees, func(what string, a attrs) {
				if !names.MatchString(what) {
					t.Errorf("entry %d, %s: %.80q is the name of an element", n, as, what)
				}
				for k, v := range a {
					if !keys.MatchString(k) {
						t.Errorf("entry %d, %s: %.80q is the name of an attribute", n, as, k)
					}
					if k == "href" && !places.MatchString(v.(string)) || k == "id" && !strings.HasPrefix(v.(string), whyID) {
						t.Errorf("entry %d, %s: %s is %v", n, as, k, v)
					}
				}
			})
		}
	}
}
