package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// A long recording is looked at in small pieces, and in the end all of it.
func TestVocabulary(t *testing.T) {
	log, s, _ := show(t)
	say(log, record.CS, header)
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "<message from='u%d@e' type='chat'/>", i)
	}
	text.WriteString("<message from='last@e' type='groupchat'/>")
	say(log, record.CS, text.String())
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 5001 })
	p := &page{server: s, source: s.Source, chosen: newChoice()}
	ask := func(field, part string) completed {
		b, err := json.Marshal(map[string]any{"op": "complete", "field": field, "part": part})
		if err != nil {
			t.Fatal(err)
		}
		var q request
		if err := json.Unmarshal(b, &q); err != nil {
			t.Fatal(err)
		}
		return p.complete(q).(completed)
	}
	got := ask("type", "")
	for range 10_000 {
		if !got.More {
			break
		}
		got = ask("type", "")
	}
	if got.More || len(p.words.seen) != 50 {
		t.Errorf("%d blocks of 50, more: %v", len(p.words.seen), got.More)
	}
	if got = ask("type", "CHAT"); !slices.Equal(got.Values, []string{"chat", "groupchat"}) {
		t.Errorf("%q", got.Values)
	}
	if n := len(p.words.words["from"]); n > maxWords {
		t.Errorf("%d words are kept", n)
	}
	if got = ask("from", "LAST"); !slices.Equal(got.Values, []string{"last@e"}) {
		t.Errorf("%q", got.Values)
	}
	if got = ask("nonsense", ""); len(got.Values) != 0 {
		t.Errorf("%q", got.Values)
	}
}

// typed puts the caret into the filter and types.
func typed(text string) action {
	return run(fmt.Sprintf(`(() => { const f = document.querySelector("#filter"); f.focus(); f.value = %q; f.setSelectionRange(f.value.length, f.value.length); f.dispatchEvent(new Event("input")); })(), 0`, text))
}

const filterText = `document.querySelector("#filter").value`

func TestFilterBar(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	r := demoReader(t)
	do(t, ctx, chromedp.Navigate(pages(t, r)), until(`document.querySelectorAll(".row:not(.loading)").length > 5`),
		// Names, operators and values, with keys alone.
		typed("ro"), until(`document.querySelector("#names").textContent.includes("roster")`),
		typed("fr"), until(`document.querySelector("#filter").getAttribute("aria-expanded") === "true"`),
		chromedp.KeyEvent(kb.ArrowDown), until(`document.querySelector("#filter").getAttribute("aria-activedescendant") === "name-0"`),
		chromedp.KeyEvent(kb.Enter), until(filterText+` === "from "`), until(`document.querySelector("#names").textContent.includes("begins with")`),
		chromedp.KeyEvent(kb.Tab), until(filterText+` === "from == "`), until(`document.querySelector("#names").textContent.includes("juliet@")`),
		chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter), until(filterText+`.match(/^from == ".+" $/)`),
		until(`document.querySelector("#counts").textContent.includes("of 288 entries")`),
		chromedp.KeyEvent(kb.Escape), until(`document.querySelector("#names").hidden`),
		typed("xep("), until(`document.querySelector("#names").textContent.match(/\d/)`), chromedp.KeyEvent(kb.Tab), until(filterText+`.match(/^xep\(\d+\) $/)`),
		// A mistake is shown where it is, and the list stays.
		until(`document.querySelector("#counts").textContent.includes("of 288 entries")`))
	before := get(t, ctx, chromedp.Evaluate[string](`document.querySelector("#counts").textContent`))
	do(t, ctx, typed(`slow > 1s and tipe == "x"`), until(`document.querySelector("#filter").getAttribute("aria-invalid") === "true"`),
		until(`document.querySelector("#echo mark")?.textContent === "tipe" && document.querySelector("#problem").textContent.startsWith("At 15: ")`))
	if after := get(t, ctx, chromedp.Evaluate[string](`document.querySelector("#counts").textContent`)); after != before {
		t.Errorf("a mistake changed the list: %s, was %s", after, before)
	}
	screen(t, ctx, "filter-mistake")
	// History: Enter keeps, the arrow brings back, Shift+Delete forgets.
	do(t, ctx, typed("roster"), until(`document.querySelector("#filter").getAttribute("aria-invalid") === "false" && document.querySelector("#counts").textContent.includes("of 288")`),
		chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(kb.Enter), until(`location.hash.includes("roster") && document.activeElement.id === "list"`),
		run(`document.querySelector("#unfilter").click()`), until(filterText+` === "" && !location.hash.includes("filter")`),
		chromedp.KeyEvent(kb.ArrowUp), until(`document.querySelector("#names").textContent.includes("used before")`),
		chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter), until(filterText+` === "roster"`),
		run(`document.querySelector("#unfilter").click()`), chromedp.KeyEvent(kb.ArrowUp), until(`!document.querySelector("#names").hidden`),
		chromedp.KeyEvent(kb.ArrowDown), run(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Delete", shiftKey: true, bubbles: true })), 0`),
		until(`!localStorage.getItem("filters").includes("roster")`))
}

// Hostile values come through the menus unharmed, and choose what has them.
func TestValueMenu(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	log, s, url := show(t)
	say(log, record.CS, header)
	ids := []string{`a"b\c`, "שלום \u202e evil", "😀 👩‍👩‍👧", "<img src=x onerror=window.hit=1>", `" or true or "`, strings.Repeat("long ", 400)}
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", "'", "&apos;")
	for _, id := range ids {
		say(log, record.CS, "<message type='chat' id='"+escape.Replace(id)+"' to='romeo@e'><body>hi</body></message>")
	}
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known == len(ids)+1 })
	do(t, ctx, chromedp.Navigate(url), until(fmt.Sprintf(`document.querySelectorAll(".row:not(.loading)").length === %d`, len(ids)+1)))
	for i := range ids {
		at := i + 2
		do(t, ctx, run(fmt.Sprintf(`document.querySelector('.row[data-at="%d"]').dispatchEvent(new MouseEvent("contextmenu", { bubbles: true, cancelable: true, clientX: 300, clientY: 200 })), 0`, at)),
			until(`document.querySelector("#valuemenu:popover-open [aria-label^='Only these: id ']")`))
		if i == 1 {
			screen(t, ctx, "value-menu")
		}
		do(t, ctx, run(`document.querySelector("#valuemenu [aria-label^='Only these: id ']").click()`),
			until(fmt.Sprintf(`document.querySelector("#counts").textContent.includes("1 of %d entries") && document.querySelector(".row .n").textContent === "%d"`, len(ids)+1, at)),
			run(`document.querySelector("#unfilter").click()`), until(fmt.Sprintf(`document.querySelectorAll(".row:not(.loading)").length === %d`, len(ids)+1)))
	}
	if get(t, ctx, chromedp.Evaluate[bool](`!!window.hit || !!document.querySelector("#valuemenu img")`)) {
		t.Error("a value came alive")
	}
	// In the details, with keys alone.
	do(t, ctx, run(`document.querySelector('.row[data-at="2"]').click()`), until(`[...document.querySelectorAll("#facts .filterable")].some(e => e.textContent === "romeo@e")`),
		run(`[...document.querySelectorAll("#facts .filterable")].find(e => e.textContent === "romeo@e").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true })), 0`),
		until(`document.activeElement.textContent === "Only these"`), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter),
		until(filterText+` === 'not (to == "romeo@e")'`), until(fmt.Sprintf(`document.querySelector("#counts").textContent.includes("1 of %d")`, len(ids)+1)))
}
