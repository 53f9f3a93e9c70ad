package web

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// ask gets a piece as the page does.
func (p *page) ask(n int, as string, more string) piece {
	q := request{N: n, whole: fmt.Appendf(nil, `{"as":%q%s}`, as, more)}
	return p.piece(q).(piece)
}

func joined(tokens []timeline.Token) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString(t[1])
	}
	return b.String()
}

// The pieces of a frame are the frame, in order, and cut no letter.
func TestPieces(t *testing.T) {
	log, s, _ := show(t)
	text := "<message><body>" + strings.Repeat("Wherefore \U0001F339ü", 60_000) + "</body></message>"
	say(log, record.CS, header+text)
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 1 })
	p := &page{server: s, source: s.Source}
	for as, text := range map[string]string{"raw": text, "pretty": strings.NewReplacer("<body>", "\n  <body>", "</message>", "\n</message>").Replace(text)} {
		var b strings.Builder
		off, n := 0, 0
		for ; n < 100; n++ {
			m := p.ask(2, as, fmt.Sprintf(`,"off":%d`, off))
			piece := joined(m.Tokens)
			if m.Error != "" || m.Off != off || !utf8.ValidString(piece) || m.Total != len(text) {
				t.Fatalf("%s at %d: %+v", as, off, m.Off)
			}
			b.WriteString(piece)
			if off = m.Next; off == 0 {
				break
			}
		}
		if b.String() != text || n < 3 {
			t.Errorf("%s: %d pieces, %d bytes of %d", as, n, b.Len(), len(text))
		}
	}
	m := p.ask(2, "hex", `,"off":4096`)
	if len(m.Groups) != 512 || m.Next != 8192 || m.Off != 4096 {
		t.Errorf("hex: %d groups, %d, %d", len(m.Groups), m.Off, m.Next)
	}
	if m := p.ask(2, "raw", `,"off":99999999`); m.Error != "" || len(m.Tokens) != 0 || m.Next != 0 {
		t.Errorf("behind the end: %+v", m)
	}
	for _, c := range []struct {
		n    int
		as   string
		want string
	}{{99, "raw", "no such entry"}, {0, "raw", "no such entry"}, {2, "upside down", "no way"}} {
		if m := p.ask(c.n, c.as, ""); !strings.Contains(m.Error, c.want) {
			t.Errorf("%+v: %q", c, m.Error)
		}
	}
}

func TestTreeByParts(t *testing.T) {
	log, s, _ := show(t)
	say(log, record.CS, header+"<iq><query xmlns='urn:q'>"+strings.Repeat("<item a='1'><b/></item>", 1000)+"</query></iq>"+
		"<iq>"+strings.Repeat("<d>", 60)+strings.Repeat("</d>", 60)+"</iq><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth> ")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 4 })
	p := &page{server: s, source: s.Source}
	query := p.ask(2, "tree", "").Node.In[0]
	if query.Kids != 1000 || len(query.In) == 0 || len(query.In) > maxAbreast || query.NS != "urn:q" {
		t.Fatalf("%d of %d", len(query.In), query.Kids)
	}
	seen := len(query.In)
	for range 100 {
		m := p.ask(2, "tree", fmt.Sprintf(`,"node":%d,"from":%d`, query.ID, seen))
		if m.Error != "" || m.Node.ID != query.ID {
			t.Fatal(m.Error)
		}
		if seen += len(m.Node.In); seen == 1000 || len(m.Node.In) == 0 {
			break
		}
	}
	if seen != 1000 {
		t.Errorf("%d elements", seen)
	}
	// What is deep is asked for.
	at, depth := p.ask(3, "tree", "").Node, 0
	for ; at.Kids > 0; depth++ {
		if len(at.In) == 0 {
			at = p.ask(3, "tree", fmt.Sprintf(`,"node":%d`, at.ID)).Node
		}
		at = at.In[0]
	}
	if depth != 60 {
		t.Errorf("%d levels", depth)
	}
	if b := p.ask(4, "tree", "").Node; b.Text != "" || !strings.Contains(b.Mask, "password hidden") {
		t.Errorf("%+v", b)
	}
	if m := p.ask(2, "tree", `,"node":3`); m.Error == "" || m.Node != nil {
		t.Errorf("%+v", m)
	}
}

func TestFigures(t *testing.T) {
	raw := []byte("aü€\U0001F339\x00\xffz\u202e\u0301SECRET!")
	at := strings.Index(string(raw), "SECRET")
	var text strings.Builder
	for _, g := range figures(raw, 0, len(raw), []stanza.Span{{Start: at, End: at + 6, Mask: "[hidden]", What: "password"}}) {
		text.WriteString(g[0] + "|" + g[1] + "\n")
	}
	want := "61 c3 bc e2 82 ac f0 9f|aü·€··\U0001F339·\n8c b9 00 ff 7a e2 80 ae|··..z...\ncc 81 •• •• •• •• •• ••|..••••••\n21|!\n"
	if text.String() != want {
		t.Errorf("%s\nwant\n%s", text.String(), want)
	}
}

func TestChange(t *testing.T) {
	token := func(s string) (out []timeline.Token) {
		for i, l := range strings.SplitAfter(s, "\n") {
			out = append(out, timeline.Token{[]string{"text", "value"}[i%2], l})
		}
		return out
	}
	signs := func(a, b string) string {
		var out strings.Builder
		for _, l := range compare(linesOf(token(a)), linesOf(token(b))) {
			out.WriteString(l.Sign + plain(l.Tokens) + "\n")
		}
		return out.String()
	}
	for _, c := range [][3]string{
		{"a\nb\nc", "a\nb\nc", "=a\n=b\n=c\n"},
		{"a\nb\nc", "a\nc", "=a\n-b\n=c\n"},
		{"a\nc", "a\nb\nc", "=a\n+b\n=c\n"},
		{"a\nb\nc\nd\ne", "a\nx\nc\ny\ne", "=a\n-b\n+x\n=c\n-d\n+y\n=e\n"},
		{"", "a", "+a\n"},
		{"a", "", "-a\n"},
	} {
		if got := signs(c[0], c[1]); got != c[2] {
			t.Errorf("%q and %q:\n%s", c[0], c[1], got)
		}
	}
	// Texts that are too long for it are told apart all the same.
	long := func(s string) string { return strings.Repeat(s+"\n", maxCompared+1) }
	if got := signs("head\n"+long("a")+"tail", "head\n"+long("b")+"tail"); !strings.HasPrefix(got, "=head\n-a\n") || strings.Count(got, "\n") != 2*maxCompared+4 {
		t.Errorf("%.30s", got)
	}
	x, y := highlight([]timeline.Token{{"punct", "<"}, {"element", "a"}, {"punct", ">"}}, []timeline.Token{{"punct", "<"}, {"element", "b"}, {"punct", ">"}})
	if x[1][0] != "element differs" || y[1][0] != "element differs" || x[0][0] != "punct" || x[2][0] != "punct" {
		t.Errorf("%v %v", x, y)
	}
}

// What the proxy did with a frame is told with its reason.
func TestChangeOfEntries(t *testing.T) {
	log, s, _ := show(t)
	say(log, record.SC, header)
	at := int64(len(header))
	features := "<stream:features><a xmlns='urn:a'/><b xmlns='urn:b'/></stream:features>"
	log.Append(record.Event{C: 1, E: record.EventEdit, D: record.SC, O: at, N: int64(len(features)), Data: []byte(strings.Replace(features, "<b xmlns='urn:b'/>", "", 1)), HasData: true, By: "proxy", Why: "b cannot pass"})
	say(log, record.SC, features)
	at += int64(len(features))
	log.Append(record.Event{C: 1, E: record.EventInject, D: record.SC, O: at, Data: []byte("<presence/>"), HasData: true, By: "viewer", Why: "a test"})
	say(log, record.SC, "<message/>")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 3 })
	all := map[string]string{}
	for n := 1; n <= 4; n++ {
		if c := s.entryOf(s.Source, n).Change; c != nil {
			text := c.By + ": " + c.Why
			for _, l := range c.Lines {
				text += " " + l.Sign + strings.TrimSpace(plain(l.Tokens))
			}
			all[c.How] = text
		}
	}
	for how, want := range map[string]string{
		"edited":   "proxy: b cannot pass =<stream:features> =<a xmlns='urn:a'/> -<b xmlns='urn:b'/> =</stream:features>",
		"injected": "viewer: a test +<presence/>",
	} {
		if all[how] != want {
			t.Errorf("%s: %s\nwant %s", how, all[how], want)
		}
	}
	if len(all) != 2 {
		t.Errorf("%v", all)
	}
}
