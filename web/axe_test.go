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
	url := pages(t, r, deciding)
	for _, size := range [][2]int64{{1280, 800}, {420, 800}} {
		for _, theme := range []string{"light", "dark"} {
			inTheme(t, ctx, url, size[0], size[1], theme, loaded)
			do(t, ctx, run(string(axe)+"; 0"))
			for _, s := range everyView() {
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
