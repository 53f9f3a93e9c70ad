package web

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// The page that has a version gets nothing again.
func TestOverviewVersion(t *testing.T) {
	x, err := timeline.NewIndex(played(t))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := &page{server: &Server{Source: x}, source: x, chosen: newChoice()}
	ask := func(v map[string]any) overviewed {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return p.overview(request{whole: b}).(overviewed)
	}
	first := ask(nil)
	sum := 0
	for _, b := range first.Traffic.Bins {
		sum += int(b.CS + b.SC)
	}
	if first.Same || len(first.Conns) != 1 || sum != 121 || len(first.Codes) == 0 {
		t.Errorf("%+v", first)
	}
	if got := ask(map[string]any{"version": first.Version}); !got.Same || got.Conns != nil {
		t.Errorf("%+v", got)
	}
	if got := ask(map[string]any{"version": first.Version, "from": 1, "to": 2}); got.Same || len(got.Traffic.Bins) != 200 {
		t.Errorf("%+v", got)
	}
}

func TestOverviewInTheBrowser(t *testing.T) {
	ctx := browser(t)
	log, _, url := show(t)
	log.Append(record.Event{C: 1, E: record.EventOpen, Kind: "c2s", Client: "<img src=x onerror=alert(1)>"})
	say(log, record.CS, header+"<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>")
	say(log, record.SC, header+"<iq type='result' id='1'/><message><body>one</body></message>")
	text := func(of string) string { return `document.querySelector("#overview .` + of + `").textContent` }
	do(t, ctx, chromedp.Navigate(url), until(rowTexts+`.includes("one")`), run(`document.querySelector("#tab-overview").click()`),
		until(text("conns")+`.includes("1 connection") && `+text("conns")+`.includes("<img")`), until(`!document.querySelector("#overview img")`),
		until(text("latencies")+`.includes("XEP-0199")`), until(text("known")+`.includes("6 entries")`))
	// What comes is there at once, and the focus stays.
	do(t, ctx, run(`document.querySelector("[data-key='sort rtt']").focus()`), run(`document.activeElement.click()`), until(`document.querySelector("#overview th[aria-sort=ascending]").textContent.startsWith("RTT")`))
	say(log, record.SC, "<message><body>two</body></message>")
	do(t, ctx, until(text("known")+`.includes("7 entries")`), until(`document.activeElement.dataset.key === "sort rtt"`),
		// A range, by keyboard alone, becomes a filter that can be shared.
		run(`document.querySelector("#overview .brush input").focus()`), chromedp.KeyEvent(kb.ArrowRight), until(text("brush")+`.includes("Show 0")`),
		run(`document.querySelector("#overview .brush button").click()`), until(`document.querySelector("#filter").value.startsWith("t >= ")`), until(`location.hash.includes("filter=t")`), until(`document.querySelector("#problem").hidden`),
		run(`document.querySelector("#tab-overview").click()`), until(`document.querySelector("[data-key='conn 1']")`), run(`document.querySelector("[data-key='conn 1']").click()`),
		until(`document.querySelector("#filter").value === "conn == 1" && !document.querySelector("#list").hidden`))
}

// A range is dragged on the chart, which then shows it; what is dragged there is
// inside of it.
func TestOverviewDrag(t *testing.T) {
	ctx := browser(t)
	drag := func(from, to float64) action {
		return run(fmt.Sprintf(`(() => {
			const svg = document.querySelector("#overview .traffic svg"), at = svg.getBoundingClientRect();
			const send = (type, part) => svg.dispatchEvent(new PointerEvent(type, { bubbles: true, pointerId: 1, clientX: at.left + part * at.width, clientY: at.top + 9 }));
			send("pointerdown", %g); send("pointermove", %g); send("pointerup", %g);
		})()`, from, (from+to)/2, to))
	}
	shown := func(want float64) action {
		return until(fmt.Sprintf(`Math.abs(Number(document.querySelector("#overview .traffic svg").getAttribute("aria-label").match(/, ([\d.]+) seconds/)[1]) - %g) < 0.5`, want))
	}
	do(t, ctx, chromedp.Navigate(pages(t, played(t))), until(`document.querySelector("#tab-overview")`), run(`document.querySelector("#tab-overview").click()`), until(`document.querySelector("#overview .traffic svg")`),
		// The page's own capture of the pointer wants a real one.
		run(`Element.prototype.setPointerCapture = () => {}`),
		shown(71), drag(.5, .25), shown(71.0/4), until(`document.querySelector("#overview .brush button").textContent.startsWith("Show 17.8")`),
		drag(0, .5), shown(71.0/8), until(`Number(document.querySelector("#overview .range").getAttribute("width")) > 190`),
		run(`document.querySelectorAll("#overview .brush button")[1].click()`), shown(71))
}

func TestOverviewScreens(t *testing.T) {
	ctx := browser(t)
	r, err := record.Open("../testdata/recordings/demo.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Navigate(pages(t, r)), until(`document.querySelector("#tab-overview")`), run(`document.querySelector("#tab-overview").click()`), until(`document.querySelector("#overview .latency")`))
	for _, c := range []struct {
		name, theme string
		w, h        int64
	}{{"light", "light", 1280, 760}, {"dark", "dark", 1280, 760}, {"narrow", "light", 420, 800}} {
		do(t, ctx, chromedp.EmulateViewport(c.w, c.h), run(`document.documentElement.dataset.theme = "`+c.theme+`"; 0`))
		screen(t, ctx, "overview-"+c.name)
		if wide := get(t, ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`)); wide {
			t.Errorf("%s: the page is wider than the window", c.name)
		}
	}
}
