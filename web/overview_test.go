package web

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/xmpplens/xmpplens/record"
)

// The page that has a version gets nothing again.
func TestOverviewVersion(t *testing.T) {
	x := indexOf(t, played(t))
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
	draw := func(v map[string]any) overviewDrawn {
		v["draw"] = 600
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return p.overview(request{whole: b}).(overviewDrawn)
	}
	seen := draw(map[string]any{})
	if seen.Length != 71 || seen.From != 0 || seen.To < 71 || len(seen.Chart) == 0 || len(seen.Rest) == 0 {
		t.Errorf("drawn: %+v", seen)
	}
	if got := draw(map[string]any{"version": seen.Version}); !got.Same || got.Chart != nil {
		t.Errorf("drawn again: %+v", got)
	}
	if got := draw(map[string]any{"version": seen.Version, "from": 2, "to": 4}); got.From != 2 || got.To < 4 || got.To > 4.1 {
		t.Errorf("a range from %g to %g", got.From, got.To)
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

// A range is dragged over the chart, which is of that range then; again, it gets closer.
func TestOverviewBrush(t *testing.T) {
	ctx := browser(t)
	bounds := func() (from, to float64) {
		var ends [2]float64
		text := get(t, ctx, chromedp.Evaluate[string](`document.querySelector("#overview .brush button").textContent`))
		if _, err := fmt.Sscanf(text, "Show %f s to %f s", &ends[0], &ends[1]); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return ends[0], ends[1]
	}
	// drag goes over parts of the chart, as a pointer does.
	drag := func(from, to float64, with string) action {
		return run(fmt.Sprintf(`{ const el = document.querySelector("#overview .chart"), box = el.getBoundingClientRect();
			const at = (type, part) => el.dispatchEvent(new PointerEvent(type, { bubbles: true, pointerId: 1, clientX: box.left + part * box.width, clientY: box.top + 50 }));
			Element.prototype.setPointerCapture = () => {}; at("pointerdown", %g); at("pointermove", %g); %s; at("pointerup", %g); }`, from, (from+to)/2, with, to))
	}
	words := func(of string) action {
		return until(`document.querySelector("#overview .chart").ariaLabel.includes("` + of + `")`)
	}
	do(t, ctx, chromedp.Navigate(pages(t, played(t))), until(`document.querySelectorAll(".row:not(.loading)").length > 10`), run(`document.querySelector("#tab-overview").click()`),
		words("from 0.00 s on"), drag(.5, .1, `window.marked = document.querySelector("#overview .traffic i")?.offsetWidth`), words("from 7.1"), until(`window.marked > 100`), until(`!document.querySelector("#overview .traffic i").offsetWidth`))
	from, to := bounds()
	if from < 7 || from > 7.3 || to < 35 || to > 36.5 {
		t.Errorf("a range from %g to %g", from, to)
	}
	do(t, ctx, drag(0, .1, ``), until(`document.querySelector("#overview .chart").ariaLabel.includes(", 2.8")`))
	if a, b := bounds(); a != from || b < 9.5 || b > 10.2 {
		t.Errorf("a range in it from %g to %g", a, b)
	}
	// The sliders stand there; a click is no range, and there is a way back.
	if got := get(t, ctx, chromedp.Evaluate[string](`document.querySelector("#overview input").ariaValueText`)); got != fmt.Sprintf("%.2f s", from) {
		t.Errorf("the slider says %s", got)
	}
	do(t, ctx, drag(.5, .5, `window.before = el`), until(`!window.before.isConnected`), words("from 7.1"), run(`document.querySelectorAll("#overview .brush button")[1].click()`), words("from 0.00 s on"), until(`document.querySelectorAll("#overview .brush button")[1].disabled`),
		drag(0, .2, ``), until(`document.querySelector("#overview .chart").ariaLabel.includes(", 14.")`), run(`document.querySelector("#overview .brush button").click()`),
		until(`document.querySelector("#filter").value.startsWith("t >= 0.000s and t <= 14.")`),
		until(`document.querySelector("#counts").textContent.includes("101 of 122")`))
}

func TestOverviewScreens(t *testing.T) {
	ctx := browser(t)
	r := demoReader(t)
	do(t, ctx, chromedp.Navigate(pages(t, r)), until(`document.querySelector("#tab-overview")`), run(`document.querySelector("#tab-overview").click()`), until(`document.querySelector("#overview .latency")`))
	for _, c := range []struct {
		name, theme string
		w, h        int64
	}{{"light", "light", 1280, 760}, {"dark", "dark", 1280, 760}, {"narrow", "light", 420, 800}} {
		do(t, ctx, chromedp.EmulateViewport(c.w, c.h), run(`document.documentElement.dataset.theme = "`+c.theme+`"; 0`),
			until(`document.querySelector("#overview .chart").viewBox.baseVal.width === document.querySelector("#overview .traffic").clientWidth`))
		screen(t, ctx, "overview-"+c.name)
		if wide := get(t, ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth || document.querySelector("#overview").scrollWidth > document.querySelector("#overview").clientWidth`)); wide {
			t.Errorf("%s: the page is wider than the window", c.name)
		}
	}
}
