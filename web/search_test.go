package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// searches asks as the page does, step by step.
func searches(t testing.TB, p *page, text string, at, by, most int) searched {
	t.Helper()
	b, err := json.Marshal(map[string]any{"op": "search", "text": text, "at": at, "by": by, "most": most, "seq": 7})
	if err != nil {
		t.Fatal(err)
	}
	var q request
	if err := json.Unmarshal(b, &q); err != nil {
		t.Fatal(err)
	}
	out := p.search(q).(searched)
	if out.Op != "search" || out.Seq != 7 || out.Error != "" {
		t.Fatalf("%+v", out)
	}
	return out
}

func TestSearch(t *testing.T) {
	log, s, url := show(t)
	say(log, record.CS, header+"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>")
	say(log, record.CS, "<message><body>Wherefore &amp; why</body></message><presence/><message id='wHEREFORE'/><iq type='get' id='1'/>"+
		"<iq type='set' id='2'><query xmlns='jabber:iq:register'><username>wherefore</username><password>parting</password></query></iq>")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known == 7 })
	p := &page{server: s, source: s.Source, chosen: s.choice()}
	for _, c := range []struct {
		text         string
		at, by, most int
		hits         []int
		next         int
	}{
		{"wherefore", 1, 1, 100, []int{3, 5, 7}, 0},
		{"WHEREFORE", 1, 1, 1, []int{3}, 4},
		{"wherefore", 4, 1, 2, []int{5, 7}, 0},
		{"wherefore", 6, -1, 100, []int{5, 3}, 0},
		{"wherefore", 6, -1, 1, []int{5}, 4},
		{"wherefore", 99, -1, 1, []int{7}, 6},
		{"wherefore", -5, -1, 1, []int{}, 0},
		{"wherefore", 99, 1, 1, []int{}, 0},
		{"fore & why", 1, 1, 9, []int{3}, 0},
		{"fore &amp; why", 1, 1, 9, []int{3}, 0},
		{"SASL login", 1, 1, 9, []int{2}, 0}, // in the summary
		{`") or true or text("`, 1, 1, 9, []int{}, 0},
		{"", 1, 1, 9, []int{}, 0},
		// What is masked is not found, nor is a part of it.
		{"AHJvbWVv", 1, 1, 9, []int{}, 0},
		{"parting", 1, 1, 9, []int{}, 0},
		{">part", 1, 1, 9, []int{}, 0},
		{"<password>", 1, 1, 9, []int{7}, 0},
	} {
		if got := searches(t, p, c.text, c.at, c.by, c.most); !slices.Equal(got.Hits, c.hits) || got.Next != c.next || got.Len != 7 {
			t.Errorf("%q from %d by %d: %+v", c.text, c.at, c.by, got)
		}
	}
	// A filter does not tell of it, either, nor does the API.
	api := call(url)
	counts := func(path string) int {
		var a struct{ Entries []json.RawMessage }
		api.get(t, path).ok(t, &a)
		return len(a.Entries)
	}
	for _, secrets := range []bool{false, true} {
		s.Secrets = secrets
		p := &page{server: s, source: s.Source, chosen: s.choice()}
		for _, expr := range []string{`text("parting")`, `match("part[i]ng")`, `xpath("//password[starts-with(., 'part')]")`, `not not text("parting")`, "parting"} {
			p.chosen.set(expr)
			st := s.Source.Status()
			if found := p.chosen.look(s.Source, st); found.length != btoi(secrets) || found.looked != 7 {
				t.Errorf("secrets %v, %s: %+v", secrets, expr, found)
			}
		}
		p.chosen.set("")
		if got := searches(t, p, "parting", 1, 1, 9).Hits; len(got) != btoi(secrets) {
			t.Errorf("secrets %v: %v", secrets, got)
		}
		for _, path := range []string{"api/search?q=parting", "api/entries?filter=parting", "api/search?q=parting&filter=iq"} {
			if got := counts(path); got != btoi(secrets) {
				t.Errorf("secrets %v, %s: %d", secrets, path, got)
			}
		}
	}
	s.Secrets = false
	// Places are those of the list.
	p.chosen.set("iq or presence")
	p.chosen.look(s.Source, s.Source.Status())
	if got := searches(t, p, "wherefore", 1, 1, 9); !slices.Equal(got.Hits, []int{3}) || got.Len != 3 || got.Filter != 1 {
		t.Errorf("filtered: %+v", got)
	}
	p.chosen.set("")
	p.chosen.conceal(timeline.ClassesOf([]string{"message"}))
	p.chosen.look(s.Source, s.Source.Status())
	if got := searches(t, p, "wherefore", 1, 1, 9); len(got.Hits) != 1 || got.Len != 5 {
		t.Errorf("without messages: %+v", got)
	}
}

// A step through a long recording is short, and all of them find all.
func TestSearchesInSteps(t *testing.T) {
	x := indexOf(t, crowd(t, 100_000))
	s := &Server{Source: x}
	p := &page{server: s, source: x, chosen: s.choice()}
	steps, hits, longest, size, began := 0, 0, time.Duration(0), 0, time.Now()
	for at := 1; at > 0; steps++ {
		from := time.Now()
		got := searches(t, p, "LINE 77", at, 1, 100)
		longest = max(longest, time.Since(from))
		if got.Next > 0 && got.Next <= at || got.Next == 0 && got.Len != 100_000 {
			t.Fatalf("from %d: %+v", at, got)
		}
		at = got.Next
		hits += len(got.Hits)
	}
	spent := time.Since(began)
	for from := 1; from <= 100_000; from += 1000 {
		es, err := x.Entries(from, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			size += len(e.Frame.Raw)
		}
	}
	want := 0
	for n := 5; n <= 100_000; n++ {
		if n%5 > 1 && strings.HasPrefix(fmt.Sprint(n), "77") {
			want++
		}
	}
	t.Logf("%d steps, the longest %v; %.1f MB of XML a second, %.0f entries a second", steps, longest, float64(size)/spent.Seconds()/1e6, 100_000/spent.Seconds())
	if hits != want || steps < 2 {
		t.Errorf("%d hits of %d in %d steps", hits, want, steps)
	}
}

// A person searches with the keyboard alone.
func TestSearchInTheBrowser(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	log, s, url := show(t)
	say(log, record.CS, header)
	for n := 2; n <= 300; n++ {
		text := "line"
		if n%100 == 0 {
			text = "Wherefore art thou"
		}
		say(log, record.CS, fmt.Sprintf("<message to='romeo@e'><body>%s %d</body></message>", text, n))
	}
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known == 300 })
	at := func(n int, says string) action {
		return until(fmt.Sprintf(`document.querySelector("#heading").textContent.startsWith("#%d ") && document.querySelector("#find output").textContent === %q && document.querySelector(".row[aria-selected=true] .n").textContent === "%d"`, n, says, n))
	}
	const marked = `[...CSS.highlights.get("hit")].map(r => r.startContainer.data.slice(r.startOffset, r.endOffset).toLowerCase())`
	ctrlF := chromedp.KeyEvent("f", chromedp.KeyModifiers(2))
	do(t, ctx, chromedp.Navigate(url), until(`document.querySelectorAll(".row:not(.loading)").length > 5`), run(`document.querySelector("#list").focus()`),
		chromedp.KeyEvent(kb.Home), until(`document.querySelector("#heading").textContent.startsWith("#1 ")`),
		ctrlF, until(`document.activeElement.id === "findtext"`), chromedp.KeyEvent("wherefore"), at(100, "1 of 3"),
		until(marked+`.length > 1 && `+marked+`.every(t => t === "wherefore")`), until(`location.hash.includes("search=wherefore")`))
	screen(t, ctx, "search")
	do(t, ctx, chromedp.KeyEvent(kb.Enter), at(200, "2 of 3"), chromedp.KeyEvent(kb.F3), at(300, "3 of 3"),
		chromedp.KeyEvent(kb.Enter), at(100, "1 of 3, from the top"),
		chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(8)), at(300, "3 of 3, from the end"),
		chromedp.KeyEvent(kb.F3, chromedp.KeyModifiers(8)), at(200, "2 of 3"),
	// What comes is counted; a filter applies; Esc ends it.
	)
	say(log, record.CS, "<message to='romeo@e'><body>Wherefore now</body></message>")
	do(t, ctx, at(200, "2 of 4"), run(`(() => { const f = document.querySelector("#filter"); f.value = 'body contains "now"'; f.dispatchEvent(new Event("input")); })(), 0`),
		until(`document.querySelector("#find output").textContent === "1"`), chromedp.KeyEvent(kb.F3),
		until(`document.querySelector("#find output").textContent.startsWith("1 of 1")`), until(`document.querySelector("#heading").textContent.startsWith("#301 ")`),
		chromedp.KeyEvent(kb.Escape), until(`document.querySelector("#find").hidden && document.activeElement.id === "list" && CSS.highlights.get("hit").size === 0 && !location.hash.includes("search")`),
		// It comes back with the address.
		run(`document.querySelector("#unfilter").click()`), chromedp.Navigate(strings.Split(url, "?")[0]+"#search=art%20thou"),
		until(`document.querySelector("#find output").textContent === "3"`), until(marked+`.length > 0`),
		run(`document.querySelector("#findtext").focus()`), chromedp.KeyEvent("!"), until(`document.querySelector("#find output").textContent === "not found"`))
}
