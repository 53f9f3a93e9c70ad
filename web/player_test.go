package web

import (
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

// The page has to come quickly, and to be read: all of it stays under 150 kB, as it is
// written and served.
func TestPageIsSmall(t *testing.T) {
	const most = 150_000
	all, err := files.ReadDir("ui")
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for _, f := range all {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size >= most {
		t.Errorf("the page has %d bytes, %d are too many", size, most)
	}
}

// played records a conversation with a clock of its own: 100 messages in ten
// seconds, nothing for a minute, then a note and ten more.
func played(t testing.TB) *record.Reader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "played.jsonl")
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.Local)
	log, err := record.Create(path, record.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	say(log, record.SC, header) // entry 1
	for i := range 100 {
		now = now.Add(100 * time.Millisecond)
		if i%4 > 0 {
			say(log, record.SC, "<r xmlns='urn:xmpp:sm:3'/>")
		} else {
			say(log, record.SC, fmt.Sprintf("<message><body>number %d</body></message>", i))
		}
	}
	now = now.Add(time.Minute)
	log.Append(record.Event{C: 1, E: record.EventNote, By: record.ByUser, Text: "after the pause"}) // entry 102
	for range 10 {
		now = now.Add(100 * time.Millisecond)
		say(log, record.CS, header+"<iq type='set'><no-id/></iq>")
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

func TestSeek(t *testing.T) {
	x := indexOf(t, played(t))
	p := &page{server: &Server{Source: x}, source: x, chosen: newChoice()}
	end := 10.0 + 60 + 1
	for _, c := range []struct {
		filter string
		q      seek
		want   head
	}{
		{"", seek{To: "time", T: 0}, head{N: 1, At: 1, Next: 0.1}},
		{"", seek{To: "time", T: 0.25}, head{N: 3, At: 3, T: 0.25, Next: 0.3}},
		{"", seek{To: "time", T: 30}, head{N: 101, At: 101, T: 30, Next: 70}},
		{"", seek{To: "time", T: 1e300}, head{N: 122, At: 122, T: 1e300, Next: -1}},
		{"", seek{To: "time", T: -5}, head{N: 1, At: 1, Next: 0.1}},
		{"", seek{N: 1 << 40}, head{N: 122, At: 122, T: end, Next: -1}},
		{"", seek{At: 3}, head{N: 3, At: 3, T: 0.2, Next: 0.3}},
		{"", seek{N: 3, By: 1}, head{N: 4, At: 4, T: 0.3, Next: 0.4}},
		{"", seek{N: 3, By: -1}, head{N: 2, At: 2, T: 0.1, Next: 0.2}},
		{"", seek{N: 1, By: -1}, head{Next: 0}},
		{"", seek{N: 0, By: -1}, head{Next: 0, None: true}},
		{"", seek{N: 3, By: 1, Stanzas: true}, head{N: 6, At: 6, T: 0.5, Next: 0.6}},
		{"", seek{N: 6, By: -1, Stanzas: true}, head{N: 2, At: 2, T: 0.1, Next: 0.2}},
		{"", seek{N: 2, By: -1, Stanzas: true}, head{N: 2, At: 2, T: 0.1, Next: 0.2, None: true}},
		{"", seek{N: 122, By: 1}, head{N: 122, At: 122, T: end, Next: -1, None: true}},
		{"", seek{N: 122, By: 1, Stanzas: true}, head{N: 122, At: 122, T: end, Next: -1, None: true}},
		{"message", seek{To: "time", T: 0.25}, head{N: 3, At: 1, T: 0.25, Next: 0.5}},
		{"message", seek{N: 3, By: 1}, head{N: 6, At: 2, T: 0.5, Next: 0.9}},
		{"message", seek{N: 3, By: -1}, head{N: 2, At: 1, T: 0.1, Next: 0.5}},
		{"message", seek{N: 2, By: -1}, head{Next: 0.1}},
		{"message", seek{N: 7, By: -1, Stanzas: true}, head{N: 6, At: 2, T: 0.5, Next: 0.9}},
		{"message", seek{N: 98, By: 1}, head{N: 98, At: 25, T: 9.7, None: true, Next: -1}},
	} {
		p.chosen.set(c.filter)
		for p.chosen.look(x, x.Status()).more {
		}
		c.want.Op, c.want.Length = "head", end
		if got := p.sought(c.q); got != c.want {
			t.Errorf("%q %+v:\n got %+v\nwant %+v", c.filter, c.q, got, c.want)
		}
	}
	d := p.density(request{}).(density)
	if len(d.Notes) != 1 || d.Notes[0] != [2]float64{102, 70} || d.Length != end || len(d.CS) != len(d.SC) || len(d.Warnings)+len(d.Errors) == 0 {
		t.Errorf("%+v", d)
	}
}

// What is written in the player's field is read as it was meant there, in the time
// zone of who wrote it.
func TestReadPlace(t *testing.T) {
	start := time.Date(2026, 11, 25, 23, 30, 0, 0, time.UTC)
	const length = 2 * time.Hour
	for _, c := range []struct {
		text string
		zone int
		n    int
		t    float64
		ok   bool
	}{
		{"#120", 0, 120, 0, true}, {"# 7", 0, 7, 0, true}, {" +90 ", 0, 0, 90, true}, {"+1:30", 0, 0, 90, true}, {"90s", 0, 0, 90, true}, {"1:30", 0, 0, 90, true},
		{"23:30:01.5", 0, 0, 1.5, true}, {"00:00:10", 0, 0, 1810, true}, // past midnight
		{"23:00:00", 0, 0, 0, true}, {"+99999", 0, 0, 7200, true},
		{"00:30:01", -60, 0, 1, true}, {"18:30:01", 300, 0, 1, true}, // Paris, New York
		{"sometime", 0, 0, 0, false}, {"#", 0, 0, 0, false}, {"-5", 0, 0, 0, false}, {"1:2:3:4", 0, 0, 0, false},
	} {
		q := seek{Place: c.text, Zone: c.zone}
		if ok := q.read(start, length); ok != c.ok || q.N != c.n || q.T != c.t {
			t.Errorf("%q is %v %+v", c.text, ok, q)
		}
	}
}

const playhead = `Number(document.querySelector("#scrub").value)`

// press is a key as the page gets it. What chromedp sends for a space scrolls even
// where the page prevents it, which a keyboard's does not.
func press(key string, shift bool) action {
	return run(fmt.Sprintf(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: %q, shiftKey: %v, bubbles: true, cancelable: true})); 0`, key, shift))
}

func TestPlayer(t *testing.T) {
	ctx := browser(t)
	where := `document.querySelector("#where").textContent`
	said := `document.querySelector("#said").textContent`
	playing := `document.querySelector("#play").getAttribute("aria-label") === "Pause"`
	at := func(n int) action { return until(fmt.Sprintf(`%s.endsWith("· %d of 122")`, where, n)) }
	speed := func(s string) action {
		return run(`document.querySelector("#speed").value = "` + s + `"; document.querySelector("#speed").dispatchEvent(new Event("change")); 0`)
	}
	do(t, ctx, chromedp.Navigate(pages(t, played(t))), until(`document.querySelectorAll(".row:not(.loading)").length > 10`),
		until(`document.querySelector("#player").hidden`),
		// It plays from the beginning, the list follows, and what is to come is dimmed.
		chromedp.KeyEvent("p"), until(playing), until(playhead+` > 0.3`), until(`document.querySelector(".row.head") && document.querySelector(".row.ahead")`),
		press(" ", false), until(`!(`+playing+`)`), until(said+`.includes("paused")`),
		// By hand.
		run(`document.querySelector("#jump").focus()`), run(`document.querySelector("#jump").value = "12:00:00.25"; 0`), chromedp.KeyEvent(kb.Enter), until(`document.activeElement.id !== "jump"`), at(3),
		chromedp.KeyEvent(kb.ArrowRight), at(4), until(said+` === "entry 4"`), chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowLeft), at(2))
	do(t, ctx, run(`document.querySelector("#jump").focus()`), run(`document.querySelector("#jump").value = "sometime"; 0`), chromedp.KeyEvent(kb.Enter),
		until(`!document.querySelector("#wrong").hidden && document.querySelector("#jump").getAttribute("aria-invalid") === "true"`),
		run(`document.querySelector("#jump").value = "#90"; 0`), chromedp.KeyEvent(kb.Enter), at(90), until(`document.querySelector("#wrong").hidden`),
		until(`[...document.querySelectorAll(".row.head .n")].some(e => e.textContent === "90")`),
		// Choosing an entry puts the playhead there.
		run(`[...document.querySelectorAll(".row")].find(e => e.querySelector(".n").textContent === "86").click()`), at(86), until(`document.querySelector("#heading").textContent.startsWith("#86 ")`),
		chromedp.KeyEvent(kb.ArrowRight), at(87), until(`document.querySelector("#heading").textContent.startsWith("#87 ")`))
	do(t, ctx, run(`document.querySelector("[data-by='1'][data-stanzas]").click()`), at(90), until(`document.querySelector("#heading").textContent.startsWith("#90 ")`), chromedp.KeyEvent(kb.Escape), until(`document.querySelector("#details").hidden`),
		// The minute without entries is skipped, and at the end it stops.
		speed("5"), run(`document.querySelector("#play").click()`), until(said+`.includes("skipped")`), until(playhead+` > 60`), until(said+` === "the end"`), at(122), until(`!(`+playing+`)`))
	if got := get(t, ctx, chromedp.Evaluate[string](`document.querySelector("#scrub").getAttribute("aria-valuetext")`)); !strings.HasSuffix(got, "entry 122 of 122") {
		t.Errorf("a screen reader says %s", got)
	}
	if n := get(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll(".row.ahead").length`)); n != 0 {
		t.Errorf("%d rows are dimmed at the end", n)
	}
	// The track shows what there is; it takes the pointer.
	for _, cls := range []string{"cs", "sc", "gap", "notes", "errors"} {
		if d := get(t, ctx, chromedp.Evaluate[string](`document.querySelector("#track .`+cls+`").getAttribute("d")`)); len(d) < 10 {
			t.Errorf("no %s on the track: %s", cls, d)
		}
	}
	point := func(event, part string) action {
		return run(`{ const t = document.querySelector("#track"), box = t.getBoundingClientRect(); t.dispatchEvent(new PointerEvent("` + event + `", { clientX: box.left + box.width * ` + part + ` })); }`)
	}
	do(t, ctx, point("pointermove", ".5"), until(`document.querySelector("#tip").textContent === "12:00:35.500"`), point("pointermove", "1"), until(`/^12:01:1.* · \d+ entr.* · \d+ error.* · \d+ warning/.test(document.querySelector("#tip").textContent)`),
		until(`document.querySelector("#tip").getBoundingClientRect().right <= innerWidth`), point("pointerleave", "1"), until(`document.querySelector("#tip").hidden`))
	do(t, ctx, run(`{ const s = document.querySelector("#scrub"); s.value = 5.05; s.dispatchEvent(new Event("input")); }`), at(51), until(`Math.abs(`+playhead+` - 5.05) < 0.001`),
		// With a filter only what is in the list counts.
		run(`document.querySelector("#filter").value = "message"; document.querySelector("#filter").dispatchEvent(new Event("input")); 0`), until(`document.querySelector("#counts").textContent.includes("25 of 122")`),
		run(`document.querySelector("#list").focus()`), chromedp.KeyEvent(kb.ArrowRight), at(54), press("ArrowLeft", true), at(50), press("ArrowRight", true), at(54),
		chromedp.KeyEvent(kb.Escape), until(`document.querySelector("#player").hidden && !document.querySelector(".row.ahead, .row.head")`))
}

// A live recording plays at its end, and what comes is played at once.
func TestPlayerIsLive(t *testing.T) {
	ctx := browser(t)
	log, _, url := show(t)
	say(log, record.SC, header+"<message><body>first</body></message>")
	do(t, ctx, chromedp.Navigate(url), until(rowTexts+`.includes("first")`), chromedp.KeyEvent("p"), until(`document.querySelector("#where").textContent.endsWith("· 2 of 2")`))
	for i := range 3 {
		say(log, record.SC, "<message><body>more</body></message>")
		do(t, ctx, until(fmt.Sprintf(`document.querySelector("#where").textContent.endsWith("· %d of %d")`, i+3, i+3)), until(`!document.querySelector(".row.ahead")`))
	}
}

func TestPlayerScreens(t *testing.T) {
	ctx := browser(t)
	r := demoReader(t)
	demo := pages(t, r)
	for _, c := range []struct {
		name          string
		width, height int64
		theme         string
	}{{"player-light", 1280, 760, "light"}, {"player-dark", 1280, 760, "dark"}, {"player-narrow", 360, 740, "dark"}, {"player-wide", 1920, 1000, "light"}} {
		inTheme(t, ctx, demo, c.width, c.height, c.theme, loaded)
		do(t, ctx, chromedp.KeyEvent("p"), until(`document.querySelector("#track .sc")`), press(" ", false),
			run(`document.querySelector("#jump").focus()`), run(`document.querySelector("#jump").value = "#132"; 0`), chromedp.KeyEvent(kb.Enter), until(`document.querySelector("#where").textContent.includes("132 of")`),
			until(`document.querySelector(".row.ahead") && !document.querySelector(".row.loading")`))
		if wide := get(t, ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth`)); int64(wide) > c.width {
			t.Errorf("%s: the page is %d wide", c.name, wide)
		}
		screen(t, ctx, c.name)
	}
}
