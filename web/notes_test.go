package web

import (
	"errors"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// logNoter keeps notes in a recording that is being written.
type logNoter struct{ log *record.Log }

func (n logNoter) Note(entry int, text string) error {
	if text == "refuse this" {
		return errors.New("refused")
	}
	return n.log.Append(record.Note(text, 0, entry, 0, "", 0))
}

func TestNotes(t *testing.T) {
	_, none, _ := show(t)
	if err := none.note(0, "x"); err == nil || !strings.Contains(err.Error(), "nothing can be added") {
		t.Errorf("without a noter: %v", err)
	}
	log, s, url := show(t)
	s.Notes = logNoter{log}
	say(log, record.SC, header+"<message><body>one</body></message>")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 1 })
	ws := dial(t, url)
	ask := func(q map[string]any) string {
		t.Helper()
		q["op"] = "note"
		ws.WriteJSON(q)
		for {
			var v map[string]any
			if err := ws.ReadJSON(&v); err != nil {
				t.Fatal(err)
			}
			switch v["op"] {
			case "hello":
				if v["notes"] != true {
					t.Error("notes are not offered")
				}
			case "noted":
				text, _ := v["error"].(string)
				return text
			}
		}
	}
	for _, c := range []struct {
		n          int
		text, want string
	}{
		{2, " \n ", "needs a text"},
		{2, strings.Repeat("ü", maxNote/2+1), "more than 4096"},
		{3, "x", "no entry 3"},
		{-1, "x", "no entry -1"},
		{2, "refuse this", "refused"},
		{2, strings.Repeat("\x01", maxNote), ""}, // the longest request
		{0, "the end", ""},
	} {
		if text := ask(map[string]any{"n": c.n, "text": c.text}); !strings.Contains(text, c.want) || c.want == "" && text != "" {
			t.Errorf("%d %.20q: %q, want %q", c.n, c.text, text, c.want)
		}
	}
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 3 })
	if d := s.entryOf(s.Source, 2); len(d.Later) != 1 || d.Later[0].Kind == "" || d.Later[0].N != 3 {
		t.Errorf("%+v", d.Later)
	}
}

// A note that is made on one page is an entry on all of them.
func TestNotesInTheBrowser(t *testing.T) {
	ctx := browser(t)
	other := browser(t)
	log, s, url := show(t)
	s.Notes = logNoter{log}
	say(log, record.SC, header+"<message><body>here it goes wrong</body></message>")
	do(t, other, chromedp.Navigate(url), until(rowTexts+`.includes("goes wrong")`))
	do(t, ctx, chromedp.Navigate(url), until(rowTexts+`.includes("goes wrong")`), until(`!document.querySelector("#note").hidden`),
		run(`[...document.querySelectorAll(".row")].find(e => e.textContent.includes("goes wrong")).click()`), until(`document.querySelector("#heading").textContent.startsWith("#2 ")`),
		press("n", false), until(`document.querySelector("#noting").open && document.querySelector("#noteon").textContent.includes("#2 ")`),
		chromedp.KeyEvent("refuse this"), chromedp.KeyEvent(kb.Enter), until(`document.querySelector("#notewrong").textContent.includes("refused") && document.querySelector("#noting").open`))
	screen(t, ctx, "note-light")
	do(t, ctx, run(`document.querySelector("#notetext").value = "<img src=x onerror=window.hit=1>"; 0`), chromedp.KeyEvent(kb.Enter), until(`!document.querySelector("#noting").open`),
		until(rowTexts+`.includes("note on 2: <img src=x")`),
		// The entry that is open shows it, and leads to it.
		until(`[...document.querySelectorAll("#body dt")].some(e => e.textContent === "note")`), run(`document.querySelector("#body .link").click()`),
		until(`document.querySelector("#heading").textContent.startsWith("#3 ")`))
	do(t, other, until(rowTexts+`.includes("note on 2: <img src=x")`))
	if get(t, other, chromedp.Evaluate[bool](`!!window.hit || !!document.querySelector("#rows img, #body img")`)) {
		t.Error("the text of a note came alive")
	}
	do(t, ctx, chromedp.KeyEvent(kb.Escape), until(`document.querySelector("#details").hidden`), run(`document.querySelector("#note").click()`),
		until(`document.querySelector("#noteon").textContent.includes("at the end")`), chromedp.KeyEvent("that was all"), run(`document.querySelector("#notekeep").click()`),
		until(rowTexts+`.includes("that was all")`))
	screen(t, ctx, "note-list")
}

// A button keeps what a ring holds, where there is one.
func TestKeepInTheBrowser(t *testing.T) {
	ctx := browser(t)
	log, _, url := show(t)
	say(log, record.SC, header+"<presence/>")
	do(t, ctx, chromedp.Navigate(url), until(rowTexts+`.includes("presence")`), until(`document.querySelector("#keep").hidden`))
	_, s, url := show(t)
	asked := 0
	s.Keep = func() (string, error) {
		if asked++; asked > 1 {
			return "", errors.New("the disk is full")
		}
		return "s-1.jsonl", nil
	}
	do(t, ctx, chromedp.Navigate(url), until(`!document.querySelector("#keep").hidden`), run(`document.querySelector("#keep").click()`),
		until(`document.querySelector("#keep").textContent === "Kept: s-1.jsonl"`), run(`document.querySelector("#keep").click()`),
		until(`document.querySelector("#keep").textContent === "the disk is full"`))
}
