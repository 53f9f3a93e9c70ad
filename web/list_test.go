package web

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const chosenRow = `document.querySelector(".row[aria-selected=true] .n")?.textContent`

// goingTo tells whether a number to go to is asked for.
const goingTo = `document.querySelector("#goto").matches(":popover-open")`

// chip is the toggle of a kind.
func chip(kind string) string { return fmt.Sprintf(`document.querySelector("[data-kind=%s]")`, kind) }

func TestList(t *testing.T) {
	ctx := browser(t)
	r := demoReader(t)
	demo := pages(t, r)
	counts := `document.querySelector("#counts").textContent`
	news := `document.querySelector("#news").textContent`
	at := func(n int) action { return until(fmt.Sprintf(`%s === "%d"`, chosenRow, n)) }
	place := func(n int) action {
		return until(fmt.Sprintf(`document.querySelector(".row[aria-selected=true]")?.dataset.at === "%d"`, n))
	}
	do(t, ctx, chromedp.Navigate(demo), until(`document.querySelectorAll(".row:not(.loading)").length > 5`),
		// Kinds: what is hidden is left out, the figures stay, the address says it.
		until(chip("ack")+`.textContent === "Acks114"`), run(chip("ack")+`.click()`), until(counts+`.includes("174 of 288 entries")`),
		until(chip("ack")+`.getAttribute("aria-pressed") === "false" && `+chip("ack")+`.textContent === "Acks114" && location.hash === "#hide=ack"`),
		until(`!`+rowTexts+`.includes("sm asks for")`),
		// Beside a filter, of whose entries they are the figures.
		run(`document.querySelector("#filter").value = "conn == 1"; document.querySelector("#filter").dispatchEvent(new Event("input")); 0`),
		until(chip("ack")+`.textContent.match(/^Acks\d\d$/)`), run(chip("ack")+`.click()`), until(counts+`.match(/1\d\d of 288 entries/)`), until(`location.hash === "#filter=conn+%3D%3D+1"`),
		run(`document.querySelector("#filter").value = ""; document.querySelector("#filter").dispatchEvent(new Event("input")); 0`), until(counts+`.includes(", 288 entries")`),
		run(chip("note")+`.dispatchEvent(new MouseEvent("click", {shiftKey: true, bubbles: true}))`), until(counts+`.includes("2 of 288 entries")`),
		run(chip("note")+`.dispatchEvent(new MouseEvent("click", {shiftKey: true, bubbles: true}))`), until(counts+`.includes(", 288 entries")`),
		// What is on the screen stays there while kinds come and go.
		run(`document.querySelector("#list").focus()`), press("g", false), press("1", false), chromedp.KeyEvent("32"), until(`document.querySelector("#gotoplace").value === "132"`),
		chromedp.KeyEvent(kb.Enter), at(132), until(`document.querySelector("#heading").textContent.startsWith("#132 ")`), until(`!`+goingTo+` && document.activeElement.id === "list"`))
	do(t, ctx, run(chip("ack")+`.click()`), until(counts+`.includes("174 of")`), until(`!`+rowTexts+`.includes("sm asks for") && !document.querySelector(".row.loading")`), at(132), until(`document.querySelector("#counts").textContent.includes("174 of")`),
		// By key: the same connection, an entry that is hidden, marks, the ends.
		chromedp.KeyEvent("]"), at(137), chromedp.KeyEvent("["), at(132), press(":", false), chromedp.KeyEvent("134"), chromedp.KeyEvent(kb.Enter), until(news+`.includes("134 is not in the list")`), at(136),
		chromedp.KeyEvent("m"), until(`document.querySelector(".row[aria-selected=true] .mark")`), chromedp.KeyEvent("g"), chromedp.KeyEvent("g"), at(1), chromedp.KeyEvent("M"), at(136),
		chromedp.KeyEvent("["), at(133), chromedp.KeyEvent("G"), at(288), until(`document.querySelector("#list").getAttribute("aria-activedescendant") === document.querySelector(".row[aria-selected=true]").id`),
		chromedp.KeyEvent(kb.ArrowUp), place(173), chromedp.KeyEvent("k"), place(172), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent("j"), place(174), at(288), chromedp.KeyEvent(kb.PageUp), until(`Number(`+chosenRow+`) < 270`),
		chromedp.KeyEvent(kb.Enter), until(`document.activeElement.id === "body"`), chromedp.KeyEvent(kb.Escape), until(`document.querySelector("#details").hidden && document.activeElement.id === "list"`))
	// Details that are closed before they are there stay closed: answers come one after another.
	do(t, ctx, run(`document.querySelector(".row:not(.loading)").click(); document.querySelector("#close").click(); 0`),
		run(chip("ack")+`.click()`), until(counts+`.includes(", 288 entries")`), run(chip("ack")+`.click()`), until(counts+`.includes("174 of")`))
	if !get(t, ctx, chromedp.Evaluate[bool](`document.querySelector("#details").hidden && !location.hash.includes("entry")`)) {
		t.Error("details came back after they were closed")
	}
	do(t, ctx, press(":", false), chromedp.KeyEvent("sometime"), chromedp.KeyEvent(kb.Enter), until(`document.querySelector("#gotoplace:user-invalid") && `+goingTo), chromedp.KeyEvent(kb.Escape),
		until(`!`+goingTo), press(":", false), chromedp.KeyEvent("1"), chromedp.KeyEvent(kb.Enter), at(1))
	// All of it comes back with the page.
	do(t, ctx, reload, until(`document.querySelectorAll(".row:not(.loading)").length > 5 && `+counts+`.includes("174 of 288 entries")`),
		until(chip("ack")+`.getAttribute("aria-pressed") === "false"`), run(`document.querySelector("#list").focus()`), chromedp.KeyEvent("M"), at(136), until(`document.querySelector(".row[aria-selected=true] .mark")`))
}

func TestColumns(t *testing.T) {
	ctx := browser(t)
	r := demoReader(t)
	time := `document.querySelector(".row:not(.loading) .time").textContent`
	size := `getComputedStyle(document.querySelector("#columns .size")).display`
	input := func(sel, change string) action {
		return run(fmt.Sprintf(`{ const el = document.querySelector(%q); %s }`, "#columnmenu "+sel, change))
	}
	do(t, ctx, chromedp.Navigate(pages(t, r)), until(`document.querySelectorAll(".row:not(.loading)").length > 5`), chromedp.KeyEvent(kb.Home), until(`document.querySelector(".row .n").textContent === "1"`),
		chromedp.KeyEvent(kb.Escape), run(`document.querySelector("[popovertarget=columnmenu]").click()`), until(`document.querySelector("#columnmenu input[name=time]:checked").parentNode.textContent === "Time of day"`),
		input("[name=time]:not(:checked)", `el.click()`), until(time+`.match(/^\+\d+\.\d{3}$/)`), input("label:has([name=time]:checked) + label input", `el.click()`), until(time+` === ""`),
		until(`document.querySelectorAll(".row")[2].querySelector(".time").textContent.match(/^\+\d+\.\d{3}$/) && document.querySelector("#columns .time").textContent === "Since previous"`),
		input("[name=col-size]", `el.click()`), until(size+` === "none"`), input("[name=hue]:not(:checked)", `el.click()`), until(`document.querySelector(".row.by-conn.hue0")`),
		input("[aria-label='Width of Time']", `el.value = 120; el.dispatchEvent(new Event("input", { bubbles: true }))`), until(`document.querySelector("#columns .time").offsetWidth === 120 && document.querySelector(".row .time").offsetWidth === 120`),
		// It is kept; a narrow screen takes away, and gives back.
		reload, until(`document.querySelectorAll(".row:not(.loading)").length > 5 && document.querySelector(".row.by-conn")`), until(size+` === "none" && document.querySelector(".row .time").offsetWidth === 120`),
		chromedp.EmulateViewport(420, 700), until(`getComputedStyle(document.querySelector(".row .took")).display === "none" && getComputedStyle(document.querySelector(".row .dir")).display !== "none"`),
		chromedp.EmulateViewport(1280, 700), until(`getComputedStyle(document.querySelector(".row .took")).display !== "none"`),
		run(`document.querySelector("[popovertarget=columnmenu]").click()`), until(`document.querySelector("#columnmenu input")`), input("[name=col-size]", `el.click()`), input("[name=hue]", `el.click()`),
		until(size+` !== "none" && document.querySelector(".row.by-kind")`))
	// With the pointer; the summary gives way.
	grip := get(t, ctx, chromedp.Evaluate[[]float64](`(() => { document.querySelector("#columnmenu").hidePopover(); const r = document.querySelector("#columns .kind .grip").getBoundingClientRect(); return [r.x + 4, r.y + 8]; })()`))
	do(t, ctx, mouse("mousePressed", grip[0], grip[1]), mouse("mouseMoved", grip[0]+20, grip[1]), mouse("mouseMoved", grip[0]+40, grip[1]), mouse("mouseReleased", grip[0]+40, grip[1]), until(`document.querySelector("#columns .kind").offsetWidth === 116`))
}

// TestListScreens keeps pictures of the list where SCREENS names a directory.
func TestListScreens(t *testing.T) {
	ctx := browser(t)
	r := demoReader(t)
	demo := pages(t, r)
	for _, c := range []struct {
		name          string
		width, height int64
		theme         string
		more          string
	}{
		{"list-light", 1280, 760, "light", ""}, {"list-dark", 1280, 760, "dark", ""}, {"list-narrow", 420, 800, "light", ""}, {"list-tiny", 320, 640, "dark", ""}, {"list-wide", 2560, 1440, "light", ""},
		{"list-columns", 1280, 760, "light", `document.querySelector("[popovertarget=columnmenu]").click()`},
		{"list-columns-narrow", 420, 800, "dark", `document.querySelector("[popovertarget=columnmenu]").click()`},
		{"list-details", 1280, 760, "light", `document.querySelectorAll(".row")[8].click()`},
	} {
		inTheme(t, ctx, demo, c.width, c.height, c.theme, loaded)
		do(t, ctx, run(`document.querySelector("#list").scrollTop = 24 * 120; 0`), until(rowTexts+`.includes("wherefore") && !document.querySelector(".row.loading")`))
		if c.more != "" {
			do(t, ctx, run(c.more+"; 0"), until(`document.querySelector("#columnmenu:popover-open fieldset, #body pre, #body dl")`))
		}
		if wide := get(t, ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth`)); int64(wide) > c.width {
			t.Errorf("%s: the page is %d wide", c.name, wide)
		}
		screen(t, ctx, c.name)
	}
}

// command is one of the browser's protocol.
func command(method string, params map[string]any) action {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return chromedp.Void{}, t.Call(ctx, method, params, nil)
	}
}

// mouse is an event of the mouse whose left button is down or changes.
func mouse(kind string, x, y float64) action {
	return command("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1})
}
