package proxytest

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Chromium starts headless Chromium, which ends with the test.
func Chromium(t testing.TB, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		Missing(t, "needs Chromium: apt-get install chromium")
	}
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(o, more...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	nothing := func(context.Context, *chromedp.Target) (chromedp.Void, error) { return chromedp.Void{}, nil }
	if err := chromedp.Do(ctx, nothing); err != nil { // starts the browser, whose life hangs on this context
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(ctx, 2*limit)
	t.Cleanup(cancel)
	return ctx
}

// Browse opens a page in headless Chromium, waits until a JavaScript expression
// is true in it, and returns its text. Any certificate will do.
func Browse(t testing.TB, url, until string) string {
	t.Helper()
	ctx := Chromium(t, chromedp.Flag("ignore-certificate-errors", true))
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	text := func() string {
		s, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
		return s
	}
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+until+")")); err == nil && ok {
			return text()
		}
		if time.Now().After(end) {
			t.Fatalf("%s: never %s, but\n%s", url, until, text())
		}
	}
}
