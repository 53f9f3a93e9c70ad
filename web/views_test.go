package web

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A state of the page, and the steps that lead there from the one before.
type state struct {
	name  string
	steps []action
}

// deciding lets a page hold and put in.
func deciding(s *Server) {
	x := &sessionsOf{changes: make(chan struct{}, 1), points: []string{`message and body =~ "wherefore"`, "iq and ping"}, on: true}
	until := time.Now().Add(time.Minute).UnixMilli()
	x.list = []Session{{Conn: 2, Held: []HeldFrame{
		{Conn: 2, Dir: "CS", Offset: 10, By: "rule breakpoint " + x.points[0], Until: until, XML: "<message to='romeo@montague.example/orchard' type='chat' id='m7'><body>O Romeo, Romeo! wherefore art thou Romeo?</body><request xmlns='urn:xmpp:receipts'/></message>"},
		{Conn: 2, Dir: "SC", Offset: 20, By: "rule breakpoint " + x.points[1], Until: until, Behind: 412, XML: "<iq type='get' id='p1' from='capulet.example' to='juliet@capulet.example/balcony'><ping xmlns='urn:xmpp:ping'/></iq>"},
	}}, {Conn: 1, CS: "the login has not ended"}}
	s.Intercept = x
}

// everyView goes through all that the page shows of a recording.
func everyView() []state {
	click := func(selector string) action { return run(`document.querySelector("` + selector + `").click()`) }
	return []state{
		{"list", []action{run(`document.querySelector("#list").focus()`)}},
		{"columns", []action{run(`document.querySelector("#columnmenu").showPopover()`)}},
		{"menu", []action{run(`document.querySelector("#columnmenu").hidePopover(); document.querySelector("#menu").showPopover()`)}},
		{"details", []action{run(`document.querySelector("#menu").hidePopover()`), run(`location.hash = "entry=216"`), until(`!document.querySelector("#details").hidden`), click("#way-pretty"), until(`document.querySelector("#way pre")`)}},
		{"raw", []action{click("#way-raw"), until(`document.querySelector("#way").textContent`)}},
		{"tree", []action{click("#way-tree"), until(`document.querySelector("#way [role=treeitem]")`)}},
		{"hex", []action{click("#way-hex"), until(`document.querySelector("#way").textContent.includes("000")`)}},
		{"mistake", []action{click("#close"), run(`document.querySelector("#filter").value = "iq and ("; document.querySelector("#filter").dispatchEvent(new Event("input"))`), until(`!document.querySelector("#problem").hidden`)}},
		{"completion", []action{run(`document.querySelector("#filter").focus(); document.querySelector("#filter").value = "mess"; document.querySelector("#filter").dispatchEvent(new Event("input"))`), until(`!document.querySelector("#names").hidden`)}},
		{"ladder", []action{run(`document.querySelector("#filter").value = ""; document.querySelector("#filter").dispatchEvent(new Event("input"))`), click("#tab-ladder"), until(`document.querySelectorAll(".row:not(.loading)").length > 5 && document.querySelector("#problem").hidden`)}},
		{"overview", []action{click("#tab-overview"), until(`document.querySelector("#overview table")`)}},
		{"player", []action{click("#tab-list"), click("#replay"), until(`document.querySelector("#track .sc")`)}},
		{"desk", []action{click("#tab-desk"), until(`document.querySelector("#held article")`), click("#held [data-verdict=edit]"), until(`document.querySelector("#colours .element") && document.querySelector("#common option")`)}},
		{"keys", []action{click("#tab-list"), click("#leave"), click("#keylisted"), until(`document.querySelector("#help").open`)}},
		{"save", []action{run(`document.querySelector("#help").close(); document.querySelector("#saving").showModal()`)}},
	}
}

// TestScreens keeps pictures of each view, in light and dark, wide and narrow,
// where SCREENS names a directory: to be looked at. Those in testdata/screenshots
// are made so.
func TestScreens(t *testing.T) {
	ctx := browser(t)
	r := demoReader(t)
	demo := pages(t, r, deciding)
	said := `[...document.querySelectorAll(".row")].find(e => e.textContent.includes("wherefore"))`
	states := []state{
		{"list", []action{run(`document.querySelector("#list").scrollTop = 24 * 115`), until(said)}},
		{"details", []action{run(said + `.click()`), until(`document.querySelector("#way pre")?.textContent.includes("Romeo")`)}},
		{"ladder", []action{run(`document.querySelector("#tab-ladder").click()`), until(`document.querySelectorAll(".row:not(.loading) .arrow").length > 3`)}},
		{"way", []action{run(`document.querySelector("#list").focus()`), chromedp.KeyEvent("l"), until(`document.querySelector("#journey").textContent.includes("delivered")`), run(`document.querySelector("#close").click()`)}},
		{"overview", []action{run(`document.querySelector("#tab-overview").click()`), until(`document.querySelector("#overview table")`)}},
		{"player", []action{run(`document.querySelector("#tab-list").click(); document.querySelector("#replay").click()`), until(`document.querySelector("#track .sc")`), run(`document.querySelector("#play").click()`)}},
		{"desk", []action{run(`document.querySelector("#leave").click(); document.querySelector("#tab-desk").click()`), until(`document.querySelector("#held [data-verdict=edit]")`), run(`document.querySelector("#held [data-verdict=edit]").click()`), until(`document.querySelector("#colours .element")`)}},
	}
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"wide", 1280, 760}, {"narrow", 420, 800}} {
		for _, theme := range []string{"light", "dark"} {
			inTheme(t, ctx, demo, size.width, size.height, theme, loaded)
			for _, s := range states {
				do(t, ctx, s.steps...)
				screen(t, ctx, s.name+"-"+size.name+"-"+theme)
			}
		}
	}
}
