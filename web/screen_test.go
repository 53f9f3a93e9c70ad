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
