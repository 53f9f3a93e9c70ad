package main

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// A person holds a message of a real session in the viewer, edits it, passes it on
// where it comes back, and puts in a stanza of the templates.
func TestDesk(t *testing.T) {
	t.Parallel()
	ctx := proxytest.Chromium(t)
	_, _, p := play(t)
	run := func(js string) {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](js)); err != nil {
			t.Fatal(err)
		}
	}
	until := func(js string) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+js+")")); err == nil && ok {
				return
			}
		}
		t.Fatalf("never came true: %s", js)
	}
	juliet := p.juliet(t)
	if err := chromedp.Do(ctx, chromedp.Navigate(p.viewer(t))); err != nil {
		t.Fatal(err)
	}
	until(`document.querySelector("#tab-desk")`)
	run(`document.querySelector("#tab-desk").click()`)
	run(`document.querySelector("#point").value = "message"; document.querySelector("#arm").requestSubmit()`)
	until(`document.querySelector("#arms").textContent.includes("breakpoint message")`)

	juliet.Send("<message to='juliet@localhost/balcony' id='a'><body>one</body></message>")
	until(`document.querySelector("#held pre")?.textContent.includes("one")`)
	run(`document.querySelector("#held [data-verdict=edit]").click()`)
	until(`document.querySelector("#colours .text")?.textContent === "one"`)
	run(`document.querySelector("#xml").value = document.querySelector("#xml").value.replace(">one<", ">two<"); document.querySelector("#compose").requestSubmit()`)
	until(`/localhost →.*two/.test(document.querySelector("#held").textContent)`)
	run(`document.querySelector("#held [data-verdict=pass]").click()`)
	if s := next(t, juliet); !strings.HasPrefix(s, "message a") || !strings.Contains(s, "two") {
		t.Errorf("the client got %s", s)
	}

	until(`[...document.querySelector("#common")].some((o) => o.text === "Ping")`)
	run(`const c = document.querySelector("#common"); c.selectedIndex = [...c].findIndex((o) => o.text === "Ping"); c.onchange({ target: c })`)
	until(`document.querySelector("#colours").textContent.includes("urn:xmpp:ping") && !document.querySelector("#checked").textContent`)
	run(`document.querySelector("#compose").requestSubmit()`)
	if s := next(t, juliet); !strings.HasPrefix(s, "iq lens-") || !strings.Contains(s, "urn:xmpp:ping") {
		t.Errorf("the client got %s", s)
	}
	until(`document.querySelector("#checked").textContent.startsWith("Sent ")`)
	p.stop()
	text := p.show("--format=line")
	for _, want := range []string{"[changed by viewer] message", "[injected by viewer] iq get ping  localhost → juliet@localhost", "breakpoint set: message"} {
		if !strings.Contains(text, want) {
			t.Errorf("the recording does not say %q:\n%s", want, text)
		}
	}
}
