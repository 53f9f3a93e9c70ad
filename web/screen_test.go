package web

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// screen keeps a picture of the page where SCREENS names a directory.
func screen(t testing.TB, ctx context.Context, name string) {
	t.Helper()
	png := picture(t, ctx)
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

// picture is how the page looks. A browser without a screen at times waits for a
// frame that it has no reason to draw: then it gets one; or has just changed pages.
func picture(t testing.TB, ctx context.Context) []byte {
	t.Helper()
	for range 5 {
		soon, cancel := context.WithTimeout(ctx, 5*time.Second)
		png, err := chromedp.Run(soon, chromedp.CaptureScreenshot())
		cancel()
		if err == nil {
			return png
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		do(t, ctx, run(`document.body.style.translate = document.body.style.translate ? "" : "0"`))
	}
	t.Fatal("the browser draws no picture")
	return nil
}
