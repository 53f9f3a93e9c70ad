package web

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// asked is a request as the page sends it.
func asked(t testing.TB, what map[string]any) request {
	t.Helper()
	b, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	var q request
	if err := json.Unmarshal(b, &q); err != nil {
		t.Fatal(err)
	}
	return q
}

func TestSuggest(t *testing.T) {
	log, s, _ := show(t)
	say(log, record.CS, header+`<iq type='get' id='1' to='a"b@e'><ping xmlns='urn:xmpp:ping'/></iq><iq type='set' id='2' to='a"b@e'/><message to='<img>@e'/>`)
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known == 4 })
	p := &page{server: s, source: s.Source, chosen: s.choice()}
	past := []string{"errors", "iq and errors", "muc"}
	for _, c := range []struct {
		text, rest string
		want       string // the filters that there are to choose from, the caret is at |
		label      string // of the first
		past       []string
	}{
		{"", "", "errors|iq and errors|muc|", "errors", past}, // nothing else can stand there
		{"", "", "", "", nil},
		{"err", "", "error |errors |errors|iq and errors|", "error", past},
		{"iq and errors", "", "", "", past},
		{"rost", "", "roster |", "roster", nil},
		{"pay", " or iq", `payload("| or iq`, `payload("…")`, nil},
		{"iq and xe", "", `iq and xep(|`, "xep(…)", nil},
		{"iq an", "", "iq and |", "and", nil},
		{"muc", "", "", "", nil}, // it is whole
		{"from ", "", "from == |from != |from contains |from startsWith |from endsWith |from matches |from in |", "==", nil},
		{"from ends", "", "from endsWith |", "endsWith", nil},
		{"iq ", "", "iq and |iq or |iq not |", "and", nil},
		{`not xep(1) `, "", "not xep(1) and |not xep(1) or |not xep(1) not |", "and", nil},
		{`body contains "er`, "", "", "", nil}, // no text is offered
		{`text("rost`, "", "", "", nil},
		{`text("rost")`, "", "", "", nil},
		// Values: those first that are seen most, written as the language reads them.
		{"to == ", "", `to == "a\"b@e" |to == "<img>@e" |`, `a"b@e`, nil},
		{`to == "IMG`, `") or iq`, `to == "<img>@e" | or iq`, "<img>@e", nil},
		{`type in ["get", "s`, "", `type in ["get", "set" |`, "set", nil},
		{"xep(", ")", "xep(199) |", "199", nil},
		{"conn == ", "", "conn == 1 |", "1", nil},
		{`not payload("p`, "", `not payload("urn:xmpp:ping") |`, "urn:xmpp:ping", nil},
	} {
		got := p.complete(asked(t, map[string]any{"op": "complete", "draw": true, "seq": 7, "text": c.text, "rest": c.rest, "past": c.past})).(suggested)
		all := ""
		for _, o := range got.Options {
			a := o.(drawn)[1].(attrs)
			all += a["data-text"].(string) + "|" + a["data-rest"].(string)
			if _, was := a["data-past"]; was != (len(o.(drawn)) == 5) {
				t.Errorf("%q: what was used before can be forgotten: %v", c.text, o)
			}
		}
		if all != c.want || got.Seq != 7 {
			t.Errorf("%q: %q, want %q", c.text, all, c.want)
		}
		if len(got.Options) > 0 && !reflect.DeepEqual(got.Options[0].(drawn)[2], el("bdi", c.label)) {
			t.Errorf("%q: %v, want %q", c.text, got.Options[0], c.label)
		}
	}
	if got := p.suggest(asked(t, map[string]any{"text": strings.Repeat("a ", maxFilter)})); len(got.Options) > 0 {
		t.Errorf("to what is too long: %d", len(got.Options))
	}
}

func TestMenuOfValues(t *testing.T) {
	log, s, _ := show(t)
	say(log, record.CS, header+`<message id='&lt;img onerror=x>' to='e'/>`)
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known == 2 })
	p := &page{server: s, source: s.Source, chosen: s.choice()}
	drawnAs := func(what map[string]any) string {
		what["draw"] = true
		b, err := json.Marshal(p.values(asked(t, what)).(menu).Menu)
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\"`, "'").Replace(string(b))
	}
	all := drawnAs(map[string]any{"at": 2, "filter": "iq"})
	for _, want := range []string{`["bdi","<img onerror=x>"]`, `"data-term":"iq and id == '<img onerror=x>'"`, `"data-term":"iq or id == '<img onerror=x>'"`, `"="]`, `"aria-label":"Not these: to.bare e"`} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in %s", want, all)
		}
	}
	one := drawnAs(map[string]any{"field": "to", "value": "e", "filter": ""})
	want := `[["div",{"aria-label":"to e","role":"group"},["span.of",["b","to"]," ",["bdi","e"]],` +
		`["button",{"aria-label":"Only these: to e","data-term":"to == 'e'","role":"menuitem","tabindex":-1,"title":"Only these"},"Only these"],` +
		`["button",{"aria-label":"Not these: to e","data-term":"not (to == 'e')","role":"menuitem","tabindex":-1,"title":"Not these"},"Not these"],` +
		`["button",{"aria-label":"Add: or: to e","data-term":"to == 'e'","role":"menuitem","tabindex":-1,"title":"Add: or"},"Add: or"]]]`
	if one != want {
		t.Errorf("%s, want\n%s", one, want)
	}
	// What cannot become a part of the filter says why.
	if bad := drawnAs(map[string]any{"field": "nonsense", "value": "e"}); strings.Contains(bad, "data-term") || strings.Count(bad, `"disabled":""`) != 3 || !strings.Contains(bad, "has no values: write it by hand") {
		t.Error(bad)
	}
	if long := drawnAs(map[string]any{"field": "id", "value": strings.Repeat("😀", 50_000)}); len(long) > 60_000 || !strings.Contains(long, "startsWith") {
		t.Errorf("%d bytes: %.300s", len(long), long)
	}
}

func TestEcho(t *testing.T) {
	if got := echo("é", 3); got[0] != "é" || got[1].(drawn)[1] != " " {
		t.Errorf("behind the end: %v", got)
	}
	for _, c := range []struct{ source, before, word string }{
		{`slow > 1s and tipe == "x"`, "slow > 1s and ", "tipe"}, {"iq and (", "iq and ", "("}, {"'é' ≠ 3", "'é' ", "≠"}, {"", "", " "},
	} {
		got := newChoice().set(c.source)
		if c.source == "" {
			if got.Echo != nil || got.Error != "" {
				t.Errorf("%+v", got)
			}
			continue
		}
		if b, _ := json.Marshal(got.Echo); got.Error == "" || len(got.Echo) != 2 || got.Echo[0] != c.before || got.Echo[1].(drawn)[1] != c.word {
			t.Errorf("%q: %s, %+v", c.source, b, got)
		}
	}
}
