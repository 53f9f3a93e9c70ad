package web

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// What is held is edited, dropped and passed, something is written, checked,
// completed and put in, breakpoints come and go, rules are switched: with keys.
func TestDeskPage(t *testing.T) {
	ctx := browser(t)
	r := demoReader(t)
	x := holding()
	say := func(text string) action { return chromedp.SendKeys("#xml", text) }
	url := pages(t, r, func(s *Server) { s.Intercept = x })
	do(t, ctx, chromedp.Navigate(url), until(loaded), until(`document.querySelector("#arms").textContent.includes("2 held") && document.title.startsWith("(2)")`),
		run(`document.querySelector("#list").focus()`), chromedp.KeyEvent("i"),
		until(`document.activeElement.id === "xml" && document.querySelectorAll("#held article").length === 2`),
		until(`/passes by itself in \d+ s/.test(document.querySelector("#held").textContent) && !document.querySelector("#held").textContent.includes("AHJv")`),

		run(`document.querySelector("#xml").value = ""`), // DevTools type the key itself, too

		// Something that is wrong, then something that is not.
		say("<message to='jul"), until(`document.querySelector("#words button")?.textContent.startsWith("juliet@")`),
		run(`document.querySelector("#xml").dispatchEvent(new KeyboardEvent("keydown", { key: " ", ctrlKey: true, bubbles: true }))`),
		until(`document.querySelector("#xml").value.startsWith("<message to='juliet@")`), say("'/>"),
		until(`!document.querySelector("#paper").matches(".stale") && document.querySelector("#colours .element")?.textContent === "message"`),
		run(`document.querySelector("#xml").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, bubbles: true }))`),
		until(`document.querySelector("#checked").textContent.startsWith("Sent ")`),
		until(`[...document.querySelectorAll("#common optgroup option")].some((o) => o.value.startsWith("<message to='juliet@"))`))
	x.mu.Lock()
	if n := len(x.injected); n == 0 || x.injected[n-1].Dry || x.injected[n-1].Dir != "SC" || x.injected[n-1].By != "viewer" {
		t.Errorf("put in was %+v", x.injected)
	}
	x.fails = wrongAt(14)
	x.mu.Unlock()
	do(t, ctx, say(" "), until(`document.querySelector("#checked").textContent.startsWith("line 1, column 15: no") && document.querySelector("#colours mark") && document.querySelector("#xml").ariaInvalid === "true"`))
	x.mu.Lock()
	x.fails = nil
	x.mu.Unlock()

	// A common stanza has the session's own addresses.
	do(t, ctx, run(`const s = document.querySelector("#common"); s.selectedIndex = [...s].findIndex((o) => o.text === "Presence: subscribe"); s.onchange({ target: s })`),
		until(`document.querySelector("#xml").value.includes("romeo@montague.example") && document.querySelector("#colours").textContent === document.querySelector("#xml").value`))

	// Decisions.
	do(t, ctx, run(`document.activeElement.blur()`), chromedp.KeyEvent("E"),
		until(`document.querySelector("#composing").textContent.startsWith("Edit") && document.querySelector("#xml").value.includes("hello")`),
		run(`document.querySelector("#xml").value = "<message><body>changed</body></message>"`), chromedp.Click("#compose .buttons button"),
		until(`document.querySelectorAll("#held article").length === 1 && document.querySelector("#xml").value === ""`),
		run(`document.activeElement.blur()`), chromedp.KeyEvent("D"), until(`document.querySelector("#held").textContent.startsWith("Nothing is held")`))
	x.mu.Lock()
	if len(x.verdicts) != 2 || x.verdicts[0].Verdict != "edit" || x.verdicts[0].XML != "<message><body>changed</body></message>" || x.verdicts[1].Verdict != "drop" || x.verdicts[1].Dir != "SC" {
		t.Errorf("decided was %+v", x.verdicts)
	}
	x.mu.Unlock()

	// Breakpoints and rules.
	do(t, ctx, chromedp.SendKeys("#point", "presence"+kb.Enter), until(`document.querySelector("#armed").textContent.includes("presence") && document.querySelector("#arms").textContent.includes("presence")`),
		run(`document.querySelector("#armed [data-name]").click()`), until(`document.querySelector("#armed [data-name]").checked`),
		run(`document.querySelector("#armed [data-off]").click()`), until(`!document.querySelector("#armed").textContent.includes("presence") && document.querySelector("#arms").hidden`))
	if !x.on {
		t.Error("the rule is not on")
	}

	// The view is one that can be linked to. A value of an entry becomes a breakpoint.
	do(t, ctx, reload, until(`!document.querySelector("#desk").hidden`),
		run(`location.hash = "entry=132"`), until(`document.querySelector("#facts [data-field=type]")`), run(`document.querySelector("#facts [data-field=type]").click()`),
		until(`document.querySelector("#valuemenu:popover-open [data-hold]")`), run(`document.querySelector("#valuemenu [data-hold]").click()`),
		until(`document.querySelector("#arms").textContent.includes('type == "chat"')`))
}
