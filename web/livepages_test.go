package web

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/xmpplens/xmpplens/record"
)

// frames begins to note how long frames take.
const frames = `(() => {
	window.took = [];
	let last = performance.now();
	const next = (now) => { window.took.push(now - last); last = now; requestAnimationFrame(next); };
	requestAnimationFrame(next);
})(); 0`

// Three pages follow 5,000 stanzas a second, and stay responsive: they draw, take
// keys, and know in the end of every entry.
func TestLivePages(t *testing.T) {
	first := browser(t)
	log, _, url := show(t)
	say(log, record.CS, header)
	do(t, first, chromedp.Navigate(url)) // from now on there is a browser
	tabs := []context.Context{first}
	for range 2 {
		ctx, cancel := chromedp.NewContext(first)
		t.Cleanup(cancel)
		tabs = append(tabs, ctx)
	}
	for _, ctx := range tabs {
		do(t, ctx, chromedp.Navigate(url), until(rowTexts+`.includes("stream")`), run(frames))
	}
	const ticks = 1000
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for range ticks {
			<-tick.C
			say(log, record.SC, strings.Repeat("<message from='romeo@montague.example'><body>Parting is such sweet sorrow</body></message>", 25))
		}
	})
	var asked []time.Duration
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	for done := false; !done; {
		select {
		case <-ended:
			done = true
		case <-time.After(300 * time.Millisecond):
			began := time.Now()
			get(t, first, chromedp.Evaluate[int](`document.querySelectorAll(".row").length`))
			asked = append(asked, time.Since(began))
		}
	}
	for i, ctx := range tabs {
		do(t, ctx, until(`document.querySelector("#counts").textContent.includes("25,001 entries")`))
		quantile := func(q string) float64 {
			return get(t, ctx, chromedp.Evaluate[float64](`window.took.sort((a, b) => a - b)[Math.floor(window.took.length * `+q+`)] || 0`))
		}
		p50, p95, n := quantile("0.5"), quantile("0.95"), get(t, ctx, chromedp.Evaluate[int](`window.took.length`))
		t.Logf("page %d: %d frames, median %.1f ms, 95 of 100 within %.1f ms", i+1, n, p50, p95)
		if n > 50 && p95 > 250 {
			t.Errorf("page %d: frames take %.0f ms", i+1, p95)
		}
	}
	var longest time.Duration
	for _, d := range asked {
		longest = max(longest, d)
	}
	t.Logf("a question to the first page meanwhile was answered within %.0f ms, of %d", longest.Seconds()*1000, len(asked))
}
