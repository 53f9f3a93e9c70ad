package web

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const arrows = `document.querySelectorAll("#list.ladder .row:not(.loading) .arrow").length`

const chosenAt = `document.querySelector(".row[aria-selected=true]")?.dataset.at`

// The list is drawn as a ladder, in its place, and a message is followed.
func TestLadderPage(t *testing.T) {
	ctx := browser(t)
	r := demoReader(t)
	url := pages(t, r)
	lanes := `[...document.querySelectorAll(".lanename > :first-child")].map(e => e.textContent).join(" ")`
	do(t, ctx, chromedp.Navigate(url), until(`document.querySelectorAll(".row:not(.loading)").length > 5`), run(`document.querySelector("#list").focus()`),
		press(":", false), chromedp.KeyEvent("132"), chromedp.KeyEvent(kb.Enter), until(chosenRow+` === "132"`),
		run(`document.querySelector("#tab-ladder").click()`), until(arrows+` > 5 && location.hash.includes("view=ladder")`),
		until(`document.querySelector(".row[aria-selected=true] .text")?.textContent.includes("wherefore")`),
		until(lanes+`.endsWith("proxy montague.example capulet.example")`))
	if l := get(t, ctx, chromedp.Evaluate[string](lanes)); !strings.HasPrefix(l, "romeo/") || !strings.Contains(l, "juliet/") {
		t.Errorf("lanes %s", l)
	}
	// What it says to those who do not see.
	label := get(t, ctx, chromedp.Evaluate[string](`document.querySelector(".row[aria-selected=true]").getAttribute("aria-label")`))
	if !strings.Contains(label, "juliet@capulet.example/") || !strings.Contains(label, " to capulet.example: chat") {
		t.Errorf("label %s", label)
	}
	do(t, ctx, chromedp.KeyEvent("l"), until(`document.querySelectorAll(".row.stage").length > 2 && document.querySelector("#journey").textContent.includes("delivered")`),
		until(`["sent by juliet", "receipt", "archive copy"].every(w => document.querySelector("#journey").textContent.includes(w))`))
	screen(t, ctx, "ladder-follow")
	do(t, ctx, chromedp.KeyEvent("."), until(`document.querySelector(".row[aria-selected=true]")?.classList.contains("stage") && document.querySelector("#heading").textContent.startsWith("#133 ")`),
		chromedp.KeyEvent(","), until(`document.querySelector("#heading").textContent.startsWith("#132 ")`),
		// The playhead goes along, and what it was asked before does not come after it.
		run(`for (const key of ["p", "."]) document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }))`), until(`document.querySelector("#heading").textContent.startsWith("#133 ") && document.querySelector("#where").textContent.endsWith("· 133 of 288")`),
		until(`getComputedStyle(document.querySelector(".row.ahead.stage .draw")).opacity === "0.3"`), chromedp.KeyEvent("p"),
		chromedp.KeyEvent(kb.Escape), until(`document.querySelector("#journey").hidden && !document.querySelector(".row.stage")`))
	// Lanes go, and come back.
	do(t, ctx, run(`document.querySelector(".lanename .hide").click()`), until(`document.querySelector(".corner button")?.textContent === "1 hidden" && document.querySelectorAll(".lanename").length === 4`),
		run(`document.querySelector(".corner button").click()`), until(`document.querySelectorAll(".lanename").length === 5`))
	for _, c := range []struct {
		name          string
		width, height int64
		theme         string
	}{{"ladder-light", 1280, 760, "light"}, {"ladder-dark", 1280, 760, "dark"}, {"ladder-narrow", 420, 800, "light"}} {
		do(t, ctx, chromedp.EmulateViewport(c.width, c.height), run(`document.documentElement.dataset.theme = "`+c.theme+`"; document.querySelector("#close").click()`))
		do(t, ctx, run(`document.querySelector("#list").focus()`), chromedp.KeyEvent(kb.Home), until(`[...document.querySelectorAll(".phase")].some(e => e.textContent === "connect")`),
			press(":", false), chromedp.KeyEvent("26"), chromedp.KeyEvent(kb.Enter), until(chosenAt+` === "26"`), run(`document.querySelector("#close").click()`), until(`document.querySelector("#details").hidden`),
			until(`document.querySelectorAll(".ladder .pair").length && [...document.querySelectorAll(".latency")].some(e => e.textContent.endsWith(" ms") && e.offsetWidth)`))
		screen(t, ctx, c.name)
	}
	do(t, ctx, run(`document.querySelector("#tab-list").click()`), until(`!document.querySelector("#list.ladder") && document.querySelectorAll(".row .n").length > 5`))
}
