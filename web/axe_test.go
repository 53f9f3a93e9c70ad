package web

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
	"github.com/xmpplens/xmpplens/record"
)

// TestAccessible lets axe-core look at every view, in light and dark, wide and
// narrow: it knows the rules of WCAG 2 that a program can check.
func TestAccessible(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join(proxytest.NodeModules(t, "axe-core"), "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	ctx := browser(t)
	r, err := record.Open("../testdata/recordings/bad.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	url := pages(t, r)
	click := func(selector string) action { return run(`document.querySelector("` + selector + `").click()`) }
	states := []struct {
		name  string
		steps []action
	}{
		{"list", []action{run(`document.querySelector("#list").focus()`)}},
		{"columns", []action{run(`document.querySelector("#columnmenu").showPopover()`)}},
		{"menu", []action{run(`document.querySelector("#columnmenu").hidePopover(); document.querySelector("#menu").showPopover()`)}},
		{"details", []action{run(`document.querySelector("#menu").hidePopover()`), click("#rows .row.SC"), until(`document.querySelector("#way pre")`)}},
		{"raw", []action{click("#way-raw"), until(`document.querySelector("#way").textContent`)}},
		{"tree", []action{click("#way-tree"), until(`document.querySelector("#way [role=treeitem]")`)}},
		{"hex", []action{click("#way-hex"), until(`document.querySelector("#way").textContent.includes("000")`)}},
		{"mistake", []action{click("#close"), run(`document.querySelector("#filter").value = "iq and ("; document.querySelector("#filter").dispatchEvent(new Event("input"))`), until(`!document.querySelector("#problem").hidden`)}},
		{"completion", []action{run(`document.querySelector("#filter").focus(); document.querySelector("#filter").value = "mess"; document.querySelector("#filter").dispatchEvent(new Event("input"))`), until(`!document.querySelector("#names").hidden`)}},
		{"ladder", []action{run(`document.querySelector("#filter").value = ""; document.querySelector("#filter").dispatchEvent(new Event("input"))`), click("#tab-ladder"), until(`document.querySelectorAll(".row:not(.loading)").length > 5 && document.querySelector("#problem").hidden`)}},
		{"overview", []action{click("#tab-overview"), until(`document.querySelector("#overview table")`)}},
		{"player", []action{click("#tab-list"), click("#replay"), until(`document.querySelector("#track .sc")`)}},
		{"keys", []action{click("#leave"), click("#keylisted"), until(`document.querySelector("#help").open`)}},
		{"save", []action{run(`document.querySelector("#help").close(); document.querySelector("#saving").showModal()`)}},
	}
	for _, size := range [][2]int64{{1280, 800}, {420, 800}} {
		for _, theme := range []string{"light", "dark"} {
			do(t, ctx, chromedp.EmulateViewport(size[0], size[1]), chromedp.Navigate(url), until(`document.querySelectorAll(".row").length > 5`),
				run(`localStorage.setItem("theme", "`+theme+`"); location.reload()`),
				until(`document.documentElement.dataset.theme === "`+theme+`" && document.querySelectorAll(".row:not(.loading)").length > 5`),
				run(string(axe)+"; 0"))
			for _, s := range states {
				do(t, ctx, s.steps...)
				do(t, ctx, run(`window.found = null; axe.run().then((r) => { window.found = r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.target + ": " + n.failureSummary.replaceAll("\n", " "))); window.passed = r.passes.length; })`),
					until(`window.found`))
				found := get(t, ctx, chromedp.Evaluate[[]string](`window.found`))
				if len(found) > 0 {
					t.Errorf("%s, %s, %d wide:\n%s", s.name, theme, size[0], strings.Join(found, "\n"))
				}
				if n := get(t, ctx, chromedp.Evaluate[int](`window.passed`)); n < 10 {
					t.Errorf("%s: only %d rules passed", s.name, n)
				}
			}
		}
	}
}
