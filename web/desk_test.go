package web

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// drawing asks an operation and returns what it says as JSON.
func drawing(t *testing.T, p *page, ask string) string {
	t.Helper()
	var q request
	if err := json.Unmarshal([]byte(ask), &q); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(operations[q.Op](p, q)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// deskOf shows the demo, as if its sessions went on.
func deskOf(t *testing.T) (*sessionsOf, *page) {
	t.Helper()
	r := demoReader(t)
	src := indexOf(t, r)
	x := holding()
	return x, &page{server: &Server{Source: src, Intercept: x}, source: src, shown: &shown{Source: src}, chosen: newChoice()}
}

func TestDesk(t *testing.T) {
	x, p := deskOf(t)
	x.points = []string{`body =~ "<b>"`}
	x.list[0].CS = "the login has not ended"
	x.list[0].Held[0].Behind = 7
	x.list = append(x.list, Session{Conn: 2, Held: []HeldFrame{{Conn: 2, Dir: "CS", XML: strings.Repeat("y", maxHeld+1)}}})
	got := drawing(t, p, `{"op":"desk"}`)
	for _, want := range []string{
		`["pre",{"tabindex":"0"},["span.punct","<"],["span.element","message"]`,
		`7 bytes wait behind it.`, `"data-all":""`, `"data-offset":"10"`,
		`too many to be shown and edited`,
		`Secrets are masked: to edit it`,
		`["code","body =~ \"<b>\""]`, `"data-name":"lose"`,
		`["option",{"disabled":"","value":"1 CS"},"1 → montague.example: the login has not ended"]`,
		`["option",{"value":"1 SC"},"1 → romeo@montague.example/orchard"]`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "AHJv") {
		t.Error("a password is shown")
	}
	p.server.Intercept = nil
	if got := drawing(t, p, `{"op":"desk"}`); !strings.Contains(got, "no session is going on here") {
		t.Error(got)
	}
}

// wrongAt is an error that knows where it is.
type wrongAt int

func (wrongAt) Error() string { return "at byte 14: no" }
func (e wrongAt) At() int     { return int(e) }

func TestCheck(t *testing.T) {
	x, p := deskOf(t)
	if got := drawing(t, p, `{"op":"check","seq":3,"conn":1,"dir":"SC","xml":"<presence/>"}`); got != `{"op":"check","seq":3,"drawn":[["span.punct","<"],["span.element","presence"],["span.punct","/>"]],"part":0,"words":[]}`+"\n" {
		t.Error(got)
	}
	if len(x.injected) != 1 || !x.injected[0].Dry {
		t.Errorf("%+v", x.injected)
	}
	x.fails = wrongAt(14)
	got := drawing(t, p, `{"op":"check","conn":1,"dir":"SC","xml":"<message>\n  <böd&y/>"}`)
	if !strings.Contains(got, `"error":"line 2, column 5: no"`) || !strings.Contains(got, `["mark"]`) {
		t.Error(got)
	}
	x.fails = errors.New("the login has not ended")
	if got := drawing(t, p, `{"op":"check","conn":1,"dir":"SC","xml":"<a/>"}`); !strings.Contains(got, `"error":"the login has not ended"`) || strings.Contains(got, "mark") {
		t.Error(got)
	}
	if got := drawing(t, p, `{"op":"check","conn":1,"dir":"SC","xml":" "}`); !strings.Contains(got, "there is nothing to send") {
		t.Error(got)
	}
}

// As long as somebody writes what is to go in its place a frame is held; one that is
// held for longer anyway stays that.
func TestCheckHoldsOn(t *testing.T) {
	x, p := deskOf(t)
	soon, late := time.Now().Add(time.Second).UnixMilli(), time.Now().Add(time.Hour).UnixMilli()
	x.list = []Session{{Conn: 1, Held: []HeldFrame{{Conn: 1, Dir: "CS", Offset: 7, Until: soon}, {Conn: 1, Dir: "SC", Offset: 9, Until: late}}}}
	for range 2 {
		for _, q := range []string{
			`{"op":"check","conn":1,"dir":"CS","offset":7,"verdict":"edit","xml":"<a/>"}`,
			`{"op":"check","conn":1,"dir":"SC","offset":9,"verdict":"answer","xml":"<a/>"}`,
			`{"op":"check","conn":1,"dir":"SC","offset":8,"verdict":"edit","xml":"<a/>"}`,
			`{"op":"check","conn":1,"dir":"CS","xml":"<a/>"}`,
		} {
			drawing(t, p, q)
		}
	}
	if held := x.list[0].Held; len(x.verdicts) != 1 || x.verdicts[0].Verdict != "hold" || held[0].Until < soon+60_000 || held[1].Until != late {
		t.Errorf("%+v, held are %+v", x.verdicts, held)
	}
}

// What was seen is offered, quoted where it has to be.
func TestOffered(t *testing.T) {
	_, p := deskOf(t)
	for before, want := range map[string]string{
		"<mess":                    "mess: message",
		"<iq to='Ju":               "Ju: juliet",
		`<query xmlns="jabber:iq:`: "jabber:iq:: jabber:iq:roster",
		"<message type='ch":        "ch: chat",
		"<message><body>to the":    ": ",
	} {
		part, words := p.offered(before)
		if got := part + ": " + strings.Join(words, " "); !strings.HasPrefix(got, want) {
			t.Errorf("behind %s is offered %q, want %q", before, got, want)
		}
	}
}

func TestTemplates(t *testing.T) {
	_, p := deskOf(t)
	for _, dir := range []string{"CS", "SC"} {
		got := drawing(t, p, `{"op":"templates","conn":1,"dir":"`+dir+`"}`)
		if strings.Contains(got, "{") && strings.Contains(got, "{peer}") || strings.Contains(got, "example.com") || !strings.Contains(got, "juliet@") {
			t.Error(got)
		}
		for _, tpl := range templates[dir] {
			if strings.Count(tpl.xml, "<message") > 0 && !strings.Contains(tpl.xml, "{peer}") {
				t.Errorf("%s is to nobody", tpl.title)
			}
		}
	}
}

// However much is held, the desk stays one that can be sent whenever it changes.
func TestDeskIsBounded(t *testing.T) {
	x, p := deskOf(t)
	x.list = nil
	for n := range 1000 {
		x.list = append(x.list, Session{Conn: n + 10, Client: "127.0.0.1:1", Held: []HeldFrame{{Conn: n + 10, Dir: "CS", XML: "<message id='" + strings.Repeat("y", maxHeld-100) + "'/>"}}})
	}
	got := drawing(t, p, `{"op":"desk"}`)
	if len(got) > 4*maxToEdit {
		t.Errorf("the desk has %d bytes", len(got))
	}
	if n := strings.Count(got, `["article"`); n != maxHeldDrawn || !strings.Contains(got, "950 more are held") {
		t.Errorf("%d frames are drawn", n)
	}
	if n := strings.Count(got, `"data-verdict":"edit"`); n != maxToEdit/(maxHeld-100) {
		t.Errorf("%d can be edited", n)
	}
	x.list = append(x.list[:200:200], Session{Conn: 5000, Client: "[::1]:7", Held: x.list[0].Held})
	for i := range 200 {
		x.list[i].Held = nil
	}
	x.list[200].Held[0].Conn = 5000
	if got := drawing(t, p, `{"op":"desk"}`); !strings.Contains(got, "the client [::1]:7") {
		t.Error("a frame of a late connection is from nobody")
	}
}

// What is taken into a text that is written must not end the value that it stands in.
func TestOfferedIsQuoted(t *testing.T) {
	_, p := deskOf(t)
	p.learn()
	p.words.words["to"] = map[string]int{`quo"t' to='e@vil`: 9, "quo<b": 20, "quoz": 30}
	_, words := p.offered(`<message to="quo`)
	if got := strings.Join(words, " "); got != "quoz quo&lt;b quo&quot;t&apos; to=&apos;e@vil" {
		t.Error(got)
	}
}

// text is what drawn pieces say.
func text(in any) string {
	switch v := in.(type) {
	case string:
		return v
	case group:
		var b strings.Builder
		for _, part := range v {
			b.WriteString(text(part))
		}
		return b.String()
	case drawn:
		return text(group(v[1:]))
	}
	return ""
}

// A long text is checked with each key, too.
func TestCheckIsBounded(t *testing.T) {
	_, p := deskOf(t)
	xml := "<b>" + strings.Repeat("<a x='ü'/>", 14<<10) + "</b>"
	for _, at := range []int{0, len(xml) / 2, len(xml), len(xml) + 1} {
		got := tokensAround(xml, at)
		if text(got) != xml {
			t.Errorf("with a mark at %d it is another text", at)
		}
		if len(got) > 2*maxPieces+3 {
			t.Errorf("it is drawn with %d pieces", len(got))
		}
	}
	q, _ := json.Marshal(map[string]any{"op": "check", "conn": 1, "dir": "SC", "xml": xml})
	if got := drawing(t, p, string(q)); len(got) > 1<<20 {
		t.Errorf("it is drawn with %d bytes", len(got))
	}
}

// What stands in the place of a secret is not sent in its place.
func TestMaskIsNotSent(t *testing.T) {
	x, p := deskOf(t)
	masked, _ := mask(x.list[0].Held[1].XML)
	edit := func(op, xml string) string {
		q, _ := json.Marshal(map[string]any{"op": op, "conn": 1, "dir": "SC", "offset": 20, "verdict": "edit", "xml": xml})
		return drawing(t, p, string(q))
	}
	for _, op := range []string{"decide", "check"} {
		if got := edit(op, masked); !strings.Contains(got, "stands for a secret") {
			t.Errorf("%s says %s", op, got)
		}
	}
	for _, v := range x.verdicts {
		if v.Verdict == "edit" {
			t.Errorf("it was edited: %+v", v)
		}
	}
	if got := edit("decide", strings.Replace(masked, "[", "(", 1)); strings.Contains(got, "error") {
		t.Error(got)
	}
	x.list, p.server.Secrets = holding().list, true
	if got := edit("decide", masked); strings.Contains(got, "error") {
		t.Error("where nothing is masked a text may look like it: " + got)
	}
}
