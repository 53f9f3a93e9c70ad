package web

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/xmpplens/xmpplens/record"
)

// crowd records many entries of several kinds on several connections.
func crowd(t testing.TB, many int) *record.Reader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crowd.jsonl")
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	log, err := record.Create(path, record.Options{Now: func() time.Time {
		now = now.Add(time.Millisecond)
		return now
	}})
	if err != nil {
		t.Fatal(err)
	}
	add := func(conn int, text string) {
		log.Append(record.Event{C: conn, E: record.EventData, D: record.SC, Data: []byte(text), HasData: true})
	}
	const conns, batch = 4, 500
	for c := 1; c <= conns; c++ {
		add(c, header)
	}
	var b strings.Builder
	for n := conns; n < many; {
		b.Reset()
		c := n/batch%conns + 1
		for range min(batch, many-n) {
			switch n++; n % 5 {
			case 0:
				b.WriteString("<presence from='juliet@capulet.example/balcony'><show>away</show></presence>")
			case 1:
				b.WriteString("<r xmlns='urn:xmpp:sm:3'/>")
			default:
				fmt.Fprintf(&b, "<message from='romeo@montague.example/orchard' type='chat'><body>line %d</body></message>", n)
			}
		}
		add(c, b.String())
	}
	if err := errors.Join(log.Err(), log.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// firstRow notes when the first row is on the screen, in milliseconds since the
// navigation began; timeFrames notes how long frames take while it is on.
const firstRow = `new MutationObserver((_, o) => {
	if (!document.querySelector(".row:not(.loading)")) return;
	o.disconnect();
	requestAnimationFrame(() => setTimeout(() => { window.firstRow = performance.now(); }));
}).observe(document, { childList: true, subtree: true, attributes: true });`

const timeFrames = `{
	window.deltas = []; window.works = [];
	let last = 0;
	const frame = (now) => {
		if (!window.deltas) return;
		if (last) window.deltas.push(now - last);
		last = now;
		const from = performance.now(), c = new MessageChannel();
		c.port1.onmessage = () => window.works?.push(performance.now() - from); // behind style, layout and paint
		c.port2.postMessage(0);
		requestAnimationFrame(frame);
	};
	requestAnimationFrame(frame);
}`

// A million entries scroll, jump and filter as ten do. What it takes is logged, and
// no condition: machines differ.
func TestMillion(t *testing.T) {
	many := 1_000_000
	if testing.Short() {
		many = 300_000
	}
	ctx := browser(t)
	began := time.Now()
	r := crowd(t, many)
	url := pages(t, r)
	t.Logf("recorded and indexed after %.1f s", time.Since(began).Seconds())

	list := `document.querySelector("#list")`
	shows := func(n int) action {
		return until(fmt.Sprintf(`[...document.querySelectorAll(".row:not(.loading) .n")].some(e => e.textContent === "%d")`, n))
	}
	chosen := func(n int) action { return until(fmt.Sprintf(`%s === "%d"`, chosenRow, n)) }
	number := func(js string) float64 { return get(t, ctx, chromedp.Evaluate[float64](js)) }
	goes := func(n int) {
		do(t, ctx, press(":", false), until(goingTo), run(fmt.Sprintf(`document.querySelector("#gotoplace").value = "%d"; 0`, n)), chromedp.KeyEvent(kb.Enter), chosen(n))
	}
	do(t, ctx, chromedp.EmulateViewport(1280, 760), command("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": firstRow}), chromedp.Navigate(url), until(`window.firstRow`), shows(many))
	first := number(`window.firstRow`)
	do(t, ctx, reload, until(`window.firstRow`), shows(many))
	again := number(`window.firstRow`)

	// To its ends and to its middle; the bar goes with it.
	share := func() float64 {
		return number(list + `.scrollTop / (` + list + `.scrollHeight - ` + list + `.clientHeight)`)
	}
	do(t, ctx, run(list+`.focus()`))
	for _, c := range []struct {
		n    int
		want float64
	}{{many / 2, 0.5}, {1, 0}, {many, 1}, {many / 4, 0.25}} {
		goes(c.n)
		if got := share(); got < c.want-0.01 || got > c.want+0.01 {
			t.Errorf("at entry %d the bar stands at %.3f", c.n, got)
		}
	}
	do(t, ctx, chromedp.KeyEvent(kb.Home), chosen(1), chromedp.KeyEvent(kb.End), chosen(many), chromedp.KeyEvent(kb.Escape),
		run(list+`.scrollTop = (`+list+`.scrollHeight - `+list+`.clientHeight) / 2; 0`), until(`Math.abs(document.querySelector(".row .n").textContent - `+fmt.Sprint(many/2)+`) < 1000 && !document.querySelector(".row.loading")`))

	// A turn of the wheel moves by rows in the middle of a million, as it does in ten.
	upper := `Number(document.querySelector(".row .n").textContent)`
	from := number(upper)
	do(t, ctx, command("Input.dispatchMouseEvent", map[string]any{"type": "mouseWheel", "x": 600, "y": 400, "deltaX": 0, "deltaY": 240}), until(fmt.Sprintf(`%s === %.0f && !document.querySelector(".row.loading")`, upper, from+10)))
	// It goes on for a while, which is measured.
	from = number(upper)
	do(t, ctx, run(timeFrames), command("Input.synthesizeScrollGesture", map[string]any{"x": 600, "y": 400, "yDistance": -12000, "speed": 3000, "gestureSourceType": "mouse"}))
	if to := number(upper); to < from+480 || to > from+510 {
		t.Errorf("12,000 pixels of the wheel moved it by %.0f rows", to-from)
	}
	p95 := func(name string) float64 {
		return number(`(() => { const a = window.` + name + `.sort((a, b) => a - b); return a[Math.floor(a.length * 0.95)] || 0; })()`)
	}
	delta, work, n := p95("deltas"), p95("works"), number(`window.deltas.length`)
	do(t, ctx, run(`window.deltas = null; window.works = null; 0`), until(`!document.querySelector(".row.loading")`))
	// A finger does as the wheel does.
	from = number(upper)
	touch := func(kind string, points ...map[string]any) action {
		return command("Input.dispatchTouchEvent", map[string]any{"type": kind, "touchPoints": append([]map[string]any{}, points...)})
	}
	do(t, ctx, command("Emulation.setTouchEmulationEnabled", map[string]any{"enabled": true}), touch("touchStart", map[string]any{"x": 600, "y": 650}))
	for y := 640; y >= 150; y -= 10 {
		do(t, ctx, touch("touchMove", map[string]any{"x": 600, "y": y}))
	}
	do(t, ctx, touch("touchEnd"), until(fmt.Sprintf(`%s > %.0f`, upper, from+17)))
	if to := number(upper); to > from+40 {
		t.Errorf("500 pixels of a finger moved it by %.0f rows", to-from)
	}
	if rows := number(`document.querySelectorAll(".row").length`); rows > 60 {
		t.Errorf("%.0f rows in the page", rows)
	}

	// Kinds and filters.
	do(t, ctx, run(chip("ack")+`.click()`), until(fmt.Sprintf(`document.querySelector("#counts").textContent.includes("of " + (%d).toLocaleString("en") + " entries")`, many)), until(`!document.querySelector(".row.loading")`))
	goes(many / 2)
	do(t, ctx, run(`document.querySelector("#filter").value = "presence and n > 1000"; document.querySelector("#filter").dispatchEvent(new Event("input")); 0`),
		until(rowTexts+`.includes("presence") && !`+rowTexts+`.includes("line")`))
	metrics := memory(t, ctx)
	t.Logf("%d entries: first row after %.0f ms (again %.0f ms); %.0f frames while scrolling, 95 %% of them within %.1f ms of the one before and with %.1f ms of work; JavaScript heap %.1f MB, %.0f nodes",
		many, first, again, n, delta, work, metrics["JSHeapUsedSize"]/1e6, metrics["Nodes"])
}

// memory returns what the browser says of the page.
func memory(t *testing.T, ctx context.Context) map[string]float64 {
	t.Helper()
	out := make(map[string]float64)
	do(t, ctx, command("Performance.enable", nil), command("HeapProfiler.collectGarbage", nil), func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		var m struct {
			Metrics []struct {
				Name  string  `json:"name"`
				Value float64 `json:"value"`
			} `json:"metrics"`
		}
		err := target.Call(ctx, "Performance.getMetrics", nil, &m)
		for _, one := range m.Metrics {
			out[one.Name] = one.Value
		}
		return chromedp.Void{}, err
	})
	return out
}
