package web

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/diff"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// twoServers are the demo's recording and the same where another server answers
// otherwise.
func twoServers(t testing.TB) (a, b *record.Reader) {
	t.Helper()
	file, err := os.ReadFile("../testdata/recordings/demo.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	other := strings.NewReplacer(
		"montague.example", "verona.test",
		"<mechanism>SCRAM-SHA-1</mechanism>", "",
		"<feature var='urn:xmpp:ping'/>", "",
		"wherefore", "why",
	).Replace(string(file))
	for i, s := range []string{string(file), other} {
		r, err := record.Read(bytes.NewReader([]byte(s)))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			a = r
		} else {
			b = r
		}
	}
	return a, b
}

// showTwo serves a comparison.
func showTwo(t testing.TB, a, b *record.Reader) string {
	t.Helper()
	rep, err := diff.Compare(t.Context(), a, b, diff.Options{Rows: true})
	if err != nil {
		t.Fatal(err)
	}
	rep.A.Name, rep.B.Name = "montague.jsonl", "verona.jsonl"
	x := [2]*timeline.Index{indexOf(t, a), indexOf(t, b)}
	return served(t, &Server{Source: x[0], Title: "montague.jsonl", Diff: &SideBySide{Report: rep, A: x[0], B: x[1]}})
}

// Two recordings stand side by side; what differs is chosen, and both details
// open.
func TestSideBySide(t *testing.T) {
	ctx := browser(t)
	a, b := twoServers(t)
	page := showTwo(t, a, b)
	const open = `document.querySelectorAll(".row:not(.loading)").length > 3`
	for _, c := range []struct {
		name          string
		width, height int64
		theme         string
	}{{"diff-light", 1280, 760, "light"}, {"diff-dark", 1280, 760, "dark"}, {"diff-middle", 800, 600, "light"}, {"diff-narrow", 420, 800, "light"}, {"diff-narrow-dark", 420, 800, "dark"}} {
		inTheme(t, ctx, page, c.width, c.height, c.theme, open)
		screen(t, ctx, c.name)
		do(t, ctx, run(`[...document.querySelectorAll(".item")].find(e => e.textContent.includes("why")).click()`),
			until(`document.querySelector("#a pre")?.textContent.includes("wherefore") && document.querySelector("#b pre")?.textContent.includes("why")`),
			until(`document.querySelector("#changes").textContent.includes("message/body")`))
		screen(t, ctx, c.name+"-details")
	}
	do(t, ctx, chromedp.EmulateViewport(1280, 760), run(`document.querySelector("#close").click()`), until(`document.querySelector("#details").hidden`))
	if text := get(t, ctx, chromedp.Evaluate[string](`document.querySelector("#verdict").textContent`)); !strings.Contains(text, "exchanges are the same") {
		t.Errorf("verdict %q", text)
	}
	if n := get(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll(".row.same").length`)); n != 0 {
		t.Errorf("%d rows are the same", n)
	}
	do(t, ctx, run(`document.querySelector("#only").click()`), until(`document.querySelectorAll(".row.same").length > 3`))
	// A row of all shows both sides, too.
	do(t, ctx, run(`document.querySelector(".row.same").click()`), until(`!document.querySelector("#details").hidden && document.querySelector("#a pre") && document.querySelector("#b pre")`))
}

// The page's files make no HTML of text.
func TestFilesMakeNoHTML(t *testing.T) {
	entries, err := files.ReadDir("ui")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := files.ReadFile("ui/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval("} {
			if strings.Contains(string(b), bad) {
				t.Errorf("%s has %s", e.Name(), bad)
			}
		}
	}
}
