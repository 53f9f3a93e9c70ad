package web

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/xmpplens/xmpplens/record"
)

// keepStatus lets a test say the last status again, when it wants to.
const keepStatus = `{
	const Real = WebSocket;
	window.WebSocket = class extends Real {
		constructor(...of) {
			super(...of);
			this.addEventListener("message", (e) => { if (e.data.includes('"op":"status"')) window.again = () => this.onmessage(e); });
		}
	};
}`

// A person who scrolls away from the end of a list that follows is not brought back
// by what comes before the browser tells of the scroll.
func TestScrollWinsOverFollow(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	log, _, url := show(t)
	say(log, record.CS, header)
	for n := 2; n <= 300; n++ {
		say(log, record.CS, fmt.Sprintf("<message to='romeo@e'><body>line %d</body></message>", n))
	}
	follows := `document.querySelector("#follow").getAttribute("aria-pressed")`
	do(t, ctx, command("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": keepStatus}), chromedp.Navigate(url),
		until(`window.again && [...document.querySelectorAll(".row .n")].some(e => e.textContent === "300") && `+follows+` === "true"`),
		run(`document.querySelector("#list").scrollTop = 240; window.again(); 0`), until(follows+` === "false" && document.querySelector(".row .n").textContent === "11"`))
	// What comes then does not, either.
	say(log, record.CS, "<presence/>")
	do(t, ctx, until(`document.querySelector("#fresh").textContent.includes("1 new")`), until(`document.querySelector(".row .n").textContent === "11"`),
		// And a list whose box grows goes on following.
		run(`document.querySelector("#follow").click()`), until(follows+` === "true"`),
		chromedp.EmulateViewport(1280, 500), until(`document.querySelector("#list").clientHeight < 400 && [...document.querySelectorAll(".row .n")].at(-1).textContent === "301"`),
		chromedp.EmulateViewport(1280, 900), until(`document.querySelector("#list").clientHeight > 600 && [...document.querySelectorAll(".row .n")].at(-1).textContent === "301"`),
		run(`window.again(); 0`), until(follows+` === "true"`))
}

// A row that was on the screen when it was chosen is there beside the details, too.
func TestChosenStaysInSight(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	r := demoReader(t)
	sight := `(() => { const l = document.querySelector("#list").getBoundingClientRect(), r = document.querySelector(".row[aria-selected=true]")?.getBoundingClientRect(); return !!r && r.top >= l.top + 24 && r.bottom <= l.bottom + 1; })()`
	do(t, ctx, chromedp.EmulateViewport(420, 800), chromedp.Navigate(pages(t, r)), until(loaded), run(`document.querySelector("#list").scrollTop = 24 * 115; 0`), until(rowTexts+`.includes("wherefore") && !document.querySelector(".row.loading")`),
		run(`[...document.querySelectorAll(".row")].at(-3).click()`), until(`!document.querySelector("#details").hidden && document.querySelector("#list").clientHeight < 300`), until(sight),
		// Closed and opened again, by key.
		run(`document.querySelector("#close").click()`), until(`document.querySelector("#details").hidden`), run(`[...document.querySelectorAll(".row")].at(-2).click()`), until(`!document.querySelector("#details").hidden`), until(sight))
}
