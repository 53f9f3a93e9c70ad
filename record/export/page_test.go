package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
	"github.com/xmpplens/xmpplens/record"
)

func page(t testing.TB, r *record.Reader, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	o.Header, o.Tool = r.Header(), "test"
	if o.Title == "" {
		o.Title = "s.jsonl"
	}
	p, err := NewPage(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	run(t, r, p, o.Choice)
	return b.Bytes()
}

// cutOff makes every host one that is nowhere.
var cutOff = chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND")

func browser(t testing.TB, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		proxytest.Missing(t, "needs Chromium: apt-get install chromium")
	}
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(time.Minute), chromedp.WindowSize(1280, 800))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(o, flags...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	do(t, ctx) // starts the browser, whose life hangs on this context
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// action is a step in the browser.
type action = chromedp.Action[chromedp.Void]

func do(t testing.TB, ctx context.Context, actions ...action) {
	t.Helper()
	if len(actions) == 0 {
		actions = []action{func(context.Context, *chromedp.Target) (chromedp.Void, error) { return chromedp.Void{}, nil }}
	}
	for i, a := range actions {
		if err := chromedp.Do(ctx, a); err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
	}
}

func get[T any](t testing.TB, ctx context.Context, js string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js))
	if err != nil {
		t.Fatalf("%s: %v", js, err)
	}
	return v
}

func script(js string) action { return chromedp.Evaluate[chromedp.Void](js + ";void 0") }

// until waits for an expression to become true.
func until(js string) action {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if ok, err := chromedp.Evaluate[bool]("!!("+js+")")(ctx, t); err == nil && ok {
				return chromedp.Void{}, nil
			}
		}
		return chromedp.Void{}, errors.New("never came true: " + js)
	}
}

const shownRows = `[...document.querySelectorAll(".row .text")].map(e => e.textContent).join("\n")`

// at writes a page into a file and returns its address.
func at(t testing.TB, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Scheme: "file", Path: file}).String()
}

func TestPageInABrowser(t *testing.T) {
	ctx := browser(t, cutOff)
	do(t, ctx, chromedp.Navigate(at(t, page(t, open(t, "../../testdata/recordings/demo.jsonl"), Options{}))),
		until(`document.querySelectorAll(".row").length > 10`))
	if s := get[string](t, ctx, `document.querySelector("#counts").textContent`); s != "2 connections, 168 of 288 entries" {
		t.Error(s)
	}
	// The list goes by keys, and shows the details.
	do(t, ctx, chromedp.KeyEvent(kb.End), until(`document.querySelector("#heading").textContent.startsWith("#288 ")`), chromedp.KeyEvent(kb.Home),
		until(`document.querySelector("#body").textContent.includes("connection 1 (c2s) from")`))
	// The filter.
	for _, c := range []struct{ do, want string }{
		{`document.querySelector("#text").value = "wherefore"; document.querySelector("#text").oninput()`, "wherefore"},
		{`document.querySelector("#text").value = ""; document.querySelector("#text").oninput(); document.querySelector('[data-kind="iq"]').click()`, "iq result bind"},
		{`document.querySelector("#dir").value = "CS"; document.querySelector("#dir").onchange()`, "iq set bind"},
		{`document.querySelector("#conn").value = "2"; document.querySelector("#conn").onchange()`, "iq set bind resource balcony"},
		{`document.querySelector("#address").value = "capulet.example"; document.querySelector("#address").oninput()`, "iq get disco#info"},
	} {
		do(t, ctx, script(c.do), until(shownRows+`.includes("`+c.want+`")`))
	}
	do(t, ctx, until(`[...new Set([...document.querySelectorAll(".row")].map(r => r.querySelector(".kind").textContent + r.querySelector(".conn").textContent + r.querySelector(".dir").textContent))].join() === "iq#2→"`),
		until(`document.querySelector("#counts").textContent.match(/, \d+ of 288/)`))
	do(t, ctx, script(`document.querySelector("#text").value = "nobody says this"; document.querySelector("#text").oninput()`), until(`!document.querySelector("#empty").hidden`))
	do(t, ctx, script(`for (const id of ["text", "address"]) { document.getElementById(id).value = ""; document.getElementById(id).oninput() }
		document.querySelector("#dir").value = ""; document.querySelector("#dir").onchange()`), until(`document.querySelectorAll(".row").length > 10`))
	// The ladder joins a request with its answer.
	do(t, ctx, script(`document.querySelector("#asladder").click()`), until(`document.querySelectorAll(".ladder .row svg .head").length > 5`),
		until(`document.querySelectorAll(".pair").length > 4`), until(`[...document.querySelectorAll(".row .took")].some(e => e.textContent.endsWith(" ms"))`))
	if s := get[string](t, ctx, `document.querySelector("#lanes").textContent`); !regexp.MustCompile(`client 127.0.0.1:\d+proxyserver 127.0.0.1:\d+`).MatchString(s) {
		t.Error(s)
	}
	// An answer leads to its question and back.
	do(t, ctx, script(`[...document.querySelectorAll(".row")].find(r => r.textContent.includes("iq result bind")).click()`), until(`document.querySelector("#body .link")`),
		script(`document.querySelector("#body .link").click()`), until(`document.querySelector("#body .summary").textContent.startsWith("iq set bind")`),
		until(`document.querySelector("#body dl").textContent.includes("answered by")`))
}

// Nothing in a recording gets out of its place, nothing asks the network.
func TestHostilePage(t *testing.T) {
	var asked atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer trap.Close()
	hostile := `</script><script>window.hit=1</script><img src=` + trap.URL + `/x onerror='window.hit=1'><!--<script>`
	line := func(t int, rest, text string) string {
		return string(record.AppendLine(nil, &record.Event{T: time.Duration(t) * time.Second, C: 1, E: record.EventData, D: record.CS, Data: []byte(rest + text), HasData: true}))
	}
	r := recording(t,
		`{"t":1,"c":1,"e":"open","kind":"c2s","client":"</script><script>window.hit=1</script>","server":"<b>"}`,
		line(2, header, ""),
		line(3, "", "<message from='</script><script>window.hit=1</script>' to='&quot;&gt;&lt;script&gt;window.hit=1&lt;/script&gt;'><body><![CDATA["+hostile+"]]></body></message>"),
		line(4, "", "<message><body>\u2028\u2029\u202e"+strings.ReplaceAll(hostile, "<", "&lt;")+"</body></message>"),
		line(5, "", hostile+"\xff\xfe"),
		`{"t":6,"c":1,"e":"note","text":"</title></script><script>window.hit=1</script>","hint":"<img src=x onerror=window.hit=1>"}`)
	b := page(t, r, Options{Title: `</title><script>window.hit=1</script>`})
	// The page knows its own scripts; there is no other.
	if n := bytes.Count(b, []byte("</script>")); n != 5 {
		t.Errorf("%d scripts end", n)
	}
	if regexp.MustCompile(`(?i)(src|href|url)\s*[=(]\s*["']?(https?:)?//`).Match([]byte(pageHTML + pageCSS + pageJS)) {
		t.Error("the page leads somewhere")
	}
	ctx := browser(t)
	do(t, ctx, chromedp.Navigate(at(t, b)), until(`document.querySelectorAll(".row").length >= 6`))
	for n := range 8 {
		do(t, ctx, chromedp.KeyEvent(kb.ArrowDown), script(`document.querySelector("#asl`+[]string{"ist", "adder"}[n%2]+`").click()`))
	}
	do(t, ctx, chromedp.KeyEvent(kb.Home), until(`document.querySelector("#heading").textContent.startsWith("#1 ")`))
	if get[bool](t, ctx, `!!window.hit || !!document.querySelector("#body img, #body script, .row img, .row script, h1 script") || document.scripts.length !== 4`) {
		t.Error("the recording runs in the page")
	}
	// Even what got into the page would find every door shut.
	do(t, ctx, script(`{ const i = new Image(); i.onerror = () => { window.refused = 1 }; i.src = "`+trap.URL+`/image"; document.body.append(i) }`), until(`window.refused`),
		script(`fetch("`+trap.URL+`/fetch").catch(() => { window.refused = 2 })`), until(`window.refused === 2`))
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests left the page", n)
	}
}

func TestPageMasksSecrets(t *testing.T) {
	r := func() *record.Reader {
		return recording(t, `{"t":1,"c":1,"e":"data","d":"CS","s":"`+header+`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldHB3</auth>"}`)
	}
	if b := page(t, r(), Options{}); bytes.Contains(b, []byte("AHJvbWVvAHNlY3JldHB3")) || !bytes.Contains(b, []byte("password hidden")) {
		t.Error("the password is in the page")
	}
	if b := page(t, r(), Options{Secrets: true}); !bytes.Contains(b, []byte("AHJvbWVvAHNlY3JldHB3")) {
		t.Error("the password is not in the page")
	}
}

// A long recording scrolls and is searched as a short one.
func TestLongPage(t *testing.T) {
	if testing.Short() {
		t.Skip("writes and reads 100,000 entries")
	}
	lines := []string{`{"t":1,"c":1,"e":"open","kind":"c2s","client":"192.0.2.1:40000","server":"192.0.2.2:5222"}`, `{"t":1,"c":1,"e":"data","d":"CS","s":"` + header + `"}`}
	for i := range 100_000 {
		lines = append(lines, fmt.Sprintf(`{"t":%d.%03d,"c":1,"e":"data","d":"CS","s":"<message to='juliet@capulet.example' id='m%d' type='chat'><body>Number %d of many, with some words behind it.</body></message>"}`, 2+i/100, i%100*10, i, i))
	}
	b := page(t, recording(t, lines...), Options{})
	ctx := browser(t)
	began := time.Now()
	do(t, ctx, chromedp.Navigate(at(t, b)), until(`document.querySelectorAll(".row").length > 10`))
	opened := time.Since(began)
	do(t, ctx, chromedp.KeyEvent(kb.End), until(`document.querySelector("#heading").textContent.startsWith("#100002 ")`))
	began = time.Now()
	do(t, ctx, script(`document.querySelector("#text").value = "number 77777 of"; document.querySelector("#text").oninput()`), until(`document.querySelector("#counts").textContent === "1 connection, 1 of 100,002 entries"`))
	found := time.Since(began)
	do(t, ctx, script(`document.querySelector("#text").value = ""; document.querySelector("#text").oninput()`), until(`document.querySelectorAll(".row").length > 10`),
		script(`document.querySelector("#asladder").click()`), until(`document.querySelectorAll(".ladder .row .head").length > 5`))
	if n := get[int](t, ctx, `document.querySelectorAll(".row").length`); n > 60 {
		t.Errorf("%d rows in the document", n)
	}
	t.Logf("%d MB, opened in %v, searched in %v", len(b)>>20, opened, found)
}
