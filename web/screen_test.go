package web

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// screen keeps a picture of the page where SCREENS names a directory.
func screen(t testing.TB, ctx context.Context, name string) {
	t.Helper()
	png := get(t, ctx, chromedp.CaptureScreenshot())
	if len(png) < 10_000 {
		t.Errorf("the picture %s has %d bytes", name, len(png))
	}
	dir := os.Getenv("SCREENS")
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		t.Error(err)
	}
}

// inTheme opens a page of entries anew in a size and a theme, and waits until ready holds.
func inTheme(t testing.TB, ctx context.Context, url string, width, height int64, theme, ready string) {
	t.Helper()
	do(t, ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate(url), until(`document.querySelectorAll(".row").length > 3`),
		run(`localStorage.setItem("theme", "`+theme+`"); 0`), reload, until(ready))
	if is := get(t, ctx, chromedp.Evaluate[string](`document.documentElement.dataset.theme`)); is != theme {
		t.Errorf("the theme is %q", is)
	}
}

// reload loads the page again, and waits until the old one is gone: what is waited
// for next may be true of that, too.
func reload(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
	if v, err := run(`window.going = true; location.reload()`)(ctx, t); err != nil {
		return v, err
	}
	return until(`!window.going && document.body`)(ctx, t)
}

// loaded holds when there are rows.
const loaded = `document.querySelectorAll(".row:not(.loading)").length > 5`
